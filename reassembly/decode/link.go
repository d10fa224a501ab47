package decode

import (
	"encoding/binary"

	"github.com/authtap/authtap/capture"
)

// link reads the link layer's header.
func (w *walk) link(link capture.LinkType) (protocol, Reason) {
	b := w.rest
	switch link {
	case capture.LinkEthernet:
		return w.ethernet()
	case capture.LinkSLL: // https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html
		if len(b) < 16 {
			return 0, TruncatedLink
		}
		w.rest = b[16:]
		return etherType(b[14:]), Segment
	case capture.LinkSLL2: // https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html
		if len(b) < 20 {
			return 0, TruncatedLink
		}
		w.rest = b[20:]
		return etherType(b[0:]), Segment
	case capture.LinkNull, capture.LinkLoop:
		return w.loopback()
	case capture.LinkNFLOG:
		return w.netfilter()
	case capture.LinkARCNET:
		return w.arcnet()
	case capture.LinkRaw, capture.LinkRaw12, capture.LinkRaw14, capture.LinkIPv4, capture.LinkIPv6:
		return anyIP, Segment
	case capture.LinkPPP, capture.LinkPPPSerial, capture.LinkHDLC:
		return linkPPP, Segment
	case capture.LinkPPPEther:
		return etherPPPoE, Segment
	case capture.LinkPPPDirection:
		return w.skip(1, linkPPP)
	case capture.LinkFDDI: // frame control, two addresses
		return w.skip(13, linkLLC)
	case capture.LinkWLAN:
		return linkWLAN, Segment
	case capture.LinkRadiotap:
		return w.radiotap()
	case capture.LinkPrism:
		return w.prism()
	case capture.LinkAVS:
		return w.avs()
	case capture.LinkPPI:
		return w.ppi()
	}
	return 0, UnknownLink
}

// skip goes n bytes on.
func (w *walk) skip(n int, next protocol) (protocol, Reason) {
	if len(w.rest) < n {
		return 0, TruncatedLink
	}
	w.rest = w.rest[n:]
	return next, Segment
}

// ethernet reads a frame's header.
func (w *walk) ethernet() (protocol, Reason) {
	b := w.rest
	if len(b) < 14 {
		return 0, TruncatedLink
	}
	w.rest = b[14:]
	return etherType(b[12:]), Segment
}

// inner reads the header of a frame in a tunnel: its VLAN tags are those that
// count.
func (w *walk) inner() (protocol, Reason) {
	w.tags, w.net.VLAN = 0, [2]uint16{}
	return w.ethernet()
}

// etherType reads two bytes: a type, or the length of an IEEE 802.3 frame, in
// which LLC follows.
func etherType(b []byte) protocol {
	t := protocol(binary.BigEndian.Uint16(b))
	if t >= 0x0600 && t != anyIP { // IEEE 802.3, clause 3.2.6
		return t
	}
	return linkLLC
}

// llc reads LLC with both SAPs SNAP, unnumbered information, no vendor
// (RFC 1042); or with both SAPs IP (RFC 948).
func (w *walk) llc() (protocol, Reason) {
	r := w.rest
	switch {
	case len(r) >= 8 && r[0] == 0xaa && r[1] == 0xaa && r[2] == 3 && r[3]|r[4]|r[5] == 0:
		w.rest = r[8:]
		if t := protocol(binary.BigEndian.Uint16(r[6:])); t != anyIP {
			return t, Segment
		}
	case len(r) >= 3 && r[0] == 6 && r[1] == 6 && r[2] == 3:
		w.rest = r[3:]
		return etherIPv4, Segment
	}
	return 0, NotIP
}

// loopback reads the address family, in the byte order of the machine that
// captured; its numbers differ from system to system.
func (w *walk) loopback() (protocol, Reason) {
	if len(w.rest) < 4 {
		return 0, TruncatedLink
	}
	family := binary.LittleEndian.Uint32(w.rest)
	if family > 0xffff {
		family = binary.BigEndian.Uint32(w.rest)
	}
	w.rest = w.rest[4:]
	switch family {
	case 2:
		return etherIPv4, Segment
	case 10, 23, 24, 28, 30: // Linux, Windows, NetBSD and OpenBSD, FreeBSD, macOS
		return etherIPv6, Segment
	}
	return 0, NotIP
}

// netfilter finds the packet among the fields of a log message, each a length
// (with its own four bytes, padded to four) and a type, in the byte order of
// the machine that captured: https://www.tcpdump.org/linktypes/LINKTYPE_NFLOG.html
func (w *walk) netfilter() (protocol, Reason) {
	if len(w.rest) < 4 {
		return 0, TruncatedLink
	}
	b, order := w.rest[4:], binary.ByteOrder(binary.LittleEndian)
	// Types are small numbers, so the order shows in the first of them.
	if len(b) >= 4 && b[2] == 0 && b[3] != 0 {
		order = binary.BigEndian
	}
	for len(b) >= 4 {
		n, kind := int(order.Uint16(b)), order.Uint16(b[2:])
		if n < 4 {
			return 0, NotIP
		}
		if kind&0x7fff == 9 { // the payload
			w.rest = b[4:]
			w.trim(n - 4)
			return anyIP, Segment
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return 0, TruncatedLink
}

// arcnet reads ARCNET's header as Linux gives it: addresses, two bytes of
// offset, the protocol; unfragmented packets only.
func (w *walk) arcnet() (protocol, Reason) {
	b := w.rest
	if len(b) < 8 {
		return 0, TruncatedLink
	}
	switch {
	case b[4] == 240: // RFC 1051
		w.rest = b[5:]
		return etherIPv4, Segment
	case b[4] == 212 && b[5] == 0: // RFC 1201: not split
		w.rest = b[8:]
		return etherIPv4, Segment
	}
	return 0, NotIP
}

// version tells IPv4 from IPv6.
func (w *walk) version() (protocol, Reason) {
	if len(w.rest) == 0 {
		return 0, TruncatedIP
	}
	switch w.rest[0] >> 4 {
	case 4:
		return etherIPv4, Segment
	case 6:
		return etherIPv6, Segment
	}
	return 0, NotIP
}

// vlan reads a tag: IEEE 802.1Q, clause 9.6. Id 0 marks a priority, no VLAN,
// and often stands in one direction only.
func (w *walk) vlan() (protocol, Reason) {
	b := w.rest
	if len(b) < 4 {
		return 0, TruncatedLink
	}
	if id := binary.BigEndian.Uint16(b) & 0xfff; id != 0 && w.tags < len(w.net.VLAN) && !w.decoder.options.NoVLANKey {
		w.net.VLAN[w.tags] = id + 1
		w.tags++
	}
	w.rest = b[4:]
	return etherType(b[2:]), Segment
}
