package http1

import (
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
)

// head takes a complete head. after is the sequence number behind it.
func (c *conn) head(h *half, k *reassembly.Chunk, b []byte, after uint32) {
	m, s := h.msg, c.shard
	var ok bool
	if m.request {
		ok = m.parseRequest(b)
	} else {
		ok = m.parseResponse(b)
	}
	s.unhold(m)
	if !ok {
		h.msg = nil
		c.lose(h)
		return
	}
	m.Present = true
	if c.flags&midstream != 0 {
		m.flags |= exchange.Midstream
	}
	if m.request {
		s.stats.Requests++
		w := c.await(m, k.Origin)
		c.frame(h, k, after, m.requestFraming(), w)
		return
	}
	w := c.answered(m)
	if m.Status < 200 && m.Status != 101 { // RFC 9110, section 15.2
		s.stats.Interim++
		if w != nil && w.hasExpect && w.expect == m.seq {
			w.expect = after
		}
		h.msg, h.state = nil, between
		return
	}
	s.stats.Responses++
	method := ""
	if w != nil {
		method = w.req.Method
		w.resp = m
	} else {
		m.flags |= exchange.Unpaired
	}
	if m.Status == 101 || method == "CONNECT" && m.Status >= 200 && m.Status < 300 {
		m.flags |= exchange.Upgraded
		s.stats.Upgrades++
		c.frame(h, k, after, framing{kind: frameNone}, w)
		c.flags |= opaque
		c.flush(k.Origin)
		return
	}
	c.frame(h, k, after, m.responseFraming(method), w)
}

// frame goes on behind a head as its framing says.
func (c *conn) frame(h *half, k *reassembly.Chunk, after uint32, f framing, _ *waiting) {
	m := h.msg
	if f.malformed {
		m.Damage |= exchange.Malformed
	}
	m.codings = f.codings
	if f.unknownCoding {
		m.Damage |= exchange.Undecoded
		c.shard.stats.Undecoded++
	}
	switch f.kind {
	case frameNone:
		c.finish(h, k.Origin, after)
	case frameLength:
		m.remain = f.length
		h.state = inBody
		if f.length == 0 {
			c.finish(h, k.Origin, after)
		}
	case frameChunked:
		h.state = inSize
	case frameClose:
		h.state = toClose
	}
}

// await puts a request into the queue.
func (c *conn) await(m *message, at reassembly.Origin) *waiting {
	w := c.shard.newWaiting()
	w.req, w.expect, w.hasExpect = m, m.ack, m.hasAck
	if c.queue == nil {
		c.queue = &queue{}
	}
	q := c.queue
	if n := len(q.list); n > 0 && q.list[n-1].resp == nil {
		// The client sent before it had read anything of what it waits for.
		last := q.list[n-1].req
		if !m.hasAck || !last.hasAck || m.ack == last.ack {
			c.flags |= pipelines
			m.flags |= exchange.Pipelined
		}
	}
	if len(q.list) >= c.shard.limits.Pending {
		c.shard.stats.PendingOver++
		c.flags &^= inStep
		first := q.list[0]
		q.list = q.list[1:]
		if server := &c.half[c.client.Reverse()]; first.resp != nil && server.msg == first.resp {
			first.resp.Damage |= exchange.Cut // it is given as far as it was read
			server.msg = nil
			c.lose(server)
		}
		c.give(first, at)
	}
	q.list = append(q.list, w)
	return w
}

// answered finds the request that a response provably answers, or nil.
func (c *conn) answered(m *message) *waiting {
	q := c.queue
	if q == nil {
		return nil
	}
	if c.flags&inStep != 0 {
		for _, w := range q.list {
			if w.resp != nil {
				continue
			}
			if m.hasAck && int32(m.ack-w.req.seq) <= 0 {
				return nil // it acknowledges nothing of the request: unsolicited
			}
			return w
		}
		return nil
	}
	if c.flags&pipelines != 0 || !m.hasAck {
		return nil
	}
	for _, w := range q.list {
		if w.resp == nil && w.hasExpect && w.expect == m.seq && w.req.done && int32(m.ack-w.end) >= 0 {
			w.proved = true
			return w
		}
	}
	// An interim response comes before the request is complete.
	if m.Status < 200 {
		for _, w := range q.list {
			if w.resp == nil && w.hasExpect && w.expect == m.seq {
				return w
			}
		}
	}
	return nil
}

// finish ends the message that is being read. after is the sequence number
// behind it.
func (c *conn) finish(h *half, at reassembly.Origin, after uint32) {
	m := h.msg
	h.msg, h.state = nil, between
	c.shard.decode(m)
	c.shard.unhold(m)
	m.head, m.done = nil, true
	if m.Damage&exchange.Malformed != 0 {
		c.shard.stats.Malformed++
	}
	if !m.request && m.flags&exchange.Unpaired != 0 {
		w := c.shard.newWaiting()
		w.resp = m
		c.give(w, at)
		return
	}
	q := c.queue
	if q == nil {
		return
	}
	for i, w := range q.list {
		if w.req != m && w.resp != m {
			continue
		}
		if w.req == m {
			w.end = after
		}
		if w.resp == nil || !w.resp.done || !w.req.done {
			return
		}
		// In step, what waits before it is answered before it. Out of step,
		// what waits before a proved pair will not be answered any more.
		if i > 0 && w.proved {
			for _, before := range q.list[:i] {
				c.give(before, at)
			}
			q.list = q.list[i:]
			i = 0
		}
		for len(q.list) > 0 && q.list[0].req.done && q.list[0].resp != nil && q.list[0].resp.done {
			c.give(q.list[0], at)
			q.list = q.list[1:]
		}
		if len(q.list) == 0 {
			c.queue = nil
		}
		return
	}
}

// flush gives what waits, where the connection leaves HTTP.
func (c *conn) flush(at reassembly.Origin) {
	if c.queue != nil {
		for _, w := range c.queue.list {
			if w.req != nil && !w.req.done {
				w.req.Damage |= exchange.Cut
			}
			c.give(w, at)
		}
		c.queue = nil
	}
	c.half[0].msg, c.half[1].msg = nil, nil
}

// give hands an exchange on.
func (c *conn) give(w *waiting, at reassembly.Origin) {
	x := &exchange.Exchange{End: at.Time, Net: c.start.Key.Net}
	x.Order.Packet = at.Order
	client := c.client
	x.Client, x.Server = c.start.Key.Sender(client), c.start.Key.Receiver(client)
	s := c.shard
	switch {
	case w.req != nil && w.resp != nil:
		x.Request, x.Response = w.req.Message, w.resp.Message
		x.Origin, x.Protocol, x.Flags = w.req.origin, w.req.proto, w.req.flags|w.resp.flags
		s.stats.Paired++
		if w.proved {
			s.stats.Proved++
			x.Flags |= exchange.AfterGap
		}
	case w.req != nil:
		x.Request = w.req.Message
		x.Origin, x.Protocol, x.Flags = w.req.origin, w.req.proto, w.req.flags|exchange.Unpaired
		s.stats.Unanswered++
	default:
		x.Response = w.resp.Message
		x.Origin, x.Protocol, x.Flags = w.resp.origin, w.resp.proto, w.resp.flags|exchange.Unpaired
		s.stats.Orphaned++
	}
	s.free(w)
	s.emit(x)
}
