package http1

import (
	"bytes"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
)

// conn is one conversation.
type conn struct {
	shard  *Shard
	start  *reassembly.Start
	half   [2]half
	queue  *queue // nil while nothing waits
	client reassembly.Direction
	flags  flags
}

type flags uint8

const (
	rolesKnown flags = 1 << iota
	inStep           // both directions are known from their first byte on
	midstream        // the beginning was not captured
	pipelines        // the client was seen to pipeline
	opaque           // the connection left HTTP
	endedA
	endedB
)

// half is one direction.
type half struct {
	state state
	msg   *message // the one being read
}

type state uint8

const (
	between   state = iota // at the beginning of a message
	inHead                 // msg.head collects
	inBody                 // msg.remain bytes of content follow
	toClose                // content up to the end of the connection
	inSize                 // a chunk-size line follows
	inChunk                // msg.remain bytes of a chunk follow
	afterData              // the line end behind a chunk follows
	inTrailer              // msg.head collects the trailer
	lost                   // out of step: wait for a first line
)

// message is a message while it is read.
type message struct {
	exchange.Message
	origin    reassembly.Origin
	seq       uint32 // of its first byte
	ack       uint32 // of the segment that it began in
	hasAck    bool
	request   bool
	keepAlive bool
	done      bool // read to its end
	proto     exchange.Protocol
	remain    int64
	head      []byte
	codings   []coding
	coded     []byte // content as sent, when codings are to be undone
	wire      int64  // content bytes as sent, transfer coding undone
	noDecode  bool
	held      int
	flags     exchange.Flags
}

// waiting is a request with what is known of its response.
type waiting struct {
	req, resp *message
	end       uint32 // sequence number behind the request, once it is done
	expect    uint32 // where its response begins, by what the client had read
	hasExpect bool
	proved    bool
}

type queue struct{ list []*waiting }

// Feed takes the next chunk of one direction.
func (c *conn) Feed(k *reassembly.Chunk) {
	if c.flags&opaque != 0 {
		c.shard.stats.Opaque += uint64(len(k.Bytes))
		return
	}
	h := &c.half[k.Dir]
	if k.Gap > 0 {
		c.gap(h, k)
	}
	if k.Conflict {
		c.conflicts(h, k.Dir == c.client)
	}
	if len(k.Bytes) == 0 {
		return
	}
	if h.state == lost && !c.resume(h, k) {
		c.shard.stats.Skipped += uint64(len(k.Bytes))
		return
	}
	for b, seq := k.Bytes, k.Seq; len(b) > 0; {
		n := c.step(h, k, b, seq)
		if c.flags&opaque != 0 {
			c.shard.stats.Opaque += uint64(len(b) - n)
			return
		}
		if h.state == lost {
			c.shard.stats.Skipped += uint64(len(b) - n)
			return
		}
		b, seq = b[n:], seq+uint32(n)
	}
}

// conflicts marks the message that is being read, or the last one that was and
// still waits: what was sent twice with different content may be of the past.
func (c *conn) conflicts(h *half, client bool) {
	if h.msg != nil {
		h.msg.Damage |= exchange.Conflicting
		return
	}
	if c.queue == nil {
		return
	}
	for i := len(c.queue.list) - 1; i >= 0; i-- {
		w := c.queue.list[i]
		if client {
			w.req.Damage |= exchange.Conflicting
			return
		}
		if w.resp != nil {
			w.resp.Damage |= exchange.Conflicting
			return
		}
	}
}

// resume takes a direction up again where a chunk begins with a first line.
func (c *conn) resume(h *half, k *reassembly.Chunk) bool {
	req, resp := LikeRequest(k.Bytes) >= 2, LikeResponse(k.Bytes) >= 2
	if c.flags&rolesKnown == 0 {
		switch {
		case req:
			c.client = k.Dir
		case resp:
			c.client = k.Dir.Reverse()
		default:
			return false
		}
		c.flags |= rolesKnown
	}
	if k.Dir == c.client && !req || k.Dir != c.client && !resp {
		return false
	}
	c.shard.stats.Resumed++
	h.state = between
	return true
}

// gap takes note that bytes are missing.
func (c *conn) gap(h *half, k *reassembly.Chunk) {
	m := h.msg
	switch h.state {
	case lost:
		return
	case inBody, toClose, inChunk:
		m.Damage |= exchange.BodyGap
		if len(m.codings) > 0 {
			m.noDecode = true
		}
		if h.state == toClose {
			m.wire += int64(k.Gap)
			return
		}
		if k.Gap <= uint64(m.remain) {
			m.wire += int64(k.Gap)
			m.remain -= int64(k.Gap)
			switch {
			case m.remain > 0:
			case h.state == inChunk:
				h.state = afterData
			default:
				c.finish(h, k.Origin, k.Seq+uint32(k.Gap))
			}
			return
		}
		m.wire += m.remain
		if h.state == inBody {
			// The content ends within the gap; what else is in there is not known.
			c.finish(h, k.Origin, k.Seq+uint32(m.remain))
			m = nil
		}
	case inHead:
		// A head with a hole is not believed.
		c.shard.drop(m)
		h.msg, m = nil, nil
	case inSize, afterData, inTrailer:
		m.Damage |= exchange.BodyGap
	}
	if m != nil {
		c.finish(h, k.Origin, k.Seq)
	}
	c.lose(h)
}

// lose puts a direction out of step, and with it pairing by order.
func (c *conn) lose(h *half) {
	h.state = lost
	c.flags &^= inStep
	c.shard.stats.Lost++
}

// step reads some of b, at least one byte, and returns how many.
func (c *conn) step(h *half, k *reassembly.Chunk, b []byte, seq uint32) int {
	m := h.msg
	switch h.state {
	case between:
		n := 0
		for n < len(b) && (b[n] == '\r' || b[n] == '\n') { // RFC 9112, section 2.2
			n++
		}
		if n == len(b) {
			return n
		}
		return n + c.begin(h, k, b[n:], seq+uint32(n))
	case inHead, inTrailer:
		return c.more(h, k, b, seq)
	case inBody:
		n := int(min(int64(len(b)), m.remain))
		c.shard.content(m, b[:n])
		if m.remain -= int64(n); m.remain == 0 {
			c.finish(h, k.Origin, seq+uint32(n))
		}
		return n
	case toClose:
		c.shard.content(m, b)
		return len(b)
	case inSize:
		return c.chunkSize(h, k, b, seq)
	case inChunk:
		n := int(min(int64(len(b)), m.remain))
		c.shard.content(m, b[:n])
		if m.remain -= int64(n); m.remain == 0 {
			h.state = afterData
		}
		return n
	case afterData: // RFC 9112, section 7.1: CRLF behind the data
		switch b[0] {
		case '\r':
			return 1
		case '\n':
			h.state = inSize
			return 1
		}
		m.Damage |= exchange.Malformed
		h.state = inSize
		return c.chunkSize(h, k, b, seq)
	}
	return len(b)
}

// headEnd gives the length of a head with the empty line behind it, looking
// from offset on; 0 where it is not there yet.
func headEnd(b []byte, from int) int {
	for i := max(from, 0); i < len(b); {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return 0
		}
		i += n + 1
		if i < len(b) && b[i] == '\n' {
			return i + 1
		}
		if i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n' {
			return i + 2
		}
	}
	return 0
}

// begin starts a message with its first byte.
func (c *conn) begin(h *half, k *reassembly.Chunk, b []byte, seq uint32) int {
	if c.flags&rolesKnown == 0 {
		c.flags |= rolesKnown
		c.client = k.Dir
		if LikeResponse(b) >= 2 {
			c.client = k.Dir.Reverse()
		}
	}
	m := c.shard.newMessage()
	m.origin, m.seq, m.ack, m.hasAck, m.request = k.Origin, seq, k.Ack, k.HasAck, k.Dir == c.client
	m.Start = k.Origin.Time
	if k.Conflict {
		m.Damage |= exchange.Conflicting
	}
	h.msg = m
	if n := headEnd(b, 0); n > 0 && n <= c.shard.limits.HeaderBytes {
		c.head(h, k, b[:n], seq+uint32(n))
		return n
	}
	// Something that cannot be a first line is not collected as one.
	like := LikeRequest
	if !m.request {
		like = LikeResponse
	}
	if like(b) == 0 {
		h.msg = nil
		c.lose(h)
		return 0
	}
	h.state = inHead
	return c.more(h, k, b, seq)
}

// more collects a head or a trailer that comes in pieces.
func (c *conn) more(h *half, k *reassembly.Chunk, b []byte, seq uint32) int {
	m, s := h.msg, c.shard
	had := len(m.head)
	room := s.limits.HeaderBytes - had
	take := b[:min(len(b), room)]
	m.head = append(m.head, take...)
	s.hold(m, len(take))
	from := had - 3
	if h.state == inTrailer && had < 3 && trailerEmpty(m.head) > 0 {
		n := trailerEmpty(m.head)
		m.head = m.head[:0]
		c.finish(h, k.Origin, seq+uint32(n-had))
		return n - had
	}
	if n := headEnd(m.head, from); n > 0 {
		used := n - had
		if h.state == inTrailer {
			m.Trailer, _ = parseFields(string(m.head[:n]))
			c.finish(h, k.Origin, seq+uint32(used))
		} else {
			head := m.head[:n]
			m.head = nil
			c.head(h, k, head, seq+uint32(used))
		}
		return used
	}
	if len(take) < len(b) || room == 0 {
		s.stats.HeadsOver++
		if h.state == inTrailer {
			m.Damage |= exchange.Cut
			c.finish(h, k.Origin, seq)
		} else {
			s.drop(m)
			h.msg = nil
		}
		c.lose(h)
		return len(take)
	}
	return len(take)
}

// trailerEmpty gives the length of an empty trailer: the line end alone.
func trailerEmpty(b []byte) int {
	switch {
	case len(b) >= 1 && b[0] == '\n':
		return 1
	case len(b) >= 2 && b[0] == '\r' && b[1] == '\n':
		return 2
	}
	return 0
}

// chunkSize reads a chunk-size line (RFC 9112, section 7.1), which may come in
// pieces.
func (c *conn) chunkSize(h *half, k *reassembly.Chunk, b []byte, seq uint32) int {
	m := h.msg
	n := bytes.IndexByte(b, '\n')
	line := b
	used := len(b)
	if n >= 0 {
		line, used = b[:n], n+1
	}
	if len(m.head)+len(line) > maxChunkLine {
		m.Damage |= exchange.Malformed
		c.finish(h, k.Origin, seq)
		c.lose(h)
		return 0
	}
	if n < 0 || len(m.head) > 0 {
		m.head = append(m.head, line...)
		line = m.head
	}
	if n < 0 {
		return used
	}
	size, ok := parseChunkSize(line)
	m.head = m.head[:0]
	switch {
	case !ok:
		m.Damage |= exchange.Malformed
		c.finish(h, k.Origin, seq)
		c.lose(h)
		return 0
	case size == 0:
		h.state = inTrailer
	default:
		m.remain = size
		h.state = inChunk
	}
	return used
}

const maxChunkLine = 4 << 10

// End takes note that a direction, or all, is over.
func (c *conn) End(d reassembly.Direction, why reassembly.End, at reassembly.Origin) {
	h := &c.half[d]
	if m := h.msg; m != nil {
		switch {
		case h.state == inHead:
			c.shard.drop(m)
			h.msg = nil
		default:
			if h.state != toClose || why != reassembly.EndFIN {
				m.Damage |= exchange.Cut
			}
			c.finish(h, at, m.seq+uint32(m.wire))
		}
	}
	h.state = lost
	if d == reassembly.AtoB {
		c.flags |= endedA
	} else {
		c.flags |= endedB
	}
	if c.flags&(endedA|endedB) == endedA|endedB && c.queue != nil {
		for _, w := range c.queue.list {
			c.give(w, at)
		}
		c.queue = nil
	}
}
