package http1

import (
	"bytes"
	"math"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
)

// chunked takes in bytes of a chunked body (RFC 9112, section 7.1).
func (p *conn) chunked(h *half, c *reassembly.Chunk, at int) int {
	b := c.Bytes[at:]
	switch h.state {
	case inSize:
		if p.withholds(h, c, at) {
			return at
		}
		if n, decided := p.absent(h, c, at); decided {
			return n
		}
		return p.chunkSize(h, c, at)
	case inExtension: // section 7.1.1: nobody reads them
		n := bytes.IndexByte(b, '\n')
		end := n
		if n < 0 {
			n, end = len(b), len(b)
		}
		if h.extension += n; h.extension > p.shard.limits.HeaderBytes {
			p.shard.stats.HeadsOver++
			return p.badChunk(h, c, at+n)
		}
		if n > 0 {
			h.cr = b[n-1] == '\r'
		}
		if end == len(b) {
			return len(c.Bytes)
		}
		if !h.cr {
			// A lone LF in here is read in two ways, and requests are smuggled
			// with it.
			h.damage |= exchange.Malformed
		}
		p.sized(h)
		return at + n + 1
	case inChunk:
		n := len(b)
		if uint64(n) >= h.remain {
			n = int(h.remain)
			h.state = inChunkEnd
		}
		h.remain -= uint64(n)
		h.body.Add(&p.shard.pool, b[:n])
		return at + n
	case inChunkEnd:
		switch {
		case b[0] == '\r' && !h.cr:
			h.cr = true
		case b[0] == '\n':
			if !h.cr {
				h.damage |= exchange.Malformed
			}
			h.cr = false
			h.state = inSize
		default:
			return p.badChunk(h, c, at)
		}
		return at + 1
	}
	return p.trailer(h, c, at)
}

// chunkSize reads the digits of a chunk's size.
func (p *conn) chunkSize(h *half, c *reassembly.Chunk, at int) int {
	for ; at < len(c.Bytes); at++ {
		b := c.Bytes[at]
		if d := hexDigit(b); d >= 0 && !h.cr {
			if h.remain > math.MaxInt64>>4 {
				return p.badChunk(h, c, at)
			}
			h.remain = h.remain<<4 | uint64(d)
			h.digits = 1
			continue
		}
		switch {
		case h.digits == 0:
			return p.badChunk(h, c, at)
		case b == '\n':
			if !h.cr {
				h.damage |= exchange.Malformed
			}
			p.sized(h)
			return at + 1
		case h.cr:
			return p.badChunk(h, c, at)
		case b == '\r':
			h.cr = true
		case b == ';' || b == ' ' || b == '\t':
			h.state, h.extension = inExtension, 0
			return at + 1
		default:
			return p.badChunk(h, c, at)
		}
	}
	return at
}

// sized goes on behind the line with a chunk's size.
func (p *conn) sized(h *half) {
	h.state = inChunk
	if h.remain == 0 {
		h.state = inTrailer // section 7.1.2
	}
	h.cr, h.digits = false, 0
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// badChunk ends a body whose chunks cannot be followed.
func (p *conn) badChunk(h *half, c *reassembly.Chunk, at int) int {
	h.damage |= exchange.Malformed
	end := pointAt(c, at)
	end.exact = false
	p.finish(h, nil, end)
	p.lose(h, c.Dir, c.Origin)
	return at
}

// trailer takes in bytes of the trailer section, which an empty line ends.
func (p *conn) trailer(h *half, c *reassembly.Chunk, at int) int {
	b, n, ok := p.collect(h, c.Bytes[at:])
	at += n
	if !ok {
		h.damage |= exchange.Cut
		end := pointAt(c, at)
		end.exact = false
		p.finish(h, nil, end)
		p.lose(h, c.Dir, c.Origin)
		return at
	}
	if b == nil {
		return at
	}
	if lines := min(h.scan.lines, p.shard.limits.HeaderLines); lines > 0 {
		if h.scan.folded {
			b = p.unfold(h, b)
		}
		m := h.slot.message(h == &p.live.half[p.client])
		m.Trailer = make(exchange.Header, 0, lines)
		p.shard.charge(h.slot, len(b)+lines*fieldBytes)
		for line, rest := cutLine(string(b)); line != "" && len(m.Trailer) < lines; line, rest = cutLine(rest) {
			field, clean := field(line)
			if !clean {
				h.damage |= exchange.Malformed
			}
			if field.Name != "" {
				m.Trailer = append(m.Trailer, field)
			}
		}
	}
	p.finish(h, nil, pointAt(c, at))
	return at
}
