package http2_test

import (
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	h2 "github.com/authtap/authtap/reassembly/http2"
	"github.com/authtap/authtap/reassembly/identify"
	"github.com/authtap/authtap/reassembly/websocket"
)

// FuzzHTTP2 feeds a conversation with chunks, gaps, conflicts and ends in any
// order. The first input says what comes, two bytes a step (what, how much);
// the others are what the sides say. Nothing panics, limits hold, what is held
// is given back, and every exchange is counted as what it is.
func FuzzHTTP2(f *testing.F) {
	script := talked(">1 POST /a x=1 cookie=a cookie=b", ">1 :abc .", "<1 promise 2 GET /p", "<1 200 x=2 content-encoding=gzip", "<2 200 .", "<1 :def", "<1 +t=1 .",
		">3 CONNECT h:1", "<3 200", ">3 :in", ">5 - :method=CONNECT :protocol=websocket :scheme=http :path=/ :authority=h", "<5 200", "<5 :\x81\x01a",
		">table 0", "<ack", "<size 0", ">7 GET /b x=1 .", "<7 404 x=2 .", ">1 reset", "<goaway 7", ">9 HEAD /c .", "<9 200 content-length=7 .")
	for _, form := range []struct{ split, pad int }{{0, 0}, {4, 3}} {
		w := newWire()
		w.split, w.pad = form.split, form.pad
		var said [2]strings.Builder
		var steps []byte
		for _, s := range script {
			d, b := w.bytes(s)
			said[d].Write(b)
			for n := len(b); n > 0; n -= 255 {
				steps = append(steps, byte(d), byte(min(n, 255)))
			}
		}
		f.Add(steps, []byte(said[0].String()), []byte(said[1].String()))
		f.Add(append([]byte{0x80, 0x70, 0x04, 9, 0, 20, 0x14, 3}, steps...), []byte(said[0].String()), []byte(said[1].String()))
	}
	limits := h2.Limits{HeaderBytes: 200, HeaderLines: 6, Continuations: 5, TableBytes: 300, Settings: 3, Streams: 4, BodyBytes: 20, EncodedBytes: 40, DecodedBytes: 60, HeldBytes: 32 << 10}
	f.Fuzz(func(t *testing.T, steps, up, down []byte) {
		var given uint64
		total := 0
		check := func(m *exchange.Message) {
			if !m.Present && (m.Header != nil || m.Body.Length != 0 || m.Damage != 0) || len(m.Header) > limits.HeaderLines+1 ||
				len(m.Body.Bytes) > limits.BodyBytes || int64(len(m.Body.Bytes)) > m.Body.Length || m.Body.Length > int64(max(total, limits.DecodedBytes))+1<<24 {
				t.Fatalf("%+v", m)
			}
			for _, f := range m.Header {
				if f.Name == "" || f.Name[0] == ':' {
					t.Fatalf("%+v", m)
				}
			}
		}
		shard := h2.NewShard(limits, func(x *exchange.Exchange) {
			given++
			check(&x.Request)
			check(&x.Response)
			if unpaired := !x.Request.Present || !x.Response.Present; unpaired != (x.Flags&exchange.Unpaired != 0) || !x.Request.Present && !x.Response.Present {
				t.Fatal(describe(x))
			}
		})
		var ws websocket.Shard
		shard.WebSockets(ws.New)
		table := identify.New(identify.Limits{HeldBytes: 64, Tries: 8}, shard.Protocol())
		start := reassembly.Start{Client: reassembly.AtoB, Handshake: len(steps) > 0 && steps[0]&0x80 == 0}
		var p reassembly.Parser
		switch {
		case len(steps) > 1 && steps[1]&0xc0 == 0xc0:
			p = shard.Upgrade(&start, reassembly.AtoB, &exchange.Exchange{Request: exchange.Message{Present: true}}, "AAEAAAAA")
		case len(steps) > 1 && steps[1]&0x80 != 0:
			p = shard.New(&start)
		default:
			p = table.New(start)
		}
		said := [2][]byte{up, down}
		var ended [2]bool
		order := uint64(0)
		for ; len(steps) >= 2 && order < 1000; steps = steps[2:] {
			order++
			at := reassembly.Origin{Order: order}
			d := reassembly.Direction(steps[0] & 1)
			n := min(int(steps[1]), len(said[d]))
			k := reassembly.Chunk{Dir: d, Conflict: steps[0]&0x10 != 0, Origin: at}
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
				if k.Gap = uint64(steps[1]); steps[0]&0x20 != 0 {
					k.Gap = reassembly.UnknownGap
				}
				total += int(steps[1])
			case steps[0]&0x08 != 0:
				k.Conflict, n = true, 0
			default:
				k.Bytes = said[d][:n]
				total += n
			}
			said[d] = said[d][n:]
			if len(k.Bytes) > 0 || k.Gap > 0 || k.Conflict {
				p.Feed(&k)
			}
			if held := shard.Stats().Held; held < 0 || held > limits.HeldBytes+(64<<10) {
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
