package reassembly

import (
	"math"
	"time"
	"unsafe"

	"github.com/authtap/authtap/capture"
)

// quietAfter is after how many seconds a conversation gives back what only a
// busy one needs.
const quietAfter = 2

// conversationBytes is what a conversation counts in the budget: itself and
// its place in the index, at an average load.
const conversationBytes = int(unsafe.Sizeof(conversation{})) + 16

// Tick brings the packet clock, at whole seconds: holes are given up,
// conversations leave that had no segment for too long. What comes of it
// carries the origin at. A clock that runs back is ignored.
func (a *Assembler) Tick(now capture.Time, at Origin) {
	for w := a.holes.first; w != nil; {
		next := w.next
		c := a.table.at(w.id)
		a.expire(w.id, c, now, at)
		if c.work != nil {
			a.settle(c)
		}
		w = next
	}
	sec := uint32(min(max(int64(now)/int64(time.Second), 1), math.MaxUint32))
	if sec <= a.clock {
		return
	}
	if a.clock == 0 {
		a.setClock(sec)
	}
	a.clock = sec
	for state := range states {
		l := &a.lists[state]
		for l.first != 0 {
			id := l.first
			c := a.table.at(id)
			if sec-c.last < a.lives[state] {
				break
			}
			a.leave(id, c, at)
		}
	}
}

// setClock makes the first tick the time of everything before it.
func (a *Assembler) setClock(sec uint32) {
	for _, l := range a.lists {
		for id := l.first; id != 0; {
			c := a.table.at(id)
			c.last = sec
			id = c.next
		}
	}
}

// leave takes a conversation out of its state for want of segments.
func (a *Assembler) leave(id uint32, c *conversation, at Origin) {
	if c.state == active {
		if c.work != nil {
			a.rest(c)
		}
		a.move(id, c, idle)
		return
	}
	if c.state != closed {
		a.end(id, c, EndIdle, at)
	}
	a.forget(id, c)
}

// rest gives back what is kept for comparison and what hangs over a
// conversation that has fallen quiet; holes stay.
func (a *Assembler) rest(c *conversation) {
	w := c.work
	for d := range w.dir {
		a.letGo(&w.dir[d])
	}
	w.syn, w.stranger = pendingSYN{}, numbers{}
	a.settle(c)
}

// touch notes that the conversation had a segment.
func (a *Assembler) touch(id uint32, c *conversation, syn bool) {
	to := active
	if syn && c.state == opening {
		to = opening
	}
	if c.state != to || c.last != a.clock {
		c.last = a.clock
		a.move(id, c, to)
	}
}

func (a *Assembler) move(id uint32, c *conversation, to state) {
	a.table.unlink(&a.lists[c.state], id)
	c.state = to
	a.table.push(&a.lists[to], id)
}

// forget removes a conversation that is over.
func (a *Assembler) forget(id uint32, c *conversation) {
	hash := a.table.hash(&c.key)
	if c.is(aliased) {
		a.forgetAliases(id, c, hash)
	}
	a.table.unlink(&a.lists[c.state], id)
	a.table.remove(id, hash)
}

// used is what is held of Limits.TotalBytes.
func (a *Assembler) used() int {
	return a.buffered + a.kept + a.table.count*conversationBytes
}

// makeRoom makes room for one more conversation: what came out of order goes
// first, then conversations in the order of what they are worth.
func (a *Assembler) makeRoom(at Origin) {
	for a.used()+conversationBytes > a.limits.TotalBytes && a.holes.first != nil {
		a.dropOldestHole(at)
	}
	for a.table.count > 0 && (a.table.count >= a.limits.Flows ||
		a.used()+conversationBytes > a.limits.TotalBytes) {
		a.evict(at)
	}
}

// dropOldestHole gives up the hole that has been there longest, so that what
// waited behind it need not be held.
func (a *Assembler) dropOldestHole(at Origin) {
	w := a.holes.first
	c := a.table.at(w.id)
	for d := range w.dir {
		if c.work == w && w.dir[d].waits() {
			a.giveUp(w.id, c, Direction(d), at, &a.stats.HolesTotal)
		}
	}
	if c.work != nil {
		a.settle(c)
	}
}

// evict closes one conversation: the one longest untouched of the least worth.
func (a *Assembler) evict(at Origin) {
	for _, e := range [...]struct {
		state state
		count *uint64
	}{
		{closed, &a.stats.EvictedClosed},
		{opening, &a.stats.EvictedHalfOpen},
		{idle, &a.stats.EvictedIdle},
		{active, &a.stats.EvictedActive},
	} {
		id := a.lists[e.state].first
		if id == 0 {
			continue
		}
		c := a.table.at(id)
		*e.count++
		if e.state != closed {
			a.end(id, c, EndEvicted, at)
		}
		a.forget(id, c)
		return
	}
}

// Shutdown ends all conversations: the capture is over.
func (a *Assembler) Shutdown(at Origin) {
	for _, state := range [...]state{closed, opening, idle, active} {
		for l := &a.lists[state]; l.first != 0; {
			id := l.first
			c := a.table.at(id)
			if state != closed {
				a.end(id, c, EndShutdown, at)
			}
			a.forget(id, c)
		}
	}
}

// finish ends a direction at its FIN, and the conversation after both.
func (a *Assembler) finish(id uint32, c *conversation, d Direction, at Origin) {
	a.finishHalf(c, d, at)
	if c.half[d.Reverse()].is(done) {
		a.close(id, c, EndFIN)
	} else if a.inferFIN(id, c, d.Reverse()); c.work != nil {
		a.acknowledged(c, d.Reverse(), c.half[d.Reverse()].acked, at.Time)
	}
}

func (a *Assembler) finishHalf(c *conversation, d Direction, at Origin) {
	me := &c.half[d]
	me.flags |= done
	me.next++          // the FIN itself
	if c.work != nil { // nothing comes behind it
		st := &c.work.dir[d]
		a.stats.Late += uint64(len(st.pieces))
		a.charge(st, -st.bytes)
		a.letGo(st)
		*st = stream{}
	}
	if c.parser != nil {
		c.parser.End(d, EndFIN, at)
	}
}

// inferFIN notes that direction d seems to have ended: its receiver, which
// has ended itself, acknowledges one number more than there are data.
func (a *Assembler) inferFIN(id uint32, c *conversation, d Direction) {
	h := &c.half[d]
	if h.is(known) && !h.is(done) && c.half[d.Reverse()].is(done) && h.acked == h.next+1 {
		a.workOf(id, c).dir[d].endsAt(h.next, finInferred)
	}
}

// end closes a conversation before its time: what is held is handed on, and
// both directions end.
func (a *Assembler) end(id uint32, c *conversation, why End, at Origin) {
	for d := range c.half {
		if !c.half[d].is(done) {
			a.flush(c, Direction(d), at)
		}
	}
	for d := range c.half {
		if !c.half[d].is(done) && c.parser != nil {
			c.parser.End(Direction(d), why, at)
		}
	}
	a.close(id, c, why)
}

// close leaves of a conversation that is over what is needed to recognise its
// late segments.
func (a *Assembler) close(id uint32, c *conversation, why End) {
	a.stats.Ended[why]++
	if c.parser == nil {
		a.stats.HalfOpen++
	} else {
		oneSided := !c.half[AtoB].is(heard) || !c.half[BtoA].is(heard)
		if oneSided {
			a.stats.OneSided++
			if a.splitByVLAN(id, c) {
				a.stats.Split++
			}
		}
		if a.closed != nil {
			a.closed(c.parser, oneSided)
		}
	}
	if c.work != nil {
		a.release(c)
	}
	c.parser = nil
	c.last = a.clock
	a.move(id, c, closed)
}
