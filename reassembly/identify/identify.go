// Package identify finds out what a conversation speaks and gives it the
// parser of that protocol.
//
// What is said decides, not the ports. Each protocol of the table is asked for
// its opinion of the first bytes of each direction, until one is certain. A
// conversation of which the beginning is known is nobody's when nobody wants
// its first bytes; then it is stepped over. One of which the beginning is
// missing is looked at again with every chunk, up to Limits.Tries of them. What
// the parser did not get by then is a gap to it. When a connection leaves its
// protocol (CONNECT, an upgrade), what follows is looked at anew.
//
// Contract: a Table and what it makes are used by one goroutine. A
// conversation holds less than Limits.HeldBytes of each direction while it is
// not known; when it is, 112 bytes and its parser.
package identify

import (
	"bytes"
	"net/netip"

	"github.com/authtap/authtap/reassembly"
)

// Confidence is a protocol's opinion of the first bytes of one direction.
type Confidence uint8

// NotMine is final, Unsure asks for more bytes, Certain takes the conversation.
const (
	NotMine Confidence = iota
	Unsure
	Certain
)

// Protocol is one row of the table of protocols.
type Protocol struct {
	Name string
	// Client and Server look at what a client or a server says first. There is
	// at least one byte.
	Client, Server func(prefix []byte) Confidence
	// FromStart says that it is nobody's where the beginning is missing: what it
	// begins with may stand anywhere in others.
	FromStart bool
	// New makes a parser, which may keep start. Bytes that are no longer of the
	// protocol it feeds to rest.
	New func(start *reassembly.Start, rest reassembly.Parser) reassembly.Parser
}

// Limits bounds what a conversation costs while it is not known. A zero field
// takes its default.
type Limits struct {
	// HeldBytes of each direction (default 4 KiB). What is not certain by then
	// is nobody's.
	HeldBytes int
	// Tries is how many chunks are looked at where the beginning is missing
	// (default 4096).
	Tries int
}

// Stats counts conversations by what they turned out to be. What follows a
// change of protocol counts again.
type Stats struct {
	// Identified conversations, of any protocol of the table, and how many of
	// them not from the first byte on.
	Identified, Late uint64
	// Changed conversations left their protocol and went on.
	Changed uint64
	// Foreign ones; Unknown are all that are none of the others,
	// those included that ended before they were known.
	TLS, SSH, Unknown uint64
	// GivenUp ones, which are among Unknown, met a limit.
	GivenUp uint64
}

// Table makes the first parsers of conversations.
type Table struct {
	limits    Limits
	protocols []Protocol
	stats     Stats
}

// New makes a table of protocols.
func New(l Limits, protocols ...Protocol) *Table {
	if l.HeldBytes <= 0 {
		l.HeldBytes = 4 << 10
	}
	if l.Tries <= 0 {
		l.Tries = 4096
	}
	return &Table{limits: l, protocols: protocols}
}

// Stats gives the counts so far.
func (t *Table) Stats() Stats { return t.stats }

// New makes the parser of a conversation.
func (t *Table) New(start reassembly.Start) reassembly.Parser {
	return &conn{table: t, start: start}
}

type conn struct {
	table  *Table
	start  reassembly.Start
	tls    bool              // it is, and nobody reads it
	parser reassembly.Parser // once known
	search *search           // before, when there is something to remember

	bytes, gap uint64
}

// search is what is known of a conversation that is not known yet.
type search struct {
	side  [2]side
	first reassembly.Direction // whose held bytes came first
	tries int
}

// side is one direction.
type side struct {
	held   []byte
	chunk  reassembly.Chunk // what held began with
	missed reassembly.Chunk // the gap before held: what nobody gets
	ended  bool
	end    reassembly.Origin
}

// Feed looks at the chunk, or hands it on.
func (c *conn) Feed(k *reassembly.Chunk) {
	c.bytes += uint64(len(k.Bytes))
	c.gap += k.Gap
	c.feed(k)
}

func (c *conn) feed(k *reassembly.Chunk) {
	switch {
	case c.parser != nil:
		c.parser.Feed(k)
	case k.Gap > 0:
		c.miss(k, k.Gap)
	case len(k.Bytes) > 0:
		c.look(k)
	case c.search != nil:
		c.search.side[k.Dir].chunk.Conflict = k.Conflict
	}
}

// look asks whose the conversation is.
func (c *conn) look(k *reassembly.Chunk) {
	b := k.Bytes
	if c.search != nil && c.search.side[k.Dir].held != nil {
		h := &c.search.side[k.Dir]
		h.held = append(h.held, b...)
		b = h.held
	}
	unsure := false
	for i := range c.table.protocols {
		p := &c.table.protocols[i]
		if p.FromStart && c.partial() {
			continue
		}
		// Either side may be the client, whoever opened the connection.
		switch max(p.Client(b), p.Server(b)) {
		case Certain:
			c.take(p, k)
			return
		case Unsure:
			unsure = true
		}
	}
	switch {
	case !unsure:
		c.refuse(k, b, false)
	case len(b) >= c.table.limits.HeldBytes:
		c.refuse(k, b, true)
	default:
		c.hold(k)
	}
}

func (c *conn) searching() *search {
	if c.search == nil {
		c.search = new(search)
	}
	return c.search
}

// hold keeps a chunk that begins a direction.
func (c *conn) hold(k *reassembly.Chunk) {
	s := c.searching()
	h := &s.side[k.Dir]
	if h.held != nil {
		return // look has appended to it
	}
	if s.side[k.Dir.Reverse()].held == nil {
		s.first = k.Dir
	}
	h.held = bytes.Clone(k.Bytes)
	h.chunk = *k
}

// miss notes that nobody gets n bytes, nor what is held before them. If they
// are at hand, the gap has the acknowledgement that came with its end.
func (c *conn) miss(k *reassembly.Chunk, n uint64) {
	s := &c.searching().side[k.Dir]
	seq := k.Seq
	if s.held != nil {
		n += uint64(len(s.held))
		seq = s.chunk.Seq
		s.held = nil
	}
	if s.missed.Gap == 0 {
		s.missed = reassembly.Chunk{Dir: k.Dir, Seq: seq}
	}
	s.missed.Gap = min(s.missed.Gap+n, reassembly.UnknownGap)
	s.missed.Ack, s.missed.HasAck, s.missed.Origin = k.Ack, k.HasAck, k.Origin
}

// take gives the conversation to a protocol, and the protocol's parser what is
// held and what is missing.
func (c *conn) take(p *Protocol, k *reassembly.Chunk) {
	c.table.stats.Identified++
	s := c.search
	c.search = nil
	c.parser = p.New(&c.start, (*rest)(c))
	if s == nil {
		c.parser.Feed(k)
		return
	}
	late := false
	for d := range s.side {
		if gap := &s.side[d].missed; gap.Gap > 0 {
			late = true
			c.parser.Feed(gap)
		}
	}
	if late {
		c.table.stats.Late++
	}
	if s.side[k.Dir].held == nil {
		s.side[k.Dir].held, s.side[k.Dir].chunk = k.Bytes, *k
		s.first = k.Dir.Reverse()
	}
	for _, d := range [2]reassembly.Direction{s.first, s.first.Reverse()} {
		h := &s.side[d]
		if h.held != nil {
			h.chunk.Bytes = h.held
			c.parser.Feed(&h.chunk)
		}
		if h.ended {
			c.parser.End(d, reassembly.EndFIN, h.end)
		}
	}
}

// refuse notes that a chunk is nobody's. Only where the beginning is missing
// another one may be somebody's.
func (c *conn) refuse(k *reassembly.Chunk, b []byte, long bool) {
	st := &c.table.stats
	var count *uint64
	switch {
	case len(b) >= 3 && 0x14 <= b[0] && b[0] <= 0x17 && b[1] == 3 && b[2] <= 4: // RFC 8446, section 5.1
		count = &st.TLS
		c.tls = true
	case bytes.HasPrefix(b, []byte("SSH-")): // RFC 4253, section 4.2
		count = &st.SSH
	default:
		count = &st.Unknown
		if c.partial() {
			if s := c.searching(); s.tries < c.table.limits.Tries {
				s.tries++
				n := len(k.Bytes)
				if s.side[k.Dir].held != nil {
					n = 0 // it was added to what is held
				}
				c.miss(k, uint64(n))
				return
			}
			long = true
		}
		if long {
			st.GivenUp++
		}
	}
	*count++
	c.search = nil
	c.parser = nobody{}
}

// partial reports whether the beginning of the conversation is missing.
func (c *conn) partial() bool {
	return !c.start.Handshake || c.search != nil && (c.search.side[0].missed.Gap > 0 || c.search.side[1].missed.Gap > 0)
}

// End hands the end on.
func (c *conn) End(d reassembly.Direction, why reassembly.End, at reassembly.Origin) {
	if c.parser != nil {
		c.parser.End(d, why, at)
		return
	}
	s := c.searching()
	s.side[d].ended, s.side[d].end = true, at
	if s.side[d.Reverse()].ended {
		c.table.stats.Unknown++
		c.search, c.parser = nil, nobody{}
	}
}

// Roles is what a parser implements that finds out who the client is.
type Roles interface {
	// Client gives the direction of the client, and whether it is known.
	Client() (d reassembly.Direction, known bool)
}

// Seen is what was seen of a conversation.
type Seen struct {
	// Server is its server: in the opinion of its parser, or else who did not
	// open it, or, where the handshake was not captured, the end with the lower
	// port.
	Server netip.AddrPort
	// Bytes of both directions that were handed on, and Missing ones.
	Bytes, Missing uint64
	// TLS: it was encrypted, and stayed so, in the opinion of its parser.
	TLS bool
}

// SeenOf tells of a conversation that is over, by the parser that Table.New
// made for it.
func SeenOf(p reassembly.Parser) Seen {
	c, ok := p.(*conn)
	if !ok {
		return Seen{}
	}
	tls := c.tls
	if o, ok := c.parser.(interface{ Opaque() bool }); ok {
		tls = o.Opaque()
	}
	client := reassembly.AtoB
	if k := &c.start.Key; c.start.Handshake {
		client = c.start.Client
	} else if k.PortA < k.PortB {
		client = reassembly.BtoA
	}
	if r, ok := c.parser.(Roles); ok {
		if d, known := r.Client(); known {
			client = d
		}
	}
	return Seen{Server: c.start.Key.Receiver(client), Bytes: c.bytes, Missing: c.gap, TLS: tls}
}

// rest is a conversation as seen by its parser: what is fed to it is of
// another protocol.
type rest conn

// Feed looks at the conversation anew.
func (r *rest) Feed(k *reassembly.Chunk) {
	r.table.stats.Changed++
	r.parser, r.search = nil, nil
	(*conn)(r).feed(k)
}

// End hands the end on.
func (r *rest) End(d reassembly.Direction, why reassembly.End, at reassembly.Origin) {
	(*conn)(r).End(d, why, at)
}

// nobody parses what is nobody's.
type nobody struct{}

func (nobody) Feed(*reassembly.Chunk)                                      {}
func (nobody) End(reassembly.Direction, reassembly.End, reassembly.Origin) {}
