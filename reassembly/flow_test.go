package reassembly_test

import (
	"bytes"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/authtap/authtap/reassembly"
)

// Both directions of a conversation have one key and one hash, and the key
// gives back who sent.
func TestFlowKeyIsSymmetric(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		addr := rapid.Custom(func(t *rapid.T) reassembly.Addr {
			var a reassembly.Addr
			copy(a[:], rapid.SliceOfN(rapid.ByteRange(0, 2), 16, 16).Draw(t, "addr"))
			return a
		})
		port := rapid.Uint16Range(0, 2)
		src, dst := addr.Draw(t, "src"), addr.Draw(t, "dst")
		srcPort, dstPort := port.Draw(t, "srcPort"), port.Draw(t, "dstPort")
		n := reassembly.Network{VLAN: [2]uint16{6}}

		k, d := reassembly.NewFlowKey(n, src, dst, srcPort, dstPort)
		back, e := reassembly.NewFlowKey(n, dst, src, dstPort, srcPort)
		if k != back || k.Hash() != back.Hash() {
			t.Fatalf("%+v and %+v", k, back)
		}
		if e != d.Reverse() && (src != dst || srcPort != dstPort) {
			t.Fatalf("directions %d and %d", d, e)
		}
		if k.Sender(d) != netip.AddrPortFrom(src.IP(), srcPort) || k.Receiver(d) != netip.AddrPortFrom(dst.IP(), dstPort) {
			t.Fatalf("%v to %v became %v to %v", src, dst, k.Sender(d), k.Receiver(d))
		}
		if c := bytes.Compare(k.AddrA[:], k.AddrB[:]); c > 0 || c == 0 && k.PortA > k.PortB {
			t.Fatalf("the lower end does not stand first: %+v", k)
		}
		other := k
		other.Net.VLAN[0]++
		if other == k {
			t.Fatal("the VLAN is not part of the key")
		}
		if other.Hash() != k.Hash() {
			t.Fatal("copies from two VLANs come to different shards")
		}
	})
}
