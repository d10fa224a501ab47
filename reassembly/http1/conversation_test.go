package http1_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/http1"
	"github.com/authtap/authtap/reassembly/identify"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// rebuild takes packets the whole way to exchanges.
func rebuild(packets []reassemblytest.Packet) []*exchange.Exchange {
	var all []*exchange.Exchange
	shard := http1.NewShard(http1.Limits{}, func(x *exchange.Exchange) { all = append(all, x.Own()) })
	table := identify.New(identify.Limits{}, shard.Protocol())
	reassemblytest.Run(packets, reassembly.Limits{}, table.New)
	return all
}

// summary is an exchange in a line: request target, status, body lengths, marks.
func summary(x *exchange.Exchange) string {
	s := "-"
	if x.Request.Present {
		s = fmt.Sprintf("%s %s %d", x.Request.Method, x.Request.Target, x.Request.Body.Length)
	}
	if x.Response.Present {
		s += fmt.Sprintf(" = %d %d", x.Response.Status, x.Response.Body.Length)
	}
	if names := x.Names(); len(names) > 0 {
		s += " (" + strings.Join(names, ", ") + ")"
	}
	return s
}

func TestConversations(t *testing.T) {
	for name, c := range map[string]struct{ dialogue, want string }{
		"not HTTP": {"conn a 10.0.0.9:1 10.0.0.2:80\n>> \"\\x16\\x03\\x01\\x00\\x05hello\"\n<< \"SSH-2.0-x\\r\\n\"\nfin", ""},
		"two length": {"conn a 10.0.0.9:1 10.0.0.2:80\n>> \"POST / HTTP/1.1\\r\\nContent-Length: 2\\r\\nContent-Length: 3\\r\\n\\r\\nab\"\n" +
			"<< \"HTTP/1.1 400 Bad\\r\\nContent-Length: 0\\r\\n\\r\\n\"\nfin", "malformed"},
		"a size too large": {"conn a 10.0.0.9:1 10.0.0.2:80\n> GET /a HTTP/1.1\n>\n" +
			"<< \"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nfffffffffffffffff\\r\\n\"\nfin", "malformed"},
		"two framings of an answer": {"conn a 10.0.0.9:1 10.0.0.2:80\n> GET /a HTTP/1.1\n>\n" +
			"<< \"HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n\"\nfin", "malformed"},
		"plain": {"conn a 10.0.0.9:1 10.0.0.2:80\n> GET /a HTTP/1.1\n> Host: h\n>\n< HTTP/1.1 200 OK\n<\n< hello\nfin",
			"GET /a 0 = 200 5"},
		"HEAD has no content": {"conn a 10.0.0.9:1 10.0.0.2:80\n> HEAD /a HTTP/1.1\n>\n<< \"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\n\"\n" +
			"> GET /b HTTP/1.1\n>\n< HTTP/1.1 204 No\n<\nfin", "HEAD /a 0 = 200 0\nGET /b 0 = 204 0"},
		"interim": {"conn a 10.0.0.9:1 10.0.0.2:80\n> POST /a HTTP/1.1\n>\n> hello\n<< \"HTTP/1.1 100 Continue\\r\\n\\r\\n\"\n< HTTP/1.1 201 Made\n<\nfin",
			"POST /a 5 = 201 0"},
		"chunks and a trailer": {"conn a 10.0.0.9:1 10.0.0.2:80\n> GET /a HTTP/1.1\n>\n" +
			"<< \"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n5;x=y\\r\\nhello\\r\\n0\\r\\nX-T: 1\\r\\n\\r\\n\"\nfin", "GET /a 0 = 200 5"},
		"up to the end": {"conn a 10.0.0.9:1 10.0.0.2:80\n> GET /a HTTP/1.0\n>\n<< \"HTTP/1.0 200 OK\\r\\n\\r\\nhello\"\nfin <\nfin >", "GET /a 0 = 200 5"},
		"reset before the end": {"conn a 10.0.0.9:1 10.0.0.2:80\n> GET /a HTTP/1.0\n>\n<< \"HTTP/1.0 200 OK\\r\\n\\r\\nhello\"\nrst <",
			"GET /a 0 = 200 5 (truncated)"},
		"pipelined": {"conn a 10.0.0.9:1 10.0.0.2:80\n>> \"GET /a HTTP/1.1\\r\\n\\r\\nGET /b HTTP/1.1\\r\\n\\r\\n\"\n" +
			"<< \"HTTP/1.1 200 OK\\r\\nContent-Length: 1\\r\\n\\r\\nxHTTP/1.1 404 No\\r\\nContent-Length: 0\\r\\n\\r\\n\"\nfin",
			"GET /a 0 = 200 1\nGET /b 0 = 404 0 (pipelined)"},
		"a request alone": {"conn a 10.0.0.9:1 10.0.0.2:80\nnocapture <\n> GET /a HTTP/1.1\n>\n< HTTP/1.1 200 OK\n<\nfin", "GET /a 0 (unpaired)"},
		"upgrade": {"conn a 10.0.0.9:1 10.0.0.2:80\n> GET /a HTTP/1.1\n> Upgrade: websocket\n>\n< HTTP/1.1 101 Switching\n<\n" +
			">> \"GET /no HTTP/1.1 is not a request here\"\nfin", "GET /a 0 = 101 0 (upgraded)"},
	} {
		d, err := reassemblytest.Parse(name, c.dialogue, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, x := range rebuild(d.Packets()) {
			got = append(got, summary(x))
		}
		all := strings.Join(got, "\n")
		if c.want == "malformed" {
			if !strings.Contains(all, "malformed") {
				t.Errorf("%s: not marked: %s", name, all)
			}
		} else if all != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, all, c.want)
		}
	}
}

// conversationText makes a connection of several exchanges in which each
// request and its response carry the same number.
func conversationText(r *rand.Rand, pipelining bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "conn a 10.0.0.9:%d 10.0.0.2:80 mss=%d isn=%d\n", 1024+r.IntN(60000), 40+r.IntN(400), r.Uint32())
	body := func() string { return strings.Repeat("x", 1+r.IntN(600)) }
	request := func(i int) string {
		if r.IntN(2) == 0 {
			return fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: h\r\nX-Id: %d\r\n\r\n", i, i)
		}
		x := body()
		return fmt.Sprintf("POST /%d HTTP/1.1\r\nHost: h\r\nX-Id: %d\r\nContent-Length: %d\r\n\r\n%s", i, i, len(x), x)
	}
	response := func(i int) string {
		interim := ""
		if r.IntN(6) == 0 {
			interim = "HTTP/1.1 103 Early\r\n\r\n"
		}
		x := body()
		if r.IntN(2) == 0 {
			return fmt.Sprintf("%sHTTP/1.1 200 OK\r\nX-Id: %d\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", interim, i, len(x), x)
		}
		return fmt.Sprintf("%sHTTP/1.1 200 OK\r\nX-Id: %d\r\nContent-Length: %d\r\n\r\n%s", interim, i, len(x), x)
	}
	for i := 0; i < 2+r.IntN(8); {
		n := 1
		if pipelining {
			n = 1 + r.IntN(3)
		}
		var up, down string
		for range n {
			up, down, i = up+request(i), down+response(i), i+1
		}
		fmt.Fprintf(&b, ">> %q\n<< %q\n", up, down)
	}
	b.WriteString("fin\n")
	return b.String()
}

// Whatever is lost, doubled, reordered or never captured: no response is given
// to another request than its own; and without loss each gets its own.
func TestNothingIsPairedWrongly(t *testing.T) {
	seeds := uint64(4000)
	if raceEnabled {
		seeds = 300
	}
	paired, whole := 0, 0
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 7))
		pipelining := r.IntN(4) == 0
		d, err := reassemblytest.Parse("random", conversationText(r, pipelining), nil)
		if err != nil {
			t.Fatal(err)
		}
		undamaged := d.Packets()
		check := func(how string, packets []reassemblytest.Packet, complete bool) {
			for _, x := range rebuild(packets) {
				if !x.Request.Present || !x.Response.Present {
					if complete {
						t.Fatalf("seed %d, %s: %s", seed, how, summary(x))
					}
					continue
				}
				if (x.Request.Damage|x.Response.Damage)&exchange.HeadGap != 0 {
					continue // the number may be what is missing
				}
				if a, b := x.Request.Header.Get("X-Id"), x.Response.Header.Get("X-Id"); a != b {
					t.Fatalf("seed %d, %s: request %s has the response to %s: %s", seed, how, a, b, summary(x))
				}
				if complete {
					whole++
				} else {
					paired++
				}
			}
		}
		check("undamaged", undamaged, true)
		check("split", reassemblytest.Split(undamaged, 1+r.IntN(80), seed), true)
		check("doubled", reassemblytest.Duplicate(undamaged, 0.3, seed), true)
		check("reordered", reassemblytest.Reorder(undamaged, 4, seed), false)
		for _, rate := range []float64{0.02, 0.1, 0.3} {
			lossy := reassemblytest.Drop(undamaged, rate, seed)
			check(fmt.Sprint("loss ", rate), lossy, false)
			check(fmt.Sprint("loss and doubled ", rate), reassemblytest.Duplicate(lossy, 0.3, seed), false)
		}
		check("one side", reassemblytest.DropDirection(undamaged, r.IntN(2) == 0), false)
		check("cut", reassemblytest.Snap(undamaged, 96), false)
		if pipelining {
			continue // a client whose pipelining was never captured cannot be told from one that waits
		}
		check("midstream", reassemblytest.Midstream(undamaged, 1+r.IntN(len(undamaged))), false)
		check("midstream and loss", reassemblytest.Drop(reassemblytest.Midstream(undamaged, 1+r.IntN(len(undamaged))), 0.1, seed), false)
	}
	t.Logf("%d pairs undamaged, %d of damaged captures", whole, paired)
}

// FuzzConversation feeds two streams in pieces: nothing panics, what is held is
// bounded, and pieces of other sizes give the same exchanges. Some things depend
// on where a segment ends, and have to: a response without a request is given up
// there, and so are from then on requests without a response, so that their place
// among the others, and whether two of them wait at a time, does; and what is no
// HTTP is passed over up to a segment that begins with a message.
func FuzzConversation(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), uint8(3))
	f.Add([]byte("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), []byte("HTTP/1.1 100 C\r\n\r\nHTTP/1.0 204 N\r\n\r\n"), uint8(1))
	f.Add([]byte("HTTP/1.0 204\n\n0"), []byte("0\n\n0\n\n"), uint8(3))
	f.Add([]byte("HTTP/1.0 204\n\n"), []byte("0\n\n0\n\n0\n"), uint8(1))
	f.Add([]byte("0  HTTP/1.0  \r        \n"), []byte("0"), uint8(21))
	f.Fuzz(func(t *testing.T, up, down []byte, size uint8) {
		run := func(size int) ([]*exchange.Exchange, http1.Stats) {
			var got []*exchange.Exchange
			limits := http1.Limits{HeaderBytes: 4096, BodyBytes: 1024, EncodedBytes: 4096, DecodedBytes: 65536, HeldBytes: 1 << 20}
			shard := http1.NewShard(limits, func(x *exchange.Exchange) { got = append(got, x.Own()) })
			table := identify.New(identify.Limits{}, shard.Protocol())
			p := table.New(reassembly.Start{Handshake: true, Client: reassembly.AtoB})
			order := uint64(0)
			for d, b := range [2][]byte{up, down} {
				for seq := uint32(1); len(b) > 0; {
					n := min(size, len(b))
					order++
					p.Feed(&reassembly.Chunk{Dir: reassembly.Direction(d), Bytes: slices.Clone(b[:n]), Seq: seq, Ack: 1 + uint32(d*len(up)), HasAck: true,
						Origin: reassembly.Origin{Order: order}})
					b, seq = b[n:], seq+uint32(n)
				}
			}
			if h := shard.Stats().Held; h > 2<<20 {
				t.Fatalf("%d bytes are held", h)
			}
			p.End(reassembly.AtoB, reassembly.EndFIN, reassembly.Origin{})
			p.End(reassembly.BtoA, reassembly.EndFIN, reassembly.Origin{})
			slices.SortStableFunc(got, func(a, b *exchange.Exchange) int { return cmp.Compare(orphan(a), orphan(b)) })
			return got, shard.Stats()
		}
		whole, one := run(1 << 20)
		pieces, other := run(1 + int(size))
		if one.Resumed+other.Resumed > 0 {
			return
		}
		summaries := func(all []*exchange.Exchange) (list []string) {
			for _, x := range all {
				if one.Orphaned > 0 {
					x.Flags &^= exchange.Pipelined
				}
				list = append(list, summary(x))
			}
			return list
		}
		if a, b := summaries(whole), summaries(pieces); one.Orphaned != other.Orphaned || !slices.Equal(a, b) {
			t.Fatalf("whole: %q\nin pieces of %d: %q", a, 1+int(size), b)
		}
	})
}

// orphan is 1 for a response without a request.
func orphan(x *exchange.Exchange) int {
	if x.Request.Present {
		return 0
	}
	return 1
}
