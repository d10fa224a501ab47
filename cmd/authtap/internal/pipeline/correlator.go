package pipeline

import "sync/atomic"

// correlator is what the correlator's goroutine runs: it takes the results of
// each round in order.
type correlator[R any] struct {
	opt   *Options[R]
	stop  *atomic.Bool
	err   error
	next  []int // scratch: the next result of each part
	stats Stats
}

// round takes what the shards left in a round. After an error it takes
// nothing more, and the source stops.
func (c *correlator[R]) round(r *round[R]) {
	if c.err == nil {
		c.merge(r.parts)
		if c.err = c.opt.Mark(r.mark); c.err != nil {
			c.stop.Store(true)
		}
		if r.mark.change != nil {
			c.opt.Changed(r.mark.change)
		}
	}
	if r.mark.report || r.mark.Last {
		c.stats = r.stats
		for i := range r.parts {
			c.stats.Streams.add(&r.parts[i].stats)
			c.stats.Coverage.Add(&r.parts[i].coverage)
		}
		if r.mark.report {
			c.opt.Reported(c.stats)
		}
	}
}

// merge takes the results of all parts, each of which is in order.
func (c *correlator[R]) merge(parts []part[R]) {
	if len(parts) == 1 {
		for i := range parts[0].results {
			c.opt.Take(parts[0].results[i].value)
		}
		return
	}
	c.next = append(c.next[:0], make([]int, len(parts))...)
	for {
		least := -1
		for i := range parts {
			if c.next[i] == len(parts[i].results) {
				continue
			}
			if least < 0 || parts[i].results[c.next[i]].order.Compare(parts[least].results[c.next[least]].order) < 0 {
				least = i
			}
		}
		if least < 0 {
			return
		}
		c.opt.Take(parts[least].results[c.next[least]].value)
		c.next[least]++
	}
}
