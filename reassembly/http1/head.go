package http1

import (
	"bytes"
	"strings"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
)

// scanner looks for the end of a head. It can go on where it stopped.
type scanner struct {
	pos, line int // how far it is, and where the line begins that it is in
	lines     int // complete ones
	folded    bool
	ends      [24]int32 // where the first lines end, behind their LF
}

// find gives the length of the head in b with its empty line (RFC 9112,
// section 2.1; a single LF ends a line too, section 2.2), or -1.
func (s *scanner) find(b []byte) int {
	for {
		n := bytes.IndexByte(b[s.pos:], '\n')
		if n < 0 {
			s.pos = len(b)
			return -1
		}
		line := b[s.line : s.pos+n]
		s.pos += n + 1
		s.line = s.pos
		if s.lines < len(s.ends) {
			s.ends[s.lines] = int32(s.pos)
		}
		switch {
		case len(line) == 0 || len(line) == 1 && line[0] == '\r':
			return s.pos
		case s.lines > 0 && (line[0] == ' ' || line[0] == '\t'):
			s.folded = true
		}
		s.lines++
	}
}

// cut gives line n of a head that was looked through, which begins at an offset,
// without its end, and where the next one begins.
func (s *scanner) cut(head string, at, n int) (line string, next int) {
	if s.folded || n >= min(s.lines, len(s.ends)) {
		line, rest := cutLine(head[at:])
		return line, len(head) - len(rest)
	}
	next = int(s.ends[n])
	return strings.TrimSuffix(head[at:next-1], "\r"), next
}

// collect takes bytes of a head or trailer that does not end in this chunk or
// did not begin in it. It gives the head when it is complete, and how many
// bytes of b belong to it.
func (p *conn) collect(h *half, b []byte) (head []byte, n int, ok bool) {
	s := p.shard
	had := len(h.buf)
	if h.buf == nil {
		if n := h.scan.find(b); n >= 0 && n <= s.limits.HeaderBytes {
			return b[:n], n, true
		}
		h.scan = scanner{}
	}
	if s.pool.Full() {
		s.stats.HeadsRefused++
		return nil, len(b), false
	}
	b = b[:min(len(b), s.limits.HeaderBytes-had)]
	h.buf = s.pool.Put(h.buf, b)
	if n := h.scan.find(h.buf); n >= 0 {
		return h.buf[:n], n - had, true
	}
	if len(h.buf) >= s.limits.HeaderBytes {
		s.stats.HeadsOver++
		return nil, len(b), false
	}
	return nil, len(b), true
}

// headBytes takes in bytes of a head.
func (p *conn) headBytes(h *half, c *reassembly.Chunk, at int) int {
	head, n, ok := p.collect(h, c.Bytes[at:])
	at += n
	switch {
	case !ok:
		p.cutHead(h, exchange.Cut, pointAt(c, at))
		p.lose(h, c.Dir, c.Origin)
	case head != nil:
		p.head(h, c, head, at)
	case p.isServer(c.Dir) && h.scan.lines == 1 && !startsLike(h.buf, "HTTP/"):
		p.cutHead(h, exchange.Cut, pointAt(c, at))
		p.lose(h, c.Dir, c.Origin)
	}
	return at
}

// head takes in a complete head, which ends at an offset of the chunk.
func (p *conn) head(h *half, c *reassembly.Chunk, b []byte, at int) {
	m, f := p.message(h, b, pointAt(c, at))
	p.shard.pool.Release(h.buf)
	h.buf, h.scan = nil, scanner{}
	switch {
	case m == nil && h.state == inHead: // no head of HTTP
		p.lose(h, c.Dir, c.Origin)
	case m == nil: // an interim one
	case p.isClient(c.Dir):
		p.frameRequest(h, c, m, &f, at)
	default:
		p.frameResponse(h, c, m, &f, at)
	}
}

// cutHead ends a head before its end. What there is of it is given, if it is a
// line at least.
func (p *conn) cutHead(h *half, d exchange.Damage, end point) {
	if h.scan.lines > 0 {
		h.damage |= d
		if m, _ := p.message(h, h.buf[:h.scan.line], end); m != nil {
			end.exact = false
			p.finish(h, nil, end)
			return
		}
	}
	p.shard.pool.Release(h.buf)
	h.buf, h.scan = nil, scanner{}
	h.state = between
	p.forsake(h, end.at)
}

// message makes a message of a head. It gives nil where there is none: the
// first line is none, or the response is an interim one, after which the state
// is between.
func (p *conn) message(h *half, b []byte, end point) (*exchange.Message, framing) {
	var f framing
	if h.scan.folded {
		b = p.unfold(h, b)
	}
	text := string(b)
	first, at := h.scan.cut(text, 0, 0)
	if h == &p.live.half[p.client] {
		x := p.exchangeOf(h.slot)
		m := &x.Request
		p.shard.stats.Requests++
		m.Present, m.Start = true, h.at.Time
		m.Method, m.Target, x.Protocol, m.Damage = requestLine(first)
		p.fields(h, m, text, at, &f)
		f.http10 = x.Protocol == exchange.HTTP10
		p.meet(h.slot)
		return m, f
	}
	version, status, damage, ok := statusLine(first)
	if !ok {
		return nil, f
	}
	if h.slot == nil {
		h.slot = p.respond(h)
	}
	if 100 <= status && status < 200 && status != 101 {
		// RFC 9110, section 15.2: another one follows.
		p.shard.stats.Interim++
		h.state = between
		return nil, f
	}
	x := p.exchangeOf(h.slot)
	m := &x.Response
	p.shard.stats.Responses++
	m.Present, m.Start = true, h.at.Time
	m.Status, m.Damage = status, damage
	if x.Protocol == 0 {
		x.Protocol = version
	}
	p.fields(h, m, text, at, &f)
	return m, f
}

// unfold copies a head and makes its obs-folds blanks (RFC 9112, section 5.2).
func (p *conn) unfold(h *half, b []byte) []byte {
	if h.buf == nil {
		h.buf = p.shard.pool.Put(nil, b)
		b = h.buf
	}
	for i := bytes.IndexByte(b, '\n') + 1; i < len(b); {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			break
		}
		i += n
		if i+1 < len(b) && (b[i+1] == ' ' || b[i+1] == '\t') {
			b[i] = ' '
			if b[i-1] == '\r' {
				b[i-1] = ' '
			}
		}
		i++
	}
	return b
}

// cutLine cuts the first line off, its end taken away.
func cutLine(s string) (line, rest string) {
	line = s
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		line, rest = s[:i], s[i+1:]
	}
	return strings.TrimSuffix(line, "\r"), rest
}

// requestLine reads a request line (RFC 9112, section 3) as tolerantly as
// servers do: what stands between the method and the version is the target.
func requestLine(s string) (method, target string, v exchange.Protocol, d exchange.Damage) {
	if method, target, ok := plainRequest(s); ok {
		return method, target, exchange.HTTP11, 0
	}
	const blanks = " \t\v\f\r" // section 3: lenient delimiters
	s = strings.Trim(s, blanks)
	n := 0
	for n < len(s) && isToken(s[n]) {
		n++
	}
	if n < len(s) && strings.IndexByte(blanks, s[n]) < 0 {
		d = exchange.Malformed
		if n = strings.IndexAny(s, blanks); n < 0 {
			n = len(s)
		}
	}
	method, target = s[:n], strings.TrimLeft(s[n:], blanks)
	v = exchange.HTTP10
	i := strings.LastIndexAny(target, blanks) + 1
	switch version := target[i:]; {
	case version == "HTTP/1.1":
		v = exchange.HTTP11
	case version == "HTTP/1.0":
	case len(version) == 8 && version[:7] == "HTTP/1." && isDigit(version[7]):
		v = exchange.HTTP11 // section 2.3: as the highest minor version known
	case len(version) > 5 && strings.EqualFold(version[:5], "HTTP/"):
		v, d = exchange.HTTP11, exchange.Malformed
	default: // none: HTTP/0.9
		i, d = len(target), exchange.Malformed
	}
	target = strings.TrimRight(target[:i], blanks)
	if target == "" || strings.ContainsAny(target, blanks) {
		d = exchange.Malformed
	}
	return method, target, v, d
}

// plainRequest reads a request line of HTTP/1.1 that is as it should be.
func plainRequest(s string) (method, target string, ok bool) {
	s, ok = strings.CutSuffix(s, " HTTP/1.1")
	n := 0
	for n < len(s) && isToken(s[n]) {
		n++
	}
	if !ok || n == 0 || n+1 >= len(s) || s[n] != ' ' {
		return "", "", false
	}
	method, target = s[:n], s[n+1:]
	for i := range len(target) {
		if target[i] <= ' ' {
			return "", "", false
		}
	}
	return method, target, true
}

// statusLine reads a status line (RFC 9112, section 4).
func statusLine(s string) (v exchange.Protocol, status int, d exchange.Damage, ok bool) {
	version, rest, _ := strings.Cut(s, " ")
	v = exchange.HTTP11
	switch {
	case version == "HTTP/1.1":
	case version == "HTTP/1.0":
		v = exchange.HTTP10
	case len(version) == 8 && version[:7] == "HTTP/1." && isDigit(version[7]):
	case strings.HasPrefix(version, "HTTP/"):
		d = exchange.Malformed
	default:
		return 0, 0, 0, false
	}
	for rest != "" && (rest[0] == ' ' || rest[0] == '\t') {
		rest = rest[1:]
	}
	n := 0
	for n < len(rest) && n < 3 && isDigit(rest[n]) {
		status = status*10 + int(rest[n]-'0')
		n++
	}
	if n < 3 || n < len(rest) && rest[n] != ' ' && rest[n] != '\t' {
		d = exchange.Malformed
	}
	return v, status, d, true
}

// fields reads the header lines of a head (RFC 9112, section 5), which begin at
// an offset of it, into a message, and what they say of its framing.
func (p *conn) fields(h *half, m *exchange.Message, head string, at int, f *framing) {
	lines := max(0, h.scan.lines-1)
	kept := min(lines, p.shard.limits.HeaderLines)
	if lines > kept {
		p.shard.stats.LinesOver++
		h.damage |= exchange.Cut
	}
	if kept > 0 {
		m.Header = m.Header.Grow(kept)
	}
	rest := head[at:]
	p.shard.charge(h.slot, len(rest)+kept*fieldBytes)
	if strings.IndexByte(rest, 0) >= 0 { // RFC 9110, section 5.5
		m.Damage |= exchange.Malformed
	}
	crs := strings.Count(rest, "\r")
	for n := 1; at < len(head); n++ {
		line, next := h.scan.cut(head, at, n)
		crs -= next - at - len(line) - len("\n")
		at = next
		if line == "" {
			break
		}
		field, clean := field(line)
		if !clean {
			m.Damage |= exchange.Malformed
		}
		if field.Name == "" {
			continue
		}
		f.field(field.Name, field.Value)
		if len(m.Header) < kept {
			m.Header = append(m.Header, field)
		}
	}
	if crs != 0 { // RFC 9112, section 2.2: a bare CR
		m.Damage |= exchange.Malformed
	}
}

// field reads one header line (RFC 9112, section 5.1). Its name is empty where
// there is none.
func field(line string) (f exchange.Field, clean bool) {
	n := 0
	for n < len(line) && isToken(line[n]) {
		n++
	}
	if n > 0 && n < len(line) && line[n] == ':' {
		return exchange.Field{Name: line[:n], Value: trim(line[n+1:])}, true
	}
	name, value, ok := strings.Cut(line, ":")
	if !ok || name == "" || name[0] == ' ' || name[0] == '\t' {
		// Section 2.2: what is indented behind the first line is passed over.
		return f, false
	}
	// Section 5.1: blanks before the colon, among others.
	return exchange.Field{Name: strings.TrimRight(name, " \t"), Value: trim(value)}, false
}
