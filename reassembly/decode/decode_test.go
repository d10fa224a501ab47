package decode_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/decode"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

const body = "GET / HTTP/1.1\r\nHost: api.test\r\n\r\n"

// datagrams gives an IPv4 and an IPv6 datagram that carry body from port 1000
// to port 80.
func datagrams(t testing.TB) (v4, v6 []byte) {
	t.Helper()
	d, err := reassemblytest.Parse("datagrams", `
conn four 10.0.0.9:1000 10.0.0.2:80
>> "GET / HTTP/1.1\r\nHost: api.test\r\n\r\n"
conn six [2001:db8::9]:1000 [2001:db8::2]:80
>> "GET / HTTP/1.1\r\nHost: api.test\r\n\r\n"
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := d.Packets()
	return p[3].Data[14:], p[len(p)-3].Data[14:]
}

func ether(kind uint16, rest []byte) []byte {
	b := append(make([]byte, 12), byte(kind>>8), byte(kind))
	return append(b, rest...)
}

func tag(id, next uint16) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, id), next)
}

// with gives a copy of b with the bytes at offset i replaced.
func with(b []byte, i int, v ...byte) []byte {
	b = slices.Clone(b)
	copy(b[i:], v)
	return b
}

// insert6 puts extension headers between an IPv6 header and its payload.
func insert6(v6 []byte, first byte, ext ...byte) []byte {
	b := slices.Concat(v6[:40], ext, v6[40:])
	binary.BigEndian.PutUint16(b[4:], binary.BigEndian.Uint16(v6[4:])+uint16(len(ext)))
	b[6] = first
	return b
}

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

func TestSegments(t *testing.T) {
	v4, v6 := datagrams(t)
	options := slices.Concat(v4[:20], []byte{7, 4, 0, 0, 1, 1, 1, 0}, v4[20:])
	options[0] = 0x47
	binary.BigEndian.PutUint16(options[2:], uint16(len(options)))

	for _, c := range []struct {
		name string
		link capture.LinkType
		data []byte
		vlan [2]uint16
	}{
		{"ethernet", capture.LinkEthernet, ether(0x0800, v4), [2]uint16{}},
		{"ethernet, IPv6", capture.LinkEthernet, ether(0x86dd, v6), [2]uint16{}},
		{"padding", capture.LinkEthernet, ether(0x0800, append(slices.Clone(v4), 1, 2, 3, 4)), [2]uint16{}},
		{"SNAP", capture.LinkEthernet, ether(uint16(len(v4)+8), join([]byte{0xaa, 0xaa, 3, 0, 0, 0, 8, 0}, v4)), [2]uint16{}},
		{"VLAN", capture.LinkEthernet, ether(0x8100, join(tag(0x2005, 0x0800), v4)), [2]uint16{6}},
		{"VLAN with id 0", capture.LinkEthernet, ether(0x8100, join(tag(0x2000, 0x86dd), v6)), [2]uint16{}},
		{"QinQ", capture.LinkEthernet, ether(0x88a8, join(tag(5, 0x8100), tag(7, 0x0800), v4)), [2]uint16{6, 8}},
		{"old QinQ", capture.LinkEthernet, ether(0x9100, join(tag(4095, 0x9100), tag(1, 0x8100), tag(9, 0x86dd), v6)), [2]uint16{4096, 2}},
		{"SLL", capture.LinkSLL, join(make([]byte, 14), []byte{8, 0}, v4), [2]uint16{}},
		{"SLL with VLAN", capture.LinkSLL, join(make([]byte, 14), []byte{0x81, 0}, tag(5, 0x86dd), v6), [2]uint16{6}},
		{"SLL2", capture.LinkSLL2, join([]byte{0x86, 0xdd}, make([]byte, 18), v6), [2]uint16{}},
		{"raw", capture.LinkRaw, v4, [2]uint16{}},
		{"raw 12", capture.LinkRaw12, v6, [2]uint16{}},
		{"raw 14", capture.LinkRaw14, v4, [2]uint16{}},
		{"IPv4", capture.LinkIPv4, v4, [2]uint16{}},
		{"IPv6", capture.LinkIPv6, v6, [2]uint16{}},
		{"null", capture.LinkNull, join([]byte{2, 0, 0, 0}, v4), [2]uint16{}},
		{"null, other byte order", capture.LinkNull, join([]byte{0, 0, 0, 2}, v4), [2]uint16{}},
		{"loop", capture.LinkLoop, join([]byte{0, 0, 0, 24}, v6), [2]uint16{}},
		{"null, FreeBSD", capture.LinkNull, join([]byte{28, 0, 0, 0}, v6), [2]uint16{}},
		{"null, macOS", capture.LinkNull, join([]byte{0, 0, 0, 30}, v6), [2]uint16{}},
		{"null, Linux", capture.LinkNull, join([]byte{10, 0, 0, 0}, v6), [2]uint16{}},
		{"null, Windows", capture.LinkNull, join([]byte{23, 0, 0, 0}, v6), [2]uint16{}},
		{"NFLOG", capture.LinkNFLOG, join([]byte{2, 0, 0, 40, 5, 0, 10, 0, 0, 0, 0, 0, byte(len(v4) + 4), 0, 9, 0}, v4), [2]uint16{}},
		{"NFLOG, other byte order", capture.LinkNFLOG, join([]byte{2, 0, 0, 40, 0, 8, 0, 1, 0, 0, 0, 0, 0, byte(len(v6) + 4), 0, 9}, v6, []byte{1}), [2]uint16{}},
		{"ARCNET", capture.LinkARCNET, join([]byte{1, 2, 0, 0, 240}, v4), [2]uint16{}},
		{"ARCNET, RFC 1201", capture.LinkARCNET, join([]byte{1, 2, 0, 0, 212, 0, 0, 1}, v4), [2]uint16{}},
		{"IPv4 options", capture.LinkRaw, options, [2]uint16{}},
		{"total length 0", capture.LinkRaw, with(v4, 2, 0, 0), [2]uint16{}},
		{"payload length 0", capture.LinkRaw, with(v6, 4, 0, 0), [2]uint16{}},
		{"don't fragment", capture.LinkRaw, with(v4, 6, 0x40, 0), [2]uint16{}},
		{"authentication header", capture.LinkRaw, insert6(v6, 51, 6, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1), [2]uint16{}},
		{"atomic fragment", capture.LinkRaw, insert6(v6, 44, 6, 0, 0, 6, 1, 2, 3, 4), [2]uint16{}},
		{"extensions", capture.LinkRaw, insert6(v6, 0, join([]byte{43, 0, 1, 4, 0, 0, 0, 0}, []byte{60, 1}, make([]byte, 14), []byte{6, 0, 1, 4, 0, 0, 0, 0})...), [2]uint16{}},
		{"bad TCP options", capture.LinkRaw, badOptions(v4), [2]uint16{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d decode.Decoder
			var seg reassembly.Segment
			p := capture.Packet{Data: c.data, Length: len(c.data), Link: c.link, Number: 9, Input: 3, Time: 7}
			if r := d.Decode(&p, &seg); r != decode.Segment {
				t.Fatal(r)
			}
			if string(seg.Payload) != body || seg.Cut != 0 {
				t.Errorf("payload %q, %d bytes cut", seg.Payload, seg.Cut)
			}
			client := netip.MustParseAddrPort("10.0.0.9:1000")
			if seg.Key.Sender(seg.Dir).Addr().Is6() {
				client = netip.MustParseAddrPort("[2001:db8::9]:1000")
			}
			if seg.Key.Sender(seg.Dir) != client || seg.Key.Receiver(seg.Dir).Port() != 80 {
				t.Errorf("from %v to %v", seg.Key.Sender(seg.Dir), seg.Key.Receiver(seg.Dir))
			}
			if seg.Key.Net.VLAN != c.vlan {
				t.Errorf("VLAN %v, want %v", seg.Key.Net.VLAN, c.vlan)
			}
			if seg.Flags != reassembly.ACK|reassembly.PSH || seg.Window != 0x1000 || seg.Seq == 0 || seg.Ack == 0 {
				t.Errorf("header: %+v", seg)
			}
			if seg.Origin != (reassembly.Origin{Order: 1, Number: 9, Input: 3, Time: 7}) {
				t.Errorf("origin: %+v", seg.Origin)
			}
		})
	}
}

// badOptions gives the datagram twelve bytes of TCP options whose lengths are
// impossible.
func badOptions(v4 []byte) []byte {
	b := slices.Concat(v4[:40], []byte{1, 3, 0, 99, 5, 200, 1, 1, 1, 1, 1, 3}, v4[40:])
	b[32] = 0x80
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

func TestReasons(t *testing.T) {
	v4, v6 := datagrams(t)
	deep := ether(0x8100, nil)
	for range 70 {
		deep = append(deep, tag(1, 0x8100)...)
	}
	for _, c := range []struct {
		link capture.LinkType
		data []byte
		want decode.Reason
	}{
		{9999, v4, decode.UnknownLink},
		{capture.LinkEthernet, nil, decode.TruncatedLink},
		{capture.LinkEthernet, make([]byte, 13), decode.TruncatedLink},
		{capture.LinkEthernet, ether(0x8100, []byte{0, 1, 8}), decode.TruncatedLink},
		{capture.LinkSLL, make([]byte, 15), decode.TruncatedLink},
		{capture.LinkSLL2, make([]byte, 19), decode.TruncatedLink},
		{capture.LinkNull, []byte{2, 0, 0}, decode.TruncatedLink},
		{capture.LinkNFLOG, []byte{2, 0, 0}, decode.TruncatedLink},
		{capture.LinkNFLOG, []byte{2, 0, 0, 0, 8, 0, 10, 0, 0, 0, 0, 0}, decode.TruncatedLink},
		{capture.LinkARCNET, []byte{1, 2, 0, 0, 240}, decode.TruncatedLink},
		{capture.LinkEthernet, deep, decode.TooDeep},
		{capture.LinkEthernet, ether(0x0806, make([]byte, 46)), decode.NotIP},
		{capture.LinkEthernet, ether(0xffff, v4), decode.NotIP},
		{capture.LinkEthernet, ether(46, make([]byte, 46)), decode.NotIP},
		{capture.LinkEthernet, ether(46, join([]byte{0xaa, 0xaa, 3, 0, 0, 12, 8, 0}, v4)), decode.NotIP},
		{capture.LinkNull, join([]byte{7, 0, 0, 0}, v4), decode.NotIP},
		{capture.LinkRaw, with(v4, 0, 0x55), decode.NotIP},
		{capture.LinkNFLOG, []byte{2, 0, 0, 0, 3, 0, 10, 0}, decode.NotIP},
		{capture.LinkARCNET, join([]byte{1, 2, 0, 0, 212, 1, 0, 1}, v4), decode.NotIP},
		{capture.LinkRaw, nil, decode.TruncatedIP},
		{capture.LinkRaw, v4[:19], decode.TruncatedIP},
		{capture.LinkRaw, v6[:39], decode.TruncatedIP},
		{capture.LinkRaw, with(v4[:23], 0, 0x46), decode.TruncatedIP},
		{capture.LinkRaw, insert6(v6, 0, make([]byte, 16)...)[:44], decode.TruncatedIP},
		{capture.LinkRaw, with(insert6(v6, 0, make([]byte, 16)...), 41, 1)[:50], decode.TruncatedIP},
		{capture.LinkRaw, with(v4, 0, 0x44), decode.BadIPv4},
		{capture.LinkRaw, with(v4, 2, 0, 19), decode.BadIPv4},
		{capture.LinkEthernet, ether(0x0800, v6), decode.BadIPv4},
		{capture.LinkEthernet, ether(0x86dd, with(v6, 0, 0x40)), decode.BadIPv6},
		{capture.LinkRaw, insert6(v6, 0, 6, 255, 0, 0, 0, 0, 0, 0), decode.BadExtension},
		{capture.LinkRaw, with(v6, 4, 0, 4, 60), decode.BadExtension},
		{capture.LinkRaw, with(v4, 6, 0, 1), decode.Fragment},
		{capture.LinkRaw, with(v4, 6, 0x20, 0), decode.BadFragment}, // not a multiple of eight
		{capture.LinkRaw, with(v4, 6, 0x1f, 0xff), decode.BadFragment},
		{capture.LinkRaw, insert6(v6, 44, 6, 0, 0, 8, 0, 0, 0, 0), decode.Fragment},
		{capture.LinkRaw, insert6(v6, 44, 6, 0, 0, 1, 0, 0, 0, 0), decode.BadFragment},
		{capture.LinkRaw, insert6(v6, 44, 6, 0, 255, 248, 0, 0, 0, 0), decode.BadFragment},
		{capture.LinkRaw, with(v4, 9, 1), decode.NotTCP},
		{capture.LinkRaw, with(v6, 6, 59), decode.NotTCP},
		{capture.LinkRaw, with(v4, 9, 17), decode.NotTCP},
		{capture.LinkRaw, with(v4, 9, 17)[:21], decode.NotTCP},
		{capture.LinkRaw, v4[:39], decode.TruncatedTCP},
		{capture.LinkRaw, with(v4, 2, 0, 39), decode.BadTCP},
		{capture.LinkRaw, with(v4, 32, 0x40), decode.BadTCP},
		{capture.LinkRaw, with(with(v4, 32, 0xf0), 2, 0, 50), decode.BadTCP},
		{capture.LinkRaw, with(v4, 9, 50), decode.ESP},
		{capture.LinkEthernet, ether(0x88e5, v4), decode.MACsec},
	} {
		t.Run(fmt.Sprintf("%v/%v/%d", c.want, c.link, len(c.data)), func(t *testing.T) {
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

func TestReasonNames(t *testing.T) {
	seen := map[string]bool{}
	for r := range decode.Reason(decode.Reasons) {
		if r.String() == "" || seen[r.String()] {
			t.Errorf("reason %d is called %q", r, r)
		}
		seen[r.String()] = true
	}
	if decode.Reason(200).String() != "unknown" {
		t.Error("a number without meaning has a name")
	}
}

// What the snap length takes off the end is Cut, whether it falls into the
// payload or the options.
func TestCut(t *testing.T) {
	v4, v6 := datagrams(t)
	for _, c := range []struct {
		name          string
		data          []byte
		length        int
		payload, lost int
	}{
		{"nothing", v4, len(v4), len(body), 0},
		{"payload", v4[:50], len(v4), 10, len(body) - 10},
		{"payload, IPv6", v6[:70], len(v6), 10, len(body) - 10},
		{"all of it", v4[:40], len(v4), 0, len(body)},
		{"padding only", append(slices.Clone(v4), 0, 0), len(v4) + 6, len(body), 0},
		{"the file does not say so", v4[:50], 50, 10, len(body) - 10},
		{"within options", badOptions(v4)[:45], len(v4) + 12, 0, len(body)},
		{"total length 0", with(v4[:50], 2, 0, 0), len(v4), 10, len(body) - 10},
		{"an impossible length", with(v4, 2, 0, 0), 1 << 40, len(body), capture.MaxPacket - len(v4)},
		{"a negative length", v4, -1, len(body), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d decode.Decoder
			var seg reassembly.Segment
			p := capture.Packet{Data: c.data, Length: c.length, Link: capture.LinkRaw}
			if r := d.Decode(&p, &seg); r != decode.Segment {
				t.Fatal(r)
			}
			if len(seg.Payload) != c.payload || int(seg.Cut) != c.lost {
				t.Errorf("%d bytes and %d cut, want %d and %d", len(seg.Payload), seg.Cut, c.payload, c.lost)
			}
			if n := d.Stats().Cut; (n == 1) != (c.lost > 0) {
				t.Errorf("counted %d", n)
			}
		})
	}
}

func TestWindowScale(t *testing.T) {
	v4, _ := datagrams(t)
	for _, c := range []struct {
		flags   byte
		options []byte
		want    uint8
	}{
		{reassembly.SYN, []byte{2, 4, 5, 180, 1, 3, 3, 7}, 8},
		{reassembly.SYN | reassembly.ACK, []byte{1, 1, 1, 3, 3, 0, 0, 0}, 1},
		{reassembly.SYN, []byte{3, 3, 200, 0}, 15},
		{reassembly.ACK, []byte{1, 3, 3, 7}, 0},
		{reassembly.SYN, []byte{0, 3, 3, 7}, 0},
		{reassembly.SYN, []byte{9, 1, 1, 3, 3, 7, 0, 0}, 0},
		{reassembly.SYN, []byte{9, 30, 3, 3, 7, 0, 0, 0}, 0},
		{reassembly.SYN, []byte{1, 1, 1, 3}, 0},
		{reassembly.SYN, nil, 0},
	} {
		b := slices.Concat(v4[:40], c.options)
		b[32], b[33] = byte(5+len(c.options)/4)<<4, c.flags
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		var d decode.Decoder
		seg := reassembly.Segment{WindowScale: 77}
		if r := d.Decode(&capture.Packet{Data: b, Length: len(b), Link: capture.LinkRaw}, &seg); r != decode.Segment {
			t.Fatal(r)
		}
		if seg.WindowScale != c.want {
			t.Errorf("options % x: scale %d, want %d", c.options, seg.WindowScale, c.want)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	v4, v6 := datagrams(t)
	var d decode.Decoder
	var seg reassembly.Segment
	packets := []capture.Packet{
		{Data: ether(0x0800, v4), Length: 14 + len(v4), Link: capture.LinkEthernet},
		{Data: ether(0x86dd, v6), Length: 14 + len(v6), Link: capture.LinkEthernet},
		{Data: ether(0x0806, v4), Length: 14 + len(v4), Link: capture.LinkEthernet},
	}
	if n := testing.AllocsPerRun(100, func() {
		for i := range packets {
			d.Decode(&packets[i], &seg)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzDecode: no panic, one count a packet, and a payload that lies within the
// packet.
func FuzzDecode(f *testing.F) {
	v4, v6 := datagrams(f)
	f.Add(uint16(capture.LinkEthernet), ether(0x8100, join(tag(5, 0x0800), v4)), 0)
	f.Add(uint16(capture.LinkRaw), insert6(v6, 0, join([]byte{43, 0, 1, 4, 0, 0, 0, 0}, []byte{60, 1}, make([]byte, 14), []byte{6, 0, 1, 4, 0, 0, 0, 0})...), 10)
	f.Add(uint16(capture.LinkSLL2), join([]byte{0x86, 0xdd}, make([]byte, 18), v6), 1000)
	f.Add(uint16(capture.LinkNFLOG), join([]byte{2, 0, 0, 40, 5, 0, 10, 0, 0, 0, 0, 0, byte(len(v4) + 4), 0, 9, 0}, v4), 0)
	f.Add(uint16(capture.LinkARCNET), join([]byte{1, 2, 0, 0, 240}, v4), 0)
	f.Add(uint16(capture.LinkNull), join([]byte{2, 0, 0, 0}, badOptions(v4)), 0)
	for _, c := range tunnels(f) {
		f.Add(uint16(c.link), c.data, 0)
	}
	f.Fuzz(func(t *testing.T, link uint16, data []byte, more int) {
		var d decode.Decoder
		seg := reassembly.Segment{Payload: []byte("stale"), Cut: 1 << 31}
		before := bytes.Clone(data)
		r := d.Decode(&capture.Packet{Data: data, Length: len(data) + more, Link: capture.LinkType(link)}, &seg)
		if got := d.Stats().Packets; got[r] != 1 {
			t.Fatalf("%v counted %v", r, got)
		}
		if !bytes.Equal(data, before) {
			t.Fatal("the packet was changed")
		}
		if r == decode.Segment {
			if len(seg.Payload) > len(data) || seg.Cut > capture.MaxPacket || !bytes.Contains(data, seg.Payload) {
				t.Fatalf("%d bytes of payload, %d cut, in a packet of %d", len(seg.Payload), seg.Cut, len(data))
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	v4, v6 := datagrams(b)
	for _, c := range []struct {
		name string
		data []byte
	}{
		{"IPv4", ether(0x0800, v4)},
		{"IPv6", ether(0x86dd, v6)},
		{"QinQ", ether(0x88a8, join(tag(5, 0x8100), tag(7, 0x0800), v4))},
		{"ARP", ether(0x0806, v4)},
	} {
		b.Run(c.name, func(b *testing.B) {
			var d decode.Decoder
			var seg reassembly.Segment
			p := capture.Packet{Data: c.data, Length: len(c.data), Link: capture.LinkEthernet}
			b.ReportAllocs()
			b.SetBytes(int64(len(c.data)))
			for b.Loop() {
				d.Decode(&p, &seg)
			}
		})
	}
}
