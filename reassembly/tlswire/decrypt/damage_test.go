package decrypt_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/http1"
	"github.com/authtap/authtap/reassembly/identify"
	"github.com/authtap/authtap/reassembly/tlswire"
	"github.com/authtap/authtap/reassembly/tlswire/decrypt"
	"github.com/authtap/authtap/reassembly/tlswire/secret"
)

// bridged are configurations of each kind of protection that outlives a lost
// record.
var bridged = []string{
	"TLS 1.3",
	"TLS 1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
	"TLS 1.2 TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
	"TLS 1.2 TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
	"TLS 1.1 TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
	"TLS 1.0 TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
}

const brittle = "TLS 1.2 TLS_ECDHE_RSA_WITH_RC4_128_SHA"

// lines are n different ones.
func lines(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%04d%s|", i, strings.Repeat(".", i*37%400)))
	}
	return all
}

// subsequent reports whether what was noted of a direction is what was said,
// with pieces missing only where there is a gap.
func subsequent(text, who, truth string) error {
	at, gap := []int{0}, false // where the next piece may begin
	for line := range strings.Lines(text) {
		w, rest, _ := strings.Cut(line, " ")
		if w != who {
			continue
		}
		var s string
		if n, _ := fmt.Sscanf(rest, "%q", &s); n != 1 {
			gap = gap || strings.HasPrefix(rest, "gap")
			continue
		}
		var next []int
		if gap {
			for i := at[0]; i <= len(truth); i++ {
				if strings.HasPrefix(truth[i:], s) {
					next = append(next, i+len(s))
				}
			}
		} else {
			for _, i := range at {
				if strings.HasPrefix(truth[i:], s) {
					next = append(next, i+len(s))
				}
			}
		}
		if len(next) == 0 {
			return fmt.Errorf("%s: %q does not follow, gap %v", who, s, gap)
		}
		at, gap = next, false
	}
	return nil
}

// Whatever is lost, what is given was said, in order, with gaps where something
// is missing.
func TestLossTellsNoLies(t *testing.T) {
	says := lines(30)
	all := strings.Join(says, "")
	for _, name := range append([]string{brittle}, bridged...) {
		c := configs()[name]
		turns, log := talk(t, c[0], c[1], says...)
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				size := rapid.SampledFrom([]int{20, 100, 333, 1460}).Draw(t, "size")
				loss := rapid.IntRange(0, 20).Draw(t, "percent")
				late := rapid.Bool().Draw(t, "late secrets")
				random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
				tap := newTap(decrypt.Limits{}, nil)
				tap.store.Expect()
				if !late {
					tap.store.AddLines(log, 0)
				}
				lost := false
				for i, turn := range turns {
					if late && i == len(turns)/2 {
						tap.store.AddLines(log, 0)
					}
					for b := turn.bytes; len(b) > 0; {
						n := min(len(b), size)
						lose := random.IntN(100) < loss
						lost = lost || lose
						tap.feed(turn.server, b[:n], lose)
						b = b[n:]
					}
				}
				text := tap.end()
				if err := subsequent(text, "client", all); err != nil {
					t.Fatalf("%v in\n%s", err, text)
				}
				if err := subsequent(text, "server", "re: "+strings.Join(says, "re: ")); err != nil {
					t.Fatalf("%v in\n%s", err, text)
				}
				if !lost && content(text)[0] != all {
					t.Fatalf("nothing was lost, and not all is there:\n%s", text)
				}
				if tap.Stats().Held != 0 {
					t.Fatalf("%+v", tap.Stats())
				}
			})
		})
	}
}

// One lost segment costs the records in it, wherever it is after the hellos.
func TestLossIsBridged(t *testing.T) {
	says := lines(12)
	for _, name := range bridged {
		c := configs()[name]
		turns, log := talk(t, c[0], c[1], says...)
		for i, turn := range turns {
			// The hellos must be there, and what the client needs to be read
			// on: up to TLS 1.2, that it changes to encryption.
			if len(turn.bytes) < 40 || turn.bytes[0] == 22 && (turn.bytes[5] == 1 || turn.bytes[5] == 2) {
				continue
			}
			tap := newTap(decrypt.Limits{}, log)
			for j, other := range turns {
				if j != i {
					tap.feed(other.server, other.bytes, false)
					continue
				}
				tap.feed(other.server, other.bytes[:20], false)
				tap.feed(other.server, other.bytes[20:30], true)
				tap.feed(other.server, other.bytes[30:], false)
			}
			text := tap.end()
			got := content(text)
			if last := says[len(says)-1]; i < len(turns)-8 && (!strings.HasSuffix(got[0], last) || !strings.HasSuffix(got[1], last)) {
				t.Errorf("%s, turn %d of %d is cut: %q\n%+v", name, i, len(turns), text, tap.Stats())
			}
			if n := strings.Count(got[0], "|"); n < len(says)-2 {
				t.Errorf("%s, turn %d of %d is cut: %d lines of the client are left", name, i, len(turns), n)
			}
		}
	}
}

// Of many lost records the next ones are found.
func TestManyLostRecords(t *testing.T) {
	says := lines(decrypt.Bridge + 40)
	for _, name := range bridged {
		c := configs()[name]
		turns, log := talk(t, c[0], c[1], says...)
		for _, lost := range []int{1, 30, decrypt.Bridge - 4, decrypt.Bridge + 20} {
			tap := newTap(decrypt.Limits{}, log)
			client := 0
			for _, turn := range turns {
				if !turn.server {
					client++
				}
				tap.feed(turn.server, turn.bytes, !turn.server && client > 10 && client <= 10+lost)
			}
			text := tap.end()
			found := strings.HasSuffix(content(text)[0], says[len(says)-1])
			if want := lost <= decrypt.Bridge-2; found != want {
				t.Errorf("%s, %d records lost: found %v, %+v", name, lost, found, tap.Stats())
			}
			if s := tap.Stats(); found && s.Bridged < uint64(lost) {
				t.Errorf("%s, %d records lost: %+v", name, lost, s)
			}
		}
	}
}

// A record that was changed on its way is not given; what follows is.
func TestForgedRecord(t *testing.T) {
	says := lines(12)
	for _, name := range bridged {
		c := configs()[name]
		turns, log := talk(t, c[0], c[1], says...)
		tap := newTap(decrypt.Limits{}, log)
		forged := -1
		for i, turn := range turns {
			b := slices.Clone(turn.bytes)
			if forged < 0 && i > len(turns)/2 && !turn.server && len(b) > 60 {
				forged = i
				b[len(b)-1] ^= 1
			}
			tap.feed(turn.server, b, false)
		}
		text := tap.end()
		if err := subsequent(text, "client", strings.Join(says, "")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := content(text)[0]; !strings.Contains(text, "client gap") || !strings.HasSuffix(got, says[len(says)-1]) || strings.Count(got, "|") != len(says)-1 || tap.Stats().Unopened == 0 {
			t.Errorf("%s, turn %d of %d: %q\n%+v", name, forged, len(turns), text, tap.Stats())
		}
	}
}

// listener parses what is in a connection as the program does.
func listener(log []byte) (reassembly.Parser, *decrypt.Shard, *[]*exchange.Exchange) {
	store := secret.NewStore(secret.Limits{})
	store.AddLines(log, 0)
	given := new([]*exchange.Exchange)
	h := http1.NewShard(http1.Limits{}, func(x *exchange.Exchange) {
		x.Request.Body.Bytes, x.Response.Body.Bytes = bytes.Clone(x.Request.Body.Bytes), bytes.Clone(x.Response.Body.Bytes)
		*given = append(*given, x)
	})
	var table *identify.Table
	d := decrypt.NewShard(decrypt.Limits{}, store, func(s reassembly.Start) reassembly.Parser { return table.New(s) })
	s := tlswire.NewShard(tlswire.Limits{}, func(*exchange.Handshake) {}, d.Open)
	table = identify.New(identify.Limits{}, h.Protocol(), s.Protocol())
	return table.New(reassembly.Start{Client: reassembly.AtoB, Handshake: true}), d, given
}

// requests are n with an answer each that names it.
func requests(n int) (all []string) {
	for i := range n {
		body := strings.Repeat("x", i*i%700)
		all = append(all, fmt.Sprintf("POST /%d HTTP/1.1\r\nHost: api.test\r\nContent-Length: %d\r\n\r\n%s", i, len(body), body))
	}
	return all
}

// answered has a server answer each request with its number, in a body.
func answered(t testing.TB, name string, n int) (turns []turn, log []byte) {
	c := configs()[name]
	says := requests(n)
	return talkWith(t, c[0], c[1], says, func(said string) string {
		var i int
		fmt.Sscanf(said, "POST /%d ", &i)
		body := fmt.Sprintf("%d%s", i, strings.Repeat(" ", i*i*3%900))
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nX-Number: %d\r\nContent-Length: %d\r\n\r\n%s", i, len(body), body)
	})
}

// HTTP in undamaged connections is paired; of a damaged one no request gets the
// answer of another, and no content of it.
func TestExchanges(t *testing.T) {
	for _, name := range append([]string{brittle}, bridged...) {
		turns, log := answered(t, name, 20)
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				loss := rapid.SampledFrom([]int{0, 1, 3, 10, 30}).Draw(t, "percent")
				size := rapid.SampledFrom([]int{50, 200, 1460}).Draw(t, "size")
				random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
				p, d, given := listener(log)
				tap := tap{Shard: d, parser: p}
				lost := false
				for _, turn := range turns {
					for b := turn.bytes; len(b) > 0; {
						n := min(len(b), size)
						lose := random.IntN(100) < loss
						lost = lost || lose
						tap.feed(turn.server, b[:n], lose)
						b = b[n:]
					}
				}
				tap.end()
				paired := 0
				for _, x := range *given {
					if x.TLS != exchange.Decrypted {
						t.Fatalf("%s: %v", x.Request.Target, x.TLS)
					}
					if !x.Request.Present || !x.Response.Present {
						continue
					}
					paired++
					if number := x.Response.Header.Get("X-Number"); x.Request.Target != "/"+number {
						t.Fatalf("%s is answered with %s", x.Request.Target, number)
					}
					if x.Response.Damage.Whole() && !strings.HasPrefix(string(x.Response.Body.Bytes), x.Request.Target[1:]) {
						t.Fatalf("%s: %q", x.Request.Target, x.Response.Body.Bytes)
					}
				}
				if !lost && (paired != 20 || len(*given) != 20) {
					t.Fatalf("%d of %d are paired", paired, len(*given))
				}
			})
		})
	}
}

// What one side says is not told before what it answers, in whatever order the
// directions were captured.
func TestDirectionsOutOfOrder(t *testing.T) {
	says := lines(10)
	for _, name := range bridged {
		c := configs()[name]
		turns, log := talk(t, c[0], c[1], says...)
		want := newTap(decrypt.Limits{}, log)
		want.play(turns, 1<<20)
		ordered := want.end()
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				tap := newTap(decrypt.Limits{}, nil)
				tap.store.Expect()
				var chunks []reassembly.Chunk
				for _, turn := range turns {
					d := direction(turn.server)
					chunks = append(chunks, reassembly.Chunk{Dir: d, Bytes: turn.bytes, Seq: tap.seq[d], Ack: tap.seq[1-d], HasAck: true})
					tap.seq[d] += uint32(len(turn.bytes))
				}
				late := rapid.IntRange(0, len(chunks)).Draw(t, "secrets before")
				for i := 0; i < len(chunks); i++ {
					// A chunk may be captured a few places early, but within its
					// direction, and behind the hellos.
					for j := i; j > 2 && chunks[j].Dir != chunks[j-1].Dir && rapid.Bool().Draw(t, "early"); j-- {
						chunks[j], chunks[j-1] = chunks[j-1], chunks[j]
					}
				}
				for i := range chunks {
					if i == late {
						tap.store.AddLines(log, 0)
					}
					tap.at.Order++
					chunks[i].Origin = tap.at
					tap.parser.Feed(&chunks[i])
				}
				tap.store.AddLines(log, 0)
				tap.parser.End(0, 0, tap.at)
				tap.parser.End(1, 0, tap.at)
				tap.Shard.Close(tap.at)
				if got := tap.inner.b.String(); got != ordered {
					t.Fatalf("got\n%swant\n%s%+v", got, ordered, tap.Stats())
				}
			})
		})
	}
}

// A side whose packets are missing from somewhere on is not waited for: the other
// one is told all the same.
func TestOneSideStops(t *testing.T) {
	says := lines(10)
	for _, name := range bridged {
		c := configs()[name]
		turns, log := talk(t, c[0], c[1], says...)
		for _, ticks := range []bool{false, true} {
			tap := newTap(decrypt.Limits{}, log)
			for i, turn := range turns {
				if i > len(turns)/2 && !turn.server {
					tap.seq[0] += uint32(len(turn.bytes)) // nobody tells
					continue
				}
				tap.feed(turn.server, turn.bytes, false)
				if ticks {
					tap.later(time.Second)
				}
			}
			text := tap.end()
			if got := content(text)[1]; got != "re: "+strings.Join(says, "re: ") || tap.Stats().Held != 0 {
				t.Errorf("%s, ticks %v: %q\n%+v", name, ticks, text, tap.Stats())
			}
		}
	}
}
