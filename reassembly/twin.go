package reassembly

import (
	"bytes"
	"slices"

	"github.com/authtap/authtap/capture"
)

// copyWithin is how close the copies of a packet from two networks stand, in ns
// of packet time.
const copyWithin = 1_000_000_000

// place finds what a segment belongs to whose key is not that of a
// conversation with data. It returns nil if that is nothing, and has counted
// it.
func (a *Assembler) place(id uint32, c *conversation, s *Segment, hash uint32) (uint32, *conversation) {
	switch {
	case c == nil:
		if !begins(s) {
			a.stats.Stray++
			return 0, nil
		}
		a.makeRoom(s.Origin)
		if id = a.twin(s, hash, 0); id == 0 {
			return a.create(s, hash)
		}
		_, other := a.table.add(&s.Key, hash)
		other.marks, other.prev = alias, id
		a.table.at(id).marks |= aliased
	case c.is(alias):
		id = c.prev
	case c.state != closed && !c.is(crowded) && (s.length() > 0 || s.Flags&SYN != 0) &&
		(c.work == nil || !c.work.dir[AtoB].waits() && !c.work.dir[BtoA].waits()):
		to := a.twin(s, hash, id)
		if to == 0 {
			return a.admitted(id, c, s)
		}
		a.merge(id, c, to, hash)
		id = to
	default:
		return a.admitted(id, c, s)
	}
	a.stats.Copies++
	return a.admitted(id, a.table.at(id), s)
}

func (a *Assembler) admitted(id uint32, c *conversation, s *Segment) (uint32, *conversation) {
	if !a.admit(id, c, s) {
		return 0, nil
	}
	return id, c
}

// twin looks for the conversation that a segment belongs to among those of
// other networks: because the same packets were mirrored twice (before and
// behind a router, say), or because the network differs by direction (as the
// keys of GRE may). self is the conversation that has the segment's key, 0 for
// none. It returns 0 if there is no other one.
//
// Equal ends prove nothing, since two tenants may use the same addresses. The
// sequence numbers must: both initial ones; or both where the directions meet;
// or one of them together with the bytes, within a second.
func (a *Assembler) twin(s *Segment, hash, self uint32) uint32 {
	var room [maxNetworks]uint32
	ids := a.table.together(&s.Key, hash, room[:0])
	if self == 0 && len(ids) == maxNetworks {
		return 0 // no room for an alias
	}
	var own *conversation
	if self != 0 {
		own = a.table.at(self)
	}
	for _, id := range ids {
		c := a.table.at(id)
		switch {
		case id == self || c.is(alias):
		case c.sameHandshake(s) || own != nil && c.sameOpening(own, s) || a.sameBytes(c, s):
			a.stats.Mirrored++
			return id
		case c.otherHalf(s) && (own == nil || !own.half[s.Dir.Reverse()].is(heard)):
			a.stats.Halved++
			return id
		}
	}
	return 0
}

// sameHandshake reports whether a SYN-ACK is the one that the conversation
// began with.
func (c *conversation) sameHandshake(s *Segment) bool {
	me, peer := &c.half[s.Dir], &c.half[s.Dir.Reverse()]
	return s.Flags&(SYN|ACK) == SYN|ACK && me.is(opened) && me.isn == s.Seq &&
		peer.is(opened) && peer.isn+1 == s.Ack
}

// sameOpening reports whether the first data of the conversation own, of which
// the SYN-ACK was lost, follow a handshake with the same initial numbers.
func (c *conversation) sameOpening(own *conversation, s *Segment) bool {
	me, peer, mine := &c.half[s.Dir], &c.half[s.Dir.Reverse()], &own.half[s.Dir]
	return s.Flags&(SYN|ACK) == ACK && mine.is(opened) && me.is(opened) && mine.isn == me.isn &&
		peer.is(opened) && peer.isn+1 == s.Ack && !own.half[s.Dir.Reverse()].is(opened)
}

// sameBytes reports whether a segment repeats bytes of the conversation, as far
// as they are still held.
func (a *Assembler) sameBytes(c *conversation, s *Segment) bool {
	if c.work == nil || len(s.Payload) == 0 {
		return false
	}
	st, seq := &c.work.dir[s.Dir], s.dataSeq()
	if k := st.keep; k != nil && isClose(s.Origin.Time, st.last.at) && overlap(k.seq, k.data[:k.n], seq, s.Payload) {
		return true
	}
	i, _ := slices.BinarySearchFunc(st.pieces, seq, func(p *piece, seq uint32) int {
		return int(diff(p.end(), seq+1))
	})
	if i == len(st.pieces) {
		return false
	}
	p := st.pieces[i]
	return isClose(s.Origin.Time, p.origin.Time) && overlap(p.seq, p.data, seq, s.Payload)
}

func isClose(t, u capture.Time) bool { return -copyWithin <= t-u && t-u <= copyWithin }

// overlap reports whether b stands within old, or begins there, and is the
// same as far as they overlap.
func overlap(oldSeq uint32, old []byte, seq uint32, b []byte) bool {
	at := diff(seq, oldSeq)
	if at < 0 || int(at) >= len(old) {
		return false
	}
	n := min(len(old)-int(at), len(b))
	return bytes.Equal(old[at:int(at)+n], b[:n])
}

// otherHalf reports whether a segment goes on where a conversation is that
// lacks this direction.
func (c *conversation) otherHalf(s *Segment) bool {
	me, peer := &c.half[s.Dir], &c.half[s.Dir.Reverse()]
	if me.is(heard) || c.state == closed {
		return false
	}
	switch {
	case s.Flags&(SYN|ACK) == SYN|ACK:
		return peer.is(opened) && peer.isn+1 == s.Ack
	case s.Flags&SYN != 0: // captured behind its answer
		return peer.is(opened) && me.is(known) && me.isn == s.Seq
	}
	return s.Flags&ACK != 0 && me.is(known) && me.acked == s.Seq && within(s.Ack, peer.next)
}

// merge makes an alias of a conversation that has had no data.
func (a *Assembler) merge(id uint32, c *conversation, to, hash uint32) {
	if c.is(aliased) {
		var room [maxNetworks]uint32
		for _, other := range a.table.together(&c.key, hash, room[:0]) {
			if o := a.table.at(other); o.is(alias) && o.prev == id {
				o.prev = to
			}
		}
	}
	if c.work != nil {
		a.release(c)
	}
	a.table.unlink(&a.lists[c.state], id)
	*c = conversation{key: c.key, marks: alias, prev: to}
	a.table.at(to).marks |= aliased
	a.stats.Conversations--
}

// forgetAliases removes those of a conversation that leaves.
func (a *Assembler) forgetAliases(id uint32, c *conversation, hash uint32) {
	var room [maxNetworks]uint32
	for _, other := range a.table.together(&c.key, hash, room[:0]) {
		if o := a.table.at(other); o.is(alias) && o.prev == id {
			a.table.remove(other, hash)
		}
	}
}

// splitByVLAN reports whether the side that a conversation lacks is in another
// VLAN, and would be found if VLANs were left out of the keys.
func (a *Assembler) splitByVLAN(id uint32, c *conversation) bool {
	d := AtoB
	if c.half[d].is(heard) {
		d = BtoA
	}
	var room [maxNetworks]uint32
	for _, other := range a.table.together(&c.key, a.table.hash(&c.key), room[:0]) {
		o := a.table.at(other)
		net := o.key.Net
		net.VLAN = c.key.Net.VLAN
		if other != id && !o.is(alias) && net == c.key.Net && o.half[d].is(heard) {
			return true
		}
	}
	return false
}
