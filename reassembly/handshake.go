package reassembly

// begins reports whether a segment can begin a conversation: a SYN, or data.
// One byte without PSH is rather a probe, which repeats a byte that was sent
// before.
func begins(s *Segment) bool {
	if s.Flags&RST != 0 {
		return false
	}
	n := s.length()
	return s.Flags&SYN != 0 || n > 1 || n == 1 && s.Flags&PSH != 0
}

// create makes a new conversation of a segment that begins one.
func (a *Assembler) create(s *Segment, hash uint32) (uint32, *conversation) {
	id, c := a.table.add(&s.Key, hash)
	if c.is(crowded) {
		a.stats.Crowded++
	}
	a.start(id, c, s)
	return id, c
}

// restart gives the place of a conversation to a new one between the same
// ends.
func (a *Assembler) restart(id uint32, c *conversation, s *Segment) {
	if c.state != closed {
		a.end(id, c, EndReuse, s.Origin)
	}
	a.table.unlink(&a.lists[c.state], id)
	*c = conversation{key: c.key, marks: c.marks & (aliased | crowded)}
	a.start(id, c, s)
}

// start sets up a conversation from its first segment.
func (a *Assembler) start(id uint32, c *conversation, s *Segment) {
	a.stats.Conversations++
	c.state = active
	if s.Flags&SYN != 0 {
		c.opening(s)
		if s.length() == 0 {
			c.state = opening
		}
	} else {
		a.stats.Midstream++
	}
	c.last = a.clock
	a.table.push(&a.lists[c.state], id)
}

// opening takes in a SYN or SYN-ACK that belongs to the conversation.
func (c *conversation) opening(s *Segment) {
	me := &c.half[s.Dir]
	me.starts(s.Seq+1, true)
	me.isn = s.Seq
	me.scale = s.WindowScale
	me.flags |= opened
	if !c.handshake && c.parser == nil {
		c.handshake = true
		c.opener = s.Dir
		if s.Flags&ACK != 0 {
			c.opener = s.Dir.Reverse()
		}
	}
}

// admit decides what a segment is to a conversation that is there: a part of
// it, the first of another one that takes over its ends, or nothing (then it
// returns false and has counted it).
func (a *Assembler) admit(id uint32, c *conversation, s *Segment) bool {
	switch {
	case c.state == closed:
		if !begins(s) || c.remembers(s) {
			a.stats.Late++
			return false
		}
		a.restart(id, c, s)
		return true
	case s.Flags&RST != 0:
		return true
	case s.Flags&(SYN|ACK) == SYN:
		return a.syn(id, c, s)
	case s.Flags&SYN != 0:
		return a.synAck(id, c, s)
	case c.work != nil && c.work.syn.from(s):
		// The SYN that was not believed at once was meant.
		p := c.work.syn
		a.restart(id, c, &Segment{
			Key: s.Key, Dir: s.Dir, Flags: SYN, Seq: p.isn, WindowScale: p.scale, Origin: s.Origin,
		})
		return true
	case s.length() > 0 && s.Flags&ACK != 0 &&
		!c.half[s.Dir].near(s.Seq) && !c.half[s.Dir.Reverse()].near(s.Ack):
		return a.stranger(id, c, s)
	}
	return true
}

// remembers reports whether a segment belongs to the conversation that was
// closed here, and not to a new one of which the handshake was lost.
func (c *conversation) remembers(s *Segment) bool {
	me, peer := &c.half[s.Dir], &c.half[s.Dir.Reverse()]
	switch {
	case s.Flags&(SYN|ACK) == SYN:
		return false
	case s.Flags&SYN != 0:
		return me.is(opened) && s.Seq == me.isn
	case !me.is(known):
		return s.Flags&ACK != 0 && peer.near(s.Ack)
	case c.is(wasReset): // what was on its way may still come
		return me.near(s.Seq)
	}
	return me.near(s.Seq) && diff(s.Seq+s.length(), me.next) <= 0
}

// mine reports whether a SYN is the one that this direction began with, or may
// be. Of a direction that was picked up by its data it may come late.
func (h *half) mine(isn uint32) bool {
	if !h.is(known) || isn == h.isn {
		return true
	}
	late := diff(h.isn, isn)
	return !h.is(opened) && 0 < late && late <= tolerance
}

// syn decides on a SYN without ACK.
func (a *Assembler) syn(id uint32, c *conversation, s *Segment) bool {
	me, peer := &c.half[s.Dir], &c.half[s.Dir.Reverse()]
	if me.mine(s.Seq) {
		if me.is(opened) && s.length() == 0 {
			a.stats.Retransmitted++
		}
		c.opening(s)
		return true
	}
	if c.state == opening || me.is(done) || peer.is(done) || s.length() > 0 {
		a.restart(id, c, s)
		return true
	}
	// A host in the middle of a conversation does not believe a SYN (RFC 5961,
	// section 4), so a client could hide what it sends next. It is believed
	// when the other side answers it or this one goes on from there.
	a.workOf(id, c).syn = pendingSYN{dir: s.Dir, isn: s.Seq, scale: s.WindowScale, there: true}
	a.stats.BadSYN++
	return false
}

// synAck decides on a SYN with ACK.
func (a *Assembler) synAck(id uint32, c *conversation, s *Segment) bool {
	me, peer := &c.half[s.Dir], &c.half[s.Dir.Reverse()]
	// It acknowledges the SYN and at most what came with it; of a side that was
	// picked up by its data, the SYN stood somewhere before.
	answer := !peer.is(known) || within(s.Ack, peer.isn+1)
	if peer.is(opened) {
		answer = diff(s.Ack, peer.isn) > 0 && diff(s.Ack, peer.next) <= 0
	}
	switch {
	case answer && me.mine(s.Seq):
		if me.is(opened) && s.length() == 0 {
			a.stats.Retransmitted++
		}
		c.opening(s)
		return true
	case answer && me.is(opened) && me.next == me.isn+1 && (c.work == nil || !c.work.dir[s.Dir].waits()):
		// Nothing came since: the server made itself a new number, as it does
		// with SYN cookies.
		me.begin(s.Seq + 1)
		c.opening(s)
		return true
	case answer, c.handshake && s.Dir == c.opener:
		a.stats.BadSYN++
		return false
	}
	var p pendingSYN
	if c.work != nil {
		p = c.work.syn
	}
	a.restart(id, c, s)
	if p.there && p.dir != s.Dir && p.isn+1 == s.Ack {
		peer.begin(s.Ack)
		peer.scale = p.scale
		peer.flags |= opened
	}
	return true
}

// pendingSYN is a SYN in the middle of a conversation.
type pendingSYN struct {
	isn   uint32
	dir   Direction
	scale uint8
	there bool
}

// from reports whether the segment goes on where the SYN began.
func (p *pendingSYN) from(s *Segment) bool {
	return p.there && s.Dir == p.dir && s.Seq == p.isn+1
}

// stranger decides on data whose numbers fit the conversation in neither
// direction: another conversation between the same ends, of which the
// handshake was lost, or a forgery. The second one that fits the first
// decides.
func (a *Assembler) stranger(id uint32, c *conversation, s *Segment) bool {
	last := &a.workOf(id, c).stranger
	seq, ack := last.seq, last.ack
	if last.dir != s.Dir {
		seq, ack = ack, seq
	}
	if last.there && within(s.Seq, seq) && within(s.Ack, ack) {
		a.restart(id, c, s)
		return true
	}
	*last = numbers{dir: s.Dir, seq: s.Seq, ack: s.Ack, there: true}
	a.stats.Implausible++
	return false
}

// numbers are those of a segment.
type numbers struct {
	seq, ack uint32
	dir      Direction
	there    bool
}

func within(a, b uint32) bool { d := diff(a, b); return -tolerance <= d && d <= tolerance }

// reset ends the conversation if its receiver would have believed the RST: its
// number stands in the window (RFC 9293, section 3.5.3), or it answers a SYN.
func (a *Assembler) reset(id uint32, c *conversation, s *Segment) {
	me, peer := &c.half[s.Dir], &c.half[s.Dir.Reverse()]
	ok := me.is(known) && diff(s.Seq, me.acked) >= 0 && diff(s.Seq, me.limit()) <= 0
	if !me.is(known|opened) && s.Flags&ACK != 0 && peer.is(opened) {
		ok = diff(s.Ack, peer.isn) > 0 && diff(s.Ack, peer.next) <= 0
	}
	if !ok {
		a.stats.BadReset++
		return
	}
	a.end(id, c, EndReset, s.Origin)
	c.marks |= wasReset
}
