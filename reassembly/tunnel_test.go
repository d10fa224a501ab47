package reassembly

import "testing"

func TestTunnels(t *testing.T) {
	var none Tunnels
	if none.String() != "" || none.Depth() != 0 {
		t.Errorf("none is %q, %d deep", none, none.Depth())
	}
	two := none.With(GRE).With(ERSPAN)
	if two.String() != "gre/erspan" || two.Depth() != 2 {
		t.Errorf("%q, %d deep", two, two.Depth())
	}
	all := none
	for range MaxTunnels {
		all = all.With(GTPU)
	}
	if all.Depth() != MaxTunnels || all.String() != "gtpu/gtpu/gtpu/gtpu/gtpu/gtpu/gtpu/gtpu" {
		t.Errorf("%q, %d deep", all, all.Depth())
	}
}

func TestTunnelNames(t *testing.T) {
	if _, ok := ParseTunnel(""); ok {
		t.Error("no name is a kind")
	}
	if _, ok := ParseTunnel("wireguard"); ok {
		t.Error("there is no such kind")
	}
	for k := Tunnel(1); k < TunnelKinds; k++ {
		if got, ok := ParseTunnel(k.String()); !ok || got != k {
			t.Errorf("%d is called %q, which is %d", k, k, got)
		}
	}
	if Tunnel(200).String() != "" {
		t.Error("a number without meaning has a name")
	}
}
