package reassembly

import "bytes"

// workOf gives the conversation's work, lending it one if it has none.
func (a *Assembler) workOf(id uint32, c *conversation) *work {
	if c.work == nil {
		w := a.works
		if w == nil {
			w = new(work)
		} else {
			a.works = w.next
			w.next = nil
		}
		w.id = id
		c.work = w
	}
	return c.work
}

// settle keeps the list of holes right, and takes the work back when there is
// nothing in it.
func (a *Assembler) settle(c *conversation) {
	w := c.work
	waits := w.dir[AtoB].waits() || w.dir[BtoA].waits()
	if waits != w.listed {
		if waits {
			a.holes.push(w)
		} else {
			a.holes.remove(w)
		}
	}
	if !waits && w.dir[AtoB].keep == nil && w.dir[BtoA].keep == nil && !w.syn.there && !w.stranger.there {
		a.release(c)
	}
}

// release takes the conversation's work back, with what is in it.
func (a *Assembler) release(c *conversation) {
	w := c.work
	c.work = nil
	if w.listed {
		a.holes.remove(w)
	}
	for d := range w.dir {
		st := &w.dir[d]
		a.letGo(st)
		a.charge(st, -st.bytes)
	}
	*w = work{next: a.works}
	a.works = w
}

// workList is a list of works, by the time that they came into it.
type workList struct{ first, last *work }

func (l *workList) push(w *work) {
	w.listed, w.prev, w.next = true, l.last, nil
	if l.last == nil {
		l.first = w
	} else {
		l.last.next = w
	}
	l.last = w
}

func (l *workList) remove(w *work) {
	if w.prev == nil {
		l.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.listed, w.prev, w.next = false, nil, nil
}

// keepBack copies bytes that are handed on, as long as there is room for them
// behind those kept already. An eighth of the budget may go into this.
func (a *Assembler) keepBack(id uint32, c *conversation, s *Segment, b []byte) {
	st := &a.workOf(id, c).dir[s.Dir]
	seq := c.half[s.Dir].next
	k := st.keep
	if k == nil {
		if a.kept+keepBytes > a.limits.TotalBytes/8 {
			return
		}
		if k = a.keeps; k == nil {
			k = new(keep)
		} else {
			a.keeps = k.next
		}
		k.seq, k.n, k.next = seq, 0, nil
		st.keep = k
		a.kept += keepBytes
	}
	if diff(c.half[s.Dir].acked, k.seq+uint32(k.n)) >= 0 {
		k.seq, k.n = seq, 0
	}
	if seq == k.seq+uint32(k.n) {
		k.n += copy(k.data[k.n:], b)
	}
	st.last = delivery{seq: s.dataSeq(), ack: s.Ack, length: s.length(), flags: s.Flags, at: s.Origin.Time}
}

// letGo gives back what is kept of a direction.
func (a *Assembler) letGo(st *stream) {
	if k := st.keep; k != nil {
		k.next = a.keeps
		a.keeps = k
		a.kept -= keepBytes
		st.keep = nil
	}
}

// repeated counts a segment that brings nothing new.
func (a *Assembler) repeated(c *conversation, s *Segment) {
	me := &c.half[s.Dir]
	switch {
	case s.length() == 1 && s.dataSeq()+1 == me.next && me.acked == me.next:
		// A keep-alive may carry one byte of anything.
		a.stats.KeepAlives++
		return
	case c.work != nil && c.work.dir[s.Dir].last.same(s):
		a.stats.Duplicate++
	default:
		a.stats.Retransmitted++
	}
	a.compare(c, s, s.dataSeq(), s.Payload)
}

// same reports whether the segment is the same packet, captured twice.
func (l *delivery) same(s *Segment) bool {
	return s.dataSeq() == l.seq && s.Ack == l.ack && s.length() == l.length && s.Flags == l.flags &&
		s.Origin.Time-l.at <= duplicateWithin
}

// compare holds bytes that come again, from seq on, against those handed on.
// What the receiver has acknowledged does not matter: it takes no other bytes
// in its place.
func (a *Assembler) compare(c *conversation, s *Segment, seq uint32, b []byte) {
	me := &c.half[s.Dir]
	if n := diff(me.acked, seq); n > 0 {
		b = b[min(int(n), len(b)):]
		seq = me.acked
	}
	if len(b) == 0 {
		return
	}
	var k *keep
	if c.work != nil {
		k = c.work.dir[s.Dir].keep
	}
	if k == nil || diff(seq, k.seq) < 0 || diff(seq, k.seq+uint32(k.n)) >= 0 {
		a.stats.Unverified += uint64(len(b))
		return
	}
	have := k.data[seq-k.seq : k.n]
	n := min(len(have), len(b))
	a.stats.Unverified += uint64(len(b) - n)
	if !bytes.Equal(have[:n], b[:n]) {
		a.stats.Conflicts++
		a.chunk = Chunk{
			Dir: s.Dir, Seq: me.next, Ack: s.Ack, HasAck: s.Flags&ACK != 0, Conflict: true, Origin: s.Origin,
		}
		a.parserOf(c, s.Tunnels, s.Origin).Feed(&a.chunk)
	}
}
