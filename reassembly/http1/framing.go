package http1

import (
	"math"
	"strings"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/content"
	"github.com/authtap/authtap/reassembly/exchange"
)

// framing is what the header says of where the content ends (RFC 9112, section
// 6.3) and of how it is coded.
type framing struct {
	http10    bool
	transfer  bool // Transfer-Encoding is there,
	chunked   bool // and chunked is its last coding
	chunkedIn bool // chunked stands before another coding
	has       bool // Content-Length is there,
	bad       bool // but is no length,
	differs   bool // or several of them
	length    uint64
	expects   bool // Expect: 100-continue
	content   content.Codings
	coded     content.Codings // of the transfer
}

// field notes what a header line says.
func (f *framing) field(name, value string) {
	switch len(name) {
	case len("Expect"):
		if strings.EqualFold(name, "Expect") && strings.EqualFold(value, "100-continue") {
			f.expects = true // RFC 9110, section 10.1.1
		}
	case len("Content-Length"):
		if strings.EqualFold(name, "Content-Length") {
			f.contentLength(value)
		}
	case len("Content-Encoding"):
		if strings.EqualFold(name, "Content-Encoding") {
			for c := range strings.SplitSeq(value, ",") {
				f.content.Add(trim(c))
			}
		}
	case len("Transfer-Encoding"):
		if strings.EqualFold(name, "Transfer-Encoding") {
			f.transferEncoding(value)
		}
	}
}

// contentLength reads a Content-Length. Several equal ones, or a list of them,
// are one (RFC 9112, section 6.3, rule 5).
func (f *framing) contentLength(value string) {
	for v := range strings.SplitSeq(value, ",") {
		n, ok := parseLength(trim(v))
		switch {
		case !ok:
			f.bad = true
		case f.has && n != f.length:
			f.differs = true
		default:
			f.length = n
		}
		f.has = true
	}
}

// parseLength reads 1*DIGIT (RFC 9110, section 8.6).
func parseLength(s string) (n uint64, ok bool) {
	for i := range len(s) {
		if !isDigit(s[i]) || n > (math.MaxInt64-9)/10 {
			return 0, false
		}
		n = n*10 + uint64(s[i]-'0')
	}
	return n, s != ""
}

// transferEncoding reads a list of transfer codings (RFC 9112, section 6.1).
func (f *framing) transferEncoding(value string) {
	for c := range strings.SplitSeq(value, ",") {
		name, _, _ := strings.Cut(c, ";")
		switch name = trim(name); {
		case name == "" || strings.EqualFold(name, "identity"): // the latter in RFC 2616
			continue
		case strings.EqualFold(name, "chunked"):
			f.chunkedIn = f.chunkedIn || f.chunked
			f.chunked = true
		default:
			f.chunkedIn = f.chunkedIn || f.chunked
			f.chunked = false
			f.coded.Add(name)
		}
		f.transfer = true
	}
}

// trim takes optional white space away (RFC 9110, section 5.6.3).
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// frameRequest goes on behind a request's header.
func (p *conn) frameRequest(h *half, c *reassembly.Chunk, m *exchange.Message, f *framing, at int) {
	s := h.slot
	end := pointAt(c, at)
	h.body.Codings = f.content.Then(f.coded)
	switch {
	case f.transfer:
		// RFC 9112, section 6.1: both lengths, or chunked in HTTP/1.0, is what
		// requests are smuggled with. Rule 3 of section 6.3: chunked is meant.
		if f.has || f.http10 || f.chunkedIn {
			m.Damage |= exchange.Malformed
			h.ambiguous = true
		}
		if f.chunked {
			h.state = inSize
			s.set(expects, f.expects)
			return
		}
		// Rule 4: nobody can tell where it ends.
		m.Damage |= exchange.Malformed
	case f.has && f.bad: // rule 5
		m.Damage |= exchange.Malformed
	case f.has:
		if f.differs {
			m.Damage |= exchange.Malformed
			h.ambiguous = true
		}
		if f.length > 0 {
			h.state, h.remain = inContent, f.length
			s.set(expects, f.expects)
			return
		}
		p.finish(h, nil, end)
		return
	default: // rule 7
		p.finish(h, nil, end)
		return
	}
	end.exact = false
	p.finish(h, nil, end)
	p.lose(h, c.Dir, c.Origin)
}

// frameResponse goes on behind a response's header.
func (p *conn) frameResponse(h *half, c *reassembly.Chunk, m *exchange.Message, f *framing, at int) {
	s := h.slot
	method := ""
	if s.x.Request.Present {
		method = s.x.Request.Method
	}
	switch {
	case m.Status == 101, method == "CONNECT" && 200 <= m.Status && m.Status < 300:
		// RFC 9110, sections 15.2.2 and 9.3.6.
		s.set(upgraded, true)
		if p.succeed(s, c.Origin) {
			p.leave(c.Origin)
			return
		}
		p.finish(h, nil, pointAt(c, at))
		p.leave(c.Origin)
		return
	case method == "HEAD", m.Status == 204, m.Status == 304: // RFC 9112, section 6.3, rule 1
		p.finish(h, nil, pointAt(c, at))
		return
	}
	if s.is(expects) && !s.is(reqDone) {
		if r := &p.live.half[p.client]; r.slot == s && r.body.Len() == 0 {
			r.withheld = true
		}
	}
	h.uncertain = method == "" || strings.EqualFold(method, "HEAD")
	s.set(guessed, h.uncertain)
	h.body.Codings = f.content.Then(f.coded)
	if f.chunkedIn || f.has && (f.bad || f.differs) && !f.transfer || f.transfer && (f.http10 || f.has) {
		m.Damage |= exchange.Malformed
		h.ambiguous = true
	}
	switch {
	case f.chunked: // rule 3
		h.state = inSize
	case f.transfer, f.has && f.bad, !f.has: // rules 4, 5 and 8
		h.state = untilEnd
	case f.length > 0: // rule 6
		h.state, h.remain = inContent, f.length
	default:
		p.finish(h, nil, pointAt(c, at))
	}
}
