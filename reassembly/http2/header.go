package http2

import (
	"math"
	"strings"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
)

// headers takes in a header block of direction d: a request, a response, a
// promise, or a trailer.
func (p *conn) headers(h *half, d reassembly.Direction, b []byte, at reassembly.Origin) {
	w := h.work
	r, s := &p.shard.reader, &p.shard.stats
	blk := r.read(p.tableOf(h), b, w.cut != 0)
	s.FieldsUnknown += uint64(blk.unknown)
	damage := w.cut
	if blk.unknown > 0 {
		damage |= exchange.HeadGap
	}
	if blk.broken || blk.bad {
		damage |= exchange.Malformed
	}
	if blk.over > 0 {
		damage |= exchange.Cut
		s.FieldsOver++
	}
	id, which := w.head.stream, p.sends(d)
	var i int
	switch {
	case w.head.kind == promiseFrame:
		if i = p.promised(w, which, at); i < 0 {
			return
		}
		which = request
	default:
		if i = p.streamOf(h, id, which, blk, at); i < 0 {
			return
		}
	}
	st := p.live.streams[i]
	st.guessed = st.guessed || h.guessed
	st.doubted = 0
	last := w.head.flags&endStream != 0 || w.head.kind == promiseFrame
	q := &st.part[which]
	switch {
	case q.done:
		s.Late++
		return
	case st.x == nil: // a tunnel's
	case q.head:
		p.trailer(st, which, blk, damage)
		if !last && w.cut == 0 { // RFC 9113, section 8.1
			st.message(which).Damage |= exchange.Malformed
		}
	case !p.head(st, which, blk, damage, w.at):
		if last { // RFC 9113, section 8.1: an interim response does not end anything
			st.message(which).Damage |= exchange.Malformed
			break
		}
		return
	}
	switch {
	case last:
		p.finish(i, which, nil, at)
	case which == response && st.x != nil && connected(st.x):
		p.connect(i, at)
	}
}

// promised gives the place of a promised stream (RFC 9113, section 6.6).
func (p *conn) promised(w *work, which int, at reassembly.Origin) int {
	if which == request || w.to == 0 || w.to&1 == 1 {
		p.shard.stats.Malformed++
		return -1
	}
	i := p.find(w.to)
	if i < 0 {
		p.newStream(w.to, w.at)
		p.live.orphans++
		i = len(p.live.ids) - 1
	}
	p.shard.stats.Promised++
	return i
}

// streamOf gives the place of the stream that a header block is on. It opens
// one where a request begins, or a response whose request is not known.
func (p *conn) streamOf(h *half, id uint32, which int, blk *block, at reassembly.Origin) int {
	i := p.find(id)
	switch {
	case i >= 0:
		if which == request {
			p.opens(h, id)
		}
		return i
	case which == request:
		if id&1 == 0 {
			p.shard.stats.Malformed++ // RFC 9113, section 5.1.1
			return -1
		}
		if id <= p.last {
			p.shard.stats.Late++
			return -1
		}
		p.opens(h, id)
		if p.live != nil && p.live.orphans > 0 {
			p.sweep(at)
		}
	case id&1 == 1 && id <= p.last && !p.is(hidden):
		p.shard.stats.Late++
		return -1
	case status(blk) > 0 && status(blk) < 200:
		p.shard.stats.Interim++
		return -1
	}
	p.newStream(id, h.work.at)
	p.live.orphans++
	return len(p.live.ids) - 1
}

// opens notes that the client opened a stream.
func (p *conn) opens(h *half, id uint32) {
	p.last = max(p.last, id)
	if !h.guessed {
		p.sure = p.last
	}
}

// status gives the status of a block, or 0.
func status(b *block) int {
	for i := range b.fields {
		if f := &b.fields[i]; f.Name == ":status" {
			n, _ := parseStatus(f.Value)
			return n
		}
	}
	return 0
}

// parseStatus reads a status, which has three digits (RFC 9113, section 8.3.2).
func parseStatus(s string) (n int, ok bool) {
	if len(s) != 3 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// pseudo are the pseudo-header fields of a block (RFC 9113, section 8.3).
type pseudo struct {
	method, scheme, authority, path, protocol, status string
	has                                               uint8
	bad                                               bool
}

// Those of them that are there.
const (
	hasMethod = 1 << iota
	hasScheme
	hasAuthority
	hasPath
	hasProtocol
	hasStatus
)

// take takes a pseudo-header field; regular says that others came before it.
func (ps *pseudo) take(f *exchange.Field, regular bool) {
	var bit uint8
	switch f.Name {
	case ":method":
		bit, ps.method = hasMethod, f.Value
	case ":scheme":
		bit, ps.scheme = hasScheme, f.Value
	case ":authority":
		bit, ps.authority = hasAuthority, f.Value
	case ":path":
		bit, ps.path = hasPath, f.Value
	case ":protocol": // RFC 8441
		bit, ps.protocol = hasProtocol, f.Value
	case ":status":
		bit, ps.status = hasStatus, f.Value
	}
	ps.bad = ps.bad || regular || bit == 0 || ps.has&bit != 0
	ps.has |= bit
}

// head makes a message of a header block. It reports false where it is that of
// an interim response.
func (p *conn) head(st *stream, which int, blk *block, damage exchange.Damage, at reassembly.Origin) bool {
	var ps pseudo
	q, m := &st.part[which], st.message(which)
	fields, bad := p.fields(q, m.Header, blk, &ps)
	complete := damage&^exchange.Malformed == 0
	if which == request {
		p.shard.stats.Requests++
		p.live.orphans--
		st.x.Origin = at
		m.Method, m.Target = ps.method, ps.path
		want := uint8(hasMethod | hasScheme | hasPath)
		if ps.method == "CONNECT" && ps.has&hasProtocol == 0 {
			want = hasMethod | hasAuthority // section 8.5
			if ps.path == "" {
				m.Target = ps.authority
			}
		}
		bad = bad || ps.has&hasStatus != 0 || complete && (ps.has&want != want || m.Target == "")
		if ps.has&hasAuthority != 0 {
			fields[0] = exchange.Field{Name: "Host", Value: ps.authority}
		} else {
			fields = fields[1:]
		}
		st.websocket = ps.protocol == "websocket"
	} else {
		status, ok := parseStatus(ps.status)
		if 100 <= status && status < 200 {
			p.shard.stats.Interim++
			return false
		}
		p.shard.stats.Responses++
		m.Status = status
		bad = bad || ps.has&^hasStatus != 0 || !ok && (complete || ps.has&hasStatus != 0)
		fields = fields[1:]
	}
	if bad {
		damage |= exchange.Malformed
	}
	q.head = true
	// What is not known to have been said is not there, whatever came with it.
	m.Present = ps.has&(hasMethod|hasPath|hasStatus) != 0
	m.Start, m.Damage = at.Time, m.Damage|damage
	if len(fields) > 0 {
		m.Header = fields
	}
	p.shard.charge(st, blk.bytes+len(fields)*fieldBytes)
	return true
}

// trailer adds a header block behind the content.
func (p *conn) trailer(st *stream, which int, blk *block, damage exchange.Damage) {
	var ps pseudo
	m := st.message(which)
	fields, bad := p.fields(nil, nil, blk, &ps)
	if fields = fields[1:]; len(fields) > 0 {
		m.Trailer = append(m.Trailer, fields...)
	}
	if bad || ps.has != 0 { // section 8.1
		damage |= exchange.Malformed
	}
	if damage&exchange.HeadGap != 0 {
		// The head is whole; what is missing is behind it.
		damage = damage&^exchange.HeadGap | exchange.BodyGap
	}
	m.Damage |= damage
	p.shard.charge(st, blk.bytes+len(fields)*fieldBytes)
}

// fields gives the regular fields of a block, with room for one before them.
// What they say of the content goes to q.
func (p *conn) fields(q *part, room exchange.Header, blk *block, ps *pseudo) (fields exchange.Header, bad bool) {
	n, crumbs, bytes := 0, 0, 0
	for i := range blk.fields {
		f := &blk.fields[i]
		if f.Name == "" {
			continue
		}
		if f.Name[0] == ':' {
			ps.take(f, n > 0)
			continue
		}
		n++
		switch len(f.Name) {
		case len("cookie"):
			if f.Name == "cookie" {
				crumbs++
				bytes += len(f.Value) + len("; ")
			}
		case len("content-length"):
			if f.Name == "content-length" && q != nil {
				n, ok := parseLength(f.Value)
				bad = bad || !ok || q.length && q.declared != n
				q.length, q.declared = ok, n
			}
		case len("content-encoding"):
			if f.Name == "content-encoding" && q != nil {
				for c := range strings.SplitSeq(f.Value, ",") {
					q.body.Codings.Add(strings.Trim(c, " \t"))
				}
			}
		case len("transfer-encoding"):
			bad = bad || f.Name == "transfer-encoding" // section 8.2.2
		}
	}
	fields = room.Grow(1 + n - max(crumbs-1, 0))[:1]
	joined := ""
	if crumbs > 1 {
		joined = joinCrumbs(blk.fields, bytes)
	}
	for i := range blk.fields {
		f := &blk.fields[i]
		switch {
		case f.Name == "" || f.Name[0] == ':':
		case crumbs > 1 && f.Name == "cookie":
			if joined != "" {
				fields = append(fields, exchange.Field{Name: f.Name, Value: joined})
				joined = ""
			}
		default:
			fields = append(fields, *f)
		}
	}
	return fields, bad || ps.bad
}

// joinCrumbs joins the cookie fields (RFC 9113, section 8.2.3).
func joinCrumbs(fields []exchange.Field, bytes int) string {
	var b strings.Builder
	b.Grow(bytes)
	for i := range fields {
		if f := &fields[i]; f.Name == "cookie" {
			if b.Len() > 0 {
				b.WriteString("; ")
			}
			b.WriteString(f.Value)
		}
	}
	return b.String()
}

// parseLength reads a content-length (RFC 9110, section 8.6).
func parseLength(s string) (n uint64, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' || n > (math.MaxInt64-9)/10 {
			return 0, false
		}
		n = n*10 + uint64(s[i]-'0')
	}
	return n, s != ""
}

// connected reports whether a response opens a tunnel (RFC 9113, section 8.5;
// RFC 8441).
func connected(x *exchange.Exchange) bool {
	return x.Request.Present && x.Request.Method == "CONNECT" && x.Response.Status/100 == 2
}

// connect makes a tunnel of a stream, whose exchange is over with that.
func (p *conn) connect(i int, at reassembly.Origin) {
	st, s := p.live.streams[i], p.shard
	s.stats.Tunnels++
	st.upgraded = true
	for which := range st.part {
		if q := &st.part[which]; !q.done {
			st.message(which).Body, _ = q.body.Finish(&s.pool, nil, 0)
		}
	}
	p.give(st, at)
	for which := range st.part {
		st.part[which].body.Drop(&s.pool)
	}
	s.charge(st, -st.cost)
	st.x = nil
	if st.websocket && s.tunnel != nil {
		st.tunnel = s.tunnel(p.start, p.client)
	}
	if st.part[request].done {
		p.finish(i, request, nil, at)
	}
}
