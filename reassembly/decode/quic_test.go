package decode_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/decode"
)

// datagram gives an IPv4 datagram of UDP from 10.0.0.9 to 10.0.0.2.
func datagram(from, to uint16, payload ...byte) []byte {
	b := make([]byte, 28, 28+len(payload))
	b[0], b[9] = 0x45, 17
	copy(b[12:], []byte{10, 0, 0, 9, 10, 0, 0, 2})
	binary.BigEndian.PutUint16(b[2:], uint16(28+len(payload)))
	binary.BigEndian.PutUint16(b[20:], from)
	binary.BigEndian.PutUint16(b[22:], to)
	binary.BigEndian.PutUint16(b[24:], uint16(8+len(payload)))
	return append(b, payload...)
}

func TestQUIC(t *testing.T) {
	initial := []byte{0xc3, 0, 0, 0, 1, 4, 'a', 'b', 'c', 'd', 0, 0, 0x40}
	for _, c := range []struct {
		name string
		data []byte
		want decode.Reason
	}{
		{"another port", datagram(50000, 4433, initial...), decode.NotTCP},
		{"a short header", datagram(50000, 443, with(initial, 0, 0x43)...), decode.NotTCP},
		{"no version", datagram(50000, 443, with(initial, 4, 0)...), decode.NotTCP},
		{"a connection id that is too long", datagram(50000, 443, with(initial, 5, 21)...), decode.NotTCP},
		{"a connection id that is not there", datagram(50000, 443, with(initial, 5, 20)...), decode.NotTCP},
		{"the other id too long", datagram(50000, 443, with(initial, 10, 21)...), decode.NotTCP},
		{"cut", datagram(50000, 443, initial[:6]...), decode.NotTCP},
		{"nothing", datagram(50000, 443), decode.NotTCP},
		{"to the server", datagram(50000, 443, initial...), decode.QUIC},
		{"from the server", datagram(443, 50000, initial...), decode.QUIC},
		{"version 2", datagram(50000, 443, with(initial, 1, 0x6b, 0x33, 0x43, 0xcf)...), decode.QUIC},
		{"without ids", datagram(50000, 443, 0xc0, 0, 0, 0, 1, 0, 0), decode.QUIC},
	} {
		var d decode.Decoder
		var seg reassembly.Segment
		p := capture.Packet{Data: c.data, Length: len(c.data), Link: capture.LinkRaw}
		if got := d.Decode(&p, &seg); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
			continue
		}
		if c.want != decode.QUIC {
			continue
		}
		want := netip.MustParseAddrPort("10.0.0.2:443")
		from := binary.BigEndian.Uint16(c.data[20:])
		if got, want := seg.Key.Sender(seg.Dir), netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 9}), from); got != want {
			t.Errorf("%s: sent by %v, want %v", c.name, got, want)
		}
		if from == 443 {
			want = netip.MustParseAddrPort("10.0.0.9:443")
		}
		if got := decode.QUICServer(&seg); got != want {
			t.Errorf("%s: the server is %v, want %v", c.name, got, want)
		}
	}
}
