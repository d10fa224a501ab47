package http1

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/identify"
)

// maxFirst is how long a first line may be for something to be taken for one.
const maxFirst = 16 << 10

var methods = []string{
	"GET", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE",
	"PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH", "QUERY",
	"NOTIFY", "M-SEARCH", "SUBSCRIBE", "UNSUBSCRIBE", "PURGE", "LINK", "UNLINK", "MKACTIVITY", "CHECKOUT", "MERGE",
}

// LikeRequest says whether bytes begin with a request line (RFC 9112, section
// 3). A known method and the beginning of a target are enough to be certain;
// other methods need the version at the end of the line.
func LikeRequest(b []byte) identify.Confidence {
	b = trimLines(b)
	sp := bytes.IndexByte(b, ' ')
	if sp < 0 {
		if len(b) <= 32 && tokenBytes(b) {
			return identify.Unsure
		}
		return identify.NotMine
	}
	if sp == 0 || sp > 32 || !tokenBytes(b[:sp]) {
		return identify.NotMine
	}
	if bytes.HasPrefix(b, []byte("PRI * HTTP/2.0")) { // RFC 9113, section 3.4
		return identify.NotMine
	}
	target := bytes.TrimLeft(b[sp:], " ")
	if knownMethod(b[:sp]) {
		if len(target) == 0 {
			return identify.Unsure
		}
		if c := target[0]; c == '/' || c == '*' || c == 'h' || c == 'H' || string(b[:sp]) == "CONNECT" {
			return identify.Certain
		}
	}
	n := bytes.IndexByte(b, '\n')
	if n < 0 {
		if len(b) < maxFirst && printable(b) {
			return identify.Unsure
		}
		return identify.NotMine
	}
	line := bytes.TrimRight(b[:n], "\r ")
	if i := bytes.LastIndexByte(line, ' '); i > sp && bytes.HasPrefix(line[i+1:], []byte("HTTP/1.")) {
		return identify.Certain
	}
	return identify.NotMine
}

// LikeResponse says whether bytes begin with a status line (RFC 9112, section
// 4).
func LikeResponse(b []byte) identify.Confidence {
	b = trimLines(b)
	const version = "HTTP/1."
	if len(b) < len(version) {
		if strings.HasPrefix(version, string(b)) {
			return identify.Unsure
		}
		return identify.NotMine
	}
	if string(b[:len(version)]) == version {
		return identify.Certain
	}
	return identify.NotMine
}

func trimLines(b []byte) []byte {
	for len(b) > 0 && (b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}

func knownMethod(b []byte) bool {
	for _, m := range methods {
		if string(b) == m {
			return true
		}
	}
	return false
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < 0x20 && c != '\r' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// token is tchar of RFC 9110, section 5.6.2.
var token = func() (t [256]bool) {
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

func tokenBytes(b []byte) bool {
	for _, c := range b {
		if !token[c] {
			return false
		}
	}
	return len(b) > 0
}

// line cuts the first line off, without its end.
func line(s string) (first, rest string) {
	i := strings.IndexByte(s, '\n')
	if i < 0 {
		return s, ""
	}
	return strings.TrimSuffix(s[:i], "\r"), s[i+1:]
}

// parseRequest reads a request's head. It is as tolerant as servers are: the
// target is what stands between the method and the version, spaces included.
func (m *message) parseRequest(b []byte) bool {
	s := string(b)
	first, rest := line(s)
	method, target, ok := strings.Cut(first, " ")
	if !ok || method == "" {
		return false
	}
	target = strings.Trim(target, " \t")
	m.Method = method
	m.proto = exchange.HTTP11
	if i := strings.LastIndexAny(target, " \t"); i >= 0 && strings.HasPrefix(target[i+1:], "HTTP/") {
		switch version := target[i+1:]; version {
		case "HTTP/1.1":
		case "HTTP/1.0":
			m.proto = exchange.HTTP10
		default:
			m.Damage |= exchange.Malformed
		}
		target = strings.TrimRight(target[:i], " \t")
	} else if strings.HasPrefix(target, "HTTP/") && i < 0 {
		target = ""
		m.Damage |= exchange.Malformed
	} else {
		m.Damage |= exchange.Malformed // no version
		m.proto = exchange.HTTP10
	}
	m.Target = target
	var clean bool
	m.Header, clean = parseFields(rest)
	if !clean {
		m.Damage |= exchange.Malformed
	}
	return true
}

// parseResponse reads a response's head.
func (m *message) parseResponse(b []byte) bool {
	s := string(b)
	first, rest := line(s)
	version, after, _ := strings.Cut(first, " ")
	switch version {
	case "HTTP/1.1":
		m.proto = exchange.HTTP11
	case "HTTP/1.0":
		m.proto = exchange.HTTP10
	default:
		if !strings.HasPrefix(version, "HTTP/") {
			return false
		}
		m.proto = exchange.HTTP11
		m.Damage |= exchange.Malformed
	}
	after = strings.TrimLeft(after, " \t")
	n := 0
	for n < len(after) && n < 3 && '0' <= after[n] && after[n] <= '9' {
		n++
	}
	if n < 3 || n < len(after) && after[n] != ' ' && after[n] != '\t' {
		m.Damage |= exchange.Malformed
	}
	m.Status, _ = strconv.Atoi(after[:n])
	var clean bool
	m.Header, clean = parseFields(rest)
	if !clean {
		m.Damage |= exchange.Malformed
	}
	return true
}

// parseFields reads header lines (RFC 9112, section 5). A line without a colon
// makes clean false and is passed over; so does whitespace before the colon,
// which is taken off.
func parseFields(s string) (h exchange.Header, clean bool) {
	clean = true
	h = make(exchange.Header, 0, min(strings.Count(s, "\n"), 128))
	for s != "" {
		var l string
		l, s = line(s)
		if l == "" {
			break
		}
		if l[0] == ' ' || l[0] == '\t' { // obs-fold, section 5.2: one value
			if len(h) == 0 {
				clean = false
				continue
			}
			last := &h[len(h)-1]
			if v := strings.Trim(l, " \t"); last.Value == "" {
				last.Value = v
			} else if v != "" {
				last.Value += " " + v
			}
			continue
		}
		name, value, ok := strings.Cut(l, ":")
		if !ok || name == "" {
			clean = false
			continue
		}
		if t := strings.TrimRight(name, " \t"); len(t) != len(name) {
			name, clean = t, false
		}
		h = append(h, exchange.Field{Name: name, Value: strings.Trim(value, " \t")})
	}
	return h, clean
}

// parseChunkSize reads a chunk size with its extensions (section 7.1).
func parseChunkSize(b []byte) (n int64, ok bool) {
	if i := bytes.IndexByte(b, ';'); i >= 0 {
		b = b[:i]
	}
	b = bytes.Trim(b, " \t\r")
	if len(b) == 0 || len(b) > 16 {
		return 0, false
	}
	for _, c := range b {
		d := int64(0)
		switch {
		case '0' <= c && c <= '9':
			d = int64(c - '0')
		case 'a' <= c && c <= 'f':
			d = int64(c-'a') + 10
		case 'A' <= c && c <= 'F':
			d = int64(c-'A') + 10
		default:
			return 0, false
		}
		if n > (1<<62)>>4 {
			return 0, false
		}
		n = n<<4 | d
	}
	return n, true
}
