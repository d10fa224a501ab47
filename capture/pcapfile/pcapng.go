package pcapfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"

	"github.com/authtap/authtap/capture"
)

// Block types of pcapng (draft-ietf-opsawg-pcapng section 11.1).
const (
	blockInterface = 1
	blockPacket    = 2 // obsolete
	blockSimple    = 3
	blockEnhanced  = 6
	blockSecrets   = 10
	blockSection   = 0x0a0d0d0a
)

const byteOrderMagic = 0x1a2b3c4d

// maxInterfaces bounds the interfaces of a section.
const maxInterfaces = 1 << 16

// pcapng reads the packets of a pcapng file. Other block types are skipped
// without being kept, but for key logs, which go to keys.
type pcapng struct {
	w          *window
	keys       func(lines []byte) // nil: nobody wants them
	order      order
	interfaces []captureInterface // of the section
	last       capture.Time

	// The block that was read last, from its packet's end on.
	start  int64
	length uint32
	rest   int64 // bytes up to the trailing length
}

// captureInterface is what an Interface Description Block says.
type captureInterface struct {
	link      capture.LinkType
	snap      uint32
	perSecond uint64 // units of its time stamps
	seconds   int64  // to add to them

	// Where a unit is a whole number of nanoseconds: that number (else 0), the
	// largest time stamp that it may be multiplied with, and the offset.
	unit, most, offset int64
}

func (f *pcapng) next(p *capture.Packet) error {
	for {
		if err := f.finish(); err != nil {
			return err
		}
		f.start = f.w.offset()
		b, err := f.w.peek(12)
		if err != nil {
			if err == io.EOF && len(b) == 0 {
				return io.EOF
			}
			return f.w.stopped(err, f.start, "block")
		}
		kind := f.order.uint32(b)
		if kind == blockSection {
			if err := f.section(b[8:]); err != nil {
				return err
			}
		}
		f.length = f.order.uint32(b[4:])
		if f.length < 12 || f.length%4 != 0 {
			return f.damaged("a block of %d bytes is announced", f.length)
		}
		// The trailing length is read by finish.
		f.rest = int64(f.length) - 4
		switch kind {
		case blockSection:
			err = f.version()
		case blockInterface:
			err = f.addInterface()
		case blockSecrets:
			err = f.secrets()
		case blockEnhanced:
			return f.packet(p, false)
		case blockPacket:
			return f.packet(p, true)
		case blockSimple:
			return f.simple(p)
		}
		if err != nil {
			return err
		}
	}
}

// finish leaves the block that was read last.
func (f *pcapng) finish() error {
	if f.length == 0 {
		return nil
	}
	if err := f.w.skip(f.rest); err != nil {
		return f.w.stopped(err, f.start, fmt.Sprintf("block of %d bytes", f.length))
	}
	b, err := f.w.peek(4)
	if err != nil {
		return f.w.stopped(err, f.start, fmt.Sprintf("block of %d bytes", f.length))
	}
	if again := f.order.uint32(b); again != f.length {
		return f.damaged("the block says %d bytes at its start and %d at its end", f.length, again)
	}
	f.w.consume(4)
	f.length = 0
	return nil
}

// take gives the next n bytes of the block and consumes them.
func (f *pcapng) take(n int) ([]byte, error) {
	if int64(n) > f.rest {
		return nil, f.damaged("the block of %d bytes is too short for what it holds", f.length)
	}
	b, err := f.w.peek(n)
	if err != nil {
		return nil, f.w.stopped(err, f.start, fmt.Sprintf("block of %d bytes", f.length))
	}
	f.w.consume(n)
	f.rest -= int64(n)
	return b, nil
}

func (f *pcapng) damaged(format string, args ...any) error {
	return &damage{f.start, fmt.Errorf(format, args...)}
}

// section begins a section (section 4.1): with its byte order, and without
// interfaces.
func (f *pcapng) section(magic []byte) error {
	for _, f.order = range []order{false, true} {
		if f.order.uint32(magic) == byteOrderMagic {
			f.interfaces = f.interfaces[:0]
			return nil
		}
	}
	return f.damaged("the section header has no byte order (% x)", magic)
}

func (f *pcapng) version() error {
	b, err := f.take(24)
	if err != nil {
		return err
	}
	if major := f.order.uint16(b[12:]); major != 1 {
		return f.damaged("pcapng version %d.%d is unknown", major, f.order.uint16(b[14:]))
	}
	return nil
}

// addInterface reads an Interface Description Block (section 4.2).
func (f *pcapng) addInterface() error {
	if len(f.interfaces) == maxInterfaces {
		return f.damaged("more than %d interfaces in a section", maxInterfaces)
	}
	b, err := f.take(16)
	if err != nil {
		return err
	}
	i := captureInterface{link: capture.LinkType(f.order.uint16(b[8:])), snap: f.order.uint32(b[12:])}
	resolution := byte(6)
	for f.rest >= 4 {
		if b, err = f.take(4); err != nil {
			return err
		}
		code, length := f.order.uint16(b), int64(f.order.uint16(b[2:]))
		if code == 0 { // opt_endofopt
			break
		}
		value, padded := 0, (length+3)&^3
		switch {
		case code == 9 && length >= 1: // if_tsresol
			value = 1
		case code == 14 && length >= 8: // if_tsoffset
			value = 8
		}
		if padded > f.rest {
			return f.damaged("an option of %d bytes does not fit into its block", length)
		}
		if b, err = f.take(value); err != nil {
			return err
		}
		switch value {
		case 1:
			resolution = b[0]
		case 8:
			i.seconds = int64(f.order.uint64(b))
		}
		if err := f.w.skip(padded - int64(value)); err != nil {
			return f.w.stopped(err, f.start, fmt.Sprintf("block of %d bytes", f.length))
		}
		f.rest -= padded - int64(value)
	}
	if err := i.setResolution(resolution); err != nil {
		return &damage{f.start, err}
	}
	f.interfaces = append(f.interfaces, i)
	return nil
}

// secretsTLS is the type of secrets that a key log is.
const secretsTLS = 0x544c534b

// secretsAtOnce is how much of a key log is handed on in one piece.
const secretsAtOnce = 64 << 10

// secrets reads a Decryption Secrets Block (section 4.7) and hands on the lines
// of a key log, cut between two of them where it is long.
func (f *pcapng) secrets() error {
	b, err := f.take(16)
	if err != nil {
		return err
	}
	kind, n := f.order.uint32(b[8:]), int64(f.order.uint32(b[12:]))
	switch {
	case n > f.rest:
		return f.damaged("secrets of %d bytes do not fit into their block", n)
	case kind != secretsTLS || f.keys == nil:
		return nil
	}
	for n > 0 {
		b, err := f.w.peek(int(min(n, secretsAtOnce)))
		if err != nil {
			return f.w.stopped(err, f.start, fmt.Sprintf("block of %d bytes", f.length))
		}
		if int64(len(b)) < n {
			if end := bytes.LastIndexByte(b, '\n') + 1; end > 0 {
				b = b[:end]
			}
		}
		f.keys(b)
		f.w.consume(len(b))
		f.rest -= int64(len(b))
		n -= int64(len(b))
	}
	return nil
}

// packet reads an Enhanced Packet Block (section 4.3) or the obsolete Packet
// Block (appendix A), whose interface id has 16 bits, a drop count behind it.
func (f *pcapng) packet(p *capture.Packet, obsolete bool) error {
	b, err := f.take(28)
	if err != nil {
		return err
	}
	id := f.order.uint32(b[8:])
	if obsolete {
		id = uint32(f.order.uint16(b[8:]))
	}
	if int64(id) >= int64(len(f.interfaces)) {
		return f.damaged("a packet of interface %d, and %d are described", id, len(f.interfaces))
	}
	i := &f.interfaces[id]
	captured, length := f.order.uint32(b[20:]), f.order.uint32(b[24:])
	p.Time = i.time(uint64(f.order.uint32(b[12:]))<<32 | uint64(f.order.uint32(b[16:])))
	return f.data(p, i, captured, length)
}

// simple reads a Simple Packet Block (section 4.4). It belongs to the first
// interface and has no time; the time of the packet before it keeps it at its
// place when inputs are merged.
func (f *pcapng) simple(p *capture.Packet) error {
	b, err := f.take(12)
	if err != nil {
		return err
	}
	if len(f.interfaces) == 0 {
		return f.damaged("a packet, and no interface is described")
	}
	i := &f.interfaces[0]
	length := f.order.uint32(b[8:])
	captured := length
	if i.snap != 0 {
		captured = min(captured, i.snap)
	}
	p.Time = f.last
	return f.data(p, i, captured, length)
}

func (f *pcapng) data(p *capture.Packet, i *captureInterface, captured, length uint32) error {
	if captured > capture.MaxPacket {
		return tooLong(f.start, captured)
	}
	b, err := f.take(int(captured))
	if err != nil {
		return err
	}
	f.last = p.Time
	p.Data = b
	p.Length = int(max(captured, length))
	p.Link = i.link
	return nil
}

var errResolution = errors.New("an interface has time stamps finer than 64 bits can count")

// setResolution takes an if_tsresol: a negative power of 10 or, with the top
// bit, of 2.
func (i *captureInterface) setResolution(r byte) error {
	if exponent := r & 0x7f; r&0x80 != 0 {
		if exponent > 63 {
			return errResolution
		}
		i.perSecond = 1 << exponent
	} else {
		if exponent > 19 {
			return errResolution
		}
		i.perSecond = 1
		for range exponent {
			i.perSecond *= 10
		}
	}
	// Halves, so that the sum cannot overflow either.
	const half, second = math.MaxInt64 / 2, 1_000_000_000
	if second%i.perSecond == 0 && i.seconds > -half/second && i.seconds < half/second {
		i.unit = int64(second / i.perSecond)
		i.most = half / i.unit
		i.offset = i.seconds * second
	}
	return nil
}

// time converts a time stamp. Times that nanoseconds in 64 bits cannot hold,
// before 1677 and after 2262, become the nearest that they can.
func (i *captureInterface) time(stamp uint64) capture.Time {
	if i.unit != 0 && stamp <= uint64(i.most) {
		return capture.Time(int64(stamp)*i.unit + i.offset)
	}
	whole, part := stamp/i.perSecond, stamp%i.perSecond
	hi, lo := bits.Mul64(part, 1e9)
	nanos, _ := bits.Div64(hi, lo, i.perSecond)
	const limit = math.MaxInt64/1_000_000_000 - 1
	// The offset may undo a stamp that is out of range by itself.
	seconds, carry := bits.Add64(whole, uint64(i.seconds), 0)
	switch negative := i.seconds < 0; {
	case !negative && (carry != 0 || seconds > limit):
		return math.MaxInt64
	case negative && carry != 0 && seconds > limit:
		return math.MaxInt64
	case negative && carry == 0 && int64(seconds) < -limit:
		return math.MinInt64
	}
	return capture.Time(int64(seconds)*1e9 + int64(nanos))
}
