package reassembly_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// Conversations that seem to be one and are not: equal addresses in two
// networks.
func TestTenants(t *testing.T) {
	two := func(s *reassembly.Stats) bool {
		return s.Conversations == 2 && s.Mirrored+s.Halved == 0
	}
	runWire(t, []wireCase{
		{"other numbers", `
			> S 99 id=5
			> S 399 id=6
			< SA 299 100 id=5
			< SA 599 400 id=6
			> PA 100 300 "five" id=5
			> PA 400 600 "six" id=6
			`, []string{started, `> "five"`, started, `> "six"`}, two},
		{"the client's number is the same", `
			> S 99 id=5
			> S 99 id=6
			< SA 299 100 id=5
			< SA 599 100 id=6
			> PA 100 300 "five" id=5
			> PA 100 600 "six" id=6
			`, []string{started, `> "five"`, started, `> "six"`}, two},
		{"the client's number is the same, and data are the first to follow", `
			> S 99 vlan=5
			< SA 299 100 vlan=5
			> A 100 300 vlan=5
			> S 99 vlan=6
			> PA 100 900000 "six" vlan=6
			> PA 100 300 "five" vlan=5
			`, []string{started, `> "six"`, started, `> "five"`}, two},
		{"in mid-stream with the same number, other bytes", `
			> PA 100 300 "data1" id=5
			> PA 100 300 "data2" id=6
			`, []string{picked, `> "data1"`, picked, `> "data2"`}, two},
		{"in mid-stream with the same bytes, another number", `
			> PA 100 300 "data" id=5
			> PA 200 300 "data" id=6
			`, []string{picked, `> "data"`, picked, `> "data"`}, two},
		{"the same bytes too late", `
			> PA 100 300 "data" id=5
			after 1s
			> PA 100 300 "data" id=6
			`, []string{picked, `> "data"`, picked, `> "data"`}, two},
		{"each has one side, but they do not meet", `
			> PA 100 300 "data" id=5
			< PA 301 104 "answer" id=6
			`, []string{picked, `> "data"`, picked, `< "answer"`}, two},
		{"a SYN-ACK for another SYN", `
			> S 99 id=5
			< SA 299 101 id=6
			< PA 300 101 "x1" id=6
			`, []string{started, `< "x1"`}, two},
	})
}

// One conversation, captured in two networks.
func TestMirrored(t *testing.T) {
	one := func(mirrored, halved uint64) func(s *reassembly.Stats) bool {
		return func(s *reassembly.Stats) bool {
			return s.Conversations == 1 && s.Mirrored == mirrored && s.Halved == halved && s.Copies > 0
		}
	}
	runWire(t, []wireCase{
		{"packet by packet", `
			> S 99 vlan=5
			> S 99 vlan=6
			< SA 299 100 vlan=6
			< SA 299 100 vlan=5
			> A 100 300 vlan=5
			> A 100 300 vlan=6
			> PA 100 300 "hello" vlan=5
			> PA 100 300 "hello" vlan=6
			< PA 300 105 "world" vlan=6
			< PA 300 105 "world" vlan=5
			> FA 105 305
			< FA 305 106 vlan=6
			< FA 305 106 vlan=5
			> FA 105 305 vlan=6
			> FA 105 305 vlan=5
			< FA 305 106 vlan=6
			`, []string{started, `> "hello"`, `< "world"`, "< fin", "> fin"}, one(1, 0)},
		{"the other copy comes as a whole, and late", `
			> S 99 vlan=5
			< SA 299 100 vlan=5
			> PA 100 300 "hello" vlan=5
			< PA 300 105 "world" vlan=5
			> S 99
			< SA 299 100
			> PA 100 300 "hello"
			< PA 300 105 "world"
			`, []string{started, `> "hello"`, `< "world"`}, one(1, 0)},
		{"one heals the loss of the other", `
			> S 99 vlan=5
			< SA 299 100 vlan=5
			> S 99 vlan=6
			< SA 299 100 vlan=6
			> PA 100 300 "hel" vlan=5
			> PA 103 300 "lo" vlan=6
			< PA 300 105 "wor" vlan=6
			> A 105 305 vlan=6
			< PA 303 105 "ld" vlan=5
			`, []string{started, `> "hello"`, `< "world"`}, one(1, 0)},
		{"the SYN-ACK of the copy is lost", `
			> S 99 vlan=5
			< SA 299 100 vlan=5
			> A 100 300 vlan=5
			> PA 100 300 "hello" vlan=5
			< A 300 105 vlan=5
			> S 99 vlan=6
			> PA 100 300 "hello" vlan=6
			`, []string{started, `> "hello"`}, one(1, 0)},
		{"the handshake of the copy is lost", `
			> S 99 vlan=5
			< SA 299 100 vlan=5
			> PA 100 300 "hello" vlan=5
			> PA 100 300 "hello" vlan=6
			`, []string{started, `> "hello"`}, one(1, 0)},
		{"in mid-stream, acknowledged in between", `
			> PA 100 300 "hello" vlan=5
			< A 300 105 vlan=5
			> PA 100 300 "hello" vlan=6
			`, []string{picked, `> "hello"`}, one(1, 0)},
		{"in mid-stream, the first was lost", `
			> PA 100 300 "hello" vlan=5
			< A 300 105 vlan=5
			> PA 105 300 "again" vlan=5
			> PA 105 300 "again" vlan=6
			`, []string{picked, `> "helloagain"`}, one(1, 0)},
		{"what waits is compared, too", `
			> S 99 vlan=5
			< SA 299 100 vlan=5
			> PA 105 300 "again" vlan=5
			> PA 105 300 "again" vlan=6
			> PA 100 300 "hello" vlan=6
			`, []string{started, `> "helloagain"`}, one(1, 0)},
		{"data with the SYN", `
			> S 99 0 "early" vlan=5
			> S 99 0 "early" vlan=6
			< SA 299 105 vlan=5
			< SA 299 105 vlan=6
			`, []string{started, `> "early"`}, one(1, 0)},
		{"three networks", `
			> S 99 vlan=5
			> S 99 vlan=6
			> S 99 vlan=7
			< SA 299 100 vlan=5
			< SA 299 100 vlan=6
			< SA 299 100 vlan=7
			> PA 100 300 "hello" vlan=7
			> PA 100 300 "hello" vlan=6
			> PA 100 300 "hello" vlan=5
			`, []string{started, `> "hello"`}, one(2, 0)},
		{"the directions in different networks", `
			> S 99 id=5
			< SA 299 100 id=6
			> A 100 300 id=5
			> PA 100 300 "hello" id=5
			< PA 300 105 "world" id=6
			`, []string{started, `> "hello"`, `< "world"`}, one(0, 1)},
		{"and the answer is captured first", `
			< SA 299 100 id=6
			> S 99 id=5
			> PA 100 300 "hello" id=5
			< PA 300 105 "world" id=6
			`, []string{started, `> "hello"`, `< "world"`}, one(0, 1)},
		{"and in mid-stream", `
			> PA 100 300 "hello" id=5
			< PA 300 105 "world" id=6
			> PA 105 305 "again" id=5
			`, []string{picked, `> "hello"`, `< "world"`, `> "again"`}, one(0, 1)},
		{"and one of them in a third one", `
			> S 99 id=5
			< SA 299 100 id=6
			> S 99 id=7
			< SA 299 100 id=7
			> PA 100 300 "hello" id=5
			> PA 100 300 "hello" id=7
			< PA 300 105 "world" id=7
			`, []string{started, `> "hello"`, `< "world"`}, one(1, 1)},
	})
}

// An alias leaves with its conversation.
func TestAliasesLeave(t *testing.T) {
	w := newWire(reassembly.Limits{})
	w.play(t, `
		> S 99 vlan=5
		< SA 299 100 vlan=5
		> S 99 vlan=6
		< SA 299 100 vlan=6
		> PA 100 300 "hello" vlan=6
	`)
	if s := w.Stats(); s.Known != 2 {
		t.Errorf("%d known, want the conversation and its alias", s.Known)
	}
	w.play(t, `
		after 400s
		tick
		after 400s
		tick
	`)
	if s := w.Stats(); s.Known != 0 || s.Ended[reassembly.EndIdle] != 1 {
		t.Errorf("%d known, %d ended", s.Known, s.Ended[reassembly.EndIdle])
	}
	w.play(t, `> PA 700 900 "anew" vlan=6`)
	if s := w.Stats(); s.Conversations != 2 || s.Mirrored != 1 {
		t.Errorf("%+v", s)
	}
}

// More networks than are compared: the conversations are kept apart all the
// same, found again, and counted.
func TestCrowded(t *testing.T) {
	w := newWire(reassembly.Limits{})
	const n = 50
	for i := range n {
		w.play(t, fmt.Sprintf("> PA %d 300 \"hello\" id=%d", 1000*i, i))
	}
	for i := range n {
		w.play(t, fmt.Sprintf("> PA %d 300 \"again\" id=%d", 1000*i+5, i))
	}
	s := w.Stats()
	if s.Conversations != n || s.Known != n || s.Crowded != n-8 || s.Delivered != 10*n {
		t.Errorf("%+v", s)
	}
	// Nothing is merged with the crowd, nor with those that it cannot join.
	w.play(t, `> PA 5 300 "again" id=77`)
	if s := w.Stats(); s.Mirrored != 0 || s.Conversations != n+1 {
		t.Errorf("%+v", s)
	}
	w.Shutdown(w.at)
	if s := w.Stats(); s.Known != 0 || s.Ended[reassembly.EndShutdown] != n+1 {
		t.Errorf("%+v", s)
	}
}

// Limits count aliases, and hold with them.
func TestAliasesAreBounded(t *testing.T) {
	w := newWire(reassembly.Limits{Flows: 2})
	w.play(t, `
		> PA 100 300 "hello" vlan=5
		> PA 100 300 "hello" vlan=6
		> PA 100 300 "hello" vlan=7
		> PA 100 300 "hello" vlan=8
	`)
	if s := w.Stats(); s.Known > 2 || s.EvictedActive == 0 {
		t.Errorf("%+v", s)
	}
}

// Halves that nothing joins are told, where VLANs part them.
func TestSplit(t *testing.T) {
	for net, want := range map[string]uint64{"vlan=6": 1, "id=6": 0} {
		w := newWire(reassembly.Limits{})
		w.play(t, `
			> PA 100 300 "hello" vlan=5
			< PA 900000 105 "world" `+net+`
			shutdown
		`)
		if s := w.Stats(); s.OneSided != 2 || s.Split != want {
			t.Errorf("%s: %d one-sided, %d split, want %d", net, s.OneSided, s.Split, want)
		}
	}
}

// However the copies from two networks run into each other, and whatever one
// of them lost that the other has: the parser is given what one whole copy
// gives.
func TestMirroredAnyhow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		one := newTalk(r.IntN, true, r.IntN(2) == 0)
		alone, at := newWire(reassembly.Limits{}), reassembly.Origin{}
		feed := func(w *wire, s reassembly.Segment, vlan uint16) {
			s.Key.Net.VLAN[0] = vlan
			at.Order++
			at.Time = reassemblytest.Start.Add(time.Duration(at.Order) * time.Millisecond)
			s.Origin = at
			w.Segment(&s)
		}
		for _, s := range one.segments {
			feed(alone, s, 1)
		}
		alone.Shutdown(at)

		both := newWire(reassembly.Limits{})
		at = reassembly.Origin{}
		i, j, lag := 0, 0, r.IntN(20)
		lost := map[int]bool{} // of the copy
		for len(lost) < len(one.segments)/4 {
			lost[3+r.IntN(len(one.segments)-3)] = true
		}
		for j < len(one.segments) {
			if i < len(one.segments) && (i-j < lag && r.IntN(2) == 0 || i == j) {
				feed(both, one.segments[i], 1)
				i++
				continue
			}
			if !lost[j] {
				feed(both, one.segments[j], 2)
			}
			j++
		}
		both.Shutdown(at)
		if got, want := both.trace.String(), alone.trace.String(); got != want {
			rt.Fatalf("got\n%s\nwant\n%s", got, want)
		}
		if s := both.Stats(); s.Conversations != 1 || s.Mirrored != 1 || s.Known != 0 {
			rt.Fatalf("%+v", s)
		}
	})
}
