package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly/exchange"
)

// A peer that speaks for many clients, and is not trusted to, is told once.
func TestForwarders(t *testing.T) {
	var told []string
	e, err := NewEngine(Options{
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.9/32")},
		Forwarder:      func(peer netip.Addr) { told = append(told, peer.String()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	at := capture.Time(1e18)
	send := func(peer, name, value string) {
		x := &exchange.Exchange{Client: netip.MustParseAddrPort(peer + ":40000"), Server: netip.MustParseAddrPort("10.0.0.2:80"), End: at}
		x.Request = exchange.Message{Present: true, Method: "GET", Target: "/", Start: at, Header: exchange.Header{{Name: name, Value: value}}}
		x.Response.Status = 200
		e.exchange(&Inspection{Exchange: x, Path: "/", forwarded: lastForwarded(x.Request.Header)})
		at++
	}
	for i := range 3 * speaksFor {
		send("10.0.0.1", "X-Forwarded-For", fmt.Sprintf("198.51.100.1, 203.0.113.%d", i))
		send("10.0.0.9", "X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i))                    // is trusted
		send("10.0.0.3", "X-Forwarded-For", "203.0.113.7")                                     // speaks for one
		send("10.0.0.4", "Forwarded", fmt.Sprintf(`for="203.0.113.%d";proto=https`, i))        // the same in another form
		send("192.0.2.1", "X-Forwarded-For", fmt.Sprintf("192.168.0.%d", i))                   // a client's own
		send("10.0.0.5", "X-Forwarded-For", []string{"unknown", "10.0.0.5", "127.0.0.1"}[i%3]) // for nobody
	}
	if want := []string{"10.0.0.1", "10.0.0.4"}; !slices.Equal(told, want) || e.Stats().Forwarders != 2 {
		t.Errorf("told of %v, want %v; %d", told, want, e.Stats().Forwarders)
	}
}
