// Package websocket counts the messages of WebSockets (RFC 6455). What is in
// them is opaque: it authenticates nobody in a way that a sensor could know,
// and extensions may have compressed it. The handshake, with its credentials,
// is an exchange of HTTP.
//
// Contract: a Shard makes the parsers of the connections that one goroutine
// looks after. A parser holds no bytes at all, about 100 bytes of its own, and
// allocates nothing. Where frames cannot be followed any more, after a gap that
// is no part of one frame or a frame that is none, the rest of the direction is
// counted as lost.
package websocket

import (
	"encoding/binary"
	"math"

	"github.com/authtap/authtap/reassembly"
)

// Stats counts what the connections of a shard carried.
type Stats struct {
	// Connections that were given.
	Connections uint64
	// Client and Server are what the sides sent.
	Client, Server Sent
}

// Sent counts what one side sent.
type Sent struct {
	// Messages of text or binary data that began, and Control frames.
	Messages, Control uint64
	// Bytes of content of both, as sent.
	Bytes uint64
	// Malformed frames, and the Lost bytes behind them and behind gaps.
	Malformed, Lost uint64
}

// Shard makes parsers. It and they are used by one goroutine.
type Shard struct{ stats Stats }

// Stats gives the counts so far.
func (s *Shard) Stats() Stats { return s.stats }

// New makes the parser of what follows a handshake. client is the direction of
// the client.
func (s *Shard) New(_ *reassembly.Start, client reassembly.Direction) reassembly.Parser {
	s.stats.Connections++
	p := new(conn)
	p.half[client].sent = &s.stats.Client
	p.half[client].masks = true
	p.half[client.Reverse()].sent = &s.stats.Server
	return p
}

type conn struct{ half [2]half }

// half is one direction.
type half struct {
	sent  *Sent
	left  uint64 // of the frame's payload
	head  [14]byte
	got   uint8 // of the frame's header
	masks bool  // as clients do (RFC 6455, section 5.1)
	lost  bool
	// begun says that a message goes on in the next frame.
	begun bool
}

// Feed takes the next bytes, or a gap, of one direction.
func (p *conn) Feed(c *reassembly.Chunk) {
	h := &p.half[c.Dir]
	if c.Gap > 0 {
		if c.Gap > h.left {
			h.lost = true
		} else {
			h.left -= c.Gap
		}
		return
	}
	for b := c.Bytes; len(b) > 0; {
		switch {
		case h.lost:
			h.sent.Lost += uint64(len(b))
			return
		case h.left > 0:
			n := min(uint64(len(b)), h.left)
			h.left -= n
			b = b[n:]
		default:
			h.head[h.got], b = b[0], b[1:]
			if h.got++; h.got >= 2 && int(h.got) == headerLength(h.head[1]) {
				h.frame()
				h.got = 0
			}
		}
	}
}

// End ends a direction.
func (p *conn) End(reassembly.Direction, reassembly.End, reassembly.Origin) {}

// headerLength says how long a header with this second byte is (RFC 6455,
// section 5.2).
func headerLength(second byte) int {
	n := 2
	switch second & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if second&0x80 != 0 {
		n += 4
	}
	return n
}

// frame takes in a frame whose header is complete.
func (h *half) frame() {
	first, second := h.head[0], h.head[1]
	n := uint64(second & 0x7f)
	switch n {
	case 126:
		n = uint64(binary.BigEndian.Uint16(h.head[2:]))
	case 127:
		n = binary.BigEndian.Uint64(h.head[2:])
	}
	opcode, final := first&0x0f, first&0x80 != 0
	switch {
	case n > math.MaxInt64, second&0x80 != 0 != h.masks:
		h.bad()
		return
	case opcode == 0 && h.begun: // section 5.4: it goes on
		h.begun = !final
	case (opcode == 1 || opcode == 2) && !h.begun:
		h.sent.Messages++
		h.begun = !final
	case opcode >= 8 && opcode <= 10 && final && n <= 125: // section 5.5
		h.sent.Control++
	default:
		h.bad()
		return
	}
	h.sent.Bytes += n
	h.left = n
}

// bad gives the direction up.
func (h *half) bad() {
	h.sent.Malformed++
	h.lost = true
}
