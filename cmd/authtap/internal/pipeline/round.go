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
	roundSegments = 1024
	roundBytes    = 256 << 10
	rounds        = 6
	// MaxDelay is the packet time that a round of a live source may span.
	MaxDelay = 100 * time.Millisecond
)

// round is a batch for each shard, of the packets of one source.
type round[R any] struct {
	mark  Mark
	parts []part[R]
	busy  sync.WaitGroup // the shards that are at work on it
	size  int            // segments in all parts
	bytes int            // payload in all parts
	first capture.Time   // of the first segment
	base  uint64         // what the numbers of its packets are short by
	stats Stats          // at the mark: those of the readers
}

// part is a shard's part of a round. The reader fills segments, the shard
// results.
type part[R any] struct {
	segments []reassembly.Segment
	slab     []byte
	results  []result[R]
	stats    StreamStats
	coverage coverage.Table
}

type result[R any] struct {
	order reassembly.Order
	value R
}

// add puts a segment into the part, its payload copied.
func (p *part[R]) add(seg *reassembly.Segment) {
	n := len(seg.Payload)
	p.segments = append(p.segments, *seg)
	if n == 0 {
		return
	}
	if cap(p.slab)-len(p.slab) < n {
		// The segments before keep the slab that they are in.
		p.slab = make([]byte, 0, max(2*cap(p.slab), n, 64<<10))
	}
	start := len(p.slab)
	p.slab = append(p.slab, seg.Payload...)
	p.segments[len(p.segments)-1].Payload = p.slab[start:len(p.slab):len(p.slab)]
}

// empty makes the round ready to be filled again.
func (r *round[R]) empty() {
	for i := range r.parts {
		p := &r.parts[i]
		clear(p.results)
		p.segments, p.slab, p.results = p.segments[:0], p.slab[:0], p.results[:0]
	}
	r.mark, r.size, r.bytes = Mark{}, 0, 0
}
