package pipeline

import (
	"sync"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/coverage"
)

// Limits of a round. They are constants, and the same for any number of
// shards, because work off the packet path is awaited at the end of each.
const (
	roundSegments = 2048
	roundBytes    = 512 << 10
	rounds        = 8
	// MaxDelay is the packet time that a round of a live source may span.
	MaxDelay = 100 * time.Millisecond
)

// round is a batch for each shard.
type round[R any] struct {
	mark  Mark
	parts []part[R]
	busy  sync.WaitGroup // the shards that are at work on it
	size  int            // segments in all parts
	bytes int            // payload in all parts
	first capture.Time   // of the first segment
	stats Stats          // at the mark: those of the reader
}

// part is a shard's part of a round. The reader fills segments, the shard
// results.
type part[R any] struct {
	load
	results  []result[R]
	stats    StreamStats
	coverage coverage.Table
}

type result[R any] struct {
	order reassembly.Order
	value R
}

// load is segments with the memory that their payload is in.
type load struct {
	segments []reassembly.Segment
	slab     []byte
}

// add adds a segment, its payload copied.
func (l *load) add(seg *reassembly.Segment) {
	n := len(seg.Payload)
	l.segments = append(l.segments, *seg)
	if n == 0 {
		return
	}
	if cap(l.slab)-len(l.slab) < n {
		// The segments before keep the slab that they are in.
		l.slab = make([]byte, 0, max(2*cap(l.slab), n, 64<<10))
	}
	start := len(l.slab)
	l.slab = append(l.slab, seg.Payload...)
	l.segments[len(l.segments)-1].Payload = l.slab[start:len(l.slab):len(l.slab)]
}

// empty makes it ready to be filled again.
func (l *load) empty() { l.segments, l.slab = l.segments[:0], l.slab[:0] }

// empty makes the round ready to be filled again. The results stay, for the
// shards to take them back.
func (r *round[R]) empty() {
	for i := range r.parts {
		r.parts[i].load.empty()
	}
	r.mark, r.size, r.bytes = Mark{}, 0, 0
}
