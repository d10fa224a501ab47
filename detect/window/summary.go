package window

import (
	"net/netip"
	"slices"
	"time"

	"github.com/authtap/authtap/capture"
)

// Counts are numbers of events by their class.
type Counts [classes]uint64

// Total is the number of all of them.
func (c Counts) Total() uint64 { return c[Failure] + c[Success] + c[Pending] + c[Unclear] }

// FailureRatio is the share of failures among all events, 0 where there are
// none. Those whose outcome is unclear may have been successes.
func (c Counts) FailureRatio() float64 {
	return float64(c[Failure]) / float64(max(1, c.Total()))
}

// Summary is what the window of a key holds after an event. It is valid until
// the next call of a method of its Set.
type Summary struct {
	// Latest is the event just added.
	Latest Event
	// First and Last are the times of the oldest and the latest event.
	First, Last capture.Time
	// Span is the window's length.
	Span  time.Duration
	Count Counts
	// Baseline is how many failures a span held in the past, on average: 0
	// without history, and what is in the window now is not part of it.
	Baseline float64
	// Hits are the successes and the pending attempts: the latest sixteen that
	// differ in client, label, class or a field, with the time of their last.
	// Their Labels are cut to 128 bytes.
	Hits []Event

	content *content
}

func (s *Set) summarize(last capture.Time, c *content, e *Event) (failures uint64) {
	m := &s.summary
	*m = Summary{Latest: *e, Last: last, Span: s.span, Hits: c.hits, Baseline: c.baseline(last, s.span), content: c}
	if len(c.marks) > 0 {
		m.First = c.marks[0].from
	}
	m.Count = m.Within(s.span)
	return m.Count[Failure]
}

// Within gives the counts of the last d of the window.
func (s *Summary) Within(d time.Duration) Counts {
	var c Counts
	start := s.Last.Add(-d)
	for i := len(s.content.marks) - 1; i >= 0 && s.content.marks[i].to > start; i-- {
		for k, n := range s.content.marks[i].n {
			c[k] += uint64(n)
		}
	}
	return c
}

// FirstOf gives the time of the oldest event of a class, that of the latest
// event where the window holds none.
func (s *Summary) FirstOf(c Class) capture.Time {
	for i := range s.content.marks {
		if s.content.marks[i].n[c] > 0 {
			return s.content.marks[i].from
		}
	}
	return s.Last
}

// Distinct gives the numbers of different values that the window's failures
// had in each field.
func (s *Summary) Distinct() [Fields]int { return s.DistinctWithin(s.Span) }

// DistinctWithin gives the numbers of different values that the failures of
// the last d of the window had.
func (s *Summary) DistinctWithin(d time.Duration) [Fields]int {
	var n [Fields]int
	start, failures := s.Last.Add(-d), int(s.Within(d)[Failure])
	for f := range n {
		n[f] = min(s.content.values[f].size(start), failures)
	}
	return n
}

// Succeeded gives the number of different values that the successes of the last
// d of the window had in the first field.
func (s *Summary) Succeeded(d time.Duration) int { return s.content.succeeded.size(s.Last.Add(-d)) }

// Recovered gives the number of those values in the first field that failures
// of the last d of the window had, and then a success.
func (s *Summary) Recovered(d time.Duration) int {
	failed := &s.content.values[0]
	kept := sample{level: failed.level}
	start, n := s.Last.Add(-d), 0
	for _, v := range s.content.recovered {
		if v.last > start && kept.has(v.hash) {
			n++
		}
	}
	return n << failed.level
}

// Failed reports whether a failure had this value in the field. Of more than
// 256 values some are forgotten.
func (s *Summary) Failed(field int, x uint64) bool {
	h := spread(x)
	return x != 0 && slices.ContainsFunc(s.content.values[field].list, func(v value) bool { return v.hash == h })
}

// Labels lists labels of failures, at most eight, in the order in which they
// came.
func (s *Summary) Labels() []string {
	var out []string
	for _, m := range s.content.mentions {
		if m.label != "" && !slices.Contains(out, m.label) {
			out = append(out, m.label)
		}
	}
	return out
}

// Clients lists clients of failures, at most eight, in the order in which they
// came.
func (s *Summary) Clients() []netip.Addr {
	var out []netip.Addr
	for _, m := range s.content.mentions {
		if m.client.IsValid() && !slices.Contains(out, m.client) {
			out = append(out, m.client)
		}
	}
	return out
}
