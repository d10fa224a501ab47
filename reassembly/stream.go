package reassembly

import (
	"bytes"
	"slices"
	"unsafe"

	"github.com/authtap/authtap/capture"
)

// work is what a conversation needs while it is busy: data out of order,
// proofs of data not seen, data not acknowledged yet. It is lent by the
// Assembler and given back when there is nothing in it.
type work struct {
	dir        [2]stream
	syn        pendingSYN
	stranger   numbers
	tunnels    Tunnels // of what is held
	id         uint32  // of the conversation
	listed     bool    // in Assembler.holes
	prev, next *work
}

// stream is the work of one direction.
type stream struct {
	// pieces are what came ahead of the next byte, by sequence number, none
	// touching the bytes of another. An acknowledgement has covered the first
	// ones.
	pieces  []*piece
	covered int
	bytes   int // they take, as the limits count it

	// sent is what the sender was shown to have sent, when proven; fin, that
	// a FIN stands there; ackedAt, when sentAcked, since when it is
	// acknowledged.
	sent      uint32
	fin       finState
	proven    bool
	sentAcked bool
	ackedAt   capture.Time

	keep *keep
	last delivery
}

type finState uint8

const (
	noFIN finState = iota
	finSeen
	finInferred // from the other side's acknowledgement
)

// piece is a run of bytes that waits for those before it. data is nil when
// these bytes are known to be lost.
type piece struct {
	seq, length uint32
	data        []byte
	ack         uint32
	hasAck      bool
	conflict    bool
	acked       bool // what stands before it counts as acknowledged since ackedAt
	ackedAt     capture.Time
	origin      Origin
}

// pieceBytes is what a piece costs besides its data, rounded up for the
// allocator.
const pieceBytes = int(unsafe.Sizeof(piece{})) + 32

func (p *piece) end() uint32 { return p.seq + p.length }

// keep holds the oldest bytes handed on that are not acknowledged yet, to
// compare them with what comes again.
type keep struct {
	seq  uint32
	n    int
	data [keepBytes]byte
	next *keep // in the pool
}

const keepBytes = 2 << 10

// delivery is the segment handed on last, to tell packets captured twice from
// retransmissions.
type delivery struct {
	seq, ack, length uint32
	flags            uint8
	at               capture.Time
}

// duplicateWithin is how close the two captures of one packet stand, in ns of
// packet time. No retransmission timer is as short.
const duplicateWithin = 10_000_000

// proves notes that everything before seq was sent.
func (st *stream) proves(seq uint32) {
	if st.proven && (diff(seq, st.sent) <= 0 || st.fin != noFIN && seq == st.sent+1) {
		return
	}
	st.sent, st.proven, st.fin, st.sentAcked = seq, true, noFIN, false
}

// endsAt notes that a FIN stands at seq. A bare segment may already have
// shown the number behind it.
func (st *stream) endsAt(seq uint32, how finState) {
	if st.proven && diff(seq+1, st.sent) < 0 {
		return
	}
	if !st.proven || seq != st.sent {
		st.sentAcked = false
	}
	st.sent, st.proven, st.fin = seq, true, how
}

// waits reports whether there is a hole, or may be.
func (st *stream) waits() bool { return len(st.pieces) > 0 || st.proven }

// ripe reports whether the first hole was acknowledged at time t or before.
func (st *stream) ripe(t capture.Time) bool {
	if len(st.pieces) > 0 {
		return st.pieces[0].acked && st.pieces[0].ackedAt <= t
	}
	return st.proven && st.sentAcked && st.ackedAt <= t
}

// acknowledged notes that the receiver has everything before ack.
func (a *Assembler) acknowledged(c *conversation, d Direction, ack uint32, now capture.Time) {
	st := &c.work.dir[d]
	for ; st.covered < len(st.pieces) && diff(ack, st.pieces[st.covered].seq) >= 0; st.covered++ {
		p := st.pieces[st.covered]
		if !p.acked || p.ackedAt > now {
			p.acked, p.ackedAt = true, now
		}
	}
	if st.proven && diff(ack, st.sent) >= 0 && (!st.sentAcked || st.ackedAt > now) {
		st.sentAcked, st.ackedAt = true, now
	}
	// In mid-stream, only the bytes tell that a segment from another network is
	// a copy (see twin).
	if k := st.keep; k != nil && c.handshake && diff(ack, k.seq+uint32(k.n)) >= 0 {
		a.letGo(st)
	}
}

// patience is how many times Limits.HoleAfter a hole stays open whose receiver
// is never heard: time enough for most retransmissions, no acknowledgement
// will tell.
const patience = 5

// proved looks whether what a direction was just shown to have sent is
// acknowledged already, or never will be.
func (a *Assembler) proved(c *conversation, d Direction, now capture.Time) {
	st := &c.work.dir[d]
	if !c.half[d.Reverse()].is(heard) && !st.sentAcked {
		st.sentAcked, st.ackedAt = true, now.Add((patience-1)*a.limits.HoleAfter)
	}
	a.acknowledged(c, d, c.half[d].acked, now)
}

// parserOf gives the conversation's parser, which is made when there is
// something for it, that came in these tunnels.
func (a *Assembler) parserOf(c *conversation, in Tunnels, at Origin) Parser {
	if c.parser == nil {
		// Data that come before the other end's SYN may not be its first ones.
		sure := c.handshake && !c.half[AtoB].is(guessed) && !c.half[BtoA].is(guessed)
		c.parser = a.newParser(Start{Key: c.key, Client: c.opener, Handshake: sure, Tunnels: in})
		if c.parser == nil {
			c.parser = nobody{}
		}
		for d := range c.half {
			if c.half[d].is(done) { // it said nothing and closed
				c.parser.End(Direction(d), EndFIN, at)
			}
		}
	}
	return c.parser
}

// held gives the tunnels that what is held came in.
func (c *conversation) held() Tunnels {
	if c.work == nil {
		return 0
	}
	return c.work.tunnels
}

// nobody parses what nobody is interested in.
type nobody struct{}

func (nobody) Feed(*Chunk)                {}
func (nobody) End(Direction, End, Origin) {}

// deliver hands on the next bytes of a direction, straight from the segment.
func (a *Assembler) deliver(id uint32, c *conversation, s *Segment, b []byte) {
	me := &c.half[s.Dir]
	end := me.next + uint32(len(b))
	if diff(end, me.acked) > 0 {
		a.keepBack(id, c, s, b)
	}
	a.chunk = Chunk{
		Dir: s.Dir, Bytes: b, Seq: me.next, Ack: s.Ack, HasAck: s.Flags&ACK != 0, Origin: s.Origin,
	}
	me.next = end
	a.stats.Delivered += uint64(len(b))
	a.parserOf(c, s.Tunnels, s.Origin).Feed(&a.chunk)
}

// gap hands on that n bytes are missing.
func (a *Assembler) gap(c *conversation, d Direction, n uint32, at Origin) {
	me := &c.half[d]
	a.chunk = Chunk{Dir: d, Gap: uint64(n), Seq: me.next, Origin: at}
	me.next += n
	a.stats.Gap += uint64(n)
	a.parserOf(c, c.held(), at).Feed(&a.chunk)
}

// pop hands on the first piece.
func (a *Assembler) pop(c *conversation, d Direction, at Origin) {
	st, me := &c.work.dir[d], &c.half[d]
	p := st.pieces[0]
	st.pieces[0] = nil
	st.pieces = st.pieces[1:]
	st.covered = max(st.covered-1, 0)
	a.charge(st, -pieceBytes-len(p.data))
	if p.data == nil {
		a.gap(c, d, p.length, at)
		return
	}
	a.chunk = Chunk{
		Dir: d, Bytes: p.data, Seq: p.seq, Ack: p.ack, HasAck: p.hasAck, Conflict: p.conflict, Origin: p.origin,
	}
	me.next = p.end()
	a.stats.Delivered += uint64(len(p.data))
	a.parserOf(c, c.held(), at).Feed(&a.chunk)
}

func (a *Assembler) charge(st *stream, n int) {
	st.bytes += n
	a.buffered += n
}

// weave hands on a segment that is next in order, of which lost bytes at the
// end were cut off, together with the pieces that came before it.
func (a *Assembler) weave(id uint32, c *conversation, s *Segment, b []byte, lost uint32) {
	me := &c.half[s.Dir]
	for len(b) > 0 || lost > 0 {
		n := uint32(len(b)) + lost
		if p := c.firstPiece(s.Dir); p != nil && diff(p.seq, me.next) < int32(n) {
			n = p.seq - me.next
			if n == 0 {
				n = min(p.length, uint32(len(b))+lost)
				a.compareTo(p, 0, b[:min(int(n), len(b))])
				a.pop(c, s.Dir, s.Origin)
				b, lost = cut(b, lost, n)
				continue
			}
		}
		if k := min(n, uint32(len(b))); k > 0 {
			a.deliver(id, c, s, b[:k])
			n = k
		} else {
			a.gap(c, s.Dir, n, s.Origin)
		}
		b, lost = cut(b, lost, n)
	}
	if c.work != nil {
		a.drain(id, c, s.Dir, s.Origin)
	}
}

// cut takes n bytes off the front of b and the lost bytes behind it.
func cut(b []byte, lost, n uint32) ([]byte, uint32) {
	if n <= uint32(len(b)) {
		return b[n:], lost
	}
	return nil, lost - (n - uint32(len(b)))
}

func (c *conversation) firstPiece(d Direction) *piece {
	if c.work == nil || len(c.work.dir[d].pieces) == 0 {
		return nil
	}
	return c.work.dir[d].pieces[0]
}

// drain hands on the pieces that are next in order, and ends the direction
// when its FIN is.
func (a *Assembler) drain(id uint32, c *conversation, d Direction, at Origin) {
	me, st := &c.half[d], &c.work.dir[d]
	for len(st.pieces) > 0 && st.pieces[0].seq == me.next {
		a.pop(c, d, at)
	}
	if !st.proven {
		return
	}
	switch ahead := diff(st.sent, me.next); {
	case ahead == 0 && st.fin == finSeen:
		st.proven = false
		a.finish(id, c, d, at)
	case ahead < 0 || ahead <= 1 && st.fin == noFIN: // one number is a FIN's
		st.proven = false
	}
}

// hold keeps a segment that came ahead of its turn.
func (a *Assembler) hold(id uint32, c *conversation, s *Segment) {
	w := a.workOf(id, c)
	w.tunnels = s.Tunnels
	st := &w.dir[s.Dir]
	before := a.buffered
	seq, n := s.dataSeq(), uint32(len(s.Payload))
	a.insert(c, s, seq, n, s.Payload)
	a.insert(c, s, seq+n, s.Cut, nil)
	if a.buffered == before {
		a.stats.Retransmitted++
		return
	}
	a.stats.OutOfOrder++
	a.settle(c)
	for c.work == w && st.bytes > a.limits.StreamBytes {
		a.giveUp(id, c, s.Dir, s.Origin, &a.stats.HolesStream)
	}
	for a.used() > a.limits.TotalBytes && a.holes.first != nil {
		a.dropOldestHole(s.Origin)
	}
}

// insert puts the parts of [seq, seq+n) that are not there yet among the
// pieces, and compares those that are. b is nil for what was cut off.
func (a *Assembler) insert(c *conversation, s *Segment, seq, n uint32, b []byte) {
	st := &c.work.dir[s.Dir]
	// Mostly it comes behind the last one.
	i := len(st.pieces)
	if i > 0 && diff(st.pieces[i-1].end(), seq) > 0 {
		i, _ = slices.BinarySearchFunc(st.pieces, seq, func(p *piece, seq uint32) int {
			if diff(p.end(), seq) > 0 {
				return 1
			}
			return -1
		})
	}
	for n > 0 {
		here := n
		if i < len(st.pieces) && diff(st.pieces[i].seq, seq) <= 0 {
			p := st.pieces[i]
			here = min(n, p.end()-seq)
			if b != nil {
				a.compareTo(p, seq-p.seq, b[:here])
			}
		} else {
			if i < len(st.pieces) {
				here = min(n, st.pieces[i].seq-seq)
			}
			p := &piece{seq: seq, length: here, ack: s.Ack, hasAck: s.Flags&ACK != 0, origin: s.Origin}
			if b != nil {
				p.data = bytes.Clone(b[:here])
			}
			a.insertAt(c, s.Dir, i, p)
		}
		i++
		seq, n = seq+here, n-here
		if b != nil {
			b = b[here:]
		}
	}
}

func (a *Assembler) insertAt(c *conversation, d Direction, i int, p *piece) {
	st := &c.work.dir[d]
	switch {
	case !c.half[d.Reverse()].is(heard):
		p.acked, p.ackedAt = true, p.origin.Time.Add((patience-1)*a.limits.HoleAfter)
	case diff(c.half[d].acked, p.seq) >= 0:
		p.acked, p.ackedAt = true, p.origin.Time
	}
	st.pieces = slices.Insert(st.pieces, i, p)
	a.charge(st, pieceBytes+len(p.data))
}

// compareTo compares bytes that came again with those of a piece, from offset.
func (a *Assembler) compareTo(p *piece, offset uint32, b []byte) {
	if p.data != nil && !bytes.Equal(p.data[offset:offset+uint32(len(b))], b) {
		a.stats.Conflicts++
		p.conflict = true
	}
}

// giveUp gives up the first hole of a direction, and counts it.
func (a *Assembler) giveUp(id uint32, c *conversation, d Direction, at Origin, count *uint64) {
	me, st := &c.half[d], &c.work.dir[d]
	to := st.sent
	if len(st.pieces) > 0 {
		to = st.pieces[0].seq
	}
	if n := diff(to, me.next); n > 0 {
		*count++
		a.gap(c, d, uint32(n), at)
	}
	if len(st.pieces) == 0 {
		fin := st.fin
		st.proven = false
		if fin != noFIN {
			a.finish(id, c, d, at)
		}
		return
	}
	a.drain(id, c, d, at)
}

// expire gives up the holes whose time has come.
func (a *Assembler) expire(id uint32, c *conversation, now capture.Time, at Origin) {
	if !c.work.listed {
		return
	}
	t := now.Add(-a.limits.HoleAfter)
	for d := range c.half {
		for c.work != nil && c.work.dir[d].ripe(t) {
			a.giveUp(id, c, Direction(d), at, &a.stats.HolesAcknowledged)
		}
	}
}

// flush hands on everything that is held of a direction which is over, and
// what is known to be missing at its end.
func (a *Assembler) flush(c *conversation, d Direction, at Origin) {
	me := &c.half[d]
	if w := c.work; w != nil {
		st := &w.dir[d]
		for len(st.pieces) > 0 {
			n := diff(st.pieces[0].seq, me.next)
			if n >= near && !st.pieces[0].acked {
				// So far ahead, it proves nothing as long as no receiver has it.
				a.stats.Implausible += uint64(len(st.pieces))
				for _, p := range st.pieces {
					a.charge(st, -pieceBytes-len(p.data))
				}
				st.pieces, st.covered = nil, 0
				break
			}
			if n > 0 {
				a.stats.HolesEnd++
				a.gap(c, d, uint32(n), at)
			}
			a.pop(c, d, at)
		}
		if st.fin == finInferred && diff(me.acked, st.sent) > 1 {
			st.fin, st.proven = noFIN, false // it was a byte
		}
		if n := diff(st.sent, me.next); st.proven && n >= 0 {
			if n > 0 {
				a.stats.HolesEnd++
				a.gap(c, d, uint32(n), at)
			}
			if st.fin != noFIN {
				a.finishHalf(c, d, at)
				return
			}
		}
	}
	// One number may be that of a FIN.
	if n := diff(me.acked, me.next); me.is(known) && n > 1 {
		a.stats.HolesEnd++
		a.gap(c, d, uint32(n), at)
	}
}
