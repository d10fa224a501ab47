package http1_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/http1"
)

// successor writes down what it is fed.
type successor struct{ lines *[]string }

func (s successor) Feed(c *reassembly.Chunk) {
	*s.lines = append(*s.lines, fmt.Sprintf("%s%s gap %d", "><"[c.Dir:c.Dir+1], c.Bytes, c.Gap))
}

func (s successor) End(d reassembly.Direction, why reassembly.End, _ reassembly.Origin) {
	*s.lines = append(*s.lines, fmt.Sprintf("]%s %d", "><"[d:d+1], why))
}

// What follows a switch of protocols goes to who was named for it, its end
// too; and who takes the exchange gives it.
func TestSwitch(t *testing.T) {
	ask := ">GET /1 HTTP/1.1\r\nX-Id: 1\r\nUpgrade: a\r\n\r\n"
	answer := func(protocol string) string { return "<HTTP/1.1 101 S\r\nUpgrade: " + protocol + "\r\n\r\n" }
	for _, c := range []struct {
		name  string
		steps []string
		want  []string
	}{
		{"the exchange is left", []string{ask, answer("A") + "rest", ">more", "~<lost", "]>"},
			[]string{"switch GET", `GET /1 X-Id="1" -> 101 [upgraded]`, "<rest gap 0", ">more gap 0", "< gap 4", "]> 0", "]< 5"}},
		{"the exchange is taken", []string{ask, answer("b"), "<more", "reset"}, []string{"switch GET", "<more gap 0", "]> 1", "]< 1"}},
		{"another one waits", []string{ask + get("2"), answer("b")}, []string{"switch GET", `GET /2 X-Id="2" -> - [pipelined unpaired]`, "]> 5", "]< 5"}},
		{"the client ended before", []string{ask, "]>", answer("b")}, []string{"switch GET", "]> 0", "]< 5"}},
		{"to nobody's", []string{ask, answer("c"), "<more"}, []string{`GET /1 X-Id="1" -> 101 [upgraded]`}},
		{"not what was asked", []string{"~>lost", answer("b"), "<more"}, []string{"- -> 101 [unpaired upgraded]"}},
		{"no switch", []string{ask, "<HTTP/1.1 200 S\r\nUpgrade: b\r\nContent-Length: 0\r\n\r\n"}, []string{`GET /1 X-Id="1" -> 200`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			s := http1.NewShard(http1.Limits{}, func(x *exchange.Exchange) { got = append(got, describe(x)) })
			for _, name := range []string{"a", "b"} {
				s.Switch(name, func(_ *reassembly.Start, client reassembly.Direction, x *exchange.Exchange) (reassembly.Parser, bool) {
					if client != toServer || !x.Request.Present || x.Response.Status != 101 {
						t.Error(describe(x))
					}
					got = append(got, "switch "+x.Request.Method)
					return successor{&got}, name == "b"
				})
			}
			k := newTalk(s.New(start(true), nil))
			for _, step := range c.steps {
				k.step(step)
			}
			k.shutdown()
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if st := s.Stats(); st.Held != 0 || strings.Contains(strings.Join(got, ""), "switch") && st.Opaque != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}
