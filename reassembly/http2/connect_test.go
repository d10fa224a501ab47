package http2_test

import (
	"encoding/hex"
	"strconv"
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/http1"
	h2 "github.com/authtap/authtap/reassembly/http2"
	"github.com/authtap/authtap/reassembly/identify"
)

// What is inside of a tunnel that CONNECT has opened in HTTP/1 is identified
// anew: HTTP/2, HTTP/1, another CONNECT.
func TestInsideOfATunnel(t *testing.T) {
	raw := func(d, s string) string { return d + "raw " + hex.EncodeToString([]byte(s)) }
	connect := []string{raw(">", "CONNECT proxied:80 HTTP/1.1\r\nHost: proxied:80\r\n\r\n"), raw("<", "HTTP/1.1 200 Connected\r\n\r\n")}
	inner := talked(">1 GET /a :authority=h x=1 .", "<1 200 .", ">3 GET /b x=1 .", "<3 404 .")
	for name, c := range map[string]struct {
		steps []string
		want  string
	}{
		"HTTP/2": {append(connect[:2:2], inner...), "http/1.1 CONNECT proxied:80 200 [upgraded]; h2 GET /a 200 []; h2 GET /b 404 []"},
		"HTTP/1": {append(connect[:2:2], raw(">", "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"), raw("<", "HTTP/1.1 204 No\r\n\r\n")), "http/1.1 CONNECT proxied:80 200 [upgraded]; http/1.1 GET /a 204 []"},
		"a tunnel, with HTTP/2": {append(append(connect[:2:2], connect...), inner...),
			"http/1.1 CONNECT proxied:80 200 [upgraded]; http/1.1 CONNECT proxied:80 200 [upgraded]; h2 GET /a 200 []; h2 GET /b 404 []"},
		"nothing known": {append(connect[:2:2], raw(">", "\x16\x03\x01\x00\x05hello"), raw("<", "\x16\x03\x03\x00\x01x")), "http/1.1 CONNECT proxied:80 200 [upgraded]"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			emit := func(x *exchange.Exchange) {
				got = append(got, strings.Join([]string{x.Protocol.String(), x.Request.Method, x.Request.Target, strconv.Itoa(x.Response.Status), "[" + strings.Join(x.Names(), " ") + "]"}, " "))
			}
			one, two := http1.NewShard(http1.Limits{}, emit), h2.NewShard(h2.Limits{}, emit)
			k := &talk{wire: newWire(), parser: &sequenced{Parser: identify.New(identify.Limits{}, one.Protocol(), two.Protocol()).New(*start(true))}}
			for _, s := range c.steps {
				k.step(s)
			}
			k.shutdown()
			if s := strings.Join(got, "; "); s != c.want {
				t.Error(s)
			}
		})
	}
}

// sequenced gives chunks the numbers that HTTP/1 wants.
type sequenced struct {
	reassembly.Parser
	seq [2]uint32
}

func (s *sequenced) Feed(c *reassembly.Chunk) {
	c.Seq, c.Ack, c.HasAck = s.seq[c.Dir], s.seq[c.Dir.Reverse()], true
	s.seq[c.Dir] += uint32(len(c.Bytes))
	s.Parser.Feed(c)
}
