package http2

import (
	"encoding/binary"

	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
)

// conn parses one conversation.
type conn struct {
	shard *Shard
	start *reassembly.Start
	half  [2]half // by the direction that sends
	live  *live   // nil without open streams
	last  uint32  // the highest stream that the client opened
	sure  uint32  // likewise, while its direction was certain
	// doubted is when streams that may have lost their end began to be waited
	// for, 0 without any.
	doubted capture.Time
	flags   flags
	client  reassembly.Direction // when roles
}

// patience is how long something is waited for of a stream that may be over
// without anybody having seen it.
const patience = capture.Time(time.Minute)

type flags uint8

const (
	roles   flags = 1 << iota // who is the client is known
	gapSeen                   // bytes are missing
	hidden                    // the client may have opened streams that were not seen
	heard                     // shifted by direction: bytes of it came
	_
)

func (p *conn) is(f flags) bool { return p.flags&f != 0 }

// Client implements identify.Roles.
func (p *conn) Client() (reassembly.Direction, bool) { return p.client, p.is(roles) }

// state is where a direction stands.
type state uint8

const (
	begin     state = iota // nothing came yet
	inPreface              // of the client
	inFrame                // in a frame's header
	inPad                  // before the length of the padding of a DATA frame
	inData                 // in a DATA frame
	inPadding
	collecting // in a frame whose payload is read
	passing    // in a frame of which nothing is wanted
	lost       // not known where the next frame begins
	over       // the direction has ended
)

// half is one direction.
type half struct {
	table *table // of the header blocks of this direction; nil: as at first
	work  *work  // nil between frames
	// waiting are the table sizes in this side's SETTINGS frames that are not
	// acknowledged yet; early counts acknowledgements that came before them.
	waiting []uint32
	frame   frame  // the one it is in
	left    uint32 // of its payload, padding included
	state   state
	pad     uint8
	got     uint8 // of the preface, or of a frame's header
	early   uint8
	opened  bool // a frame came, and the first one was SETTINGS
	guessed bool // where frames begin was found, it is not known
	ongoing bool // a header block goes on in CONTINUATION frames
	header  [frameHeader]byte
}

// work is what a direction has while it is within a frame or a header block.
type work struct {
	payload []byte // of the frame, as far as it is there
	block   []byte // the header block, up to this frame
	head    frame  // what it began with
	frames  int    // how many CONTINUATION frames
	to      uint32 // the promised stream
	cut     exchange.Damage
	at      reassembly.Origin // of its first byte
}

// Feed takes the next bytes, or a gap, of one direction.
func (p *conn) Feed(c *reassembly.Chunk) {
	h := &p.half[c.Dir]
	if c.Conflict {
		p.conflict(c.Dir)
	}
	if p.doubted != 0 && c.Origin.Time-p.doubted > patience {
		p.despair(c.Origin)
	}
	switch {
	case h.state == over:
		p.shard.stats.Skipped += uint64(len(c.Bytes))
	case len(c.Bytes) > 0:
		p.bytes(h, c)
		p.flags |= heard << c.Dir
		if c.Conflict {
			p.conflict(c.Dir)
		}
	case c.Gap > 0:
		p.flags |= gapSeen
		p.gap(h, c)
	}
}

// End ends a direction.
func (p *conn) End(d reassembly.Direction, why reassembly.End, at reassembly.Origin) {
	h := &p.half[d]
	if h.state == over {
		return
	}
	p.abandon(h, d, exchange.Cut, at)
	h.state = over
	p.dropTable(h)
	if p.is(roles) {
		p.ended(d, at)
	}
}

// bytes goes through a chunk.
func (p *conn) bytes(h *half, c *reassembly.Chunk) {
	for at := 0; at < len(c.Bytes); {
		b := c.Bytes[at:]
		switch h.state {
		case begin:
			p.begin(h, c.Dir, b[0])
		case lost:
			if at > 0 || !p.resume(h, c) {
				p.shard.stats.Skipped += uint64(len(b))
				return
			}
		case inPreface:
			n := 0
			for n < len(b) && int(h.got) < len(preface) && b[n] == preface[h.got] {
				n++
				h.got++
			}
			if int(h.got) == len(preface) {
				h.got, h.state = 0, inFrame
			} else if n < len(b) {
				p.shard.stats.Malformed++
				p.lose(h, c.Dir, c.Origin)
			}
			at += n
		case inFrame:
			at += p.frameBytes(h, c, b)
		case inPad:
			h.pad, h.left = b[0], h.left-1
			at++
			h.state = inData
			if uint32(h.pad) > h.left {
				p.shard.stats.Malformed++ // RFC 9113, section 6.1
				h.pad = 0
			}
			p.data(h, c, nil)
		case inData:
			n := min(len(b), int(h.left)-int(h.pad))
			h.left -= uint32(n)
			p.data(h, c, b[:n])
			at += n
		case inPadding, passing:
			n := min(len(b), int(h.left))
			h.left -= uint32(n)
			at += n
			if h.left == 0 {
				h.state = inFrame
			}
		case collecting:
			at += p.collect(h, c, b)
		}
	}
}

// begin finds out from the first byte of a direction who it is: the client
// begins with the preface, the server with a frame.
func (p *conn) begin(h *half, d reassembly.Direction, first byte) {
	client := d
	if first != preface[0] {
		client = d.Reverse()
	}
	if !p.is(roles) {
		p.client = client
		p.flags |= roles
	}
	h.state = inFrame
	if d == p.client {
		h.state = inPreface
	}
}

// frameBytes takes in bytes of a frame's header.
func (p *conn) frameBytes(h *half, c *reassembly.Chunk, b []byte) int {
	var f frame
	ok, n := true, frameHeader
	raw := b
	if h.got > 0 || len(b) < frameHeader {
		n = copy(h.header[h.got:], b)
		if h.got += uint8(n); h.got < frameHeader {
			return n
		}
		raw = h.header[:]
	}
	h.got = 0
	if h.guessed {
		f, ok = plausible(raw)
	} else {
		f = parseFrame(raw)
		ok = f.valid()
	}
	// RFC 9113, section 3.4: the first frame is SETTINGS; and section 6.2: a
	// header block is not interrupted.
	if ok && !h.opened && (f.kind != settingsFrame || f.flags&ack != 0) ||
		h.ongoing && (f.kind != continuationFrame || f.stream != h.work.head.stream) {
		ok = false
	}
	if !ok {
		p.shard.stats.Malformed++
		p.lose(h, c.Dir, c.Origin)
		return n
	}
	p.shard.stats.Frames++
	h.opened = true
	h.frame, h.left, h.pad = f, f.length, 0
	switch f.kind {
	case dataFrame:
		h.state = inData
		if f.flags&padded != 0 {
			h.state = inPad
			return n
		}
		if f.length == 0 {
			p.data(h, c, nil)
		}
		return n
	case headersFrame, promiseFrame, continuationFrame, settingsFrame, resetFrame, goawayFrame:
		h.state = collecting
		if f.kind != continuationFrame || h.work == nil {
			h.work = p.shard.works.Take()
			h.work.at = c.Origin
		}
		if f.length == 0 {
			p.payload(h, c.Dir, nil, c.Origin)
		}
		return n
	}
	h.state = passing
	if f.length == 0 {
		h.state = inFrame
	}
	return n
}

// collect takes in bytes of a payload that is read when it is complete.
func (p *conn) collect(h *half, c *reassembly.Chunk, b []byte) int {
	n := min(len(b), int(h.left))
	h.left -= uint32(n)
	w := h.work
	if h.left == 0 && w.payload == nil {
		p.payload(h, c.Dir, b[:n], c.Origin)
		return n
	}
	// What is longer than a header block may be is not kept: nothing else is.
	switch room := p.shard.limits.HeaderBytes + 256 - len(w.payload); {
	case p.shard.pool.Full():
		if w.cut == 0 {
			p.shard.stats.HeadsRefused++
		}
		w.cut |= exchange.Cut
	case n > room:
		if w.cut == 0 {
			p.shard.stats.HeadsOver++
		}
		w.cut |= exchange.Cut
		w.payload = p.shard.pool.Put(w.payload, b[:room])
	default:
		w.payload = p.shard.pool.Put(w.payload, b[:n])
	}
	if h.left == 0 {
		p.payload(h, c.Dir, w.payload, c.Origin)
	}
	return n
}

// payload reads the payload of a frame that is over. It is all there, unless
// the work says that it is cut.
func (p *conn) payload(h *half, d reassembly.Direction, b []byte, at reassembly.Origin) {
	w, f := h.work, h.frame
	h.state = inFrame
	switch f.kind {
	case headersFrame, promiseFrame:
		w.head = f
		block, to, ok := f.fragment(b)
		if !ok {
			// RFC 9113, section 6.1: a connection error. Of what is cut there may
			// be too little.
			if w.cut == 0 {
				p.shard.stats.Malformed++
				w.cut = exchange.Malformed
			}
			block = nil
		}
		w.to = to
		p.block(h, d, block, at)
		return
	case continuationFrame:
		if !h.ongoing {
			p.tail(h, d)
			return
		}
		if w.frames++; w.frames > p.shard.limits.Continuations && w.cut == 0 {
			p.shard.stats.HeadsOver++
			w.cut = exchange.Cut
		}
		if len(w.block)+len(b) > p.shard.limits.HeaderBytes && w.cut == 0 {
			p.shard.stats.HeadsOver++
			w.cut = exchange.Cut
		}
		p.block(h, d, b, at)
		return
	}
	whole := w.cut == 0
	switch f.kind {
	case settingsFrame:
		p.settings(h, d, f, b, whole)
	case resetFrame:
		p.shard.stats.Resets++
		p.reset(f.stream, at)
	case goawayFrame:
		p.shard.stats.Goaways++
		if whole {
			p.goaway(d, binary.BigEndian.Uint32(b)&(1<<31-1), at)
		}
	}
	p.dropWork(h)
}

// block takes in a fragment of a header block, and reads the block when it is
// complete or cannot be any more.
func (p *conn) block(h *half, d reassembly.Direction, b []byte, at reassembly.Origin) {
	w := h.work
	last := h.frame.flags&endHeaders != 0
	if h.ongoing = !last; last && w.block == nil {
		p.headers(h, d, b, at)
		p.dropWork(h)
		return
	}
	if p.shard.pool.Full() && w.cut == 0 {
		p.shard.stats.HeadsRefused++
		w.cut = exchange.Cut
	}
	// What is missing may be the end of one fragment, so none is added behind.
	if w.cut == 0 || w.block == nil {
		w.block = p.shard.pool.Put(w.block, b)
	}
	p.shard.pool.Release(w.payload)
	w.payload = nil
	if last {
		p.headers(h, d, w.block, at)
		p.dropWork(h)
	}
}

// tail passes over the end of a header block of which the beginning is not
// known.
func (p *conn) tail(h *half, d reassembly.Direction) {
	p.loseTable(h)
	p.dropWork(h)
}

// gap takes in that bytes are missing.
func (p *conn) gap(h *half, c *reassembly.Chunk) {
	switch {
	case h.state == over:
		return
	case h.state >= inData && h.state <= passing && c.Gap <= uint64(h.left):
		p.gapWithin(h, c)
		return
	}
	if h.state == inData {
		p.missData(h, c.Dir, h.left-uint32(h.pad))
		h.left = uint32(h.pad)
		p.data(h, c, nil)
	}
	p.lose(h, c.Dir, c.Origin)
}

// gapWithin takes in that bytes are missing within a frame.
func (p *conn) gapWithin(h *half, c *reassembly.Chunk) {
	n := uint32(c.Gap)
	switch h.state {
	case inData:
		content := min(n, h.left-uint32(h.pad))
		h.left -= content
		p.missData(h, c.Dir, content)
		p.data(h, c, nil)
		if n -= content; n > 0 { // of the padding
			h.left -= n
			if h.left == 0 {
				h.state = inFrame
			}
		}
		return
	case collecting:
		p.missing(h, c.Dir, exchange.HeadGap, c.Origin)
		h.state = passing
	}
	if h.left -= n; h.left == 0 {
		h.state = inFrame
	}
}

// missing takes in that what is left of a payload that is read will not come.
func (p *conn) missing(h *half, d reassembly.Direction, why exchange.Damage, at reassembly.Origin) {
	switch h.frame.kind {
	case headersFrame, promiseFrame, continuationFrame:
		p.forsake(h, d, why, at)
		h.ongoing = false
		return
	case settingsFrame:
		p.settings(h, d, h.frame, nil, false)
	case resetFrame: // of which only the reason is missing
		p.shard.stats.Resets++
		p.reset(h.frame.stream, at)
	}
	p.dropWork(h)
}

// forsake reads what there is of a header block whose rest will not come.
func (p *conn) forsake(h *half, d reassembly.Direction, why exchange.Damage, at reassembly.Origin) {
	w := h.work
	w.cut |= why
	switch {
	case h.state != collecting: // between its frames
		p.headers(h, d, w.block, at)
	case h.frame.kind != continuationFrame:
		w.head = h.frame
		if block, to, ok := h.frame.fragment(w.payload); ok {
			w.to = to
			p.headers(h, d, block, at)
		} else {
			p.loseTable(h)
		}
	case h.ongoing:
		w.block = p.shard.pool.Put(w.block, w.payload)
		p.headers(h, d, w.block, at)
	default:
		p.loseTable(h)
	}
	p.dropWork(h)
}

// abandon ends what is under way in a direction.
func (p *conn) abandon(h *half, d reassembly.Direction, why exchange.Damage, at reassembly.Origin) {
	switch {
	case h.state == collecting:
		p.missing(h, d, why, at)
	case h.work != nil:
		p.forsake(h, d, why, at)
	}
	h.ongoing = false
}

// lose notes that it is not known where the direction's next frame begins.
func (p *conn) lose(h *half, d reassembly.Direction, at reassembly.Origin) {
	if h.state != lost {
		p.shard.stats.Lost++
		p.abandon(h, d, exchange.HeadGap, at)
	}
	p.loseTable(h)
	p.missSettings(d)
	h.state, h.got, h.guessed, h.opened = lost, 0, true, true
	if !p.is(roles) {
		p.flags |= hidden
		return
	}
	p.missStreams(d, at)
	if d == p.client {
		p.flags |= hidden
		p.last = p.sure
	}
}

// resume takes a direction up at a chunk that begins with frames, or with the
// preface.
func (p *conn) resume(h *half, c *reassembly.Chunk) bool {
	b := c.Bytes
	if len(b) >= len(preface) && string(b[:len(preface)]) == preface && !p.is(heard<<c.Dir) && (!p.is(roles) || c.Dir == p.client) {
		// It begins here, whatever was before.
		p.setRoles(c.Dir)
		*h = half{state: inPreface, guessed: p.is(gapSeen)}
		p.shard.stats.Resumed++
		if s := &p.half[c.Dir.Reverse()]; s.state == lost && !p.is(heard<<c.Dir.Reverse()) && !p.is(gapSeen) {
			s.state, s.guessed, s.opened = begin, false, false
			p.dropTable(s)
		}
		return true
	}
	s := look(b)
	if !s.ok || s.frames == 0 {
		return false
	}
	if s.request != s.response {
		client := c.Dir
		if s.response {
			client = client.Reverse()
		}
		if p.is(roles) && p.client != client {
			return false
		}
		p.setRoles(client)
	}
	switch {
	case !p.is(roles):
		return false
	case s.frames >= 2, s.whole && s.exact:
	case s.first.kind == dataFrame && p.open(s.first.stream, c.Dir):
	default:
		return false
	}
	h.state, h.guessed, h.opened = inFrame, true, true
	p.shard.stats.Resumed++
	return true
}

func (p *conn) setRoles(client reassembly.Direction) {
	p.client = client
	p.flags |= roles
}

// dropWork gives back what a direction had within a frame.
func (p *conn) dropWork(h *half) {
	w := h.work
	h.work = nil
	p.shard.pool.Release(w.payload)
	p.shard.pool.Release(w.block)
	*w = work{}
	p.shard.works.Keep(w, structsKept)
}

// conflict takes in that bytes of direction d came twice, differently: who
// received them may have read others.
func (p *conn) conflict(d reassembly.Direction) {
	h := &p.half[d]
	if h.table != nil && h.state != over {
		p.loseTable(h)
	}
	h.guessed = h.guessed || h.state != begin
	if p.is(roles) {
		p.mark(d, exchange.Conflicting)
	}
}
