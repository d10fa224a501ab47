package http2_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	h2 "github.com/authtap/authtap/reassembly/http2"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

func TestLoss(t *testing.T) {
	play(t, true, []playCase{
		{"within DATA", talked(">1 GET /a .", "<1 200", "~12<1 :abcdefg", "<1 :h .", ">3 GET /b .", "<3 200 ."),
			[]string{`GET /a -> 200 "abc"/8 [after_gap gap]`, "GET /b -> 200 [after_gap]"}},
		{"the beginning of DATA", talked(">1 GET /a .", "<1 200", "11~<1 :abcdefg .", ">3 GET /b .", "<3 200 ."),
			[]string{"GET /b -> 200 [after_gap midstream]", "GET /a -> 200 [after_gap gap truncated]"}},
		{"the end of DATA, in step", talked(">1 GET /a .", "<1 200", "~11<1 :abcdefg .", ">3 GET /b .", "<3 200 ."),
			[]string{`GET /a -> 200 "ab"/7 [after_gap gap]`, "GET /b -> 200 [after_gap]"}},
		{"within padding and control frames", talked(">1 GET /a .", "~10<ping", "~11<goaway 9", "~10>window", "<1 200 ."), []string{"GET /a -> 200 [after_gap]"}},
		{"the end of a block", talked(">1 GET /a x=1 .", "~10<1 200 x=2 y=3 .", ">3 GET /b .", "<3 200 x=2 z=4 ."),
			[]string{"GET /a x=1 -> 200 [after_gap gap]", "GET /b -> 200 z=4 [after_gap gap]"}},
		{"a response", talked(">1 GET /a .", "~<1 200 x=2 .", ">3 GET /b .", "<3 200 x=2 z=4 .", ">5 GET /c .", "<5 200 z=4 x=2 ."),
			[]string{"GET /b -> 200 z=4 [after_gap gap midstream]", "GET /c -> 200 z=4 [after_gap gap midstream]", "GET /a -> - [unpaired]"}},
		{"a request", talked(">1 GET /a x=1 .", "~>3 GET /b y=1 .", "<3 200 .", "<1 200 .", ">5 GET /c y=1 z=1 .", ">7 GET /c z=1 .", "<5 200 .", "<7 200 ."),
			[]string{"GET /a x=1 -> 200 [after_gap]", "- -> 200 [unpaired]", "GET /c z=1 -> 200 [after_gap gap midstream]", "GET /c z=1 -> 200 [after_gap midstream]"}},
		{"a request, seen later than the responses", talked("<1 200 .", "<3 200 .", "~>1 GET /a .", ">3 GET /b ."),
			[]string{"GET /b -> 200 [after_gap midstream]", "- -> 200 [unpaired]"}},
		{"a request, seen later than the end", talked("<1 200 .", "<3 200", "]<", ">1 GET /a .", ">3 POST /b", ">3 :abc .", ">5 GET /c ."),
			[]string{"GET /a -> 200", `POST /b "abc" -> 200 [truncated]`, "GET /c -> - [unpaired]"}},
		{"trailers", talked(">1 GET /a .", "<1 200", "<1 :abc", "~<1 +grpc-status=0 .", "<ping", "<window"), []string{`GET /a -> 200 "abc" [after_gap gap truncated]`}},
		{"the beginning", []string{"~>hello", "<hello", ">ack", ">1 GET /a .", "<1 200 ."}, []string{"GET /a -> 200 [after_gap midstream]"}},
		{"a FIN between request and response", talked(">1 GET /a .", ">3 POST /b", "]>", "<1 200 .", "<3 200 ."), []string{"GET /a -> 200", "POST /b -> 200 [truncated]"}},
		{"bytes that came twice", talked(">1 GET /a x=1 .", "!>", "<1 200 .", ">3 GET /a x=1 y=2 .", "<3 200 ."),
			[]string{"GET /a x=1 -> 200 [conflict]", "GET  y=2 -> 200 [gap midstream]"}},
		{"not in step any more", talked(">1 GET /a .", "<1 200", "~<1 :abcdefg", "<ping", "<1 :ab .", "<window"), []string{`GET /a -> 200 ""/2 [after_gap gap midstream]`}},
	})
}

// What may have ended unseen is not waited for for ever, but what goes on is.
func TestDespair(t *testing.T) {
	var got []string
	shard, k := newTalk(h2.Limits{}, &got)
	for _, s := range talked(">1 GET /a .", ">3 GET /b .", ">5 GET /c .", "<5 200", "~<1 200 .", "<window", "<5 :x", ">7 GET /d .") {
		k.step(s)
	}
	k.packet += uint64(30e9)
	k.step("<window")
	if len(got) != 0 {
		t.Errorf("after 30 seconds: %q", got)
	}
	k.packet += uint64(31e9)
	k.step(">ping")
	k.packet += uint64(61e9)
	k.step(">ping")
	if strings.Join(got, "; ") != "GET /a -> - [unpaired]; GET /b -> - [unpaired]" || shard.Stats().Despaired != 2 {
		t.Errorf("after two minutes: %q", got)
		return
	}
	k.step("<3 200 .")
	k.step("<5 :y .")
	k.step("<7 200 .")
	k.shutdown()
	if s := strings.Join(got[2:], "; "); s != `GET /c -> 200 ""/2 [after_gap gap midstream]; GET /d -> 200 [after_gap midstream]` {
		t.Error(s)
	}
}

func TestMidstream(t *testing.T) {
	play(t, false, []playCase{
		{"with its preface", talked(">1 GET /a x=1 .", "<1 200 y=2 .", ">3 GET /a x=1 .", "<3 200 y=2 ."),
			[]string{"GET /a x=1 -> 200 y=2 [midstream]", "GET /a x=1 -> 200 y=2 [midstream]"}},
		{"from a request on", []string{">7 GET /a x=1 .", "<7 200 y=2 .", ">9 GET /b x=1 .", "<9 200 y=2 z=3 ."},
			[]string{"GET /a x=1 -> 200 y=2 [midstream]", "GET /b x=1 -> 200 y=2 z=3 [midstream]"}},
		{"from a response on", []string{"<7 200 y=2 .", ">9 GET /b x=1 .", "<9 200 y=2 z=3 ."},
			[]string{"- -> 200 y=2 [midstream unpaired]", "GET /b x=1 -> 200 y=2 z=3 [midstream]"}},
		{"nobody knows who is who", []string{">ping", "<ping", ">7 +x=1 .", "<7 +y=2 ."}, nil},
		{"something else", []string{">raw 474554202f20485454502f312e310d0a0d0a", "<raw 0000000000000000000000000000", ">7 GET /a .", "<7 200 ."}, []string{"GET /a -> 200 [midstream]"}},
	})
}

// Whatever is missing, nothing is paired wrongly and nothing invented.
func TestGaps(t *testing.T) {
	var steps []string
	steps = append(steps, hello...)
	for i := range 6 {
		id := 2*i + 1
		steps = append(steps, fmt.Sprintf(">%d POST /%d x-id=%d x-shared=0123456789 x-other=%d", id, id, id, i/2), fmt.Sprintf(">%d :body%d .", id, id),
			fmt.Sprintf("<%d 200 x-id=%d x-shared=abcdefghij x-other=%d", id, id, i/3), fmt.Sprintf("<%d :answer%d", id, id), fmt.Sprintf("<%d +x-id=%d .", id, id))
	}
	all := turns(newWire(), steps)
	whole := parser(t, h2.Limits{})
	want := reassemblytest.Splits(t, all, whole)
	if strings.Count(want, "\n") != 5 {
		t.Fatal(want)
	}
	check := func(s reassembly.Start) (reassembly.Parser, func() string) {
		var bad []string
		shard := h2.NewShard(h2.Limits{}, func(x *exchange.Exchange) {
			if s := wrong(x); s != "" {
				bad = append(bad, s)
			}
		})
		return shard.New(&s), func() string {
			if held := shard.Stats().Held; held != 0 {
				bad = append(bad, fmt.Sprintf("%d bytes are still held", held))
			}
			return strings.Join(bad, "\n")
		}
	}
	reassemblytest.Gaps(t, all, check, []int{1, 2, 3, 8, 9, 10, 30, 100, 300}, func(l reassemblytest.Lost, bad string) {
		if bad != "" {
			t.Errorf("%+v: %s", l, bad)
		}
	})
}

// wrong says what an exchange has that was not sent so: in each message what
// has a number has the same one.
func wrong(x *exchange.Exchange) string {
	var numbers []string
	for _, m := range []*exchange.Message{&x.Request, &x.Response} {
		for _, h := range []exchange.Header{m.Header, m.Trailer} {
			h.Each("x-id", func(v string) { numbers = append(numbers, v) })
			h.Each("x-shared", func(v string) {
				if v != "0123456789" && v != "abcdefghij" {
					numbers = append(numbers, v)
				}
			})
		}
	}
	if t := strings.TrimPrefix(x.Request.Target, "/"); t != "" {
		numbers = append(numbers, t)
	}
	for _, n := range numbers {
		if n != numbers[0] {
			return describe(x)
		}
	}
	return ""
}

// dice gives numbers below k, evenly.
func dice(t *rapid.T) func(k int) int {
	return rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)).IntN
}

// Segments that are lost, doubled and mixed take nothing but exchanges: those
// that are paired are paired rightly, and those that are marked with nothing
// are whole.
func TestSegmentsLost(t *testing.T) {
	var paired, clean, unpaired int
	rapid.Check(t, func(t *rapid.T) {
		n := dice(t)
		w := newWire()
		w.split, w.pad = n(3)*20, n(2)*n(30)
		var streams [2][]byte
		var segments []reassembly.Segment
		key := start(true).Key
		send := func(d reassembly.Direction, flags uint8, b []byte) {
			s := reassembly.Segment{Key: key, Dir: d, Flags: flags | reassembly.ACK, Window: 65535, Payload: b, Seq: 1000 + uint32(len(streams[d])), Ack: 1000 + uint32(len(streams[d.Reverse()]))}
			if flags&reassembly.SYN != 0 {
				s.Seq--
				if d == toServer {
					s.Flags &^= reassembly.ACK
				}
			}
			s.Origin.Order = uint64(len(segments) + 1)
			segments = append(segments, s)
			streams[d] = append(streams[d], b...)
		}
		send(toServer, reassembly.SYN, nil)
		send(toClient, reassembly.SYN, nil)
		say := func(step string) {
			d, b := w.bytes(step)
			for len(b) > 0 {
				k := min(len(b), 1+n(100))
				send(d, reassembly.PSH, b[:k])
				b = b[k:]
			}
		}
		for _, s := range hello {
			say(s)
		}
		var open []string // what the servers still say
		last := 1
		for last < 60 || len(open) > 0 {
			if last < 60 && n(2) == 0 {
				id := last
				last += 2
				if n(2) == 0 {
					say(fmt.Sprintf(">%d GET /%d x-id=%d x-shared=0123456789 .", id, id, id))
				} else {
					say(fmt.Sprintf(">%d POST /%d x-id=%d", id, id, id))
					say(fmt.Sprintf(">%d :%s .", id, strings.Repeat("x", 1+n(300))))
				}
				open = append(open, fmt.Sprintf("<%d 200 x-id=%d x-shared=abcdefghij|<%d :%s|<%d +x-id=%d .", id, id, id, strings.Repeat("y", 1+n(300)), id, id))
			} else if len(open) > 0 {
				i := n(len(open))
				step, rest, more := strings.Cut(open[i], "|")
				say(step)
				if open[i] = rest; !more {
					open = append(open[:i], open[i+1:]...)
				}
			}
		}
		send(toServer, reassembly.FIN, nil)
		send(toClient, reassembly.FIN, nil)

		rate := []int{0, 1, 5, 20}[n(4)]
		var got []*exchange.Exchange
		shard := h2.NewShard(h2.Limits{}, func(x *exchange.Exchange) { got = append(got, x.Own()) })
		a := reassembly.New(reassembly.Limits{}, func(s reassembly.Start) reassembly.Parser { return shard.New(&s) })
		for i := range segments {
			if i >= 2 && n(100) < rate {
				continue
			}
			s := segments[i]
			if i > 3 && n(20) == 0 && i+1 < len(segments)-2 { // two change places
				segments[i+1], s = s, segments[i+1]
			}
			a.Segment(&s)
			if n(20) == 0 {
				a.Segment(&s)
			}
		}
		a.Shutdown(reassembly.Origin{Order: uint64(len(segments))})
		if held := shard.Stats().Held; held != 0 {
			t.Fatalf("%d bytes are still held", held)
		}
		for _, x := range got {
			if s := wrong(x); s != "" {
				t.Fatal(s)
			}
			switch {
			case x.Flags&exchange.Unpaired != 0:
				unpaired++
				continue
			case x.Request.Damage|x.Response.Damage == 0:
				clean++
				if x.Request.Header.Get("x-id") == "" || x.Response.Header.Get("x-shared") == "" || x.Response.Trailer.Get("x-id") == "" || x.Response.Body.Length == 0 {
					t.Fatalf("something is missing, and not marked: %s", describe(x))
				}
			}
			paired++
		}
		if rate == 0 && (len(got) != 30 || clean == 0) {
			t.Fatalf("%d exchanges of 30", len(got))
		}
	})
	t.Logf("%d paired, %d of them whole, %d unpaired", paired, clean, unpaired)
	if !t.Failed() && (clean == paired || unpaired == 0) {
		t.Error("nothing was lost")
	}
}
