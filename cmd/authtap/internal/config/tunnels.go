package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/decode"
)

// Tunnels is a list of kinds of tunnels.
type Tunnels []reassembly.Tunnel

// Set adds the named kinds, separated by commas.
func (t *Tunnels) Set(text string) error {
	for name := range strings.SplitSeq(text, ",") {
		kind, ok := reassembly.ParseTunnel(strings.TrimSpace(name))
		if !ok {
			return fmt.Errorf("there is no tunnel %q: it is one of %s", name, tunnelNames())
		}
		*t = append(*t, kind)
	}
	return nil
}

func tunnelNames() string {
	var names []string
	for k := reassembly.Tunnel(1); k < reassembly.TunnelKinds; k++ {
		names = append(names, k.String())
	}
	return strings.Join(names, ", ")
}

// String gives the names, separated by commas.
func (t *Tunnels) String() string {
	var names []string
	for _, k := range *t {
		names = append(names, k.String())
	}
	return strings.Join(names, ",")
}

// Type names the kind of value in the help text.
func (t *Tunnels) Type() string { return "tunnel" }

// TunnelPorts is a list of UDP ports, each with the tunnel that it is for.
type TunnelPorts []decode.Port

// overUDP are the tunnels that have ports.
var overUDP = []reassembly.Tunnel{reassembly.VXLAN, reassembly.Geneve, reassembly.GTPU, reassembly.Teredo}

// Set adds TUNNEL=PORT, or several separated by commas.
func (p *TunnelPorts) Set(text string) error {
	for pair := range strings.SplitSeq(text, ",") {
		name, number, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok {
			return fmt.Errorf("%q is not TUNNEL=PORT", pair)
		}
		kind, _ := reassembly.ParseTunnel(name)
		if !slices.Contains(overUDP, kind) {
			return fmt.Errorf("there is no tunnel %q over UDP: it is one of vxlan, geneve, gtpu, teredo", name)
		}
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%s: %q is not a port", name, number)
		}
		*p = append(*p, decode.Port{Number: uint16(n), Tunnel: kind})
	}
	return nil
}

// String gives the ports in the form of Set.
func (p *TunnelPorts) String() string {
	var pairs []string
	for _, x := range *p {
		pairs = append(pairs, fmt.Sprintf("%v=%d", x.Tunnel, x.Number))
	}
	return strings.Join(pairs, ",")
}

// Type names the kind of value in the help text.
func (p *TunnelPorts) Type() string { return "tunnel=port" }

// Closed are the tunnels that are not to be opened. ERSPAN comes in GRE, which
// is opened with it.
func (s *Settings) Closed() decode.Kinds {
	switch {
	case s.NoDecap:
		return decode.AllKinds
	case len(s.DecapOnly) == 0:
		return 0
	}
	var open decode.Kinds
	for _, k := range s.DecapOnly {
		open = open.With(k)
		if k == reassembly.ERSPAN {
			open = open.With(reassembly.GRE)
		}
	}
	return decode.AllKinds &^ open
}
