package decode

import (
	"encoding/binary"

	"github.com/authtap/authtap/reassembly"
)

// pppoe reads the header of a session (RFC 2516, section 4).
func (w *walk) pppoe() (protocol, Reason) {
	b := w.rest
	switch {
	case len(b) < 6:
		return 0, TruncatedTunnel
	case b[0] != 0x11: // version and type
		return 0, BadTunnel
	case b[1] != 0: // no session data
		return 0, NotIP
	}
	w.rest = b[6:]
	w.trim(int(binary.BigEndian.Uint16(b[4:])))
	return linkPPP, w.open(reassembly.PPPoE)
}

// ppp reads the frame of RFC 1662, section 3.1, of which address and control
// may be left out, and the first byte of the protocol (section 6 of RFC 1661).
// In the place of address and control Cisco's HDLC has 0x0f00 or 0x8f00, and
// an EtherType follows.
func (w *walk) ppp() (protocol, Reason) {
	b := w.rest
	if len(b) >= 4 && (b[0] == 0x0f || b[0] == 0x8f) && b[1] == 0 {
		w.rest = b[4:]
		return etherType(b[2:]), Segment
	}
	if len(b) >= 2 && b[0] == 0xff && b[1] == 3 {
		b = b[2:]
	}
	if len(b) < 2 {
		return 0, TruncatedLink
	}
	next := binary.BigEndian.Uint16(b)
	if b[0]&1 != 0 {
		next, b = uint16(b[0]), b[1:]
	} else {
		b = b[2:]
	}
	w.rest = b
	switch next { // https://www.iana.org/assignments/ppp-numbers
	case 0x0021:
		return etherIPv4, Segment
	case 0x0057:
		return etherIPv6, Segment
	case 0x0281, 0x0283:
		return etherMPLS, Segment
	}
	return 0, NotIP
}

// maxLabels is how many MPLS labels may stand on each other.
const maxLabels = 16

// mpls skips the labels (RFC 3032, section 2.1). Nothing says what is below
// them: IP shows in its first bits; a pseudo-wire's control word, where there
// is one, is 0 for Ethernet but for the number in its second half (RFC 4448,
// section 4.6).
func (w *walk) mpls() (protocol, Reason) {
	b := w.rest
	for n := 0; ; n++ {
		if len(b) < 4 {
			return 0, TruncatedTunnel
		}
		if n == maxLabels {
			return 0, TooDeep
		}
		bottom := b[2]&1 != 0
		b = b[4:]
		if bottom {
			break
		}
	}
	w.rest = b
	if r := w.open(reassembly.MPLS); r != Segment {
		return 0, r
	}
	if len(b) == 0 {
		return 0, TruncatedTunnel
	}
	// A MAC address may begin with 4 or 6, too.
	switch v := b[0] >> 4; {
	case v == 4 && (w.fits4(b) || !isFrame(b)):
		return etherIPv4, Segment
	case v == 6 && (w.fits6(b) || !isFrame(b)):
		return etherIPv6, Segment
	case len(b) >= 4 && b[0] == 0 && b[1] == 0 && isFrame(b[4:]):
		w.rest = b[4:]
		return etherFrame, Segment
	case isFrame(b):
		return etherFrame, Segment
	}
	return 0, NotIP
}

// fits4 and fits6 report whether an IP header's length is that of what is
// there, padding of a short frame aside.
func (w *walk) fits4(b []byte) bool {
	return len(b) >= 20 && b[0] >= 0x45 && w.fits(b, int(binary.BigEndian.Uint16(b[2:])))
}

func (w *walk) fits6(b []byte) bool {
	return len(b) >= 40 && w.fits(b, 40+int(binary.BigEndian.Uint16(b[4:])))
}

func (w *walk) fits(b []byte, n int) bool {
	const shortest = 46 // payload of an Ethernet frame
	all := len(b) + w.cut
	return n == all || n < all && all <= shortest
}

// isFrame reports whether b seems to begin with an Ethernet header: behind it
// comes something that is known.
func isFrame(b []byte) bool {
	if len(b) < 14 {
		return false
	}
	switch t := protocol(binary.BigEndian.Uint16(b[12:])); t {
	case etherIPv4, etherIPv6, etherVLAN, etherQinQ, etherOldQ, etherMPLS, etherMPLSm, etherPPPoE, etherMACsec:
		return true
	case 0x0806, 0x8863, 0x88cc: // ARP, PPPoE discovery, LLDP
		return true
	default: // a length, and LLC of which the SAPs are those of SNAP, spanning tree, IP or OSI
		return t <= 1500 && len(b) >= 17 && b[14] == b[15] && (b[14] == 0xaa || b[14] == 0x42 || b[14] == 6 || b[14] == 0xfe)
	}
}
