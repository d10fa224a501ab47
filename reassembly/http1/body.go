package http1

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/authtap/authtap/reassembly/exchange"
)

// content takes bytes of a body, transfer coding undone.
func (s *Shard) content(m *message, b []byte) {
	m.wire += int64(len(b))
	if len(m.codings) > 0 {
		if m.noDecode {
			return // nothing behind a hole can be decoded
		}
		room := s.limits.EncodedBytes - len(m.coded)
		if len(b) > room {
			b = b[:room]
			m.noDecode = true
			m.Damage |= exchange.Cut
			s.stats.EncodedOver++
		}
		if s.hold(m, len(b)) {
			m.coded = append(m.coded, b...)
		}
		return
	}
	room := s.limits.BodyBytes - len(m.Body.Bytes)
	if room <= 0 {
		return
	}
	if len(b) > room {
		b = b[:room]
		s.stats.Clipped++
	}
	if !s.hold(m, len(b)) {
		return
	}
	if m.Body.Bytes == nil {
		m.Body.Bytes = make([]byte, 0, min(int64(len(b))+m.remain, int64(s.limits.BodyBytes), max(4<<10, int64(len(b)))))
	}
	m.Body.Bytes = append(m.Body.Bytes, b...)
}

// hold counts what is collected; beyond the bound nothing more is.
func (s *Shard) hold(m *message, n int) bool {
	if s.stats.Held+n > s.limits.HeldBytes {
		s.stats.Refused++
		return false
	}
	s.stats.Held += n
	m.held += n
	return true
}

func (s *Shard) unhold(m *message) {
	s.stats.Held -= m.held
	m.held = 0
}

// drop forgets a message that did not become one.
func (s *Shard) drop(m *message) {
	s.stats.Skipped += uint64(len(m.head))
	s.unhold(m)
}

// decode finishes the body: its length, and its content codings undone.
func (s *Shard) decode(m *message) {
	m.Body.Length = m.wire
	if len(m.codings) == 0 || m.wire == 0 {
		return
	}
	kept, length, err := s.codecs.undo(m.codings, m.coded, s.limits.BodyBytes, s.limits.DecodedBytes)
	broken := m.Damage&(exchange.BodyGap|exchange.Cut) != 0
	switch {
	case err == errLong:
		s.stats.DecodedOver++
		m.Damage |= exchange.Cut
	case err != nil && length == 0 && !broken:
		s.stats.Undecoded++
		m.Damage |= exchange.Undecoded
		m.Body.Bytes = bytes.Clone(m.coded[:min(len(m.coded), s.limits.BodyBytes)])
		m.coded = nil
		return
	case err != nil && !broken:
		m.Damage |= exchange.Malformed
	}
	if length > int64(len(kept)) {
		s.stats.Clipped++
	}
	m.Body.Bytes, m.Body.Length, m.coded = kept, length, nil
}

// coding is a content or transfer coding (RFC 9110, section 8.4.1).
type coding uint8

const (
	gzipCoding coding = iota
	deflateCoding
	brotliCoding
	zstdCoding
)

var codingNames = map[string]coding{
	"gzip": gzipCoding, "x-gzip": gzipCoding, "deflate": deflateCoding, "br": brotliCoding, "zstd": zstdCoding,
}

// codecs are the decoders of a shard, made when they are first needed.
type codecs struct {
	gzip    *gzip.Reader
	flate   io.ReadCloser
	zlib    io.ReadCloser
	brotli  *brotli.Reader
	zstd    *zstd.Decoder
	scratch []byte
}

type longError struct{}

func (longError) Error() string { return "decoded content is too long" }

var errLong error = longError{}

// undo decodes b, the last coding first, keeps the first keep bytes and gives
// the length, counted up to limit.
func (c *codecs) undo(list []coding, b []byte, keep, limit int) (kept []byte, length int64, err error) {
	var r io.Reader = bytes.NewReader(b)
	used := [4]bool{}
	for i := len(list) - 1; i >= 0; i-- {
		if r, err = c.reader(list[i], r, used[list[i]]); err != nil {
			return nil, 0, err
		}
		used[list[i]] = true
	}
	if c.scratch == nil {
		c.scratch = make([]byte, 32<<10)
	}
	for {
		n, err := r.Read(c.scratch)
		if room := keep - len(kept); room > 0 && n > 0 {
			kept = append(kept, c.scratch[:min(n, room)]...)
		}
		length += int64(n)
		switch {
		case err == io.EOF:
			return kept, length, nil
		case err != nil:
			return kept, length, err
		case length > int64(limit):
			return kept, length, errLong
		}
	}
}

// maxWindow bounds what a zstd frame may ask for (RFC 8878, section 3.1.1.1.2
// recommends 8 MiB).
const maxWindow = 8 << 20

// reader gives a decoder; fresh makes a new one where the shard's is in use.
func (c *codecs) reader(k coding, r io.Reader, fresh bool) (io.Reader, error) {
	switch k {
	case gzipCoding:
		if c.gzip == nil || fresh {
			z, err := gzip.NewReader(r)
			if err != nil {
				return nil, err
			}
			if !fresh {
				c.gzip = z
			}
			return tolerant{z}, nil
		}
		if err := c.gzip.Reset(r); err != nil {
			return nil, err
		}
		return tolerant{c.gzip}, nil
	case deflateCoding: // section 8.4.1.2: zlib, but some send it raw
		head := make([]byte, 2)
		n, _ := io.ReadFull(r, head)
		whole := io.MultiReader(bytes.NewReader(head[:n]), r)
		if n == 2 && head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
			if c.zlib == nil || fresh {
				z, err := zlib.NewReader(whole)
				if err == nil && !fresh {
					c.zlib = z
				}
				return z, err
			}
			return c.zlib, c.zlib.(zlib.Resetter).Reset(whole, nil)
		}
		if c.flate == nil || fresh {
			z := flate.NewReader(whole)
			if !fresh {
				c.flate = z
			}
			return z, nil
		}
		return c.flate, c.flate.(flate.Resetter).Reset(whole, nil)
	case brotliCoding:
		if c.brotli == nil || fresh {
			z := brotli.NewReader(r)
			if !fresh {
				c.brotli = z
			}
			return z, nil
		}
		return c.brotli, c.brotli.Reset(r)
	default:
		if c.zstd == nil || fresh {
			z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
			if err == nil && !fresh {
				c.zstd = z
			}
			return z, err
		}
		return c.zstd, c.zstd.Reset(r)
	}
}

// tolerant reads a gzip stream whose members are followed by something else,
// as some servers send it.
type tolerant struct{ r *gzip.Reader }

func (t tolerant) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if err == gzip.ErrHeader {
		err = io.EOF
	}
	return n, err
}
