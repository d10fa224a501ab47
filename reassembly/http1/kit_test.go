package http1_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/http1"
	"github.com/authtap/authtap/reassembly/identify"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

func parser(start reassembly.Start) (reassembly.Parser, func() string) {
	var all []string
	shard := http1.NewShard(http1.Limits{}, func(x *exchange.Exchange) { all = append(all, summary(x)) })
	p := identify.New(identify.Limits{}, shard.Protocol()).New(start)
	return p, func() string { return strings.Join(all, "\n") }
}

var kit = []reassemblytest.Turn{
	{Text: "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"},
	{Server: true, Text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
	{Text: "GET /b HTTP/1.1\r\nHost: h\r\n\r\n"},
	{Server: true, Text: "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"},
}

func TestKit(t *testing.T) {
	want := "POST /a 5 = 200 3\nGET /b 0 = 404 2"
	if got := reassemblytest.Splits(t, kit, parser); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// What is answered is answered by its own answer, whatever is lost.
	reassemblytest.Gaps(t, kit, parser, []int{1, 7, 40, 100}, func(l reassemblytest.Lost, got string) {
		for line := range strings.Lines(got) {
			f := strings.Fields(line)
			if i := slices.Index(f, "="); i > 0 && (f[1] == "/a" && f[i+1] == "404" || f[1] == "/b" && f[i+1] == "200") {
				t.Errorf("%+v: %s", l, line)
			}
		}
	})
}
