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

// LikeRequest says whether bytes begin with a request line (RFC 9112, section
// 3), empty lines before it aside. What ends the line decides; of a longer one
// a registered method and a proper target do.
func LikeRequest(b []byte) identify.Confidence {
	for len(b) > 0 && (b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	n := 0
	for n < len(b) && n <= longMethod && isToken(b[n]) {
		n++
	}
	switch {
	case n == len(b):
		return identify.Unsure
	case n == 0 || n > longMethod || b[n] != ' ':
		return identify.NotMine
	}
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		if !isLine(b) {
			return identify.NotMine
		}
		if len(b) >= longStart && methods[string(b[:n])] && isTarget(b[n+1:]) {
			return identify.Certain
		}
		return identify.Unsure
	}
	line := bytes.TrimRight(b[:end], "\r ")
	const version = " HTTP/1.1"
	at := len(line) - len(version)
	if at <= n || !startsLike(line[at:], " HTTP/1.") || !isDigit(line[len(line)-1]) || !isLine(line) {
		return identify.NotMine
	}
	return identify.Certain
}

// resumesRequest reports whether a chunk in the middle of a connection begins
// with a request line. The method must be a registered one: what stands before
// a request may be the end of a body, "x" before "GET".
func resumesRequest(b []byte) bool {
	i := bytes.IndexByte(b, ' ')
	return i > 0 && methods[string(b[:i])] && LikeRequest(b) == identify.Certain
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
