package storetest

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/store"
)

// AuthEvent gives login attempt n, which differs from all others; two a second.
func AuthEvent(n int) detect.AuthEvent {
	return detect.AuthEvent{
		Time: detect.Timestamp(Start.Add(time.Duration(n) * 500 * time.Millisecond)), Series: detect.Timestamp(Start),
		Number: uint64(n) + 1, Sensor: "edge", Host: fmt.Sprintf("host-%d.example", n%4), Method: "POST", Path: "/login",
		Client:    netip.AddrFrom4([4]byte{192, 0, 2, byte(n % 200)}),
		Principal: fmt.Sprintf("user-%d", n%50), PrincipalID: credential.ID{1, byte(n % 50)}, CredentialID: credential.ID{2, byte(n), byte(n >> 8)},
		Kind: "json", Outcome: endpoint.LoginOutcome(n % 4), Status: 401, Capture: detect.Capture{File: "a.pcap", Packet: uint64(n)*10 + 1},
	}
}

// Occurrence gives one for each minute n of finding n modulo 7.
func Occurrence(n int) detect.Occurrence {
	return detect.Occurrence{
		Finding: Finding(n % 7).ID, Version: uint64(n) + 1, Minute: detect.Timestamp(Start/capture.Time(time.Minute)*capture.Time(time.Minute)) + detect.Timestamp(n)*detect.Timestamp(time.Minute),
		Count: uint64(n%5) + 1, Detector: "brute_force", Severity: detect.High, Verdict: detect.Rejected,
		Host: "host-1.example", Client: netip.AddrFrom4([4]byte{192, 0, 2, 9}), Sensor: "edge",
	}
}

// Heartbeat gives that of minute n.
func Heartbeat(n int) store.Heartbeat {
	return store.Heartbeat{
		Sensor: "edge", Time: detect.Timestamp(Start.Add(time.Duration(n) * time.Minute)), Started: detect.Timestamp(Start),
		Version: "v1", Key: "a1b2", Counters: map[string]uint64{"source.packets": uint64(n) * 1000, "store.lost": 0},
	}
}

// seen gives where row n of a ledger was counted: each in a few parts, by two
// sensors.
func seen(n int) detect.Seen {
	begin := Start.Add(time.Duration(n) * time.Hour)
	return detect.Seen{
		Sensor: fmt.Sprintf("sensor-%d", n%2), File: "a.pcap",
		Begin: detect.Timestamp(begin), Last: detect.Timestamp(begin.Add(time.Duration(n%50) * time.Second)),
	}
}

// Endpoint gives row n, of eight endpoints.
func Endpoint(n int) detect.Endpoint {
	e := detect.Endpoint{
		Seen: seen(n), Host: fmt.Sprintf("host-%d.example", n%4), Method: []string{"GET", "POST"}[n%2], Path: fmt.Sprintf("/orders/{id}/%d", n%8),
		Kinds: []string{"jwt"}, Discriminates: n%3 == 0,
	}
	for i := range e.Answers {
		for j := range e.Answers[i] {
			e.Answers[i][j] = uint64(n*i + j)
		}
	}
	switch n % 8 {
	case 0:
		e.Answers, e.Kinds = [4][3]uint64{}, nil
		e.Logins = [4]uint64{1, uint64(n), 3, 4}
		e.Answers[0][1] = 4
		e.Successes, e.Failures = []string{"200 with a token"}, []string{"401", "429"}
	case 1:
		e.Answers[0][1], e.Answers[2][1], e.Answers[3][1] = 0, 0, 20
		e.Kinds = []string{"basic", "session"}
	case 2:
		e.Answers = [4][3]uint64{{0, 5, 1}}
		e.Kinds = nil
	case 3:
		e.Answers = [4][3]uint64{{0, 0, 9}}
		e.Kinds = nil
	}
	return e
}

// Use gives row n, of 16 credentials.
func Use(n int) detect.Use {
	return detect.Use{
		Seen: seen(n), Kind: []string{"jwt", "api_key", "session", "bearer"}[n%4], ID: credential.ID{3, byte(n % 16)}, Mask: fmt.Sprintf("eyJh…(%d)", 100+n%16),
		Place: "header:authorization", Principal: fmt.Sprintf("user-%d", n%16), Answers: [3]uint64{uint64(n % 3), uint64(n), uint64(n % 5)},
		Clients: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(n % 9)}), netip.MustParseAddr("2001:db8::7")},
		Hosts:   []string{fmt.Sprintf("host-%d.example", n%4)}, Issued: n%4 == 2,
		Expires: detect.Timestamp(n%4/3) * detect.Timestamp(Start.Add(1000*time.Hour)),
	}
}

// IssuerKey gives row n, of six keys.
func IssuerKey(n int) detect.IssuerKey {
	return detect.IssuerKey{
		Seen: seen(n), Issuer: []string{"https://id.example", "https://login.example", ""}[n%3], Host: fmt.Sprintf("host-%d.example", n%3), Kid: fmt.Sprintf("key-%d", n%6),
		Algorithm: "RS256", Type: "RSA", Bits: 2048, Thumbprint: fmt.Sprintf("%064x", n%6),
		Published: n%3 == 2, Issued: n%3 == 0, Accepted: n%2 == 1,
	}
}
