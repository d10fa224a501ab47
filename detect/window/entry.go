package window

import (
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/authtap/authtap/capture"
)

// entry is what is kept of one key. Most keys never have a second event, so the
// first stands here as it came; what several need is made with the second.
type entry struct {
	digest     digest
	prev, next *entry       // in its list
	chain      *entry       // in its bucket
	last       capture.Time // of its latest event
	*content
	fields [Fields]uint64 // of the first event, while content is nil
	client [16]byte
	label  string
	status uint16
	class  Class
	weight uint8
	missed uint8 // failures before it was evicted
	v4     bool
}

// content is what the window of a key with several events holds.
type content struct {
	marks  []mark // in order of time
	values [Fields]sample
	// Of the first field: values of successes, and those of failures that a
	// success followed, with the time of the failure.
	succeeded sample
	recovered []value
	mentions  []mention
	hits      []Event
	baseAt    capture.Time // when base was right
	base      float32
}

// mark stands for one event, or for several that were close to each other.
type mark struct {
	from, to capture.Time
	n        [classes]uint32
}

// sample holds the different values that failures had in a field, or of very
// many those whose hash is below 2^64 >> level, so that each stands for
// 1 << level (Wegman's adaptive sampling). As each has its own time, the sample
// slides as exactly as the window does.
type sample struct {
	list  []value
	level uint8
}

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

func newEntry(d digest, e *Event, missed uint8) *entry {
	n := &entry{digest: d, last: e.Time, fields: e.Fields, status: e.Status, class: min(e.Class, Unclear), missed: missed}
	if n.class != Unclear {
		n.label = strings.Clone(bounded(e.Label))
		if e.Client.IsValid() {
			n.client, n.v4 = e.Client.As16(), e.Client.Is4()
		}
	}
	return n
}

// first gives the only event of a light key.
func (n *entry) first() Event {
	e := Event{Time: n.last, Fields: n.fields, Class: n.class, Status: n.status, Label: n.label}
	if n.v4 || n.client != ([16]byte{}) {
		e.Client = netip.AddrFrom16(n.client)
		if n.v4 {
			e.Client = e.Client.Unmap()
		}
	}
	return e
}

// expand makes room for several events.
func (n *entry) expand(span time.Duration) *content {
	if n.content == nil {
		e := n.first()
		n.content = new(content)
		n.content.begin(&e, span)
		n.label = ""
	}
	return n.content
}

// failures are those that the key has.
func (n *entry) failures() (f uint64) {
	if n.content == nil {
		if n.class == Failure {
			f = 1
		}
		return f
	}
	for i := range n.marks {
		f += uint64(n.marks[i].n[Failure])
	}
	return f
}

// rests reports whether a key is worth keeping for its baseline once its events
// are too old. One event is not.
func (n *entry) rests(now capture.Time, span time.Duration) bool {
	if n.content == nil {
		return false
	}
	n.slide(now, span)
	return n.baseline(now, span) >= baselineKept
}

// entryCost is what an entry takes: the allocator's class of its size.
const entryCost = (unsafe.Sizeof(entry{}) + 15) &^ 15

// stringCost is what a label takes on the heap.
func stringCost(s string) uintptr { return uintptr(len(s)+15) &^ 15 }

func (n *entry) size() uint64 {
	size := uint64(entryCost + stringCost(n.label))
	if n.content != nil {
		size += n.content.size()
	}
	return size
}

func (c *content) size() uint64 {
	size := unsafe.Sizeof(*c) +
		uintptr(cap(c.marks))*unsafe.Sizeof(mark{}) + uintptr(cap(c.mentions))*unsafe.Sizeof(mention{}) +
		uintptr(cap(c.hits))*unsafe.Sizeof(Event{})
	for f := range c.values {
		size += uintptr(cap(c.values[f].list)) * unsafe.Sizeof(value{})
	}
	size += uintptr(cap(c.succeeded.list)+cap(c.recovered)) * unsafe.Sizeof(value{})
	for i := range c.mentions {
		size += stringCost(c.mentions[i].label)
	}
	for i := range c.hits {
		size += stringCost(c.hits[i].Label)
	}
	return uint64(size)
}

// begin makes c hold one event.
func (c *content) begin(e *Event, span time.Duration) {
	for f := range c.values {
		c.values[f] = sample{list: c.values[f].list[:0]}
	}
	*c = content{marks: c.marks[:0], values: c.values, succeeded: sample{list: c.succeeded.list[:0]}, recovered: c.recovered[:0], mentions: c.mentions[:0], hits: c.hits[:0], baseAt: e.Time}
	c.insert(e, span)
}

func (c *content) insert(e *Event, span time.Duration) {
	c.mark(e, span)
	switch e.Class {
	case Failure:
		for f, x := range e.Fields {
			if x != 0 {
				c.values[f].note(spread(x), e.Time)
			}
		}
		h := spread(e.Fields[0])
		c.recovered = slices.DeleteFunc(c.recovered, func(v value) bool { return v.hash == h })
		c.mention(e)
	case Success, Pending:
		c.succeed(e)
		c.hit(e)
	}
}

// succeed notes the first field of a success, and the failures before it.
func (c *content) succeed(e *Event) {
	if e.Fields[0] == 0 {
		return
	}
	h := spread(e.Fields[0])
	c.succeeded.note(h, e.Time)
	if slices.ContainsFunc(c.recovered, func(v value) bool { return v.hash == h }) {
		return
	}
	for _, v := range c.values[0].list {
		if v.hash == h && v.last <= e.Time {
			if len(c.recovered) >= maxValues { // those that the sample of failures forgot
				c.recovered = slices.DeleteFunc(c.recovered, func(v value) bool { return !c.values[0].has(v.hash) })
			}
			c.recovered = append(c.recovered, v)
		}
	}
}

// slide drops what is no longer in the window that ends at now.
func (c *content) slide(now capture.Time, span time.Duration) {
	start := now.Add(-span)
	gone := 0
	for gone < len(c.marks) && c.marks[gone].to <= start {
		c.rest(&c.marks[gone], span)
		gone++
	}
	if gone == 0 {
		return // everything else is of the time of some mark
	}
	c.marks = slices.Delete(c.marks, 0, gone)
	for f := range c.values {
		v := &c.values[f]
		v.list = slices.DeleteFunc(v.list, func(v value) bool { return v.last <= start })
		if len(v.list) == 0 {
			v.level = 0
		}
	}
	c.succeeded.list = slices.DeleteFunc(c.succeeded.list, func(v value) bool { return v.last <= start })
	if len(c.succeeded.list) == 0 {
		c.succeeded.level = 0
	}
	c.recovered = slices.DeleteFunc(c.recovered, func(v value) bool { return v.last <= start })
	c.mentions = slices.DeleteFunc(c.mentions, func(m mention) bool { return m.last <= start })
	c.hits = slices.DeleteFunc(c.hits, func(e Event) bool { return e.Time <= start })
	if len(c.marks) == 0 {
		*c = content{base: c.base, baseAt: c.baseAt}
	}
}

// rest adds a mark that leaves the window to the baseline: the failures within
// a span, averaged over the past with weights that halve in memory spans.
func (c *content) rest(m *mark, span time.Duration) {
	if m.n[Failure] == 0 {
		return
	}
	at := m.to.Add(span)
	c.base = float32(c.baseline(at, span) + float64(m.n[Failure])*math.Ln2/memory)
	c.baseAt = max(c.baseAt, at)
}

func (c *content) baseline(at capture.Time, span time.Duration) float64 {
	if c.base == 0 || at <= c.baseAt {
		return float64(c.base)
	}
	return float64(c.base) * math.Exp2(-float64(at.Sub(c.baseAt))/float64(span)/memory)
}

// mark counts the event.
func (c *content) mark(e *Event, span time.Duration) {
	if len(c.marks) == maxMarks {
		c.merge(span)
	}
	i := len(c.marks)
	for i > 0 && c.marks[i-1].to > e.Time {
		i--
	}
	if i == len(c.marks) || c.marks[i].from > e.Time {
		c.marks = slices.Insert(c.marks, i, mark{from: e.Time, to: e.Time})
	} // else it came late, and within a mark of several events
	c.marks[i].n[min(e.Class, Unclear)]++
}

// merge puts marks together that fall into the same sixtieth of the span, at
// most 61 of them.
func (c *content) merge(span time.Duration) {
	slot := func(t capture.Time) int64 { return int64(t) / int64(span/slots) }
	out := c.marks[:1]
	for _, m := range c.marks[1:] {
		last := &out[len(out)-1]
		if slot(last.from) != slot(m.to) {
			out = append(out, m)
			continue
		}
		last.to = m.to
		for k := range last.n {
			last.n[k] += m.n[k]
		}
	}
	c.marks = out
}

// spread mixes a value's hash (the finalizer of splitmix64), so that hashes
// need not be even in all bits.
func spread(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// note remembers a value.
func (s *sample) note(hash uint64, at capture.Time) {
	if !s.has(hash) {
		return
	}
	for i := range s.list {
		if v := &s.list[i]; v.hash == hash {
			v.last = max(v.last, at)
			return
		}
	}
	for len(s.list) >= maxValues {
		s.level++
		s.list = slices.DeleteFunc(s.list, func(v value) bool { return !s.has(v.hash) })
	}
	if s.has(hash) {
		s.list = append(s.list, value{hash, at})
	}
}

// has reports whether a value of that hash is part of the sample.
func (s *sample) has(hash uint64) bool { return hash>>(64-s.level) == 0 }

// size estimates the number of values later than start.
func (s *sample) size(start capture.Time) int {
	n := 0
	for i := range s.list {
		if s.list[i].last > start {
			n++
		}
	}
	return n << s.level
}

// mention keeps the account and the client of a failure for the finding's
// evidence: the first few of the window.
func (c *content) mention(e *Event) {
	if !e.Client.IsValid() && e.Label == "" {
		return
	}
	label := bounded(e.Label)
	for i := range c.mentions {
		if m := &c.mentions[i]; m.client == e.Client && m.label == label {
			m.last = max(m.last, e.Time)
			return
		}
	}
	if len(c.mentions) < maxMentions {
		c.mentions = append(c.mentions, mention{e.Client, strings.Clone(label), e.Time})
	}
}

// hit keeps an event that was no failure: the latest few that differ.
func (c *content) hit(e *Event) {
	k := *e
	k.Label = bounded(e.Label)
	for i := range c.hits {
		h := &c.hits[i]
		if h.Label == k.Label && h.Client == k.Client && h.Class == k.Class && h.Fields == k.Fields {
			h.Time = max(h.Time, k.Time)
			return
		}
	}
	k.Label = strings.Clone(k.Label)
	if len(c.hits) == maxHits {
		oldest := 0
		for i := range c.hits {
			if c.hits[i].Time < c.hits[oldest].Time {
				oldest = i
			}
		}
		c.hits = slices.Delete(c.hits, oldest, oldest+1)
	}
	c.hits = append(c.hits, k)
}

func bounded(s string) string { return s[:min(len(s), maxLabel)] }
