package store

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
)

func ledgerRows() *Rows {
	seen := detect.Seen{Sensor: "edge", File: "a.pcap", Begin: -5, Last: 1 << 60}
	return &Rows{
		Endpoints: []detect.Endpoint{{
			Seen: seen, Host: "h", Method: "GET", Path: "/{id}", Operation: "login", Answers: [4][3]uint64{{1, 2, 3}, {4, 5, 6}, {7, 8, 1 << 63}, {9}},
			Kinds: []string{"basic", "jwt"}, Discriminates: true, Logins: [4]uint64{1, 2, 3, 4}, Successes: []string{"200"}, Failures: []string{"401", "403"},
		}, {}},
		Credentials: []detect.Use{{
			Seen: seen, Kind: "jwt", ID: credential.ID{1, 2}, Mask: "eyJh…(9)", Place: "header:x", Principal: "bob", Answers: [3]uint64{1, 2, 3},
			Clients: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}, Hosts: []string{"h"}, Issued: true, Expires: 99,
		}, {}},
		Issuers: []detect.IssuerKey{{
			Seen: seen, Issuer: "i", Host: "h", Kid: "k", Algorithm: "RS256", Type: "RSA", Thumbprint: "00", Bits: 1<<32 - 1, Published: true, Accepted: true,
		}, {}},
	}
}

// Rows of the ledgers come back as they were, and blocks of the version before
// are read.
func TestCodecOfLedgers(t *testing.T) {
	want := ledgerRows()
	got, err := decode(encode(nil, want))
	if err != nil || !reflect.DeepEqual(&got, want) {
		t.Errorf("%v\n%+v\n%+v", err, got, want)
	}
	c := codec{out: []byte{formatFirst}}
	old := &Rows{Heartbeats: []Heartbeat{{Sensor: "edge", Counters: map[string]uint64{"n": 1}}}}
	c.rows(old)
	if got, err := decode(c.out); err != nil || !reflect.DeepEqual(&got, old) {
		t.Errorf("of the version before: %v, %+v", err, got)
	}
	if _, err := decode([]byte{format + 1}); err == nil {
		t.Error("a later version's block is read")
	}
}
