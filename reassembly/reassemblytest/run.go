package reassemblytest

import (
	"fmt"
	"strings"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/decode"
)

// Run takes packets through an Assembler, as Feed does, and gives what it
// counted.
func Run(packets []Packet, limits reassembly.Limits, newParser func(reassembly.Start) reassembly.Parser) reassembly.Stats {
	a := reassembly.New(limits, newParser)
	Feed(a, packets)
	return a.Stats()
}

// Feed decodes the packets and takes them through an Assembler, with a tick at
// every whole second of packet time that they reach and a shutdown at the end.
func Feed(a *reassembly.Assembler, packets []Packet) {
	var d decode.Decoder
	var seg reassembly.Segment
	var clock capture.Time
	var last reassembly.Origin
	for i := range packets {
		p := packets[i].Capture(uint64(i + 1))
		r := d.Decode(&p, &seg)
		last = reassembly.Origin{Order: uint64(i + 1), Number: p.Number, Time: p.Time}
		if t := p.Time - p.Time%capture.Time(time.Second); t > clock {
			clock = t
			a.Tick(clock, last)
		}
		if r == decode.Segment {
			a.Segment(&seg)
		}
	}
	a.Shutdown(last)
}

// Trace is a parser that writes down what it is given, a line an event, the
// client's marked > and the server's <. Bytes that follow each other are one
// event, however they were cut.
type Trace struct {
	start  reassembly.Start
	client reassembly.Direction
	lines  []string
	data   []byte // of the last line, while it may grow
	dir    reassembly.Direction
}

// New is a factory for parsers of one connection only: it gives the same
// trace for each.
func (t *Trace) New(s reassembly.Start) reassembly.Parser {
	t.flush()
	t.start, t.client = s, s.Client
	if !s.Handshake { // the side with the higher port, as a rule
		t.client = reassembly.AtoB
		if s.Key.PortA < s.Key.PortB {
			t.client = reassembly.BtoA
		}
	}
	t.lines = append(t.lines, fmt.Sprintf("start handshake=%v", s.Handshake))
	return t
}

// Feed implements reassembly.Parser.
func (t *Trace) Feed(c *reassembly.Chunk) {
	if len(c.Bytes) > 0 && !c.Conflict {
		if t.dir != c.Dir {
			t.flush()
		}
		t.dir = c.Dir
		t.data = append(t.data, c.Bytes...)
		return
	}
	t.flush()
	switch {
	case c.Gap > 0:
		t.add(c.Dir, fmt.Sprintf("gap %d", c.Gap))
	case len(c.Bytes) > 0:
		t.add(c.Dir, fmt.Sprintf("%q conflict", c.Bytes))
	default:
		t.add(c.Dir, "conflict")
	}
}

// End implements reassembly.Parser.
func (t *Trace) End(d reassembly.Direction, why reassembly.End, _ reassembly.Origin) {
	t.flush()
	names := [reassembly.Ends]string{"fin", "reset", "idle", "evicted", "reuse", "shutdown"}
	t.add(d, names[why])
}

func (t *Trace) flush() {
	if len(t.data) > 0 {
		t.add(t.dir, fmt.Sprintf("%q", t.data))
		t.data = t.data[:0]
	}
}

func (t *Trace) add(d reassembly.Direction, s string) {
	mark := "> "
	if d != t.client {
		mark = "< "
	}
	t.lines = append(t.lines, mark+s)
}

// String gives the lines so far.
func (t *Trace) String() string {
	t.flush()
	return strings.Join(t.lines, "\n")
}
