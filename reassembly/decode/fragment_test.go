package decode_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/decode"
	"github.com/authtap/authtap/reassembly/decode/fragment"
)

// split4 cuts an IPv4 datagram into fragments of at most n bytes of payload.
func split4(b []byte, id uint16, n int) [][]byte {
	var all [][]byte
	rest := b[20:]
	for offset := 0; offset < len(rest); offset += n {
		part := rest[offset:min(offset+n, len(rest))]
		f := join(b[:20], part)
		binary.BigEndian.PutUint16(f[2:], uint16(len(f)))
		binary.BigEndian.PutUint16(f[4:], id)
		flags := uint16(offset / 8)
		if offset+n < len(rest) {
			flags |= 0x2000
		}
		binary.BigEndian.PutUint16(f[6:], flags)
		all = append(all, f)
	}
	return all
}

// split6 does the same for IPv6, of which the first header follows the base
// header.
func split6(b []byte, id uint32, n int) [][]byte {
	var all [][]byte
	rest := b[40:]
	for offset := 0; offset < len(rest); offset += n {
		part := rest[offset:min(offset+n, len(rest))]
		flags := uint16(offset)
		if offset+n < len(rest) {
			flags |= 1
		}
		ext := binary.BigEndian.AppendUint32(join([]byte{b[6], 0}, u16(flags)), id)
		base := join(b[:40], part)
		binary.BigEndian.PutUint16(base[4:], uint16(len(part)))
		all = append(all, insert6(base, 44, ext...))
	}
	return all
}

func wrap(f func([]byte) []byte, all [][]byte) [][]byte {
	var out [][]byte
	for _, b := range all {
		out = append(out, f(b))
	}
	return out
}

func reversed(all [][]byte) [][]byte {
	var out [][]byte
	for _, b := range all {
		out = append([][]byte{b}, out...)
	}
	return out
}

func TestFragments(t *testing.T) {
	v4, v6 := datagrams(t)
	inVXLAN := func(vni byte) func([]byte) []byte {
		return func(b []byte) []byte { return vxlan(vni, ether(0x0800, b)) }
	}
	twice := func(all [][]byte) [][]byte { return append(all[:1:1], all...) }
	for _, c := range []struct {
		name    string
		packets [][]byte
		tunnels string
		net     reassembly.Network
	}{
		{"IPv4", split4(v4, 7, 24), "", reassembly.Network{}},
		{"IPv4, the other way round", reversed(split4(v4, 7, 24)), "", reassembly.Network{}},
		{"IPv4, the first one twice", twice(split4(v4, 7, 24)), "", reassembly.Network{}},
		{"IPv4, eight bytes each", split4(v4, 7, 8), "", reassembly.Network{}},
		{"IPv6", split6(v6, 7, 24), "", reassembly.Network{}},
		{"IPv6, the other way round", reversed(split6(v6, 7, 16)), "", reassembly.Network{}},
		{"in VXLAN", wrap(inVXLAN(7), split4(v4, 7, 24)), "vxlan", network(reassembly.VXLAN, 7)},
		{"VXLAN in fragments", split4(vxlan(7, ether(0x0800, v4)), 7, 48), "vxlan", network(reassembly.VXLAN, 7)},
		{"fragments in VXLAN in fragments", join2(
			split4(inVXLAN(7)(split4(v4, 7, 24)[0]), 8, 48),
			reversed(split4(inVXLAN(7)(split4(v4, 7, 24)[1]), 9, 48)),
			split4(inVXLAN(7)(split4(v4, 7, 24)[2]), 10, 48),
		), "vxlan", network(reassembly.VXLAN, 7)},
		{"6in4, both in fragments", join2(split4(ip4(41, split6(v6, 7, 24)[1]), 9, 24),
			split4(ip4(41, split6(v6, 7, 24)[0]), 8, 24), [][]byte{ip4(41, split6(v6, 7, 24)[2])}), "6in4", reassembly.Network{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d decode.Decoder
			var seg reassembly.Segment
			for i, b := range c.packets {
				p := capture.Packet{Data: b, Length: len(b), Link: capture.LinkRaw, Number: uint64(i + 1), Time: capture.Time(i)}
				want := decode.Fragment
				if i == len(c.packets)-1 {
					want = decode.Segment
				}
				if r := d.Decode(&p, &seg); r != want {
					t.Fatalf("packet %d: %v", i, r)
				}
			}
			if string(seg.Payload) != body || seg.Cut != 0 || seg.Key.Receiver(seg.Dir).Port() != 80 {
				t.Errorf("%q, %d cut, to %v", seg.Payload, seg.Cut, seg.Key.Receiver(seg.Dir))
			}
			if seg.Tunnels.String() != c.tunnels || seg.Key.Net != c.net {
				t.Errorf("in %v, %+v", seg.Tunnels, seg.Key.Net)
			}
			if n := uint64(len(c.packets)); seg.Origin.Number != n || seg.Origin.Order != n {
				t.Errorf("origin %+v", seg.Origin)
			}
			if s := d.Stats(); s.Packets[decode.Fragment] != uint64(len(c.packets)-1) || s.Fragments.Held != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func join2(all ...[][]byte) [][]byte {
	var out [][]byte
	for _, a := range all {
		out = append(out, a...)
	}
	return out
}

// Fragments that are not of one datagram are not put together.
func TestFragmentsApart(t *testing.T) {
	v4, v6 := datagrams(t)
	a, b := split4(v4, 7, 40), split6(v6, 7, 40)
	for name, packets := range map[string][][]byte{
		"another identification": {a[0], split4(v4, 8, 40)[1]},
		"another protocol":       {a[0], with(a[1], 9, 17)},
		"another sender":         {a[0], with(a[1], 12, 9)},
		"another receiver":       {b[0], with(b[1], 24, 9)},
		"another network":        {vxlan(5, ether(0x0800, a[0])), vxlan(6, ether(0x0800, a[1]))},
		"inside and outside":     {a[0], vxlan(5, ether(0x0800, a[1]))},
		"IPv4 and IPv6":          {a[0], b[1]},
	} {
		var d decode.Decoder
		var seg reassembly.Segment
		for _, p := range packets {
			if r := d.Decode(&capture.Packet{Data: p, Length: len(p), Link: capture.LinkRaw}, &seg); r != decode.Fragment {
				t.Errorf("%s: %v", name, r)
			}
		}
	}
}

// What the snap length took is missing from the end of what is known.
func TestFragmentsCut(t *testing.T) {
	v4, _ := datagrams(t)
	parts := split4(v4, 7, 32) // 20 bytes of TCP header and 12 of body, then 22
	for _, c := range []struct {
		cut0, cut1 int
		want       int
	}{{0, 0, 34}, {4, 0, 8}, {0, 10, 24}, {4, 4, 8}, {12, 0, 0}} {
		var d decode.Decoder
		var seg reassembly.Segment
		var r decode.Reason
		for i, cut := range []int{c.cut0, c.cut1} {
			b := parts[i]
			r = d.Decode(&capture.Packet{Data: b[:len(b)-cut], Length: len(b), Link: capture.LinkRaw}, &seg)
		}
		if r != decode.Segment || len(seg.Payload) != c.want || !strings.HasPrefix(body, string(seg.Payload)) ||
			len(seg.Payload)+int(seg.Cut) != len(body) {
			t.Errorf("%+v: %v, %q and %d cut", c, r, seg.Payload, seg.Cut)
		}
	}
}

// An overlap with other bytes, which receivers read differently, gives
// nothing; nor do fragments that come too late.
func TestFragmentsRejected(t *testing.T) {
	v4, v6 := datagrams(t)
	for name, parts := range map[string][][]byte{"IPv4": split4(v4, 7, 24), "IPv6": split6(v6, 7, 24)} {
		last := len(parts[0]) - 1
		var d decode.Decoder
		var seg reassembly.Segment
		for i, step := range []struct {
			data []byte
			at   time.Duration
			want decode.Reason
		}{
			{parts[0], 0, decode.Fragment},
			{with(parts[0], last, 'X'), 0, decode.BadFragment},
			{parts[0], 0, decode.BadFragment},
			{parts[1], 0, decode.BadFragment},
			{parts[2], time.Second, decode.BadFragment},
			// Afterwards, another datagram.
			{parts[0], 3 * time.Second, decode.Fragment},
			{parts[1], 32 * time.Second, decode.Fragment},
			{parts[2], 34 * time.Second, decode.Fragment},
		} {
			p := capture.Packet{Data: step.data, Length: len(step.data), Link: capture.LinkRaw, Time: capture.Time(step.at)}
			if r := d.Decode(&p, &seg); r != step.want {
				t.Errorf("%s: step %d: %v, want %v", name, i, r, step.want)
			}
		}
		if s := d.Stats().Fragments; s.Overlapping != 1 || s.Refused != 3 || s.Expired != 1 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestFragmentsAreBounded(t *testing.T) {
	v4, _ := datagrams(t)
	const limit = 10 << 10
	d := decode.New(decode.Options{Fragments: fragment.Limits{Bytes: limit}})
	var seg reassembly.Segment
	for i := range uint16(1000) {
		b := split4(v4, i, 24)[0]
		d.Decode(&capture.Packet{Data: b, Length: len(b), Link: capture.LinkRaw}, &seg)
		if held := d.Stats().Fragments.Held; held > limit {
			t.Fatalf("%d bytes held after %d", held, i)
		}
	}
	if d.Stats().Fragments.Evicted < 900 {
		t.Errorf("%+v", d.Stats().Fragments)
	}
}

// FuzzPackets: several packets, so that fragments meet. No panic, one count a
// packet, bounded memory, and no more payload than was in all of them.
func FuzzPackets(f *testing.F) {
	v4, v6 := datagrams(f)
	seed := func(packets [][]byte) {
		var b []byte
		for _, p := range packets {
			b = append(append(b, byte(len(p))), p...)
		}
		f.Add(b)
	}
	seed(split4(v4, 7, 24))
	seed(split6(v6, 7, 16))
	seed(reversed(split4(vxlan(7, ether(0x0800, v4)), 7, 48)))
	seed(wrap(func(b []byte) []byte { return gtpu(0x30, b) }, split4(v4, 7, 24)))
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 4 << 10
		d := decode.New(decode.Options{Fragments: fragment.Limits{Bytes: limit}})
		all, n := len(data), uint64(0)
		for len(data) > 0 {
			p := data[1:min(len(data), 1+int(data[0]))]
			data = data[1+len(p):]
			var seg reassembly.Segment
			n++
			r := d.Decode(&capture.Packet{Data: p, Length: len(p), Link: capture.LinkRaw, Time: capture.Time(n * 1e8)}, &seg)
			if r == decode.Segment && len(seg.Payload) > all {
				t.Fatalf("%d bytes of payload of %d", len(seg.Payload), all)
			}
			if held := d.Stats().Fragments.Held; held > limit {
				t.Fatalf("%d bytes held", held)
			}
		}
		for _, count := range d.Stats().Packets {
			n -= count
		}
		if n != 0 {
			t.Fatalf("%d packets are not counted", int64(n))
		}
	})
}

func BenchmarkFragments(b *testing.B) {
	v4, _ := datagrams(b)
	parts := split4(v4, 7, 32)
	var d decode.Decoder
	var seg reassembly.Segment
	b.ReportAllocs()
	for b.Loop() {
		for _, p := range parts {
			d.Decode(&capture.Packet{Data: p, Length: len(p), Link: capture.LinkRaw}, &seg)
		}
	}
}
