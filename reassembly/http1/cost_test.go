package http1_test

import (
	"bytes"
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
