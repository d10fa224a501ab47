package content

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// coding is a content or transfer coding (RFC 9110, section 8.4.1; RFC 7932
// for br, RFC 8878 for zstd).
type coding uint8

const (
	gzipCoding coding = iota
	deflateCoding
	brotliCoding
	zstdCoding
)

// maxCodings is how many are undone, one on top of the other.
const maxCodings = 3

// Codings are those that were applied, in order.
type Codings struct {
	list    [maxCodings]coding
	n       uint8
	unknown bool // one of them is not known, or there are too many
}

// None reports whether there is nothing to be undone.
func (c *Codings) None() bool { return c.n == 0 }

// Add adds a coding by its name.
func (c *Codings) Add(name string) {
	var k coding
	switch strings.ToLower(name) {
	case "", "identity":
		return
	case "gzip", "x-gzip":
		k = gzipCoding
	case "deflate":
		k = deflateCoding
	case "br":
		k = brotliCoding
	case "zstd":
		k = zstdCoding
	default:
		c.unknown = true
	}
	c.push(k)
}

func (c *Codings) push(k coding) {
	if c.n == maxCodings {
		c.unknown = true
	}
	if c.unknown {
		c.n = 0
		return
	}
	c.list[c.n] = k
	c.n++
}

// Then gives c and behind it d.
func (c Codings) Then(d Codings) Codings {
	c.unknown = c.unknown || d.unknown
	for _, k := range d.list[:d.n] {
		c.push(k)
	}
	if c.unknown {
		c.n = 0
	}
	return c
}

// zstdWindow is what a decoder must be able to do, and need not exceed (RFC
// 9659, section 3).
const zstdWindow = 8 << 20

// errOver says that a body is longer than it is decoded.
var errOver = errors.New("decoded content too long")

// decoders are those of a shard, each made when it is first needed.
type decoders struct {
	gzip   *gzip.Reader
	flate  io.ReadCloser
	brotli *brotli.Reader
	zstd   *zstd.Decoder
	src    bytes.Reader
	block  []byte
	stages [2][]byte // what came of the stages
}

// undo takes the codings off b, the last one first. It gives the beginning of
// the content, valid until the next call, and its length, or how much of it
// could be decoded before err.
func (d *decoders) undo(c *Codings, b []byte, l *Limits) (kept []byte, n int64, err error) {
	for i := int(c.n) - 1; i >= 0; i-- {
		out, keep, most := &d.stages[i&1], l.BodyBytes, l.DecodedBytes
		if i > 0 { // what is to be decoded again is collected like what was sent
			keep, most = l.EncodedBytes, l.EncodedBytes
		}
		var failed error
		*out, n, failed = d.decode(c.list[i], b, (*out)[:0], keep, int64(most))
		if failed != nil && err != errOver {
			err = failed
		}
		if n == 0 {
			return nil, 0, err
		}
		b = *out
	}
	return b, n, err
}

// decode appends the first keep bytes of the decoded b to out. It decodes no
// more than most bytes.
func (d *decoders) decode(c coding, b, out []byte, keep int, most int64) ([]byte, int64, error) {
	switch c {
	case gzipCoding:
		return d.gunzip(b, out, keep, most)
	case deflateCoding:
		// RFC 9110, section 8.4.1.2: in the zlib format; but some send it bare.
		if len(b) > 2 && b[0]&0x0f == 8 && (int(b[0])<<8|int(b[1]))%31 == 0 && b[1]&0x20 == 0 {
			if out, n, err := d.inflate(b[2:], out, keep, most); n > 0 || err == nil {
				return out, n, err
			}
		}
		return d.inflate(b, out, keep, most)
	case brotliCoding:
		d.src.Reset(b)
		if d.brotli == nil {
			d.brotli = brotli.NewReader(&d.src)
		} else if err := d.brotli.Reset(&d.src); err != nil {
			return out, 0, err
		}
		return d.read(d.brotli, out, keep, most)
	}
	d.src.Reset(b)
	if d.zstd == nil {
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecodeBuffersBelow(0))
		if err != nil {
			return out, 0, err
		}
		d.zstd = z
	}
	if err := d.zstd.Reset(&d.src); err != nil {
		return out, 0, err
	}
	return d.read(d.zstd, out, keep, most)
}

// gunzip decodes gzip (RFC 1952): members one after the other, and perhaps
// something else behind them, which is passed over.
func (d *decoders) gunzip(b, out []byte, keep int, most int64) ([]byte, int64, error) {
	d.src.Reset(b)
	var n int64
	for first := true; ; first = false {
		if rest := b[len(b)-d.src.Len():]; !first && (len(rest) < 2 || rest[0] != 0x1f || rest[1] != 0x8b) {
			return out, n, nil
		}
		var err error
		if d.gzip == nil {
			z := new(gzip.Reader)
			if err = z.Reset(&d.src); err == nil {
				d.gzip = z
			}
		} else {
			err = d.gzip.Reset(&d.src)
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return out, n, err
		}
		d.gzip.Multistream(false)
		var m int64
		out, m, err = d.read(d.gzip, out, keep, most-n)
		n += m
		if err != nil {
			return out, n, err
		}
	}
}

// inflate decodes bare deflate (RFC 1951).
func (d *decoders) inflate(b, out []byte, keep int, most int64) ([]byte, int64, error) {
	d.src.Reset(b)
	if d.flate == nil {
		d.flate = flate.NewReader(&d.src)
	} else if err := d.flate.(flate.Resetter).Reset(&d.src, nil); err != nil {
		return out, 0, err
	}
	return d.read(d.flate, out, keep, most)
}

// read reads a decoder to its end.
func (d *decoders) read(r io.Reader, out []byte, keep int, most int64) ([]byte, int64, error) {
	if d.block == nil {
		d.block = make([]byte, 16<<10)
	}
	for n := int64(0); ; {
		k, err := r.Read(d.block)
		n += int64(k)
		if n > most {
			k -= int(n - most)
			n, err = most, errOver
		}
		if room := keep - len(out); room > 0 {
			out = append(out, d.block[:min(k, room)]...)
		}
		if err == io.EOF {
			err = nil
			return out, n, err
		}
		if err != nil {
			return out, n, err
		}
	}
}
