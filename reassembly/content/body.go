package content

import (
	"io"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
)

// Body is the content of a message while it comes. Its zero value is one
// without codings.
type Body struct {
	// Codings are to be undone; they are set before the first byte comes.
	Codings Codings

	buf    []byte // its beginning, as sent: what is kept, or to be decoded
	n      int64  // its length so far, gaps included, transfer coding chunked undone
	closed bool   // nothing more is collected
	short  bool   // so that not all can be decoded
}

// Len is the length so far, as sent, gaps included.
func (b *Body) Len() int64 { return b.n }

// most is how much of it is collected.
func (b *Body) most(p *Pool) int {
	if b.Codings.n > 0 {
		return p.limits.EncodedBytes
	}
	return p.limits.BodyBytes
}

// admit cuts bytes that come next to those that are to be collected.
func (b *Body) admit(p *Pool, data []byte) []byte {
	b.n += int64(len(data))
	if b.closed || len(data) == 0 {
		return nil
	}
	if p.Crowded() {
		p.stats.Refused++
		b.closed, b.short = true, true
		return nil
	}
	if room := b.most(p) - len(b.buf); len(data) > room {
		b.closed, b.short = true, true
		if b.Codings.n > 0 {
			p.stats.EncodedOver++
		}
		return data[:room]
	}
	return data
}

// Add takes in the next bytes.
func (b *Body) Add(p *Pool, data []byte) {
	if data = b.admit(p, data); len(data) > 0 {
		b.buf = p.Put(b.buf, data)
	}
}

// Gap takes in that n bytes are missing, or reassembly.UnknownGap.
func (b *Body) Gap(n uint64) {
	if n != reassembly.UnknownGap {
		b.n += int64(min(n, 1<<32)) // a gap is one between sequence numbers
	}
	b.closed, b.short = true, true
}

// Finish gives the body of a message that is over, of which tail are the last
// bytes, and what became of its codings; sent is what is wrong with the message
// so far. The bytes are tail's, the decoders' (valid until the next Finish) or
// the body's own, valid until Drop.
func (b *Body) Finish(p *Pool, tail []byte, sent exchange.Damage) (exchange.Body, exchange.Damage) {
	content := b.admit(p, tail)
	if b.buf != nil {
		if len(content) > 0 {
			b.buf = p.Put(b.buf, content)
		}
		content = b.buf
	}
	out := exchange.Body{Length: b.n}
	var damage exchange.Damage
	switch {
	case b.n == 0:
	case b.Codings.unknown:
		p.stats.Undecoded++
		damage = exchange.Undecoded
	case b.Codings.n > 0:
		kept, n, err := p.decoders.undo(&b.Codings, content, &p.limits)
		switch {
		case n == 0 && err != nil:
			p.stats.Undecoded++
			damage = exchange.Undecoded
		default:
			content, out.Length = kept, n
			b.short = b.short || n > int64(len(kept))
			switch {
			case err == errOver:
				p.stats.DecodedOver++
				damage = exchange.Cut
			case sent&(exchange.BodyGap|exchange.Cut) != 0:
			case b.closed || err == io.ErrUnexpectedEOF:
				damage = exchange.Cut
			case err != nil:
				damage = exchange.Malformed
			}
		}
	}
	if len(content) > p.limits.BodyBytes {
		content, b.short = content[:p.limits.BodyBytes], true
	}
	if b.short {
		p.stats.Clipped++
	}
	if len(content) > 0 {
		out.Bytes = content
	}
	return out, damage
}

// Drop gives the body's memory back.
func (b *Body) Drop(p *Pool) {
	p.Release(b.buf)
	*b = Body{}
}
