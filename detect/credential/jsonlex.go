package credential

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// lexeme is a piece of JSON text (RFC 8259).
type lexeme uint8

const (
	jsonEnd    lexeme = iota // of the text, or within a string that is cut
	jsonKey                  // a string with a colon after it
	jsonString               // any other string
	jsonNumber               //
	jsonWord                 // true, false, null
	jsonObject               // {
	jsonArray                // [
	jsonClose                // } or ]
)

// lexer reads JSON one lexeme at a time, without allocation. It is tolerant:
// it wants no commas, and passes over bytes that belong to nothing, which it
// marks. start and end bound the lexeme just read, without quotes.
type lexer struct {
	b          string
	i          int
	start, end int
	// odd is set once a byte was passed over; cut when a string has no end.
	odd, cut bool
}

// What a byte can be outside strings.
const (
	byteOdd = iota
	byteSpace
	byteQuote
	byteWord
	byteOpenObject
	byteOpenArray
	byteClose
)

var jsonClass = func() (t [256]uint8) {
	for _, c := range " \t\r\n,:" {
		t[c] = byteSpace
	}
	for _, c := range "+-.0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_" {
		t[c] = byteWord
	}
	t['"'], t['{'], t['['], t['}'], t[']'] = byteQuote, byteOpenObject, byteOpenArray, byteClose, byteClose
	return
}()

func (l *lexer) next() lexeme {
	b := l.b
	for i := l.i; i < len(b); i++ {
		switch jsonClass[b[i]] {
		case byteSpace:
		case byteQuote:
			return l.quoted(i + 1)
		case byteWord:
			l.start = i
			for i++; i < len(b) && jsonClass[b[i]] == byteWord; i++ {
			}
			l.end, l.i = i, i
			if c := b[l.start]; c <= '9' {
				return jsonNumber
			}
			return jsonWord
		case byteOpenObject:
			l.i = i + 1
			return jsonObject
		case byteOpenArray:
			l.i = i + 1
			return jsonArray
		case byteClose:
			l.start, l.i = i, i+1
			return jsonClose
		default:
			l.odd = true
		}
	}
	l.i = len(b)
	return jsonEnd
}

// quoted reads the string that begins at start.
func (l *lexer) quoted(start int) lexeme {
	b, i := l.b, start
	for {
		k := strings.IndexByte(b[i:], '"')
		if k < 0 {
			l.i, l.cut = len(b), true
			return jsonEnd
		}
		i += k
		if b[i-1] != '\\' || i == start || !escapedAt(b, start, i) {
			break
		}
		i++
	}
	l.start, l.end = start, i
	for i++; i < len(b); i++ {
		if c := b[i]; c == ':' {
			l.i = i + 1
			return jsonKey
		} else if c > ' ' {
			break
		}
	}
	l.i = i
	return jsonString
}

// escapedAt reports whether an odd number of backslashes stands before i.
func escapedAt(b string, start, i int) bool {
	n := 0
	for i--; i >= start && b[i] == '\\'; i-- {
		n++
	}
	return n&1 == 1
}

// unescape undoes the escapes of a JSON string (RFC 8259, section 7). A wrong
// escape stands for itself.
func unescape(b string) string {
	if strings.IndexByte(b, '\\') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		if r, n := unescapeAt(b, i); n > 1 {
			out = utf8.AppendRune(out, r)
			i += n
		} else {
			out = append(out, b[i])
			i++
		}
	}
	return string(out)
}

// unescapeAt reads the escape at i: n bytes of text that mean one character. n
// is 1 where there is none.
func unescapeAt(b string, i int) (r rune, n int) {
	if b[i] != '\\' || i+1 >= len(b) {
		return rune(b[i]), 1
	}
	switch c := b[i+1]; c {
	case '"', '\\', '/':
		return rune(c), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		u, ok := hex4(b, i+2)
		if !ok {
			break
		}
		if utf16.IsSurrogate(u) {
			if i+7 < len(b) && b[i+6] == '\\' && b[i+7] == 'u' {
				if v, ok := hex4(b, i+8); ok {
					if r := utf16.DecodeRune(u, v); r != utf8.RuneError {
						return r, 12
					}
				}
			}
			return utf8.RuneError, 6
		}
		return u, 6
	}
	return '\\', 1
}

func hex4(b string, i int) (r rune, ok bool) {
	if i+4 > len(b) {
		return 0, false
	}
	for _, c := range []byte(b[i : i+4]) {
		d := unhex[c]
		if d < 0 {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}

// unhex gives the value of a hexadecimal digit, -1 for other bytes.
var unhex = func() (t [256]int8) {
	for i := range t {
		t[i] = -1
	}
	for i := range 10 {
		t['0'+i] = int8(i)
	}
	for i := range 6 {
		t['a'+i], t['A'+i] = int8(10+i), int8(10+i)
	}
	return
}()
