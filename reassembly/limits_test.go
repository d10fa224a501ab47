package reassembly_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// crowd drives many conversations with one server; conversation i has its own
// client address.
type crowd struct {
	*reassembly.Assembler
	now  capture.Time
	seg  reassembly.Segment
	ends map[int]reassembly.End // how each has ended
	fed  map[int]int            // bytes and gaps of each
}

func newCrowd(l reassembly.Limits) *crowd {
	c := &crowd{now: reassemblytest.Start, ends: map[int]reassembly.End{}, fed: map[int]int{}}
	c.Assembler = reassembly.New(l, func(s reassembly.Start) reassembly.Parser {
		a := s.Key.AddrA.IP().As4()
		return &member{c, int(a[1])<<16 | int(a[2])<<8 | int(a[3])}
	})
	c.tick(0)
	return c
}

type member struct {
	*crowd
	i int
}

func (m *member) Feed(c *reassembly.Chunk) { m.fed[m.i] += len(c.Bytes) + int(c.Gap) }
func (m *member) End(_ reassembly.Direction, why reassembly.End, _ reassembly.Origin) {
	m.ends[m.i] = why
}

func (c *crowd) tick(d time.Duration) {
	c.now = c.now.Add(d)
	c.Tick(c.now, reassembly.Origin{Time: c.now})
}

// send gives a segment of conversation i: from the client, unless back.
func (c *crowd) send(i int, back bool, flags uint8, seq, ack uint32, payload string) {
	sendTo(c.Assembler, &c.seg, c.now, i, back, flags, seq, ack, []byte(payload))
}

func sendTo(a *reassembly.Assembler, s *reassembly.Segment, now capture.Time, i int, back bool, flags uint8, seq, ack uint32, payload []byte) {
	key := &s.Key
	// 10.x.x.x is below the server's 192.168.0.1, so the client stands first.
	key.SetEnds(0, 0xffff<<32|10<<24|uint64(i&0xffffff), 0, 0xffff<<32|0xc0a80001, uint16(40000+i>>24), 80)
	s.Dir = reassembly.AtoB
	if back {
		s.Dir = reassembly.BtoA
	}
	s.Flags, s.Seq, s.Ack, s.Payload, s.Window = flags, seq, ack, payload, 0xffff
	s.Origin.Order++
	s.Origin.Time = now
	a.Segment(s)
}

const (
	fFIN = reassembly.FIN
	fSYN = reassembly.SYN
	fRST = reassembly.RST
	fPSH = reassembly.PSH
	fACK = reassembly.ACK
)

func TestFlowsLimit(t *testing.T) {
	c := newCrowd(reassembly.Limits{Flows: 4})
	say := func(i int) { c.send(i, false, fPSH|fACK, 1, 1, "hello") }
	known := func(want int) {
		t.Helper()
		if got := c.Stats().Known; got != want {
			t.Fatalf("%d conversations are known, want %d", got, want)
		}
	}
	say(0) // to be idle
	c.tick(5 * time.Second)
	say(1)                                // to be active
	c.send(2, false, fSYN, 0, 0, "")      // half open
	say(3)                                // to be closed
	c.send(3, false, fRST|fACK, 6, 1, "") //
	known(4)

	// Each new one costs the least of the others.
	for i, want := range []reassembly.Stats{
		{EvictedClosed: 1},
		{EvictedClosed: 1, EvictedHalfOpen: 1},
		{EvictedClosed: 1, EvictedHalfOpen: 1, EvictedIdle: 1},
		{EvictedClosed: 1, EvictedHalfOpen: 1, EvictedIdle: 1, EvictedActive: 1},
		{EvictedClosed: 1, EvictedHalfOpen: 1, EvictedIdle: 1, EvictedActive: 2},
	} {
		say(10 + i)
		known(4)
		s := c.Stats()
		got := reassembly.Stats{EvictedClosed: s.EvictedClosed, EvictedHalfOpen: s.EvictedHalfOpen, EvictedIdle: s.EvictedIdle, EvictedActive: s.EvictedActive}
		if got != want {
			t.Fatalf("after new conversation %d: %+v", i, s)
		}
	}
	want := map[int]reassembly.End{3: reassembly.EndReset, 0: reassembly.EndEvicted, 1: reassembly.EndEvicted, 10: reassembly.EndEvicted}
	if fmt.Sprint(c.ends) != fmt.Sprint(want) {
		t.Errorf("ended: %v, want %v", c.ends, want)
	}
	c.Shutdown(reassembly.Origin{})
	known(0)
}

func TestStreamBytesLimit(t *testing.T) {
	c := newCrowd(reassembly.Limits{StreamBytes: 10_000})
	c.send(0, false, fSYN, 0, 0, "")
	sent := uint32(0)
	for i := range uint32(200) { // every second segment is missing
		c.send(0, false, fACK, 1+200*i, 1, string(make([]byte, 100)))
		sent = 200*i + 100
		if n := c.Stats().Buffered; n > 10_000 {
			t.Fatalf("%d bytes are held", n)
		}
	}
	s := c.Stats()
	if s.HolesStream == 0 || s.Buffered < 5_000 {
		t.Errorf("%+v", s)
	}
	c.Shutdown(reassembly.Origin{})
	if c.fed[0] != int(sent) {
		t.Errorf("%d of %d bytes", c.fed[0], sent)
	}
}

// One segment of a byte must not cost more than it is charged.
func TestTinyPieces(t *testing.T) {
	c := newCrowd(reassembly.Limits{StreamBytes: 1 << 20})
	c.send(0, false, fSYN, 0, 0, "")
	before := heap()
	for i := range uint32(100_000) {
		c.send(0, false, fACK, 10+2*i, 1, "x")
	}
	if s, used := c.Stats(), heap()-before; s.Buffered > 1<<20 || used > 2<<20 {
		t.Errorf("%d bytes are held, and take %d", s.Buffered, used)
	}
	runtime.KeepAlive(c)
}

func TestTotalBytesLimit(t *testing.T) {
	const total = 1 << 20
	c := newCrowd(reassembly.Limits{TotalBytes: total})
	held := string(make([]byte, 1000))
	for i := range 2000 {
		c.send(i, false, fSYN, 0, 0, "")
		c.send(i, false, fACK, 11, 1, held)
		if s := c.Stats(); s.Buffered+s.Kept > total {
			t.Fatalf("%+v", s)
		}
	}
	s := c.Stats()
	if s.HolesTotal == 0 || s.HolesTotal > 1600 || s.Known != 2000 || s.EvictedActive != 0 {
		t.Errorf("%+v", s)
	}
	if c.fed[0] != 1010 || c.fed[1999] != 0 {
		t.Errorf("the oldest hole is not the first to go: %d, %d", c.fed[0], c.fed[1999])
	}
	// Without any new conversation, too.
	for i := range 2000 {
		c.send(i, false, fACK, 5011, 1, held)
		if s := c.Stats(); s.Buffered+s.Kept > total {
			t.Fatalf("%+v", s)
		}
	}
	// Conversations alone meet it too.
	for i := range 20_000 {
		c.send(5000+i, false, fSYN, 0, 0, "")
	}
	if s := c.Stats(); s.Buffered != 0 || s.EvictedHalfOpen == 0 || s.Known*128 > total {
		t.Errorf("%+v", s)
	}
}

func TestKeptBytesLimit(t *testing.T) {
	c := newCrowd(reassembly.Limits{TotalBytes: 1 << 20})
	for i := range 500 {
		c.send(i, false, fPSH|fACK, 1, 1, "not acknowledged")
	}
	s := c.Stats()
	if s.Kept == 0 || s.Kept > 1<<17 {
		t.Errorf("%+v", s)
	}
	c.send(499, false, fPSH|fACK, 1, 1, "something other!")
	if s := c.Stats(); s.Unverified != 16 || s.Conflicts != 0 {
		t.Errorf("%+v", s)
	}
	c.tick(3 * time.Second)
	if s := c.Stats(); s.Kept != 0 {
		t.Errorf("quiet conversations keep %d bytes", s.Kept)
	}
}

func TestTimes(t *testing.T) {
	l := reassembly.Limits{
		IdleAfter: 10 * time.Second, HalfOpenAfter: 4 * time.Second, ClosedFor: 1500 * time.Millisecond,
		HoleAfter: 3 * time.Second,
	}
	c := newCrowd(l)
	c.send(0, false, fPSH|fACK, 1, 1, "idle")
	c.send(1, false, fSYN, 0, 0, "")
	c.send(2, false, fPSH|fACK, 1, 1, "closed")
	c.send(2, false, fRST|fACK, 7, 1, "")
	c.send(3, false, fSYN, 0, 0, "")
	c.send(3, false, fPSH|fACK, 11, 1, "hole")
	c.send(3, true, fACK, 1, 15, "")
	var known, fed []int
	for range 12 {
		c.tick(time.Second)
		known = append(known, c.Stats().Known)
		fed = append(fed, c.fed[3])
	}
	if want := []int{4, 3, 3, 2, 2, 2, 2, 2, 2, 0, 0, 0}; !slices.Equal(known, want) {
		t.Errorf("known: %v, want %v", known, want)
	}
	if want := []int{0, 0, 14, 14, 14, 14, 14, 14, 14, 14, 14, 14}; !slices.Equal(fed, want) {
		t.Errorf("fed: %v, want %v", fed, want)
	}
}

// Everything before the first tick happened at it.
func TestFirstTick(t *testing.T) {
	c := &crowd{now: reassemblytest.Start, ends: map[int]reassembly.End{}, fed: map[int]int{}}
	c.Assembler = reassembly.New(reassembly.Limits{}, func(reassembly.Start) reassembly.Parser { return &member{c, 0} })
	c.send(0, false, fPSH|fACK, 1, 1, "hello")
	c.tick(0)
	if c.Stats().Known != 1 {
		t.Error("the first tick ended a conversation")
	}
	c.tick(time.Hour)
	if c.Stats().Known != 0 {
		t.Error("an hour did not")
	}
}

func TestNobodyIsInterested(t *testing.T) {
	a := reassembly.New(reassembly.Limits{}, func(reassembly.Start) reassembly.Parser { return nil })
	var s reassembly.Segment
	for range 2 {
		sendTo(a, &s, 1, 0, false, fPSH|fACK, 1, 1, []byte("hello"))
	}
	a.Shutdown(reassembly.Origin{})
	if s := a.Stats(); s.Delivered != 5 || s.Duplicate != 1 {
		t.Errorf("%+v", s)
	}
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
