package http1

import (
	"strings"
)

// framing says where a message's content ends (RFC 9112, section 6.3).
type framing struct {
	kind          frameKind
	length        int64
	codings       []coding
	malformed     bool
	unknownCoding bool
}

type frameKind uint8

const (
	frameNone frameKind = iota
	frameLength
	frameChunked
	frameClose
)

// maxCodings is how many codings on top of each other are undone.
const maxCodings = 3

func (m *message) requestFraming() framing {
	f := m.lengths()
	if f.kind == frameClose {
		f.kind = frameNone // section 6.3, rule 7: a request has no such body
		if m.Header.Has("Transfer-Encoding") {
			f.kind = frameClose
			f.malformed = true
		}
	}
	return f
}

func (m *message) responseFraming(method string) framing {
	// Section 6.3, rule 1.
	if method == "HEAD" || m.Status < 200 || m.Status == 204 || m.Status == 304 {
		return framing{}
	}
	return m.lengths()
}

// lengths reads Transfer-Encoding, Content-Length and Content-Encoding.
func (m *message) lengths() framing {
	f := framing{kind: frameClose}
	var length int64 = -1
	chunked, transfer := false, false
	for i := range m.Header {
		name, value := m.Header[i].Name, m.Header[i].Value
		switch len(name) {
		case 14:
			if !strings.EqualFold(name, "Content-Length") {
				continue
			}
			for value != "" || length < 0 { // section 6.3, rule 5: a list of equal values is one
				var v string
				v, value, _ = strings.Cut(value, ",")
				n, ok := parseLength(strings.Trim(v, " \t"))
				if !ok || length >= 0 && n != length {
					f.malformed = true
				}
				if ok && length < 0 {
					length = n
				}
				if value == "" {
					break
				}
			}
		case 16:
			if !strings.EqualFold(name, "Content-Encoding") {
				continue
			}
			f.addCodings(value)
		case 17:
			if !strings.EqualFold(name, "Transfer-Encoding") {
				continue
			}
			transfer = true
			for value != "" {
				var v string
				v, value, _ = strings.Cut(value, ",")
				v, _, _ = strings.Cut(v, ";")
				switch v = strings.ToLower(strings.Trim(v, " \t")); v {
				case "chunked":
					if chunked {
						f.malformed = true
					}
					chunked = true
				case "identity", "":
				default:
					if chunked {
						f.malformed = true // chunked must be the last
					}
					f.addCodings(v)
				}
			}
		}
	}
	switch {
	case chunked:
		f.kind = frameChunked // section 6.3, rule 3
		f.malformed = f.malformed || length >= 0
	case transfer && length < 0:
		f.kind = frameClose // rule 4.2
	case length >= 0:
		f.kind, f.length = frameLength, length
		f.malformed = f.malformed || transfer && len(f.codings) > 0
	case f.malformed:
		f.kind = frameClose
	}
	return f
}

func (f *framing) addCodings(list string) {
	for list != "" {
		var v string
		v, list, _ = strings.Cut(list, ",")
		v = strings.ToLower(strings.Trim(v, " \t"))
		if v == "" || v == "identity" {
			continue
		}
		c, ok := codingNames[v]
		if !ok || len(f.codings) >= maxCodings {
			f.unknownCoding = true
			f.codings = nil
			return
		}
		f.codings = append(f.codings, c)
	}
}

// parseLength reads a Content-Length: digits alone, no sign.
func parseLength(s string) (n int64, ok bool) {
	if s == "" {
		return 0, false
	}
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' || n > (1<<62)/10 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
