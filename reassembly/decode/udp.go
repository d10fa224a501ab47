package decode

import (
	"encoding/binary"
	"net/netip"

	"github.com/authtap/authtap/reassembly"
)

// udp opens the tunnels over UDP, and tells QUIC from the rest.
func (w *walk) udp(seg *reassembly.Segment) (protocol, Reason) {
	b := w.rest
	if len(b) < 8 {
		return 0, NotTCP
	}
	from, to := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if kind := w.decoder.tunnelAt(from, to); kind != 0 {
		w.rest = b[8:]
		if n := int(binary.BigEndian.Uint16(b[4:])) - 8; n > len(w.rest)+w.cut {
			return 0, NotTCP
		} else if n >= 0 { // 0 bytes, header included, are all there are
			w.trim(n)
		}
		switch kind {
		case reassembly.VXLAN:
			return w.vxlan()
		case reassembly.Geneve:
			return w.geneve()
		case reassembly.GTPU:
			return w.gtpu()
		case reassembly.Teredo:
			return w.teredo()
		}
	}
	if (from == quicPort || to == quicPort) && isQUIC(b[8:]) {
		seg.Dir = seg.Key.SetEnds(w.srcHi, w.srcLo, w.dstHi, w.dstLo, from, to)
		return 0, QUIC
	}
	return 0, NotTCP
}

// tunnelAt gives the tunnel that a port is for. The sender's port says
// nothing, but for Teredo, whose clients have ports of their own.
func (d *Decoder) tunnelAt(from, to uint16) reassembly.Tunnel {
	switch to {
	case 4789, 4790: // RFC 7348; draft-ietf-nvo3-vxlan-gpe
		return reassembly.VXLAN
	case 6081: // RFC 8926
		return reassembly.Geneve
	case 2152: // 3GPP TS 29.281
		return reassembly.GTPU
	case 3544: // RFC 4380
		return reassembly.Teredo
	}
	if from == 3544 {
		return reassembly.Teredo
	}
	for _, p := range d.options.Ports {
		if p.Number == to || p.Number == from && p.Tunnel == reassembly.Teredo {
			return p.Tunnel
		}
	}
	return 0
}

// vxlan reads the header of RFC 7348, section 5; with the bit for it, the
// group of draft-smith-vxlan-group-policy or the next protocol of
// draft-ietf-nvo3-vxlan-gpe, section 3.
func (w *walk) vxlan() (protocol, Reason) {
	const (
		group    = 0x80
		id       = 0x08
		typed    = 0x04
		multiple = 0x02 // broadcast, unknown, multicast
	)
	b := w.rest
	if len(b) < 9 || b[7] != 0 {
		return 0, NotTCP
	}
	next := etherFrame
	switch {
	case b[0] == id && b[1]|b[2]|b[3] == 0:
	case b[0] == id|group && b[1]&^0x48 == 0:
	case b[0]&^multiple == id|typed && b[1]|b[2] == 0:
		switch b[3] {
		case 1:
			next = etherIPv4
		case 2:
			next = etherIPv6
		case 3:
		case 5:
			next = etherMPLS
		default:
			return 0, NotTCP
		}
	default:
		return 0, NotTCP
	}
	w.rest = b[8:]
	if !begins(next, w.rest) {
		return 0, NotTCP
	}
	return next, w.overlay(reassembly.VXLAN, binary.BigEndian.Uint32(b[4:])>>8)
}

// begins reports whether b begins as a protocol does.
func begins(p protocol, b []byte) bool {
	switch p {
	case etherIPv4:
		return len(b) > 0 && b[0]>>4 == 4
	case etherIPv6:
		return len(b) > 0 && b[0]>>4 == 6
	case etherFrame:
		return isFrame(b)
	}
	return true
}

// geneve reads the header of RFC 8926, section 3.4, and skips the options
// (section 3.5).
func (w *walk) geneve() (protocol, Reason) {
	b := w.rest
	// Version 0, data and not control, reserved bits.
	if len(b) < 8 || b[0]>>6 != 0 || b[1]&^0x40 != 0 || b[7] != 0 {
		return 0, NotTCP
	}
	n := 8 + int(b[0]&0x3f)*4
	if len(b) < n {
		return 0, NotTCP
	}
	for o := b[8:n]; len(o) > 0; {
		size := 4 + int(o[3]&0x1f)*4
		if size > len(o) {
			return 0, NotTCP
		}
		o = o[size:]
	}
	next := protocol(binary.BigEndian.Uint16(b[2:]))
	switch next {
	case etherFrame, etherIPv4, etherIPv6, etherMPLS:
	default:
		return 0, NotTCP
	}
	w.rest = b[n:]
	if !begins(next, w.rest) {
		return 0, NotTCP
	}
	return next, w.overlay(reassembly.Geneve, binary.BigEndian.Uint32(b[4:])>>8)
}

// gtpu reads the header of a packet of a user (3GPP TS 29.281, section 5.1)
// and skips its extensions (section 5.2). The tunnel's endpoint id is that of
// the receiver, so it is not part of the flow's key.
func (w *walk) gtpu() (protocol, Reason) {
	const (
		version   = 0x30 // 1, and GTP, not GTP'
		extension = 0x04
		optional  = 0x07 // one of them is there, so there is room for all
	)
	b := w.rest
	if len(b) < 8 || b[0]&^optional != version || b[1] != 255 ||
		8+int(binary.BigEndian.Uint16(b[2:])) != len(b)+w.cut {
		return 0, NotTCP
	}
	n := 8
	if b[0]&optional != 0 {
		n = 12
		if len(b) < n {
			return 0, NotTCP
		}
		next := b[11]
		for b[0]&extension != 0 && next != 0 {
			if n >= len(b) || b[n] == 0 || n+int(b[n])*4 > len(b) {
				return 0, NotTCP
			}
			n += int(b[n]) * 4
			next = b[n-1]
		}
	}
	w.rest = b[n:]
	if !begins(etherIPv4, w.rest) && !begins(etherIPv6, w.rest) {
		return 0, NotTCP
	}
	return anyIP, w.open(reassembly.GTPU)
}

// teredo skips the indications (RFC 4380, section 5.1.1) before an IPv6
// packet, of which one address must be a client's (section 4).
func (w *walk) teredo() (protocol, Reason) {
	b := w.rest
	if len(b) >= 4 && b[0] == 0 && b[1] == 1 { // authentication
		n := 4 + int(b[2]) + int(b[3]) + 9
		if len(b) < n {
			return 0, NotTCP
		}
		b = b[n:]
	}
	if len(b) >= 8 && b[0] == 0 && b[1] == 0 { // origin
		b = b[8:]
	}
	const prefix = 0x20010000
	if len(b) < 40 || b[0]>>4 != 6 || 40+int(binary.BigEndian.Uint16(b[4:])) > len(b)+w.cut ||
		binary.BigEndian.Uint32(b[8:]) != prefix && binary.BigEndian.Uint32(b[24:]) != prefix {
		return 0, NotTCP
	}
	w.rest = b
	return etherIPv6, w.open(reassembly.Teredo)
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
