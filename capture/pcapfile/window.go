package pcapfile

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"

	"github.com/authtap/authtap/capture"
)

// maxWindow is the largest that a buffer grows: a packet and its header.
const maxWindow = capture.MaxPacket + 4<<10

// window is a sliding view on a stream. What peek gives stays valid until the
// next peek or skip.
type window struct {
	r      io.Reader
	buf    []byte
	lo, hi int   // what is read and not consumed
	base   int64 // offset of buf[0] in the stream
	err    error // why there is no more
}

// peek gives the next n bytes, at most maxWindow, without consuming them. Where
// the stream ends before, it gives what there is, and the reason.
func (w *window) peek(n int) ([]byte, error) {
	if w.hi-w.lo < n {
		if err := w.fill(n); err != nil {
			return w.buf[w.lo:w.hi], err
		}
	}
	return w.buf[w.lo : w.lo+n : w.lo+n], nil
}

func (w *window) fill(n int) error {
	if w.lo+n > len(w.buf) || w.lo == w.hi {
		to := w.buf
		if n > len(to) {
			to = make([]byte, min(maxWindow, max(n, 2*len(to))))
		}
		w.base += int64(w.lo)
		w.hi = copy(to, w.buf[w.lo:w.hi])
		w.buf, w.lo = to, 0
	}
	for idle := 0; w.hi-w.lo < n; {
		if w.err != nil {
			return w.err
		}
		got, err := w.r.Read(w.buf[w.hi:])
		w.hi += got
		w.err = err
		if got > 0 {
			idle = 0
		} else if idle++; err == nil && idle == 100 {
			w.err = io.ErrNoProgress
		}
	}
	return nil
}

// consume drops n bytes that peek has shown.
func (w *window) consume(n int) { w.lo += n }

// skip drops the next n bytes.
func (w *window) skip(n int64) error {
	for n > 0 {
		if w.lo == w.hi {
			if err := w.fill(1); err != nil {
				return err
			}
		}
		step := min(n, int64(w.hi-w.lo))
		w.lo += int(step)
		n -= step
	}
	return nil
}

// offset is that of the next byte in the stream.
func (w *window) offset() int64 { return w.base + int64(w.lo) }

// stopped is the damage when the stream gave err, which ends a record that
// begins at start. Where the data could not be read, no record is at fault.
func (w *window) stopped(err error, start int64, record string) error {
	if err == io.EOF {
		return &damage{start, fmt.Errorf("the %s is cut off after %d bytes: %w",
			record, w.base+int64(w.hi)-start, io.ErrUnexpectedEOF)}
	}
	return &damage{w.base + int64(w.hi), decompressing(err)}
}

// order is a byte order: true is big-endian.
type order bool

func (o order) uint16(b []byte) uint16 {
	v := binary.LittleEndian.Uint16(b)
	if o {
		v = bits.ReverseBytes16(v)
	}
	return v
}

func (o order) uint32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if o {
		v = bits.ReverseBytes32(v)
	}
	return v
}

func (o order) uint64(b []byte) uint64 {
	v := binary.LittleEndian.Uint64(b)
	if o {
		v = bits.ReverseBytes64(v)
	}
	return v
}
