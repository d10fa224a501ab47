package reassembly_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
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

func TestReuse(t *testing.T) {
	closed := handshake + `
		> A 100 300 "1"
		> FA 101 300
		< FA 300 102
	`
	first := []string{started, `> "1"`, "> fin", "< fin"}
	with := func(more ...string) []string { return append(first[:len(first):len(first)], more...) }
	open := handshake + `
		> A 100 300 "1"
		< A 300 101
	`
	cut := []string{started, `> "1"`, "> reuse", "< reuse"}
	runWire(t, []wireCase{
		{"the last acknowledgement", closed + `
			> A 102 301
			> S 5000
			< SA 7000 5001
			> A 5001 7001 "2"
			`, with(started, `> "2"`), func(s *reassembly.Stats) bool { return s.Conversations == 2 }},
		{"the same numbers", closed + closed, with(with()...), nil},
		{"late retransmission", closed + `> A 100 300 "1"`, first, func(s *reassembly.Stats) bool { return s.Late == 1 }},
		{"late SYN-ACK", closed + `< SA 299 100`, first, func(s *reassembly.Stats) bool { return s.Late == 1 }},
		{"without the SYN", closed + `
			< SA 7000 5001
			> A 5001 7001 "2"
			`, with(started, `> "2"`), nil},
		{"without a handshake", closed + `
			> PA 900005001 7001 "2"
			`, with(picked, `> "2"`), nil},
		{"behind the FIN", closed + `> PA 103 301 "2"`, with(picked, `> "2"`), nil},
		{"after a reset, on its way", handshake + `
			> A 100 300 "1"
			> R 101
			< A 300 101 "2"
			< A 301 101 "3"
			`, []string{started, `> "1"`, "> reset", "< reset"}, func(s *reassembly.Stats) bool { return s.Late == 2 }},
		{"while open", open + `
			> S 5000
			< SA 7000 5001
			> A 5001 7001 "2"
			`, append(cut[:4:4], started, `> "2"`), func(s *reassembly.Stats) bool { return s.Ended[reassembly.EndReuse] == 1 }},
		{"while open, with scaled windows", open + `
			> S 5000 scale=7
			< SA 900007000 5001 scale=7
			> A 5001 900007001 "2"
			< A 900007001 5002
			> R 4000000
			`, append(cut[:4:4], started, `> "2"`, "> reset", "< reset"), nil},
		{"while open, one side captured", `
			> S 99
			> A 100 300
			> A 100 300 "1"
			> S 5000
			> A 5001 7001
			> A 5001 7001 "2"
			`, append(cut[:4:4], started, `> "2"`), nil},
		{"while open, SYN lost", open + `
			< SA 7000 5001
			> A 5001 7001 "2"
			`, append(cut[:4:4], started, `> "2"`), nil},
		{"while open, data on the SYN", open + `> S 5000 0 "2"`, append(cut[:4:4], started, `> "2"`), nil},
		{"while closing", handshake + `
			> A 100 300 "1"
			> FA 101 300
			> S 5000
			`, []string{started, `> "1"`, "> fin", "< reuse"}, nil},
		{"while half open", `
			> S 99
			> S 5000
			< SA 7000 5001
			> A 5001 7001 "2"
			`, []string{started, `> "2"`},
			func(s *reassembly.Stats) bool { return s.Conversations == 2 && s.HalfOpen == 1 && s.BadSYN == 0 }},
		{"a SYN that nobody answers", open + `
			> S 5000
			> A 101 300 "still"
			`, []string{started, `> "1still"`}, func(s *reassembly.Stats) bool { return s.Conversations == 1 && s.BadSYN == 1 }},
		{"a SYN-ACK of the client", open + `
			> SA 5000 7000
			> A 101 300 "still"
			`, []string{started, `> "1still"`}, func(s *reassembly.Stats) bool { return s.Conversations == 1 && s.BadSYN == 1 }},
		{"a SYN-ACK with another number", open + `
			< A 300 101 "x"
			< SA 7000 100
			< A 301 101 "y"
			`, []string{started, `> "1"`, `< "xy"`}, func(s *reassembly.Stats) bool { return s.Conversations == 1 && s.BadSYN == 1 }},
		{"neither SYN captured", open + `
			> A 800000000 900000000 "2"
			< A 900000000 800000001 "3"
			> A 800000001 900000001 "4"
			`, append(cut[:4:4], picked, `< "3"`, `> "4"`), func(s *reassembly.Stats) bool { return s.Implausible == 1 }},
		{"a forgery", open + `
			> A 800000000 900000000 "2"
			> A 101 300 "still"
			> A 700000000 900000000 "2"
			`, []string{started, `> "1still"`}, func(s *reassembly.Stats) bool { return s.Implausible == 2 && s.Conversations == 1 }},
	})
}

// TestReusedPorts: one client takes the same port for every exchange. The last
// acknowledgement of a connection must not pass for the beginning of the next:
// whoever believes it has the directions swapped from there on, and loses a
// quarter of all requests.
func TestReusedPorts(t *testing.T) {
	d, err := reassemblytest.Parse("reuse", `
{{range seq 1 300}}
conn c 10.0.0.1:40000 10.0.0.2:80
>> "request {{.}}"
<< "response {{.}}"
fin
time +{{.}}ms
{{end}}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	var trace reassemblytest.Trace
	stats := reassemblytest.Run(d.Packets(), reassembly.Limits{}, trace.New)
	var want []string
	for i := range 300 {
		want = append(want, started, fmt.Sprintf(`> "request %d"`, i+1), fmt.Sprintf(`< "response %d"`, i+1), "> fin", "< fin")
	}
	if got := trace.String(); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s", got)
	}
	if stats.Conversations != 300 || stats.Midstream != 0 || stats.Late != 300 {
		t.Errorf("%+v", stats)
	}
}
