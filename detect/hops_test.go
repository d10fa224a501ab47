package detect

import (
	"net/netip"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly/exchange"
)

// A peer of which no outer hop ever comes is not waited with, for an hour.
func TestPeersOfOneSide(t *testing.T) {
	h := newHops()
	at := capture.Time(1e18)
	forwarded := func() *Inspection {
		x := &exchange.Exchange{Client: netip.MustParseAddrPort("10.0.0.1:40000"), Server: netip.MustParseAddrPort("10.0.0.2:80"), End: at}
		x.Request = exchange.Message{Present: true, Method: "GET", Target: "/", Start: at}
		return &Inspection{Exchange: x, forwarded: "203.0.113.7"}
	}
	held := 0
	for range 3 * hopTries {
		for h.next(at) != nil {
		}
		if h.hold(forwarded()) {
			held++
		}
		at = at.Add(2 * time.Second)
	}
	if held != hopTries {
		t.Errorf("%d exchanges were held, want %d", held, hopTries)
	}
	if at = at.Add(hopRest); !h.hold(forwarded()) {
		t.Error("after an hour it is not tried again")
	}
	if len(h.waiting) != 1 {
		t.Errorf("%d wait", len(h.waiting))
	}
	if h.next(capture.Time(1 << 62)); len(h.waiting) != 0 || len(h.held) != 0 {
		t.Error("something is held for ever")
	}
}

func TestForwardedFor(t *testing.T) {
	for value, want := range map[string]string{
		"203.0.113.7": "203.0.113.7", "192.0.2.1, 203.0.113.7:1234": "203.0.113.7", "[2001:db8::1]:80": "2001:db8::1",
		"127.0.0.1": "none", "unknown": "none", "": "none", "203.0.113.7, ": "none",
	} {
		if got := forwarded("x-forwarded-for", value); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
	if got := forwarded("Forwarded", `for=192.0.2.1, for="203.0.113.7:99";proto=https`); got != "203.0.113.7" {
		t.Errorf("Forwarded: %s", got)
	}
}

func forwarded(name, value string) string {
	a, ok := forwardedFor(lastForwarded(exchange.Header{{Name: name, Value: value}}))
	if !ok {
		return "none"
	}
	return a.String()
}

// Where packets were lost one hop comes long after the other; still they are
// one exchange.
func TestLateHops(t *testing.T) {
	at := capture.Time(1e18)
	trusted := func(a netip.Addr) bool { return a.IsPrivate() }
	exchangeOf := func(client, server, forwarded, target string) *Inspection {
		x := &exchange.Exchange{Client: netip.MustParseAddrPort(client), Server: netip.MustParseAddrPort(server), End: at}
		x.Request = exchange.Message{Present: true, Method: "POST", Target: target, Start: at}
		x.Response.Status = 200
		return &Inspection{Exchange: x, forwarded: forwarded}
	}
	outer := func(target string) *Inspection { return exchangeOf("203.0.113.7:1", "198.51.100.1:443", "", target) }
	inner := func(target string) *Inspection { return exchangeOf("10.0.0.1:2", "10.0.0.2:80", "203.0.113.7", target) }
	h := newHops()
	if !h.hold(inner("/token")) {
		t.Fatal("an inner hop is not held")
	}
	gone := h.next(at.Add(hopSpan + 1))
	if gone == nil {
		t.Fatal("it is held for ever")
	}
	h.alone(gone)
	if h.late(outer("/other"), trusted) {
		t.Error("another request is its outer hop")
	}
	if !h.late(outer("/token"), trusted) {
		t.Error("the outer hop that comes late is another exchange")
	}
	// Outer hops are remembered where both were seen.
	if h.alone(outer("/first")); h.late(inner("/first"), trusted) {
		t.Error("an outer hop is remembered where none has an inner one")
	}
	h.hold(inner("/both"))
	if h.match(outer("/both"), trusted) == nil {
		t.Fatal("two hops are two exchanges")
	}
	if h.alone(outer("/second")); !h.late(inner("/second"), trusted) {
		t.Error("the inner hop that comes late is another exchange")
	}
	if h.late(exchangeOf("192.0.2.66:2", "10.0.0.2:80", "203.0.113.7", "/second"), trusted) {
		t.Error("anybody is believed")
	}
	for i := range 2 * maxPast {
		h.alone(outer("/" + string(rune('a'+i%26)) + string(rune(0x100+i))))
	}
	if h.past.Len() > maxPast {
		t.Errorf("%d are remembered", h.past.Len())
	}
}
