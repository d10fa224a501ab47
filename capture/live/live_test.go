package live

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/authtap/authtap/capture"
)

// roles are what the test program does instead of testing when the variable
// AUTHTAP_TEST_ROLE says so.
var roles = map[string]func(){}

func TestMain(m *testing.M) {
	if play := roles[os.Getenv("AUTHTAP_TEST_ROLE")]; play != nil {
		play()
		return
	}
	goleak.VerifyTestMain(m)
}

// fake is a device that gives what is put into it, at once, and then is quiet.
type fake struct {
	steps         chan step
	poll          time.Duration
	kernel, iface atomic.Uint32
	lost          atomic.Bool // the counters cannot be read
	closed        atomic.Bool
}

type step struct {
	at   capture.Time
	data string
	err  error
}

func newFake() *fake { return &fake{steps: make(chan step, 8), poll: 5 * time.Millisecond} }

func (f *fake) Read(p *capture.Packet) error {
	if f.closed.Load() {
		return errors.New("read after close")
	}
	select {
	case s := <-f.steps:
		if s.err != nil {
			return s.err
		}
		p.Time, p.Data, p.Length = s.at, append(p.Data[:0], s.data...), len(s.data)
		return nil
	default:
		time.Sleep(f.poll)
		return capture.ErrQuiet
	}
}

func (f *fake) Link() capture.LinkType { return capture.LinkEthernet }

func (f *fake) Drops() (kernel, iface uint32, err error) {
	if f.lost.Load() {
		return 0, 0, errors.New("gone")
	}
	return f.kernel.Load(), f.iface.Load(), nil
}

func (f *fake) Close() { f.closed.Store(true) }

// fakeSources gives the sources of an interface, the second of two, with a ring
// for each fake.
func fakeSources(poll time.Duration, fakes ...*fake) []*Source {
	var devices []device
	for _, f := range fakes {
		devices = append(devices, f)
	}
	return newSources([]string{"other0", "fake0"}, 1, devices, poll)
}

// nextPacket waits for a packet.
func nextPacket(t *testing.T, s *Source) capture.Packet {
	t.Helper()
	for {
		var p capture.Packet
		switch err := s.Next(&p); err {
		case nil:
			return p
		case capture.ErrQuiet:
		default:
			t.Fatal(err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		opt  Options
		want string
	}{
		{"none", Options{}, "no interface named; authtap sniff -D lists them"},
	} {
		if _, err := Open(tt.opt); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

// TestRings: rings number their interface's packets together, and tell their
// names.
func TestRings(t *testing.T) {
	fakes := []*fake{newFake(), newFake()}
	sources := fakeSources(time.Hour, fakes...)
	for i, ring := range []int{0, 1, 1, 0} {
		fakes[ring].steps <- step{at: capture.Time(100 - i), data: fmt.Sprint("packet ", i)}
		p := nextPacket(t, sources[ring])
		if p.Input != 1 || p.Number != uint64(i+1) || string(p.Data) != fmt.Sprint("packet ", i) ||
			p.Time != capture.Time(100-i) || p.Link != capture.LinkEthernet || p.Length != len(p.Data) {
			t.Errorf("packet %d: %+v", i, p)
		}
	}
	for i, s := range sources {
		if st := s.Stats(); st != (capture.Stats{Packets: 2, Bytes: 2 * 8}) {
			t.Errorf("%+v", st)
		}
		if want := fmt.Sprint("fake0 ring ", i); s.Name() != want || !slices.Equal(s.Inputs(), []string{"other0", "fake0"}) {
			t.Errorf("ring %d is %s of %v", i, s.Name(), s.Inputs())
		}
		s.Close()
	}
	if alone := fakeSources(time.Hour, newFake())[0]; alone.Name() != "fake0" {
		t.Errorf("an interface without rings is %s", alone.Name())
	}
}

// TestDataValid: Close does not take a packet's bytes away.
func TestDataValid(t *testing.T) {
	f := newFake()
	s := fakeSources(time.Hour, f)[0]
	f.steps <- step{data: "first"}
	first := nextPacket(t, s)
	s.Close()
	if string(first.Data) != "first" {
		t.Errorf("the packet turned into %q", first.Data)
	}
	if !f.closed.Load() {
		t.Error("the device is not closed")
	}
}

// TestDropCounters: they grow with the device's, over its 32 bits, and stay
// when it is gone and when the source is closed.
func TestDropCounters(t *testing.T) {
	f := newFake()
	f.kernel.Store(1<<32 - 10)
	f.iface.Store(5)
	s := fakeSources(time.Millisecond, f)[0]
	quiet := func(kernel, iface uint64) {
		t.Helper()
		var p capture.Packet
		if err := s.Next(&p); err != capture.ErrQuiet {
			t.Fatal(err)
		}
		if st := s.Stats(); st.KernelDropped != kernel || st.InterfaceDropped != iface {
			t.Fatalf("%+v, want %d and %d dropped", st, kernel, iface)
		}
	}
	quiet(1<<32-10, 5)
	f.kernel.Store(10) // beyond its end
	f.iface.Store(6)
	quiet(1<<32+10, 6)
	f.lost.Store(true)
	f.kernel.Store(11)
	quiet(1<<32+10, 6)
	f.lost.Store(false)
	f.kernel.Store(12)
	s.Close()
	if st := s.Stats(); st.KernelDropped != 1<<32+12 {
		t.Errorf("%+v when it was closed", st)
	}
}

// TestBusyCounts: counters are read while packets come without a pause.
func TestBusyCounts(t *testing.T) {
	f := newFake()
	s := fakeSources(time.Hour, f)[0]
	defer s.Close()
	for i, want := range []uint64{1, 1, 3, 4} { // 60 ms apart; then back in time
		f.kernel.Store(uint32(i + 1))
		at := capture.Time(i) * capture.Time(60*time.Millisecond)
		if i == 3 {
			at = 0
		}
		f.steps <- step{at: at + capture.Time(time.Hour)}
		nextPacket(t, s)
		if got := s.Stats().KernelDropped; got != want {
			t.Errorf("packet %d: %d dropped, want %d", i, got, want)
		}
	}
}

// TestInterfaceFails: the error names it, comes once and behind its packets;
// then it is the end.
func TestInterfaceFails(t *testing.T) {
	gone := errors.New("the interface disappeared")
	fakes := []*fake{newFake(), newFake()}
	sources := fakeSources(time.Hour, fakes...)
	fakes[1].steps <- step{data: "last"}
	fakes[1].steps <- step{err: gone}
	if p := nextPacket(t, sources[1]); string(p.Data) != "last" {
		t.Errorf("%+v", p)
	}
	var p capture.Packet
	err := sources[1].Next(&p)
	for err == capture.ErrQuiet {
		err = sources[1].Next(&p)
	}
	if !errors.Is(err, gone) || err.Error() != "fake0 ring 1: the interface disappeared" {
		t.Errorf("error %v", err)
	}
	if err := sources[1].Next(&p); err != io.EOF {
		t.Errorf("at the end, Next gives %v", err)
	}
	if !fakes[1].closed.Load() || fakes[0].closed.Load() {
		t.Errorf("closed: %v, %v", fakes[0].closed.Load(), fakes[1].closed.Load())
	}
	fakes[0].steps <- step{data: "other"}
	if p := nextPacket(t, sources[0]); string(p.Data) != "other" {
		t.Errorf("%+v", p)
	}
	for _, s := range sources {
		s.Close()
	}
}

// TestQuiet: without packets, Next gives the time, which does not overtake
// packets that the kernel may still hold.
func TestQuiet(t *testing.T) {
	s := fakeSources(5*time.Millisecond, newFake())[0]
	defer s.Close()
	last := capture.Time(0)
	for range 5 {
		p := capture.Packet{Data: []byte("old")}
		before := time.Now()
		if err := s.Next(&p); err != capture.ErrQuiet {
			t.Fatal(err)
		}
		if p.Data != nil || p.Time < last || p.Time > capture.TimeOf(time.Now().Add(-10*time.Millisecond)) ||
			p.Time < capture.TimeOf(before.Add(-10*time.Millisecond)) {
			t.Errorf("quiet at %v, after %v", p.Time, last)
		}
		last = p.Time
	}
}

// TestStop: what came before is given, what comes later is not.
func TestStop(t *testing.T) {
	now := capture.TimeOf(time.Now())
	for _, last := range []step{
		{at: now.Add(time.Hour), data: "late"},
		{err: capture.ErrQuiet},
	} {
		f := newFake()
		s := fakeSources(time.Nanosecond, f)[0]
		f.steps <- step{at: now, data: "first"}
		f.steps <- step{at: now.Add(-time.Second), data: "second"}
		f.steps <- last
		s.Stop()
		for _, want := range []string{"first", "second"} {
			if p := nextPacket(t, s); string(p.Data) != want {
				t.Errorf("%q, want %q", p.Data, want)
			}
		}
		var p capture.Packet
		err := s.Next(&p)
		for err == nil || err == capture.ErrQuiet { // quiet, at first perhaps of a time before Stop
			err = s.Next(&p)
		}
		if err != io.EOF || !f.closed.Load() || s.Stats().Packets != 2 {
			t.Errorf("%v, closed %v, %+v", err, f.closed.Load(), s.Stats())
		}
	}
}

// TestStopEnds: where the clock was set back, packets do not go on for ever.
func TestStopEnds(t *testing.T) {
	s := newSources([]string{"fake0"}, 0, []device{endless{newFake(), []byte("old")}}, time.Hour)[0]
	long := time.Now().Add(-time.Minute)
	s.stopped.Store(&long)
	var p capture.Packet
	if err := s.Next(&p); err != io.EOF {
		t.Error(err)
	}
}

// TestCloseUnblocks: Close ends a Next that waits, and may be called again.
func TestCloseUnblocks(t *testing.T) {
	s := fakeSources(time.Hour, newFake())[0]
	ended := make(chan error)
	go func() {
		for {
			var p capture.Packet
			if err := s.Next(&p); err != capture.ErrQuiet {
				ended <- err
				return
			}
		}
	}()
	s.Close()
	if err := <-ended; err != io.EOF {
		t.Error(err)
	}
	s.Close()
}

// endless is a device that always has a packet.
type endless struct {
	*fake
	packet []byte
}

func (e endless) Read(p *capture.Packet) error {
	p.Time, p.Data, p.Length = 1, append(p.Data[:0], e.packet...), len(e.packet)
	return nil
}

func BenchmarkNext(b *testing.B) {
	s := newSources([]string{"fake0"}, 0, []device{endless{newFake(), make([]byte, 800)}}, time.Hour)[0]
	b.SetBytes(800)
	b.ReportAllocs()
	var p capture.Packet
	for b.Loop() {
		if err := s.Next(&p); err != nil {
			b.Fatal(err)
		}
	}
}
