package pipeline_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
	"github.com/authtap/authtap/cmd/authtap/internal/pipeline"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/decode"
	"github.com/authtap/authtap/reassembly/exchange"
)

// pace lets the rings of a capture advance together, as the kernel does: each
// gives a packet only when the others are not further behind than their lead.
type pace struct {
	mu    sync.Mutex
	moved sync.Cond
	next  []capture.Time // of each ring; the end of time when it is over
}

// ring is a source that gives some packets of a capture.
type ring struct {
	*pace
	index   int
	lead    time.Duration // that it may have over the others
	packets []capture.Packet
	read    int
}

func (r *ring) Next(p *capture.Packet) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := capture.Time(math.MaxInt64)
	if r.read < len(r.packets) {
		at = r.packets[r.read].Time
	}
	r.next[r.index] = at
	r.moved.Broadcast()
	if r.read == len(r.packets) {
		return io.EOF
	}
	for slices.Min(r.next) < at.Add(-r.lead) {
		r.moved.Wait()
	}
	*p = r.packets[r.read]
	r.read++
	return nil
}

func (r *ring) Inputs() []string     { return []string{"test"} }
func (r *ring) Stats() capture.Stats { return capture.Stats{Packets: uint64(r.read)} }
func (r *ring) Close() error         { return nil }

// rings makes sources of packets, which pick tells the ring of.
func rings(packets []capture.Packet, leads []time.Duration, pick func(i int, p *capture.Packet) int) (sources []capture.Source) {
	c := &pace{next: make([]capture.Time, len(leads))}
	c.moved.L = &c.mu
	var all []*ring
	for i, lead := range leads {
		c.next[i] = math.MinInt64
		r := &ring{pace: c, index: i, lead: lead}
		all = append(all, r)
		sources = append(sources, r)
	}
	for i := range packets {
		r := all[pick(i, &packets[i])]
		r.packets = append(r.packets, packets[i])
	}
	for i, r := range all {
		if len(r.packets) > 0 {
			c.next[i] = r.packets[0].Time
		}
	}
	return sources
}

// direction tells the direction of a packet.
func direction() func(i int, p *capture.Packet) int {
	var d decode.Decoder
	return func(_ int, p *capture.Packet) int {
		var seg reassembly.Segment
		if d.Decode(p, &seg) != decode.Segment {
			return 0
		}
		return int(seg.Dir)
	}
}

// file reads a capture.
func file(t *testing.T, path string) (packets []capture.Packet) {
	t.Helper()
	s, err := pcapfile.Open([]string{path}, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for {
		var p capture.Packet
		if err := s.Next(&p); err == io.EOF {
			return packets
		} else if err != nil {
			t.Fatal(err)
		}
		p.Data = slices.Clone(p.Data)
		packets = append(packets, p)
	}
}

// exchanges runs packets of HTTP and gives the exchanges, sorted.
func exchanges(t *testing.T, sources []capture.Source, shards int) ([]string, pipeline.Stats) {
	t.Helper()
	var lines []string
	stats, err := pipeline.Run(context.Background(), pipeline.Options[string]{
		Sources: sources, Live: true, Shards: shards,
		NewStreams: pipeline.StreamsOf(pipeline.Limits{}, nil),
		NewInspect: func() pipeline.Inspect[string] {
			return pipeline.Inspect[string]{Exchange: func(x *exchange.Exchange) string {
				return fmt.Sprint(x.Client, x.Server, x.Request.Method, x.Request.Target, x.Response.Status,
					x.Request.Body.Length, x.Response.Body.Length, x.Names())
			}}
		},
		Take:   func(s string) { lines = append(lines, s) },
		Mark:   func(pipeline.Mark) error { return nil },
		Failed: func(err error) { t.Error(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines, stats
}

// The two directions of conversations through different rings, or each packet
// through another one, give the same exchanges as one ring does, also where the
// rings do not keep step.
func TestDirectionsThroughRings(t *testing.T) {
	cases, err := filepath.Glob("../../../../testdata/pcaps/*/in.pcap")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	const behind = 200 * time.Millisecond
	for _, path := range cases {
		packets := file(t, path)
		slices.SortStableFunc(packets, func(a, b capture.Packet) int { return cmp.Compare(a.Time, b.Time) })
		for i := 1; i < len(packets); i++ {
			packets[i].Time = max(packets[i].Time, packets[i-1].Time+1) // the kernel's clock is finer than a file's
		}
		one, want := exchanges(t, rings(packets, make([]time.Duration, 1), func(int, *capture.Packet) int { return 0 }), 2)
		if want.Decode.Fragments.Fragments > 0 {
			continue // those of a datagram come through one ring; here they would not
		}
		for _, tt := range []struct {
			name  string
			leads []time.Duration
			pick  func(int, *capture.Packet) int
		}{
			{"directions", []time.Duration{0, 0}, direction()},
			{"one side ahead", []time.Duration{behind, 0}, direction()},
			{"the other side ahead", []time.Duration{0, behind}, direction()},
			{"in turn", []time.Duration{0, behind, behind}, func(i int, _ *capture.Packet) int { return i % 3 }},
			{"all through one of three", []time.Duration{0, 0, 0}, func(int, *capture.Packet) int { return 1 }},
		} {
			got, stats := exchanges(t, rings(packets, tt.leads, tt.pick), 2)
			if diff := gocmp.Diff(one, got); diff != "" {
				t.Errorf("%s, %s (-one ring +several):\n%s", path, tt.name, diff)
			}
			if stats.ReaderStats != want.ReaderStats || stats.Streams.Reassembly != want.Streams.Reassembly {
				t.Errorf("%s, %s: %+v, %+v\none ring: %+v, %+v", path, tt.name, stats.ReaderStats, stats.Streams.Reassembly, want.ReaderStats, want.Streams.Reassembly)
			}
		}
	}
}

// record is a shard's work: to note what it sees.
type record struct {
	idle
	seen []reassembly.Segment
}

func (r *record) Segment(seg *reassembly.Segment) {
	r.seen = append(r.seen, *seg)
	r.seen[len(r.seen)-1].Payload = slices.Clone(seg.Payload)
}

// watch runs sources and gives the segments and marks that come of it.
func watch(ctx context.Context, sources []capture.Source, change func(*pipeline.Options[int])) ([]reassembly.Segment, []pipeline.Mark, pipeline.Stats, error) {
	var r record
	var marks []pipeline.Mark
	opt := pipeline.Options[int]{
		Sources: sources, Live: true, Shards: 1,
		NewStreams: func(pipeline.Emit) pipeline.Streams { return &r },
		NewInspect: func() (none pipeline.Inspect[int]) { return none },
		Mark:       func(m pipeline.Mark) error { marks = append(marks, m); return nil },
		Failed:     func(err error) { panic(err) },
	}
	if change != nil {
		change(&opt)
	}
	stats, err := pipeline.Run(ctx, opt)
	return r.seen, marks, stats, err
}

// Nothing is lost and nothing comes twice; packets are numbered as they come,
// and they come in the order of their times.
func TestRingsLoseNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var packets []capture.Packet
		now := capture.Time(time.Hour)
		for i := range rapid.IntRange(0, 300).Draw(t, "packets") {
			now += capture.Time(rapid.SampledFrom([]time.Duration{0, 1, 1e5, 1e7, 3e8}).Draw(t, "step"))
			data := tcp(uint16(i), rapid.IntRange(0, 30).Draw(t, "bytes"))
			if rapid.IntRange(0, 4).Draw(t, "other") == 0 {
				data[9] = 17 // UDP
			}
			packets = append(packets, capture.Packet{Time: now, Data: data, Length: len(data), Link: capture.LinkRaw})
		}
		leads := make([]time.Duration, rapid.IntRange(2, 5).Draw(t, "rings"))
		for i := range leads {
			leads[i] = time.Duration(rapid.Int64Range(0, 4e8).Draw(t, "lead"))
		}
		seen, marks, stats, err := watch(context.Background(), rings(packets, leads, func(int, *capture.Packet) int {
			return rapid.IntRange(0, len(leads)-1).Draw(t, "ring")
		}), nil)
		if err != nil {
			t.Fatal(err)
		}
		var order uint64
		clients := map[uint16]bool{}
		for i, seg := range seen {
			if seg.Origin.Order <= order || i > 0 && seg.Origin.Time < seen[i-1].Origin.Time {
				t.Fatalf("segment %d: %+v behind %+v", i, seg.Origin, seen[i-1].Origin)
			}
			order = seg.Origin.Order
			client := seg.Key.Sender(seg.Dir).Port() - 1000
			clients[client] = true
			if seg.Origin.Time != packets[client].Time || string(seg.Payload) != string(packets[client].Data[40:]) {
				t.Fatalf("packet %d turned into %+v", client, seg)
			}
		}
		segments := stats.Decode.Packets[decode.Segment]
		if len(clients) != len(seen) || uint64(len(seen)) != segments || stats.Source.Packets != uint64(len(packets)) {
			t.Fatalf("%d segments, %d of them once, of %d packets: %+v", len(seen), len(clients), len(packets), stats.ReaderStats)
		}
		if last := marks[len(marks)-1]; !last.Last || last.Packet != uint64(len(packets)) || order > last.Packet {
			t.Fatalf("the last mark is %+v after number %d", last, order)
		}
		for i := 1; i < len(marks); i++ {
			if marks[i].Clock < marks[i-1].Clock && !marks[i].Last || marks[i].Packet < marks[i-1].Packet {
				t.Fatalf("mark %+v behind %+v", marks[i], marks[i-1])
			}
		}
	})
}

// script is a source that does what its steps say, then ends.
type script struct {
	steps []func(p *capture.Packet) error
	next  int
	read  uint64
}

func (s *script) Next(p *capture.Packet) error {
	if s.next == len(s.steps) {
		return io.EOF
	}
	s.next++
	err := s.steps[s.next-1](p)
	if err == nil {
		s.read++
	}
	return err
}
func (s *script) Inputs() []string     { return []string{"test"} }
func (s *script) Stats() capture.Stats { return capture.Stats{Packets: s.read} }
func (s *script) Close() error         { return nil }

// packet is a step that gives a packet of client c, quiet one that says that
// there is none.
func packet(at time.Duration, c uint16) func(p *capture.Packet) error {
	return func(p *capture.Packet) error {
		data := tcp(c, 1)
		*p = capture.Packet{Time: capture.Time(at), Data: data, Length: len(data), Link: capture.LinkRaw}
		return nil
	}
}

func quiet(at time.Duration) func(p *capture.Packet) error {
	return func(p *capture.Packet) error {
		*p = capture.Packet{Time: capture.Time(at)}
		return capture.ErrQuiet
	}
}

// wait is a step that waits and then does another.
func wait(on <-chan struct{}, then func(p *capture.Packet) error) func(p *capture.Packet) error {
	return func(p *capture.Packet) error {
		<-on
		return then(p)
	}
}

func clients(seen []reassembly.Segment) (list []uint16) {
	for _, seg := range seen {
		list = append(list, seg.Key.Sender(seg.Dir).Port()-1000)
	}
	return list
}

// A segment waits for the promise that there is nothing older, not for another
// packet.
func TestQuietRingsAreWaitedFor(t *testing.T) {
	promise := make(chan struct{})
	seen, _, _, err := watch(context.Background(), []capture.Source{
		&script{steps: []func(*capture.Packet) error{packet(2*time.Second, 2), quiet(3 * time.Second), func(*capture.Packet) error {
			close(promise)
			return io.EOF
		}}},
		&script{steps: []func(*capture.Packet) error{quiet(time.Second), wait(promise, packet(time.Second, 1)), quiet(2 * time.Second)}},
	}, nil)
	if err != nil || !slices.Equal(clients(seen), []uint16{1, 2}) {
		t.Errorf("%v, clients %v", err, clients(seen))
	}
}

// Rings that hear nothing do not hold back the clock, whether others do or not.
func TestQuietRingsLetTheClockGoOn(t *testing.T) {
	var busy, silent []func(*capture.Packet) error
	for i := range 30 {
		at := time.Duration(i) * 100 * time.Millisecond
		busy = append(busy, packet(at, 1))
		silent = append(silent, quiet(at-40*time.Millisecond))
	}
	for i := range 30 {
		at := 3*time.Second + time.Duration(i)*100*time.Millisecond
		busy = append(busy, quiet(at))
		silent = append(silent, quiet(at))
	}
	_, marks, _, err := watch(context.Background(), []capture.Source{&script{steps: busy}, &script{steps: silent}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var ticks []int
	for _, m := range marks {
		if m.Tick {
			ticks = append(ticks, int(m.Clock/1e9))
		}
	}
	if !slices.Equal(ticks, []int{1, 2, 3, 4, 5}) {
		t.Errorf("ticks at %v", ticks)
	}
}

// A ring that has run out of batches goes on without the others' promises,
// which may never come.
func TestFullRingsDoNotWait(t *testing.T) {
	const most = 16 * 1024
	stuck := make(chan struct{})
	var steps []func(*capture.Packet) error
	for i := range 2 * most {
		steps = append(steps, packet(time.Duration(i), 1))
	}
	// Long before the last of them the other ring would have to say something.
	steps = append(steps, func(*capture.Packet) error {
		close(stuck)
		return io.EOF
	})
	seen, _, stats, err := watch(context.Background(), []capture.Source{
		&script{steps: []func(*capture.Packet) error{wait(stuck, packet(0, 2))}},
		&script{steps: steps},
	}, nil)
	if err != nil || len(seen) != 2*most+1 || stats.Source.Packets != 2*most+1 {
		t.Errorf("%v, %d segments, %+v", err, len(seen), stats.Source)
	}
}

// A clock that is set back costs order, not packets, and does not stop a ring.
func TestClockSetBack(t *testing.T) {
	var sources []capture.Source
	for ring := range 2 {
		var steps []func(*capture.Packet) error
		for i := range 40_000 {
			at := 2*time.Hour + time.Duration(i)*time.Microsecond
			if i > 10_000+100*ring {
				at -= time.Hour
			}
			steps = append(steps, packet(at, uint16(ring)))
		}
		sources = append(sources, &script{steps: steps})
	}
	seen, _, stats, err := watch(context.Background(), sources, nil)
	if err != nil || len(seen) != 80_000 || stats.Backward == 0 {
		t.Errorf("%v, %d segments, %d packets backward", err, len(seen), stats.Backward)
	}
}

// endless is a source that goes on until it is closed, and says how many
// packets it gave.
type endless struct {
	given  atomic.Uint64
	closed atomic.Bool
}

func (e *endless) Next(p *capture.Packet) error {
	if e.closed.Load() {
		return io.EOF
	}
	n := e.given.Load()
	if n%1000 == 999 {
		runtime.Gosched()
	}
	packet(time.Duration(n)*time.Microsecond, uint16(n%100))(p)
	e.given.Add(1)
	return nil
}
func (e *endless) Inputs() []string     { return []string{"test"} }
func (e *endless) Stats() capture.Stats { return capture.Stats{Packets: e.given.Load()} }
func (e *endless) Close() error         { e.closed.Store(true); return nil }

// What was read when the run is ended is taken to its end.
func TestInterruptedRings(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	sources := []*endless{{}, {}, {}}
	marks := 0
	seen, _, stats, err := watch(ctx, []capture.Source{sources[0], sources[1], sources[2]}, func(o *pipeline.Options[int]) {
		o.Mark = func(pipeline.Mark) error {
			if marks++; marks == 20 {
				cancel()
			}
			return nil
		}
	})
	var given uint64
	for _, s := range sources {
		given += s.given.Load()
	}
	if err != nil || uint64(len(seen)) != given || stats.Source.Packets != given || stats.Decode.Packets[decode.Segment] != given {
		t.Errorf("%v: %d segments of %d packets, %+v", err, len(seen), given, stats.ReaderStats)
	}
}

// An error of the correlator ends all sources.
func TestFailingMarkEndsRings(t *testing.T) {
	full := errors.New("disk full")
	_, _, _, err := watch(context.Background(), []capture.Source{&endless{}, &endless{}}, func(o *pipeline.Options[int]) {
		o.Mark = func(pipeline.Mark) error { return full }
	})
	if err != full {
		t.Error(err)
	}
}

// A ring that fails is told of, behind its packets, and the others go on.
func TestRingFails(t *testing.T) {
	gone := errors.New("gone")
	var told []error
	seen, _, _, err := watch(context.Background(), []capture.Source{
		&script{steps: []func(*capture.Packet) error{packet(1, 1), func(*capture.Packet) error { return gone }}},
		&script{steps: []func(*capture.Packet) error{packet(2, 2), packet(time.Second, 3)}},
	}, func(o *pipeline.Options[int]) {
		o.Failed = func(err error) { told = append(told, err) }
	})
	if err != nil || !slices.Equal(told, []error{gone}) || !slices.Equal(clients(seen), []uint16{1, 2, 3}) {
		t.Errorf("%v, told %v, clients %v", err, told, clients(seen))
	}
}

// What the filter leaves out is counted, with one source and with several.
func TestFilter(t *testing.T) {
	var packets []capture.Packet
	for i := range 100 {
		data := tcp(uint16(i%10), 1)
		packets = append(packets, capture.Packet{Time: capture.Time(i) * 1e8, Data: data, Length: len(data), Link: capture.LinkRaw})
	}
	for n := 1; n <= 3; n++ {
		seen, marks, stats, err := watch(context.Background(), rings(packets, make([]time.Duration, n), func(i int, _ *capture.Packet) int { return i % n }),
			func(o *pipeline.Options[int]) {
				o.Filter = func(k *reassembly.FlowKey) bool { return k.PortA == 1003 || k.PortB == 1003 }
			})
		if err != nil || len(seen) != 10 || stats.Filtered != 90 || stats.Decode.Packets[decode.Segment] != 100 || marks[len(marks)-1].Packet != 100 {
			t.Errorf("%d sources: %v, %d segments, %+v", n, err, len(seen), stats.ReaderStats)
		}
	}
}

func BenchmarkMerge(b *testing.B) {
	packets := make([]capture.Packet, 100_000)
	bytes := 0
	for i := range packets {
		packets[i] = capture.Packet{Time: capture.Time(i) * 1e3, Data: tcp(uint16(i%97), 600)}
		bytes += len(packets[i].Data)
	}
	for _, n := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("sources=%d", n), func(b *testing.B) {
			b.SetBytes(int64(bytes))
			b.ReportAllocs()
			for b.Loop() {
				var sources []capture.Source
				for i := range n {
					sources = append(sources, &source{packets: packets[i*len(packets)/n : (i+1)*len(packets)/n]})
				}
				_, err := pipeline.Run(b.Context(), pipeline.Options[int]{
					Sources: sources, Live: true, Shards: 2,
					NewStreams: func(pipeline.Emit) pipeline.Streams { return idle{} },
					NewInspect: func() (none pipeline.Inspect[int]) { return none },
					Mark:       func(pipeline.Mark) error { return nil },
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
