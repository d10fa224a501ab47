package http1_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/http1"
	"github.com/authtap/authtap/reassembly/identify"
)

func TestRequestLines(t *testing.T) {
	one := func(line, want string) playCase {
		return playCase{line, []string{">" + line + "\r\nX-A: 1\r\n\r\n"}, []string{want + ` X-A="1" -> - [` +
			map[bool]string{true: "malformed "}[strings.HasPrefix(want, "!")] + `unpaired]`}}
	}
	cases := []playCase{
		// A "!" is not of the target: it says that the line is malformed.
		one("GET /", "!GET /"),
		one("GET", "!GET "),
		one("GET  HTTP/1.1", "!GET "),
		one("GET /a b HTTP/1.1", "!GET /a b"),
		one("GET /a HTTP/2.0", "!GET /a"),
		one("GET /a http/1.1", "!GET /a"),
		one("G(T /a HTTP/1.1", "!G(T /a"),
		one("GET /a HTTP/1.12", "!GET /a"),
		one("GET / HTTP/1.1", "GET /"),
		one("GET / HTTP/1.0", "GET /"),
		one("GET / HTTP/1.7", "GET /"),
		one("get /a?b=c HTTP/1.1", "get /a?b=c"),
		one("GET   /a  \t HTTP/1.1  ", "GET /a"),
		one("GET http://h/p HTTP/1.1", "GET http://h/p"),
		one("CONNECT h:443 HTTP/1.1", "CONNECT h:443"),
		one("OPTIONS * HTTP/1.1", "OPTIONS *"),
		one("GET /\xff\xfe HTTP/1.1", "GET /\xff\xfe"),
		one("M-SEARCH * HTTP/1.1", "M-SEARCH *"),
	}
	for i := range cases {
		cases[i].want[0] = strings.TrimPrefix(cases[i].want[0], "!")
	}
	play(t, true, cases)
}

func TestRequestProtocol(t *testing.T) {
	for line, want := range map[string]exchange.Protocol{
		"GET / HTTP/1.1": exchange.HTTP11, "GET / HTTP/1.0": exchange.HTTP10,
		"GET / HTTP/1.2": exchange.HTTP11, "GET /": exchange.HTTP10, "GET / HTTP/3": exchange.HTTP11,
	} {
		var got exchange.Protocol
		p := newTalk(http1.NewShard(http1.Limits{}, func(x *exchange.Exchange) { got = x.Protocol }).New(start(true), nil))
		p.step(">" + line + "\r\n\r\n")
		p.shutdown()
		if got != want {
			t.Errorf("%q is %v", line, got)
		}
	}
}

func TestStatusLines(t *testing.T) {
	one := func(line, want string) playCase {
		return playCase{line, []string{">" + get("1"), "<" + line + "\r\nContent-Length: 0\r\n\r\n"},
			[]string{`GET /1 X-Id="1" -> ` + want}}
	}
	play(t, true, []playCase{
		one("ICY 200 OK", "- [unpaired]"),
		one("hello", "- [unpaired]"),
		one("HTTP 200 OK", "- [unpaired]"),
		one("HTTP/1.1", "0 [malformed]"),
		one("HTTP/1.1 abc", "0 [malformed]"),
		one("HTTP/1.1 20", "20 [malformed]"),
		one("HTTP/1.1 2000", "200 [malformed]"),
		one("HTTP/2 200", "200 [malformed]"),
		one("HTTP/1.1 200", "200"),
		one("HTTP/1.1 200 ", "200"),
		one("HTTP/1.1  404 Not Found", "404"),
		one("HTTP/1.0 599 x", "599"),
		one("HTTP/1.2 200 \xe4", "200"),
	})
}

func TestFields(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     []string // name, value…
		damage   exchange.Damage
	}{
		{"no colon", "A: 1\r\nnonsense\r\nB: 2\r\n", []string{"A", "1", "B", "2"}, exchange.Malformed},
		{"no name", ": 1\r\nB: 2\r\n", []string{"B", "2"}, exchange.Malformed},
		{"blank before the colon", "A : 1\r\n", []string{"A", "1"}, exchange.Malformed},
		{"blank in the name", "A B: 1\r\n", []string{"A B", "1"}, exchange.Malformed},
		{"indented first line", " A: 1\r\nB: 2\r\n", []string{"B", "2"}, exchange.Malformed},
		{"NUL", "A: 1\x002\r\n", []string{"A", "1\x002"}, exchange.Malformed},
		{"bare CR", "A: 1\rB: 2\r\n", []string{"A", "1\rB: 2"}, exchange.Malformed},
		{"none", "", nil, 0},
		{"empty value", "A:\r\nB: \t \r\n", []string{"A", "", "B", ""}, 0},
		{"order, case, repetition", "b: 1\r\nA: 2\r\nB: 3\r\nb: 1\r\n", []string{"b", "1", "A", "2", "B", "3", "b", "1"}, 0},
		{"blanks", "A: \t 1  2 \t\r\n", []string{"A", "1  2"}, 0},
		{"colons", "A:b:c: d\r\n", []string{"A", "b:c: d"}, 0},
		{"bare LF", "A: 1\nB: 2\n", []string{"A", "1", "B", "2"}, 0},
		{"obs-fold", "A: 1\r\n  2\r\n\t3\r\nB: 4\r\n", []string{"A", "1    2  \t3", "B", "4"}, 0},
		{"obs-fold with bare LF", "A: 1\n 2\n", []string{"A", "1  2"}, 0},
		{"obs-fold of blanks alone", "A: 1\r\n \r\nB: 2\r\n", []string{"A", "1", "B", "2"}, 0},
		{"obs-fold of an empty value", "A:\r\n 1\r\n", []string{"A", "1"}, 0},
		{"bytes over 127", "A: \xff\xe4\r\n", []string{"A", "\xff\xe4"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []*exchange.Exchange
			p := newTalk(http1.NewShard(http1.Limits{}, func(x *exchange.Exchange) { got = append(got, x.Own()) }).New(start(true), nil))
			for _, s := range []string{"> \r\n\nGET / HTTP/1.1\r\n" + c.in + "\r\n", "<HTTP/1.1 204 x\n" + c.in + "\n"} {
				p.step(strings.Replace(s, "> ", ">", 1)) // empty lines before a request
			}
			p.shutdown()
			if len(got) != 1 {
				t.Fatalf("%d exchanges", len(got))
			}
			for _, m := range []*exchange.Message{&got[0].Request, &got[0].Response} {
				var got []string
				for _, f := range m.Header {
					got = append(got, f.Name, f.Value)
				}
				if d := cmp.Diff(c.want, got); d != "" {
					t.Error(d)
				}
				if m.Damage != c.damage {
					t.Errorf("damage is %b", m.Damage)
				}
			}
		})
	}
}

func TestLikeRequest(t *testing.T) {
	for _, c := range []struct {
		in   string
		want identify.Confidence
	}{
		{"\x16\x03\x01\x02\x00", identify.NotMine},
		{"SSH-2.0-x\r\n", identify.NotMine},
		{"PRI * HTTP/2.0\r\n\r\n", identify.NotMine},
		{"PRI * HTTP/2.0", identify.Unsure},
		{"HTTP/1.1 200 OK\r\n", identify.NotMine},
		{"220 mail.test ESMTP\r\n", identify.NotMine},
		{"OPTIONS rtsp://h/ RTSP/1.0\r\n", identify.NotMine},
		{"INVITE sip:a@b SIP/2.0\r\n", identify.NotMine},
		{" GET / HTTP/1.1\r\n", identify.NotMine},
		{"GET\t/ HTTP/1.1\r\n", identify.NotMine},
		{"GET /\r\n", identify.NotMine},
		{"GET /\x00 HTTP/1.1\r\n", identify.NotMine},
		{"GET /\x07", identify.NotMine},
		{"GET  HTTP/1.x\r\n", identify.NotMine},
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZ / HTTP/1.1\r\n", identify.NotMine},
		{"POST " + strings.Repeat("x", 100), identify.Unsure},
		{"FOO /" + strings.Repeat("x", 100), identify.Unsure},
		{"", identify.Unsure},
		{"G", identify.Unsure},
		{"\r\n\r\nGE", identify.Unsure},
		{"GET / HTTP/1.1", identify.Unsure},
		{"GET / HTTP/1.1\r\n", identify.Certain},
		{"GET / HTTP/1.0\n", identify.Certain},
		{"\r\nfoo *  HTTP/1.1 \r\n", identify.Certain},
		{"CONNECT a:1 HTTP/1.1\r\n", identify.Certain},
		{"POST /" + strings.Repeat("x", 100), identify.Certain},
		{"GET https://a/" + strings.Repeat("x", 100), identify.Certain},
		{"0  HTTP/1.0  \r        \n", identify.NotMine}, // as it is without its LF
		{"0  HTTP/1.0  \r        ", identify.NotMine},
		{"GET /" + strings.Repeat("x", 100) + "\n", identify.Certain}, // likewise
		{"GET /" + strings.Repeat("x", 100) + "\x00 HTTP/1.1\r\n", identify.Certain},
		{"GET /" + strings.Repeat("x", 50) + "\n", identify.NotMine},
	} {
		if got := http1.LikeRequest([]byte(c.in)); got != c.want {
			t.Errorf("%.40q: %v, want %v", c.in, got, c.want)
		}
	}
}

func TestLikeResponse(t *testing.T) {
	for _, c := range []struct {
		in   string
		want identify.Confidence
	}{
		{"GET / HTTP/1.1\r\n", identify.NotMine},
		{"HTTP/2 200\r\n", identify.NotMine},
		{"HTTP/1.1", identify.Unsure},
		{"HTTP/1.1 2x", identify.NotMine},
		{"HTTP/1.1 2000 OK", identify.NotMine},
		{"HTTP/1.x 200 OK", identify.NotMine},
		{"HTTP/1.1-200 OK", identify.NotMine},
		{"", identify.Unsure},
		{"HTT", identify.Unsure},
		{"HTTP/1.1 20", identify.Unsure},
		{"HTTP/1.1 200", identify.Unsure}, // "HTTP/1.1 2000" may become of it
		{"HTTP/1.0 404 Not Found\r\n", identify.Certain},
		{"HTTP/1.1 200\n", identify.Certain},
	} {
		if got := http1.LikeResponse([]byte(c.in)); got != c.want {
			t.Errorf("%q: %v, want %v", c.in, got, c.want)
		}
	}
}
