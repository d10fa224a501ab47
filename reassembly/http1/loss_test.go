package http1_test

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/http1"
	"github.com/authtap/authtap/reassembly/identify"
)

// seen takes segments the way from the Assembler to exchanges.
func seen(segments []reassembly.Segment, limits http1.Limits) ([]*exchange.Exchange, http1.Stats) {
	var got []*exchange.Exchange
	s := http1.NewShard(limits, func(x *exchange.Exchange) { got = append(got, x.Own()) })
	a := reassembly.New(reassembly.Limits{}, identify.New(identify.Limits{}, s.Protocol()).New)
	var at reassembly.Origin
	for i := range segments {
		at = segments[i].Origin
		a.Segment(&segments[i])
	}
	a.Shutdown(at)
	return got, s.Stats()
}

func id(m *exchange.Message) int {
	n, err := strconv.Atoi(m.Header.Get("X-Id"))
	if err != nil {
		return -1 // lost
	}
	return n
}

// dice gives numbers below k, evenly: rapid itself prefers small ones.
func dice(t *rapid.T) func(k int) int {
	return rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)).IntN
}

// Without loss, everything is paired, whatever the client does and wherever the
// capture is made.
func TestNothingLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := dice(t)
		w := newWire(n, client(n(int(clients))))
		got, stats := seen(w.run(), http1.Limits{})
		if len(got) != w.requests || stats.Held != 0 {
			t.Fatalf("%d exchanges of %d, %d bytes held", len(got), w.requests, stats.Held)
		}
		for i, x := range got {
			if x.Flags&^exchange.Pipelined != 0 || x.Request.Damage|x.Response.Damage != 0 || id(&x.Request) != i || id(&x.Response) != i {
				t.Fatalf("exchange %d: %s", i, describe(x))
			}
			if w.kind == waits && x.Flags != 0 {
				t.Fatalf("exchange %d: %s", i, describe(x))
			}
		}
	})
}

// Whatever is lost, no request gets another one's response. What nobody could
// tell is left out: clients that send a request upon each response, but have
// several under way, where the first of those are lost; and of conversations that begin in
// mid-stream, clients that pipeline at all, and content that looks like a head.
func TestNeverPairedWrongly(t *testing.T) {
	var paired, proved, unpaired int
	rapid.Check(t, func(t *rapid.T) {
		n := dice(t)
		kind, late := client(n(int(slides))), n(4) == 0
		if late {
			kind = waits
		}
		w := newWire(n, kind)
		w.honest = late
		segments := w.run()
		lost := []int{2, 10, 30}[n(3)]
		if late {
			segments = segments[n(len(segments)):]
		}
		var left []reassembly.Segment
		for i, s := range segments {
			if !late && i < 2 || n(100) >= lost {
				left = append(left, s)
			}
		}
		got, stats := seen(left, http1.Limits{})
		if stats.Held != 0 {
			t.Fatalf("%d bytes are still held", stats.Held)
		}
		for _, x := range got {
			if x.Flags&exchange.Unpaired != 0 {
				unpaired++
				continue
			}
			paired++
			if a, b := id(&x.Request), id(&x.Response); a != b && a >= 0 && b >= 0 {
				for _, s := range left {
					t.Logf("%d %d %d %q", s.Dir, s.Seq, s.Ack, s.Payload)
				}
				t.Fatalf("kind %d: %s", w.kind, describe(x))
			}
		}
		proved += int(stats.Proved)
	})
	t.Logf("%d paired, %d of them by proof, %d unpaired", paired, proved, unpaired)
	if !t.Failed() && (proved == 0 || unpaired == 0) {
		t.Error("nothing was proved, or nothing lost")
	}
}
