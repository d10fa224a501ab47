package http1

import (
	"bytes"

	"github.com/authtap/authtap/reassembly/identify"
)

// longMethod is more than the longest registered method has characters, and
// longStart how much of a line whose end is not there yet is enough.
const (
	longMethod = 24
	longStart  = 64
)

// LikeRequest says whether a conversation that begins with bytes begins with a
// request line (RFC 9112, section 3), empty lines before it aside. What ends the
// line decides; of a longer one a registered method and a proper target do,
// whether its end is there or not, so that it does not matter where the bytes
// were cut.
func LikeRequest(b []byte) identify.Confidence {
	b = bytes.TrimLeft(b, "\r\n")
	if len(b) >= longStart {
		start := b[:longStart]
		if n, ok := method(start); ok && bytes.IndexByte(start, '\n') < 0 && isLine(start) && methods[string(b[:n])] && isTarget(b[n+1:]) {
			return identify.Certain
		}
	}
	return likeLine(b)
}

// likeLine says whether bytes begin with a request line, which must have an end
// to be certain.
func likeLine(b []byte) identify.Confidence {
	n, ok := method(b)
	switch {
	case !ok && n == len(b):
		return identify.Unsure
	case !ok:
		return identify.NotMine
	}
	line, end := b, bytes.IndexByte(b, '\n')
	if end >= 0 {
		line = b[:end]
	}
	if !isLine(line) {
		return identify.NotMine
	}
	if end < 0 {
		return identify.Unsure
	}
	line = bytes.TrimRight(line, "\r ")
	const version = " HTTP/1.1"
	at := len(line) - len(version)
	if at <= n || !startsLike(line[at:], " HTTP/1.") || !isDigit(line[len(line)-1]) {
		return identify.NotMine
	}
	return identify.Certain
}

// method gives the length of a token that bytes begin with, and whether it may
// be a method, with a blank behind it.
func method(b []byte) (n int, ok bool) {
	for n < len(b) && n <= longMethod && isToken(b[n]) {
		n++
	}
	return n, 0 < n && n <= longMethod && n < len(b) && b[n] == ' '
}

// beginsRequest reports whether a chunk in the middle of a connection begins with a
// request line. It must be one to its end, if that is there.
func beginsRequest(b []byte) bool {
	b = bytes.TrimLeft(b, "\r\n")
	like := likeLine(b)
	return like == identify.Certain || like == identify.Unsure && LikeRequest(b) == identify.Certain
}

// resumesRequest is beginsRequest with a registered method: what stands before a
// request that is looked for may be the end of a body, "x" before "GET".
func resumesRequest(b []byte) bool {
	i := bytes.IndexByte(b, ' ')
	return i > 0 && methods[string(b[:i])] && beginsRequest(b)
}

// LikeResponse says whether bytes begin with a status line (RFC 9112, section
// 4).
func LikeResponse(b []byte) identify.Confidence {
	const line = "HTTP/1.1 200"
	if !startsLike(b, "HTTP/1.") {
		return identify.NotMine
	}
	for i := len("HTTP/1."); i < min(len(b), len(line)); i++ {
		if i == len("HTTP/1.1") && b[i] != ' ' || i != len("HTTP/1.1") && !isDigit(b[i]) {
			return identify.NotMine
		}
	}
	switch {
	case len(b) <= len(line): // more digits may come
		return identify.Unsure
	case b[len(line)] != ' ' && b[len(line)] != '\r' && b[len(line)] != '\n':
		return identify.NotMine
	}
	return identify.Certain
}

// startsLike reports whether b begins with s, as far as it goes.
func startsLike(b []byte, s string) bool {
	n := min(len(b), len(s))
	return string(b[:n]) == s[:n]
}

// isTarget reports whether b begins as a target does that a long request line
// may have (RFC 9112, section 3.2).
func isTarget(b []byte) bool {
	return b[0] == '/' || bytes.HasPrefix(b, []byte("http://")) || bytes.HasPrefix(b, []byte("https://"))
}

// isLine reports whether b has no control characters but a last CR.
func isLine(b []byte) bool {
	for i, c := range b {
		if c < ' ' && (c != '\r' || i != len(b)-1) || c == 0x7f {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isToken reports whether c is a tchar (RFC 9110, section 5.6.2).
func isToken(c byte) bool { return tchars[c>>6]>>(c&63)&1 != 0 }

var tchars = func() (t [4]uint64) {
	const chars = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for i := range len(chars) {
		t[chars[i]>>6] |= 1 << (chars[i] & 63)
	}
	return t
}()

// methods are those of RFC 9110 and the registered ones that are seen
// (https://www.iana.org/assignments/http-methods), with PURGE of caches.
var methods = map[string]bool{
	"GET": true, "HEAD": true, "POST": true, "PUT": true, "DELETE": true, "CONNECT": true,
	"OPTIONS": true, "TRACE": true, "PATCH": true, "QUERY": true, "PURGE": true,
	"PROPFIND": true, "PROPPATCH": true, "MKCOL": true, "COPY": true, "MOVE": true, "LOCK": true,
	"UNLOCK": true, "REPORT": true, "SEARCH": true, "MKCALENDAR": true, "ACL": true,
}
