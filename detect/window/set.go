package window

import (
	"crypto/sha256"
	"math/bits"
	"net/netip"
	"time"
	"unsafe"

	"github.com/authtap/authtap/capture"
)

// Options of a Set.
type Options struct {
	// Span is the window's length; it must be positive.
	Span time.Duration
	// Keys is how many keys are kept; 0 means 200,000. All together they take
	// at most 512 bytes times Keys (and never less than 1 MiB): where many hold
	// much, there are fewer.
	Keys int
}

// Stats of a Set. Keys and Bytes (an estimate) are as of now, the others count
// since the start.
type Stats struct {
	Keys, Bytes uint64
	Events      uint64
	// Evicted keys made room for others. Late events were older than the
	// window of their key and did not count.
	Evicted, Late uint64
}

// Bounds of what one key takes.
const (
	maxMarks    = 128
	slots       = 60 // a merged mark covers at most a sixtieth of the span
	maxValues   = 64 // of one field
	maxMentions = 8
	maxHits     = 16
	maxLabel    = 128
)

// The baseline forgets half in memory spans. A key that has nothing but a
// baseline rests for as long, if it is worth keeping.
const (
	memory       = 10
	baselineKept = 0.1
)

// weights is the number of lists of keys: those that rest, those without
// failures, those with 1, 2 to 3, 4 to 7, … failures.
const weights = 16

// Set is a sliding window for each of many keys.
type Set struct {
	span    time.Duration
	limit   int
	bytes   uint64
	entries map[digest]*entry
	lists   [weights]list
	clock   capture.Time // the last Expire's
	stats   Stats
	summary Summary
}

// digest stands for a key, so that keys cost the same however long they are.
type digest [16]byte

// New makes an empty Set.
func New(o Options) *Set {
	if o.Keys <= 0 {
		o.Keys = 200_000
	}
	return &Set{
		span: max(o.Span, slots), limit: o.Keys, bytes: max(uint64(o.Keys)*512, 1<<20),
		entries: map[digest]*entry{},
	}
}

// Stats may be called between other calls.
func (s *Set) Stats() Stats {
	st := s.stats
	st.Keys = uint64(len(s.entries))
	return st
}

// Add puts an event into the window of key and gives what that window then
// holds. The Summary is valid until the next call of a method of the Set. An
// event that is older than the window's beginning only gives the Summary.
func (s *Set) Add(key string, e Event) *Summary {
	sum := sha256.Sum256([]byte(key))
	d := digest(sum[:16])
	n := s.entries[d]
	if n == nil {
		if len(s.entries) >= s.limit {
			s.evict()
		}
		n = &entry{digest: d, last: e.Time, baseAt: e.Time}
		s.entries[d] = n
		s.stats.Bytes += n.size()
	} else {
		s.lists[n.weight].remove(n)
		if start := n.last.Add(-s.span); e.Time <= start && s.clock != 0 && s.clock < start {
			// The window lies in a future that has not come: a packet with a
			// wrong time must not silence its key for ever.
			s.clear(n)
			n.last = e.Time
		}
	}
	s.stats.Events++
	before := n.size()
	n.last = max(n.last, e.Time)
	s.slide(n, n.last)
	if e.Time > n.last.Add(-s.span) {
		s.insert(n, &e)
	} else {
		s.stats.Late++
	}
	s.stats.Bytes += n.size() - before
	failures := s.summarize(n, &e)
	n.weight = uint8(min(1+bits.Len64(failures), weights-1))
	for s.stats.Bytes > s.bytes && len(s.entries) > 1 {
		s.evict()
	}
	s.lists[n.weight].push(n)
	return &s.summary
}

func (s *Set) insert(n *entry, e *Event) {
	n.mark(e, s.span)
	switch e.Class {
	case Failure:
		n.note(e)
		n.mention(e)
	case Success, Pending:
		n.hit(e)
	}
}

// Expire forgets what is older than the span at the time now.
func (s *Set) Expire(now capture.Time) {
	s.clock = max(s.clock, now)
	for w := 1; w < weights; w++ {
		for n := s.lists[w].first; n != nil && n.last.Add(s.span) <= now; n = s.lists[w].first {
			s.lists[w].remove(n)
			before := n.size()
			s.slide(n, now)
			s.stats.Bytes += n.size() - before
			if n.baseline(now, s.span) < baselineKept {
				s.forget(n)
				continue
			}
			n.weight = 0
			s.lists[0].push(n)
		}
	}
	for n := s.lists[0].first; n != nil && n.last.Add((1+memory)*s.span) <= now; n = s.lists[0].first {
		s.lists[0].remove(n)
		s.forget(n)
	}
}

func (s *Set) evict() {
	for w := range s.lists {
		if n := s.lists[w].first; n != nil {
			s.lists[w].remove(n)
			s.forget(n)
			s.stats.Evicted++
			return
		}
	}
}

func (s *Set) forget(n *entry) {
	s.stats.Bytes -= n.size()
	delete(s.entries, n.digest)
}

func (s *Set) clear(n *entry) {
	s.stats.Bytes -= n.size()
	*n = entry{digest: n.digest, baseAt: n.baseAt}
	s.stats.Bytes += n.size()
}

// entry is what is kept of one key.
type entry struct {
	digest     digest
	prev, next *entry
	last       capture.Time // of its latest event
	baseAt     capture.Time // when base was right
	marks      []mark       // in order of time
	values     []value
	mentions   []mention
	hits       []Event
	base       float32
	level      [Fields]uint8
	weight     uint8
}

// mark stands for one event, or for several that were close to each other.
type mark struct {
	from, to capture.Time
	n        [classes]uint32
}

// value is a different value that failures had, in field hash % Fields.
type value struct {
	hash uint64
	last capture.Time
}

// mention is whom a failure named.
type mention struct {
	client netip.Addr
	label  string
	last   capture.Time
}

const mapCost = 40 // bytes of the map for each key

func (n *entry) size() uint64 {
	size := mapCost + unsafe.Sizeof(*n) +
		uintptr(cap(n.marks))*unsafe.Sizeof(mark{}) + uintptr(cap(n.values))*unsafe.Sizeof(value{}) +
		uintptr(cap(n.mentions))*unsafe.Sizeof(mention{}) + uintptr(cap(n.hits))*unsafe.Sizeof(Event{})
	for i := range n.mentions {
		size += uintptr(len(n.mentions[i].label))
	}
	for i := range n.hits {
		size += uintptr(len(n.hits[i].Label))
	}
	return uint64(size)
}

// list is a list of entries, the one that had no event for longest first.
type list struct{ first, last *entry }

func (l *list) push(n *entry) {
	n.prev, n.next = l.last, nil
	if l.last != nil {
		l.last.next = n
	} else {
		l.first = n
	}
	l.last = n
}

func (l *list) remove(n *entry) {
	if n.prev != nil {
		n.prev.next = n.next
	} else {
		l.first = n.next
	}
	if n.next != nil {
		n.next.prev = n.prev
	} else {
		l.last = n.prev
	}
	n.prev, n.next = nil, nil
}
