package live

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
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

// fake is a device that gives what it is told to.
type fake struct {
	steps         chan step
	poll          time.Duration
	kernel, iface atomic.Uint32
	lost          atomic.Bool // the counters cannot be read
	reads         atomic.Int64
	closed        atomic.Bool
	data          []byte
}

type step struct {
	at   capture.Time
	data string
	err  error
}

func newFake() *fake { return &fake{steps: make(chan step), poll: 5 * time.Millisecond} }

func (f *fake) read(p *capture.Packet) error {
	if f.closed.Load() {
		return errors.New("read after close")
	}
	select {
	case s := <-f.steps:
		if s.err != nil {
			return s.err
		}
		f.reads.Add(1)
		// As libpcap does, the device uses its memory again.
		f.data = append(f.data[:0], s.data...)
		p.Time, p.Data, p.Length = s.at, f.data, len(s.data)
		return nil
	case <-time.After(f.poll):
		return capture.ErrQuiet
	}
}

func (f *fake) link() capture.LinkType { return capture.LinkEthernet }

func (f *fake) drops() (kernel, iface uint32, err error) {
	if f.lost.Load() {
		return 0, 0, errors.New("gone")
	}
	return f.kernel.Load(), f.iface.Load(), nil
}

func (f *fake) close() { f.closed.Store(true) }

func startFakes(opt Options, fakes ...*fake) *Source {
	var devices []device
	for i, f := range fakes {
		devices = append(devices, f)
		opt.Interfaces = append(opt.Interfaces, fmt.Sprintf("fake%d", i))
	}
	opt.setDefaults()
	return start(devices, opt)
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

// TestOrder: the packets of several interfaces come in order of arrival, each
// numbered within its own.
func TestOrder(t *testing.T) {
	fakes := []*fake{newFake(), newFake()}
	s := startFakes(Options{}, fakes...)
	defer s.Close()
	type sent struct {
		input  int
		number uint64
	}
	var want []sent
	numbers := [2]uint64{}
	for i, input := range []int{0, 1, 1, 0, 1, 0, 0} {
		before := fakes[input].reads.Load()
		fakes[input].steps <- step{at: capture.Time(100 - i), data: fmt.Sprint("packet ", i)}
		for fakes[input].reads.Load() == before {
			time.Sleep(time.Millisecond)
		}
		// A reader takes the next only when it has put the last.
		fakes[input].steps <- step{err: capture.ErrQuiet}
		numbers[input]++
		want = append(want, sent{input, numbers[input]})
	}
	for i, w := range want {
		p := nextPacket(t, s)
		if p.Input != w.input || p.Number != w.number || string(p.Data) != fmt.Sprint("packet ", i) ||
			p.Time != capture.Time(100-i) || p.Link != capture.LinkEthernet || p.Length != len(p.Data) {
			t.Errorf("packet %d: %+v, want %+v", i, p, w)
		}
	}
	if st := s.Stats(); st.Packets != 7 || st.Bytes != 7*8 {
		t.Errorf("%+v", st)
	}
}

// TestDataValid: a packet's bytes are not overwritten before the next Next,
// whatever arrives meanwhile, and Close does not take them away.
func TestDataValid(t *testing.T) {
	for _, n := range []int{1, 2} {
		var fakes []*fake
		for range n {
			fakes = append(fakes, newFake())
		}
		s := startFakes(Options{}, fakes...)
		go func() { fakes[0].steps <- step{data: "first"} }()
		first := nextPacket(t, s)
		if n > 1 {
			fakes[1].steps <- step{data: "other"}
			fakes[0].steps <- step{data: "SECOND"}
			fakes[0].steps <- step{err: capture.ErrQuiet}
		}
		s.Close()
		if string(first.Data) != "first" {
			t.Errorf("%d interfaces: the packet turned into %q", n, first.Data)
		}
		for i, f := range fakes {
			if !f.closed.Load() {
				t.Errorf("%d interfaces: interface %d is not closed", n, i)
			}
		}
	}
}

// TestQueueBound: readers wait when the queue is full, and go on when Next
// makes room.
func TestQueueBound(t *testing.T) {
	const size, limit = 1000, 10 * (1000 + letterBytes)
	fakes := []*fake{newFake(), newFake()}
	s := startFakes(Options{QueueBytes: limit}, fakes...)
	defer s.Close()
	data := strings.Repeat("x", size)
	// Ten fill the queue, and each reader holds one more.
	const ahead = 12
	for i := range ahead {
		fakes[i%2].steps <- step{data: data}
		if i < 10 {
			// The reader comes for more when it has put that in.
			fakes[i%2].steps <- step{err: capture.ErrQuiet}
		}
	}
	for i, f := range fakes {
		select {
		case f.steps <- step{data: data}:
			t.Fatalf("the reader of interface %d reads on though the queue is full", i)
		case <-time.After(20 * time.Millisecond):
		}
	}
	for i := range ahead {
		if p := nextPacket(t, s); len(p.Data) != size {
			t.Errorf("packet %d has %d bytes", i, len(p.Data))
		}
		if n := cap(s.batch.bytes) + cap(s.box.batch.bytes); n > 4*limit {
			t.Errorf("the queues hold %d bytes", n)
		}
	}
	fakes[0].steps <- step{data: strings.Repeat("x", 2*limit)}
	if p := nextPacket(t, s); len(p.Data) != 2*limit {
		t.Errorf("a packet larger than the queue has %d bytes", len(p.Data))
	}
}

// TestCloseWhileFull: Close ends readers that wait for room.
func TestCloseWhileFull(t *testing.T) {
	fakes := []*fake{newFake(), newFake()}
	s := startFakes(Options{QueueBytes: 1}, fakes...)
	for _, f := range fakes {
		f.steps <- step{data: "x"}
	}
	s.Close()
	var p capture.Packet
	if err := s.Next(&p); err != io.EOF {
		t.Errorf("Next after Close: %v", err)
	}
	for i, f := range fakes {
		if !f.closed.Load() {
			t.Errorf("interface %d is not closed", i)
		}
	}
}

// TestDropCounters: they grow with the device's, over its 32 bits, and stay
// when it is gone and when the source is closed.
func TestDropCounters(t *testing.T) {
	fakes := []*fake{newFake(), newFake()}
	fakes[0].kernel.Store(1<<32 - 10)
	fakes[0].iface.Store(5)
	s := startFakes(Options{Poll: time.Millisecond}, fakes...)
	wait := func(kernel, iface uint64) {
		t.Helper()
		var st capture.Stats
		for range 1000 {
			if st = s.Stats(); st.KernelDropped == kernel && st.InterfaceDropped == iface {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Fatalf("%+v, want %d and %d dropped", st, kernel, iface)
	}
	wait(1<<32-10, 5)
	fakes[0].kernel.Store(10) // beyond its end
	fakes[1].kernel.Store(7)
	fakes[1].iface.Store(1)
	wait(1<<32+10+7, 6)
	fakes[0].lost.Store(true)
	fakes[1].kernel.Store(8)
	wait(1<<32+10+8, 6)
	fakes[1].kernel.Store(9)
	s.Close()
	wait(1<<32+10+9, 6)
}

// TestInterfaceFails: the error names it, comes once and behind its packets,
// and the others go on; when none is left it is the end.
func TestInterfaceFails(t *testing.T) {
	gone := errors.New("the interface disappeared")
	for _, n := range []int{1, 2} {
		var fakes []*fake
		for range n {
			fakes = append(fakes, newFake())
		}
		s := startFakes(Options{}, fakes...)
		fail := func(i int) {
			go func() {
				fakes[i].steps <- step{data: "last"}
				fakes[i].steps <- step{err: gone}
			}()
			if p := nextPacket(t, s); p.Input != i || string(p.Data) != "last" {
				t.Errorf("%d interfaces: %+v", n, p)
			}
			var p capture.Packet
			err := s.Next(&p)
			for err == capture.ErrQuiet {
				err = s.Next(&p)
			}
			if !errors.Is(err, gone) || err.Error() != fmt.Sprintf("fake%d: the interface disappeared", i) {
				t.Errorf("%d interfaces: error %v", n, err)
			}
		}
		for i := range n {
			fail(i)
		}
		var p capture.Packet
		if err := s.Next(&p); err != io.EOF {
			t.Errorf("%d interfaces: at the end, Next gives %v", n, err)
		}
		s.Close()
	}
}

// TestQuiet: without packets, Next gives the time, which does not overtake
// packets that the kernel may still hold.
func TestQuiet(t *testing.T) {
	for _, n := range []int{1, 2} {
		var fakes []*fake
		for range n {
			fakes = append(fakes, newFake())
		}
		s := startFakes(Options{Poll: 5 * time.Millisecond}, fakes...)
		last := capture.Time(0)
		for range 5 {
			p := capture.Packet{Data: []byte("old")}
			before := time.Now()
			if err := s.Next(&p); err != capture.ErrQuiet {
				t.Fatal(err)
			}
			if p.Data != nil || p.Time < last || p.Time > capture.TimeOf(time.Now().Add(-10*time.Millisecond)) ||
				p.Time < capture.TimeOf(before.Add(-10*time.Millisecond)) {
				t.Errorf("%d interfaces: quiet at %v, after %v", n, p.Time, last)
			}
			last = p.Time
		}
		s.Close()
	}
}

// TestCloseUnblocks: Close ends a Next that waits, and may be called again.
func TestCloseUnblocks(t *testing.T) {
	for _, n := range []int{1, 2} {
		var fakes []*fake
		for range n {
			fakes = append(fakes, newFake())
		}
		s := startFakes(Options{Poll: time.Hour}, fakes...)
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
			t.Errorf("%d interfaces: %v", n, err)
		}
		s.Close()
	}
}

func BenchmarkNext(b *testing.B) {
	data := make([]byte, 800)
	m := newMailbox(4 << 20)
	p := capture.Packet{Data: data, Length: len(data)}
	s := &Source{ports: []*port{{}, {}}, box: m, timer: time.NewTimer(time.Hour), poll: time.Hour}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	go func() {
		for m.put(&p) {
		}
	}()
	var got capture.Packet
	for b.Loop() {
		if err := s.Next(&got); err != nil {
			b.Fatal(err)
		}
	}
	m.close()
}
