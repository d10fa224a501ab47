package http1

import (
	"bytes"
	"slices"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/identify"
)

// absent looks for a status line where content is to begin: the response seems
// to be to a HEAD that is not known, if another one follows. Or this one is
// content, so counting is over. It reports whether the bytes up to n are dealt
// with: as part of what may be a status line, or since the message has ended.
func (p *conn) absent(h *half, c *reassembly.Chunk, at int) (n int, decided bool) {
	if !h.uncertain {
		return at, false
	}
	line := c.Bytes[at:]
	held := len(h.buf)
	if held > 0 {
		line = slices.Concat(h.buf, line[:min(len(line), longStart)])
	}
	switch LikeResponse(line) {
	case identify.NotMine:
		if held > 0 {
			p.undecided(h, c.Dir)
			return at, true
		}
		h.uncertain = false
		return at, false
	case identify.Unsure:
		if held == 0 {
			h.early = pointAt(c, at)
		}
		h.buf = p.shard.pool.Put(h.buf, c.Bytes[at:])
		return len(c.Bytes), true
	}
	h.uncertain = false
	end := pointAt(c, at)
	if held > 0 {
		end = h.early
	}
	early := p.earlier(h, c.Dir)
	end.hasAck = false // that of the chunk before it
	h.slot.flags |= empty
	p.flags &^= serverInStep
	p.finish(h, nil, end)
	if early != nil {
		p.bytes(early)
	}
	return at, true
}

// earlier gives what is held of a possible status line as a chunk, nil where
// nothing is.
func (p *conn) earlier(h *half, d reassembly.Direction) *reassembly.Chunk {
	if len(h.buf) == 0 {
		return nil
	}
	e := h.early
	c := &reassembly.Chunk{Dir: d, Bytes: bytes.Clone(h.buf), Seq: e.seq, Ack: e.ack, HasAck: e.hasAck, Origin: e.at}
	p.shard.pool.Release(h.buf)
	h.buf = nil
	return c
}

// undecided takes what is held of a possible status line for content: it will
// not be told any more.
func (p *conn) undecided(h *half, d reassembly.Direction) {
	if !h.uncertain {
		return
	}
	if early := p.earlier(h, d); early != nil {
		h.uncertain = false
		p.bytes(early)
	}
}
