package http2_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	h2 "github.com/authtap/authtap/reassembly/http2"
	"github.com/authtap/authtap/reassembly/identify"
)

func TestLike(t *testing.T) {
	frames := func(steps ...string) string {
		var b strings.Builder
		w := newWire()
		for _, s := range steps {
			_, p := w.bytes(s)
			b.Write(p)
		}
		return b.String()
	}
	hello := frames(">hello")
	serverHello := frames("<hello")
	ask, answer := frames(">7 GET /a x=1 ."), frames("<7 200 x=1")
	for _, c := range []struct {
		name           string
		in             string
		client, server identify.Confidence
	}{
		{"another length-prefixed protocol", "\x00\x00\x00\x10\x00\x03\x00\x00\x00\x01\x00\x07\x00\x00\x00\x00", identify.NotMine, identify.NotMine},
		{"zeros", strings.Repeat("\x00", 40), identify.NotMine, identify.NotMine},
		{"TLS", "\x17\x03\x03\x00\x20" + strings.Repeat("x", 32), identify.NotMine, identify.NotMine},
		{"HTTP/1", "GET / HTTP/1.1\r\n", identify.NotMine, identify.NotMine},
		{"PROXY", "PROXY TCP4 1.2.3.4", identify.NotMine, identify.NotMine},
		{"DATA alone", frames(">7 :abc", ">7 :abc", ">7 :abc"), identify.Unsure, identify.Unsure},
		{"an empty SETTINGS frame", "\x00\x00\x00\x04\x00\x00\x00\x00\x00", identify.Unsure, identify.Unsure},
		{"SETTINGS that make no sense", "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x07", identify.Unsure, identify.Unsure},
		{"one request alone", ask, identify.Unsure, identify.Unsure},
		{"a block that is none", ask[:9] + strings.Repeat("\x80", len(ask)-9) + ask, identify.NotMine, identify.NotMine},
		{"a flag that is not there", ask[:4] + "\x45" + ask[5:] + ask, identify.NotMine, identify.NotMine},
		{"trailers", frames(">7 +x=1 .", ">9 +x=1 ."), identify.Unsure, identify.Unsure},
		{"a frame too long", "\x7f\x00\x00\x00\x00\x00\x00\x00\x01", identify.NotMine, identify.NotMine},
		{"a beginning", ask[:4], identify.Unsure, identify.Unsure},

		{"half of the preface", "PRI * HTTP/2.0\r\n", identify.Unsure, identify.NotMine},
		{"the preface", hello[:24], identify.Certain, identify.NotMine},
		{"the preface with more", hello + ask, identify.Certain, identify.NotMine},
		{"SETTINGS", serverHello, identify.Unsure, identify.Certain},
		{"requests", ask + frames(">9 POST /b"), identify.Certain, identify.Certain},
		{"a request and a part of DATA", ask + frames(">7 :abc")[:10], identify.Certain, identify.Certain},
		{"a response with content", answer + frames("<7 :abc"), identify.Certain, identify.Certain},
		{"a window, and a response", frames("<window") + answer, identify.Certain, identify.Certain},
	} {
		if got := h2.LikeClient([]byte(c.in)); got != c.client {
			t.Errorf("%s: as a client %d, want %d", c.name, got, c.client)
		}
		if got := h2.LikeServer([]byte(c.in)); got != c.server {
			t.Errorf("%s: as a server %d, want %d", c.name, got, c.server)
		}
	}
	// A chain may come in pieces.
	both := ask + frames(">9 POST /b")
	for i := 1; i < len(both); i++ {
		if h2.LikeClient([]byte(both[:i])) == identify.NotMine {
			t.Errorf("the first %d bytes are refused", i)
		}
	}
}

// Files of this source tree, and random bytes made by hashing, are no HTTP/2.
func TestNothingElseIsLike(t *testing.T) {
	files, _ := filepath.Glob("../*/*.go")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for ; len(b) > 100; b = b[1:] {
			if h2.LikeClient(b) == identify.Certain || h2.LikeServer(b) == identify.Certain {
				t.Fatalf("%s: %q", f, b[:50])
			}
		}
	}
}

// A conversation is identified by either side, and in mid-stream by a chain.
func TestIdentified(t *testing.T) {
	for name, c := range map[string]struct {
		handshake bool
		steps     []string
		want      string
	}{
		"whole":                     {true, talked(">1 GET /a .", "<1 200 ."), "GET /a -> 200"},
		"the server first":          {true, []string{"<hello", ">hello", ">1 GET /a .", "<1 200 ."}, "GET /a -> 200"},
		"in mid-stream":             {false, []string{">5 GET /a .", ">7 GET /b .", "<5 200 .", "<7 200 ."}, "GET /a -> 200 [midstream]; GET /b -> 200 [midstream]"},
		"in mid-stream, from a lie": {false, []string{">raw 00000000", ">5 GET /a .", ">7 GET /b .", "<5 200 ."}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			shard := h2.NewShard(h2.Limits{}, func(x *exchange.Exchange) { got = append(got, describe(x)) })
			table := identify.New(identify.Limits{}, shard.Protocol())
			k := &talk{wire: newWire(), parser: table.New(*start(c.handshake))}
			for _, s := range c.steps {
				k.step(s)
			}
			k.shutdown()
			if s := strings.Join(got, "; "); s != c.want && c.want != "" {
				t.Error(s)
			}
			if table.Stats().Identified != 1 && c.want != "" {
				t.Errorf("%+v", table.Stats())
			}
		})
	}
}

// The side that opened a connection may be the server.
func TestRoles(t *testing.T) {
	var got []*exchange.Exchange
	shard := h2.NewShard(h2.Limits{}, func(x *exchange.Exchange) { got = append(got, x) })
	s := start(true)
	s.Client = toClient
	k := &talk{wire: newWire(), parser: shard.New(s)}
	for _, step := range talked(">1 GET /a .", "<1 200 .") {
		k.step(step)
	}
	if len(got) != 1 || got[0].Client != s.Key.Sender(toServer) {
		t.Fatalf("%v", got)
	}
	if d, known := k.parser.(identify.Roles).Client(); d != toServer || !known {
		t.Error("the parser does not know who is the client")
	}
	k.shutdown()
}

// A request that asks for h2c becomes that of stream 1.
func TestUpgrade(t *testing.T) {
	for name, c := range map[string]struct {
		settings string
		steps    []string
		want     string
	}{
		"answered":                     {"", []string{"<hello", "<1 200 x=1", ">hello", "<1 :abc .", ">3 GET /b .", "<3 204 ."}, `POST /a Host=h "body" -> 200 x=1 "abc"; GET /b -> 204`},
		"not answered":                 {"", []string{"<hello", ">hello", ">3 GET /b .", "<3 204 ."}, `GET /b -> 204; POST /a Host=h "body" -> - [unpaired]`},
		"the settings of the request":  {"AAEAAAAA", []string{"<hello", "<size 0", "<1 200 x=1 .", ">hello", ">3 GET /b .", "<3 204 x=1 ."}, `POST /a Host=h "body" -> 200 x=1; GET /b -> 204 x=1`},
		"which are not kept":           {"AAEAAAAA", []string{"<hello", "<1 200 x=1 .", ">hello"}, `POST /a Host=h "body" -> - [unpaired]`},
		"and the server is cut short":  {"", []string{"<hello", "<1 200 x=1", "<1 :abc"}, `POST /a Host=h "body" -> 200 x=1 "abc" [truncated]`},
		"what it says next is missing": {"", []string{"~<hello", "<1 200 x=1 ."}, `POST /a Host=h "body" -> 200 x=1 [after_gap midstream]`},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			shard := h2.NewShard(h2.Limits{}, func(x *exchange.Exchange) {
				if x.Protocol != exchange.HTTP2 {
					t.Errorf("protocol %v", x.Protocol)
				}
				got = append(got, describe(x))
			})
			x := &exchange.Exchange{Request: exchange.Message{Present: true, Method: "POST", Target: "/a",
				Header: exchange.Header{{Name: "Host", Value: "h"}}, Body: exchange.Body{Bytes: []byte("body"), Length: 4}}}
			k := &talk{wire: newWire(), parser: shard.Upgrade(start(true), toServer, x, c.settings)}
			for _, step := range c.steps {
				k.step(step)
			}
			k.shutdown()
			if s := strings.Join(got, "; "); s != c.want {
				t.Error(s)
			}
			if held := shard.Stats().Held; held != 0 {
				t.Errorf("%d bytes are still held", held)
			}
		})
	}
}

// What is in a tunnel is counted, and that of a WebSocket handed on.
func TestTunnels(t *testing.T) {
	var seen bytes.Buffer
	var ended int
	shard := h2.NewShard(h2.Limits{}, func(*exchange.Exchange) {})
	shard.WebSockets(func(_ *reassembly.Start, client reassembly.Direction) reassembly.Parser {
		return tap{&seen, &ended}
	})
	k := &talk{wire: newWire(), parser: shard.New(start(true))}
	for _, step := range talked(">1 CONNECT h:1", "<1 200", ">1 :hidden", "<1 :hidden",
		">3 - :method=CONNECT :protocol=websocket :scheme=http :path=/ :authority=h", "<3 200", ">3 :abc", "~10<3 :defg", "<3 :hi .", ">3 : .", "<1 : .") {
		k.step(step)
	}
	if st := shard.Stats(); st.Tunnels != 2 || st.Tunnelled != 12+3+1+2 {
		t.Errorf("%+v", st)
	}
	if seen.String() != ">abc<d<(3 lost)<hi" || ended != 2 {
		t.Errorf("%s, %d ends", &seen, ended)
	}
	k.shutdown()
	if held := shard.Stats().Held; held != 0 {
		t.Errorf("%d bytes are still held", held)
	}
}

type tap struct {
	seen  *bytes.Buffer
	ended *int
}

func (p tap) Feed(c *reassembly.Chunk) {
	p.seen.WriteByte("><"[c.Dir])
	p.seen.Write(c.Bytes)
	if c.Gap > 0 {
		p.seen.WriteString("(" + string('0'+byte(c.Gap)) + " lost)")
	}
}

func (p tap) End(reassembly.Direction, reassembly.End, reassembly.Origin) { *p.ended++ }
