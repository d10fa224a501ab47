// Package decode finds the TCP segment in a captured packet.
//
// Link layers: Ethernet with LLC/SNAP, Linux cooked captures (both versions),
// BSD loopback, raw IP, PPP and HDLC, 802.11 with and without radio headers,
// PPI, FDDI; VLAN tags between them and IP. Then IPv4 with options, IPv6 with
// extension headers, the authentication header, fragments, and TCP.
//
// Tunnels, up to reassembly.MaxTunnels of them in each other: MPLS with and
// without pseudo-wires, PPPoE, GRE (also as NVGRE, ERSPAN, and that of PPTP),
// VXLAN, Geneve, GTP-U, Teredo, IP in IP. A port alone proves none of those
// over UDP: its header must be as its sender has to make it, reserved bits
// included, or the packet is counted as NotTCP.
//
// What separates equal addresses becomes part of the flow's key: the ids of
// the innermost overlay network and of the VLANs in the innermost frame. Never
// what differs by direction: endpoints of tunnels, TEIDs, labels, sessions.
//
// Contract: a Decoder is used by one goroutine. Of a packet it keeps nothing
// but fragments (package fragment, bounded there), and it allocates for those
// alone. A Segment's Payload aliases the packet's bytes or those of the
// datagram that the packet completed, and is valid until the next Decode.
// Every packet is counted under exactly one Reason. No length is believed
// before it is checked, and nothing in a packet makes it panic.
//
// What the snap length cut off is Segment.Cut. Lengths of 0, which offloading
// leaves in packets that the network card was to cut, mean all there is.
//
// It does not verify checksums: on the capturing machine itself they are
// filled in after the capture.
package decode

import (
	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/decode/fragment"
)

// Options say what a Decoder does. The zero value opens every tunnel.
type Options struct {
	// Closed are the tunnels that are not opened.
	Closed Kinds
	// Ports are UDP ports of tunnels besides the registered ones. What comes to
	// one of them is held to the tunnel's header all the same.
	Ports []Port
	// NoVLANKey leaves the ids of VLANs out of the flows' keys.
	NoVLANKey bool
	// Fragments bounds what waits for the rest of its datagram.
	Fragments fragment.Limits
}

// Kinds is a set of tunnels.
type Kinds uint32

// AllKinds is all of them.
const AllKinds Kinds = 1<<reassembly.TunnelKinds - 2

// With gives the set with k in it.
func (s Kinds) With(k reassembly.Tunnel) Kinds { return s | 1<<k }

// Has reports whether k is in the set.
func (s Kinds) Has(k reassembly.Tunnel) bool { return s&(1<<k) != 0 }

// Port is a UDP port of a tunnel: VXLAN, Geneve, GTPU or Teredo.
type Port struct {
	Number uint16
	Tunnel reassembly.Tunnel
}

// Decoder turns packets into segments. Its zero value is ready, with the zero
// Options.
type Decoder struct {
	options   Options
	packets   uint64
	now       capture.Time
	stats     Stats
	fragments fragment.Table
}

// New makes a Decoder.
func New(o Options) *Decoder {
	return &Decoder{options: o, fragments: *fragment.New(o.Fragments)}
}

// Stats counts packets.
type Stats struct {
	// Packets by what became of them; those under Segment were handed on.
	Packets [Reasons]uint64
	// Cut counts the segments that lost payload to the snap length.
	Cut uint64
	// Tunnels by kind, how many were opened.
	Tunnels [reassembly.TunnelKinds]uint64
	// Fragments counts what they came to.
	Fragments fragment.Stats
}

// Stats gives the counts so far.
func (d *Decoder) Stats() Stats {
	s := d.stats
	s.Fragments = d.fragments.Stats()
	return s
}

// Decode fills seg from p and returns Segment, or says why there is none, when
// seg is unspecified but for QUIC. The packet's Origin.Order is its number among
// those that this Decoder was given, from 1.
func (d *Decoder) Decode(p *capture.Packet, seg *reassembly.Segment) Reason {
	d.packets++
	d.now = p.Time
	var w walk // set field by field, which is three times as fast as a literal
	w.decoder, w.rest = d, p.Data
	w.cut = max(0, min(p.Length, capture.MaxPacket)-len(p.Data))
	r := w.run(p.Link, seg)
	d.stats.Packets[r]++
	for t := w.tunnels; t != 0; t >>= 8 {
		d.stats.Tunnels[t&0xff]++
	}
	if r != Segment {
		return r
	}
	if seg.Cut > 0 {
		d.stats.Cut++
	}
	seg.Tunnels = w.tunnels
	seg.Origin = reassembly.Origin{
		Order: d.packets, Number: p.Number, Input: uint32(p.Input), Time: p.Time,
	}
	return Segment
}

// protocol names what comes next: an EtherType, an IP protocol number with
// isIP set, or a frame with isLink set.
type protocol uint32

const (
	isIP   protocol = 1 << 16
	isLink protocol = 1 << 17

	etherIPv4   protocol = 0x0800
	etherIPv6   protocol = 0x86dd
	etherFrame  protocol = 0x6558 // transparent Ethernet bridging
	etherVLAN   protocol = 0x8100 // IEEE 802.1Q
	etherQinQ   protocol = 0x88a8 // IEEE 802.1ad
	etherOldQ   protocol = 0x9100 // QinQ before 802.1ad
	etherMPLS   protocol = 0x8847 // RFC 3032
	etherMPLSm  protocol = 0x8848
	etherPPPoE  protocol = 0x8864 // RFC 2516, session
	etherMACsec protocol = 0x88e5
	anyIP       protocol = 0xffff // a reserved EtherType: IPv4 or IPv6, as its first bits say

	linkPPP  = isLink | 1
	linkLLC  = isLink | 2
	linkWLAN = isLink | 3

	ipHopByHop    = isIP
	ipIPv4        = isIP | 4
	ipTCP         = isIP | 6
	ipUDP         = isIP | 17
	ipIPv6        = isIP | 41
	ipRouting     = isIP | 43
	ipFragment    = isIP | 44
	ipGRE         = isIP | 47
	ipESP         = isIP | 50
	ipAH          = isIP | 51
	ipDestination = isIP | 60
)

// maxLayers bounds the headers that are followed in one packet, tags and
// extension headers included.
const maxLayers = 64

// walk is a place between two headers of a packet.
type walk struct {
	rest    []byte // captured bytes from here to the end of the enclosing datagram
	cut     int    // bytes of that datagram which come after rest, but were not captured
	tags    int    // VLAN tags so far
	decoder *Decoder
	net     *reassembly.Network
	tunnels reassembly.Tunnels
	// Addresses of the innermost IP header, in halves.
	srcHi, srcLo, dstHi, dstLo uint64
}

// run goes from header to header until a segment is found or cannot be. A
// header's function consumes it and names what follows; a tunnel is one case
// more.
func (w *walk) run(link capture.LinkType, seg *reassembly.Segment) Reason {
	w.net = &seg.Key.Net
	*w.net = reassembly.Network{}
	next, r := w.link(link)
	for range maxLayers {
		if r != Segment {
			return r
		}
		switch next {
		case ipTCP:
			return w.tcp(seg)
		case etherIPv4:
			next, r = w.ipv4()
		case etherIPv6:
			next, r = w.ipv6()
		case anyIP:
			next, r = w.version()
		case etherVLAN, etherQinQ, etherOldQ:
			next, r = w.vlan()
		case ipHopByHop, ipRouting, ipDestination, ipFragment, ipAH:
			next, r = w.extension(next)
		case ipUDP:
			next, r = w.udp(seg)
		case etherFrame:
			next, r = w.inner()
		case ipIPv4, ipIPv6:
			next, r = w.ipInIP(next)
		case ipGRE:
			next, r = w.gre()
		case etherMPLS, etherMPLSm:
			next, r = w.mpls()
		case etherPPPoE:
			next, r = w.pppoe()
		case linkPPP:
			next, r = w.ppp()
		case linkLLC:
			next, r = w.llc()
		case linkWLAN:
			next, r = w.wlan()
		case etherMACsec:
			return MACsec
		case ipESP:
			return ESP
		default:
			if next&isIP != 0 {
				return NotTCP
			}
			return NotIP
		}
	}
	return TooDeep
}

// open notes that a tunnel begins here, or says why it is not opened.
func (w *walk) open(kind reassembly.Tunnel) Reason {
	if w.decoder.options.Closed.Has(kind) {
		return NotOpened
	}
	if w.tunnels.Depth() == reassembly.MaxTunnels {
		return TooDeep
	}
	w.tunnels = w.tunnels.With(kind)
	return Segment
}

// overlay is open for a tunnel with a network of its own.
func (w *walk) overlay(kind reassembly.Tunnel, id uint32) Reason {
	w.net.Kind, w.net.ID = uint8(kind), id
	return w.open(kind)
}
