package credential

// sextet gives the value of a base64 character of either alphabet (RFC 4648,
// sections 4 and 5), with those that are not strictly base64url marked.
const (
	oddChar  = 0x40
	skipChar = 0x80
	badChar  = 0xff
)

var sextet = func() (t [256]uint8) {
	for i := range t {
		t[i] = badChar
	}
	for i, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		t[c] = uint8(i)
	}
	t['+'], t['/'] = 62|oddChar, 63|oddChar
	for _, c := range "= \t\r\n" {
		t[c] = skipChar
	}
	return
}()

// decodeBase64 undoes base64 as the most tolerant readers do: both alphabets,
// padding and white space anywhere, a lone last character dropped. odd says
// that a strict base64url reader would not have taken it; ok that it holds
// nothing but base64.
func decodeBase64(s string) (out []byte, odd, ok bool) {
	return appendBase64(make([]byte, 0, len(s)*3/4+1), s)
}

// appendBase64 likewise, into memory that is there.
func appendBase64(out []byte, s string) (_ []byte, odd, ok bool) {
	var acc uint32
	bits := 0
	for i := range len(s) {
		v := sextet[s[i]]
		if v >= oddChar {
			odd = true
			if v == badChar {
				return nil, true, false
			}
			if v == skipChar {
				continue
			}
			v &^= oddChar
		}
		acc = acc<<6 | uint32(v)
		if bits += 6; bits >= 8 {
			bits -= 8
			out = append(out, byte(acc>>bits))
		}
	}
	// What is left over is 0, 2 or 4 bits, all of them zero.
	if bits == 6 || acc&(1<<bits-1) != 0 {
		odd = true
	}
	return out, odd, true
}

func (t *Token) decode(part string) (string, bool) {
	b, odd, ok := decodeBase64(part)
	t.OddBase64 = t.OddBase64 || odd
	return string(b), ok
}

// canonical gives base64 text in the URL alphabet, without padding and white
// space, so that mangling on the way does not make another text of it. Dots
// stay.
func canonical(s string) string {
	plain := true
	for i := range len(s) {
		if s[i] != '.' && sextet[s[i]] >= oddChar {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		switch c := s[i]; c {
		case '=', ' ', '\t', '\r', '\n':
		case '+':
			out = append(out, '-')
		case '/':
			out = append(out, '_')
		default:
			out = append(out, c)
		}
	}
	return string(out)
}
