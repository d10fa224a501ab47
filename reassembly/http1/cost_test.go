package http1_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/http1"
	"github.com/authtap/authtap/reassembly/identify"
)

// A segment that completes no message allocates nothing: in a body that is not
// kept any further, and within a chunk of a chunked one.
func TestSegmentsWithinAMessageAllocateNothing(t *testing.T) {
	for name, head := range map[string]string{
		"length":  "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n",
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3b9aca00\r\n",
		"close":   "HTTP/1.1 200 OK\r\n\r\n",
	} {
		shard := http1.NewShard(http1.Limits{BodyBytes: 4096}, func(*exchange.Exchange) {})
		p := identify.New(identify.Limits{}, shard.Protocol()).New(reassembly.Start{Handshake: true, Client: reassembly.AtoB})
		request := []byte("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		p.Feed(&reassembly.Chunk{Dir: reassembly.AtoB, Bytes: request, Seq: 1, Ack: 1, HasAck: true})
		c := &reassembly.Chunk{Dir: reassembly.BtoA, Seq: 1, Ack: 1 + uint32(len(request)), HasAck: true}
		feed := func(b []byte) {
			c.Bytes = b
			p.Feed(c)
			c.Seq += uint32(len(b))
		}
		feed([]byte(head))
		data := bytes.Repeat([]byte("x"), 1460)
		for range 8 { // what is kept of the body
			feed(data)
		}
		if n := testing.AllocsPerRun(1000, func() { feed(data) }); n > 0 {
			t.Errorf("%s: %v allocations a segment", name, n)
		}
	}
}

func BenchmarkExchange(b *testing.B) {
	request := []byte("POST /api/orders HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer " + strings.Repeat("a", 400) +
		"\r\nContent-Type: application/json\r\nContent-Length: 300\r\nUser-Agent: x/1.0\r\nAccept: */*\r\n\r\n" + strings.Repeat("b", 300))
	response := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Fri, 02 Jan 2026 03:04:05 GMT\r\nContent-Length: 1500\r\n\r\n" +
		strings.Repeat("c", 1500))
	shard := http1.NewShard(http1.Limits{}, func(*exchange.Exchange) {})
	p := identify.New(identify.Limits{}, shard.Protocol()).New(reassembly.Start{Handshake: true, Client: reassembly.AtoB})
	up := &reassembly.Chunk{Dir: reassembly.AtoB, Bytes: request, Seq: 1, Ack: 1, HasAck: true}
	down := &reassembly.Chunk{Dir: reassembly.BtoA, Bytes: response, Seq: 1, Ack: 1, HasAck: true}
	b.SetBytes(int64(len(request) + len(response)))
	b.ReportAllocs()
	for b.Loop() {
		p.Feed(up)
		up.Seq += uint32(len(request))
		down.Ack = up.Seq
		p.Feed(down)
		down.Seq += uint32(len(response))
		up.Ack = down.Seq
	}
}

// An exchange whose memory was another's takes two allocations: the messages'
// heads.
func TestExchangeAllocations(t *testing.T) {
	n := 0
	var pool exchange.Pool
	shard := http1.NewShard(http1.Limits{}, func(x *exchange.Exchange) {
		n++
		pool.Put(x)
	})
	shard.Exchanges(&pool)
	k := newTalk(shard.New(start(true), nil))
	chunk := func(d reassembly.Direction, s string) *reassembly.Chunk {
		return &reassembly.Chunk{Dir: d, Bytes: []byte(s), HasAck: true}
	}
	request, response := chunk(toServer, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab"), chunk(toClient, ok("1"))
	feed := func() {
		for _, c := range []*reassembly.Chunk{request, response} {
			c.Seq, c.Ack = k.seq[c.Dir], k.seq[c.Dir.Reverse()]
			k.seq[c.Dir] += uint32(len(c.Bytes))
			k.parser.Feed(c)
		}
	}
	if got := testing.AllocsPerRun(1000, feed); got > 2 || n != 1001 {
		t.Errorf("%v allocations for each of %d exchanges", got, n)
	}
}

// Bodies: long ones that are passed over, and decoded ones.
func BenchmarkBody(b *testing.B) {
	content := strings.Repeat(`{"id": 17, "name": "some name", "price": 12.5}, `, 2000)
	for _, c := range []struct{ name, coding, content string }{
		{"plain", "identity", content}, {"gzip", "gzip", coded(b, "gzip", content)}, {"br", "br", coded(b, "br", content)}, {"zstd", "zstd", coded(b, "zstd", content)},
	} {
		b.Run(c.name, func(b *testing.B) {
			shard := http1.NewShard(http1.Limits{}, func(*exchange.Exchange) {})
			k := newTalk(shard.New(start(true), nil))
			request := []byte(get("1"))
			head := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n", c.coding, len(c.content))
			body := []byte(c.content)
			c := &reassembly.Chunk{HasAck: true}
			feed := func(d reassembly.Direction, p []byte) {
				c.Dir, c.Bytes, c.Seq, c.Ack = d, p, k.seq[d], k.seq[d.Reverse()]
				k.parser.Feed(c)
				k.seq[d] += uint32(len(p))
			}
			b.SetBytes(int64(len(content))) // decoded
			b.ReportAllocs()
			for b.Loop() {
				feed(toServer, request)
				feed(toClient, head)
				for p := body; len(p) > 0; {
					n := min(1460, len(p))
					feed(toClient, p[:n])
					p = p[n:]
				}
			}
		})
	}
}
