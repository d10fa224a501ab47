package http2_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	h2 "github.com/authtap/authtap/reassembly/http2"
)

// Each limit is met, counted, and what is beyond it marked.
func TestLimits(t *testing.T) {
	long := strings.Repeat("x", 200)
	repeat := func(n int, f func(i int) string) (s []string) {
		for i := range n {
			s = append(s, f(i))
		}
		return s
	}
	for _, c := range []struct {
		name   string
		limits h2.Limits
		split  int
		steps  []string
		want   []string
		count  func(h2.Stats) uint64
	}{
		{"HeaderBytes, of a block in pieces", h2.Limits{HeaderBytes: 150}, 100, []string{">1 GET /a x!1 y!" + long + " z=1 .", "<1 200 .", ">3 GET /b z=1 .", "<3 200 ."},
			[]string{"GET /a x=1 -> 200 [truncated]", "GET /b -> 200 [gap]"}, func(s h2.Stats) uint64 { return s.HeadsOver }},
		{"HeaderBytes, of one frame", h2.Limits{HeaderBytes: 50}, 0, []string{">1 GET /a x!1 y!" + strings.Repeat(long, 4) + " .", "<1 200 ."},
			[]string{"GET /a x=1 -> 200 [truncated]"}, func(s h2.Stats) uint64 { return min(1, s.HeadsOver+s.FieldsOver) }},
		{"HeaderBytes, of what a block stands for", h2.Limits{HeaderBytes: 500}, 0, []string{">1 GET /a x=" + long + " .", "<1 200 .", ">3 GET /a x=" + long + " x=" + long + " x=" + long + " ."},
			[]string{"GET /a x=" + long + " -> 200", "GET /a x=" + long + " x=" + long + " -> - [truncated unpaired]"}, func(s h2.Stats) uint64 { return s.FieldsOver }},
		{"HeaderLines", h2.Limits{HeaderLines: 5}, 0, []string{">1 GET /a a=1 b=1 c=1 d=1 .", "<1 200 ."},
			[]string{"GET /a a=1 b=1 -> 200 [truncated]"}, func(s h2.Stats) uint64 { return s.FieldsOver }},
		{"Continuations", h2.Limits{Continuations: 3}, 5, []string{">1 GET /a a!1 b!" + long + " .", "<1 200 ."},
			[]string{"GET /a a=1 -> 200 [truncated]"}, func(s h2.Stats) uint64 { return s.HeadsOver }},
		{"TableBytes", h2.Limits{TableBytes: 100}, 0, []string{">1 GET /a a=1 b=1 c=1 d=1 .", "<1 200 .", ">3 GET /a a=1 d=1 .", "<3 200 ."},
			[]string{"GET /a a=1 b=1 c=1 d=1 -> 200", "GET  d=1 -> 200 [gap]"}, func(s h2.Stats) uint64 { return s.FieldsUnknown / 2 }},
		{"Settings", h2.Limits{Settings: 2}, 0, append(repeat(3, func(i int) string { return "<table 100" }), ">1 GET /a .", "<1 200 ."),
			[]string{"GET /a -> 200"}, func(s h2.Stats) uint64 { return s.SettingsOver }},
		{"Streams", h2.Limits{Streams: 2}, 0, []string{">1 GET /a .", ">3 GET /b .", "<1 200", ">5 GET /c .", "<5 200 .", "<3 200 .", "<1 :abc ."},
			[]string{"GET /a -> 200 [truncated]", "GET /c -> 200", "GET /b -> 200"}, func(s h2.Stats) uint64 { return s.StreamsOver }},
		{"a server that is not seen", h2.Limits{}, 0, append([]string{">hello"}, repeat(66, func(i int) string { return fmt.Sprintf(">%d GET /%d .", 2*i+1, i) })...),
			repeat(66, func(i int) string { return fmt.Sprintf("GET /%d -> - [unpaired]", i) }), func(s h2.Stats) uint64 { return s.StreamsOver / 2 }},
		{"BodyBytes", h2.Limits{BodyBytes: 4}, 0, []string{">1 POST /a", ">1 :abc", ">1 :def", ">1 :ghi .", "<1 200 ."},
			[]string{`POST /a "abcd"/9 -> 200`}, func(s h2.Stats) uint64 { return s.Clipped }},
		{"EncodedBytes", h2.Limits{EncodedBytes: 4}, 0, []string{">1 GET /a .", "<1 200 content-encoding=gzip", "<1 :abcdef ."},
			[]string{`GET /a -> 200 content-encoding=gzip "abcd"/6 [undecoded]`}, func(s h2.Stats) uint64 { return s.EncodedOver }},
		{"HeldBytes, a stream", h2.Limits{HeldBytes: 1000}, 0, []string{">1 POST /a", ">3 POST /b", ">5 POST /c", "<5 200 ."},
			[]string{"POST /a -> - [truncated unpaired]", "POST /b -> - [truncated unpaired]", "POST /c -> 200 [truncated]"}, func(s h2.Stats) uint64 { return s.StreamsRefused / 2 }},
		{"HeldBytes, a body", h2.Limits{HeldBytes: 3000}, 0, []string{">1 POST /a", ">3 POST /b", ">3 :abc .", "<3 200 .", ">1 : .", "<1 200 ."},
			[]string{`POST /b ""/3 -> 200`, "POST /a -> 200"}, func(s h2.Stats) uint64 { return s.Refused }},
		{"HeldBytes, a table", h2.Limits{HeldBytes: 60}, 0, []string{">1 GET /a x=1 .", "<1 200 .", ">3 GET /a x=1 .", "<3 200 ."},
			[]string{"GET /a x=1 -> 200", "GET  -> 200 [gap]"}, func(s h2.Stats) uint64 { return min(1, s.TablesRefused) }},
		{"HeldBytes, a block in pieces", h2.Limits{HeldBytes: 700}, 10, []string{">1 POST /a", ">3 GET /b x!" + long + " .", "<1 200 ."},
			[]string{"POST /a -> - [truncated unpaired]", "GET /b -> - [truncated unpaired]"}, func(s h2.Stats) uint64 { return min(1, s.HeadsRefused) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			shard, k := newTalk(c.limits, &got)
			k.split = c.split
			if c.steps[0] != ">hello" {
				c.steps = talked(c.steps...)
			}
			for _, s := range c.steps {
				k.step(s)
			}
			k.shutdown()
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if st := shard.Stats(); c.count(st) != 1 || st.Held != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// Floods of any kind leave nothing behind.
func TestFloods(t *testing.T) {
	for name, step := range map[string]func(i int) string{
		"requests that are reset": func(i int) string { return fmt.Sprintf(">%d GET /a%d x=%d .|>%d reset", 2*i+1, i, i, 2*i+1) },
		"streams":                 func(i int) string { return fmt.Sprintf(">%d POST /a x=%d", 2*i+1, i) },
		"promises":                func(i int) string { return fmt.Sprintf("<1 promise %d GET /p%d", 2*i+2, i) },
		"responses":               func(i int) string { return fmt.Sprintf("<%d 200 x=%d", 2*i+1, i) },
		"settings":                func(i int) string { return ">table 4096" },
		"acknowledgements":        func(i int) string { return ">ack" },
		"pings":                   func(i int) string { return ">ping" },
		"empty data":              func(i int) string { return ">1 :" },
		"windows":                 func(i int) string { return "<window" },
		"interim responses":       func(i int) string { return "<1 103 x=y" },
		"trailers":                func(i int) string { return "<1 +x=1" },
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			limits := h2.Limits{Streams: 50, HeldBytes: 200 << 10}
			shard, k := newTalk(limits, &got)
			for _, s := range talked(">1 POST /a", "<1 200") {
				k.step(s)
			}
			for i := range 5000 {
				for s := range strings.SplitSeq(step(i+1), "|") {
					k.step(s)
				}
				if held := shard.Stats().Held; held > limits.HeldBytes+64<<10 {
					t.Fatalf("%d bytes are held after %d steps", held, i)
				}
			}
			k.shutdown()
			if held := shard.Stats().Held; held != 0 {
				t.Errorf("%d bytes are still held", held)
			}
		})
	}
}
