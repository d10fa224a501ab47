package reassemblytest

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/authtap/authtap/capture"
)

// Recorder makes packets of what the ends of connections wrote, at the times
// that it is told.
type Recorder struct{ p player }

// Recorded is a connection of a Recorder.
type Recorded struct {
	r    *Recorder
	c    *conn
	last capture.Time // of its latest packet
}

// Open records the handshake of a connection.
func (r *Recorder) Open(name string, client, server netip.AddrPort, at capture.Time) (*Recorded, error) {
	if r.p.conns == nil {
		r.p.conns = map[string]*conn{}
	}
	r.p.clock = at
	if err := r.p.open([]string{name, client.String(), server.String()}); err != nil {
		return nil, err
	}
	return &Recorded{r, r.p.conns[name], r.p.clock}, nil
}

// Send records what a side wrote, and gives the time at which it was there. A
// connection's packets stay in order, whatever time is asked for.
func (c *Recorded) Send(fromServer bool, payload []byte, at capture.Time) (capture.Time, error) {
	from := client
	if fromServer {
		from = server
	}
	c.idle(at)
	err := c.r.p.transmit(c.c, from, payload, damage{})
	c.last = c.r.p.clock
	return c.last, err
}

// Close records that both sides end the connection, the given one first.
func (c *Recorded) Close(fromServer bool, at capture.Time) error {
	c.idle(at)
	c.r.p.on = c.c
	sides := []int{client, server}
	if fromServer {
		slices.Reverse(sides)
	}
	err := c.r.p.finish(sides)
	c.last = c.r.p.clock
	return err
}

// idle moves the clock to where the connection goes on; acknowledgements that
// are held back do not wait that long.
func (c *Recorded) idle(until capture.Time) {
	if due := c.last.Add(delayedAck); until > due {
		c.r.p.clock = due
		c.r.p.acknowledge(c.c)
		c.last = c.r.p.clock
	}
	c.r.p.clock = max(until, c.last)
}

// Packets gives what was recorded, by time.
func (r *Recorder) Packets() []Packet {
	slices.SortStableFunc(r.p.packets, func(a, b Packet) int { return cmp.Compare(a.Time, b.Time) })
	return r.p.packets
}
