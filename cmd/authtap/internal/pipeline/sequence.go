package pipeline

import (
	"sync"

	"github.com/authtap/authtap/capture"
)

// sequence is where the rounds of all readers come into one order: under its
// lock they are numbered, marked, and sent to the shards. With one reader, the
// numbers and marks are those of its packets.
type sequence[R any] struct {
	opt     *Options[R]
	readers []*reader[R]
	free    chan *round[R]
	// To the shards, and to the correlator. They have room for all rounds that
	// there are, so that sending does not wait.
	inputs []chan *round[R]
	filled chan *round[R]

	mu      sync.Mutex
	open    int    // readers that have not ended
	packets uint64 // in the rounds that were sent
	// The largest of the readers' clocks, and the second that timers have come
	// to, once one of them runs. A reader that is behind the others, or hears
	// nothing, holds neither back.
	now     capture.Time
	second  capture.Time
	running bool
}

// begin takes the time at which a reader's clock begins to run.
func (q *sequence[R]) begin(t capture.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.running {
		q.now, q.second, q.running = t, second(t), true
	}
	q.now = max(q.now, t)
}

// send sends a reader's round, and says whether it did: one without segments
// is sent only where it marks something.
func (q *sequence[R]) send(s *reader[R]) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mark(s, false)
}

// last sends a reader's last round; the run's last is that of the reader that
// ends last.
func (q *sequence[R]) last(s *reader[R]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open--
	if !q.mark(s, q.open == 0) {
		q.free <- s.round // others may be waiting for it
	}
}

func (q *sequence[R]) mark(s *reader[R], last bool) bool {
	if s.clock.started {
		q.now = max(q.now, s.clock.now)
	}
	s.stats = ReaderStats{Decode: s.decoder.Stats(), Backward: s.clock.backward, Leaps: s.clock.leaps, Filtered: s.filtered}
	r := s.round
	m := Mark{Clock: q.now, Last: last, report: q.opt.Report != nil && q.opt.Report()}
	if now := second(q.now); q.running && now != q.second && !last {
		q.second = now
		m.Clock, m.Tick = now, true
	}
	if r.size == 0 && !m.Tick && !m.Last && !m.report {
		return false
	}
	// The reader numbered its packets as if there were no others.
	r.base = q.packets - s.sent
	q.packets += s.packets - s.sent
	s.sent = s.packets
	m.Packet = q.packets
	r.mark = m
	if m.report || m.Last {
		r.stats = Stats{ReaderStats: q.stats()}
	}
	r.busy.Add(len(q.inputs))
	for _, in := range q.inputs {
		in <- r
	}
	q.filled <- r // from here on it belongs to the others
	return true
}

// stats adds up what the readers counted.
func (q *sequence[R]) stats() (total ReaderStats) {
	for _, s := range q.readers {
		s.stats.Source = s.source.Stats()
		total.add(&s.stats)
	}
	return total
}

// failed tells of an input that ends with an error.
func (q *sequence[R]) failed(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.opt.Failed(err)
}
