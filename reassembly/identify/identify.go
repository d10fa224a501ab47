// Package identify finds out what a conversation speaks and gives it the
// parser of that protocol.
//
// Contract: the parser that New makes is a reassembly.Parser like any other,
// for one conversation on one goroutine. It holds at most Limits.HeldBytes of each
// direction until it knows, and nothing afterwards. Ports are not looked at:
// what is said decides. A conversation that is nobody's is stepped over and
// counted; where its beginning is missing, or bytes were lost, it is looked at
// again at the beginning of later chunks.
package identify

import (
	"bytes"

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
	// Client and Server look at what a client or a server says first.
	Client, Server func(prefix []byte) Confidence
	// New makes the parser. It is fed from the beginning of what was seen.
	New func(start *reassembly.Start) reassembly.Parser
}

// Stats counts conversations by what they turned out to be.
type Stats struct {
	// Identified conversations, of any protocol of the table.
	Identified uint64
	// Foreign ones are of no protocol of the table: TLS and SSH are told apart,
	// HTTP2 is prior knowledge or an upgrade.
	TLS, SSH, HTTP2, Unknown uint64
	// GivenUp because nothing was certain after Limits.HeldBytes.
	GivenUp uint64
}

// Limits bounds what a conversation may hold while it is not known. A zero
// field takes its default.
type Limits struct {
	// HeldBytes of each direction: 4 KiB, more than any sensible request line.
	HeldBytes int
}

// maxTries is how many chunks of a conversation of unknown beginning are looked
// at before it is given up.
const maxTries = 64

// Table makes the first parsers of conversations. It and they are used by one
// goroutine.
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
	return &Table{limits: l, protocols: protocols}
}

// Stats may be called between other calls.
func (t *Table) Stats() Stats { return t.stats }

// New makes the parser of a conversation.
func (t *Table) New(start reassembly.Start) reassembly.Parser {
	return &conn{table: t, start: start}
}

type conn struct {
	table  *Table
	start  reassembly.Start
	parser reassembly.Parser // once known
	held   *held             // while not known
	tries  uint8
	lossy  bool // something is missing: later chunks may begin a message
	done   bool
}

type held struct {
	bytes [2][]byte
	first [2]reassembly.Chunk
	ended [2]bool
}

// Feed looks at the chunk, or hands it on.
func (c *conn) Feed(k *reassembly.Chunk) {
	if c.parser != nil {
		c.parser.Feed(k)
		return
	}
	if c.done {
		return
	}
	if k.Gap > 0 {
		c.lossy = true
		c.held = nil
	}
	if len(k.Bytes) == 0 {
		return
	}
	var b []byte
	if c.held != nil && c.held.bytes[k.Dir] != nil {
		c.held.bytes[k.Dir] = append(c.held.bytes[k.Dir], k.Bytes...)
		b = c.held.bytes[k.Dir]
	} else {
		b = k.Bytes
	}
	unsure := false
	for i := range c.table.protocols {
		p := &c.table.protocols[i]
		switch max(c.ask(p.Client, k.Dir, true, b), c.ask(p.Server, k.Dir, false, b)) {
		case Certain:
			c.table.stats.Identified++
			c.take(p, k)
			return
		case Unsure:
			unsure = true
		}
	}
	if unsure && len(b) < c.table.limits.HeldBytes {
		if c.held == nil {
			c.held = &held{}
		}
		if c.held.bytes[k.Dir] == nil {
			c.held.bytes[k.Dir] = append([]byte(nil), k.Bytes...)
			c.held.first[k.Dir] = *k
			c.held.first[k.Dir].Bytes = nil
		}
		return
	}
	c.refuse(b, k)
}

// ask skips questions whose answer the handshake knows.
func (c *conn) ask(f func([]byte) Confidence, d reassembly.Direction, client bool, b []byte) Confidence {
	if c.start.Handshake && (d == c.start.Client) != client {
		return NotMine
	}
	return f(b)
}

// take makes the parser and feeds it what was held: the other direction first,
// whose bytes came before.
func (c *conn) take(p *Protocol, k *reassembly.Chunk) {
	start := c.start
	if c.tries > 0 || c.lossy {
		start.Handshake = false // its beginning is not what we have
	}
	c.parser = p.New(&start)
	h := c.held
	c.held = nil
	if h == nil {
		c.parser.Feed(k)
		return
	}
	for _, d := range [2]reassembly.Direction{k.Dir.Reverse(), k.Dir} {
		if b := h.bytes[d]; b != nil {
			first := h.first[d]
			first.Bytes = b
			c.parser.Feed(&first)
		} else if d == k.Dir {
			c.parser.Feed(k)
		}
	}
}

// refuse counts what is nobody's. Only where the beginning is missing may a
// later chunk be the beginning of something.
func (c *conn) refuse(b []byte, k *reassembly.Chunk) {
	c.tries++
	c.held = nil
	if (!c.start.Handshake || c.lossy) && c.tries < maxTries {
		return
	}
	c.done = true
	s := &c.table.stats
	switch {
	case len(b) >= 3 && b[0] == 0x16 && b[1] == 3:
		s.TLS++
	case bytes.HasPrefix(b, []byte("SSH-")):
		s.SSH++
	case bytes.HasPrefix(b, []byte("PRI * HTTP/2.0")):
		s.HTTP2++
	case len(b) >= c.table.limits.HeldBytes:
		s.GivenUp++
	default:
		s.Unknown++
	}
}

// End hands the end on.
func (c *conn) End(d reassembly.Direction, why reassembly.End, at reassembly.Origin) {
	if c.parser != nil {
		c.parser.End(d, why, at)
		return
	}
	c.held = nil
}
