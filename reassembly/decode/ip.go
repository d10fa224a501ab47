package decode

import (
	"encoding/binary"
	"net/netip"

	"github.com/authtap/authtap/reassembly"
)

// mapped stands before an IPv4 address in IPv6 form (RFC 4291, section 2.5.5.2).
const mapped = 0xffff << 32

// ipv4 reads the header of RFC 791, section 3.1.
func (w *walk) ipv4() (protocol, Reason) {
	b := w.rest
	if len(b) < 20 {
		return 0, TruncatedIP
	}
	header := int(b[0]&15) * 4
	if b[0]>>4 != 4 || header < 20 {
		return 0, BadIPv4
	}
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total != 0 && total < header {
		return 0, BadIPv4
	}
	if len(b) < header {
		return 0, TruncatedIP
	}
	// More fragments, or an offset.
	if binary.BigEndian.Uint16(b[6:])&0x3fff != 0 {
		return 0, Fragment
	}
	w.srcHi, w.srcLo = 0, mapped|uint64(binary.BigEndian.Uint32(b[12:]))
	w.dstHi, w.dstLo = 0, mapped|uint64(binary.BigEndian.Uint32(b[16:]))
	w.rest = b[header:]
	if total != 0 {
		w.trim(total - header)
	}
	return isIP | protocol(b[9]), Segment
}

// ipv6 reads the header of RFC 8200, section 3. A payload length of 0 stands
// before jumbo payloads (RFC 2675) and in packets still to be cut.
func (w *walk) ipv6() (protocol, Reason) {
	b := w.rest
	if len(b) < 40 {
		return 0, TruncatedIP
	}
	if b[0]>>4 != 6 {
		return 0, BadIPv6
	}
	w.srcHi, w.srcLo = binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])
	w.dstHi, w.dstLo = binary.BigEndian.Uint64(b[24:]), binary.BigEndian.Uint64(b[32:])
	w.rest = b[40:]
	if n := int(binary.BigEndian.Uint16(b[4:])); n != 0 {
		w.trim(n)
	}
	return isIP | protocol(b[6]), Segment
}

// trim ends the walk's bytes where the datagram ends: what comes after is
// padding, what is missing was cut.
func (w *walk) trim(n int) {
	if n <= len(w.rest) {
		w.rest, w.cut = w.rest[:n], 0
		return
	}
	w.cut = n - len(w.rest)
}

// extension skips a header between IP and its payload.
func (w *walk) extension(this protocol) (protocol, Reason) {
	b := w.rest
	if len(b) < 8 {
		if len(b)+w.cut < 8 {
			return 0, BadExtension
		}
		return 0, TruncatedIP
	}
	n := int(b[1])*8 + 8 // RFC 8200, section 4.3 and others
	switch this {
	case ipFragment:
		// Section 4.5. Nothing before it and nothing after it: an "atomic"
		// fragment, which is a whole datagram (RFC 6946).
		if binary.BigEndian.Uint16(b[2:])&0xfff9 != 0 {
			return 0, Fragment
		}
		n = 8
	case ipAH:
		n = int(b[1])*4 + 8 // RFC 4302, section 2.2
	}
	if n > len(b) {
		if n > len(b)+w.cut {
			return 0, BadExtension
		}
		return 0, TruncatedIP
	}
	w.rest = b[n:]
	return isIP | protocol(b[0]), Segment
}

// udp tells the tunnels and QUIC by their ports (IANA) from the rest.
func (w *walk) udp(seg *reassembly.Segment) Reason {
	if len(w.rest) < 4 {
		return NotTCP
	}
	switch binary.BigEndian.Uint16(w.rest[2:]) {
	case 4789: // RFC 7348
		return VXLAN
	case 6081: // RFC 8926
		return Geneve
	case 2152: // 3GPP TS 29.281
		return GTPU
	case 3544: // RFC 4380
		return Teredo
	}
	from, to := binary.BigEndian.Uint16(w.rest), binary.BigEndian.Uint16(w.rest[2:])
	if (from == quicPort || to == quicPort) && len(w.rest) > 8 && isQUIC(w.rest[8:]) {
		seg.Dir = seg.Key.SetEnds(w.srcHi, w.srcLo, w.dstHi, w.dstLo, from, to)
		return QUIC
	}
	return NotTCP
}

const quicPort = 443 // HTTP/3 (RFC 9114, section 3.1.2)

// QUICServer gives the server of a packet that was found to be QUIC.
func QUICServer(seg *reassembly.Segment) netip.AddrPort {
	if from := seg.Key.Sender(seg.Dir); from.Port() == quicPort {
		return from
	}
	return seg.Key.Receiver(seg.Dir)
}

// isQUIC reports whether a UDP payload begins with a long header, of whatever
// version (RFC 8999, section 5.1): its first bit is set, then come a version,
// and a connection id of at most 20 bytes (RFC 9000, section 17.2) that is
// there. Packets of an open connection have none and look like anything.
func isQUIC(b []byte) bool {
	return len(b) >= 7 && b[0]&0x80 != 0 && binary.BigEndian.Uint32(b[1:]) != 0 &&
		b[5] <= 20 && len(b) > 6+int(b[5]) && b[6+int(b[5])] <= 20
}
