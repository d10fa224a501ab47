package pipeline

import (
	"time"

	"github.com/authtap/authtap/capture"
)

const (
	// leap is the longest step that a single packet may move the clock by.
	leap = 24 * time.Hour
	// witnesses is how many packets in a row must agree on a longer step, so
	// that a damaged time stamp does not end every conversation and window.
	witnesses = 100
)

// clock is packet time: the largest time that a packet brought so far. Its
// zero value is ready.
type clock struct {
	now     capture.Time
	started bool
	// A step of more than leap in doubt: where it leads, and how many packets
	// in a row have been there.
	doubt    capture.Time
	agree    int
	backward uint64 // packets older than the one before them from the same input
	leaps    uint64 // packets that were more than leap ahead
	last     []capture.Time
}

// packet takes the time of a packet and counts what is odd about it.
func (c *clock) packet(input int, t capture.Time) {
	for input >= len(c.last) {
		c.last = append(c.last, t)
	}
	if t < c.last[input] {
		c.backward++
	}
	c.last[input] = t
	if !c.started {
		c.started, c.now = true, t
		return
	}
	if t <= c.now || t-c.now > 0 && t.Sub(c.now) <= leap {
		c.agree = 0
		c.now = max(c.now, t)
		return
	}
	// More than leap ahead (or so far that the difference wraps).
	c.leaps++
	if c.agree == 0 || abs(t.Sub(c.doubt)) > leap {
		c.doubt, c.agree = t, 0
	}
	if c.agree++; c.agree == witnesses {
		c.now, c.agree = t, 0
	}
}

// quiet takes the time at which a live source saw nothing.
func (c *clock) quiet(t capture.Time) {
	if c.started && t > c.now {
		c.now = t
	}
}

// second gives the clock's whole second.
func second(t capture.Time) capture.Time {
	s := t / capture.Time(time.Second)
	if t%capture.Time(time.Second) < 0 {
		s--
	}
	return s * capture.Time(time.Second)
}

func abs(d time.Duration) time.Duration {
	if d < 0 {
		return -d
	}
	return d
}
