package main

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/authtap/authtap/cmd/authtap/internal/pipeline"
	"github.com/authtap/authtap/reassembly/coverage"
	"github.com/authtap/authtap/reassembly/identify"
)

func TestPercent(t *testing.T) {
	for share, want := range map[float64]string{
		0: "0.0 %", 1: "100.0 %", 0.5: "50.0 %", 0.99999: "99.9 %", 0.00001: "0.1 %", 0.98765: "98.8 %",
	} {
		if got := percent(share); got != want {
			t.Errorf("%v: %s, want %s", share, got, want)
		}
	}
}

// The blind spots are told when more than a hundredth of the bytes or of the
// packets was lost, and not of more servers than can be read.
func TestBlindSpots(t *testing.T) {
	for _, c := range []struct {
		name                         string
		missing, kernel, byInterface uint64
		servers                      int
		told                         bool
		lines                        int
		first, last                  string
	}{
		{"nothing lost", 0, 0, 0, 1, false, 0, "", ""},
		{"little lost", 100, 0, 0, 1, false, 0, "", ""},
		{"bytes lost", 102, 0, 0, 1, true, 3, "1.0 % of the bytes of conversations are missing. ", "10.0.0.0:80 "},
		{"few packets lost", 0, 10, 0, 1, false, 0, "", ""},
		{"packets lost by the kernel", 0, 11, 0, 1, true, 3, "0.0 % of the bytes of conversations are missing, 1.1 % of the packets were dropped. ", "10.0.0.0:80 "},
		{"packets lost before", 0, 1, 10, 0, true, 1, "0.0 % of the bytes of conversations are missing, 1.1 % of the packets were dropped", ""},
		{"many servers", 9898, 0, 0, 23, true, tellServers + 3, "50.0 % of the bytes", "and 3 more: "},
	} {
		var s pipeline.Stats
		s.Source.Packets, s.Source.KernelDropped, s.Source.InterfaceDropped = 990, c.kernel, c.byInterface
		s.Streams.Reassembly.Delivered, s.Streams.Reassembly.Gap = 10000-min(c.missing, 102), c.missing
		for i := range c.servers {
			s.Coverage.Conversation(identify.Seen{
				Server: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 80), Bytes: 1,
			}, false)
		}
		var out strings.Builder
		blindSpots(&out, &s)
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if !c.told {
			if out.Len() > 0 {
				t.Errorf("%s: %s", c.name, out.String())
			}
			continue
		}
		if len(lines) != c.lines || !strings.HasPrefix(lines[0], c.first) || !strings.HasPrefix(lines[len(lines)-1], c.last) {
			t.Errorf("%s: %d lines, want %d:\n%s", c.name, len(lines), c.lines, out.String())
		}
	}
}

// The row of the servers beyond has no name.
func TestCoverageBeyond(t *testing.T) {
	rows := []coverage.Row{{QUIC: 3}}
	var out strings.Builder
	if err := coverageTable(&out, rows, nil); err != nil || !strings.Contains(out.String(), "\nothers ") {
		t.Errorf("%v\n%s", err, out.String())
	}
	out.Reset()
	const want = `{"server":null,"rebuilt":null,"bytes":0,"missing_bytes":0,"conversations":0,"one_sided":0,"opaque_tls":0,"quic_packets":3,"exchanges":0,"complete":0,"answered":0}` + "\n"
	if err := coverageLines(&out, rows); err != nil || out.String() != want {
		t.Errorf("%v\n%s", err, out.String())
	}
}
