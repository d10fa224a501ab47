package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/decode"
)

func TestTunnelMistakes(t *testing.T) {
	for _, c := range []struct{ file, only, ports, want string }{
		{"", "wireguard", "", `there is no tunnel "wireguard": it is one of mpls, `},
		{"", "gre,", "", `there is no tunnel ""`},
		{"decap-only: [gre, gtp]\n", "", "", `authtap.yaml:1: decap-only: there is no tunnel "gtp"`},
		{"no-decap: true\n", "gre", "", "no-decap: it and decap-only exclude each other"},
		{"", "", "vxlan", `"vxlan" is not TUNNEL=PORT`},
		{"", "", "gre=47", `there is no tunnel "gre" over UDP`},
		{"", "", "vxlan=0", `vxlan: "0" is not a port`},
		{"decap-ports:\n  vxlan: 65536\n", "", "", `authtap.yaml:2: decap-ports: vxlan: "65536" is not a port`},
	} {
		_, err := load(t, c.file, map[string]string{"AUTHTAP_DECAP_ONLY": c.only, "AUTHTAP_DECAP_PORTS": c.ports})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestTunnels(t *testing.T) {
	s, err := load(t, "decap-ports:\n  vxlan: 8472\n  gtpu: 2153\nno-vlan-key: true\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := config.TunnelPorts{{Number: 8472, Tunnel: reassembly.VXLAN}, {Number: 2153, Tunnel: reassembly.GTPU}}
	if !slices.Equal(s.DecapPorts, want) || !s.NoVLANKey || s.Closed() != 0 {
		t.Errorf("%+v", s)
	}
	if got := s.DecapPorts.String(); got != "vxlan=8472,gtpu=2153" {
		t.Error(got)
	}
	for _, c := range []struct {
		args []string
		open []reassembly.Tunnel
	}{
		{[]string{"--no-decap"}, nil},
		{[]string{"--decap-only", "vxlan,mpls", "--decap-only", "geneve"}, []reassembly.Tunnel{reassembly.MPLS, reassembly.VXLAN, reassembly.Geneve}},
		{[]string{"--decap-only", "erspan"}, []reassembly.Tunnel{reassembly.GRE, reassembly.ERSPAN}},
	} {
		s, err := load(t, "", nil, c.args...)
		if err != nil {
			t.Fatal(err)
		}
		closed := s.Closed()
		if closed&^decode.AllKinds != 0 {
			t.Errorf("%q: closed %b", c.args, closed)
		}
		for k := reassembly.Tunnel(1); k < reassembly.TunnelKinds; k++ {
			if closed.Has(k) == slices.Contains(c.open, k) {
				t.Errorf("%q: %v closed: %v", c.args, k, closed.Has(k))
			}
		}
	}
}
