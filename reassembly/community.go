package reassembly

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
)

// AppendCommunityID appends the Community ID, version 1 with seed 0, of a TCP
// conversation between two ends, in either order:
// https://github.com/corelight/community-id-spec. It is what other tools call
// the same conversation. It does not know VLANs and overlays.
func AppendCommunityID(b []byte, x, y netip.AddrPort) []byte {
	if y.Compare(x) < 0 {
		x, y = y, x
	}
	var in [2 + 16 + 16 + 4 + 4]byte // the seed stands first
	n := 2
	for _, a := range []netip.Addr{x.Addr(), y.Addr()} {
		if a.Is4() {
			ip := a.As4()
			n += copy(in[n:], ip[:])
		} else {
			ip := a.As16()
			n += copy(in[n:], ip[:])
		}
	}
	in[n] = 6 // TCP, and a byte of padding
	binary.BigEndian.PutUint16(in[n+2:], x.Port())
	binary.BigEndian.PutUint16(in[n+4:], y.Port())
	sum := sha1.Sum(in[:n+6])
	return base64.StdEncoding.AppendEncode(append(b, "1:"...), sum[:])
}
