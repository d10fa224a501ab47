package http1

import (
	"io"

	"github.com/authtap/authtap/reassembly/exchange"
)

// body is the content of a message while it comes.
type body struct {
	buf     []byte  // its beginning, as sent: what is kept, or to be decoded
	n       int64   // its length so far, gaps included, transfer coding chunked undone
	codings codings // to be undone
	closed  bool    // nothing more is collected
	short   bool    // so that not all can be decoded
}

// most is how much of it is collected.
func (b *body) most(s *Shard) int {
	if b.codings.n > 0 {
		return s.limits.EncodedBytes
	}
	return s.limits.BodyBytes
}

// admit cuts bytes that come next to those that are to be collected.
func (b *body) admit(s *Shard, p []byte) []byte {
	b.n += int64(len(p))
	if b.closed || len(p) == 0 {
		return nil
	}
	if s.crowded() {
		s.stats.Refused++
		b.closed, b.short = true, true
		return nil
	}
	if room := b.most(s) - len(b.buf); len(p) > room {
		b.closed, b.short = true, true
		if b.codings.n > 0 {
			s.stats.EncodedOver++
		}
		return p[:room]
	}
	return p
}

// add takes in the next bytes.
func (b *body) add(s *Shard, p []byte) {
	if p = b.admit(s, p); len(p) > 0 {
		b.buf = s.put(b.buf, p)
	}
}

// gap takes in that n bytes are missing.
func (b *body) gap(n uint64) {
	b.n += int64(min(n, 1<<32)) // a gap is one between sequence numbers
	b.closed, b.short = true, true
}

// finish gives the body of a message that is over, of which p are the last
// bytes, and what became of its codings. Its Bytes are p's, the decoders' or
// buf's, which the caller gives back when he is done with them.
func (b *body) finish(s *Shard, p []byte, sent exchange.Damage) (exchange.Body, exchange.Damage) {
	content := b.admit(s, p)
	if b.buf != nil {
		if len(content) > 0 {
			b.buf = s.put(b.buf, content)
		}
		content = b.buf
	}
	out := exchange.Body{Length: b.n}
	var damage exchange.Damage
	switch {
	case b.n == 0:
	case b.codings.unknown:
		s.stats.Undecoded++
		damage = exchange.Undecoded
	case b.codings.n > 0:
		kept, n, err := s.decoders.undo(&b.codings, content, &s.limits)
		switch {
		case n == 0 && err != nil:
			s.stats.Undecoded++
			damage = exchange.Undecoded
		default:
			content, out.Length = kept, n
			b.short = b.short || n > int64(len(kept))
			switch {
			case err == errOver:
				s.stats.DecodedOver++
				damage = exchange.Cut
			case sent&(exchange.BodyGap|exchange.Cut) != 0:
			case b.closed || err == io.ErrUnexpectedEOF:
				damage = exchange.Cut
			case err != nil:
				damage = exchange.Malformed
			}
		}
	}
	if len(content) > s.limits.BodyBytes {
		content, b.short = content[:s.limits.BodyBytes], true
	}
	if b.short {
		s.stats.Clipped++
	}
	if len(content) > 0 {
		out.Bytes = content
	}
	return out, damage
}
