package exchange_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly/exchange"
)

func TestVersions(t *testing.T) {
	for v, want := range map[exchange.Version]string{
		0: "0x0000", exchange.SSL20: "SSL 2.0", exchange.SSL30: "SSL 3.0", exchange.TLS10: "TLS 1.0", exchange.TLS11: "TLS 1.1",
		exchange.TLS12: "TLS 1.2", exchange.TLS13: "TLS 1.3", 0x0305: "0x0305", 0x7f1c: "TLS 1.3 draft 28", 0xfb1a: "0xfb1a",
	} {
		if got := v.String(); got != want {
			t.Errorf("%#x is %q, want %q", uint16(v), got, want)
		}
		if is13 := strings.HasPrefix(want, "TLS 1.3") || v == 0xfb1a; v.Is13() != is13 {
			t.Errorf("%v is 1.3: %v", v, !is13)
		}
	}
}

func TestAlerts(t *testing.T) {
	for a, want := range map[exchange.Alert]string{
		{Level: 2, Description: 48}:                   "unknown_ca",
		{Level: 1}:                                    "close_notify",
		{Level: 2, Description: 255}:                  "255",
		{Encrypted: true}:                             "encrypted",
		{FromServer: true, Level: 2, Description: 40}: "handshake_failure",
	} {
		if got := a.String(); got != want {
			t.Errorf("%+v is %q, want %q", a, got, want)
		}
	}
}

// Every mark of a handshake has a name.
func TestHandshakeNames(t *testing.T) {
	done := exchange.Handshake{Outcome: exchange.Established}
	for _, c := range []struct {
		change func(h *exchange.Handshake)
		want   string
	}{
		{func(*exchange.Handshake) {}, ""},
		{func(h *exchange.Handshake) { h.Outcome = exchange.Refused }, ""},
		{func(h *exchange.Handshake) { h.Outcome = exchange.Unfinished }, "unfinished"},
		{func(h *exchange.Handshake) { h.Damage = exchange.HeadGap }, "gap"},
		{func(h *exchange.Handshake) { h.Damage = exchange.Cut }, "truncated"},
		{func(h *exchange.Handshake) { h.Damage = exchange.Conflicting }, "conflict"},
		{func(h *exchange.Handshake) { h.Damage = exchange.Malformed }, "malformed"},
		{func(h *exchange.Handshake) { h.Flags = exchange.Midstream | exchange.Unpaired }, "midstream unpaired"},
	} {
		h := done
		c.change(&h)
		if got := h.Names(); strings.Join(got, " ") != c.want || !slices.IsSorted(got) {
			t.Errorf("%q, want %s", got, c.want)
		}
	}
	for o, want := range []string{"unfinished", "established", "refused", "closed"} {
		if got := exchange.Outcome(o).String(); got != want {
			t.Errorf("outcome %d is %q, want %q", o, got, want)
		}
	}
	for r, want := range []string{"", "session_id", "ticket", "psk"} {
		if got := exchange.Resumption(r).String(); got != want {
			t.Errorf("resumption %d is %q, want %q", r, got, want)
		}
	}
	c := exchange.Certificate{Fingerprint: [32]byte{0xab, 31: 1}}
	if got := c.FingerprintHex(); len(got) != 64 || got[:2] != "ab" || got[62:] != "01" {
		t.Errorf("fingerprint %s", got)
	}
}
