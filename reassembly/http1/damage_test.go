package http1_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/http1"
)

// Whatever is lost, captured twice, cut or comes in another order, and where
// only one direction is captured: no request gets another one's response. The
// clients are those of TestNeverPairedWrongly.
func TestDamageNeverPairsWrongly(t *testing.T) {
	var paired, unpaired int
	rapid.Check(t, func(t *rapid.T) {
		n := dice(t)
		// The beginning may be missing, or damaged itself, which is the same.
		kind, late, shaken := client(n(int(slides))), n(4) == 0, n(4) == 0
		if late || shaken {
			kind = waits
		}
		w := newWire(n, kind)
		w.honest = late || shaken
		segments := w.run()
		if late {
			segments = segments[n(len(segments)):]
		}
		lost, twice, cut := n(8), n(20), n(2)*n(10)
		hidden := n(12) // 0 and 1: one direction only
		var left []reassembly.Segment
		for i, s := range segments {
			switch {
			case int(s.Dir) == hidden, (late || shaken || i >= 2) && n(100) < lost:
				continue
			case n(100) < cut && len(s.Payload) > 0:
				keep := n(len(s.Payload))
				s.Cut += uint32(len(s.Payload) - keep)
				s.Payload = s.Payload[:keep]
			case n(100) < twice:
				left = append(left, s)
			}
			left = append(left, s)
		}
		first := 0
		for !shaken && first < len(left) && left[first].Flags&reassembly.SYN != 0 {
			first++
		}
		disorder(n, left[first:], n(5))
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
			if hidden < 2 {
				t.Fatalf("paired, and one direction was not captured: %s", describe(x))
			}
			if a, b := id(&x.Request), id(&x.Response); a != b && a >= 0 && b >= 0 {
				for _, s := range left {
					t.Logf("%d %d %d %q", s.Dir, s.Seq, s.Ack, s.Payload)
				}
				t.Fatalf("kind %d: %s", w.kind, describe(x))
			}
		}
	})
	t.Logf("%d paired, %d unpaired", paired, unpaired)
	if !t.Failed() && (paired == 0 || unpaired == 0) {
		t.Error("nothing was paired, or nothing lost")
	}
}

// disorder mixes segments so that none moves by more than window places; the
// packets' own order and times stay.
func disorder(n func(int) int, s []reassembly.Segment, window int) {
	for i := 0; i < len(s); i += window + 1 {
		part := s[i:min(len(s), i+window+1)]
		for j := len(part) - 1; j > 0; j-- {
			k := n(j + 1)
			part[j], part[k] = part[k], part[j]
			part[j].Origin, part[k].Origin = part[k].Origin, part[j].Origin
		}
	}
}
