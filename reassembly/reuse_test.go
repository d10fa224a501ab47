package reassembly_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// say appends a segment of direction d, which has said everything before it.
func (t *talk) say(d reassembly.Direction, flags uint8, payload []byte) {
	t.segments = append(t.segments, reassembly.Segment{
		Key: talkKey, Dir: d, Flags: flags | reassembly.ACK, Window: 0xffff,
		Seq: t.isn[d] + 1 + uint32(len(t.sent[d])), Ack: t.isn[1-d] + 1 + uint32(len(t.sent[1-d])), Payload: payload,
	})
	t.sent[d] = append(t.sent[d], payload...)
}

// shift gives a conversation other initial numbers.
func (t *talk) shift(by [2]uint32) {
	for i := range t.segments {
		s := &t.segments[i]
		s.Seq += by[s.Dir]
		if s.Flags&reassembly.ACK != 0 {
			s.Ack += by[1-s.Dir]
		}
	}
	t.isn[0] += by[0]
	t.isn[1] += by[1]
}

// end lets a conversation end: not at all, by a FIN of both sides, by that of
// one while the other goes on, or by a reset.
func (t *talk) end(n func(int) int) {
	d := reassembly.Direction(n(2))
	switch n(4) {
	case 1:
		t.say(d, reassembly.FIN, nil)
		t.say(1-d, reassembly.FIN, nil)
		t.segments[len(t.segments)-1].Ack++
	case 2:
		t.say(d, reassembly.FIN, nil)
		for range n(4) {
			b := make([]byte, 1+n(300))
			for i := range b {
				b[i] = byte(n(256))
			}
			t.say(1-d, reassembly.PSH, b)
			t.segments[len(t.segments)-1].Ack++ // of the FIN
		}
	case 3:
		t.say(d, reassembly.RST, nil)
	}
}

// reused: conversations between the same ends, one after the other, each of
// which gets what was said in it and nothing else, however the one before
// ended.
func reused(t interface{ Fatalf(string, ...any) }, n func(int) int) {
	var talks []*talk
	for i := range 2 + n(3) {
		k := newTalk(n, true, false)
		k.say(0, reassembly.PSH, []byte("x")) // so that there is a parser
		k.end(n)
		// Numbers of another conversation are far from these (RFC 6528).
		k.shift([2]uint32{uint32(i) * 0x20000000, uint32(i) * 0x30000000})
		talks = append(talks, k)
	}
	var heard []*hearing
	a := reassembly.New(reassembly.Limits{}, func(s reassembly.Start) reassembly.Parser {
		if len(heard) == len(talks) {
			t.Fatalf("more conversations than %d", len(talks))
		}
		if !s.Handshake || s.Client != 0 {
			t.Fatalf("conversation %d: %+v", len(heard), s)
		}
		h := &hearing{talk: talks[len(heard)], t: t, start: [2]int{-1, -1}}
		heard = append(heard, h)
		return h
	})
	now := reassemblytest.Start
	order := uint64(0)
	for _, k := range talks {
		for i := range k.segments {
			s := k.segments[i]
			order++
			s.Origin = reassembly.Origin{Order: order, Time: now}
			a.Segment(&s)
			now = now.Add(100 * time.Microsecond)
		}
	}
	a.Shutdown(reassembly.Origin{Order: order, Time: now})
	if s := a.Stats(); len(heard) != len(talks) || s.Known != 0 || s.Buffered != 0 || s.Kept != 0 {
		t.Fatalf("%d conversations of %d (%+v)", len(heard), len(talks), s)
	}
	for i, h := range heard {
		for d := range 2 {
			if h.pos[d] != len(h.sent[d]) || h.gap[d] != 0 || !h.ended[d] {
				t.Fatalf("conversation %d, direction %d: %d of %d bytes, %d missing, ended %v", i, d, h.pos[d], len(h.sent[d]), h.gap[d], h.ended[d])
			}
		}
	}
}

func TestReusedEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		reused(t, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "n") })
	})
	for seed := range uint64(1000) {
		reused(seeded{t, seed}, rand.New(rand.NewPCG(seed, 3)).IntN)
	}
}
