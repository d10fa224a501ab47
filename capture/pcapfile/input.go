package pcapfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/authtap/authtap/capture"
)

const (
	maxLayers  = 4        // compressions around a capture
	maxHistory = 32 << 20 // zstd window; RFC 8878 section 3.1.1.1.2 asks for 8 MiB
)

const readable = "authtap reads pcap and pcapng, plain or compressed with gzip or zstd"

// origin is where the stored bytes of an input come from. close releases it
// and lets a regular file be read again from its start; finish counts what was
// not read of it as read.
type origin interface {
	io.Reader
	close()
	finish()
}

// format reads the records of one capture. next fills Time, Data, Length and
// Link; io.EOF is the regular end. Any other error is a *damage.
type format interface {
	next(p *capture.Packet) error
}

// input is one capture. Between begin and end it holds a buffer, a decoder and
// its origin.
type input struct {
	name   string
	index  int
	from   origin
	format format // nil when not begun
	window window
	layers []func() // what end calls for the decompressors
	packet capture.Packet
	keys   func(lines []byte) // Options.TLSKeys
}

// begin finds out what the input is. It fails where that is no capture
// (*foreignError) or cannot be read; that it is a damaged capture is for next
// to say.
func (in *input) begin(buf []byte) error {
	r := bufio.NewReaderSize(in.from, 16<<10)
	for depth := 0; ; depth++ {
		magic, err := r.Peek(4)
		if err != nil && err != io.EOF {
			if depth == 0 {
				return err
			}
			in.format = failed{decompressing(err)}
			return nil
		}
		var layer io.Reader
		switch {
		case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}): // RFC 1952 section 2.3.1
			gz, err := gzip.NewReader(r)
			if err != nil {
				in.format = failed{decompressing(err)}
				return nil
			}
			layer = gz
		case isZstd(magic):
			z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
				zstd.WithDecoderMaxWindow(maxHistory), zstd.WithDecoderMaxMemory(1<<63))
			if err != nil {
				return err
			}
			in.layers = append(in.layers, z.Close)
			layer = z
		default:
			in.window = window{r: r, buf: buf}
			in.format = formatOf(magic, &in.window, in.keys)
			if in.format == nil {
				return &foreignError{in.name, looksLike(magic)}
			}
			in.packet = capture.Packet{Input: in.index}
			return nil
		}
		if depth == maxLayers {
			return &foreignError{in.name, fmt.Sprintf("compressed more than %d times", maxLayers)}
		}
		r = bufio.NewReaderSize(layer, 4<<10)
	}
}

// next reads the next packet.
func (in *input) next() error {
	err := in.format.next(&in.packet)
	if err == nil {
		in.packet.Number++
		return nil
	}
	if err == io.EOF {
		return err
	}
	at, cause := int64(0), err
	if d, ok := err.(*damage); ok {
		at, cause = d.offset, d.cause
	}
	return &DamageError{File: in.name, Offset: at, Cause: cause}
}

// end releases what begin took, and gives the buffer back.
func (in *input) end() []byte {
	buf := in.window.buf
	in.window, in.format = window{}, nil
	in.packet.Data = nil
	for _, closeLayer := range in.layers {
		closeLayer()
	}
	in.layers = nil
	in.from.close()
	return buf
}

// failed is the format of an input whose format could not be found out.
type failed struct{ err error }

func (f failed) next(*capture.Packet) error { return f.err }

// damage is a DamageError before the name of the file is known.
type damage struct {
	offset int64
	cause  error
}

func (d *damage) Error() string { return d.cause.Error() }

// decompressing words what the decompressors say.
func decompressing(err error) error {
	switch {
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return fmt.Errorf("%w: decompressing needs more than %d MiB of memory; use zstd -dc FILE | authtap replay -", err, maxHistory>>20)
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return fmt.Errorf("the compressed data is cut off: %w", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("reading: %w", err)
}

// foreignError says that an input is no capture.
type foreignError struct{ name, why string }

func (e *foreignError) Error() string { return fmt.Sprintf("%s: %s; %s", e.name, e.why, readable) }

// isZstd knows frames (RFC 8878 section 3.1.1) and skippable frames (3.1.2).
func isZstd(magic []byte) bool {
	return bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}) ||
		len(magic) == 4 && magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:], []byte{0x2a, 0x4d, 0x18})
}

// looksLike says what the first bytes of a file that is no capture are.
func looksLike(magic []byte) string {
	if len(magic) == 0 {
		return "empty file"
	}
	for _, known := range []struct{ magic, name string }{
		{"BZh", "compressed with bzip2, not a capture as it is"},
		{"\xfd7zX", "compressed with xz, not a capture as it is"},
		{"\x04\x22\x4d\x18", "compressed with lz4, not a capture as it is"},
		{"PK\x03\x04", "a zip archive, not a capture as it is"},
		{"snoo", "a snoop file"},
	} {
		if bytes.HasPrefix(magic, []byte(known.magic)) {
			return known.name
		}
	}
	return fmt.Sprintf("not a capture (it begins with % x)", magic)
}

// formatOf recognises pcap and pcapng, nil for others.
func formatOf(magic []byte, w *window, keys func([]byte)) format {
	if len(magic) < 4 {
		return nil
	}
	if bytes.Equal(magic, []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
		return &pcapng{w: w, keys: keys}
	}
	if f, ok := pcapOf(magic, w); ok {
		return f
	}
	return nil
}
