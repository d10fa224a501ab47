package reassembly

import "math/bits"

// Tunnel is a kind of encapsulation below the TCP segment. 0 is none.
type Tunnel uint8

// The kinds.
const (
	MPLS Tunnel = iota + 1
	PPPoE
	GRE
	NVGRE
	ERSPAN
	VXLAN
	Geneve
	IPinIP // IP in its own family, and IPv4 in IPv6
	SixInFour
	Teredo
	GTPU

	// TunnelKinds is one more than the largest kind.
	TunnelKinds = iota + 1
)

var tunnelNames = [TunnelKinds]string{
	MPLS: "mpls", PPPoE: "pppoe", GRE: "gre", NVGRE: "nvgre", ERSPAN: "erspan", VXLAN: "vxlan",
	Geneve: "geneve", IPinIP: "ipip", SixInFour: "6in4", Teredo: "teredo", GTPU: "gtpu",
}

// String gives the kind's name, or "".
func (t Tunnel) String() string {
	if int(t) < len(tunnelNames) {
		return tunnelNames[t]
	}
	return ""
}

// ParseTunnel finds a kind by its name.
func ParseTunnel(name string) (Tunnel, bool) {
	for t := Tunnel(1); t < TunnelKinds; t++ {
		if tunnelNames[t] == name {
			return t, true
		}
	}
	return 0, false
}

// MaxTunnels is how many tunnels may stand in each other.
const MaxTunnels = 8

// Tunnels are the kinds that a segment came in, a byte each: the outermost in
// the lowest one. The zero value is none.
type Tunnels uint64

// Depth is how many there are.
func (t Tunnels) Depth() int { return (bits.Len64(uint64(t)) + 7) / 8 }

// With gives t with another one inside. There must be less than MaxTunnels.
func (t Tunnels) With(inner Tunnel) Tunnels {
	return t | Tunnels(inner)<<(8*t.Depth())
}

// AppendTo appends the names, the outermost first, such as "gre/erspan".
func (t Tunnels) AppendTo(b []byte) []byte {
	for i := 0; t != 0; i++ {
		if i > 0 {
			b = append(b, '/')
		}
		b = append(b, Tunnel(t).String()...)
		t >>= 8
	}
	return b
}

// String gives what AppendTo appends; "" is none.
func (t Tunnels) String() string { return string(t.AppendTo(nil)) }
