package reassemblytest_test

import (
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

func TestTunnelOptions(t *testing.T) {
	for _, c := range []struct{ option, want string }{
		{"in=", `bad option "in="`},
		{"in=wireguard", `"wireguard" is no tunnel`},
		{"in=vxlan/1/2/3", `"vxlan/1/2/3" is no tunnel`},
		{"in=vxlan/16777216", `"16777216" is no id for vxlan`},
		{"in=ipip/1", `"1" is no id for ipip`},
		{"parts=12", `bad option "parts=12"`},
		{"also=5,6", `bad option "also=5,6"`},
	} {
		_, err := reassemblytest.Parse("script", "conn a 10.0.0.9:1000 10.0.0.2:80 "+c.option+"\n", nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.option, err)
		}
	}
	if _, err := reassemblytest.Parse("script", "conn a [::1]:1000 [::2]:80 in=vxlan/5\n", nil); err == nil {
		t.Error("IPv6 in a tunnel for IPv4")
	}
}

// In whatever tunnels, in parts, and captured twice: the conversation is the
// same.
func TestTunnels(t *testing.T) {
	const talk = "\n>> \"hello\"\n<< \"a world of many bytes\"\n>> \"bye\"\nfin\n"
	trace := func(options string, cut int) (string, reassembly.Stats) {
		d, err := reassemblytest.Parse("script", "conn a 10.0.0.9:1000 10.0.0.2:80 "+options+talk, nil)
		if err != nil {
			t.Fatal(err)
		}
		packets := d.Packets()
		if cut > 0 {
			packets = reassemblytest.Split(packets, cut, 1)
		}
		var tr reassemblytest.Trace
		s := reassemblytest.Run(packets, reassembly.Limits{}, tr.New)
		return tr.String(), s
	}
	plain, _ := trace("", 0)
	for _, options := range []string{
		"in=vxlan/5", "in=geneve/5", "in=nvgre/4096", "in=gre/5", "in=gre/5/6", "in=erspan/5/6", "in=ipip", "in=gtpu/5/6", "in=mpls/16/17",
		"in=gtpu/7/8+vxlan/5", "in=mpls/16+vxlan/4+geneve/5+gre/3/4+ipip+erspan/1+gtpu/2",
		"parts=24", "in=vxlan/5 parts=48", "mss=1000 in=gre/1+geneve/5 parts=16",
		"also=6", "vlan=5 also=6", "in=vxlan/5 also=6 parts=32",
	} {
		for _, cut := range []int{0, 5} {
			got, s := trace(options, cut)
			if got != plain {
				t.Errorf("%s: got\n%s\nwant\n%s", options, got, plain)
			}
			if twice := strings.Contains(options, "also"); s.Conversations != 1 || s.Mirrored == 1 != twice || s.Halved == 1 != strings.Contains(options, "gre/5/6") && !strings.Contains(options, "gre/3/4") {
				t.Errorf("%s: %+v", options, s)
			}
		}
	}
}
