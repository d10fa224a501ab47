package main

import (
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/decode"
)

func TestTunnelsAreCounted(t *testing.T) {
	var c counts
	var s decode.Stats
	c.tunnels(&s)
	if len(c.lines) != 0 {
		t.Errorf("nothing was opened: %q", c.lines)
	}
	s.Tunnels[reassembly.GRE], s.Tunnels[reassembly.ERSPAN] = 3, 2
	s.Fragments.Fragments, s.Fragments.Whole, s.Fragments.Reused = 7, 2, 1
	c.tunnels(&s)
	want := "5 tunnels opened in packets: 3 gre, 2 erspan\n7 fragments, of 2 whole datagrams\n1 datagrams of which fragments are missing"
	if got := strings.Join(c.lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// The hint is given where many are split, and a tenth of those that could be.
func TestSplitHint(t *testing.T) {
	for _, tt := range []struct {
		split, oneSided uint64
		want            bool
	}{{9, 9, false}, {10, 10, true}, {10, 200, false}, {20, 200, true}} {
		var c counts
		c.networks(&reassembly.Stats{Split: tt.split, OneSided: tt.oneSided})
		if got := len(c.lines) == 1 && strings.Contains(c.lines[0], "--no-vlan-key"); got != tt.want {
			t.Errorf("%d of %d: %q", tt.split, tt.oneSided, c.lines)
		}
	}
}
