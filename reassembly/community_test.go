package reassembly_test

import (
	"net/netip"
	"testing"

	"github.com/authtap/authtap/reassembly"
)

// The first value is of the specification's baseline (seed 0); the others were
// computed apart from this code.
func TestCommunityID(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"128.232.110.120:34855", "66.35.250.204:80", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{"10.0.0.1:10", "10.0.0.1:20", "1:1Lc+0H/HgLmR5V4rmOeuDZQS11k="},
		{"[2001:db8::1]:40000", "[2001:db8::2]:443", "1:RYG3Msb11GthNt1OYXJouPzmrvA="},
	} {
		a, b := netip.MustParseAddrPort(c.a), netip.MustParseAddrPort(c.b)
		if got := string(reassembly.AppendCommunityID(nil, a, b)); got != c.want {
			t.Errorf("%s, %s: %s, want %s", c.a, c.b, got, c.want)
		}
		if got := string(reassembly.AppendCommunityID(nil, b, a)); got != c.want {
			t.Errorf("%s, %s in the other order: %s, want %s", c.a, c.b, got, c.want)
		}
	}
}

func BenchmarkCommunityID(b *testing.B) {
	x, y := netip.MustParseAddrPort("10.0.0.1:40000"), netip.MustParseAddrPort("10.0.0.2:80")
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		buf = reassembly.AppendCommunityID(buf[:0], x, y)
	}
}
