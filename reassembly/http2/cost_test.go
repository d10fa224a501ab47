package http2_test

import (
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	h2 "github.com/authtap/authtap/reassembly/http2"
	"github.com/authtap/authtap/reassembly/identify"
)

// A segment within a DATA frame allocates nothing.
func TestSegmentsWithinDataAllocateNothing(t *testing.T) {
	shard := h2.NewShard(h2.Limits{BodyBytes: 4096}, func(*exchange.Exchange) {})
	p := shard.New(start(true))
	w := newWire()
	for _, s := range talked(">1 GET /a .", "<1 200") {
		d, b := w.bytes(s)
		p.Feed(&reassembly.Chunk{Dir: d, Bytes: b})
	}
	c := &reassembly.Chunk{Dir: toClient, Bytes: append([]byte{0, 0x05, 0xab, 0, 0, 0, 0, 0, 1}, make([]byte, 1451)...)}
	for range 8 { // what is kept of the body
		p.Feed(c)
	}
	if n := testing.AllocsPerRun(1000, func() { p.Feed(c) }); n > 0 || shard.Stats().Lost > 0 {
		t.Errorf("%v allocations a segment, %+v", n, shard.Stats())
	}
}

// spoken gives the bytes of a conversation's beginning, and those of exchanges
// on it, as an API speaks: a token that is in the tables, content in JSON.
func spoken(n int) (begin, up, down [][]byte) {
	w := newWire()
	bytesOf := func(s string) []byte { _, b := w.bytes(s); return b }
	for _, s := range hello {
		begin = append(begin, bytesOf(s))
	}
	token := "authorization=Bearer_" + strings.Repeat("aZ09-x", 66)
	for i := range n {
		id := strconv.Itoa(2*i + 1)
		up = append(up, slices.Concat(bytesOf(">"+id+" POST /api/orders/"+id+" :authority=api.test "+token+" content-type=application/json content-length=300 user-agent=x/1.0 accept=*/*"),
			bytesOf(">"+id+" :"+strings.Repeat("b", 300)+" .")))
		down = append(down, slices.Concat(bytesOf("<"+id+" 200 content-type=application/json date=Fri,_02_Jan_2026_03:04:"+id+"_GMT content-length=1500"),
			bytesOf("<"+id+" :"+strings.Repeat("c", 1500)+" .")))
	}
	return begin, up, down
}

// BenchmarkExchange takes connections of 10 exchanges each.
func BenchmarkExchange(b *testing.B) {
	const each = 10
	begin, up, down := spoken(each)
	seen, size := 0, 0
	for i := range up {
		size += len(up[i]) + len(down[i])
	}
	shard := h2.NewShard(h2.Limits{}, func(*exchange.Exchange) { seen++ })
	table := identify.New(identify.Limits{}, shard.Protocol())
	b.SetBytes(int64(size / each))
	b.ReportAllocs()
	c := &reassembly.Chunk{}
	var p reassembly.Parser
	at := each
	for b.Loop() {
		if at == each {
			if p != nil {
				p.End(toServer, reassembly.EndFIN, reassembly.Origin{})
				p.End(toClient, reassembly.EndFIN, reassembly.Origin{})
			}
			p, at = table.New(*start(true)), 0
			for i, s := range begin {
				c.Dir, c.Bytes = reassembly.Direction(i&1), s
				p.Feed(c)
			}
		}
		c.Dir, c.Bytes = toServer, up[at]
		p.Feed(c)
		c.Dir, c.Bytes = toClient, down[at]
		p.Feed(c)
		at++
	}
	if seen == 0 || shard.Stats().Lost+shard.Stats().Malformed > 0 {
		b.Fatalf("%+v", shard.Stats())
	}
}

// A conversation that is idle takes its parser and what its tables hold.
func TestIdleConversationsAreSmall(t *testing.T) {
	const n = 20000
	_, up, down := spoken(1)
	shard := h2.NewShard(h2.Limits{HeldBytes: 1 << 30}, func(*exchange.Exchange) {})
	parsers := make([]reassembly.Parser, n)
	s := start(true)
	runtime.GC()
	before := heap()
	for i := range parsers {
		p := shard.New(s)
		w := newWire()
		for _, step := range hello {
			d, b := w.bytes(step)
			p.Feed(&reassembly.Chunk{Dir: d, Bytes: b})
		}
		parsers[i] = p
	}
	bare := (heap() - before) / n
	for _, p := range parsers {
		p.Feed(&reassembly.Chunk{Dir: toServer, Bytes: up[0]})
		p.Feed(&reassembly.Chunk{Dir: toClient, Bytes: down[0]})
	}
	used := (heap() - before) / n
	held := int64(shard.Stats().Held / n)
	t.Logf("%d bytes for a conversation, %d with its tables, %d of them counted", bare, used, held)
	if bare > 320 || used > bare+2*held {
		t.Errorf("an idle conversation takes %d bytes, %d with its tables, of which %d are counted", bare, used, held)
	}
	runtime.KeepAlive(parsers)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
