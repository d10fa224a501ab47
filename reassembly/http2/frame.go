package http2

import "encoding/binary"

// preface is what a client says first (RFC 9113, section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

const frameHeader = 9 // bytes (RFC 9113, section 4.1)

// frame is the header of one.
type frame struct {
	length uint32
	kind   kind
	flags  uint8
	stream uint32
}

type kind uint8

// The types of frames (section 6).
const (
	dataFrame kind = iota
	headersFrame
	priorityFrame
	resetFrame
	settingsFrame
	promiseFrame
	pingFrame
	goawayFrame
	windowFrame
	continuationFrame
	kinds
)

// Flags; ack has the bit of endStream.
const (
	endStream   = 0x01
	ack         = 0x01
	endHeaders  = 0x04
	padded      = 0x08
	hasPriority = 0x20
)

// defined are the flags that the types have.
var defined = [kinds]uint8{
	dataFrame:         endStream | padded,
	headersFrame:      endStream | endHeaders | padded | hasPriority,
	settingsFrame:     ack,
	promiseFrame:      endHeaders | padded,
	pingFrame:         ack,
	continuationFrame: endHeaders,
}

// parseFrame reads a frame's header.
func parseFrame(b []byte) frame {
	return frame{
		length: uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]),
		kind:   kind(b[3]),
		flags:  b[4],
		stream: binary.BigEndian.Uint32(b[5:]) & (1<<31 - 1),
	}
}

// valid reports whether there can be such a frame: whether it has the length
// that its type wants, and a stream or none.
func (f *frame) valid() bool {
	least := uint32(0)
	if f.flags&padded != 0 {
		least++
	}
	switch f.kind {
	case dataFrame:
		return f.stream != 0 && f.length >= least
	case headersFrame:
		if f.flags&hasPriority != 0 {
			least += 5
		}
		return f.stream != 0 && f.length >= least
	case priorityFrame:
		return f.stream != 0 && f.length == 5
	case resetFrame:
		return f.stream != 0 && f.length == 4
	case settingsFrame:
		return f.stream == 0 && f.length%6 == 0 && (f.flags&ack == 0 || f.length == 0)
	case promiseFrame:
		return f.stream != 0 && f.length >= least+4
	case pingFrame:
		return f.stream == 0 && f.length == 8
	case goawayFrame:
		return f.stream == 0 && f.length >= 8
	case windowFrame:
		return f.length == 4
	case continuationFrame:
		return f.stream != 0
	}
	return true // section 4.1: unknown ones are ignored
}

// Of frames that are looked for, the longest that are believed in, with data
// and with anything else. Few allow more.
const (
	mostData  = 1 << 20
	mostOther = 1 << 15
)

// plausible reports whether bytes of which nothing is known look like a
// frame's header: that of one that means something, with no flag that has no
// meaning.
func plausible(b []byte) (frame, bool) {
	f := parseFrame(b)
	switch {
	case !f.valid() || b[5]&0x80 != 0:
	case f.kind == dataFrame:
		return f, f.length <= mostData && f.flags&^defined[dataFrame] == 0
	case f.length > mostOther:
	case f.kind < kinds:
		return f, f.flags&^defined[f.kind] == 0 && (f.kind != headersFrame || f.length > 0)
	case f.kind == 0x0a: // ALTSVC (RFC 7838, section 4)
		return f, f.flags == 0 && f.length >= 2
	case f.kind == 0x0c: // ORIGIN (RFC 8336, section 2)
		return f, f.flags == 0 && f.stream == 0
	case f.kind == 0x10: // PRIORITY_UPDATE (RFC 9218, section 7.1)
		return f, f.flags == 0 && f.stream == 0 && f.length >= 4
	}
	return f, false
}

// fragment cuts padding and priority off the payload of a HEADERS or
// PUSH_PROMISE frame of which the beginning is there: what is left is the
// beginning of the fragment (sections 6.2 and 6.6). promised is the stream that
// a PUSH_PROMISE reserves.
func (f *frame) fragment(payload []byte) (b []byte, promised uint32, ok bool) {
	b = payload
	missing := int(f.length) - len(b)
	pad := 0
	if f.flags&padded != 0 {
		if len(b) == 0 {
			return nil, 0, false
		}
		pad, b = int(b[0]), b[1:]
	}
	n := 0
	if f.kind == promiseFrame {
		n = 4
	} else if f.flags&hasPriority != 0 {
		n = 5
	}
	if len(b) < n {
		return nil, 0, false
	}
	if n == 4 {
		promised = binary.BigEndian.Uint32(b) & (1<<31 - 1)
	}
	b = b[n:]
	if pad > len(b)+missing {
		return nil, 0, false // section 6.1: more padding than payload
	}
	if pad > missing {
		b = b[:len(b)-(pad-missing)]
	}
	return b, promised, true
}
