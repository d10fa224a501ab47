package http1_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/authtap/authtap/reassembly/content"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/http1"
)

// coded applies a coding.
func coded(t testing.TB, name, s string) string {
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch name {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zlib":
		w = zlib.NewWriter(&b)
	case "flate":
		w, err = flate.NewWriter(&b, 6)
	case "br":
		w = brotli.NewWriter(&b)
	case "zstd":
		w, err = zstd.NewWriter(&b)
	}
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

// answered gives what is made of one response, sent in pieces.
func answered(t testing.TB, l http1.Limits, pieces ...string) (exchange.Message, http1.Stats) {
	t.Helper()
	var got []*exchange.Exchange
	s := http1.NewShard(l, func(x *exchange.Exchange) { got = append(got, x.Own()) })
	k := newTalk(s.New(start(true), nil))
	k.step(">GET / HTTP/1.1\r\n\r\n")
	for _, p := range pieces {
		if !strings.ContainsAny(p[:1], "~]") {
			p = "<" + p
		}
		k.step(p)
	}
	k.shutdown()
	if len(got) != 1 {
		t.Fatalf("%d exchanges", len(got))
	}
	if st := s.Stats(); st.Held != 0 {
		t.Errorf("%d bytes are still held", st.Held)
	}
	return got[0].Response, s.Stats()
}

func TestCodings(t *testing.T) {
	const text = "some content, some content, some content"
	gz, zl, fl, br, zs := coded(t, "gzip", text), coded(t, "zlib", text), coded(t, "flate", text), coded(t, "br", text), coded(t, "zstd", text)
	for _, c := range []struct {
		name, coding, content string
		want                  string
		length                int
		damage                exchange.Damage
	}{
		{"unknown", "foo", text, text, len(text), exchange.Undecoded},
		{"unknown on top of a known one", "gzip, foo", gz, gz, len(gz), exchange.Undecoded},
		{"compress", "compress", text, text, len(text), exchange.Undecoded},
		{"not what it says", "gzip", text, text, len(text), exchange.Undecoded},
		{"not what it says either", "br", "\xff\xff\xff\xff", "\xff\xff\xff\xff", 4, exchange.Undecoded},
		{"not zstd", "zstd", text, text, len(text), exchange.Undecoded},
		{"not deflate", "deflate", "\xff\xff\xff\xff", "\xff\xff\xff\xff", 4, exchange.Undecoded},
		{"one byte", "gzip", "\x1f", "\x1f", 1, exchange.Undecoded},
		{"four codings", "gzip, gzip, gzip, gzip", gz, gz, len(gz), exchange.Undecoded},
		{"the end is missing", "gzip", gz[:len(gz)-9], text, len(text), exchange.Cut},
		{"the end of the end is missing", "gzip", gz[:len(gz)-1], text, len(text), exchange.Cut},
		{"a wrong checksum", "gzip", gz[:len(gz)-8] + "\x00\x00\x00\x00" + gz[len(gz)-4:], text, len(text), exchange.Malformed},
		{"broken within", "gzip", gz[:len(gz)-12] + "\xff\xff\xff\xff" + gz[len(gz)-8:], "", -1, exchange.Malformed},
		{"a second member that is broken", "gzip", gz + "\x1f\x8b\x08\xff", text, len(text), exchange.Cut},
		{"nothing", "gzip", "", "", 0, 0},
		{"identity", "identity", text, text, len(text), 0},
		{"empty", "", text, text, len(text), 0},
		{"gzip", "gzip", gz, text, len(text), 0},
		{"x-gzip, in upper case", "X-GZIP", gz, text, len(text), 0},
		{"members", "gzip", gz + gz + gz, text + text + text, 3 * len(text), 0},
		{"something behind", "gzip", gz + "garbage", text, len(text), 0},
		{"zeros behind", "gzip", gz + "\x00\x00\x00", text, len(text), 0},
		{"deflate", "deflate", zl, text, len(text), 0},
		{"bare deflate", "deflate", fl, text, len(text), 0},
		{"br", "br", br, text, len(text), 0},
		{"zstd", "zstd", zs, text, len(text), 0},
		{"zstd frames", "zstd", zs + zs, text + text, 2 * len(text), 0},
		{"two", "deflate, gzip", coded(t, "gzip", zl), text, len(text), 0},
		{"the same twice", "gzip,gzip", coded(t, "gzip", gz), text, len(text), 0},
		{"three, and identity", "br, identity, zstd, gzip", coded(t, "gzip", coded(t, "zstd", br)), text, len(text), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			chunks := ""
			for i := 0; i < len(c.content); i += 7 {
				p := c.content[i:min(i+7, len(c.content))]
				chunks += fmt.Sprintf("%x\r\n%s\r\n", len(p), p)
			}
			for _, response := range []string{
				fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s", c.coding, len(c.content), c.content),
				fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nTransfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n", c.coding, chunks),
				fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: %s, chunked\r\n\r\n%s0\r\n\r\n", c.coding, chunks),
			} {
				m, _ := answered(t, http1.Limits{}, response)
				if m.Damage != c.damage {
					t.Errorf("damage is %b, want %b", m.Damage, c.damage)
				}
				if c.length < 0 {
					continue // how far it goes is the decoder's business
				}
				if string(m.Body.Bytes) != c.want || m.Body.Length != int64(c.length) {
					t.Errorf("%.80q, %d bytes", m.Body.Bytes, m.Body.Length)
				}
			}
		})
	}

	t.Run("repeated lines", func(t *testing.T) {
		content := coded(t, "gzip", coded(t, "br", text))
		m, _ := answered(t, http1.Limits{}, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(content), content))
		if string(m.Body.Bytes) != text || m.Damage != 0 {
			t.Errorf("%q %b", m.Body.Bytes, m.Damage)
		}
	})
	t.Run("transfer and content coding", func(t *testing.T) {
		content := coded(t, "gzip", br)
		m, _ := answered(t, http1.Limits{}, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nTransfer-Encoding: gzip, chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(content), content))
		if string(m.Body.Bytes) != text || m.Damage != 0 {
			t.Errorf("%q %b", m.Body.Bytes, m.Damage)
		}
	})
	t.Run("a gap", func(t *testing.T) {
		long := strings.Repeat(text, 1000)
		content := coded(t, "flate", long)
		n := len(content) / 2
		m, _ := answered(t, http1.Limits{}, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n%s", len(content), content[:n]),
			"~<"+content[n:n+10], content[n+10:])
		if m.Damage != exchange.BodyGap || m.Body.Length == 0 || m.Body.Length >= int64(len(long)) || !strings.HasPrefix(long, string(m.Body.Bytes)) {
			t.Errorf("damage %b, %d bytes", m.Damage, m.Body.Length)
		}
	})
}

// Every limit, what becomes of the message that meets it, and its counter.
func TestLimits(t *testing.T) {
	long := strings.Repeat("0123456789", 1000)
	length := func(s string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(s), s) }
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, c := range []struct {
		name   string
		limits http1.Limits
		pieces []string
		want   exchange.Message // Body and Damage
		fields int
		stats  http1.Stats
	}{
		{"BodyBytes", http1.Limits{BodyBytes: 5}, []string{ok + length(long)},
			exchange.Message{Body: exchange.Body{Bytes: []byte("01234"), Length: 10000}}, 1, http1.Stats{Stats: content.Stats{Clipped: 1}}},
		{"BodyBytes, in pieces", http1.Limits{BodyBytes: 5}, []string{ok + length(long)[:27], length(long)[27:50], length(long)[50:]},
			exchange.Message{Body: exchange.Body{Bytes: []byte("01234"), Length: 10000}}, 1, http1.Stats{Stats: content.Stats{Clipped: 1}}},
		{"BodyBytes, decoded", http1.Limits{BodyBytes: 5}, []string{ok + "Content-Encoding: gzip\r\n" + length(coded(t, "gzip", long))},
			exchange.Message{Body: exchange.Body{Bytes: []byte("01234"), Length: 10000}}, 2, http1.Stats{Stats: content.Stats{Clipped: 1}}},
		{"BodyBytes, just so", http1.Limits{BodyBytes: 10}, []string{ok + length("0123456789")},
			exchange.Message{Body: exchange.Body{Bytes: []byte("0123456789"), Length: 10}}, 1, http1.Stats{}},
		{"DecodedBytes", http1.Limits{BodyBytes: 5, DecodedBytes: 5000}, []string{ok + "Content-Encoding: gzip\r\n" + length(coded(t, "gzip", long))},
			exchange.Message{Body: exchange.Body{Bytes: []byte("01234"), Length: 5000}, Damage: exchange.Cut}, 2, http1.Stats{Stats: content.Stats{Clipped: 1, DecodedOver: 1}}},
		{"DecodedBytes, just so", http1.Limits{BodyBytes: 5, DecodedBytes: 10000}, []string{ok + "Content-Encoding: br\r\n" + length(coded(t, "br", long))},
			exchange.Message{Body: exchange.Body{Bytes: []byte("01234"), Length: 10000}}, 2, http1.Stats{Stats: content.Stats{Clipped: 1}}},
		{"DecodedBytes, over members", http1.Limits{BodyBytes: 5, DecodedBytes: 25000}, []string{ok + "Content-Encoding: gzip\r\n" + length(strings.Repeat(coded(t, "gzip", long), 3))},
			exchange.Message{Body: exchange.Body{Bytes: []byte("01234"), Length: 25000}, Damage: exchange.Cut}, 2, http1.Stats{Stats: content.Stats{Clipped: 1, DecodedOver: 1}}},
		{"EncodedBytes", http1.Limits{EncodedBytes: 30}, []string{ok + "Content-Encoding: deflate\r\n" + length("\x01\x20\x00\xdf\xff"+long[:32])},
			exchange.Message{Body: exchange.Body{Bytes: []byte(long[:25]), Length: 25}, Damage: exchange.Cut}, 2, http1.Stats{Stats: content.Stats{Clipped: 1, EncodedOver: 1}}},
		{"EncodedBytes, between codings", http1.Limits{EncodedBytes: 100}, []string{ok + "Content-Encoding: deflate, gzip\r\n" + length(coded(t, "gzip", strings.Repeat("x", 1000)))},
			exchange.Message{Body: exchange.Body{Bytes: []byte(coded(t, "gzip", strings.Repeat("x", 1000))), Length: int64(len(coded(t, "gzip", strings.Repeat("x", 1000))))}, Damage: exchange.Undecoded}, 2,
			http1.Stats{Stats: content.Stats{Undecoded: 1}}},
		{"HeaderBytes", http1.Limits{HeaderBytes: 60}, []string{ok + "A: 1\r\nB: " + long},
			exchange.Message{Damage: exchange.Cut}, 1, http1.Stats{HeadsOver: 1, Lost: 1, Skipped: 9966}},
		{"HeaderBytes, in pieces", http1.Limits{HeaderBytes: 60}, []string{ok + "A: 1\r", "\nB: " + long[:10], long[10:]},
			exchange.Message{Damage: exchange.Cut}, 1, http1.Stats{HeadsOver: 1, Lost: 1, Skipped: 9966}},
		{"HeaderBytes, of a trailer", http1.Limits{HeaderBytes: 60}, []string{ok + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nA: " + long},
			exchange.Message{Body: exchange.Body{Bytes: []byte("a"), Length: 1}, Damage: exchange.Cut}, 1, http1.Stats{HeadsOver: 1, Lost: 1, Skipped: 9943}},
		{"HeaderBytes, of an extension", http1.Limits{HeaderBytes: 60}, []string{ok + "Transfer-Encoding: chunked\r\n\r\n1;" + long, long},
			exchange.Message{Damage: exchange.Malformed}, 1, http1.Stats{HeadsOver: 1, Lost: 1, Skipped: 10000}},
		{"HeaderLines", http1.Limits{HeaderLines: 2}, []string{ok + "A: 1\r\nB: 2\r\nC: 3\r\n" + length("abc")},
			exchange.Message{Body: exchange.Body{Bytes: []byte("abc"), Length: 3}, Damage: exchange.Cut}, 2, http1.Stats{LinesOver: 1}},
		{"HeldBytes, content", http1.Limits{HeldBytes: 1500}, []string{ok + length(long)},
			exchange.Message{Body: exchange.Body{Length: 10000}}, 1, http1.Stats{Stats: content.Stats{Refused: 1, Clipped: 1}}},
		{"HeldBytes, coded content", http1.Limits{HeldBytes: 1500}, []string{ok + "Content-Encoding: gzip\r\n" + length(coded(t, "gzip", long))},
			exchange.Message{Body: exchange.Body{Length: int64(len(coded(t, "gzip", long)))}, Damage: exchange.Undecoded}, 2, http1.Stats{Stats: content.Stats{Refused: 1, Clipped: 1, Undecoded: 1}}},
		{"HeldBytes, a head in pieces", http1.Limits{HeldBytes: 400}, []string{ok + "A", ": 1\r\n\r\n"},
			exchange.Message{}, 0, http1.Stats{HeadsRefused: 1, Lost: 1, Skipped: 7}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, stats := answered(t, c.limits, c.pieces...)
			if d := cmp.Diff(c.want, exchange.Message{Body: m.Body, Damage: m.Damage}); d != "" {
				t.Error(d)
			}
			if len(m.Header) != c.fields {
				t.Errorf("%d header lines", len(m.Header))
			}
			stats.Requests, stats.Responses, stats.Paired, stats.Unanswered, stats.Malformed = 0, 0, 0, 0, 0
			if d := cmp.Diff(c.stats, stats); d != "" {
				t.Error(d)
			}
		})
	}

	t.Run("Pending requests", func(t *testing.T) {
		got, stats := played(http1.Limits{Pending: 2}, true, ">"+get("1")+get("2")+get("3"), "<"+ok+length("a"))
		want := []string{`GET /1 X-Id="1" -> - [unpaired]`, `GET /2 X-Id="2" -> - [pipelined unpaired]`, `GET /3 X-Id="3" -> - [pipelined unpaired]`, `- -> 200 "a" [unpaired]`}
		if d := cmp.Diff(want, got); d != "" || stats.PendingOver != 1 {
			t.Errorf("%s%d", d, stats.PendingOver)
		}
	})
	t.Run("Pending responses", func(t *testing.T) {
		steps := []string{}
		for _, id := range []string{"1", "2", "3"} {
			steps = append(steps, "a>"+get(id), "<"+ok+length(id))
		}
		got, stats := played(http1.Limits{Pending: 2}, true, steps...)
		want := []string{`- -> 200 "1" [unpaired]`, `- -> 200 "2" [unpaired]`, `- -> 200 "3" [unpaired]`}
		if d := cmp.Diff(want, got); d != "" || stats.PendingOver != 1 {
			t.Errorf("%s%d", d, stats.PendingOver)
		}
	})
	t.Run("HeldBytes, requests that wait", func(t *testing.T) {
		got, stats := played(http1.Limits{HeldBytes: 1100}, true, ">"+get("1"), ">"+get("2"), ">"+get("3"), "<"+ok+length("a"))
		want := []string{`GET /1 X-Id="1" -> - [unpaired]`, `GET /2 X-Id="2" -> - [pipelined unpaired]`, `GET /3 X-Id="3" -> - [pipelined unpaired]`, `- -> 200/1 [unpaired]`}
		if stats.WaitsRefused == 0 || stats.Held != 0 {
			t.Errorf("%+v", stats)
		}
		if d := cmp.Diff(want[:2], got[:2]); d != "" {
			t.Error(d)
		}
	})
}

// A body that inflates without end costs no more than the limits say.
func TestBomb(t *testing.T) {
	for _, name := range []string{"gzip", "br", "zstd"} {
		bomb := coded(t, name, strings.Repeat("\x00", 64<<20))
		response := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s", name, len(bomb), bomb)
		m, stats := answered(t, http1.Limits{}, response)
		if m.Damage != exchange.Cut || m.Body.Length != 8<<20 || len(m.Body.Bytes) != 64<<10 || stats.DecodedOver != 1 {
			t.Errorf("%s: %d bytes, %d kept, damage %b, %+v", name, m.Body.Length, len(m.Body.Bytes), m.Damage, stats)
		}
	}
}
