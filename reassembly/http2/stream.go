package http2

import (
	"bytes"
	"slices"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/content"
	"github.com/authtap/authtap/reassembly/exchange"
)

// live is what a conversation has while streams are open in it.
type live struct {
	ids     []uint32 // of streams, in the order in which they were opened
	streams []*stream
	orphans int // those of them without a request
}

// stream is an exchange that is not over, or a tunnel.
type stream struct {
	x         *exchange.Exchange // nil of a tunnel
	part      [2]part            // the request, the response
	cost      int                // what is counted as held for it
	guessed   bool               // some of it was read where the direction was guessed
	websocket bool               // what is asked for is one
	upgraded  bool               // the response opened a tunnel
	doubted   uint8              // its end may be in what is missing, and nothing came since: for how many rounds
	tunnel    reassembly.Parser  // nil where nobody looks into it
}

// part is one message of a stream.
type part struct {
	head     bool // there is a header
	done     bool // it is over
	length   bool // its header has a content-length
	declared uint64
	body     content.Body
}

const (
	request  = 0
	response = 1
)

func (st *stream) message(which int) *exchange.Message {
	if which == request {
		return &st.x.Request
	}
	return &st.x.Response
}

// sends says which message direction d sends.
func (p *conn) sends(d reassembly.Direction) int {
	if d == p.client {
		return request
	}
	return response
}

// find gives the place of an open stream, or -1.
func (p *conn) find(id uint32) int {
	if p.live == nil {
		return -1
	}
	for i := len(p.live.ids) - 1; i >= 0; i-- {
		if p.live.ids[i] == id {
			return i
		}
	}
	return -1
}

// open reports whether a message of direction d is under way on a stream.
func (p *conn) open(id uint32, d reassembly.Direction) bool {
	i := p.find(id)
	return i >= 0 && !p.live.streams[i].part[p.sends(d)].done
}

// Bytes that an exchange costs besides its strings and bodies, and a field.
const (
	exchangeBytes = 768
	fieldBytes    = 32
)

// unheard is how many streams wait for a side of which nothing was seen: it may
// be that the other one alone is captured.
const unheard = 64

// newStream opens a stream that begins with a packet.
func (p *conn) newStream(id uint32, at reassembly.Origin) *stream {
	s := p.shard
	if p.live == nil {
		p.live = s.lives.Take()
	}
	l := p.live
	most := s.limits.Streams
	if !p.is(heard) || !p.is(heard<<1) {
		most = min(most, unheard)
	}
	for len(l.ids) > 0 && (len(l.ids) >= most || s.crowded()) {
		if s.crowded() {
			s.stats.StreamsRefused++
		} else {
			s.stats.StreamsOver++
		}
		p.end(0, at)
		if p.live == nil {
			p.live = s.lives.Take()
		}
		l = p.live
	}
	st := s.streams.Take()
	st.x = s.exchanges.New(p.start, p.client, at)
	st.x.Protocol = exchange.HTTP2
	l.ids = append(l.ids, id)
	l.streams = append(l.streams, st)
	st.part[response].done = p.half[p.client.Reverse()].state == over
	s.charge(st, exchangeBytes)
	return st
}

// data takes in bytes of a DATA frame's content, and sees whether that is over.
func (p *conn) data(h *half, c *reassembly.Chunk, b []byte) {
	whole := h.left == uint32(h.pad)
	if whole {
		h.state = inFrame
		if h.left > 0 {
			h.state = inPadding
		}
	}
	i := p.find(h.frame.stream)
	if i < 0 {
		if whole {
			p.shard.stats.Late++
		}
		return
	}
	st, which := p.live.streams[i], p.sends(c.Dir)
	q := &st.part[which]
	st.doubted = 0
	last := whole && h.frame.flags&endStream != 0
	switch {
	case q.done:
		if whole {
			p.shard.stats.Late++
		}
		return
	case st.upgraded:
		p.shard.stats.Tunnelled += uint64(len(b))
		if st.tunnel != nil && len(b) > 0 {
			st.tunnel.Feed(&reassembly.Chunk{Dir: c.Dir, Bytes: b, Conflict: c.Conflict, Origin: c.Origin})
		}
		if last {
			p.finish(i, which, nil, c.Origin)
		}
		return
	case h.guessed:
		st.guessed = true
	}
	if !last {
		q.body.Add(&p.shard.pool, b)
		return
	}
	p.finish(i, which, b, c.Origin)
}

// missData takes in that content of a DATA frame is missing.
func (p *conn) missData(h *half, d reassembly.Direction, n uint32) {
	i := p.find(h.frame.stream)
	if i < 0 || n == 0 {
		return
	}
	st, which := p.live.streams[i], p.sends(d)
	if q := &st.part[which]; !q.done && st.x != nil {
		q.body.Gap(uint64(n))
		st.message(which).Damage |= exchange.BodyGap
	} else if st.tunnel != nil {
		st.tunnel.Feed(&reassembly.Chunk{Dir: d, Gap: uint64(n)})
	}
}

// finish ends a message; tail are the last bytes of its content.
func (p *conn) finish(i, which int, tail []byte, at reassembly.Origin) {
	st := p.live.streams[i]
	q, pool := &st.part[which], &p.shard.pool
	q.done = true
	complete := st.part[1-which].done
	if st.x == nil { // a tunnel
		if complete {
			p.close(i, at)
		}
		return
	}
	m := st.message(which)
	if !complete { // tail will not last until the exchange is given
		q.body.Add(pool, tail)
		tail = nil
	}
	sent, damage := q.body.Finish(pool, tail, m.Damage)
	if q.length && m.Damage == 0 && uint64(q.body.Len()) != q.declared && !bodiless(st, which) {
		damage |= exchange.Malformed // RFC 9113, section 8.1.1
	}
	m.Body = sent
	if !complete && !q.body.Codings.None() && len(m.Body.Bytes) > 0 {
		m.Body.Bytes = bytes.Clone(m.Body.Bytes) // they are the decoder's
		p.shard.charge(st, len(m.Body.Bytes))
		q.body.Drop(pool)
	}
	m.Damage |= damage
	if m.Damage&exchange.Malformed != 0 {
		p.shard.stats.Malformed++
	}
	if complete {
		p.close(i, at)
	} else if !st.part[request].head {
		p.sweep(at)
	}
}

// bodiless reports whether a response has a content-length but no content (RFC
// 9110, section 8.6).
func bodiless(st *stream, which int) bool {
	x := st.x
	return which == response && (!x.Request.Present || x.Request.Method == "" || x.Request.Method == "HEAD" || x.Response.Status == 304)
}

// end ends a stream as it is.
func (p *conn) end(i int, at reassembly.Origin) {
	st := p.live.streams[i]
	p.cut(st, request)
	p.cut(st, response)
	p.close(i, at)
}

// cut ends a message before its end, if it is not over.
func (p *conn) cut(st *stream, which int) {
	q := &st.part[which]
	if q.done {
		return
	}
	q.done = true
	if st.x == nil || !q.head {
		return
	}
	m := st.message(which)
	m.Damage |= exchange.Cut
	sent, damage := q.body.Finish(&p.shard.pool, nil, m.Damage)
	if m.Body, m.Damage = sent, m.Damage|damage; !q.body.Codings.None() {
		m.Body.Bytes = bytes.Clone(m.Body.Bytes) // they are the decoder's
	}
}

// close takes a stream out of its list and hands its exchange on.
func (p *conn) close(i int, at reassembly.Origin) {
	l := p.live
	st := l.streams[i]
	l.ids = slices.Delete(l.ids, i, i+1)
	l.streams = slices.Delete(l.streams, i, i+1)
	if st.x != nil {
		if !st.part[request].head {
			l.orphans--
		}
		p.give(st, at)
	}
	if st.tunnel != nil {
		st.tunnel.End(reassembly.AtoB, reassembly.EndReset, at)
		st.tunnel.End(reassembly.BtoA, reassembly.EndReset, at)
	}
	p.shard.freeStream(st)
	if len(l.ids) == 0 {
		p.live = nil
		p.shard.freeLive(l)
	}
}

// give hands the exchange of a stream on.
func (p *conn) give(st *stream, at reassembly.Origin) {
	x, s := st.x, &p.shard.stats
	for which := range st.part {
		if m := st.message(which); !m.Present {
			*m = exchange.Message{}
		}
	}
	switch {
	case !x.Request.Present && !x.Response.Present:
		s.Headless++
		return
	case !x.Request.Present:
		s.Orphaned++
		x.Flags |= exchange.Unpaired
	case !x.Response.Present:
		s.Unanswered++
		x.Flags |= exchange.Unpaired
	default:
		s.Paired++
		if p.is(gapSeen) {
			x.Flags |= exchange.AfterGap
		}
	}
	if st.guessed || !p.start.Handshake {
		x.Flags |= exchange.Midstream
	}
	if st.upgraded {
		x.Flags |= exchange.Upgraded
	}
	x.Order.Packet, x.End = at.Order, at.Time
	p.shard.emit(x)
}

// reset takes in a RST_STREAM frame: neither side's message goes on (RFC 9113,
// section 6.4). What the other side sent before it knew is not read by anybody.
func (p *conn) reset(id uint32, at reassembly.Origin) {
	if i := p.find(id); i >= 0 {
		p.end(i, at)
	}
}

// goaway takes in that the side that sends in direction d does not look at
// streams of the other side beyond one (RFC 9113, section 6.8).
func (p *conn) goaway(d reassembly.Direction, last uint32, at reassembly.Origin) {
	if d == p.client || p.half[d].guessed {
		return
	}
	for i := 0; p.live != nil && i < len(p.live.ids); {
		if id := p.live.ids[i]; id > last && id&1 == 1 && !p.live.streams[i].part[response].head && p.live.streams[i].part[request].done {
			p.end(i, at)
		} else {
			i++
		}
	}
}

// missStreams notes that frames of direction d are missing: any stream may have
// lost some, or its end.
func (p *conn) missStreams(d reassembly.Direction, at reassembly.Origin) {
	if p.live == nil {
		return
	}
	which := p.sends(d)
	if p.doubted == 0 {
		p.doubted = at.Time
	}
	for _, st := range p.live.streams {
		if st.doubted == 0 && !st.part[which].done {
			st.doubted = 1
		}
		if q := &st.part[which]; st.x != nil && q.head && !q.done {
			st.message(which).Damage |= exchange.BodyGap
			q.body.Gap(0)
		}
	}
}

// despair ends the streams on which nothing came for long since they were
// doubted.
func (p *conn) despair(at reassembly.Origin) {
	p.doubted = 0
	for i := 0; p.live != nil && i < len(p.live.ids); {
		switch st := p.live.streams[i]; st.doubted {
		case 2:
			p.shard.stats.Despaired++
			p.end(i, at)
			continue
		case 1:
			st.doubted, p.doubted = 2, at.Time
		}
		i++
	}
}

// mark marks what the streams have of direction d.
func (p *conn) mark(d reassembly.Direction, damage exchange.Damage) {
	if p.live == nil {
		return
	}
	which := p.sends(d)
	for _, st := range p.live.streams {
		if st.x != nil && st.part[which].head {
			st.message(which).Damage |= damage
		}
	}
}

// ended takes in that direction d is over. Without the server nothing more is
// said of any stream; without the client what was asked may still be answered.
// A response of which the request was not seen waits for it: the client's
// direction may be behind.
func (p *conn) ended(d reassembly.Direction, at reassembly.Origin) {
	which := p.sends(d)
	for i := 0; p.live != nil && i < len(p.live.ids); {
		st := p.live.streams[i]
		p.cut(st, which)
		if st.part[1-which].done || p.half[d.Reverse()].state == over || which == response && st.part[request].head {
			p.end(i, at)
			continue
		}
		i++
	}
}

// sweep gives responses whose request cannot come any more.
func (p *conn) sweep(at reassembly.Origin) {
	for i := 0; p.live != nil && p.live.orphans > 0 && i < len(p.live.ids); {
		if p.orphan(i) {
			p.close(i, at)
		} else {
			i++
		}
	}
}

// orphan reports whether no request can come to a response that is over: its
// stream was passed over by the client, whose streams are opened in the order
// of their numbers (RFC 9113, section 5.1.1). Behind a gap it may still come:
// the directions need not be seen at the same time.
func (p *conn) orphan(i int) bool {
	st, h := p.live.streams[i], &p.half[p.client]
	if st.x == nil || st.part[request].head || !st.part[response].done {
		return false
	}
	return h.state == over || p.live.ids[i] <= p.last || p.live.ids[i]&1 == 0
}
