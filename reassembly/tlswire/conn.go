package tlswire

import (
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
)

// conn parses one conversation. It is what one costs whose handshake is over.
type conn struct {
	shard  *Shard
	start  *reassembly.Start
	rest   reassembly.Parser // who gets what is no TLS; nil: nobody wants it
	opener Opener            // nil: nobody opens it
	live   *live             // nil: nothing is read any more
	client reassembly.Direction
	flags  flags
}

type flags uint8

const (
	rolesKnown flags = 1 << iota
	foreign          // the server does not speak TLS: rest gets everything
	opened           // somebody opens it
	ended            // shifted by direction: nothing comes any more
	_                // the other direction's
)

func (c *conn) is(f flags) bool { return c.flags&f != 0 }

// Client gives the direction of the client, where that is known.
func (c *conn) Client() (reassembly.Direction, bool) { return c.client, c.is(rolesKnown) }

// Opaque reports whether what was encrypted stayed so.
func (c *conn) Opaque() bool { return !c.is(opened | foreign) }

// live is what a conversation has while its records are read.
type live struct {
	half [2]half // by direction
	// hello is what both hellos said. hand is the handshake under way, nil when
	// it was handed on.
	hello Hello
	hand  *exchange.Handshake
	cost  int // bytes of the hellos in hand
	marks marks
	// behind is the protocol that asked for TLS.
	behind dialect
}

// half is one direction.
type half struct {
	cut    cutter
	state  state
	bytes  bool  // something was seen of it
	gapped bool  // bytes of it are missing
	sealed bool  // a ChangeCipherSpec was seen
	level  uint8 // of the alert at hand
	hellos uint8 // that it said
	gather gather
	messages
	encrypted int // bytes of application data while the handshake is under way
}

// state is where a direction stands.
type state uint8

const (
	inRecords state = iota
	inSSL2          // in a record of SSL 2.0, which is put together in message
	lost            // not known where the next record begins
)

// Feed takes the next bytes, or a gap, of one direction.
func (c *conn) Feed(k *reassembly.Chunk) {
	switch {
	case c.is(foreign):
		c.rest.Feed(k)
	case c.live == nil:
		c.shard.stats.Opaque += uint64(len(k.Bytes))
	case len(k.Bytes) > 0:
		c.bytes(k)
	case k.Gap > 0:
		c.gap(k)
	case k.Conflict && c.live.hand != nil:
		c.live.hand.Damage |= exchange.Conflicting
	}
}

// bytes goes through a chunk.
func (c *conn) bytes(k *reassembly.Chunk) {
	h := &c.live.half[k.Dir]
	if !h.bytes && !c.begins(h, k) {
		return
	}
	h.bytes = true
	if c.opener != nil {
		c.shard.stats.Opened += uint64(len(k.Bytes))
	}
	if k.Conflict && c.live.hand != nil && !c.quiet(h) {
		c.live.hand.Damage |= exchange.Conflicting
	}
	for b := k.Bytes; len(b) > 0; {
		if c.live == nil {
			c.shard.stats.Opaque += uint64(len(b))
			return
		}
		switch h.state {
		case inRecords:
			b = c.record(h, k, b)
		case inSSL2:
			b = c.ssl2(h, k, b)
		case lost:
			n := resync(b, c.recordVersion())
			if n < 0 {
				c.shard.stats.Skipped += uint64(len(b))
				if h.encrypted += len(b); h.encrypted > enough && c.live.marks&finished == 0 {
					c.over(k.Origin, exchange.Unfinished)
				}
				return
			}
			c.shard.stats.Skipped += uint64(n)
			c.shard.stats.Resumed++
			h.state, h.cut = inRecords, cutter{}
			b = b[n:]
		}
	}
}

// recordVersion is the version that records have, 0 where it is not known (RFC
// 8446, section 5.1: since TLS 1.3 it is that of TLS 1.2).
func (c *conn) recordVersion() uint16 {
	hello := &c.live.hello
	if !hello.Server {
		return 0
	}
	if hello.Version.Is13() {
		return uint16(exchange.TLS12)
	}
	return uint16(hello.Version)
}

// begins looks at the first bytes of a direction and reports whether they are
// to be read here.
func (c *conn) begins(h *half, k *reassembly.Chunk) bool {
	b := k.Bytes
	switch {
	case TypeChangeCipherSpec <= b[0] && b[0] <= TypeHeartbeat:
	case b[0]&0x80 != 0:
		h.state = inSSL2
	case !c.start.Handshake:
		c.lose(h)
	case c.rest != nil && c.is(rolesKnown) && k.Dir != c.client:
		// What the server says instead of a ServerHello, such as an answer of
		// HTTP that the client should speak TLS, is somebody else's.
		c.shard.stats.Foreign++
		c.over(k.Origin, exchange.Closed)
		c.retire()
		c.flags |= foreign
		c.rest.Feed(k)
		return false
	default:
		c.lose(h)
	}
	return true
}

// record takes in what is next of a direction, and gives what is left.
func (c *conn) record(h *half, k *reassembly.Chunk, b []byte) []byte {
	at := len(k.Bytes) - len(b)
	if c.opener != nil && h.cut.between() {
		h.gather.begin(k, k.Seq+uint32(at))
	}
	if h.origin.Order == 0 {
		h.origin = k.Origin
	}
	p, n, s := h.cut.next(b)
	switch s {
	case noRecord:
		if hand := c.live.hand; hand != nil {
			hand.Damage |= exchange.Malformed
			c.shard.stats.Malformed++
		}
		c.lose(h)
		return b[min(n, len(b)):]
	case gotPiece:
		c.piece(h, k, p)
		if c.live != nil && c.opener != nil {
			c.collect(h, k, p)
		}
	}
	return b[n:]
}

// collect puts a record together for the opener, and gives it when it is whole.
func (c *conn) collect(h *half, k *reassembly.Chunk, p piece) {
	g := &h.gather
	body := p.body
	if !(p.first && p.last) && !g.bad {
		var room bool
		if g.buf, room = c.shard.put(g.buf, p.body); !room {
			g.bad = true
		}
		body = g.buf
	}
	if p.last && g.has {
		c.give(h, k.Dir, body, k.Origin)
	}
}

// give gives a record to the opener.
func (c *conn) give(h *half, d reassembly.Direction, body []byte, at reassembly.Origin) {
	g := &h.gather
	r := &g.record
	r.Header, r.Type, r.Version = h.cut.header, h.cut.kind(), h.cut.version()
	g.next = r.Seq + headerBytes + uint32(h.cut.length())
	r.Body, r.Last, r.Lost = body, at, g.bad
	if g.bad {
		r.Body = nil
	}
	if c.is(rolesKnown) {
		r.FromClient, r.FromServer = d == c.client, d != c.client
	}
	inside, more := c.opener.Record(r)
	if len(inside) > 0 && c.live.hand != nil {
		c.inside(d, inside)
	}
	c.shard.release(g.buf)
	g.buf, g.bad, g.has = nil, false, false
	if !more {
		c.opener.End(reassembly.AtoB, reassembly.EndShutdown, at)
		c.opener.End(reassembly.BtoA, reassembly.EndShutdown, at)
		c.opener = nil
		c.flags &^= opened
		c.rid()
	}
}

// gap steps over missing bytes.
func (c *conn) gap(k *reassembly.Chunk) {
	l := c.live
	h := &l.half[k.Dir]
	h.bytes, h.gapped = true, true
	if c.opener != nil {
		c.opener.Gap(k.Dir, k.Gap, k.Origin)
	}
	c.missing(h)
	if h.state == inRecords {
		within, over := h.cut.miss(k.Gap)
		if within {
			h.gather.bad = true
			if over && c.opener != nil && h.gather.has {
				c.give(h, k.Dir, nil, k.Origin)
			}
			return
		}
	}
	if !h.gather.placed {
		h.gather.next, h.gather.placed = k.Seq, true
	}
	c.lose(h)
}

// lose notes that it is not known where the next record of a direction begins.
func (c *conn) lose(h *half) {
	c.shard.stats.Lost++
	c.missing(h)
	h.state, h.cut = lost, cutter{}
	g := &h.gather
	c.shard.release(g.buf)
	g.buf, g.bad, g.has, g.jump = nil, false, false, true
}

// End ends a direction.
func (c *conn) End(d reassembly.Direction, why reassembly.End, at reassembly.Origin) {
	if c.is(foreign) {
		c.rest.End(d, why, at)
		return
	}
	if c.is(ended << d) {
		return
	}
	c.flags |= ended << d
	if c.opener != nil {
		c.opener.End(d, why, at)
	}
	both := c.is(ended) && c.is(ended<<1)
	if c.live != nil && c.live.hand != nil && (both || why != reassembly.EndFIN) {
		how := exchange.Unfinished
		if why == reassembly.EndFIN || why == reassembly.EndReset {
			how = exchange.Closed
		}
		c.over(at, how)
	}
	if both {
		c.retire()
	}
}

// rid gives back what is not needed any more: all of it once the handshake is
// over, if nobody opens the records.
func (c *conn) rid() {
	if c.live != nil && c.live.hand == nil && c.opener == nil && c.live.marks&finished != 0 {
		c.retire()
	}
}

// retire ends all reading.
func (c *conn) retire() {
	if c.live != nil {
		c.shard.freeLive(c.live)
		c.live = nil
	}
	if o, ok := c.opener.(interface{ Opened() bool }); ok && !o.Opened() {
		c.flags &^= opened
	}
	c.opener = nil
}
