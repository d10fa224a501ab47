package http1

import (
	"bytes"
	"slices"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
)

// slot is an exchange that is not over: a request, a response, or both.
type slot struct {
	x     *exchange.Exchange // nil until there is a head
	at    reassembly.Origin  // of its first byte
	body  []byte             // for the request's, which waits for the response
	cost  int                // what is counted as held for it
	flags slotFlags
	// Of the request: its first byte, the acknowledgement of the segment that
	// it began in (when reqAcked), and what is behind it (when endKnown).
	reqSeq, reqAck, reqEnd uint32
	// Of the response, likewise (rspAcked); turn and turnAck are the
	// conversation's at that time.
	rspSeq, rspAck, rspEnd uint32
	turnAck                uint32
	turn                   turn
}

type slotFlags uint16

const (
	inOrder  slotFlags = 1 << iota // the client's requests are known up to this one
	earliest                       // nothing of the client came before it
	reqAcked
	reqDone
	endKnown
	expects  // it waits for 100 (Continue)
	answered // there is a response, or the beginning of one
	rspAcked
	rspDone
	byProof // the response was found by proof
	pipelined
	upgraded
	guessed // the response was read without its request's method,
	empty   // and seemed to have no content
)

func (s *slot) is(f slotFlags) bool { return s.flags&f == f }

func (s *slot) set(f slotFlags, on bool) {
	if on {
		s.flags |= f
	}
}

func (s *slot) message(request bool) *exchange.Message {
	if request {
		return &s.x.Request
	}
	return &s.x.Response
}

// turn says what is known of the client's stream at the place in the server's
// stream where its next response begins.
type turn uint8

const (
	turnUnknown turn = iota
	turnFresh        // nothing of the server was seen yet, but it may have spoken
	turnSilent       // the server has not said anything yet
	turnOpen         // it has answered a request that is not complete
	turnKnown        // what it said last answers, or acknowledges, all before turnAck
)

// point is a place in a direction's stream.
type point struct {
	seq, ack uint32
	exact    bool // seq is right, not a guess
	hasAck   bool
	at       reassembly.Origin
}

func pointAt(c *reassembly.Chunk, at int) point {
	return point{seq: c.Seq + uint32(at), ack: c.Ack, exact: true, hasAck: c.HasAck, at: c.Origin}
}

// diff is how far a is ahead of b, sequence numbers being a circle (RFC 9293,
// section 3.4).
func diff(a, b uint32) int32 { return int32(a - b) }

// begin opens a slot for the request that begins in h. earliest says that
// nothing of the client came before.
func (p *conn) begin(h *half, first bool) {
	l := p.live
	s := p.shard.slots.Take()
	s.at, s.reqSeq, s.reqAck = h.at, h.seq, h.ack
	s.set(reqAcked, h.hasAck)
	s.set(inOrder, p.is(clientInStep))
	s.set(earliest, first)
	if p.crosses(s) {
		s.flags |= pipelined
		p.flags |= pipelines
	}
	for len(l.requests) > 0 && (len(l.requests) >= p.shard.limits.Pending || p.shard.pool.Full()) {
		i := slices.IndexFunc(l.requests, func(s *slot) bool { return s.is(reqDone) && !s.is(answered) })
		if i < 0 {
			break
		}
		p.overdue()
		p.flags &^= serverInStep
		p.give(&l.requests, i, h.at)
	}
	l.requests = append(l.requests, s)
	p.shard.charge(s, exchangeBytes)
	h.slot = s
}

// meet looks for the response of a request whose head is complete, if it came
// first: the capture has them in this order.
func (p *conn) meet(s *slot) {
	switch {
	case s.is(answered):
		if p.misread(s, s) {
			s.x.Response.Damage |= exchange.Malformed
			p.flags &^= serverInStep
		}
	case p.counts(s) && len(p.live.responses) > 0:
		o := p.live.responses[0]
		if o.is(rspAcked) && diff(o.rspAck, s.reqSeq) <= 0 {
			return
		}
		if p.misread(s, o) {
			p.flags &^= serverInStep
			return
		}
		p.join(s, o)
	}
}

// misread reports whether the response of o was taken to have content, or to be
// final, as it cannot be if it answers the request of s.
func (p *conn) misread(s, o *slot) bool {
	if !o.is(guessed) || o.x == nil || !o.x.Response.Present {
		return false
	}
	switch s.x.Request.Method {
	case "HEAD":
		return !o.is(empty)
	case "CONNECT":
		return o.x.Response.Status/100 == 2
	}
	return false
}

// overdue counts that a message is given before its time.
func (p *conn) overdue() {
	if p.shard.pool.Full() {
		p.shard.stats.WaitsRefused++
	} else {
		p.shard.stats.PendingOver++
	}
}

// crosses reports whether a request that begins was sent before the previous
// one was answered.
func (p *conn) crosses(s *slot) bool {
	if n := len(p.live.requests); n > 0 {
		before := p.live.requests[n-1]
		if !before.is(rspDone) && (!s.is(reqAcked) || !before.is(reqAcked) || diff(s.reqAck, before.reqAck) <= 0) {
			return true
		}
	}
	return p.is(answeredKnown) && s.is(reqAcked) && diff(p.answered, s.reqAck) > 0
}

// counts reports whether counting tells which response is that of s.
func (p *conn) counts(s *slot) bool { return s.is(inOrder) && p.is(serverInStep) }

// respond finds the slot of the response that begins in h: that of its
// request, or a new one for itself.
func (p *conn) respond(h *half) *slot {
	// Those that came before their requests are the next ones to be paired.
	var waits *slot
	before := len(p.live.responses)
	for _, s := range p.live.requests {
		if s.is(answered) {
			continue
		}
		if before == 0 {
			waits = s
			break
		}
		before--
	}
	o := p.shard.slots.Take()
	o.at = h.at
	o.rspSeq, o.rspAck, o.turn, o.turnAck = h.seq, h.ack, p.turn, p.turnAck
	o.set(rspAcked, h.hasAck)
	p.live.responses = append(p.live.responses, o)
	p.shard.charge(o, exchangeBytes)
	switch {
	case waits != nil && p.counts(waits):
		if !h.hasAck || diff(h.ack, waits.reqSeq) > 0 {
			return p.join(waits, o)
		}
		// The server had nothing of the request: it closes an idle connection
		// (408), for example.
		p.shard.stats.Unsolicited++
		p.flags &^= serverInStep
	default:
		for _, s := range p.live.requests {
			if !s.is(answered) && p.proves(s, o) {
				s.flags |= byProof
				p.join(s, o)
				for i := 0; p.live.requests[i] != s; { // these will not be answered any more
					if t := p.live.requests[i]; t.is(reqDone) && !t.is(answered) {
						p.give(&p.live.requests, i, h.at)
					} else {
						i++
					}
				}
				return s
			}
		}
	}
	for r := &p.live.responses; (len(*r) > p.shard.limits.Pending || p.shard.pool.Full()) && (*r)[0].is(rspDone); {
		p.overdue()
		p.giveResponse(0, h.at)
	}
	return o
}

// proves reports whether the response of o is provably that of the request of
// s, with no regard to what came before:
//   - it begins where the client had read to when it began the request, so
//     nothing else was said in between,
//   - its first segment acknowledges the request's last byte,
//   - what the server said before it answers or acknowledges all that the client
//     had sent before the request, so nothing else is to be answered, and
//   - the client was not seen to pipeline.
//
// The third is believed where the capture begins with the request. Where it is
// wrong the client pipelines.
func (p *conn) proves(s, o *slot) bool {
	if p.is(pipelines) || !s.is(reqDone|reqAcked|endKnown) || !o.is(rspAcked) ||
		o.rspSeq != s.reqAck || diff(o.rspAck, s.reqEnd) < 0 || p.misread(s, o) {
		return false
	}
	var ok bool
	switch o.turn {
	case turnUnknown, turnOpen:
		return false
	case turnFresh:
		return !p.is(clientHidden)
	case turnSilent:
		ok = s.is(earliest)
	case turnKnown:
		ok = diff(o.turnAck, s.reqSeq) >= 0
	}
	if !ok {
		p.flags |= pipelines
	}
	return ok
}

// join puts the response of o to the request of s, and gives s.
func (p *conn) join(s, o *slot) *slot {
	s.rspSeq, s.rspAck, s.rspEnd = o.rspSeq, o.rspAck, o.rspEnd
	s.flags |= answered | o.flags&(rspAcked|rspDone|upgraded|guessed|empty)
	if o.x != nil {
		x := p.exchangeOf(s)
		x.Response = o.x.Response
		if x.Protocol == 0 {
			x.Protocol = o.x.Protocol
		}
		if o.is(empty) && x.Request.Method != "HEAD" {
			x.Response.Damage |= exchange.Malformed // what was read behind it may be its content
		}
	}
	if h := &p.live.half[p.client.Reverse()]; h.slot == o {
		h.slot = s
	}
	p.shard.charge(s, o.cost)
	i := slices.Index(p.live.responses, o)
	p.live.responses = slices.Delete(p.live.responses, i, i+1)
	p.shard.freeSlot(o)
	if s.is(rspDone) {
		p.settle(s)
	}
	p.flags |= rolesShown
	return s
}

// settle takes note that the response of s is over.
func (p *conn) settle(s *slot) {
	p.answered = s.rspEnd
	p.flags |= answeredKnown
	for _, t := range p.live.requests {
		if t != s && !t.is(answered) && t.is(reqAcked) && diff(s.rspEnd, t.reqAck) > 0 && diff(t.reqSeq, s.reqSeq) > 0 {
			t.flags |= pipelined
			p.flags |= pipelines
		}
	}
}

// exchangeOf gives the slot's exchange, which it makes if need be.
func (p *conn) exchangeOf(s *slot) *exchange.Exchange {
	if s.x == nil {
		s.x = p.shard.exchanges.New(p.start, p.client, s.at)
	}
	return s.x
}

// finish ends the message under way in h; tail are the last bytes of its
// content. They are copied only where the exchange has to wait.
func (p *conn) finish(h *half, tail []byte, end point) {
	s := h.slot
	request := h == &p.live.half[p.client]
	m := s.message(request)
	m.Damage |= h.damage
	sent, damage := h.body.Finish(&p.shard.pool, tail, h.damage)
	m.Body, m.Damage = sent, m.Damage|damage
	x, lent := s.x, h.body
	if m.Damage&exchange.Malformed != 0 {
		p.shard.stats.Malformed++
	}
	p.shard.pool.Release(h.buf)
	if h.ambiguous {
		if request {
			p.flags &^= clientInStep
			p.flags |= clientHidden
		} else {
			p.flags &^= serverInStep
		}
	}
	*h = half{state: between}
	if request {
		s.flags |= reqDone
		s.reqEnd = end.seq
		s.set(endKnown, end.exact)
		p.requestDone(s)
	} else {
		s.flags |= rspDone
		s.rspEnd = end.seq
		p.responseDone(s, end)
	}
	p.complete(s, end.at)
	if s.x == x && len(m.Body.Bytes) > 0 {
		if request {
			s.body = append(s.body[:0], m.Body.Bytes...)
			m.Body.Bytes = s.body
		} else {
			m.Body.Bytes = bytes.Clone(m.Body.Bytes)
		}
		p.shard.charge(s, len(m.Body.Bytes))
	}
	lent.Drop(&p.shard.pool)
}

// requestDone looks for a response that came before the request was complete.
func (p *conn) requestDone(s *slot) {
	if s.is(rspDone) && p.turn == turnOpen {
		p.takeTurn(s)
	}
	if s.is(answered) || p.counts(s) {
		return
	}
	for _, o := range p.live.responses {
		if p.proves(s, o) {
			s.flags |= byProof
			p.join(s, o)
			return
		}
	}
}

// responseDone notes where the conversation stands behind a response.
func (p *conn) responseDone(s *slot, end point) {
	switch {
	case s.is(answered):
		p.settle(s)
		p.turn = turnOpen
		if s.is(reqDone) {
			p.takeTurn(s)
		}
	default:
		p.said(end)
	}
}

// takeTurn notes that the server's last word answers the request of s.
func (p *conn) takeTurn(s *slot) {
	p.turn, p.turnAck = turnUnknown, s.reqEnd
	if s.is(endKnown) {
		p.turn = turnKnown
	}
}

// said notes that the server has said something that no request is known for.
func (p *conn) said(end point) {
	p.turn, p.turnAck = turnUnknown, end.ack
	if end.hasAck {
		p.turn = turnKnown
	}
}

// complete gives the exchange of s if both its messages are.
func (p *conn) complete(s *slot, at reassembly.Origin) {
	if s.is(reqDone | rspDone) {
		if i := slices.Index(p.live.requests, s); i >= 0 {
			p.give(&p.live.requests, i, at)
		}
	}
}

// forsake ends what is under way in h where there is nothing of a message.
func (p *conn) forsake(h *half, at reassembly.Origin) {
	s := h.slot
	h.slot = nil
	switch {
	case s == nil:
	case h == &p.live.half[p.client]:
		s.flags |= reqDone
		if s.is(answered) {
			p.complete(s, at)
			return
		}
		i := slices.Index(p.live.requests, s)
		p.live.requests = slices.Delete(p.live.requests, i, i+1)
		p.shard.freeSlot(s)
	case s.is(answered):
		s.flags &^= answered | byProof
	default:
		i := slices.Index(p.live.responses, s)
		p.live.responses = slices.Delete(p.live.responses, i, i+1)
		p.shard.freeSlot(s)
	}
}

// sweep gives what will not find its counterpart any more.
func (p *conn) sweep(at reassembly.Origin) {
	l := p.live
	for i := 0; i < len(l.requests); {
		if p.unanswerable(l.requests[i]) {
			p.give(&l.requests, i, at)
		} else {
			i++
		}
	}
	for i := 0; i < len(l.responses); {
		if p.orphan(l.responses[i]) {
			p.giveResponse(i, at)
		} else {
			i++
		}
	}
}

// unanswerable reports whether no response can come that is provably this
// request's.
func (p *conn) unanswerable(s *slot) bool {
	server := p.client.Reverse()
	switch {
	case !s.is(reqDone) || s.is(answered):
		return false
	case p.ended(server):
		return true
	case p.counts(s):
		return false
	case p.is(pipelines) || !s.is(reqAcked|endKnown):
		return true
	}
	// Its response begins at reqAck, and there it does not.
	at := p.next[server]
	if h := &p.live.half[server]; h.state == inHead {
		at = h.seq
	} else if h.slot != nil {
		at = h.slot.rspSeq
	}
	return p.heard(server) && diff(at, s.reqAck) > 0
}

// orphan reports whether no request can come that this response provably
// answers.
func (p *conn) orphan(o *slot) bool {
	switch {
	case !o.is(rspDone):
		return false
	case p.ended(p.client), !o.is(rspAcked):
		return true
	case !p.heard(p.client):
		// From a handshake on, what is missing will be told.
		return !p.start.Handshake
	}
	return diff(p.next[p.client], o.rspAck) >= 0
}

// giveResponse gives a response without its request. Behind it requests and
// responses cannot be counted any more.
func (p *conn) giveResponse(i int, at reassembly.Origin) {
	p.flags &^= serverInStep
	p.give(&p.live.responses, i, at)
}

// give takes a slot out of its list and hands its exchange on.
func (p *conn) give(list *[]*slot, i int, at reassembly.Origin) {
	s := (*list)[i]
	*list = slices.Delete(*list, i, i+1)
	x, st := s.x, &p.shard.stats
	if x == nil || !x.Request.Present && !x.Response.Present {
		p.shard.freeSlot(s)
		return
	}
	switch {
	case !x.Request.Present:
		st.Orphaned++
		x.Flags |= exchange.Unpaired
	case !x.Response.Present:
		st.Unanswered++
		x.Flags |= exchange.Unpaired
	default:
		st.Paired++
		if s.is(byProof) {
			st.Proved++
			if p.is(gapSeen) {
				x.Flags |= exchange.AfterGap
			}
		}
	}
	if s.is(pipelined) {
		x.Flags |= exchange.Pipelined
	}
	if s.is(upgraded) {
		x.Flags |= exchange.Upgraded
	}
	if !p.start.Handshake {
		x.Flags |= exchange.Midstream
	}
	x.Order.Packet, x.End = at.Order, at.Time
	p.shard.freeSlot(s)
	p.shard.emit(x)
}
