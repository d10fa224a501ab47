package main

import (
	"encoding/json"
	"net/netip"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
)

func sample() *exchange.Exchange {
	return &exchange.Exchange{
		Origin:   reassembly.Origin{Order: 90, Number: 17, Time: capture.Time(1767323045123456789)},
		Client:   netip.MustParseAddrPort("10.0.0.9:50000"),
		Server:   netip.MustParseAddrPort("10.0.0.2:80"),
		Protocol: exchange.HTTP11,
		Flags:    exchange.Midstream,
		Request: exchange.Message{
			Present: true, Method: "GET", Target: "/users/1?q=%20\"", Damage: exchange.Cut,
			Header: exchange.Header{{Name: "Accept", Value: "*/*"}, {Name: "Host", Value: "API.test"}},
		},
		Response: exchange.Message{Present: true, Status: 200, Body: exchange.Body{Length: 1 << 40}},
	}
}

func TestExchangeLine(t *testing.T) {
	x := sample()
	noRequest := sample()
	noRequest.Request = exchange.Message{}
	noRequest.Tunnels = reassembly.Tunnels(0).With(reassembly.GRE).With(reassembly.ERSPAN)
	noResponse := sample()
	noResponse.Response, noResponse.TLS, noResponse.Protocol = exchange.Message{}, exchange.Decrypted, exchange.HTTP10
	var l lines
	for _, c := range []struct {
		x    *exchange.Exchange
		want string
	}{
		{x, `{"ts":"2026-01-02T03:04:05.123456Z","community_id":"1:NrjIPJEHzmVKxTRAh3j9cK12zNc=","client":{"ip":"10.0.0.9","port":50000},"server":{"ip":"10.0.0.2","port":80},"protocol":"http/1.1","method":"GET","host":"api.test","path":"/users/1","query":"q=%20\"","status":200,"request_body_bytes":0,"response_body_bytes":1099511627776,"tls":"none","tunnel":null,"flags":["midstream","truncated"],"capture":{"file":"in.pcap","packet":17}}`},
		{noRequest, `{"ts":"2026-01-02T03:04:05.123456Z","community_id":"1:NrjIPJEHzmVKxTRAh3j9cK12zNc=","client":{"ip":"10.0.0.9","port":50000},"server":{"ip":"10.0.0.2","port":80},"protocol":"http/1.1","method":null,"host":null,"path":null,"query":null,"status":200,"request_body_bytes":0,"response_body_bytes":1099511627776,"tls":"none","tunnel":"gre/erspan","flags":["midstream"],"capture":{"file":"in.pcap","packet":17}}`},
		{noResponse, `{"ts":"2026-01-02T03:04:05.123456Z","community_id":"1:NrjIPJEHzmVKxTRAh3j9cK12zNc=","client":{"ip":"10.0.0.9","port":50000},"server":{"ip":"10.0.0.2","port":80},"protocol":"http/1.0","method":"GET","host":"api.test","path":"/users/1","query":"q=%20\"","status":null,"request_body_bytes":0,"response_body_bytes":0,"tls":"decrypted","tunnel":null,"flags":["midstream","truncated"],"capture":{"file":"in.pcap","packet":17}}`},
	} {
		path, query := c.x.PathQuery()
		if got := string(l.append(nil, c.x, path, query, "in.pcap")); got != c.want+"\n" {
			t.Errorf("got  %swant %s", got, c.want)
		}
	}
}

// What is remembered between lines never shows.
func TestLinesRememberRightly(t *testing.T) {
	var l lines
	rapid.Check(t, func(t *rapid.T) {
		at := capture.Time(rapid.OneOf(rapid.Int64Range(-3e9, 3e9), rapid.Int64Range(0, 1<<62)).Draw(t, "time"))
		if got := string(l.appendTime(nil, at)); got != at.String() {
			t.Fatalf("%s, want %s", got, at)
		}
		end := func(label string) netip.AddrPort {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, rapid.Byte().Draw(t, label)}), rapid.SampledFrom([]uint16{80, 592, 1104}).Draw(t, label+" port"))
		}
		client, server := end("client"), end("server")
		var fresh lines
		if got, want := string(l.appendEnds(nil, client, server)), string(fresh.appendEnds(nil, client, server)); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	})
}

// Whatever is in a string, JSON readers give it back, and a terminal sees no
// control character.
func TestStringInJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "s")
		line := appendString(nil, s)
		var back string
		if err := json.Unmarshal(line, &back); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		want := ""
		for _, r := range s { // invalid bytes range as U+FFFD, one each
			want += string(r)
		}
		if back != want {
			t.Fatalf("%q came back as %q", want, back)
		}
		for _, r := range string(line) {
			if r < 0x20 || 0x7f <= r && r < 0xa0 {
				t.Fatalf("%q holds %q", line, r)
			}
		}
		if !utf8.Valid(line) {
			t.Fatalf("%q is no UTF-8", line)
		}
	})
}

func BenchmarkExchangeLine(b *testing.B) {
	x := sample()
	x.Flags, x.Request.Damage = 0, 0
	path, query := x.PathQuery()
	var l lines
	buf := l.append(nil, x, path, query, "in.pcap")
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = l.append(buf[:0], x, path, query, "in.pcap")
	}
}
