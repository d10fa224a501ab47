package relay_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/http1"
	"github.com/authtap/authtap/reassembly/identify"
	"github.com/authtap/authtap/reassembly/reassemblytest"
	"github.com/authtap/authtap/reassembly/relay"
)

// parser reads HTTP behind what relays say, and tells of each exchange its
// target, status and whom it is for.
func parser(start reassembly.Start) (reassembly.Parser, func() string) {
	var seen []string
	var s relay.Shard
	h := http1.NewShard(http1.Limits{}, func(x *exchange.Exchange) {
		said := fmt.Sprintf("%s %d", x.Request.Target, x.Response.Status)
		if x.Relayed.IsValid() {
			said += " for " + x.Relayed.String()
		}
		seen = append(seen, said)
	})
	table := identify.New(identify.Limits{}, h.Protocol(), s.Protocol())
	return table.New(start), func() string {
		return fmt.Sprintf("%s %+v", strings.Join(seen, ", "), s.Stats())
	}
}

const (
	get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
	ok  = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
)

// version2 makes a header of the PROXY protocol's version 2.
func version2(command, family byte, content string) string {
	return "\r\n\r\n\x00\r\nQUIT\n" + string([]byte{0x20 | command, family, byte(len(content) >> 8), byte(len(content))}) + content
}

func TestWhatRelaysSay(t *testing.T) {
	c, s := func(text string) reassemblytest.Turn { return reassemblytest.Turn{Text: text} },
		func(text string) reassemblytest.Turn { return reassemblytest.Turn{Server: true, Text: text} }
	for _, tt := range []struct {
		name  string
		turns []reassemblytest.Turn
		want  string
	}{
		{"none", []reassemblytest.Turn{c(get), s(ok)}, "/a 200 {SOCKS:0 PROXY:0 Malformed:0}"},
		{"SOCKS 5", []reassemblytest.Turn{c("\x05\x01\x00"), s("\x05\x00"), c("\x05\x01\x00\x03\x04name\x00\x50"),
			s("\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"), c(get), s(ok)}, "/a 200 {SOCKS:1 PROXY:0 Malformed:0}"},
		{"SOCKS 5 with a password", []reassemblytest.Turn{c("\x05\x02\x00\x02"), s("\x05\x02"), c("\x01\x03bob\x06secret"), s("\x01\x00"),
			c("\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x50"), s("\x05\x00\x00\x04" + strings.Repeat("\x00", 18)), c(get), s(ok), c(get), s(ok)},
			"/a 200, /a 200 {SOCKS:1 PROXY:0 Malformed:0}"},
		{"SOCKS 5 by Kerberos is not read", []reassemblytest.Turn{c("\x05\x01\x01"), s("\x05\x01"), c("\x01\x01\x00\x04abcd"), s("\x01\x01\x00\x04abcd")},
			" {SOCKS:1 PROXY:0 Malformed:1}"},
		{"SOCKS 4", []reassemblytest.Turn{c("\x04\x01\x00\x50\x0a\x00\x00\x01me\x00"), s("\x00\x5a\x00\x00\x00\x00\x00\x00"), c(get), s(ok)},
			"/a 200 {SOCKS:1 PROXY:0 Malformed:0}"},
		{"SOCKS 4a", []reassemblytest.Turn{c("\x04\x01\x00\x50\x00\x00\x00\x01\x00h.test\x00"), s("\x00\x5a\x00\x00\x00\x00\x00\x00"), c(get), s(ok)},
			"/a 200 {SOCKS:1 PROXY:0 Malformed:0}"},
		{"PROXY in text", []reassemblytest.Turn{c("PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n" + get), s(ok)},
			"/a 200 for 192.0.2.1 {SOCKS:0 PROXY:1 Malformed:0}"},
		{"PROXY in text, of nobody", []reassemblytest.Turn{c("PROXY UNKNOWN\r\n" + get), s(ok)}, "/a 200 {SOCKS:0 PROXY:1 Malformed:0}"},
		{"PROXY in text that does not end", []reassemblytest.Turn{c("PROXY TCP4 " + strings.Repeat("1", 200))}, " {SOCKS:0 PROXY:1 Malformed:1}"},
		{"PROXY for IPv4", []reassemblytest.Turn{c(version2(1, 0x11, "\xc0\x00\x02\x01\x0a\x00\x00\x01\x12\x34\x00\x50\x03\x00\x04abcd") + get), s(ok)},
			"/a 200 for 192.0.2.1 {SOCKS:0 PROXY:1 Malformed:0}"},
		{"PROXY for IPv6", []reassemblytest.Turn{c(version2(1, 0x21, "\x20\x01\x0d\xb8"+strings.Repeat("\x00", 11)+"\x01"+strings.Repeat("\x00", 20)+strings.Repeat("x", 700)) + get), s(ok)},
			"/a 200 for 2001:db8::1 {SOCKS:0 PROXY:1 Malformed:0}"},
		{"PROXY for itself", []reassemblytest.Turn{c(version2(0, 0, "") + get), s(ok)}, "/a 200 {SOCKS:0 PROXY:1 Malformed:0}"},
		{"another protocol", []reassemblytest.Turn{c("\x05\x00\x0b\x03" + strings.Repeat("\x00", 40)), s("\x05\x00\x0c\x03")}, " {SOCKS:0 PROXY:0 Malformed:0}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := reassemblytest.Splits(t, tt.turns, parser); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// Wherever bytes are missing, nothing that is told is wrong.
func TestGaps(t *testing.T) {
	turns := []reassemblytest.Turn{{Text: "\x05\x01\x00"}, {Server: true, Text: "\x05\x00"}, {Text: "\x05\x01\x00\x03\x04name\x00\x50"},
		{Server: true, Text: "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"}, {Text: get}, {Server: true, Text: ok}}
	reassemblytest.Gaps(t, turns, parser, []int{1, 2, 7}, func(l reassemblytest.Lost, got string) {
		if strings.Contains(got, "/a 200, ") {
			t.Errorf("%+v: %s", l, got)
		}
	})
}

func FuzzRelay(f *testing.F) {
	for _, text := range []string{"\x05\x01\x00\x05\x01\x00\x03\x04name\x00\x50", "\x04\x01\x00\x50\x00\x00\x00\x01\x00h\x00", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
		version2(1, 0x11, "\xc0\x00\x02\x01\x0a\x00\x00\x01\x12\x34\x00\x50")} {
		f.Add([]byte(text+get), []byte("\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"+ok), uint8(3))
	}
	f.Fuzz(func(t *testing.T, up, down []byte, size uint8) {
		var s relay.Shard
		given := 0
		rest := identify.Protocol{Name: "rest", Client: func([]byte) identify.Confidence { return identify.Certain },
			Server: func([]byte) identify.Confidence { return identify.Certain },
			New:    func(*reassembly.Start, reassembly.Parser) reassembly.Parser { return count{&given} }}
		p := identify.New(identify.Limits{}, s.Protocol(), rest).New(reassembly.Start{Handshake: true})
		for d, b := range [2][]byte{up, down} {
			for seq := uint32(0); len(b) > 0; {
				n := min(int(size)+1, len(b))
				p.Feed(&reassembly.Chunk{Dir: reassembly.Direction(d), Bytes: b[:n], Seq: seq})
				b, seq = b[n:], seq+uint32(n)
			}
		}
		if given > len(up)+len(down) {
			t.Fatalf("%d bytes handed on, of %d", given, len(up)+len(down))
		}
	})
}

type count struct{ n *int }

func (c count) Feed(k *reassembly.Chunk)                                  { *c.n += len(k.Bytes) }
func (count) End(reassembly.Direction, reassembly.End, reassembly.Origin) {}
