package pcapfile

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/authtap/authtap/capture"
)

// Writer writes a pcap file: nanoseconds, little-endian, one link type. The
// same packets give the same bytes on every machine. It is used by one
// goroutine; it keeps no packet, but buffers, so that Flush is due at the end.
type Writer struct {
	w    *bufio.Writer
	link capture.LinkType
	snap int
	head [16]byte
}

// NewWriter writes the file's header. Packets are cut to snap bytes; 0 stands
// for capture.MaxPacket, which is also the most.
func NewWriter(w io.Writer, link capture.LinkType, snap int) (*Writer, error) {
	if snap <= 0 || snap > capture.MaxPacket {
		snap = capture.MaxPacket
	}
	out := &Writer{w: bufio.NewWriterSize(w, 64<<10), link: link, snap: snap}
	var b [pcapHeader]byte
	binary.LittleEndian.PutUint32(b[0:], magicNano)
	binary.LittleEndian.PutUint16(b[4:], 2)
	binary.LittleEndian.PutUint16(b[6:], 4)
	binary.LittleEndian.PutUint32(b[16:], uint32(snap))
	binary.LittleEndian.PutUint32(b[20:], uint32(link))
	_, err := out.w.Write(b[:])
	return out, err
}

// Write writes a packet. It refuses one that the format cannot hold: of
// another link type than the file's, or from before 1970 or after 2106.
func (w *Writer) Write(p *capture.Packet) error {
	if p.Link != w.link {
		return fmt.Errorf("a packet of link type %v does not fit into a pcap file of %v", p.Link, w.link)
	}
	seconds := p.Time / 1e9
	if p.Time < 0 || seconds > math.MaxUint32 {
		return fmt.Errorf("a pcap file cannot hold the time %v", p.Time)
	}
	data := p.Data[:min(len(p.Data), w.snap)]
	binary.LittleEndian.PutUint32(w.head[0:], uint32(seconds))
	binary.LittleEndian.PutUint32(w.head[4:], uint32(p.Time%1e9))
	binary.LittleEndian.PutUint32(w.head[8:], uint32(len(data)))
	binary.LittleEndian.PutUint32(w.head[12:], uint32(min(max(p.Length, len(p.Data)), math.MaxUint32)))
	if _, err := w.w.Write(w.head[:]); err != nil {
		return err
	}
	_, err := w.w.Write(data)
	return err
}

// Flush hands what is buffered to the underlying writer.
func (w *Writer) Flush() error { return w.w.Flush() }
