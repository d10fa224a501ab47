package window

import (
	"fmt"
	"math"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
	"pgregory.net/rapid"
)

var start = capture.TimeOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))

func at(d time.Duration) capture.Time { return start.Add(d) }

// model is the window as it is defined: all events, looked through each time.
type model struct {
	span   time.Duration
	events []Event
	last   capture.Time
}

func (m *model) add(e Event) {
	m.last = max(m.last, e.Time)
	if e.Time > m.last.Add(-m.span) {
		m.events = append(m.events, e)
	}
}

func (m *model) within(d time.Duration) (c Counts, distinct [Fields]int) {
	seen := map[[2]uint64]bool{}
	for _, e := range m.events {
		if e.Time <= m.last.Add(-d) {
			continue
		}
		c[e.Class]++
		for f, x := range e.Fields {
			if k := [2]uint64{uint64(f), x}; e.Class == Failure && x != 0 && !seen[k] {
				seen[k] = true
				distinct[f]++
			}
		}
	}
	return c, distinct
}

// While a key has few events and values, the Set says exactly what the model
// says, whatever the times.
func TestFewEventsAreCountedExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		span := time.Duration(rapid.IntRange(1, 1000).Draw(t, "span")) * time.Second
		set := New(Options{Span: span, Keys: 1000})
		models := map[string]*model{}
		clock, top := start, start
		for range rapid.IntRange(1, 120).Draw(t, "events") {
			clock = clock.Add(time.Duration(rapid.Int64Range(-int64(span)/4, int64(span)/3).Draw(t, "step")))
			// What comes a span behind the latest is TestLateEvents'.
			clock = max(clock, top.Add(-span*3/4))
			top = max(top, clock)
			key := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key")
			e := Event{Time: clock, Class: Class(rapid.IntRange(0, 3).Draw(t, "class"))}
			for f := range e.Fields {
				e.Fields[f] = rapid.Uint64Range(0, 60).Draw(t, "value")
			}
			m := models[key]
			if m == nil {
				m = &model{span: span}
				models[key] = m
			}
			m.add(e)
			s := set.Add(key, e)
			if s.Last != m.last {
				t.Fatalf("last is %v, want %v", s.Last, m.last)
			}
			d := time.Duration(rapid.Int64Range(1, int64(span)).Draw(t, "within"))
			for _, d := range []time.Duration{span, d} {
				count, distinct := m.within(d)
				if got := s.Within(d); got != count {
					t.Fatalf("within %v: %v, want %v", d, got, count)
				}
				if got := s.DistinctWithin(d); got != distinct {
					t.Fatalf("distinct within %v: %v, want %v", d, got, distinct)
				}
			}
			if rapid.IntRange(0, 9).Draw(t, "expire") == 0 {
				set.Expire(clock.Add(-span / 2))
			}
		}
	})
}

// sampled is how many different values are in the sample at a level: of the
// events since d before the last, or of all that there ever were for 0.
func (m *model) sampled(d time.Duration, level uint8) int {
	seen := map[uint64]bool{}
	for _, e := range m.events {
		h := spread(e.Fields[0])
		if e.Class == Failure && e.Fields[0] != 0 && h>>(64-level) == 0 && (d == 0 || e.Time > m.last.Add(-d)) {
			seen[h] = true
		}
	}
	return len(seen)
}

// With many, counts may reach back a sixtieth of the span too far, and distinct
// values are counted in a sample that is no smaller than it must be. How close
// that comes is chance: TestDistinctEstimate.
func TestManyEventsAreCountedClosely(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const span = 10 * time.Minute
		set, m := New(Options{Span: span}), &model{span: span}
		clock := start
		pace := rapid.Int64Range(int64(time.Millisecond), int64(3*time.Second)).Draw(t, "pace")
		values := rapid.Uint64Range(1, 3000).Draw(t, "values")
		seed := rapid.Uint64().Draw(t, "seed")
		for i := range rapid.IntRange(129, 1500).Draw(t, "events") {
			clock = clock.Add(time.Duration(pace))
			x := spread(seed + uint64(i))
			e := Event{Time: clock, Class: Class(x >> 60 % 2), Fields: [Fields]uint64{1 + x>>8%values}}
			m.add(e)
			set.Add("k", e)
		}
		s := set.Add("k", Event{Time: clock, Class: Unclear})
		m.add(Event{Time: clock, Class: Unclear})
		level := s.content.values[0].level
		if level > 0 && m.sampled(0, level-1) <= maxValues {
			t.Fatalf("level %d, though %d values are in the sample below", level, m.sampled(0, level-1))
		}
		if n := len(s.content.values[0].list); n > maxValues {
			t.Fatalf("%d values are kept", n)
		}
		for _, d := range []time.Duration{span, span / 2, time.Minute} {
			low, _ := m.within(d)
			got := s.Within(d)
			m.last += capture.Time(span / slots)
			high, _ := m.within(d + 2*span/slots)
			m.last -= capture.Time(span / slots)
			for c := range got {
				if got[c] < low[c] || got[c] > high[c] {
					t.Fatalf("within %v: %v, want %v to %v", d, got, low, high)
				}
			}
			want := min(m.sampled(d, level)<<level, int(got[Failure]))
			if n := s.DistinctWithin(d)[0]; n != want {
				t.Fatalf("%d distinct within %v, want %d", n, d, want)
			}
		}
		if n := s.content.size(); n > 32<<10 {
			t.Fatalf("a key takes %d bytes", n)
		}
	})
}

// The estimate is not off on average, and a single one not by more than six
// standard deviations of a sample in which each value is with probability p:
// sixty keys with the same number, of which the last fifth came late.
func TestDistinctEstimate(t *testing.T) {
	const keys = 60
	for _, n := range []int{257, 700, 3000} {
		set := New(Options{Span: time.Hour})
		sum, variance := [2]float64{}, [2]float64{}
		for key := range keys {
			var s *Summary
			for i := range 2 * n { // each value twice
				e := Event{Time: start, Fields: [Fields]uint64{0, uint64(key*n + i%n + 1)}}
				if i%n >= n*4/5 {
					e.Time = at(30 * time.Minute)
				}
				s = set.Add(fmt.Sprint(key), e)
			}
			each := float64(int(1) << s.content.values[1].level) // 1/p
			for i, d := range []time.Duration{time.Hour, time.Minute} {
				got, want := float64(s.DistinctWithin(d)[1]), float64([]int{n, n - n*4/5}[i])
				if off := math.Abs(got - want); off > 6*math.Sqrt(want*(each-1)) {
					t.Errorf("%v values within %v are estimated as %v", want, d, got)
				}
				sum[i] += got - want
				variance[i] += want * (each - 1)
			}
		}
		for i := range sum {
			if math.Abs(sum[i]) > 3*math.Sqrt(variance[i]) {
				t.Errorf("%d keys of %d values are %v off together, one standard deviation is %v", keys, n, sum[i], math.Sqrt(variance[i]))
			}
		}
	}
}

func TestWindowSlides(t *testing.T) {
	set := New(Options{Span: time.Minute})
	// Five before the minute's end and five after: epochs would see five each.
	for i := range 10 {
		set.Add("k", Event{Time: at(time.Duration(55+i) * time.Second)})
	}
	s := set.Add("k", Event{Time: at(65 * time.Second), Class: Success})
	if s.Count != (Counts{10, 1, 0, 0}) || s.First != at(55*time.Second) {
		t.Errorf("got %v since %v", s.Count, s.First)
	}
	if s.FirstOf(Failure) != s.First || s.FirstOf(Success) != s.Last || s.FirstOf(Pending) != s.Last {
		t.Errorf("firsts %v, %v, %v", s.FirstOf(Failure), s.FirstOf(Success), s.FirstOf(Pending))
	}
	if got := s.Count.FailureRatio(); got != 10./11 || (Counts{}).FailureRatio() != 0 {
		t.Errorf("ratio %v", got)
	}
	s = set.Add("k", Event{Time: at(115 * time.Second)})
	if s.Count[Failure] != 10 || s.First != at(56*time.Second) {
		t.Errorf("an event is still there after a minute: %v since %v", s.Count, s.First)
	}
}

func TestHitsAndMentions(t *testing.T) {
	set := New(Options{Span: time.Minute})
	client := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) }
	long := strings.Repeat("x", 2*maxLabel)
	for i := range 12 {
		set.Add("k", Event{Time: at(0), Label: fmt.Sprint("user", i%10), Client: client(i % 3)})
	}
	for i := range 20 {
		set.Add("k", Event{Time: at(time.Duration(i)), Class: Success, Label: fmt.Sprint("lucky", i)})
	}
	s := set.Add("k", Event{Time: at(time.Second), Class: Pending, Label: long})
	if got := s.Labels(); !slices.Equal(got, []string{"user0", "user1", "user2", "user3", "user4", "user5", "user6", "user7"}) {
		t.Errorf("labels %v", got)
	}
	if got := s.Clients(); !slices.Equal(got, []netip.Addr{client(0), client(1), client(2)}) {
		t.Errorf("clients %v", got)
	}
	if len(s.Hits) != maxHits || s.Hits[0].Label != "lucky5" || s.Hits[maxHits-1].Label != long[:maxLabel] {
		t.Errorf("hits %v", s.Hits)
	}
	// The same account again is no new hit, but a later one.
	s = set.Add("k", Event{Time: at(2 * time.Second), Class: Success, Label: "lucky19"})
	if len(s.Hits) != maxHits || s.Hits[14].Label != "lucky19" || s.Hits[14].Time != at(2*time.Second) {
		t.Errorf("hits %v", s.Hits)
	}
	s = set.Add("k", Event{Time: at(time.Hour)})
	if len(s.Hits) != 0 || len(s.Labels()) != 0 || s.Count.Total() != 1 {
		t.Errorf("an hour later there are %v, %v, %v", s.Hits, s.Labels(), s.Count)
	}
}

func TestFailed(t *testing.T) {
	set := New(Options{Span: time.Minute})
	set.Add("k", Event{Time: start, Class: Success, Fields: [Fields]uint64{8}})
	s := set.Add("k", Event{Time: start, Fields: [Fields]uint64{7, 9}})
	if !s.Failed(0, 7) || !s.Failed(1, 9) || s.Failed(1, 7) || s.Failed(0, 8) || s.Failed(0, 0) {
		t.Error("wrong")
	}
}

// Who fails after a success has not recovered, and what is too old is forgotten.
func TestRecovered(t *testing.T) {
	set := New(Options{Span: 10 * time.Minute})
	add := func(d time.Duration, c Class, x uint64) *Summary {
		return set.Add("k", Event{Time: at(d), Class: c, Fields: [Fields]uint64{x, x}})
	}
	add(0, Success, 1)
	add(time.Second, Failure, 2)
	add(2*time.Second, Success, 2)
	add(3*time.Second, Pending, 3)
	add(4*time.Second, Failure, 3)
	add(time.Minute, Failure, 4)
	s := add(2*time.Minute, Success, 4)
	if got := [...]int{s.Succeeded(s.Span), s.Recovered(s.Span), s.Succeeded(time.Minute), s.Recovered(90 * time.Second), s.Recovered(time.Minute)}; got != [...]int{4, 2, 1, 1, 0} {
		t.Error(got)
	}
	if s = add(3*time.Minute, Failure, 4); s.Recovered(s.Span) != 1 {
		t.Errorf("%d after another failure", s.Recovered(s.Span))
	}
	if s = add(10*time.Minute+3*time.Second, Success, 5); s.Succeeded(s.Span) != 2 || s.Recovered(s.Span) != 0 {
		t.Errorf("%d succeeded, %d recovered", s.Succeeded(s.Span), s.Recovered(s.Span))
	}
	for i := range uint64(4000) {
		add(11*time.Minute, Failure, 100+i)
	}
	for i := range uint64(4000) {
		s = add(11*time.Minute+time.Second, Success, 100+i)
	}
	// A sample of 128 to 256 values: 5 sigma are less than a half.
	if n := s.Succeeded(s.Span); n < 2000 || n > 6000 {
		t.Errorf("%d of 4000 succeeded", n)
	}
	if n := s.Recovered(s.Span); n < 2000 || n > 6000 {
		t.Errorf("%d of 4000 recovered", n)
	}
	if n := len(s.content.recovered); n > maxValues {
		t.Errorf("%d values are kept", n)
	}
}

func TestBaseline(t *testing.T) {
	set := New(Options{Span: time.Minute})
	var s *Summary
	for i := range 20 * 60 { // twenty a minute, for an hour
		s = set.Add("k", Event{Time: at(time.Duration(i) * 3 * time.Second)})
		if i == 19 && s.Baseline != 0 {
			t.Errorf("baseline %v without history", s.Baseline)
		}
	}
	if s.Baseline < 17 || s.Baseline > 21 {
		t.Errorf("baseline %v, want about 20", s.Baseline)
	}
	// What is in the window now is not part of it.
	before := s.Baseline
	for range 500 {
		s = set.Add("k", Event{Time: at(time.Hour)})
	}
	if s.Baseline > before+1 {
		t.Errorf("baseline went from %v to %v by what the window holds", before, s.Baseline)
	}
	// It outlives the window and is forgotten by and by.
	set.Expire(at(time.Hour + 5*time.Minute))
	if st := set.Stats(); st.Keys != 1 {
		t.Fatalf("%d keys", st.Keys)
	}
	if s = set.Add("k", Event{Time: at(time.Hour + 5*time.Minute)}); s.Baseline < 10 || s.Count.Total() != 1 {
		t.Errorf("baseline %v, %v events", s.Baseline, s.Count)
	}
	set.Expire(at(2 * time.Hour))
	if st := set.Stats(); st.Keys != 0 || st.Bytes != uint64(8*len(set.entries.buckets)) {
		t.Errorf("left: %+v", st)
	}
}

func TestLightKeysAreEvictedFirst(t *testing.T) {
	set := New(Options{Span: time.Hour, Keys: 100})
	for range 20 {
		set.Add("heavy", Event{Time: start})
	}
	for i := range 50 {
		set.Add(fmt.Sprint("failed", i), Event{Time: start})
	}
	for i := range 1000 {
		set.Add(fmt.Sprint("fine", i), Event{Time: at(time.Duration(i)), Class: Success})
	}
	st := set.Stats()
	if st.Keys != 100 || st.Evicted != 951 {
		t.Errorf("%+v", st)
	}
	if s := set.Add("heavy", Event{Time: start}); s.Count[Failure] != 21 {
		t.Errorf("the heavy key was evicted: %v", s.Count)
	}
	if s := set.Add("failed0", Event{Time: start}); s.Count[Failure] != 2 {
		t.Errorf("a key with a failure was evicted for one without: %v", s.Count)
	}
	if s := set.Add("fine998", Event{Time: start}); s.Count[Success] != 1 {
		t.Errorf("the latest was evicted: %v", s.Count)
	}
	set.Expire(at(2 * time.Hour))
	// What is left rests on its baseline.
	if st := set.Stats(); st.Keys > 51 {
		t.Errorf("after the span there are %d keys", st.Keys)
	}
	set.Expire(at(20 * time.Hour))
	if st := set.Stats(); st.Keys != 0 || st.Bytes != uint64(8*len(set.entries.buckets)) {
		t.Errorf("left: %+v", st)
	}
}

func TestBytesAreBounded(t *testing.T) {
	set := New(Options{Span: time.Hour, Keys: 4096})
	for key := range 500 {
		for i := range 300 {
			x := uint64(1000*key + i + 1)
			set.Add(fmt.Sprint(key), Event{Time: at(time.Duration(i) * time.Second), Fields: [Fields]uint64{x, x, x, x, x}})
		}
	}
	st := set.Stats()
	if st.Bytes > 4096*512 || st.Keys > 100 || st.Keys < 50 || st.Keys+st.Evicted != 500 {
		t.Errorf("%+v", st)
	}
}

func TestLateEvents(t *testing.T) {
	set := New(Options{Span: time.Minute})
	set.Add("k", Event{Time: at(time.Hour)})
	s := set.Add("k", Event{Time: at(0)})
	if st := set.Stats(); s.Count.Total() != 1 || st.Late != 1 || s.Latest.Time != at(0) {
		t.Errorf("%v, %+v", s.Count, st)
	}
	// The clock knows better: the hour has not come yet.
	set.Expire(at(time.Second))
	s = set.Add("k", Event{Time: at(2 * time.Second)})
	if st := set.Stats(); s.Count.Total() != 1 || st.Late != 1 || s.Last != at(2*time.Second) {
		t.Errorf("%v, %+v", s.Count, st)
	}
}

// A key is small, and what the Set says it takes is what the heap says, to a
// quarter.
func TestLightKeyIsSmall(t *testing.T) {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const n = 100_000
	before := heap()
	set := New(Options{Span: time.Hour})
	for i := range n {
		h := uint64(i + 1)
		set.Add(fmt.Sprintf("198.51.100.7|api.example.com|%d", i), Event{
			Time: start, Fields: [Fields]uint64{h, h, h, h}, Label: "someone", Client: netip.IPv6Loopback(),
		})
	}
	real, said := (heap()-before)/n, set.Stats().Bytes/n
	if real > 200 || said < real*3/4 || said > real*5/4 {
		t.Errorf("a key with one failure takes %d bytes, the Set says %d", real, said)
	}
	runtime.KeepAlive(set)
}
