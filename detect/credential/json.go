package credential

import (
	"encoding/binary"
	"math/bits"
	"strings"
)

// maxJSONDepth is the most that Options.MaxDepth can be.
const maxJSONDepth = 32

// jsonPath is where in a JSON body the scan is: the keys on the way, as sent.
type jsonPath struct {
	key   [maxJSONDepth + 2]string
	field [maxJSONDepth + 2]field // what the key means for its value
	list  [maxJSONDepth + 2]bool  // the level is an array: its key is its parent's
	depth int
	// before is the text up to the value at hand.
	before string
}

// name gives a.b.c, the last parts of it where it is long.
func (p *jsonPath) name() string {
	n := 0
	for d := p.depth; d > 0; d-- {
		if !p.list[d] {
			n += len(p.key[d]) + 1
		}
	}
	if n == 0 {
		return ""
	}
	out := make([]byte, 0, n)
	for d := 1; d <= p.depth; d++ {
		if !p.list[d] {
			if len(out) > 0 {
				out = append(out, '.')
			}
			out = append(out, placeName(p.key[d])...)
		}
	}
	if over := len(out) - 64; over > 0 {
		out = out[over:]
	}
	return string(out)
}

// promising reports whether a JSON body may hold a credential: a token, or a
// key with a meaning before a value that may have it. Most bodies hold none,
// and this is several times as fast as reading them: it looks at nothing but
// what stands before colons. It errs on the side of reading.
func (f *Finder) promising(b []byte) bool {
	s := text(b)
	if findJWT(s) >= 0 || escapedLetter(s) {
		return true
	}
	gate := &secretGate
	if f.response {
		gate = &issuedGate
	}
	// Five bytes are the shortest key of three letters in its quotes.
	for i := 5; i < len(b); i += 64 {
		var colons uint64
		if block := b[i:]; len(block) >= 64 {
			colons = colons8(block) | colons8(block[8:])<<8 | colons8(block[16:])<<16 | colons8(block[24:])<<24 |
				colons8(block[32:])<<32 | colons8(block[40:])<<40 | colons8(block[48:])<<48 | colons8(block[56:])<<56
		} else {
			for k, c := range block {
				if c == ':' {
					colons |= 1 << k
				}
			}
		}
		for ; colons != 0; colons &= colons - 1 {
			at := i + bits.TrailingZeros64(colons)
			last := binary.LittleEndian.Uint32(b[at-4:]) // three letters and a quote
			if last>>24 != '"' && last>>24 > ' ' || last>>24 == '"' && !gate.has(threeOf(last)) {
				continue
			}
			if f.promisingColon(s, at) {
				return true
			}
		}
	}
	return false
}

// colons8 gives a bit for each of the first 8 bytes that is a colon.
func colons8(b []byte) uint64 {
	const low = 0x7f7f7f7f7f7f7f7f
	x := binary.LittleEndian.Uint64(b) ^ 0x3a3a3a3a3a3a3a3a
	// The high bit of each byte that is zero now, then those as one byte.
	return ^(x&low + low | x | low) >> 7 * 0x0102040810204080 >> 56
}

// findJWT gives where "eyJ" stands, -1 where it does not. J is rare in text.
func findJWT(s string) int {
	for i := 2; i < len(s); i++ {
		k := strings.IndexByte(s[i:], 'J')
		if k < 0 {
			break
		}
		if i += k; s[i-1] == 'y' && s[i-2] == 'e' {
			return i - 2
		}
	}
	return -1
}

// escapedLetter reports an ASCII character written as \u00XX, which nobody
// needs to and which may be any letter of a key or token.
func escapedLetter(s string) bool {
	for i := 0; i+4 < len(s); i++ {
		k := strings.IndexByte(s[i:], '\\')
		if k < 0 {
			break
		}
		if i += k; i+4 < len(s) && s[i+1] == 'u' && s[i+2] == '0' && s[i+3] == '0' && s[i+4] >= '2' && s[i+4] <= '7' {
			return true
		}
	}
	return false
}

// promisingColon looks at the key before the colon at i, if there is one.
func (f *Finder) promisingColon(s string, i int) bool {
	end := i
	for end > 0 && s[end-1] <= ' ' {
		end--
	}
	if end < 5 || s[end-1] != '"' {
		return false
	}
	end--
	start := end
	for start > 0 && s[start-1] != '"' && end-start < 97 {
		start--
	}
	key := s[start:end]
	return f.promisingKey(key, s[i+1:]) || start > 1 && s[start-2] == '\\'
}

// promisingKey says so of a key and of what follows its colon.
func (f *Finder) promisingKey(key, rest string) bool {
	fd := fieldOf(key)
	strong := false
	switch fd {
	case noField, fieldUser, fieldAccount, fieldClientID, fieldAssertion:
		return false
	case fieldCode, fieldCodeWeak:
		if f.response {
			return mayEcho(rest)
		}
		strong = true
	case fieldQuery:
		if f.response {
			return false
		}
		i := strings.IndexAny(rest, "({")
		if i < 0 || i >= 200 {
			return false
		}
		for _, w := range [...]string{"ass", `:\"`, `: \"`, "pin:", "ode:", "otp:"} {
			if strings.Contains(rest, w) {
				return true
			}
		}
		return false
	case fieldParams:
		rest = strings.TrimLeft(rest, " \t\r\n")
		return !f.response && len(rest) > 4 && rest[0] == '[' && strings.HasPrefix(strings.TrimLeft(rest[1:], " \t\r\n"), `"`)
	case fieldPassword, fieldHash:
		if f.response {
			return mayExpose(rest)
		}
		strong = fd == fieldPassword
	case fieldNewPassword, fieldSecret, fieldGrant, fieldVerifier:
		if f.response {
			return false
		}
		strong = true
	case fieldLooseToken, fieldLooseKey, fieldSignature:
		if f.response {
			return false
		}
	case fieldSession:
	default:
		strong = !f.response
	}
	for rest != "" && jsonClass[rest[0]] <= byteSpace { // what the lexer passes over
		rest = rest[1:]
	}
	if rest == "" {
		return false
	}
	if rest[0] == '{' || rest[0] >= 'a' && rest[0] <= 'z' {
		// Its members are keys themselves; true, false, null. A login's field
		// has neither, but in an attack.
		return !f.response && fd == fieldPassword && (rest[0] == 't' || rest[0] == '{' && strings.Contains(rest[:min(len(rest), 32)], "$"))
	}
	if strong || rest[0] != '"' {
		return strong || rest[0] == '['
	}
	// Others must look like a token, which no short one does.
	return len(rest) > 16 && (strings.IndexByte(rest[1:17], '"') < 0 || strings.IndexByte(rest[1:17], '\\') >= 0)
}

// mayEcho reports whether what follows a colon may be a one-time code.
func mayEcho(rest string) bool {
	for rest != "" && (rest[0] <= ' ' || rest[0] == '"') {
		rest = rest[1:]
	}
	n := 0
	for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	return n >= 4 && n <= 8
}

// mayExpose reports whether what follows a colon is a text, or a list.
func mayExpose(rest string) bool {
	for rest != "" && jsonClass[rest[0]] <= byteSpace {
		rest = rest[1:]
	}
	return len(rest) > 4 && (rest[0] == '"' && rest[1] != '"' || rest[0] == '[' || rest[0] >= '0' && rest[0] <= '9')
}

// jsonBody looks at a JSON body: at values whose key has a meaning and at those
// that begin like a JWT. Elements of a list stand under the list's key.
func (f *Finder) jsonBody(b []byte, cut bool) {
	switch {
	case f.fields != nil:
	case f.body.barren:
		return
	case !f.promising(b):
		f.body.barren = true
		return
	}
	before, found := f.stats, len(f.list)
	f.readJSON(text(b), cut)
	if f.response && !cut && len(f.list) == found && len(f.echoes) == 0 && len(f.exposed) == 0 && f.stats == before {
		f.body.barren = true // after all
	}
}

func (f *Finder) readJSON(s string, cut bool) {
	l := lexer{b: s}
	p := &f.json
	p.depth, p.field[0], p.list[0] = 0, noField, false
	escapes := strings.IndexByte(s, '\\') >= 0
	over := 0 // levels too deep to look at
	var rpc positional
	beside, besideDepth := "", -1 // the last text under a name that says nothing
	for {
		switch kind := l.next(); kind {
		case jsonEnd:
			if l.cut {
				f.stats.AtCutEnd++
			}
			if over > 0 {
				f.stats.TooDeep++
			}
			p.before = ""
			return
		case jsonKey:
			if over > 0 {
				continue
			}
			key := s[l.start:l.end]
			if escapes && strings.IndexByte(key, '\\') >= 0 {
				key = unescape(key)
			}
			if len(key) > 2 && key[0] == '$' && p.depth > 1 && operator(key) {
				f.attack(fieldOf(p.key[p.depth-1]), NoSQLPayload)
			}
			p.key[p.depth] = key
			p.field[p.depth] = f.fieldOf(key)
		case jsonObject, jsonArray:
			if over > 0 || p.depth >= f.options.MaxDepth {
				over++
				continue
			}
			inherited := noField
			if kind == jsonArray {
				inherited = p.field[p.depth]
			}
			if !p.list[p.depth] {
				p.field[p.depth] = noField
			}
			p.depth++
			p.key[p.depth], p.field[p.depth], p.list[p.depth] = "", inherited, kind == jsonArray
		case jsonClose:
			if over > 0 {
				if over--; over == 0 {
					f.stats.TooDeep++
				}
			} else if p.depth > 0 {
				p.depth--
				if p.depth+1 == rpc.depth && !p.list[p.depth+1] {
					f.positionalLogin(&rpc)
				}
			}
		case jsonString, jsonNumber:
			if over > 0 {
				continue
			}
			fd := p.field[p.depth]
			if !p.list[p.depth] {
				p.field[p.depth] = noField
				if p.key[p.depth] == "method" && kind == jsonString && !f.response {
					rpc.method, rpc.depth = s[l.start:l.end], p.depth
				}
			} else if fd == fieldParams {
				rpc.add(s[l.start:l.end], p.depth-1)
			}
			if kind == jsonString && !f.response && !p.list[p.depth] {
				switch fd {
				case noField:
					beside, besideDepth = s[l.start:l.end], p.depth
					f.login.mayBeTicket(p.key[p.depth], beside)
				case fieldPassword:
					if besideDepth == p.depth {
						f.login.stoodBeside(unescape(beside))
					}
				}
			}
			if l.end == l.start || kind == jsonNumber && (fd == noField || cut && l.end == len(s)) {
				continue
			}
			p.before = s[:l.start]
			f.jsonValue(fd, s[l.start:l.end], kind == jsonNumber, escapes)
		case jsonWord:
			if over == 0 && s[l.start] == 't' && p.field[p.depth] == fieldPassword {
				f.attack(fieldPassword, TypePayload)
			}
			if over == 0 && !p.list[p.depth] {
				p.field[p.depth] = noField
			}
		}
	}
}

// positional are the method and the parameters, by position, of a call of
// JSON-RPC.
type positional struct {
	method string
	depth  int // of the call's members
	params [4]string
	n      int
}

func (r *positional) add(value string, depth int) {
	if r.n < len(r.params) {
		r.params[r.n] = value
	}
	r.n++
	r.depth = depth
}

// positionalLogin takes the last two parameters of a method that logs in for
// user and password; a lone one is a password.
func (f *Finder) positionalLogin(r *positional) {
	if loginMethod(r.method) && r.n > 0 && r.n <= len(r.params) {
		if r.n > 1 {
			f.named(Place{InJSON, "params"}, fieldUser, unescape(r.params[r.n-2]))
		}
		f.named(Place{InJSON, "params"}, fieldPassword, unescape(r.params[r.n-1]))
	}
	*r = positional{}
}

func (f *Finder) jsonValue(fd field, v string, number, escapes bool) {
	if fd == noField {
		if len(v) < 16 || v[0] != 'e' && v[0] != '\\' && (len(v) < 48 || findJWT(v) < 0) {
			return
		}
		if escapes {
			v = unescape(v)
		}
		if f.token(Place{Part: InJSON}, v) == nil && len(v) >= 48 {
			f.embedded(Place{Part: InJSON}, v, false)
		}
		return
	}
	if escapes {
		v = unescape(v)
	}
	if fd == fieldQuery {
		if !f.response && !number {
			f.graphqlLiterals(v)
		}
		return
	}
	if number {
		switch fd { // a number is a credential only where people type one
		case fieldPassword, fieldNewPassword, fieldCode, fieldCodeWeak, fieldUser, fieldAccount, fieldSecret:
		default:
			return
		}
	}
	f.named(Place{Part: InJSON}, fd, v)
}
