package pcapfile

import (
	"fmt"
	"io"

	"github.com/authtap/authtap/capture"
)

// The magic numbers of pcap (draft-ietf-opsawg-pcap section 4), as they are
// read in the file's own byte order.
const (
	magicMicro   = 0xa1b2c3d4
	magicNano    = 0xa1b23c4d
	magicPatched = 0xa1b2cd34 // longer record headers: patched libpcap of old Linux systems
)

const pcapHeader = 24

// pcap reads the records of a pcap file.
type pcap struct {
	w       *window
	order   order
	begun   bool
	unit    capture.Time // of a record's fraction of a second, in nanoseconds
	record  int          // length of a record header
	swapped bool         // old version: lengths may be in the other order
	link    capture.LinkType
}

// pcapOf tells whether magic begins a pcap file, and of which kind.
func pcapOf(magic []byte, w *window) (*pcap, bool) {
	f := &pcap{w: w, unit: 1000, record: 16}
	for _, f.order = range []order{false, true} {
		switch f.order.uint32(magic) {
		case magicMicro:
			return f, true
		case magicNano:
			f.unit = 1
			return f, true
		case magicPatched:
			f.record = 24
			return f, true
		}
	}
	return nil, false
}

// begin reads the file's header. Time zone and accuracy are zero in all files,
// and the snap length is not to be trusted: 0 means no limit, and some writers
// exceed what they announce.
func (f *pcap) begin() error {
	b, err := f.w.peek(pcapHeader)
	if err != nil {
		return f.w.stopped(err, 0, "file header")
	}
	if major := f.order.uint16(b[4:]); major != 2 {
		return &damage{4, fmt.Errorf("pcap version %d.%d is unknown", major, f.order.uint16(b[6:]))}
	}
	f.swapped = f.order.uint16(b[6:]) < 4
	// The upper half holds the length of the frame check sequence.
	f.link = capture.LinkType(f.order.uint32(b[20:]) & 0xffff)
	f.w.consume(pcapHeader)
	f.begun = true
	return nil
}

func (f *pcap) next(p *capture.Packet) error {
	if !f.begun {
		if err := f.begin(); err != nil {
			return err
		}
	}
	b, err := f.w.peek(f.record)
	if err != nil {
		if err == io.EOF && len(b) == 0 {
			return io.EOF
		}
		return f.w.stopped(err, f.w.offset(), "record header")
	}
	seconds, fraction := f.order.uint32(b), f.order.uint32(b[4:])
	captured, length := f.order.uint32(b[8:]), f.order.uint32(b[12:])
	if f.swapped && captured > length {
		captured, length = length, captured
	}
	if captured > capture.MaxPacket {
		return tooLong(f.w.offset(), captured)
	}
	end := f.record + int(captured)
	if b, err = f.w.peek(end); err != nil {
		return f.w.stopped(err, f.w.offset(), fmt.Sprintf("record of %d bytes", end))
	}
	f.w.consume(end)
	p.Time = capture.Time(seconds)*1e9 + capture.Time(fraction)*f.unit
	p.Data = b[f.record:]
	p.Length = int(max(captured, length))
	p.Link = f.link
	return nil
}

func tooLong(offset int64, captured uint32) error {
	return &damage{offset, fmt.Errorf("a packet of %d bytes is announced, the limit is %d", captured, capture.MaxPacket)}
}
