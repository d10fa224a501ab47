package reassembly_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// lasting is a parser that knows whether it has ended.
type lasting struct {
	name  int
	ended int
}

func (l *lasting) Feed(*reassembly.Chunk)                                      {}
func (l *lasting) End(reassembly.Direction, reassembly.End, reassembly.Origin) { l.ended++ }

// Each conversation that had data is told of once, behind the end of both its
// directions, however it ends.
func TestOnClose(t *testing.T) {
	for _, c := range []struct {
		name, script string
		limits       reassembly.Limits
		want         []string
	}{
		{"no data", "conn a 10.0.0.9:1000 10.0.0.2:80\nfin", reassembly.Limits{}, nil},
		{"closed", "conn a 10.0.0.9:1000 10.0.0.2:80\n>> \"x\"\nfin", reassembly.Limits{}, []string{"1 false"}},
		{"reset", "conn a 10.0.0.9:1000 10.0.0.2:80\n>> \"x\"\nrst <", reassembly.Limits{}, []string{"1 false"}},
		{"used again", "conn a 10.0.0.9:1000 10.0.0.2:80\n>> \"x\"\nconn b 10.0.0.9:1000 10.0.0.2:80\n>> \"y\"\nfin", reassembly.Limits{}, []string{"1 false", "2 false"}},
		{"the end of the capture", "conn a 10.0.0.9:1000 10.0.0.2:80\n>> \"x\"", reassembly.Limits{}, []string{"1 false"}},
		{"idle", "conn a 10.0.0.9:1000 10.0.0.2:80\n>> \"x\"\ntime +301s\nconn b 10.0.0.9:1001 10.0.0.2:80\ntime +1s\n>> \"y\"", reassembly.Limits{}, []string{"1 false", "2 false"}},
		{"evicted", "conn a 10.0.0.9:1000 10.0.0.2:80\n>> \"x\"\nconn b 10.0.0.9:1001 10.0.0.2:80\n>> \"y\"", reassembly.Limits{Flows: 1}, []string{"1 false", "2 false"}},
		{"requests only", "nocapture <\nconn a 10.0.0.9:1000 10.0.0.2:80\n>> \"x\"\n<< \"y\"\n>> \"z\"\nfin", reassembly.Limits{}, []string{"1 true"}},
		{"responses only", "nocapture >\nconn a 10.0.0.9:1000 10.0.0.2:80\n>> \"x\"\n<< \"y\"\n>> \"z\"\nfin", reassembly.Limits{}, []string{"1 true"}},
	} {
		d, err := reassemblytest.Parse(c.name, c.script, nil)
		if err != nil {
			t.Fatal(err)
		}
		made := 0
		var got []string
		a := reassembly.New(c.limits, func(reassembly.Start) reassembly.Parser {
			made++
			return &lasting{name: made}
		})
		a.OnClose(func(p reassembly.Parser, oneSided bool) {
			l := p.(*lasting)
			if l.ended != 2 {
				t.Errorf("%s: told of after %d ends", c.name, l.ended)
			}
			got = append(got, fmt.Sprint(l.name, oneSided))
		})
		reassemblytest.Feed(a, d.Packets())
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
