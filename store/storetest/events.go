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
