package reassembly_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// talk is a conversation as it was sent, and as it was captured.
type talk struct {
	isn      [2]uint32
	sent     [2][]byte
	fin      bool // both sides sent one, behind their data
	lies     bool // some data come again with other content
	segments []reassembly.Segment
}

var talkKey, _ = reassembly.NewFlowKey(reassembly.Network{}, clientAddr, serverAddr, 40000, 80)

// newTalk makes a conversation of random segments: n(k) gives numbers below k.
// Bytes that stand at different places differ, as a rule. Data are retransmitted in other segments than before.
func newTalk(n func(int) int, handshake, fin bool) *talk {
	t := &talk{isn: [2]uint32{-uint32(n(3000)), uint32(n(1 << 16))}, fin: fin}
	add := func(d int, flags uint8, from, to int) {
		s := reassembly.Segment{
			Key: talkKey, Dir: reassembly.Direction(d), Flags: flags | reassembly.ACK, Window: 0xffff,
			Seq:     t.isn[d] + 1 + uint32(from),
			Ack:     t.isn[1-d] + 1 + uint32(len(t.sent[1-d])),
			Payload: bytes.Clone(t.sent[d][from:to]),
		}
		if from < to {
			s.Flags |= reassembly.PSH
		}
		t.segments = append(t.segments, s)
	}
	if handshake {
		add(0, reassembly.SYN, 0, 0)
		t.segments[0].Flags = reassembly.SYN
		t.segments[0].Seq--
		t.segments[0].Ack = 0
		add(1, reassembly.SYN, 0, 0)
		t.segments[1].Seq--
		add(0, 0, 0, 0)
	}
	for range 3 + n(30) {
		d := n(2)
		from := len(t.sent[d])
		switch n(6) {
		case 0: // an acknowledgement
			add(d, 0, from, from)
		case 1: // something again
			if from > 0 {
				a := n(from)
				add(d, 0, a, a+n(from-a)+1)
			}
		default:
			for range 1 + n(200) {
				at := uint32(len(t.sent[d])*2 + d)
				t.sent[d] = append(t.sent[d], byte(at*2654435761>>24))
			}
			if n(4) == 0 && from > 0 { // again, with more behind it
				from -= n(min(from, 50))
			}
			add(d, 0, from, len(t.sent[d]))
		}
	}
	if fin {
		add(0, reassembly.FIN, len(t.sent[0]), len(t.sent[0]))
		add(1, reassembly.FIN, len(t.sent[1]), len(t.sent[1]))
		t.segments[len(t.segments)-1].Ack++
		add(0, 0, len(t.sent[0]), len(t.sent[0]))
		last := &t.segments[len(t.segments)-1]
		last.Seq, last.Ack = last.Seq+1, last.Ack+1
	}
	return t
}

// hearing is a parser that holds what it is given against what was sent.
type hearing struct {
	*talk
	t     interface{ Fatalf(string, ...any) }
	start [2]int // where each direction begins in sent; -1 until known
	pos   [2]int
	gap   [2]int
	ended [2]bool
	told  int // conflicts
}

func (h *hearing) Feed(c *reassembly.Chunk) {
	d := c.Dir
	if h.ended[d] {
		h.t.Fatalf("direction %d goes on after its end", d)
	}
	at := int(int32(c.Seq - h.isn[d] - 1))
	if h.start[d] < 0 {
		h.start[d], h.pos[d] = at, at
	}
	switch {
	case at != h.pos[d]:
		h.t.Fatalf("direction %d: a chunk at %d, expected at %d", d, at, h.pos[d])
	case c.Conflict && !h.lies:
		h.t.Fatalf("direction %d: conflict at %d", d, at)
	case c.Conflict && c.Gap == 0 && len(c.Bytes) == 0: // in what was handed on
	case c.Gap > 0 && len(c.Bytes) > 0 || c.Gap == 0 && len(c.Bytes) == 0:
		h.t.Fatalf("a chunk of %d bytes and a gap of %d", len(c.Bytes), c.Gap)
	case c.Gap > 0 && at+int(c.Gap) == len(h.sent[d])+1 && h.fin:
		// The FIN was lost with what stood before it.
	case at+len(c.Bytes)+int(c.Gap) > len(h.sent[d]):
		h.t.Fatalf("direction %d: %d bytes at %d were never sent", d, len(c.Bytes)+int(c.Gap), at)
	case !bytes.Equal(c.Bytes, h.sent[d][at:at+len(c.Bytes)]):
		h.t.Fatalf("direction %d: wrong bytes at %d", d, at)
	}
	h.pos[d] += len(c.Bytes) + int(c.Gap)
	h.gap[d] += int(c.Gap)
	if c.Conflict {
		h.told++
	}
}

func (h *hearing) End(d reassembly.Direction, why reassembly.End, _ reassembly.Origin) {
	if h.ended[d] {
		h.t.Fatalf("direction %d ends twice", d)
	}
	h.ended[d] = true
	// A lost FIN cannot be told from a last byte that was lost alone.
	if why == reassembly.EndFIN && h.pos[d] < len(h.sent[d])-1 && h.start[d] >= 0 {
		h.t.Fatalf("direction %d was sent whole, but ends at %d of %d", d, h.pos[d], len(h.sent[d]))
	}
}

// hear takes the captured segments through an Assembler.
func hear(t interface{ Fatalf(string, ...any) }, k *talk, l reassembly.Limits) (*hearing, reassembly.Stats) {
	h := &hearing{talk: k, t: t, start: [2]int{-1, -1}}
	made := 0
	a := reassembly.New(l, func(s reassembly.Start) reassembly.Parser {
		if made++; made > 1 {
			t.Fatalf("a second conversation: %+v", s)
		}
		return h
	})
	now := reassemblytest.Start
	for i := range k.segments {
		s := k.segments[i]
		s.Payload = bytes.Clone(s.Payload)
		s.Origin = reassembly.Origin{Order: uint64(i + 1), Time: now}
		a.Segment(&s)
		for j := range s.Payload {
			s.Payload[j] ^= 0xff
		}
		now = now.Add(100 * time.Microsecond)
	}
	mid := a.Stats()
	a.Shutdown(reassembly.Origin{Time: now})
	s := a.Stats()
	if s.Known != 0 || s.Buffered != 0 || s.Kept != 0 {
		t.Fatalf("left over: %+v", s)
	}
	if want := uint64(h.pos[0] - max(h.start[0], 0) + h.pos[1] - max(h.start[1], 0)); s.Delivered+s.Gap != want {
		t.Fatalf("%d delivered and %d missing, but %d handed on", s.Delivered, s.Gap, want)
	}
	s.Conversations = mid.Conversations
	return h, s
}

// shuffle mixes segments so that none moves by more than window places.
func shuffle(n func(int) int, s []reassembly.Segment, window int) {
	for i := 0; i < len(s); i += window + 1 {
		part := s[i:min(len(s), i+window+1)]
		for j := len(part) - 1; j > 0; j-- {
			k := n(j + 1)
			part[j], part[k] = part[k], part[j]
		}
	}
}

// undamaged: nothing is lost, whatever comes twice or in another order.
func undamaged(t interface{ Fatalf(string, ...any) }, n func(int) int) {
	k := newTalk(n, true, n(2) == 0)
	for i := len(k.segments) - 1; i >= 0; i-- {
		if n(8) == 0 {
			k.segments = slices.Insert(k.segments, i, k.segments[i])
		}
	}
	// The handshake's three segments stay in front: see the reordered
	// handshakes of TestBeginning.
	first := 3
	for first < len(k.segments) && (len(k.segments[first].Payload) == 0 || k.segments[first].Flags&reassembly.SYN != 0) {
		first++
	}
	shuffle(n, k.segments[first:], n(8))
	h, stats := hear(t, k, reassembly.Limits{})
	for d := range 2 {
		if h.pos[d] != len(k.sent[d]) || h.gap[d] != 0 {
			t.Fatalf("direction %d: %d of %d bytes, %d missing (%+v)", d, h.pos[d], len(k.sent[d]), h.gap[d], stats)
		}
	}
	if stats.Conflicts != 0 || stats.BadAck != 0 || stats.BadFIN != 0 || stats.Implausible != 0 {
		t.Fatalf("%+v", stats)
	}
}

// damaged: segments are lost; what is handed on is right, and reaches as far
// as the capture proves.
func damaged(t interface{ Fatalf(string, ...any) }, n func(int) int) {
	k := newTalk(n, n(4) > 0, n(2) == 0)
	all := k.segments
	k.segments = nil
	hidden := n(12) // 0 and 1: a mirror of the other direction alone
	late := 0
	if n(8) == 0 {
		late = n(len(all) + 1)
	}
	for _, s := range all[late:] {
		if int(s.Dir) == hidden {
			continue
		}
		switch n(10) {
		case 0: // lost
			continue
		case 1: // twice
			k.segments = append(k.segments, s)
		case 2: // cut
			if len(s.Payload) > 0 {
				keep := n(len(s.Payload))
				s.Cut = uint32(len(s.Payload) - keep)
				s.Payload = s.Payload[:keep]
			}
		}
		k.segments = append(k.segments, s)
	}
	shuffle(n, k.segments, n(4))
	l := reassembly.Limits{}
	if n(3) == 0 {
		l.StreamBytes = 1 + n(1000)
	}
	if n(3) == 0 {
		l.HoleAfter = time.Millisecond
	}
	h, stats := hear(t, k, l)
	for d := range 2 {
		seen, acked, first := -1, -1, -1
		begun := false
		for _, s := range k.segments {
			if begun = begun || s.Flags&reassembly.SYN != 0 || len(s.Payload)+int(s.Cut) > 0; !begun {
				continue // of no conversation that is known
			}
			at := int(int32(s.Seq - k.isn[d] - 1))
			switch {
			case s.Dir != reassembly.Direction(d):
				if ack := int(int32(s.Ack - k.isn[d] - 1)); s.Flags&reassembly.ACK != 0 && ack >= 0 {
					acked = max(acked, ack)
					if first < 0 {
						first = ack
					}
				}
			case len(s.Payload)+int(s.Cut) > 0:
				seen = max(seen, at+len(s.Payload)+int(s.Cut))
			}
		}
		// One number may be that of a FIN, and what stands before the first
		// number that was heard of was before the capture.
		if h.start[d] >= 0 && (h.pos[d] < seen || h.pos[d] < acked-1) {
			t.Fatalf("direction %d ends at %d, but was seen up to %d and acknowledged up to %d (%+v)", d, h.pos[d], seen, acked, stats)
		}
		if h.start[d] < 0 && h.start[1-d] >= 0 && acked-first > 1 {
			t.Fatalf("direction %d: nothing, but %d bytes are acknowledged (%+v)", d, acked-first, stats)
		}
	}
}

// contradicted: some segments come again with other content, before they are
// acknowledged. The first is handed on, and the parser told, as far as the first
// is still there to compare.
func contradicted(t interface{ Fatalf(string, ...any) }, n func(int) int) {
	k := newTalk(n, true, n(2) == 0)
	all := k.segments
	k.segments, k.lies = nil, true
	var acked [2]int
	lies := 0
	for _, s := range all {
		k.segments = append(k.segments, s)
		d := s.Dir
		if s.Flags&reassembly.ACK != 0 {
			acked[1-d] = max(acked[1-d], int(int32(s.Ack-k.isn[1-d]-1)))
		}
		at := int(int32(s.Seq - k.isn[d] - 1))
		if first := max(acked[d]-at, 0); first < len(s.Payload) && n(4) == 0 {
			s.Payload = bytes.Clone(s.Payload)
			s.Payload[first+n(len(s.Payload)-first)] ^= byte(1 + n(255))
			k.segments = append(k.segments, s)
			lies++
		}
	}
	h, stats := hear(t, k, reassembly.Limits{})
	for d := range 2 {
		if h.pos[d] != len(k.sent[d]) || h.gap[d] != 0 {
			t.Fatalf("direction %d: %d of %d bytes, %d missing (%+v)", d, h.pos[d], len(k.sent[d]), h.gap[d], stats)
		}
	}
	if int(stats.Conflicts) > lies || int(stats.Conflicts+stats.Unverified) < lies || h.told != int(stats.Conflicts) {
		t.Fatalf("%d lies, %d told (%+v)", lies, h.told, stats)
	}
}

func TestContradictedStreams(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		contradicted(t, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "n") })
	})
}

func TestUndamagedStreams(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		undamaged(t, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "n") })
	})
}

func TestDamagedStreams(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		damaged(t, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "n") })
	})
}

// seeded makes failures of many random streams name their seed.
type seeded struct {
	*testing.T
	seed uint64
}

func (s seeded) Fatalf(format string, args ...any) {
	s.T.Helper()
	s.T.Fatalf("seed %d: %s", s.seed, fmt.Sprintf(format, args...))
}

// Streams across the wrap of the sequence numbers, with retransmissions that
// overlap: where gopacket gives wrong bytes in one stream of eight.
func TestManyStreams(t *testing.T) {
	for seed := range uint64(4000) {
		r := rand.New(rand.NewPCG(seed, 1))
		undamaged(seeded{t, seed}, r.IntN)
		damaged(seeded{t, seed}, r.IntN)
		contradicted(seeded{t, seed}, r.IntN)
	}
}
