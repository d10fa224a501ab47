package window

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"slices"
	"time"

	"github.com/authtap/authtap/capture"
)

// Options of a Set.
type Options struct {
	// Span is the window's length; it must be positive.
	Span time.Duration
	// Keys is how many keys are kept; 0 means 200,000.
	Keys int
	// Budget bounds the memory of all Sets that share it. nil means one of its
	// own, of 512 bytes times Keys, at least 1 MiB.
	Budget *Budget
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
	slots       = 60  // a merged mark covers at most a sixtieth of the span
	maxValues   = 256 // of one field
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
	budget  *Budget
	entries table
	lists   [weights]list
	ghosts  ghosts
	clock   capture.Time // the last Expire's
	stats   Stats
	summary Summary
	light   content // of the summary, where its key has one event
}

// digest stands for a key, so that keys cost the same however long they are.
type digest [16]byte

// New makes an empty Set.
func New(o Options) *Set {
	if o.Keys <= 0 {
		o.Keys = 200_000
	}
	if o.Budget == nil {
		o.Budget = NewBudget(max(uint64(o.Keys)*512, 1<<20))
	}
	s := &Set{span: max(o.Span, slots), limit: o.Keys, budget: o.Budget}
	o.Budget.sets = append(o.Budget.sets, s)
	return s
}

// Stats may be called between other calls.
func (s *Set) Stats() Stats {
	st := s.stats
	st.Keys = uint64(s.entries.n)
	return st
}

// Add puts an event into the window of key and gives what that window then
// holds. The Summary is valid until the next call of a method of the Set. An
// event that is older than the window's beginning only gives the Summary.
func (s *Set) Add(key string, e Event) *Summary {
	sum := sha256.Sum256([]byte(key))
	d := digest(sum[:16])
	s.stats.Events++
	n := s.entries.find(d)
	if n == nil {
		if s.entries.n >= s.limit {
			s.evict()
		}
		n = newEntry(d, &e, s.ghosts.had(d))
		s.took(n.size() + s.entries.add(n))
		s.light.begin(&e, s.span)
		s.place(n, s.summarize(n.last, &s.light, &e))
		return &s.summary
	}
	s.lists[n.weight].remove(n)
	before := n.size()
	c := n.expand(s.span)
	if start := n.last.Add(-s.span); e.Time <= start && s.clock != 0 && s.clock < start {
		// The window lies in a future that has not come: a packet with a
		// wrong time must not silence its key for ever.
		*c = content{baseAt: c.baseAt}
		n.last = e.Time
	}
	n.last = max(n.last, e.Time)
	c.slide(n.last, s.span)
	if e.Time > n.last.Add(-s.span) {
		c.insert(&e, s.span)
	} else {
		s.stats.Late++
	}
	s.took(n.size() - before)
	s.place(n, s.summarize(n.last, c, &e))
	return &s.summary
}

// place puts a key, taken out of the lists, into the one of its weight.
func (s *Set) place(n *entry, failures uint64) {
	n.weight = uint8(min(1+bits.Len64(failures+uint64(n.missed)), weights-1))
	s.budget.fit()
	s.lists[n.weight].push(n)
}

// Expire forgets what is older than the span at the time now.
func (s *Set) Expire(now capture.Time) {
	s.clock = max(s.clock, now)
	for w := 1; w < weights; w++ {
		for n := s.lists[w].first; n != nil && n.last.Add(s.span) <= now; n = s.lists[w].first {
			s.lists[w].remove(n)
			before := n.size()
			rests := n.rests(now, s.span)
			s.took(n.size() - before)
			if !rests {
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

// evict makes room for another key.
func (s *Set) evict() {
	for w := range s.lists {
		if n := s.lists[w].first; n != nil {
			s.drop(n)
			return
		}
	}
}

// drop forgets a key of the lists before its time.
func (s *Set) drop(n *entry) {
	s.lists[n.weight].remove(n)
	s.forget(n)
	s.stats.Evicted++
	if n.weight > 1 {
		s.took(s.ghosts.add(n, s.limit))
	}
}

func (s *Set) forget(n *entry) {
	s.took(-n.size())
	s.entries.remove(n)
}

// Close gives its memory back to the budget. The Set is not used any more.
func (s *Set) Close() {
	s.budget.bytes -= s.stats.Bytes
	s.budget.sets = slices.DeleteFunc(s.budget.sets, func(o *Set) bool { return o == s })
}

// took counts bytes; those given back are the negative of them.
func (s *Set) took(bytes uint64) {
	s.stats.Bytes += bytes
	s.budget.bytes += bytes
}

// table finds entries by their digests. A map of the runtime's would take four
// times as much for each, and more where keys come and go.
type table struct {
	buckets []*entry
	n       int
}

func (t *table) bucket(d *digest) **entry {
	return &t.buckets[binary.LittleEndian.Uint64(d[8:])&uint64(len(t.buckets)-1)]
}

func (t *table) find(d digest) *entry {
	if t.n == 0 {
		return nil
	}
	n := *t.bucket(&d)
	for n != nil && n.digest != d {
		n = n.chain
	}
	return n
}

// add puts an entry in; it gives the bytes that the table grew by.
func (t *table) add(n *entry) (bytes uint64) {
	if t.n == len(t.buckets) {
		old := t.buckets
		t.buckets = make([]*entry, max(64, 2*len(old)))
		for _, n := range old {
			for n != nil {
				next := n.chain
				t.put(n)
				n = next
			}
		}
		bytes = uint64(8 * (len(t.buckets) - len(old)))
	}
	t.put(n)
	t.n++
	return bytes
}

func (t *table) put(n *entry) {
	b := t.bucket(&n.digest)
	n.chain, *b = *b, n
}

func (t *table) remove(n *entry) {
	b := t.bucket(&n.digest)
	for *b != n {
		b = &(*b).chain
	}
	*b = n.chain
	t.n--
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
