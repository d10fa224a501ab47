package decode

import (
	"encoding/binary"

	"github.com/authtap/authtap/capture"
)

// wlan reads the header of a data frame: IEEE 802.11, clause 9.3.2.1.
func (w *walk) wlan() (protocol, Reason) { return w.wlanFrame(false) }

// wlanFrame is wlan for a frame whose header may be padded to four bytes.
func (w *walk) wlanFrame(padded bool) (protocol, Reason) {
	const (
		qos, null                            = 0x80, 0x40 // first byte
		bothDS, more, protected, highControl = 0x03, 0x04, 0x40, 0x80
	)
	b := w.rest
	if len(b) < 2 {
		return 0, TruncatedLink
	}
	if b[0]&0x0f != 0x08 || b[0]&null != 0 { // version 0, data
		return 0, NotIP
	}
	n := 24
	if b[1]&bothDS == bothDS {
		n += 6 // a fourth address
	}
	control := n
	if b[0]&qos != 0 {
		n += 2
		if b[1]&highControl != 0 {
			n += 4
		}
	}
	if padded {
		n = (n + 3) &^ 3
	}
	switch {
	case len(b) < n:
		return 0, TruncatedLink
	case b[1]&protected != 0:
		return 0, WLANEncrypted
	case b[1]&more != 0 || b[22]&0x0f != 0 || b[0]&qos != 0 && b[control]&0x80 != 0:
		return 0, WLANAggregate
	}
	w.rest = b[n:]
	return linkLLC, Segment
}

// radiotap skips the header (https://www.radiotap.org), of which the flags
// matter: they stand behind the presence words, and behind a time stamp that
// is aligned to eight bytes.
func (w *walk) radiotap() (protocol, Reason) {
	const (
		hasTime, hasFlags, another = 1 << 0, 1 << 1, 1 << 31
		dataPadding                = 0x20
	)
	b := w.rest
	if len(b) < 8 {
		return 0, TruncatedLink
	}
	n := int(binary.LittleEndian.Uint16(b[2:]))
	if b[0] != 0 || n < 8 {
		return 0, NotIP
	}
	if len(b) < n {
		return 0, TruncatedLink
	}
	w.rest = b[n:]
	present := binary.LittleEndian.Uint32(b[4:])
	at := 8
	for word := present; word&another != 0; at += 4 {
		if at+4 > n {
			return 0, NotIP
		}
		word = binary.LittleEndian.Uint32(b[at:])
	}
	if present&hasTime != 0 {
		at = (at+7)&^7 + 8
	}
	return w.wlanFrame(present&hasFlags != 0 && at < n && b[at]&dataPadding != 0)
}

// prism skips a header of fixed size. Some drivers put an AVS header in its
// place.
func (w *walk) prism() (protocol, Reason) {
	if len(w.rest) >= 4 && binary.BigEndian.Uint32(w.rest)&^0xf == avsMagic {
		return w.avs()
	}
	return w.skip(144, linkWLAN)
}

const avsMagic = 0x80211000 // and the version in the lowest bits

// avs skips a header that tells its length.
func (w *walk) avs() (protocol, Reason) {
	b := w.rest
	if len(b) < 8 {
		return 0, TruncatedLink
	}
	n := binary.BigEndian.Uint32(b[4:])
	if binary.BigEndian.Uint32(b)&^0xf != avsMagic || n < 8 || n > capture.MaxPacket {
		return 0, NotIP
	}
	return w.skip(int(n), linkWLAN)
}

// ppi skips per-packet information, which says what link type follows:
// https://www.tcpdump.org/linktypes/LINKTYPE_PPI.html
func (w *walk) ppi() (protocol, Reason) {
	b := w.rest
	if len(b) < 8 {
		return 0, TruncatedLink
	}
	n, link := int(binary.LittleEndian.Uint16(b[2:])), binary.LittleEndian.Uint32(b[4:])
	if n < 8 || len(b) < n {
		return 0, TruncatedLink
	}
	w.rest = b[n:]
	if link > 0xffff || capture.LinkType(link) == capture.LinkPPI {
		return 0, UnknownLink
	}
	return w.link(capture.LinkType(link))
}
