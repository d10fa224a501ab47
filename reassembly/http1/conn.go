package http1

import (
	"strings"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/content"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/identify"
)

// conn parses one conversation. It is what an idle one costs; what is under
// way is in live.
type conn struct {
	shard *Shard
	start *reassembly.Start
	rest  reassembly.Parser // what comes after HTTP; nil: nobody wants it
	live  *live             // nil between messages
	// next is, by direction, the number behind the last byte, when heard.
	next [2]uint32
	// turn and turnAck say what the server's stream shows of the client's
	// before the next response: see turn.
	turnAck uint32
	// answered is the end of the last paired response, when answeredKnown.
	answered uint32
	flags    flags
	turn     turn
	client   reassembly.Direction // when rolesKnown
	idle     [2]state             // by direction, while live is nil
}

type flags uint16

const (
	rolesKnown flags = 1 << iota
	rolesShown       // both sides did what their roles want
	clientInStep
	serverInStep
	clientHidden // the client sent bytes that are not known: they may hold requests
	gapSeen
	pipelines // the client sent a request before it had the answer to another
	answeredKnown
	gone      // the connection left HTTP
	succeeded // for a protocol whose parser is rest
	heard     // shifted by direction: next is known
	_         // the other direction's
)

func (p *conn) is(f flags) bool { return p.flags&f != 0 }

func (p *conn) heard(d reassembly.Direction) bool { return p.is(heard << d) }

func (p *conn) isClient(d reassembly.Direction) bool { return p.is(rolesKnown) && d == p.client }
func (p *conn) isServer(d reassembly.Direction) bool { return p.is(rolesKnown) && d != p.client }

// Client implements identify.Roles.
func (p *conn) Client() (reassembly.Direction, bool) { return p.client, p.is(rolesKnown) }

// live is what a conversation has while something is under way in it.
type live struct {
	half [2]half // by direction
	// requests that are not answered to the end, in the order in which they
	// came, and responses of which the request is not known.
	requests, responses []*slot
}

// state is where a direction stands.
type state uint8

const (
	between   state = iota // before a message
	inHead                 // of a message or, with trailing, of a chunked body
	inContent              // remain bytes to come
	inSize                 // in the digits of a chunk's size
	inExtension
	inChunk // remain bytes to come
	inChunkEnd
	inTrailer
	untilEnd // everything is content
	lost     // not known where the next message begins
	over     // the direction has ended
)

// half is one direction.
type half struct {
	state state
	// Of the message under way:
	damage exchange.Damage
	// uncertain: it may have no content after all (the response to a HEAD that
	// is not known); what may be the next status line is then in buf, from
	// early on. withheld: its content may not come (the server did not
	// wait for it). ambiguous: others may see another end of it.
	uncertain, withheld, ambiguous bool
	cr                             bool // the last byte was a CR that may end a line
	digits                         uint8
	at                             reassembly.Origin // of its first byte
	seq, ack                       uint32            // likewise
	hasAck                         bool
	slot                           *slot
	scan                           scanner
	buf                            []byte // the beginning of a head or trailer
	early                          point
	remain                         uint64
	extension                      int
	body                           content.Body
}

func (p *conn) open() {
	if p.live == nil {
		p.live = p.shard.lives.Take()
		p.live.half[0].state = p.idle[0]
		p.live.half[1].state = p.idle[1]
	}
}

// close gives live back when nothing is under way.
func (p *conn) close() {
	l := p.live
	if l == nil || len(l.requests) > 0 || len(l.responses) > 0 {
		return
	}
	for d := range l.half {
		if h := &l.half[d]; h.slot != nil || h.state != between && h.state != lost && h.state != over {
			return
		}
	}
	p.idle = [2]state{l.half[0].state, l.half[1].state}
	p.live = nil
	p.shard.freeLive(l)
}

// ended reports whether nothing comes any more from direction d.
func (p *conn) ended(d reassembly.Direction) bool {
	if p.live != nil {
		return p.live.half[d].state == over
	}
	return p.idle[d] == over
}

// Feed takes the next bytes, or a gap, of one direction.
func (p *conn) Feed(c *reassembly.Chunk) {
	d, n := c.Dir, len(c.Bytes)
	if p.is(gone) {
		p.handOn(c, 0)
		return
	}
	switch {
	case n > 0 && p.live == nil && p.idle[d] == lost && !p.resumes(c):
		p.skip(c, 0)
	case n > 0:
		p.open()
		p.bytes(c)
	case c.Gap > 0:
		p.open()
		p.gap(c)
	case c.Conflict && p.live != nil:
		p.conflict(d)
	}
	p.next[d] = c.Seq + uint32(n) + uint32(c.Gap)
	p.flags |= heard << d
	if p.live != nil {
		p.sweep(c.Origin)
		p.close()
	}
}

// End ends a direction.
func (p *conn) End(d reassembly.Direction, why reassembly.End, at reassembly.Origin) {
	if p.is(succeeded) {
		p.rest.End(d, why, at)
	}
	if p.is(gone) || p.ended(d) {
		return
	}
	p.open()
	h := &p.live.half[d]
	p.undecided(h, d)
	end := point{seq: p.next[d], at: at}
	switch h.state {
	case lost, over:
	case between:
		p.forsake(h, at)
	case inHead:
		p.cutHead(h, exchange.Cut, end)
	case untilEnd:
		// RFC 9112, section 8: whole only if the connection was closed in order.
		if why != reassembly.EndFIN {
			h.damage |= exchange.Cut
		}
		p.finish(h, nil, end)
	default:
		h.damage |= exchange.Cut
		p.finish(h, nil, end)
	}
	h.state = over
	p.sweep(at)
	p.close()
}

// bytes goes through a chunk.
func (p *conn) bytes(c *reassembly.Chunk) {
	h := &p.live.half[c.Dir]
	if c.Conflict {
		p.conflict(c.Dir)
	}
	for at := 0; at < len(c.Bytes); {
		switch h.state {
		case between:
			at = p.first(h, c, at)
		case inHead:
			at = p.headBytes(h, c, at)
		case inContent:
			at = p.content(h, c, at)
		case untilEnd:
			if n, decided := p.absent(h, c, at); decided {
				at = n
				continue
			}
			h.body.Add(&p.shard.pool, c.Bytes[at:])
			at = len(c.Bytes)
		case lost:
			if at == 0 && p.resumes(c) {
				p.resume(h, c)
				continue
			}
			p.skip(c, at)
			at = len(c.Bytes)
		case over:
			p.shard.stats.Skipped += uint64(len(c.Bytes) - at)
			at = len(c.Bytes)
		default:
			at = p.chunked(h, c, at)
		}
		if p.is(gone) {
			p.handOn(c, at)
			return
		}
	}
}

// first looks at the first byte of a message.
func (p *conn) first(h *half, c *reassembly.Chunk, at int) int {
	b := c.Bytes[at:]
	if b[0] == '\r' || b[0] == '\n' {
		return at + 1 // RFC 9112, section 2.2: empty lines before a message
	}
	request := p.isClient(c.Dir)
	if request && (!isToken(b[0]) || p.turnable() && LikeResponse(b) == identify.Certain) ||
		!request && !startsLike(b, "HTTP/") {
		if p.flags&(heard|heard<<1) == 0 && at == 0 && p.resumes(c) {
			p.client = p.client.Reverse() // who opens a connection may be the server
		} else {
			p.lose(h, c.Dir, c.Origin)
		}
		return at
	}
	h.state = inHead
	h.at, h.seq, h.ack, h.hasAck = c.Origin, c.Seq+uint32(at), c.Ack, c.HasAck
	if c.Conflict {
		h.damage |= exchange.Conflicting
	}
	if request {
		p.begin(h, at == 0 && !p.heard(c.Dir))
	}
	return at
}

// content takes in content of known length.
func (p *conn) content(h *half, c *reassembly.Chunk, at int) int {
	if p.withholds(h, c, at) {
		return at
	}
	if n, decided := p.absent(h, c, at); decided {
		return n
	}
	b := c.Bytes[at:]
	if uint64(len(b)) < h.remain {
		h.remain -= uint64(len(b))
		h.body.Add(&p.shard.pool, b)
		return len(c.Bytes)
	}
	at += int(h.remain)
	p.finish(h, b[:h.remain], pointAt(c, at))
	return at
}

// withholds reports whether the client goes on without the content that it
// announced, since it was told not to send it (RFC 9110, section 10.1.1). The
// server may take what comes for content all the same.
func (p *conn) withholds(h *half, c *reassembly.Chunk, at int) bool {
	if !h.withheld {
		return false
	}
	h.withheld = false
	if at > 0 || !beginsRequest(c.Bytes) {
		return false
	}
	h.damage |= exchange.Cut
	p.finish(h, nil, pointAt(c, at))
	p.flags &^= clientInStep
	return true
}

// conflict marks what the bytes of direction d that arrived twice may belong
// to: the message under way and those of which the exchange is not over.
func (p *conn) conflict(d reassembly.Direction) {
	h := &p.live.half[d]
	if h.state != between && h.state != lost && h.state != over {
		h.damage |= exchange.Conflicting
	}
	if p.isClient(d) {
		for _, s := range p.live.requests {
			if s.x != nil && s.x.Request.Present {
				s.x.Request.Damage |= exchange.Conflicting
			}
		}
		return
	}
	for _, list := range [][]*slot{p.live.requests, p.live.responses} {
		for _, s := range list {
			if s.x != nil && s.x.Response.Present {
				s.x.Response.Damage |= exchange.Conflicting
			}
		}
	}
}

// gap takes in that bytes are missing.
func (p *conn) gap(c *reassembly.Chunk) {
	h := &p.live.half[c.Dir]
	p.flags |= gapSeen
	p.undecided(h, c.Dir)
	end := point{seq: c.Seq, at: c.Origin}
	switch h.state {
	case over:
		return
	case untilEnd:
		if !h.uncertain {
			h.damage |= exchange.BodyGap
			h.body.Gap(c.Gap)
			return
		}
		h.damage |= exchange.BodyGap
		p.finish(h, nil, end)
	case inContent, inChunk:
		h.damage |= exchange.BodyGap
		if h.uncertain || h.withheld {
			p.finish(h, nil, end)
			break
		}
		n := min(c.Gap, h.remain)
		h.body.Gap(n)
		h.remain -= n
		end.seq += uint32(n)
		end.exact = true
		switch {
		case h.remain > 0:
			return
		case h.state == inContent:
			p.finish(h, nil, end)
			if n == c.Gap {
				return
			}
		case n == c.Gap:
			h.state = inChunkEnd
			return
		default:
			end.exact = false
			p.finish(h, nil, end)
		}
	case between:
		p.forsake(h, c.Origin)
	case inHead:
		p.cutHead(h, exchange.HeadGap, end)
	case inSize, inExtension, inChunkEnd, inTrailer:
		h.damage |= exchange.BodyGap
		p.finish(h, nil, end)
	}
	if h.state != lost {
		p.lose(h, c.Dir, c.Origin)
	}
	p.unread(c)
}

// lose notes that it is not known where the direction's next message begins.
func (p *conn) lose(h *half, d reassembly.Direction, at reassembly.Origin) {
	p.forsake(h, at)
	p.shard.pool.Release(h.buf)
	h.body.Drop(&p.shard.pool)
	*h = half{state: lost}
	p.shard.stats.Lost++
	p.unstep(d)
}

// unstep notes that direction d cannot be counted through any more.
func (p *conn) unstep(d reassembly.Direction) {
	if p.isClient(d) {
		p.flags &^= clientInStep
		p.flags |= clientHidden
	} else {
		p.flags &^= serverInStep
	}
}

// skip passes over bytes of a direction that is lost.
func (p *conn) skip(c *reassembly.Chunk, at int) {
	p.shard.stats.Skipped += uint64(len(c.Bytes) - at)
	p.unread(c)
}

// unread notes that bytes of a chunk were not understood, or passed over.
func (p *conn) unread(c *reassembly.Chunk) {
	switch {
	case !p.is(rolesKnown):
		p.client = c.Dir.Reverse() // until it is known
		p.said(pointAt(c, 0))
	case c.Dir == p.client:
		p.flags |= clientHidden
	default:
		p.said(pointAt(c, 0))
	}
}

// turnable reports whether the roles may turn out to be the other way round.
// In a conversation that is known from its beginning only its first bytes can
// show that: later ones may be there to confuse.
func (p *conn) turnable() bool {
	return !p.is(rolesShown) && (!p.start.Handshake || p.flags&(heard|heard<<1) == 0)
}

// resumes reports whether a direction that is lost can be taken up at the
// chunk.
func (p *conn) resumes(c *reassembly.Chunk) bool {
	any := p.turnable()
	return (any || p.isClient(c.Dir)) && resumesRequest(c.Bytes) ||
		(any || p.isServer(c.Dir)) && LikeResponse(c.Bytes) == identify.Certain
}

// resume takes a direction up at a chunk that resumes it.
func (p *conn) resume(h *half, c *reassembly.Chunk) {
	client := c.Dir
	if c.Bytes[0] == 'H' && LikeResponse(c.Bytes) == identify.Certain {
		client = c.Dir.Reverse()
	}
	switch {
	case !p.is(rolesKnown):
		if p.heard(client) {
			p.flags |= clientHidden
		}
		if p.client != client && p.heard(client.Reverse()) {
			p.turn = turnUnknown // the client came in between
		}
		if !p.heard(client.Reverse()) {
			p.turn = turnFresh
		}
	case client != p.client:
		// The other way round, then: from here on as in mid-stream.
		p.abandon(c.Origin)
		p.flags &^= clientInStep | serverInStep | answeredKnown
		p.flags |= clientHidden
		p.turn = turnUnknown
		p.live.half[c.Dir.Reverse()].state = lost
	}
	p.client = client
	p.flags |= rolesKnown
	h.state = between
	p.shard.stats.Resumed++
}

// abandon gives everything that is under way as it is.
func (p *conn) abandon(at reassembly.Origin) {
	for d := range p.live.half {
		h := &p.live.half[d]
		p.shard.pool.Release(h.buf)
		h.body.Drop(&p.shard.pool)
		*h = half{state: h.state}
	}
	for len(p.live.requests) > 0 {
		p.give(&p.live.requests, 0, at)
	}
	for len(p.live.responses) > 0 {
		p.give(&p.live.responses, 0, at)
	}
}

// leave ends HTTP on this connection.
func (p *conn) leave(at reassembly.Origin) {
	p.shard.stats.Upgrades++
	p.abandon(at)
	p.shard.freeLive(p.live)
	p.live = nil
	p.flags |= gone
}

// succeed finds who parses what follows the switch of protocols (RFC 9110,
// section 7.8) that answers the request of s, and reports whether he takes the
// exchange.
func (p *conn) succeed(s *slot, at reassembly.Origin) (taken bool) {
	x := s.x
	next := p.shard.next[strings.ToLower(x.Response.Header.Get("Upgrade"))]
	if next == nil || x.Response.Status != 101 || !x.Request.Present || !s.is(reqDone) {
		return false
	}
	p.rest, taken = next(p.start, p.client, x)
	p.flags |= succeeded
	for d := range p.live.half {
		if p.live.half[d].state == over {
			p.rest.End(reassembly.Direction(d), reassembly.EndFIN, at)
		}
	}
	if taken {
		s.x, s.body = nil, nil
		x.Response = exchange.Message{}
		if s.is(byProof) && p.is(gapSeen) {
			x.Flags |= exchange.AfterGap
		}
		if s.is(pipelined) {
			x.Flags |= exchange.Pipelined
		}
	}
	return taken
}

// handOn gives what is left of a chunk to who comes after HTTP.
func (p *conn) handOn(c *reassembly.Chunk, at int) {
	if at > 0 && at == len(c.Bytes) {
		return
	}
	if p.rest == nil {
		p.shard.stats.Opaque += uint64(len(c.Bytes) - at)
		return
	}
	left := *c
	left.Bytes, left.Seq = c.Bytes[at:], c.Seq+uint32(at)
	p.rest.Feed(&left)
}
