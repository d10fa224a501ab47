package decode

import (
	"encoding/binary"

	"github.com/authtap/authtap/reassembly"
)

// maxScale is the largest shift of the window (RFC 7323, section 2.3).
const maxScale = 14

// tcp reads the header of RFC 9293, section 3.1. Its options serve the window
// scale of a SYN alone, so damage in them costs nothing but that.
func (w *walk) tcp(seg *reassembly.Segment) Reason {
	b := w.rest
	if len(b) < 20 {
		if len(b)+w.cut < 20 {
			return BadTCP
		}
		return TruncatedTCP
	}
	header := int(b[12]>>4) * 4
	if header < 20 || header > len(b)+w.cut {
		return BadTCP
	}
	seg.Dir = seg.Key.SetEnds(w.srcHi, w.srcLo, w.dstHi, w.dstLo,
		binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]))
	seg.Seq = binary.BigEndian.Uint32(b[4:])
	seg.Ack = binary.BigEndian.Uint32(b[8:])
	seg.Flags = b[13] & (reassembly.FIN | reassembly.SYN | reassembly.RST | reassembly.PSH |
		reassembly.ACK | reassembly.URG)
	seg.Window = binary.BigEndian.Uint16(b[14:])
	seg.WindowScale = 0
	options := b[20:min(header, len(b))]
	if seg.Flags&reassembly.SYN != 0 {
		seg.WindowScale = windowScale(options)
	}
	if header > len(b) { // cut within the options
		seg.Payload = nil
		seg.Cut = uint32(len(b) + w.cut - header)
		return Segment
	}
	seg.Payload = b[header:]
	seg.Cut = uint32(w.cut)
	return Segment
}

// windowScale finds the option (RFC 7323, section 2.2) and gives its shift
// plus one, or 0.
func windowScale(b []byte) uint8 {
	for len(b) > 0 {
		switch b[0] {
		case 0: // end of the list
			return 0
		case 1: // padding
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			return 0
		}
		if b[0] == 3 && b[1] == 3 {
			return min(b[2], maxScale) + 1
		}
		b = b[b[1]:]
	}
	return 0
}
