package window

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/authtap/authtap/capture"
)

// slide drops what is no longer in the window that ends at now.
func (s *Set) slide(n *entry, now capture.Time) {
	start := now.Add(-s.span)
	gone := 0
	for gone < len(n.marks) && n.marks[gone].to <= start {
		n.rest(&n.marks[gone], s.span)
		gone++
	}
	if gone == 0 {
		return // everything else is of the time of some mark
	}
	n.marks = slices.Delete(n.marks, 0, gone)
	n.values = slices.DeleteFunc(n.values, func(v value) bool { return v.last <= start })
	n.mentions = slices.DeleteFunc(n.mentions, func(m mention) bool { return m.last <= start })
	n.hits = slices.DeleteFunc(n.hits, func(e Event) bool { return e.Time <= start })
	if len(n.marks) == 0 {
		n.marks, n.values, n.mentions, n.hits = nil, nil, nil, nil
	}
	var left [Fields]bool
	for i := range n.values {
		left[n.values[i].field()] = true
	}
	for f := range left {
		if !left[f] {
			n.level[f] = 0
		}
	}
}

// rest adds a mark that leaves the window to the baseline: the failures within
// a span, averaged over the past with weights that halve in memory spans.
func (n *entry) rest(m *mark, span time.Duration) {
	if m.n[Failure] == 0 {
		return
	}
	at := m.to.Add(span)
	n.base = float32(n.baseline(at, span) + float64(m.n[Failure])*math.Ln2/memory)
	n.baseAt = max(n.baseAt, at)
}

func (n *entry) baseline(at capture.Time, span time.Duration) float64 {
	if n.base == 0 || at <= n.baseAt {
		return float64(n.base)
	}
	return float64(n.base) * math.Exp2(-float64(at.Sub(n.baseAt))/float64(span)/memory)
}

// mark counts the event.
func (n *entry) mark(e *Event, span time.Duration) {
	if len(n.marks) == maxMarks {
		n.merge(span)
	}
	i := len(n.marks)
	for i > 0 && n.marks[i-1].to > e.Time {
		i--
	}
	if i == len(n.marks) || n.marks[i].from > e.Time {
		n.marks = slices.Insert(n.marks, i, mark{from: e.Time, to: e.Time})
	} // else it came late, and within a mark of several events
	n.marks[i].n[min(e.Class, Unclear)]++
}

// merge puts marks together that fall into the same sixtieth of the span, at
// most 61 of them.
func (n *entry) merge(span time.Duration) {
	slot := func(t capture.Time) int64 { return int64(t) / int64(span/slots) }
	out := n.marks[:1]
	for _, m := range n.marks[1:] {
		last := &out[len(out)-1]
		if slot(last.from) != slot(m.to) {
			out = append(out, m)
			continue
		}
		last.to = m.to
		for c := range last.n {
			last.n[c] += m.n[c]
		}
	}
	n.marks = out
}

func (v value) field() int { return int(v.hash % Fields) }

// spread mixes a value's hash (the finalizer of splitmix64), so that hashes
// need not be even in all bits, and puts the field into its lowest bits.
func spread(field int, x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	x ^= x >> 31
	return x - x%Fields + uint64(field)
}

// note remembers the values of a failure. Of a field with many of them it
// keeps those whose hash is below 2^64 >> level, so that each stands for
// 1 << level (Wegman's adaptive sampling); as each has its own time, the sample
// slides as exactly as the window does.
func (n *entry) note(e *Event) {
	var hashes [Fields]uint64
	for f, x := range e.Fields {
		if x != 0 {
			hashes[f] = spread(f, x)
		}
	}
	var count [Fields]int
	for i := range n.values {
		v := &n.values[i]
		f := v.field()
		count[f]++
		if v.hash == hashes[f] {
			v.last = max(v.last, e.Time)
			hashes[f] = 0
		}
	}
	for f, h := range hashes {
		for h != 0 && count[f] >= maxValues && n.sampled(f, h) {
			n.level[f]++
			n.values = slices.DeleteFunc(n.values, func(v value) bool {
				return v.field() == f && !n.sampled(f, v.hash)
			})
			count[f] = 0
			for _, v := range n.values {
				if v.field() == f {
					count[f]++
				}
			}
		}
		if h == 0 || !n.sampled(f, h) {
			continue
		}
		if n.values == nil {
			n.values = make([]value, 0, 4)
		}
		n.values = append(n.values, value{h, e.Time})
	}
}

func (n *entry) sampled(field int, hash uint64) bool { return hash>>(64-n.level[field]) == 0 }

// mention keeps the account and the client of a failure for the finding's
// evidence: the first few of the window.
func (n *entry) mention(e *Event) {
	if !e.Client.IsValid() && e.Label == "" {
		return
	}
	label := bounded(e.Label)
	for i := range n.mentions {
		if m := &n.mentions[i]; m.client == e.Client && m.label == label {
			m.last = max(m.last, e.Time)
			return
		}
	}
	if len(n.mentions) < maxMentions {
		n.mentions = append(n.mentions, mention{e.Client, strings.Clone(label), e.Time})
	}
}

// hit keeps an event that was no failure: the latest few that differ.
func (n *entry) hit(e *Event) {
	k := *e
	k.Label = bounded(e.Label)
	for i := range n.hits {
		h := &n.hits[i]
		if h.Label == k.Label && h.Client == k.Client && h.Class == k.Class && h.Fields == k.Fields {
			h.Time = max(h.Time, k.Time)
			return
		}
	}
	k.Label = strings.Clone(k.Label)
	if len(n.hits) == maxHits {
		oldest := 0
		for i := range n.hits {
			if n.hits[i].Time < n.hits[oldest].Time {
				oldest = i
			}
		}
		n.hits = slices.Delete(n.hits, oldest, oldest+1)
	}
	n.hits = append(n.hits, k)
}

func bounded(s string) string { return s[:min(len(s), maxLabel)] }
