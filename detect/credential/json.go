package credential

import "strings"

// maxJSONDepth is the most that Options.MaxDepth can be.
const maxJSONDepth = 32

// jsonPath is where in a JSON body the scan is: the keys on the way, as sent.
type jsonPath struct {
	key   [maxJSONDepth + 2]string
	field [maxJSONDepth + 2]field // what the key means for its value
	list  [maxJSONDepth + 2]bool  // the level is an array: its key is its parent's
	depth int
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

// jsonBody looks at a JSON body in one pass: at values whose key has a meaning
// and at those that begin like a JWT. Elements of a list stand under the
// list's key.
func (f *Finder) jsonBody(s string, cut bool) {
	l := lexer{b: s}
	p := &f.json
	p.depth, p.field[0], p.list[0] = 0, noField, true
	escapes := strings.IndexByte(s, '\\') >= 0
	over := 0 // levels too deep to look at
	for {
		switch kind := l.next(); kind {
		case jsonEnd:
			if l.cut {
				f.stats.AtCutEnd++
			}
			if over > 0 {
				f.stats.TooDeep++
			}
			return
		case jsonKey:
			if over > 0 {
				continue
			}
			key := s[l.start:l.end]
			if escapes && strings.IndexByte(key, '\\') >= 0 {
				key = unescape(key)
			}
			p.key[p.depth] = key
			p.field[p.depth] = fieldOf(key)
		case jsonObject, jsonArray:
			if over > 0 || p.depth >= f.options.MaxDepth {
				over++
				continue
			}
			inherited := noField
			if kind == jsonArray {
				inherited = p.field[p.depth]
			}
			p.field[p.depth] = noField
			p.depth++
			p.key[p.depth], p.field[p.depth], p.list[p.depth] = "", inherited, kind == jsonArray
		case jsonClose:
			if over > 0 {
				if over--; over == 0 {
					f.stats.TooDeep++
				}
			} else if p.depth > 0 {
				p.depth--
			}
		case jsonString, jsonNumber:
			if over > 0 {
				continue
			}
			fd := p.field[p.depth]
			if !p.list[p.depth] {
				p.field[p.depth] = noField
			}
			if l.end == l.start || kind == jsonNumber && (fd == noField || cut && l.end == len(s)) {
				continue
			}
			f.jsonValue(fd, s[l.start:l.end], kind == jsonNumber, escapes)
		case jsonWord:
			if over == 0 && !p.list[p.depth] {
				p.field[p.depth] = noField
			}
		}
	}
}

func (f *Finder) jsonValue(fd field, v string, number, escapes bool) {
	if fd == noField {
		if len(v) < 16 || v[0] != 'e' && v[0] != '\\' && (len(v) < 48 || !strings.Contains(v, "eyJ")) {
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
	if number {
		switch fd { // a number is a credential only where people type one
		case fieldPassword, fieldNewPassword, fieldCode, fieldCodeWeak, fieldUser, fieldAccount, fieldSecret:
		default:
			return
		}
	}
	f.named(Place{Part: InJSON}, fd, v)
}
