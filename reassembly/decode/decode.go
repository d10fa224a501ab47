// Package decode finds the TCP segment in a captured packet.
//
// Link layers: Ethernet with LLC/SNAP, Linux cooked captures (both versions),
// BSD loopback, raw IP; VLAN tags between them and IP, the two outermost ids
// of which become part of the flow's key. Then IPv4 with options, IPv6 with
// extension headers, the authentication header, and TCP.
//
// Contract: a Decoder is used by one goroutine, allocates nothing and keeps
// nothing of a packet; a Segment's Payload aliases the packet's bytes. Every
// packet is counted under exactly one Reason. No length is believed before it
// is checked, and nothing in a packet makes it panic.
//
// What the snap length cut off is Segment.Cut. Lengths of 0, which offloading
// leaves in packets that the network card was to cut, mean all there is.
//
// It does not verify checksums: on the capturing machine itself they are
// filled in after the capture. It does not open tunnels and does not put
// fragments together; they are counted by name.
package decode

import (
	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
)

// Decoder turns packets into segments. Its zero value is ready.
type Decoder struct {
	packets uint64
	stats   Stats
}

// Stats counts packets.
type Stats struct {
	// Packets by what became of them; those under Segment were handed on.
	Packets [Reasons]uint64
	// Cut counts the segments that lost payload to the snap length.
	Cut uint64
}

// Stats gives the counts so far.
func (d *Decoder) Stats() Stats { return d.stats }

// Decode fills seg from p and returns Segment, or says why there is none, when
// seg is unspecified but for QUIC. The packet's Origin.Order is its number among those that
// this Decoder was given, from 1.
func (d *Decoder) Decode(p *capture.Packet, seg *reassembly.Segment) Reason {
	d.packets++
	w := walk{rest: p.Data, cut: max(0, min(p.Length, capture.MaxPacket)-len(p.Data))}
	r := w.run(p.Link, seg)
	d.stats.Packets[r]++
	if r != Segment {
		return r
	}
	if seg.Cut > 0 {
		d.stats.Cut++
	}
	seg.Origin = reassembly.Origin{
		Order: d.packets, Number: p.Number, Input: uint32(p.Input), Time: p.Time,
	}
	return Segment
}

// protocol names what comes next: an EtherType, or an IP protocol number with
// isIP set.
type protocol uint32

const (
	isIP protocol = 1 << 16

	etherIPv4   protocol = 0x0800
	etherIPv6   protocol = 0x86dd
	etherVLAN   protocol = 0x8100 // IEEE 802.1Q
	etherQinQ   protocol = 0x88a8 // IEEE 802.1ad
	etherOldQ   protocol = 0x9100 // QinQ before 802.1ad
	etherMPLS   protocol = 0x8847 // RFC 3032
	etherMPLSm  protocol = 0x8848
	etherPPPoED protocol = 0x8863 // RFC 2516, discovery
	etherPPPoE  protocol = 0x8864
	etherMACsec protocol = 0x88e5
	anyIP       protocol = 0xffff // a reserved EtherType: IPv4 or IPv6, as its first bits say

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

// maxLayers bounds the headers that are followed in one packet: tags and
// extension headers; tunnels will count, too.
const maxLayers = 24

// walk is a place between two headers of a packet.
type walk struct {
	rest []byte // captured bytes from here to the end of the enclosing datagram
	cut  int    // bytes of that datagram which come after rest, but were not captured
	tags int    // VLAN tags so far
	net  *reassembly.Network
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
		case etherMPLS, etherMPLSm:
			return MPLS
		case etherPPPoE, etherPPPoED:
			return PPPoE
		case etherMACsec:
			return MACsec
		case ipIPv4, ipIPv6:
			return IPinIP
		case ipGRE:
			return GRE
		case ipESP:
			return ESP
		case ipUDP:
			return w.udp(seg)
		default:
			if next&isIP != 0 {
				return NotTCP
			}
			return NotIP
		}
	}
	return TooDeep
}
