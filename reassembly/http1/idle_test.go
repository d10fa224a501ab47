package http1_test

import (
	"runtime"
	"testing"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/http1"
	"github.com/authtap/authtap/reassembly/identify"
)

// A conversation that is idle after one exchange takes at most 400 bytes, all
// told: table, streams, identification and parser.
func TestIdleConversationsAreSmall(t *testing.T) {
	n := 1_000_000
	if testing.Short() || raceEnabled {
		n = 50_000
	}
	seen := 0
	shard := http1.NewShard(http1.Limits{}, func(*exchange.Exchange) { seen++ })
	table := identify.New(identify.Limits{}, shard.Protocol())
	a := reassembly.New(reassembly.Limits{TotalBytes: 1 << 30}, table.New)
	before := heap()
	request := []byte("GET /api/items HTTP/1.1\r\nHost: api.test\r\n\r\n")
	response := []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	for i := range n {
		conversation(a, i, request, response)
	}
	after := heap()
	if seen != n {
		t.Fatalf("%d exchanges of %d", seen, n)
	}
	each := (int64(after) - int64(before)) / int64(n)
	t.Logf("%d bytes for each of %d conversations", each, n)
	if each > 400 {
		t.Errorf("an idle conversation takes %d bytes", each)
	}
	runtime.KeepAlive(a)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// conversation feeds a handshake and one exchange.
func conversation(a *reassembly.Assembler, i int, request, response []byte) {
	var client, server reassembly.Addr
	client[10], client[11], server[10], server[11] = 0xff, 0xff, 0xff, 0xff
	client[12], client[13], client[14], client[15] = 10, byte(i>>16), byte(i>>8), byte(i)
	server[12], server[15] = 192, 1
	key, dir := reassembly.NewFlowKey(reassembly.Network{}, client, server, 40000, 80)
	at := uint64(i) * 5
	send := func(d reassembly.Direction, flags uint8, seq, ack uint32, payload []byte) {
		at++
		a.Segment(&reassembly.Segment{Key: key, Dir: d, Flags: flags, Window: 65535, Seq: seq, Ack: ack, Payload: payload,
			Origin: reassembly.Origin{Order: at, Number: at, Time: capture.Time(at) * 1000}})
	}
	up, down := uint32(1000), uint32(5000)
	send(dir, reassembly.SYN, up, 0, nil)
	send(dir.Reverse(), reassembly.SYN|reassembly.ACK, down, up+1, nil)
	send(dir, reassembly.ACK, up+1, down+1, nil)
	send(dir, reassembly.ACK|reassembly.PSH, up+1, down+1, request)
	send(dir.Reverse(), reassembly.ACK|reassembly.PSH, down+1, up+1+uint32(len(request)), response)
	send(dir, reassembly.ACK, up+1+uint32(len(request)), down+1+uint32(len(response)), nil)
}
