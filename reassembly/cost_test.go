package reassembly_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
)

// silent is a parser without state, made once for all.
type silent struct{}

func (silent) Feed(*reassembly.Chunk)                                      {}
func (silent) End(reassembly.Direction, reassembly.End, reassembly.Origin) {}

func newSilent(reassembly.Start) reassembly.Parser { return silent{} }

// exchangeOf plays the handshake, one exchange and nothing more.
func exchangeOf(a *reassembly.Assembler, s *reassembly.Segment, now capture.Time, i int, request, response []byte) {
	n, m := uint32(len(request)), uint32(len(response))
	sendTo(a, s, now, i, false, fSYN, 99, 0, nil)
	sendTo(a, s, now, i, true, fSYN|fACK, 299, 100, nil)
	sendTo(a, s, now, i, false, fACK, 100, 300, nil)
	sendTo(a, s, now, i, false, fPSH|fACK, 100, 300, request)
	sendTo(a, s, now, i, true, fPSH|fACK, 300, 100+n, response)
	sendTo(a, s, now, i, false, fACK, 100+n, 300+m, nil)
}

func TestNoAllocation(t *testing.T) {
	a := reassembly.New(reassembly.Limits{}, newSilent)
	var s reassembly.Segment
	payload := make([]byte, 1460)
	exchangeOf(a, &s, 1, 0, payload, payload)
	seq, back := uint32(100+1460), uint32(300+1460)
	// Data in order, acknowledged after every second segment; and an exchange.
	if n := testing.AllocsPerRun(1000, func() {
		for range 2 {
			sendTo(a, &s, 1, 0, false, fACK, seq, back, payload)
			seq += 1460
		}
		sendTo(a, &s, 1, 0, true, fACK, back, seq, nil)
		sendTo(a, &s, 1, 0, true, fACK|fPSH, back, seq, payload)
		back += 1460
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if s := a.Stats(); s.Gap != 0 || s.OutOfOrder != 0 {
		t.Errorf("%+v", s)
	}
}

// A new conversation in the place of one that is over takes nothing new
// either, but its parser.
func TestNoAllocationForConversations(t *testing.T) {
	a := reassembly.New(reassembly.Limits{Flows: 100}, newSilent)
	var s reassembly.Segment
	i, request, response := 0, []byte("request"), []byte("response")
	run := func() {
		exchangeOf(a, &s, 1, i, request, response)
		i++
	}
	for range 1000 {
		run()
	}
	if n := testing.AllocsPerRun(1000, run); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A conversation that is idle after one exchange costs at most 200 bytes
// besides its parser, whether a tick came since or not.
func TestIdleConversationBytes(t *testing.T) {
	n := 200_000
	if testing.Short() {
		n = 20_000
	}
	before := heap()
	a := reassembly.New(reassembly.Limits{}, newSilent)
	var s reassembly.Segment
	for i := range n {
		exchangeOf(a, &s, 1, i, []byte("request"), []byte("response"))
	}
	each := (heap() - before) / n
	t.Logf("%d bytes each", each)
	if each > 200 {
		t.Errorf("%d bytes each", each)
	}
	if got := a.Stats().Known; got != n {
		t.Errorf("%d of %d are known", got, n)
	}
	runtime.KeepAlive(a)
}

func BenchmarkInOrder(b *testing.B) {
	for _, size := range []int{100, 1460} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			a := reassembly.New(reassembly.Limits{}, newSilent)
			var s reassembly.Segment
			payload := make([]byte, size)
			exchangeOf(a, &s, 1, 0, payload, payload)
			seq := uint32(100 + size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				sendTo(a, &s, 1, 0, false, fACK, seq, 300+uint32(size), payload)
				seq += uint32(size)
				if i%2 == 1 {
					sendTo(a, &s, 1, 0, true, fACK, 300+uint32(size), seq, nil)
				}
			}
		})
	}
}

// BenchmarkExchanges: six segments on a connection of its own, from a thousand
// clients in turn.
func BenchmarkExchanges(b *testing.B) {
	a := reassembly.New(reassembly.Limits{}, newSilent)
	var s reassembly.Segment
	request, response := make([]byte, 600), make([]byte, 1200)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		exchangeOf(a, &s, 1, i%1000, request, response)
		sendTo(a, &s, 1, i%1000, false, fRST|fACK, 700, 1500, nil)
		i++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(a.Stats().Segments), "ns/segment")
}

// BenchmarkLossy: every tenth segment is missing, the rest is held until the
// receiver's acknowledgement and a while have gone by.
func BenchmarkLossy(b *testing.B) {
	a := reassembly.New(reassembly.Limits{}, newSilent)
	var s reassembly.Segment
	payload := make([]byte, 1460)
	exchangeOf(a, &s, 1, 0, payload, payload)
	seq, now := uint32(1560), capture.Time(1)
	b.SetBytes(1460)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		now = now.Add(100 * time.Microsecond)
		if i%10 != 0 {
			sendTo(a, &s, now, 0, false, fACK, seq, 1760, payload)
		}
		seq += 1460
		if i%2 == 1 {
			sendTo(a, &s, now, 0, true, fACK, 1760, seq, nil)
		}
	}
}

// BenchmarkHalfOpen: a million half-open conversations, whose next segment
// comes when nothing of them is in the cache any more.
func BenchmarkHalfOpen(b *testing.B) {
	const n = 1 << 20
	a := reassembly.New(reassembly.Limits{Flows: 2 * n, TotalBytes: 1 << 30}, newSilent)
	var s reassembly.Segment
	for i := range n {
		sendTo(a, &s, 1, i, false, fSYN, 99, 0, nil)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i = (i + 7919*131) & (n - 1)
		sendTo(a, &s, 1, i, false, fSYN, 99, 0, nil)
	}
	runtime.KeepAlive(a)
}

// BenchmarkIdleMemory: what a conversation costs that went idle after one
// exchange.
func BenchmarkIdleMemory(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		before := heap()
		a := reassembly.New(reassembly.Limits{}, newSilent)
		var s reassembly.Segment
		for i := range n {
			exchangeOf(a, &s, 1, i, []byte("request"), []byte("response"))
		}
		b.ReportMetric(float64(heap()-before)/n, "B/conversation")
		runtime.KeepAlive(a)
	}
}
