package reassembly

// conversation is a TCP connection, both directions of it. It fills two cache
// lines, and there may be a million of them: what only a busy one needs is in
// work.
type conversation struct {
	key    FlowKey
	half   [2]half // by the direction that sends
	parser Parser  // nil until there is something to parse
	work   *work   // nil when there is nothing to remember
	// last is the second of the packet clock in which the last segment came.
	last       uint32
	prev, next uint32 // neighbours in the list that it is in
	state      state
	// opener sent the first SYN, valid when handshake.
	opener    Direction
	handshake bool
	marks     marks
}

// marks of a conversation.
type marks uint8

const (
	// wasReset: closed by a reset, so what was under way may still come.
	wasReset marks = 1 << iota
	// alias: no conversation, but another key of the one with the number prev.
	alias
	// aliased: there are aliases of it.
	aliased
	// crowded: it stands by the hash of its network, too (see table).
	crowded
)

func (c *conversation) is(m marks) bool { return c.marks&m != 0 }

// state is the list that a conversation is in: how it is to expire.
type state uint8

const (
	opening state = iota // nothing but a handshake so far
	active
	idle   // quiet for quietAfter; what can be given back has been
	closed // over, remembered for its late segments
	states
)

// half is what is known of one direction. Its numbers mean something when
// known.
type half struct {
	next  uint32 // of the next byte to hand on
	acked uint32 // the receiver has everything before this
	edge  uint32 // and lets the sender send up to here
	isn   uint32 // of the SYN; without one, before the first byte
	scale uint8  // shift plus one of the windows that this side announces
	flags uint8
}

const (
	known   = 1 << iota // where the stream stands
	heard               // a segment of this side was seen
	opened              // its SYN was seen
	done                // it has ended: its FIN was reached
	guessed             // it may start before what was seen or acknowledged first
)

const (
	// near is how far a sequence number may plausibly be from the one
	// expected. With capture losses a direction may jump further, but not both
	// at once; and two unrelated numbers are this close once in 128 times.
	near = 1 << 24
	// tolerance is the window where none is known, and how far a late SYN may
	// stand before the data that were seen first.
	tolerance = 1<<16 - 1
	// furthest is how far ahead anything is held: the largest window (RFC
	// 7323, section 2.3). It keeps comparisons on the circle unambiguous.
	furthest = 1 << 30
)

// diff is how far a is ahead of b, sequence numbers being a circle (RFC 9293,
// section 3.4).
func diff(a, b uint32) int32 { return int32(a - b) }

func (h *half) is(f uint8) bool { return h.flags&f != 0 }

// begin sets where the direction starts.
func (h *half) begin(first uint32) {
	h.next, h.acked, h.isn = first, first, first-1
	h.edge = first + tolerance
	h.flags |= known
}

// starts notes where the direction may start; sure says that it starts nowhere
// before. What was guessed gives way as long as nothing was handed on.
func (h *half) starts(at uint32, sure bool) {
	switch {
	case !h.is(known):
		h.begin(at)
		h.flags |= guessed
	case !h.is(guessed) || h.next != h.isn+1 || diff(at, h.next) > 0 || diff(at, h.next) < -tolerance:
		return
	default:
		acked, edge := h.acked, h.edge
		h.begin(at)
		h.acked, h.edge = acked, edge
	}
	if sure {
		h.flags &^= guessed
	}
}

// first reports whether the segment is the first of this side, so that what it
// acknowledges is where the other one starts.
func (h *half) first(s *Segment) bool {
	return s.Flags&SYN != 0 || h.is(opened) && s.Seq == h.isn+1
}

// front is how far the direction has come, for all that was seen of it or said
// by its receiver.
func (h *half) front() uint32 {
	if diff(h.acked, h.next) > 0 {
		return h.acked
	}
	return h.next
}

// near reports whether seq plausibly belongs to this direction.
func (h *half) near(seq uint32) bool {
	d := diff(seq, h.front())
	return !h.is(known) || -near < d && d < near
}

// limit is the end of the window in which a RST or FIN is believed.
func (h *half) limit() uint32 {
	if diff(h.next, h.edge) > 0 {
		return h.next + tolerance
	}
	return h.edge
}

// window gives the window that a segment announces for the other direction.
// Scaling is on when both sides' SYNs had the option (RFC 7323, section 2.2),
// and never for a SYN's own window.
func (c *conversation) window(s *Segment) uint32 {
	w := uint32(s.Window)
	if a, b := c.half[s.Dir].scale, c.half[s.Dir.Reverse()].scale; a > 0 && b > 0 && s.Flags&SYN == 0 {
		w <<= a - 1
	}
	return max(w, tolerance)
}

// length is how many sequence numbers of data the segment has.
func (s *Segment) length() uint32 { return uint32(len(s.Payload)) + s.Cut }

// dataSeq is the number of its first byte of data.
func (s *Segment) dataSeq() uint32 {
	if s.Flags&SYN != 0 {
		return s.Seq + 1
	}
	return s.Seq
}
