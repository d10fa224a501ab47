package pipeline

import (
	"errors"
	"io"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
)

// Limits of what the sources that are merged may be ahead of each other.
const (
	// Batches that a source has, each of at most the size of a round: fewer
	// where there are many sources.
	mostBatches, leastBatches, allBatches = 16, 4, 128
	// batchDelay is the packet time that a batch may span: the others wait for
	// it.
	batchDelay = 10 * time.Millisecond
)

// batch is what a source's goroutine hands on.
type batch struct {
	load
	from    int
	bytes   int          // of payload
	taken   int          // segments that were taken out of it
	packets uint64       // that were read for it
	began   capture.Time // of the first of them
	// until is a promise: what the source gives next is not older. Where the
	// machine's clock is set back it is not kept, and order suffers.
	until capture.Time
	stats ReaderStats // of the source, so far
	err   error       // of an input that ended behind these packets
	last  bool
}

func (b *batch) empty() {
	b.load.empty()
	*b = batch{load: b.load, from: b.from}
}

// fill reads a source until it ends or stop is set, and sends what it gives.
func (in *intake) fill(stop *atomic.Bool, free <-chan *batch, send chan<- *batch) {
	var p capture.Packet
	var seg reassembly.Segment
	b := <-free
	for over := false; !over && !stop.Load(); {
		found, err := in.next(&p, &seg)
		now := true // it has to be sent
		switch {
		case err == nil:
			if b.packets == 0 {
				b.began = p.Time
			}
			b.packets++
			b.until = p.Time
			if found {
				b.add(&seg)
				b.bytes += len(seg.Payload)
			}
			now = len(b.segments) >= roundSegments || b.bytes >= roundBytes
			if age := p.Time.Sub(b.began); !now && age >= 0 && age < batchDelay {
				continue
			}
		case errors.Is(err, capture.ErrQuiet):
			if b.packets == 0 || p.Time > b.until {
				b.until = p.Time
			}
		case errors.Is(err, io.EOF):
			over = true
			continue
		default:
			b.err = err
		}
		if !now && len(free) == 0 {
			continue // there is room in this one
		}
		b.stats = in.stats()
		send <- b
		b = <-free
	}
	b.stats, b.last = in.stats(), true
	send <- b
}

// feed is a source as the merge sees it.
type feed struct {
	free    chan *batch // has room for all that the source has
	waiting []*batch    // in the order in which they came; something is left of the first
	until   capture.Time
	stats   ReaderStats
	ended   bool
}

// next is the time of the next segment or, where none waits, the promise that
// it will not be older.
func (f *feed) next() (at capture.Time, waits bool) {
	switch {
	case len(f.waiting) > 0:
		b := f.waiting[0]
		return b.segments[b.taken].Origin.Time, true
	case f.ended:
		return math.MaxInt64, false
	}
	return f.until, false
}

// merge reads several sources, with a goroutine for each, and takes their
// segments in the order of their times. The two directions of a conversation
// may come from different ones, and a request must not come behind its
// response.
//
// So a segment waits until every other source has promised that it has nothing
// older: with its own packets, or by saying that it is quiet. A source that has
// run out of batches meanwhile no longer waits, since packets out of order are
// better than packets lost.
func (s *reader[R]) merge() {
	feeds := make([]*feed, len(s.intakes))
	batches := min(mostBatches, max(leastBatches, allBatches/len(s.intakes)))
	arrived := make(chan *batch, len(s.intakes)*batches)
	for i, in := range s.intakes {
		f := &feed{free: make(chan *batch, batches), until: math.MinInt64}
		for range batches {
			f.free <- &batch{from: i}
		}
		feeds[i] = f
		go in.fill(s.stop, f.free, arrived)
	}
	s.stats = func() (total ReaderStats) {
		for i, f := range feeds {
			f.stats.Source = s.intakes[i].source.Stats()
			total.add(&f.stats)
		}
		return total
	}
	arrive := func(b *batch) {
		f := feeds[b.from]
		f.waiting = append(f.waiting, b)
		s.settle(f)
	}
	for !ended(feeds) {
		if f, until := oldest(feeds); f != nil {
			s.take(f, until)
			continue
		}
		none := len(arrived) == 0
		if f := full(feeds); f != nil && none {
			s.take(f, math.MaxInt64)
			continue
		}
		if quiet, ok := promised(feeds); ok {
			s.clock.quiet(quiet)
			s.tick()
			if none {
				s.end()
			}
		}
		arrive(<-arrived)
	}
}

// oldest gives the feed whose next segment is the oldest, and the time up to
// which its segments come before those of the others; nil while one that could
// have an older one has not said so.
func oldest(feeds []*feed) (least *feed, until capture.Time) {
	first, waits := capture.Time(math.MaxInt64), false
	until = math.MaxInt64
	for _, f := range feeds {
		at, w := f.next()
		if least == nil || at < first || at == first && w && !waits {
			if least != nil {
				until = min(until, first)
			}
			least, first, waits = f, at, w
		} else {
			until = min(until, at)
		}
	}
	if !waits {
		return nil, 0
	}
	return least, until
}

// full gives a feed of which all batches wait, so that it cannot go on.
func full(feeds []*feed) *feed {
	for _, f := range feeds {
		if n := len(f.waiting); n == cap(f.free) && !f.waiting[n-1].last {
			return f
		}
	}
	return nil
}

// promised gives the time before which nothing will come, where no segment
// waits.
func promised(feeds []*feed) (at capture.Time, ok bool) {
	at = math.MaxInt64
	for _, f := range feeds {
		if len(f.waiting) > 0 {
			return 0, false
		}
		if !f.ended {
			at = min(at, f.until)
		}
	}
	return at, at < math.MaxInt64
}

func ended(feeds []*feed) bool {
	return !slices.ContainsFunc(feeds, func(f *feed) bool { return !f.ended || len(f.waiting) > 0 })
}

// take puts segments of a feed's first batch into rounds, those that are not
// younger than until and the first in any case.
func (s *reader[R]) take(f *feed, until capture.Time) {
	b := f.waiting[0]
	for first := true; b.taken < len(b.segments); first = false {
		seg := &b.segments[b.taken]
		at := seg.Origin.Time
		if at > until && !first {
			return
		}
		s.clock.packet(int(seg.Origin.Input), at)
		s.tick()
		s.packets++
		seg.Origin.Order = s.packets
		s.add(seg)
		b.taken++
		if s.full(at) {
			s.end()
		}
	}
	s.settle(f)
}

// settle takes leave of the feed's batches that nothing is left of.
func (s *reader[R]) settle(f *feed) {
	for len(f.waiting) > 0 && f.waiting[0].taken == len(f.waiting[0].segments) {
		b := f.waiting[0]
		f.waiting = slices.Delete(f.waiting, 0, 1)
		s.packets += b.packets - uint64(len(b.segments))
		f.until, f.stats, f.ended = b.until, b.stats, b.last
		if b.err != nil {
			s.opt.Failed(b.err)
		}
		b.empty()
		f.free <- b
	}
}
