package decode

import (
	"encoding/binary"

	"github.com/authtap/authtap/reassembly"
)

// Bits of a GRE header (RFC 2784, RFC 2890, RFC 2637).
const (
	greChecksum = 0x8000
	greKey      = 0x2000
	greSequence = 0x1000
	greAck      = 0x0080 // version 1
	greRefused  = 0x4c00 // RFC 2784, section 2.3: routing among them
	greVersion  = 0x0007
)

// What GRE holds besides EtherTypes.
const (
	greERSPAN2 protocol = 0x88be // types I and II
	greERSPAN3 protocol = 0x22eb
	grePPP     protocol = 0x880b
)

// gre reads the header of RFC 2784, section 2, with the fields of RFC 2890.
func (w *walk) gre() (protocol, Reason) {
	b := w.rest
	if len(b) < 4 {
		return 0, TruncatedTunnel
	}
	flags, next := binary.BigEndian.Uint16(b), protocol(binary.BigEndian.Uint16(b[2:]))
	switch {
	case flags&greVersion == 1 && next == grePPP:
		return w.pptp(flags)
	case flags&(greVersion|greRefused) != 0:
		return 0, BadTunnel
	}
	n := 4
	if flags&greChecksum != 0 {
		n += 4
	}
	keyAt := n
	if flags&greKey != 0 {
		n += 4
	}
	if flags&greSequence != 0 {
		n += 4
	}
	if len(b) < n {
		return 0, TruncatedTunnel
	}
	w.rest = b[n:]
	kind := reassembly.GRE
	if flags&greKey != 0 {
		key := binary.BigEndian.Uint32(b[keyAt:])
		if next == etherFrame && flags == greKey && key >= nvgreLeast {
			kind, key = reassembly.NVGRE, key>>8 // the rest may differ from flow to flow
		}
		w.net.Kind, w.net.ID = uint8(kind), key
	}
	if r := w.open(kind); r != Segment {
		return 0, r
	}
	switch {
	case next == greERSPAN2 && flags&greSequence == 0: // type I
		return etherFrame, w.open(reassembly.ERSPAN)
	case next == greERSPAN2, next == greERSPAN3:
		return w.erspan()
	case next == grePPP:
		return linkPPP, Segment
	case next&0xfe0f == 0x8200: // 802.11 frames, from Aruba's access points
		return linkWLAN, Segment
	case next == anyIP:
		return 0, NotIP
	}
	return next, Segment
}

// nvgreLeast is the lowest key with a virtual subnet id in it (RFC 7637,
// section 3.3: ids from 0x1000, and eight bits to tell flows apart). A lower
// one is that of an Ethernet tunnel with a key.
const nvgreLeast = 0x1000 << 8

// erspan reads the header of a mirrored frame, version 1 (type II) or 2 (type
// III): draft-foschiano-erspan-03, sections 4.2 and 4.3.
func (w *walk) erspan() (protocol, Reason) {
	b := w.rest
	if len(b) < 8 {
		return 0, TruncatedTunnel
	}
	n, next := 8, etherFrame
	switch b[0] >> 4 {
	case 1:
	case 2:
		n = 12
		if len(b) < n {
			return 0, TruncatedTunnel
		}
		if b[11]&1 != 0 { // a platform's own header
			n = 20
		}
		switch b[10] >> 2 & 0x1f { // frame type
		case 0:
		case 2:
			next = anyIP
		default:
			return 0, BadTunnel
		}
	default:
		return 0, BadTunnel
	}
	if len(b) < n {
		return 0, TruncatedTunnel
	}
	w.rest = b[n:]
	return next, w.open(reassembly.ERSPAN)
}

// pptp reads the GRE of RFC 2637, section 4.1. Its call id is that of the
// receiver, so it is not part of the flow's key.
func (w *walk) pptp(flags uint16) (protocol, Reason) {
	b := w.rest
	if flags&^(greSequence|greAck) != greKey|1 {
		return 0, BadTunnel
	}
	n := 8
	if flags&greSequence != 0 {
		n += 4
	}
	if flags&greAck != 0 {
		n += 4
	}
	if len(b) < n {
		return 0, TruncatedTunnel
	}
	w.rest = b[n:]
	w.trim(int(binary.BigEndian.Uint16(b[4:])))
	if r := w.open(reassembly.GRE); r != Segment {
		return 0, r
	}
	if flags&greSequence == 0 { // an acknowledgement only
		return 0, NotIP
	}
	return linkPPP, Segment
}
