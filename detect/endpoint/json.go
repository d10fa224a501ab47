package endpoint

import "bytes"

// jsonSeen is what the beginning of a JSON text says.
type jsonSeen struct {
	shape                            uint64
	code                             uint32
	soft, secondFactor, failureWords bool
	granted, partly                  bool // it says that it went well, or that a part did
}

// jsonFacts reads the beginning of a JSON text once, without building it. What
// is cut off or broken ends the reading; what was read before it stands.
type jsonFacts struct {
	data []byte
	pos  int
	keys uint64
	jsonSeen
}

func readJSON(t []byte) jsonSeen {
	j := jsonFacts{data: t}
	j.shape = j.keySet() | 1
	return j.jsonSeen
}

// shapeDepth is how deep keys count for the shape; deeper ones vary with the
// data. What is nested deeper than maxDepth is not read.
const (
	shapeDepth = 2
	maxDepth   = 64
)

// keySet gives a hash of the set of keys down to shapeDepth, of an array those
// of its first element. The order of keys does not matter.
func (j *jsonFacts) keySet() uint64 {
	start := j.data[0]
	j.value(0, uint64(start))
	return j.keys ^ uint64(start)<<56
}

// value reads one value at pos. Keys count into the shape while path is not 0.
// It returns false where the text ends or breaks.
func (j *jsonFacts) value(depth int, path uint64) bool {
	j.space()
	if j.pos >= len(j.data) || depth > maxDepth {
		return false
	}
	if c := j.data[j.pos]; path == 0 && (c == '{' || c == '[') {
		return j.skip()
	}
	switch j.data[j.pos] {
	case '{':
		return j.object(depth, path)
	case '[':
		return j.array(depth, path)
	case '"':
		_, ok := j.text()
		return ok
	}
	return j.scalar() != nil
}

func (j *jsonFacts) object(depth int, path uint64) bool {
	j.pos++
	for n := 0; ; n++ {
		j.space()
		if j.pos >= len(j.data) {
			return false
		}
		if j.data[j.pos] == '}' {
			j.pos++
			return true
		}
		if n > 0 {
			if j.data[j.pos] != ',' {
				return false
			}
			j.pos++
			j.space()
		}
		if j.pos >= len(j.data) || j.data[j.pos] != '"' {
			return false
		}
		key, ok := j.text()
		j.space()
		if !ok || j.pos >= len(j.data) || j.data[j.pos] != ':' {
			return false
		}
		j.pos++
		j.space()
		inner := uint64(0)
		if path != 0 && depth < shapeDepth {
			inner = mix(path*31 + uint64(hashBytes(key)))
			j.keys += inner
		}
		if path != 0 && depth == 0 {
			if !j.member(key, inner) {
				return false
			}
		} else if !j.value(depth+1, inner) {
			return false
		}
	}
}

func (j *jsonFacts) array(depth int, path uint64) bool {
	j.pos++
	for n := 0; ; n++ {
		j.space()
		if j.pos >= len(j.data) {
			return false
		}
		if j.data[j.pos] == ']' {
			j.pos++
			return true
		}
		if n > 0 {
			if j.data[j.pos] != ',' {
				return false
			}
			j.pos++
			path = 0
			if n == 1 && bytes.IndexByte(j.data[j.pos:], ']') < 0 {
				return false // it is cut off, and the others say nothing
			}
		}
		if !j.value(depth+1, path) {
			return false
		}
	}
}

// allSoft reports whether a text is an array of failures: what a batch of
// requests gets of which none had success.
func allSoft(b []byte) bool {
	if !bytes.Contains(b[:min(len(b), shapeBytes)], []byte(`"error`)) {
		return false
	}
	j := jsonFacts{data: b, pos: 1}
	for n := 0; ; n++ {
		j.space()
		if n > 0 {
			if j.pos < len(b) && b[j.pos] == ']' {
				return true
			}
			if j.pos >= len(b) || b[j.pos] != ',' {
				return false
			}
			j.pos++
			j.space()
		}
		j.soft = false
		if j.pos >= len(b) || b[j.pos] != '{' || !j.object(0, 1) || !j.soft {
			return false
		}
	}
}

// member reads the value of a top-level key and looks for the marks of a
// failure in it.
func (j *jsonFacts) member(key []byte, path uint64) bool {
	start := j.pos
	if start >= len(j.data) {
		return false
	}
	if !j.value(1, path) {
		// A long list of errors is one, though only its beginning is read.
		if b := bytes.TrimLeft(j.data[start:], " \t\r\n[{"); (isKey(key, "error") || isKey(key, "errors")) && len(b) > 0 && b[0] == '"' {
			j.soft = true
		}
		return false
	}
	v := j.data[start:j.pos]
	switch {
	case isKey(key, "success") || isKey(key, "ok") || isKey(key, "authenticated"):
		switch string(v) {
		case "false", "0", `"false"`, `"0"`:
			j.soft = true
		case "true", `"true"`:
			j.granted = true
		}
	case isKey(key, "error") || isKey(key, "errors") || isKey(key, "error_code"):
		if !emptyJSON(v) {
			j.soft = true
		}
	case isKey(key, "code") || isKey(key, "status") || isKey(key, "errcode"):
		if len(v) <= 64 {
			j.code = hashBytes(v)&^numericCode | 1
			if number := v[0] == '-' || '0' <= v[0] && v[0] <= '9'; number && (!isKey(key, "status") || resultStatus(v)) {
				j.code |= numericCode
			}
		}
		for _, w := range [...]string{`"error"`, `"fail"`, `"failed"`, `"failure"`, `"unauthorized"`, `"unauthenticated"`, `"denied"`} {
			if len(v) == len(w) && equalLower(v, w) {
				j.soft = true
			}
		}
		j.granted = j.granted || string(v) == `"success"`
	case isKey(key, "data"):
		fails, granted := payload(v)
		j.failureWords = j.failureWords || fails
		j.granted = j.granted || granted
		j.partly = fails && granted
	case isKey(key, "valid") || isKey(key, "is_valid") || isKey(key, "isValid") || isKey(key, "verified") || isKey(key, "authenticated") ||
		isKey(key, "correct") || isKey(key, "matched"):
		// No error of a resource, but a login or a code that was wrong.
		j.failureWords = j.failureWords || string(v) == "false"
	case isKey(key, "message") || isKey(key, "msg") || isKey(key, "detail") || isKey(key, "error_description"):
		if len(v) < 512 && failureWords.in(v) {
			j.failureWords = true
		}
	}
	// A name that asks for a second factor counts unless its value denies it.
	if secondFactorWords.in(key) && !emptyJSON(v) && string(v) != "false" ||
		(len(v) < 128 && v[0] == '"' && secondFactorWords.in(v)) {
		j.secondFactor = true
	}
	return true
}

// payload tells what an operation of GraphQL says of itself within its payload:
// data.login.errors, data.login.success.
func payload(v []byte) (fails, granted bool) {
	if v[0] != '{' || !bytes.Contains(v, []byte(`rrors"`)) && !bytes.Contains(v, []byte(`uccess"`)) && !bytes.Contains(v, []byte(`"ok"`)) {
		return false, false
	}
	j := jsonFacts{data: v, pos: 1}
	for {
		j.space()
		if j.pos < len(v) && v[j.pos] == ',' {
			j.pos++
			j.space()
		}
		if j.pos >= len(v) || v[j.pos] != '"' {
			return fails, granted
		}
		_, ok := j.text() // the operation
		j.space()
		if !ok || j.pos+1 >= len(v) || v[j.pos] != ':' {
			return fails, granted
		}
		j.pos++
		j.space()
		if j.pos < len(v) && v[j.pos] == '{' {
			p := jsonFacts{data: v, pos: j.pos}
			p.object(0, 1)
			fails, granted = fails || p.soft, granted || p.granted
		}
		if !j.value(1, 0) {
			return fails, granted
		}
	}
}

// numericCode is set in a code that is a number, and none of the numbers that
// things have as their state.
const numericCode = 2

// resultStatus reports a number that has the form of a status of HTTP, or none.
func resultStatus(v []byte) bool {
	return string(v) == "0" || len(v) == 3 && v[0] >= '1' && v[0] <= '5'
}

func isKey(key []byte, name string) bool { return len(key) == len(name) && equalLower(key, name) }

func emptyJSON(v []byte) bool {
	switch string(v) {
	case "null", `""`, "{}", "[]", "false", "0", `"0"`:
		return true
	}
	return false
}

// skip passes over an object or array whose content does not matter. It takes
// most of the time that a body costs: strings in API answers are short, so a
// plain loop beats searching for their ends.
func (j *jsonFacts) skip() bool {
	depth, b := 0, j.data
	for i := j.pos; i < len(b); i++ {
		switch structural[b[i]] {
		case 1: // a string
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case 2:
			depth++
		case 3:
			if depth--; depth == 0 {
				j.pos = i + 1
				return true
			}
		}
	}
	j.pos = len(b)
	return false
}

var structural = [256]uint8{'"': 1, '{': 2, '[': 2, '}': 3, ']': 3}

func (j *jsonFacts) space() {
	for j.pos < len(j.data) {
		switch j.data[j.pos] {
		case ' ', '\t', '\r', '\n':
			j.pos++
		default:
			return
		}
	}
}

// text reads a string and gives what is between its quotes, as sent.
func (j *jsonFacts) text() ([]byte, bool) {
	start := j.pos + 1
	for i := start; ; {
		k := bytes.IndexByte(j.data[i:], '"')
		if k < 0 {
			j.pos = len(j.data)
			return nil, false
		}
		i += k
		slashes := 0
		for i-1-slashes >= start && j.data[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			j.pos = i + 1
			return j.data[start:i], true
		}
		i++
	}
}

// scalar reads a number or a word; nil where there is none.
func (j *jsonFacts) scalar() []byte {
	start := j.pos
	for j.pos < len(j.data) {
		c := j.data[j.pos]
		if c != '-' && c != '+' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			break
		}
		j.pos++
	}
	if j.pos == start {
		return nil
	}
	return j.data[start:j.pos]
}

func hashBytes(b []byte) uint32 {
	h := uint32(2166136261)
	for _, c := range b {
		h = (h ^ uint32(c)) * 16777619
	}
	return h
}

func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
