package http1_test

import (
	"testing"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/http1"
	"github.com/authtap/authtap/reassembly/identify"
)

// FuzzParser feeds a conversation with chunks, gaps, conflicts and ends in any
// order. The first input says what comes, three bytes a step (what, how much,
// what it acknowledges); the others are what the sides say. Nothing panics,
// limits hold, what is held is given back, and every exchange is counted as
// what it is.
func FuzzParser(f *testing.F) {
	up := get("1") + "POST /2 HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n3;a\r\nabc\r\n0\r\nX-T: 1\r\n\r\n" +
		"HEAD /3 HTTP/1.1\r\nX-A: b\r\n c\r\n\r\n" + get("4") + "CONNECT a:1 HTTP/1.1\r\n\r\nabc"
	down := ok("1") + "HTTP/1.1 100 Continue\r\n\r\n" + ok("2") + "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" +
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n19\r\n" +
		coded(f, "gzip", "a")[:25] + "\r\n0\r\n\r\nHTTP/1.0 200 OK\r\n\r\nabc"
	for _, steps := range []string{
		"\x00\xff\x00\x01\xff\x00", "\x00\x20\x00\x01\x20\x00\x04\x01\x00\x05\x10\x00\x08\x00\x00\x00\x20\x00\x01\x50\x00",
		"\x80\x30\x00\x81\x30\x01\x0c\x00\x00\x0d\x00\x00", "\x00\x30\x05\x01\x30\x05\x04\x10\x00\x00\x60\x00\x01\xff\x03",
	} {
		f.Add([]byte(steps), []byte(up), []byte(down))
	}
	limits := http1.Limits{HeaderBytes: 200, HeaderLines: 4, BodyBytes: 20, EncodedBytes: 40, DecodedBytes: 60, Pending: 3, HeldBytes: 16 << 10}
	f.Fuzz(func(t *testing.T, steps, up, down []byte) {
		var given uint64
		check := func(m *exchange.Message, size int) {
			if !m.Present && (m.Header != nil || m.Body.Length != 0) || len(m.Header) > limits.HeaderLines || len(m.Trailer) > limits.HeaderLines ||
				len(m.Body.Bytes) > limits.BodyBytes || int64(len(m.Body.Bytes)) > m.Body.Length || m.Body.Length > int64(max(size, limits.DecodedBytes)) {
				t.Fatalf("%+v", m)
			}
		}
		total := 0
		shard := http1.NewShard(limits, func(x *exchange.Exchange) {
			given++
			check(&x.Request, total)
			check(&x.Response, total)
			if unpaired := !x.Request.Present || !x.Response.Present; unpaired != (x.Flags&exchange.Unpaired != 0) || !x.Request.Present && !x.Response.Present {
				t.Fatal(describe(x))
			}
		})
		table := identify.New(identify.Limits{HeldBytes: 64, Tries: 8}, shard.Protocol())
		p := table.New(reassembly.Start{Client: reassembly.AtoB, Handshake: len(steps) > 0 && steps[0]&0x80 == 0})
		said := [2][]byte{up, down}
		seq := [2]uint32{0xfffffff0, 7}
		var ended [2]bool
		order := uint64(0)
		for ; len(steps) >= 3 && order < 1000; steps = steps[3:] {
			order++
			at := reassembly.Origin{Order: order}
			d := reassembly.Direction(steps[0] & 1)
			n := min(int(steps[1]), len(said[d]))
			k := reassembly.Chunk{Dir: d, Seq: seq[d], Ack: seq[d.Reverse()] - uint32(steps[2]), HasAck: steps[2] != 0xff, Conflict: steps[0]&0x10 != 0, Origin: at}
			switch {
			case ended[d]:
				continue
			case steps[0]&0x0c == 0x0c:
				why := reassembly.End(int(steps[1]) % reassembly.Ends)
				for e := range ended {
					if !ended[e] && (why != reassembly.EndFIN || reassembly.Direction(e) == d) {
						ended[e] = true
						p.End(reassembly.Direction(e), why, at)
					}
				}
				continue
			case steps[0]&0x04 != 0:
				k.Gap = uint64(steps[1])
				total += int(steps[1])
				n = min(n, int(steps[2])) // some of it was never there
			case steps[0]&0x08 != 0:
				k.Conflict, n = true, 0
			default:
				k.Bytes = said[d][:n]
				total += n
			}
			said[d] = said[d][n:]
			seq[d] += uint32(len(k.Bytes)) + uint32(k.Gap)
			if len(k.Bytes) > 0 || k.Gap > 0 || k.Conflict {
				p.Feed(&k)
			}
			if held := shard.Stats().Held; held > limits.HeldBytes+(64<<10) {
				t.Fatalf("%d bytes are held", held)
			}
		}
		for d := range ended {
			if !ended[d] {
				p.End(reassembly.Direction(d), reassembly.EndShutdown, reassembly.Origin{Order: order})
			}
		}
		if st := shard.Stats(); st.Held != 0 || st.Paired+st.Unanswered+st.Orphaned != given {
			t.Fatalf("%d exchanges, %+v", given, st)
		}
	})
}
