package main

import (
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
)

func TestHandshakeLine(t *testing.T) {
	ends := exchange.Handshake{
		Origin: reassembly.Origin{Number: 4, Time: capture.Time(1767323045123456789)},
		Client: netip.MustParseAddrPort("10.0.0.9:50000"), Server: netip.MustParseAddrPort("10.0.0.2:443"),
	}
	whole, refused, cut := ends, ends, ends
	whole.ClientHello = exchange.ClientHello{Present: true, ServerName: "api\x7f.test", ALPN: []string{"h2", "http/1.1"}, JA3: "33", JA4: "44"}
	whole.ServerHello = exchange.ServerHello{Present: true, Version: exchange.TLS12, Suite: 0xc02f, ALPN: "h2", JA3S: "55"}
	whole.Group, whole.Outcome, whole.Resumption = 29, exchange.Established, exchange.ByTicket
	whole.Certificates = []*exchange.Certificate{{
		Subject: "CN=api.test", Issuer: "CN=\"CA\"", Names: []string{"api.test", "10.0.0.2"}, NotBefore: 1_700_000_000, NotAfter: 1_900_000_000,
		Key: "RSA", KeyBits: 2048, Signature: "SHA256-RSA", Fingerprint: [32]byte{1, 31: 2},
	}, {}}
	refused.ClientHello = exchange.ClientHello{Present: true, JA3: "33", JA4: "44"}
	refused.Alerts, refused.Outcome = []exchange.Alert{{FromServer: true, Level: 2, Description: 70}}, exchange.Refused
	cut.ServerHello = exchange.ServerHello{Present: true, Cut: true, Legacy: exchange.TLS12}
	cut.Flags, cut.Damage, cut.StartTLS = exchange.Unpaired|exchange.Midstream, exchange.HeadGap, "smtp"
	var l lines
	for _, c := range []struct {
		h    exchange.Handshake
		want string
	}{
		{whole, `{"ts":"2026-01-02T03:04:05.123456Z","community_id":"1:7xMmWY/nAwttC4KoCWksyuGP/3U=","client":{"ip":"10.0.0.9","port":50000},"server":{"ip":"10.0.0.2","port":443},"version":"TLS 1.2","cipher":"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256","group":"x25519","sni":"api\u007f.test","alpn":"h2","alpn_offered":["h2","http/1.1"],"ja3":"33","ja3s":"55","ja4":"44","resumed":"ticket","retried":false,"established":true,"alert":null,"starttls":null,"certificate":{"subject":"CN=api.test","issuer":"CN=\"CA\"","names":["api.test","10.0.0.2"],"not_before":"2023-11-14T22:13:20Z","not_after":"2030-03-17T17:46:40Z","key":"RSA","bits":2048,"signature":"SHA256-RSA","self_signed":false,"chain":2,"sha256":"0100000000000000000000000000000000000000000000000000000000000002"},"tunnel":null,"flags":[],"capture":{"file":"in.pcap","packet":4}}`},
		{refused, `{"ts":"2026-01-02T03:04:05.123456Z","community_id":"1:7xMmWY/nAwttC4KoCWksyuGP/3U=","client":{"ip":"10.0.0.9","port":50000},"server":{"ip":"10.0.0.2","port":443},"version":null,"cipher":null,"group":null,"sni":null,"alpn":null,"alpn_offered":[],"ja3":"33","ja3s":null,"ja4":"44","resumed":null,"retried":false,"established":false,"alert":"protocol_version","starttls":null,"certificate":null,"tunnel":null,"flags":[],"capture":{"file":"in.pcap","packet":4}}`},
		{cut, `{"ts":"2026-01-02T03:04:05.123456Z","community_id":"1:7xMmWY/nAwttC4KoCWksyuGP/3U=","client":{"ip":"10.0.0.9","port":50000},"server":{"ip":"10.0.0.2","port":443},"version":null,"cipher":null,"group":null,"sni":null,"alpn":null,"alpn_offered":[],"ja3":null,"ja3s":null,"ja4":null,"resumed":null,"retried":false,"established":false,"alert":null,"starttls":"smtp","certificate":null,"tunnel":null,"flags":["gap","midstream","unfinished","unpaired"],"capture":{"file":"in.pcap","packet":4}}`},
	} {
		got := string(l.appendHandshake(nil, &c.h, "in.pcap"))
		if got != c.want+"\n" {
			t.Errorf("got  %swant %s", got, c.want)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("no JSON: %s", got)
		}
	}
}
