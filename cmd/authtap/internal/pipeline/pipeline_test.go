package pipeline_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/pipeline"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/coverage"
	"github.com/authtap/authtap/reassembly/exchange"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tcp gives a raw IPv4 packet from client number c, with n bytes of payload.
func tcp(c uint16, n int) []byte {
	b := make([]byte, 40+n)
	b[0], b[9] = 0x45, 6
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[12:], []byte{10, 0, byte(c >> 8), byte(c), 10, 1, 1, 1})
	binary.BigEndian.PutUint16(b[20:], 1000+c)
	binary.BigEndian.PutUint16(b[22:], 80)
	b[32] = 0x50
	for i := range n {
		b[40+i] = byte(c) + byte(i)
	}
	return b
}

// source gives packets, reusing one buffer for all of them.
type source struct {
	packets []capture.Packet
	errors  map[int]error // before the packet with that index
	next    int
	buffer  []byte
	closed  atomic.Bool
	// endless says to go on with quiet after the packets until it is closed.
	endless bool
}

func (s *source) Next(p *capture.Packet) error {
	clear(s.buffer)
	if err := s.errors[s.next]; err != nil {
		delete(s.errors, s.next)
		return err
	}
	if s.next == len(s.packets) {
		if s.endless && !s.closed.Load() {
			p.Time = s.packets[s.next-1].Time
			return capture.ErrQuiet
		}
		return io.EOF
	}
	*p = s.packets[s.next]
	s.buffer = append(s.buffer[:0], p.Data...)
	p.Data, p.Length, p.Link = s.buffer, len(s.buffer), capture.LinkRaw
	s.next++
	p.Number = uint64(s.next)
	return nil
}
func (s *source) Inputs() []string     { return []string{"test"} }
func (s *source) Stats() capture.Stats { return capture.Stats{Packets: uint64(s.next)} }
func (s *source) Close() error         { s.closed.Store(true); return nil }

// streams emits an exchange for each segment with an odd number of bytes at
// once, for the others at the next tick but one, and the rest at the end. It
// fires in an order that depends on the shards.
type streams struct {
	emit  func(*exchange.Exchange)
	table coverage.Table
	later []pending
	seen  uint64
	reuse func(*exchange.Exchange)
}

type pending struct {
	x     *exchange.Exchange
	ticks int
}

func (s *streams) Segment(seg *reassembly.Segment) {
	s.seen++
	x := &exchange.Exchange{Origin: seg.Origin, Client: seg.Key.Sender(seg.Dir)}
	x.Request.Body.Bytes = slices.Clone(seg.Payload)
	for i, b := range seg.Payload {
		if c := byte(x.Client.Port()-1000) + byte(i); b != c {
			panic(fmt.Sprintf("byte %d of packet %d is %d, want %d", i, seg.Origin.Order, b, c))
		}
	}
	if len(seg.Payload)%2 == 1 {
		for range len(seg.Payload) % 3 {
			twin := *x
			s.emit(&twin)
		}
		return
	}
	s.later = append([]pending{{x, 2}}, s.later...)
}

func (s *streams) Reuse(x *exchange.Exchange) { s.reuse(x) }

func (s *streams) Tick(reassembly.Origin) {
	var keep []pending
	for _, p := range s.later {
		if p.ticks--; p.ticks == 0 {
			s.emit(p.x)
		} else {
			keep = append(keep, p)
		}
	}
	s.later = keep
}

func (s *streams) Close(reassembly.Origin) {
	for _, p := range s.later {
		s.emit(p.x)
	}
}
func (s *streams) Stats() (st pipeline.StreamStats) { return st }
func (s *streams) Coverage() *coverage.Table        { return &s.table }

func ticks(lines []string) (n int) {
	for _, l := range lines {
		if strings.HasPrefix(l, "tick") {
			n++
		}
	}
	return n
}

// run gives what the correlator sees, as lines.
func run(packets []capture.Packet, shards int, change func(*pipeline.Options[string])) ([]string, pipeline.Stats, error) {
	var lines []string
	opt := pipeline.Options[string]{
		Sources: []capture.Source{&source{packets: packets}},
		Shards:  shards,
		NewStreams: func(emit pipeline.Emit) pipeline.Streams {
			s := new(streams)
			s.emit = func(x *exchange.Exchange) {
				x.Server = netip.AddrPortFrom(x.Client.Addr(), 80)
				s.table.Exchange(x)
				emit.Exchange(x)
			}
			return s
		},
		NewInspect: func() pipeline.Inspect[string] {
			return pipeline.Inspect[string]{Exchange: func(x *exchange.Exchange) string {
				return fmt.Sprintf("%d.%x %v %d", x.Order.Packet, x.Order.Index, x.Client, len(x.Request.Body.Bytes))
			}}
		},
		Take: func(s string) { lines = append(lines, s) },
		Mark: func(m pipeline.Mark) error {
			if m.Tick {
				lines = append(lines, fmt.Sprintf("tick %v after %d", m.Clock, m.Packet))
			}
			return nil
		},
		Failed: func(err error) { panic(err) },
	}
	if change != nil {
		change(&opt)
	}
	stats, err := pipeline.Run(context.Background(), opt)
	return lines, stats, err
}

// What Take has had comes back to the shard that made it, once, and its
// exchange to the streams.
func TestResultsComeBack(t *testing.T) {
	var packets []capture.Packet
	for i := range 30_000 {
		packets = append(packets, capture.Packet{Time: 1e12 + capture.Time(i)*1e5, Data: tcp(uint16(i%5), 1)})
	}
	var taken sync.Map
	var back, again atomic.Int64
	_, _, err := run(packets, 2, func(o *pipeline.Options[string]) {
		o.NewInspect = func() pipeline.Inspect[string] {
			made := map[string]*exchange.Exchange{}
			return pipeline.Inspect[string]{
				Exchange: func(x *exchange.Exchange) string {
					id := fmt.Sprint(x.Order)
					made[id] = x
					return id
				},
				Done: func(id string) *exchange.Exchange {
					x := made[id]
					if _, had := taken.Load(id); !had || x == nil {
						t.Errorf("%s comes back: %v", id, x)
					}
					delete(made, id)
					back.Add(1)
					return x
				},
			}
		}
		o.NewStreams = func(emit pipeline.Emit) pipeline.Streams {
			return &streams{emit: emit.Exchange, reuse: func(*exchange.Exchange) { again.Add(1) }}
		}
		o.Take = func(id string) { taken.Store(id, true) }
	})
	if err != nil || back.Load() == 0 || again.Load() != back.Load() {
		t.Errorf("%d came back, and %d exchanges: %v", back.Load(), again.Load(), err)
	}
}

// The number of shards is never seen behind the correlator.
func TestShardsAreNotSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var packets []capture.Packet
		now := capture.Time(1_000_000_000_000)
		for range rapid.IntRange(0, 60).Draw(t, "packets") {
			now += capture.Time(rapid.Int64Range(-1e8, 7e8).Draw(t, "step"))
			packets = append(packets, capture.Packet{
				Time: now,
				Data: tcp(rapid.Uint16Range(0, 9).Draw(t, "client"), rapid.IntRange(0, 9).Draw(t, "bytes")),
			})
		}
		one, stats, err := run(packets, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		if stats.Source.Packets != uint64(len(packets)) {
			t.Fatalf("%d packets read of %d", stats.Source.Packets, len(packets))
		}
		if total := stats.Coverage.Total(); int(total.Exchanges) != len(one)-ticks(one) {
			t.Fatalf("%d exchanges are accounted for in %q", total.Exchanges, one)
		}
		for _, n := range []int{2, 3, 8} {
			more, moreStats, err := run(packets, n, nil)
			if err != nil || !slices.Equal(one, more) {
				t.Fatalf("%d shards: %v\n%q\none shard:\n%q", n, err, more, one)
			}
			if !slices.Equal(moreStats.Coverage.Rows(), stats.Coverage.Rows()) {
				t.Fatalf("%d shards: %+v, one: %+v", n, moreStats.Coverage.Rows(), stats.Coverage.Rows())
			}
			moreStats.Coverage = stats.Coverage
			if !reflect.DeepEqual(moreStats, stats) {
				t.Fatalf("%d shards: %+v, one: %+v", n, moreStats, stats)
			}
		}
	})
}

// Rounds are filled and sent many times over, with payloads that need slabs of
// several sizes.
func TestManyRounds(t *testing.T) {
	var packets []capture.Packet
	for i := range 20_000 {
		packets = append(packets, capture.Packet{Time: capture.Time(i) * 1e6, Data: tcp(uint16(i%7), i%1461)})
	}
	one, _, err := run(packets, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(one) < 10_000 {
		t.Fatalf("%d lines", len(one))
	}
	four, _, err := run(packets, 4, nil)
	if err != nil || !slices.Equal(one, four) {
		t.Fatalf("four shards give something else: %v", err)
	}
}

func TestDamageIsToldAndReadingGoesOn(t *testing.T) {
	damage := fmt.Errorf("at 17: %w", capture.ErrDamaged)
	var told []error
	lines, stats, err := run([]capture.Packet{{Data: tcp(1, 1)}, {Data: tcp(2, 1)}}, 2, func(o *pipeline.Options[string]) {
		o.Sources[0].(*source).errors = map[int]error{1: damage}
		o.Failed = func(err error) { told = append(told, err) }
	})
	if err != nil || len(told) != 1 || told[0] != damage || len(lines) != 2 || stats.Streams.Exchanges != 2 {
		t.Errorf("%v, told %v, lines %q, %+v", err, told, lines, stats)
	}
}

// An error of the correlator ends the run, without taking anything more.
func TestFailingMark(t *testing.T) {
	var packets []capture.Packet
	for i := range 100_000 {
		packets = append(packets, capture.Packet{Data: tcp(uint16(i%9), 1)})
	}
	full, marks := errors.New("disk full"), 0
	lines, stats, err := run(packets, 3, func(o *pipeline.Options[string]) {
		o.Mark = func(pipeline.Mark) error {
			if marks++; marks == 3 {
				return full
			}
			return nil
		}
	})
	if !errors.Is(err, full) || marks != 3 {
		t.Errorf("%v after %d marks", err, marks)
	}
	if len(lines) > 3*4096 || stats.Source.Packets == uint64(len(packets)) {
		t.Errorf("%d lines, %d packets read", len(lines), stats.Source.Packets)
	}
}

// The end of the context ends a source that has nothing to say, and what came
// before is taken.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	reported := make(chan pipeline.Stats, 1)
	asked := 0
	var taken []string
	s := &source{packets: []capture.Packet{{Data: tcp(1, 1), Time: 5}}, endless: true}
	stats, err := pipeline.Run(ctx, pipeline.Options[string]{
		Sources: []capture.Source{s}, Live: true, Shards: 2,
		NewStreams: func(emit pipeline.Emit) pipeline.Streams { return &streams{emit: emit.Exchange} },
		NewInspect: func() pipeline.Inspect[string] {
			return pipeline.Inspect[string]{Exchange: func(x *exchange.Exchange) string { return x.Client.String() }}
		},
		Take:   func(s string) { taken = append(taken, s) },
		Mark:   func(m pipeline.Mark) error { return nil },
		Report: func() bool { asked++; return asked == 1 },
		Reported: func(s pipeline.Stats) {
			reported <- s
			cancel()
		},
	})
	if err != nil || stats.Streams.Exchanges != 1 || !slices.Equal(taken, []string{"10.0.0.1:1001"}) {
		t.Errorf("%v, %+v, taken %q", err, stats, taken)
	}
	if s := <-reported; s.Source.Packets != 1 {
		t.Errorf("reported %+v", s)
	}
	if !s.closed.Load() {
		t.Error("the source was not closed")
	}
}

// Live, a round ends when it spans MaxDelay, however little is in it.
func TestLiveRoundsAreShort(t *testing.T) {
	var packets []capture.Packet
	for i := range 10 {
		packets = append(packets, capture.Packet{Time: capture.Time(i) * capture.Time(60*time.Millisecond), Data: tcp(1, 1)})
	}
	for _, live := range []bool{false, true} {
		marks := 0
		_, _, err := run(packets, 1, func(o *pipeline.Options[string]) {
			o.Live = live
			o.Mark = func(pipeline.Mark) error { marks++; return nil }
		})
		if want := map[bool]int{false: 1, true: 4}[live]; err != nil || marks != want {
			t.Errorf("live %v: %d marks, want %d; %v", live, marks, want, err)
		}
	}
}

func BenchmarkRounds(b *testing.B) {
	packets := make([]capture.Packet, 100_000)
	bytes := 0
	for i := range packets {
		packets[i] = capture.Packet{Time: capture.Time(i) * 1e3, Data: tcp(uint16(i%97), 600)}
		bytes += len(packets[i].Data)
	}
	for _, shards := range []int{1, 2} {
		b.Run(fmt.Sprintf("shards=%d", shards), func(b *testing.B) {
			b.SetBytes(int64(bytes))
			b.ReportAllocs()
			for b.Loop() {
				_, err := pipeline.Run(b.Context(), pipeline.Options[int]{
					Sources: []capture.Source{&source{packets: packets}}, Shards: shards,
					NewStreams: func(pipeline.Emit) pipeline.Streams { return idle{} },
					NewInspect: func() pipeline.Inspect[int] { return pipeline.Inspect[int]{} },
					Mark:       func(pipeline.Mark) error { return nil },
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type idle struct{}

func (idle) Segment(*reassembly.Segment)     {}
func (idle) Reuse(*exchange.Exchange)        {}
func (idle) Tick(reassembly.Origin)          {}
func (idle) Close(reassembly.Origin)         {}
func (idle) Stats() (s pipeline.StreamStats) { return s }
func (idle) Coverage() *coverage.Table       { return new(coverage.Table) }
