package pipeline_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/pipeline"
	"github.com/authtap/authtap/reassembly/exchange"
)

// Shards and correlator change at the same packet, and nothing is lost by it.
func TestChange(t *testing.T) {
	var packets []capture.Packet
	for i := range 400 {
		packets = append(packets, capture.Packet{Time: 1e12 + capture.Time(i)*1e8, Data: tcp(uint16(i%37), 1+i%2*2)})
	}
	without, _, err := run(packets, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, shards := range []int{1, 2, 5} {
		asked := 0
		lines, stats, err := run(packets, shards, func(o *pipeline.Options[string]) {
			plain := o.NewInspect
			o.NewInspect = func() pipeline.Inspect[string] {
				inspect, by := plain().Exchange, "old"
				return pipeline.Inspect[string]{
					Exchange: func(x *exchange.Exchange) string { return by + " " + inspect(x) },
					Change:   func(to any) { by = *to.(*string) },
				}
			}
			take, by := o.Take, "old"
			o.Take = func(s string) {
				if !strings.HasPrefix(s, by+" ") {
					t.Errorf("%s, when the correlator's is %s", s, by)
				}
				take(s)
			}
			o.Change = func() any {
				if asked++; asked == 7 {
					to := "new"
					return &to
				}
				return nil
			}
			o.Changed = func(to any) { by = *to.(*string) }
		})
		if err != nil || stats.Source.Packets != 400 {
			t.Errorf("%d packets, %v", stats.Source.Packets, err)
		}
		old := 0
		for i, l := range lines {
			if strings.HasPrefix(l, "old ") {
				old++
			}
			lines[i] = strings.TrimPrefix(strings.TrimPrefix(l, "old "), "new ")
		}
		if old == 0 || old > 150 || !slices.Equal(lines, without) {
			t.Errorf("%d shards: %d by the old, the same lines as without a change: %v", shards, old, slices.Equal(lines, without))
		}
	}
}
