package decode_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/decode"
)

func u16(v ...uint16) []byte {
	var b []byte
	for _, x := range v {
		b = binary.BigEndian.AppendUint16(b, x)
	}
	return b
}

// ip4 and ip6 put a payload behind an IP header, udp behind a UDP header in
// IPv4.
func ip4(protocol byte, payload ...[]byte) []byte {
	p := join(payload...)
	b := make([]byte, 20)
	b[0], b[9] = 0x45, protocol
	copy(b[12:], []byte{172, 16, 0, 1, 172, 16, 0, 2})
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(p)))
	return append(b, p...)
}

func ip6(next byte, payload ...[]byte) []byte {
	p := join(payload...)
	b := make([]byte, 40)
	b[0], b[6], b[8], b[24] = 0x60, next, 0xfd, 0xfd
	binary.BigEndian.PutUint16(b[4:], uint16(len(p)))
	return append(b, p...)
}

func udp(to uint16, payload ...[]byte) []byte {
	p := join(payload...)
	return ip4(17, u16(54321, to, uint16(8+len(p)), 0), p)
}

func vxlan(vni byte, frame []byte) []byte { return udp(4789, []byte{8, 0, 0, 0, 0, 0, vni, 0}, frame) }

func gtpu(flags byte, rest ...[]byte) []byte {
	p := join(rest...)
	return udp(2152, []byte{flags, 255}, u16(uint16(len(p))), []byte{0, 0, 0, 9}, p)
}

// A tunnelled packet, and what is to be found in it.
type tunnelled struct {
	name    string
	link    capture.LinkType
	data    []byte
	tunnels string
	net     reassembly.Network
}

func network(kind reassembly.Tunnel, id uint32, vlan ...uint16) reassembly.Network {
	n := reassembly.Network{ID: id, Kind: uint8(kind)}
	for i, v := range vlan {
		n.VLAN[i] = v + 1
	}
	return n
}

// tunnels are packets in each kind of tunnel, right in every byte.
func tunnels(t testing.TB) []tunnelled {
	v4, v6 := datagrams(t)
	frame, tagged := ether(0x0800, v4), ether(0x8100, join(tag(7, 0x86dd), v6))
	raw, eth, none := capture.LinkRaw, capture.LinkEthernet, reassembly.Network{}
	teredo := join(v6)
	copy(teredo[8:], []byte{0x20, 1, 0, 0})
	wlan := func(flags byte) []byte { return join([]byte{0x08, flags}, make([]byte, 22)) }
	snap := []byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}
	erspan3 := []byte{0x20, 0, 0, 5, 1, 2, 3, 4, 0, 0, 0, 0}
	pppoe := func(p ...byte) []byte {
		return ether(0x8864, join([]byte{0x11, 0, 0, 9}, u16(uint16(len(p)+len(v4))), p, v4))
	}
	all := []tunnelled{
		{"MPLS", eth, ether(0x8847, join([]byte{0, 1, 0, 64, 0, 2, 1, 64}, v4)), "mpls", none},
		{"MPLS, multicast, IPv6", eth, ether(0x8848, join([]byte{0, 2, 1, 64}, v6)), "mpls", none},
		{"MPLS in a VLAN", eth, ether(0x8100, join(tag(5, 0x8847), []byte{0, 2, 1, 64}, v4)), "mpls", network(0, 0, 5)},
		{"pseudo-wire", eth, ether(0x8847, join([]byte{0, 2, 1, 64}, frame)), "mpls", none},
		{"pseudo-wire, a MAC address that begins with 4", eth, ether(0x8847, join([]byte{0, 2, 1, 64}, with(frame, 0, 0x45))), "mpls", none},
		{"pseudo-wire, a MAC address that begins with 6", eth, ether(0x8847, join([]byte{0, 2, 1, 64}, with(tagged, 0, 0x60))), "mpls", network(0, 0, 7)},
		{"pseudo-wire with control word in a VLAN", eth, ether(0x8100, join(tag(5, 0x8847), []byte{0, 2, 1, 64, 0, 0, 0, 1}, tagged)), "mpls", network(0, 0, 7)},
		{"pseudo-wire, SNAP", eth, ether(0x8847, join([]byte{0, 2, 1, 64}, ether(uint16(8+len(v4)), join(snap, v4)))), "mpls", none},
		{"PPPoE", eth, pppoe(0, 0x21), "pppoe", none},
		{"PPPoE, short protocol", eth, pppoe(0x21), "pppoe", none},
		{"PPPoE, IPv6", eth, ether(0x8864, join([]byte{0x11, 0, 0, 9}, u16(uint16(2+len(v6)), 0x57), v6)), "pppoe", none},
		{"PPPoE, MPLS", capture.LinkPPPEther, join([]byte{0x11, 0, 0, 9}, u16(uint16(6+len(v4)), 0x281), []byte{0, 2, 1, 64}, v4), "pppoe/mpls", none},
		{"GRE", raw, ip4(47, u16(0, 0x0800), v4), "gre", none},
		{"GRE, IPv6 in IPv6", raw, ip6(47, u16(0, 0x86dd), v6), "gre", none},
		{"GRE, checksum, key, sequence", raw, ip4(47, u16(0xb000, 0x0800, 1, 2, 0, 77, 0, 3), v4), "gre", network(reassembly.GRE, 77)},
		{"GRE, MPLS", raw, ip4(47, u16(0, 0x8847), []byte{0, 2, 1, 64}, v4), "gre/mpls", none},
		{"GRE, Ethernet", raw, ip4(47, u16(0, 0x6558), tagged), "gre", network(0, 0, 7)},
		{"GRE, Ethernet with a key", raw, ip4(47, u16(0x2000, 0x6558, 0, 77), frame), "gre", network(reassembly.GRE, 77)},
		{"NVGRE", raw, ip4(47, u16(0x2000, 0x6558, 0x0123, 0x4599), tagged), "nvgre", network(reassembly.NVGRE, 0x12345, 7)},
		{"GRE, PPP", raw, ip4(47, u16(0, 0x880b, 0xff03, 0x21), v4), "gre", none},
		{"PPTP", raw, ip4(47, u16(0x3081, 0x880b, uint16(2+len(v4)), 1, 0, 2, 0, 3, 0x21), v4), "gre", none},
		{"PPTP with padding", raw, ip4(47, u16(0x3001, 0x880b, uint16(2+len(v4)), 1, 0, 2, 0x21), v4, []byte{9, 9}), "gre", none},
		{"GRE, 802.11", raw, ip4(47, u16(0, 0x8200), wlan(1), snap, v4), "gre", none},
		{"ERSPAN I", raw, ip4(47, u16(0, 0x88be), tagged), "gre/erspan", network(0, 0, 7)},
		{"ERSPAN II in a VLAN", eth, ether(0x8100, join(tag(5, 0x0800), ip4(47, u16(0x1000, 0x88be, 0, 1, 0x1007, 1, 0, 0), frame))), "gre/erspan", none},
		{"ERSPAN III", raw, ip4(47, u16(0x1000, 0x22eb, 0, 1), erspan3, frame), "gre/erspan", none},
		{"ERSPAN III, subheader", raw, ip4(47, u16(0x1000, 0x22eb, 0, 1), with(erspan3, 11, 1), make([]byte, 8), frame), "gre/erspan", none},
		{"ERSPAN III, IP", raw, ip4(47, u16(0x1000, 0x22eb, 0, 1), with(erspan3, 10, 8), v6), "gre/erspan", none},
		{"VXLAN", raw, vxlan(77, tagged), "vxlan", network(reassembly.VXLAN, 77, 7)},
		{"VXLAN in a VLAN", eth, ether(0x8100, join(tag(5, 0x0800), vxlan(77, frame))), "vxlan", network(reassembly.VXLAN, 77)},
		{"VXLAN, group", raw, udp(4789, []byte{0x88, 0x48, 1, 2, 0, 0, 77, 0}, frame), "vxlan", network(reassembly.VXLAN, 77)},
		{"VXLAN, no length", raw, with(vxlan(77, frame), 24, 0, 0), "vxlan", network(reassembly.VXLAN, 77)},
		{"VXLAN-GPE, IPv4", raw, udp(4790, []byte{0x0c, 0, 0, 1, 0, 0, 77, 0}, v4), "vxlan", network(reassembly.VXLAN, 77)},
		{"VXLAN-GPE, IPv6", raw, udp(4790, []byte{0x0c, 0, 0, 2, 0, 0, 77, 0}, v6), "vxlan", network(reassembly.VXLAN, 77)},
		{"VXLAN-GPE, Ethernet", raw, udp(4790, []byte{0x0e, 0, 0, 3, 0, 0, 77, 0}, frame), "vxlan", network(reassembly.VXLAN, 77)},
		{"VXLAN-GPE, MPLS", raw, udp(4790, []byte{0x0c, 0, 0, 5, 0, 0, 77, 0, 0, 2, 1, 64}, v4), "vxlan/mpls", network(reassembly.VXLAN, 77)},
		{"Geneve", raw, udp(6081, []byte{0, 0, 0x65, 0x58, 0, 0, 77, 0}, frame), "geneve", network(reassembly.Geneve, 77)},
		{"Geneve, options", raw, udp(6081, []byte{3, 0x40, 8, 0, 0, 0, 77, 0, 1, 8, 1, 1, 0, 0, 0, 1, 1, 8, 0x82, 0}, v4), "geneve", network(reassembly.Geneve, 77)},
		{"VXLAN in Geneve", raw, udp(6081, []byte{0, 0, 0x65, 0x58, 0, 0, 1, 0}, ether(0x0800, vxlan(77, frame))), "geneve/vxlan", network(reassembly.VXLAN, 77)},
		{"IP in IP in VXLAN", raw, vxlan(77, ether(0x0800, ip4(4, v4))), "vxlan/ipip", network(reassembly.VXLAN, 77)},
		{"GTP-U", raw, gtpu(0x30, v4), "gtpu", none},
		{"GTP-U, sequence number", raw, gtpu(0x32, []byte{0, 1, 0, 0}, v6), "gtpu", none},
		{"GTP-U, extensions", raw, gtpu(0x34, []byte{0, 1, 0, 0x85, 1, 0, 9, 0x40, 2, 0, 0, 0, 0, 0, 0, 0}, v4), "gtpu", none},
		{"IPv4 in IPv4 in a VLAN", eth, ether(0x8100, join(tag(5, 0x0800), ip4(4, v4))), "ipip", network(0, 0, 5)},
		{"IPv4 in IPv6", raw, ip6(4, v4), "ipip", none},
		{"IPv6 in IPv6", raw, ip6(41, v6), "ipip", none},
		{"6in4", raw, ip4(41, v6), "6in4", none},
		{"Teredo", raw, udp(3544, teredo), "teredo", none},
		{"Teredo from the server", raw, with(udp(5000, teredo), 20, 0x0d, 0xd8), "teredo", none},
		{"Teredo, indications", raw, udp(3544, []byte{0, 1, 2, 1, 'i', 'd', 'a', 1, 2, 3, 4, 5, 6, 7, 8, 0}, []byte{0, 0, 1, 2, 3, 4, 5, 6}, teredo), "teredo", none},
		{"PPP", capture.LinkPPP, join([]byte{0xff, 3, 0, 0x21}, v4), "", none},
		{"PPP, bare", capture.LinkPPPSerial, join([]byte{0x57}, v6), "", none},
		{"PPP, direction", capture.LinkPPPDirection, join([]byte{1, 0xff, 3, 0, 0x21}, v4), "", none},
		{"HDLC", capture.LinkHDLC, join([]byte{0x0f, 0, 8, 0}, v4), "", none},
		{"FDDI", capture.LinkFDDI, join(make([]byte, 13), snap, v4), "", none},
		{"LLC, IP", eth, ether(uint16(3+len(v4)), join([]byte{6, 6, 3}, v4)), "", none},
		{"802.11", capture.LinkWLAN, join(wlan(1), snap, v4), "", none},
		{"802.11, four addresses, QoS, control", capture.LinkWLAN, join([]byte{0x88, 0x83}, make([]byte, 34), snap, v4), "", none},
		{"radiotap", capture.LinkRadiotap, join([]byte{0, 0, 8, 0, 0, 0, 0, 0}, wlan(2), snap, v4, []byte{1, 2, 3, 4}), "", none},
		{"radiotap, time, flags, padding", capture.LinkRadiotap, join(
			[]byte{0, 0, 25, 0, 3, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 8), []byte{0x20}, []byte{0x88, 1}, make([]byte, 24), []byte{0, 0}, snap, v4), "", none},
		{"radiotap, flags without padding", capture.LinkRadiotap, join([]byte{0, 0, 9, 0, 2, 0, 0, 0, 0x10}, wlan(2), snap, v4), "", none},
		{"Prism", capture.LinkPrism, join([]byte{0x44, 0, 0, 0}, make([]byte, 140), wlan(2), snap, v4), "", none},
		{"AVS", capture.LinkAVS, join([]byte{0x80, 0x21, 0x10, 1, 0, 0, 0, 64}, make([]byte, 56), wlan(2), snap, v4), "", none},
		{"AVS in the place of Prism", capture.LinkPrism, join([]byte{0x80, 0x21, 0x10, 2, 0, 0, 0, 12, 0, 0, 0, 0}, wlan(2), snap, v4), "", none},
		{"PPI", capture.LinkPPI, join([]byte{0, 0, 12, 0, 1, 0, 0, 0, 1, 2, 3, 4}, frame), "", none},
		{"PPI, 802.11", capture.LinkPPI, join([]byte{0, 0, 8, 0, 105, 0, 0, 0}, wlan(2), snap, v4), "", none},
	}
	// As many as may be, VXLAN in the middle: its network is kept.
	deep := v4
	for range 3 {
		deep = ip4(4, deep)
	}
	deep = vxlan(77, ether(0x0800, deep))
	for range 4 {
		deep = ip4(4, deep)
	}
	return append(all, tunnelled{"eight", raw, deep, "ipip/ipip/ipip/ipip/vxlan/ipip/ipip/ipip", network(reassembly.VXLAN, 77)})
}

func (c *tunnelled) packet() *capture.Packet {
	return &capture.Packet{Data: c.data, Length: len(c.data), Link: c.link}
}

func TestTunnels(t *testing.T) {
	for _, c := range tunnels(t) {
		t.Run(c.name, func(t *testing.T) {
			var d decode.Decoder
			var seg reassembly.Segment
			if r := d.Decode(c.packet(), &seg); r != decode.Segment {
				t.Fatal(r)
			}
			if string(seg.Payload) != body || seg.Cut != 0 {
				t.Errorf("payload %q, %d bytes cut", seg.Payload, seg.Cut)
			}
			if seg.Key.Sender(seg.Dir).Port() != 1000 || seg.Key.Receiver(seg.Dir).Port() != 80 {
				t.Errorf("from %v to %v", seg.Key.Sender(seg.Dir), seg.Key.Receiver(seg.Dir))
			}
			if got := seg.Tunnels.String(); got != c.tunnels {
				t.Errorf("came in %q, want %q", got, c.tunnels)
			}
			if seg.Key.Net != c.net {
				t.Errorf("network %+v, want %+v", seg.Key.Net, c.net)
			}
			counted := d.Stats().Tunnels
			for t := seg.Tunnels; t != 0; t >>= 8 {
				counted[t&0xff]--
			}
			if counted != ([reassembly.TunnelKinds]uint64{}) {
				t.Errorf("counted %v", d.Stats().Tunnels)
			}
		})
	}
}

// Whatever is cut off the end, the payload that is found is there, and what is
// missing of it is known.
func TestTunnelsCut(t *testing.T) {
	for _, c := range tunnels(t) {
		at := strings.Index(string(c.data), body)
		found := 0
		for n := range c.data {
			for _, length := range []int{len(c.data), n} {
				var d decode.Decoder
				var seg reassembly.Segment
				r := d.Decode(&capture.Packet{Data: c.data[:n], Length: length, Link: c.link}, &seg)
				if d.Stats().Packets[r] != 1 {
					t.Fatalf("%s: %d bytes: %v counted %v", c.name, n, r, d.Stats().Packets)
				}
				if r != decode.Segment {
					continue
				}
				found++
				want := body[:min(max(0, n-at), len(body))]
				if string(seg.Payload) != want || len(want)+int(seg.Cut) != len(body) {
					t.Fatalf("%s: %d of %d bytes: %q and %d cut", c.name, n, length, seg.Payload, seg.Cut)
				}
				if seg.Tunnels.String() != c.tunnels || seg.Key.Net != c.net {
					t.Fatalf("%s: %d bytes: in %v, %+v", c.name, n, seg.Tunnels, seg.Key.Net)
				}
			}
		}
		if found < len(body) {
			t.Errorf("%s: a segment in %d of the packets that were cut", c.name, found)
		}
	}
}

func TestNoTunnels(t *testing.T) {
	v4, v6 := datagrams(t)
	frame := ether(0x0800, v4)
	raw, eth := capture.LinkRaw, capture.LinkEthernet
	vx := vxlan(77, frame) // its header stands at 28
	ge := udp(6081, []byte{1, 0, 0x65, 0x58, 0, 0, 77, 0, 1, 8, 1, 0}, frame)
	gt := gtpu(0x30, v4)
	gx := gtpu(0x34, []byte{0, 1, 0, 0x85, 1, 0, 9, 0}, v4)
	teredo := join(v6)
	copy(teredo[24:], []byte{0x20, 1, 0, 0})
	te := udp(3544, teredo)
	erspan3 := []byte{0x20, 0, 0, 5, 1, 2, 3, 4, 0, 0, 0, 0}
	wlan := join([]byte{0x88, 1}, make([]byte, 24), []byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, v4)
	nine, labels := v4, []byte(nil)
	for range 9 {
		nine = ip4(4, nine)
	}
	for range 17 {
		labels = append(labels, 0, 1, 0, 64)
	}
	for _, c := range []struct {
		name string
		link capture.LinkType
		data []byte
		want decode.Reason
	}{
		{"nine", raw, nine, decode.TooDeep},
		{"labels without end", eth, ether(0x8847, labels), decode.TooDeep},
		{"labels cut", eth, ether(0x8847, []byte{0, 1, 0, 64, 0}), decode.TruncatedTunnel},
		{"nothing behind the labels", eth, ether(0x8847, []byte{0, 1, 1, 64}), decode.TruncatedTunnel},
		{"a pseudo-wire's own channel", eth, ether(0x8847, join([]byte{0, 1, 1, 64, 0x10, 0, 0, 0x21}, v4)), decode.NotIP},
		{"MPLS of something else", eth, ether(0x8847, join([]byte{0, 1, 1, 64}, ether(0x1234, v4))), decode.NotIP},
		{"PPPoE, version 2", eth, ether(0x8864, join([]byte{0x21, 0, 0, 9, 0, 60, 0, 0x21}, v4)), decode.BadTunnel},
		{"PPPoE, discovery", eth, ether(0x8863, join([]byte{0x11, 9, 0, 0, 0, 0}, v4)), decode.NotIP},
		{"PPPoE, a code", eth, ether(0x8864, join([]byte{0x11, 9, 0, 9, 0, 60, 0, 0x21}, v4)), decode.NotIP},
		{"PPPoE, LCP", eth, ether(0x8864, join([]byte{0x11, 0, 0, 9, 0, 60, 0xc0, 0x21}, v4)), decode.NotIP},
		{"PPPoE, cut", eth, ether(0x8864, []byte{0x11, 0, 0, 9, 0}), decode.TruncatedTunnel},
		{"PPP, cut", capture.LinkPPP, []byte{0xff, 3, 0}, decode.TruncatedLink},
		{"GRE, routing", raw, ip4(47, u16(0x4000, 0x0800, 0, 0), v4), decode.BadTunnel},
		{"GRE, strict source route", raw, ip4(47, u16(0x0800, 0x0800), v4), decode.BadTunnel},
		{"GRE, version 2", raw, ip4(47, u16(2, 0x0800), v4), decode.BadTunnel},
		{"GRE, version 1 of IP", raw, ip4(47, u16(0x2001, 0x0800, 0, 0), v4), decode.BadTunnel},
		{"GRE, PPTP with a checksum", raw, ip4(47, u16(0xb001, 0x880b, 60, 1, 0, 0, 0x21), v4), decode.BadTunnel},
		{"GRE, PPTP, an acknowledgement", raw, ip4(47, u16(0x2081, 0x880b, 0, 1, 0, 0)), decode.NotIP},
		{"GRE, PPTP, cut", raw, ip4(47, u16(0x3081, 0x880b, 0, 1, 0, 0)), decode.TruncatedTunnel},
		{"GRE, cut", raw, ip4(47, u16(0xb000, 0x0800, 0, 0)), decode.TruncatedTunnel},
		{"GRE, nothing", raw, ip4(47, []byte{0, 0, 8}), decode.TruncatedTunnel},
		{"GRE, an unknown type", raw, ip4(47, u16(0, 0xffff), v4), decode.NotIP},
		{"GRE, keep-alive", raw, ip4(47, u16(0, 0)), decode.NotIP},
		{"ERSPAN, version 3", raw, ip4(47, u16(0x1000, 0x88be, 0, 1, 0x3007, 1, 0, 0), frame), decode.BadTunnel},
		{"ERSPAN, cut", raw, ip4(47, u16(0x1000, 0x88be, 0, 1, 0x1007)), decode.TruncatedTunnel},
		{"ERSPAN III, cut", raw, ip4(47, u16(0x1000, 0x22eb, 0, 1), erspan3[:10]), decode.TruncatedTunnel},
		{"ERSPAN III, subheader cut", raw, ip4(47, u16(0x1000, 0x22eb, 0, 1), with(erspan3, 11, 1), []byte{1}), decode.TruncatedTunnel},
		{"ERSPAN III, another frame", raw, ip4(47, u16(0x1000, 0x22eb, 0, 1), with(erspan3, 10, 4), frame), decode.BadTunnel},
		{"VXLAN to another port", raw, with(vx, 22, 0x20, 0), decode.NotTCP},
		{"VXLAN from its port", raw, with(with(vx, 22, 0x20, 0), 20, 0x12, 0xb5), decode.NotTCP},
		{"VXLAN, longer than its datagram", raw, with(vx, 24, 1), decode.NotTCP},
		{"VXLAN without id", raw, with(vx, 28, 0), decode.NotTCP},
		{"VXLAN, a reserved flag", raw, with(vx, 28, 0x48), decode.NotTCP},
		{"VXLAN, reserved bits", raw, with(vx, 30, 1), decode.NotTCP},
		{"VXLAN, the last byte", raw, with(vx, 35, 1), decode.NotTCP},
		{"VXLAN, group, a reserved bit", raw, with(vx, 28, 0x88, 1), decode.NotTCP},
		{"VXLAN, no frame inside", raw, with(vx, 48, 0x12, 0x34), decode.NotTCP},
		{"VXLAN-GPE, version 1", raw, with(vx, 28, 0x1c, 0, 0, 3), decode.NotTCP},
		{"VXLAN-GPE, management", raw, with(vx, 28, 0x0d, 0, 0, 3), decode.NotTCP},
		{"VXLAN-GPE, service header", raw, with(vx, 28, 0x0c, 0, 0, 4), decode.NotTCP},
		{"VXLAN-GPE, another IP", raw, udp(4790, []byte{0x0c, 0, 0, 1, 0, 0, 77, 0}, v6), decode.NotTCP},
		{"a question to DNS from port 4789", raw, udp(4789, []byte{8, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1}), decode.NotTCP},
		{"Geneve, version 1", raw, with(ge, 28, 0x41), decode.NotTCP},
		{"Geneve, control", raw, with(ge, 29, 0x80), decode.NotTCP},
		{"Geneve, a reserved bit", raw, with(ge, 29, 1), decode.NotTCP},
		{"Geneve, the last byte", raw, with(ge, 35, 1), decode.NotTCP},
		{"Geneve, options that do not add up", raw, with(ge, 39, 1), decode.NotTCP},
		{"Geneve, options behind the end", raw, udp(6081, []byte{0x3f, 0, 0x65, 0x58, 0, 0, 77, 0}, frame), decode.NotTCP},
		{"Geneve, an unknown type", raw, with(ge, 30, 0x12, 0x34), decode.NotTCP},
		{"GTP', not GTP", raw, with(gt, 28, 0x20), decode.NotTCP},
		{"GTP version 2", raw, with(gt, 28, 0x50), decode.NotTCP},
		{"GTP-U, a reserved bit", raw, with(gt, 28, 0x38), decode.NotTCP},
		{"GTP-U, an echo", raw, with(gt, 29, 1), decode.NotTCP},
		{"GTP-U, another length", raw, with(gt, 30, 0, 9), decode.NotTCP},
		{"GTP-U, no IP", raw, with(gt, 36, 0x15), decode.NotTCP},
		{"GTP-U, an extension of nothing", raw, with(gx, 40, 0), decode.NotTCP},
		{"GTP-U, extensions behind the end", raw, with(gx, 40, 255), decode.NotTCP},
		{"GTP-U, no room for options", raw, gtpu(0x31, []byte{0, 1, 0}), decode.NotTCP},
		{"Teredo, no client", raw, with(te, 28+24, 0x20, 2), decode.NotTCP},
		{"Teredo, IPv4", raw, udp(3544, v4), decode.NotTCP},
		{"Teredo, longer than it is", raw, with(te, 32, 1), decode.NotTCP},
		{"Teredo, authentication behind the end", raw, udp(3544, []byte{0, 1, 255, 0, 0}), decode.NotTCP},
		{"IP in IP, something else", raw, ip4(4, with(v4, 0, 0x55)), decode.BadIPv4},
		{"6in4, something else", raw, ip4(41, v4, v4), decode.BadIPv6},
		{"802.11, encrypted", capture.LinkWLAN, with(wlan, 1, 0x41), decode.WLANEncrypted},
		{"802.11, a part", capture.LinkWLAN, with(wlan, 1, 0x05), decode.WLANAggregate},
		{"802.11, the last part", capture.LinkWLAN, with(wlan, 22, 1), decode.WLANAggregate},
		{"802.11, several", capture.LinkWLAN, with(wlan, 24, 0x80), decode.WLANAggregate},
		{"802.11, no data", capture.LinkWLAN, with(wlan, 0, 0xc8), decode.NotIP},
		{"802.11, a beacon", capture.LinkWLAN, with(wlan, 0, 0x80), decode.NotIP},
		{"802.11, nothing", capture.LinkWLAN, nil, decode.TruncatedLink},
		{"radiotap, version 1", capture.LinkRadiotap, join([]byte{1, 0, 8, 0, 0, 0, 0, 0}, wlan), decode.NotIP},
		{"radiotap, too short", capture.LinkRadiotap, join([]byte{0, 0, 7, 0, 0, 0, 0, 0}, wlan), decode.NotIP},
		{"radiotap, words without end", capture.LinkRadiotap, join([]byte{0, 0, 12, 0, 0, 0, 0, 0x80, 0, 0, 0, 0x80}, wlan), decode.NotIP},
		{"AVS, no magic", capture.LinkAVS, join(make([]byte, 64), wlan), decode.NotIP},
		{"AVS, too long", capture.LinkAVS, join([]byte{0x80, 0x21, 0x10, 1, 255, 255, 255, 255}, wlan), decode.NotIP},
		{"PPI in PPI", capture.LinkPPI, join([]byte{0, 0, 8, 0, 192, 0, 0, 0, 0, 0, 8, 0, 1, 0, 0, 0}, frame), decode.UnknownLink},
		{"PPI, a type that is too large", capture.LinkPPI, join([]byte{0, 0, 8, 0, 1, 0, 1, 0}, frame), decode.UnknownLink},
		{"PPI, a length that is too short", capture.LinkPPI, join([]byte{0, 0, 7, 0, 1, 0, 0, 0}, frame), decode.TruncatedLink},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d decode.Decoder
			var seg reassembly.Segment
			p := capture.Packet{Data: c.data, Length: len(c.data), Link: c.link}
			if r := d.Decode(&p, &seg); r != c.want {
				t.Fatalf("got %v, want %v", r, c.want)
			}
			if got := d.Stats().Packets; got[c.want] != 1 {
				t.Errorf("counted %v", got)
			}
		})
	}
}

// What Options close is not opened, whatever it stands in.
func TestClosed(t *testing.T) {
	for _, c := range tunnels(t) {
		for kind := reassembly.Tunnel(1); kind < reassembly.TunnelKinds; kind++ {
			d := decode.New(decode.Options{Closed: decode.Kinds(0).With(kind)})
			var seg reassembly.Segment
			want := decode.Segment
			if strings.Contains("/"+c.tunnels+"/", "/"+kind.String()+"/") {
				want = decode.NotOpened
			}
			if got := d.Decode(c.packet(), &seg); got != want {
				t.Errorf("%s without %v: %v, want %v", c.name, kind, got, want)
			}
			if d.Stats().Tunnels[kind] != 0 {
				t.Errorf("%s without %v: counted", c.name, kind)
			}
		}
	}
}

func TestPorts(t *testing.T) {
	v4, _ := datagrams(t)
	packet := with(vxlan(77, ether(0x0800, v4)), 22, 0x21, 0x18)
	for _, c := range []struct {
		ports []decode.Port
		data  []byte
		want  decode.Reason
	}{
		{nil, packet, decode.NotTCP},
		{[]decode.Port{{Number: 8472, Tunnel: reassembly.Geneve}}, packet, decode.NotTCP},
		{[]decode.Port{{Number: 8471, Tunnel: reassembly.VXLAN}, {Number: 8472, Tunnel: reassembly.VXLAN}}, with(packet, 28, 0), decode.NotTCP},
		{[]decode.Port{{Number: 8471, Tunnel: reassembly.VXLAN}, {Number: 8472, Tunnel: reassembly.VXLAN}}, packet, decode.Segment},
	} {
		d := decode.New(decode.Options{Ports: c.ports})
		var seg reassembly.Segment
		if got := d.Decode(&capture.Packet{Data: c.data, Length: len(c.data), Link: capture.LinkRaw}, &seg); got != c.want {
			t.Errorf("%v: %v, want %v", c.ports, got, c.want)
		}
	}
}

func TestNoVLANKey(t *testing.T) {
	v4, _ := datagrams(t)
	for _, data := range [][]byte{
		ether(0x88a8, join(tag(5, 0x8100), tag(7, 0x0800), v4)),
		vxlan(77, ether(0x8100, join(tag(7, 0x0800), v4))),
	} {
		d := decode.New(decode.Options{NoVLANKey: true})
		var seg reassembly.Segment
		link := capture.LinkEthernet
		if data[0] == 0x45 {
			link = capture.LinkRaw
		}
		if r := d.Decode(&capture.Packet{Data: data, Length: len(data), Link: link}, &seg); r != decode.Segment {
			t.Fatal(r)
		}
		if seg.Key.Net.VLAN != [2]uint16{} || seg.Key.Net.ID != 0 != (link == capture.LinkRaw) {
			t.Errorf("%+v", seg.Key.Net)
		}
	}
}

// Two tenants with the same addresses, and the two directions of one of them:
// what differs by direction is not in the key.
func TestKeys(t *testing.T) {
	v4, _ := datagrams(t)
	key := func(data []byte) (k reassembly.FlowKey) {
		var d decode.Decoder
		var seg reassembly.Segment
		if r := d.Decode(&capture.Packet{Data: data, Length: len(data), Link: capture.LinkRaw}, &seg); r != decode.Segment {
			t.Fatal(r)
		}
		return seg.Key
	}
	frame := ether(0x0800, v4)
	if a, b := key(vxlan(5, frame)), key(vxlan(6, frame)); a == b || a.Hash() != b.Hash() {
		t.Errorf("two tenants: %+v, %+v", a, b)
	}
	gre := func(proto uint16, b ...[]byte) []byte { return ip4(47, u16(0x1000, proto, 0, 1), join(b...)) }
	for name, pair := range map[string][2][]byte{
		"TEID":    {gtpu(0x30, v4), with(gtpu(0x30, v4), 32, 1, 2, 3, 4)},
		"session": {gre(0x88be, u16(0x1007, 1, 0, 0), frame), gre(0x88be, u16(0x1008, 2, 0, 9), frame)},
		"call id": {ip4(47, u16(0x3001, 0x880b, 60, 1, 0, 2, 0x21), v4), ip4(47, u16(0x3001, 0x880b, 60, 9, 0, 2, 0x21), v4)},
		"flow id": {ip4(47, u16(0x2000, 0x6558, 0x0123, 0x4500), frame), ip4(47, u16(0x2000, 0x6558, 0x0123, 0x45ff), frame)},
		"ends":    {ip4(4, v4), with(ip4(4, v4), 12, 9, 9)},
	} {
		if a, b := key(pair[0]), key(pair[1]); a != b {
			t.Errorf("%s: %+v, %+v", name, a, b)
		}
	}
}

func BenchmarkTunnels(b *testing.B) {
	for _, c := range tunnels(b) {
		switch c.name {
		case "VXLAN in a VLAN", "Geneve", "ERSPAN II in a VLAN", "GTP-U", "VXLAN in Geneve", "MPLS":
		default:
			continue
		}
		b.Run(strings.ReplaceAll(c.name, " ", "-"), func(b *testing.B) {
			var d decode.Decoder
			var seg reassembly.Segment
			p := c.packet()
			b.ReportAllocs()
			b.SetBytes(int64(len(c.data)))
			for b.Loop() {
				if d.Decode(p, &seg) != decode.Segment {
					b.Fatal("no segment")
				}
			}
		})
	}
}

func TestTunnelsDoNotAllocate(t *testing.T) {
	all := tunnels(t)
	var d decode.Decoder
	var seg reassembly.Segment
	if n := testing.AllocsPerRun(100, func() {
		for i := range all {
			d.Decode(&capture.Packet{Data: all[i].data, Length: len(all[i].data), Link: all[i].link}, &seg)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
