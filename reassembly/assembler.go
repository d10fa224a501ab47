// Package reassembly rebuilds the byte streams of TCP conversations from
// segments, and defines what is handed from stage to stage: Segment, Chunk,
// Parser.
//
// An Assembler hands the bytes of a segment that comes in order straight to
// the conversation's parser. What comes ahead of its turn is copied and held.
// Of bytes that come twice the first are taken; the second are compared as
// long as the first are still held or not yet acknowledged (2 KiB a
// direction), and a difference is marked, since the receiver may have taken
// the other ones. After the acknowledgement no receiver takes any.
//
// A hole is given up, and handed on as a gap of known size, when its receiver
// has acknowledged what came behind it and Limits.HoleAfter has gone by since;
// or when a limit is met; or when the direction ends. That more was sent than
// was seen must be shown by its sender (data behind the hole, or a bare segment
// or FIN with a higher number); the acknowledgement alone proves it only in a
// direction of which nothing at all is captured, and at the end. Where the
// receiver is the side that is not captured, five times as long does instead.
//
// A conversation begins with a SYN, a SYN-ACK or, in mid-stream, with data:
// never with a bare acknowledgement, such as the last one of a connection that
// is over. After its end it is remembered for a while, so that its late
// segments are recognised. A reset, a FIN or a SYN is honoured only where its
// receiver would: within the window, and never on the word of one side alone
// where the other would contradict.
//
// Contract: an Assembler and its parsers are used by one goroutine; parsers do
// not call it. It has no clock: Tick brings it. What happens to a conversation
// depends on its own segments and the ticks alone, unless an overall limit is
// met (Stats says so). Memory is bounded by Limits; an idle conversation costs
// about 140 bytes and what its parser holds, a segment in order no allocation.
//
// A conversation that was mirrored in two networks, or whose directions came in
// different ones, is one. Its sequence numbers prove that, never its addresses.
//
// It does not verify checksums, and does not know what a receiver's own rules
// for overlapping data are.
package reassembly

// Assembler turns segments into chunks for parsers.
type Assembler struct {
	limits    Limits
	newParser func(Start) Parser
	closed    func(p Parser, oneSided bool)
	stats     Stats

	table table
	lists [states]list
	lives [states]uint32 // seconds without a segment until a state is left
	clock uint32         // second of the latest tick, 0 before the first

	holes    workList // of conversations with a hole, the longest open first
	works    *work    // unused ones
	keeps    *keep
	buffered int
	kept     int

	chunk Chunk // what parsers are fed with; here since it escapes
}

// New returns an Assembler that makes a parser for each conversation when it
// has the first bytes for it; newParser may return nil for one that nobody is
// interested in.
func New(limits Limits, newParser func(Start) Parser) *Assembler {
	l := limits.withDefaults()
	return &Assembler{
		limits:    l,
		newParser: newParser,
		table:     newTable(),
		lives: [states]uint32{
			opening: seconds(l.HalfOpenAfter), active: quietAfter,
			idle: seconds(l.IdleAfter), closed: seconds(l.ClosedFor),
		},
	}
}

// OnClose makes f be called for each conversation that had data, when it is
// over: behind the last call of its parser p, which was made for it. oneSided
// says that no segment of one of its sides was captured.
func (a *Assembler) OnClose(f func(p Parser, oneSided bool)) { a.closed = f }

// Stats gives the counts so far.
func (a *Assembler) Stats() Stats {
	s := a.stats
	s.Known, s.Buffered, s.Kept = a.table.count, a.buffered, a.kept
	return s
}

// Segment takes in the next segment of the capture.
func (a *Assembler) Segment(s *Segment) {
	a.stats.Segments++
	hash := a.table.hash(&s.Key)
	id, c := a.table.find(&s.Key, hash)
	if c == nil || c.parser == nil {
		if id, c = a.place(id, c, s, hash); c == nil {
			return
		}
	} else if !a.admit(id, c, s) {
		return
	}
	a.touch(id, c, s.Flags&SYN != 0)

	me := &c.half[s.Dir]
	if s.Flags&RST != 0 {
		a.reset(id, c, s)
		return
	}
	me.flags |= heard
	if s.Flags&ACK != 0 {
		a.acknowledge(id, c, s)
	}
	if n := s.length(); n > 0 {
		if !me.is(known) || me.is(guessed) && c.handshake {
			me.starts(s.dataSeq(), false)
		}
		a.data(id, c, s)
	} else if c.work != nil || s.Seq != me.next {
		a.bare(id, c, s)
	}
	if s.Flags&FIN != 0 && c.state != closed {
		a.fin(id, c, s)
	}
	if c.work != nil {
		a.expire(id, c, s.Origin.Time, s.Origin)
	}
	if c.work != nil { // it may have been over with that
		a.settle(c)
	}
}

// acknowledge notes what the segment says of the other direction.
func (a *Assembler) acknowledge(id uint32, c *conversation, s *Segment) {
	d := s.Dir.Reverse()
	peer := &c.half[d]
	if !peer.is(known) || peer.is(guessed) && c.handshake {
		peer.starts(s.Ack, c.half[s.Dir].first(s))
	}
	if diff(s.Ack, peer.front()) >= near {
		a.stats.BadAck++
		return
	}
	ahead := diff(s.Ack, peer.next)
	if edge := s.Ack + c.window(s); diff(edge, peer.edge) > 0 {
		peer.edge = edge
	}
	if diff(s.Ack, peer.acked) <= 0 {
		return
	}
	peer.acked = s.Ack
	if ahead > 1 && !peer.is(heard) {
		// Nothing of that side is captured: this is all that will be known.
		a.workOf(id, c).dir[d].proves(s.Ack)
	}
	if ahead == 1 {
		a.inferFIN(id, c, d)
	}
	if c.work != nil {
		a.acknowledged(c, d, s.Ack, s.Origin.Time)
	}
}

// data takes in the segment's payload.
func (a *Assembler) data(id uint32, c *conversation, s *Segment) {
	me := &c.half[s.Dir]
	seq, b, lost := s.dataSeq(), s.Payload, s.Cut
	ahead := diff(seq, me.next)
	if me.is(done) && diff(seq+s.length(), me.next) > 0 {
		a.stats.Late++
		return
	}
	if ahead >= furthest {
		a.stats.Implausible++
		return
	}
	if ahead > 0 {
		a.hold(id, c, s)
		return
	}
	if ahead < 0 {
		old := uint32(-ahead)
		if old >= s.length() {
			a.repeated(c, s)
			return
		}
		if old >= uint32(len(b)) {
			b, lost = nil, lost-(old-uint32(len(b)))
		} else {
			a.compare(c, s, seq, b[:old])
			b = b[old:]
		}
	}
	if lost == 0 && (c.work == nil || !c.work.dir[s.Dir].waits()) {
		a.deliver(id, c, s, b)
		return
	}
	a.weave(id, c, s, b, lost)
}

// bare looks at a segment without data. Its number may prove that there are
// data which were not seen; the one before the next is a keep-alive (RFC 9293,
// section 3.8.4). A single number ahead is more likely a lost FIN.
func (a *Assembler) bare(id uint32, c *conversation, s *Segment) {
	me := &c.half[s.Dir]
	if !me.is(known) || me.is(done) || s.Flags&(SYN|FIN) != 0 {
		return
	}
	switch ahead := diff(s.Seq, me.next); {
	case ahead == -1:
		a.stats.KeepAlives++
	case ahead > 1 && ahead < near:
		a.workOf(id, c).dir[s.Dir].proves(s.Seq)
		a.proved(c, s.Dir, s.Origin.Time)
	}
}

// fin ends the direction, once everything before the FIN is through.
func (a *Assembler) fin(id uint32, c *conversation, s *Segment) {
	me := &c.half[s.Dir]
	at := s.dataSeq() + s.length()
	if !me.is(known) {
		me.begin(at)
	}
	switch ahead := diff(at, me.next); {
	case me.is(done):
		if s.length() == 0 {
			a.stats.Retransmitted++
		}
	case ahead == 0:
		a.finish(id, c, s.Dir, s.Origin)
	case ahead > 0 && diff(at, me.limit()) <= 0:
		a.workOf(id, c).dir[s.Dir].endsAt(at, finSeen)
		a.proved(c, s.Dir, s.Origin.Time)
	default:
		a.stats.BadFIN++
	}
}
