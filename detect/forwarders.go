package detect

import (
	"net/netip"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/window"
)

// Behind a proxy that nobody trusts all clients are one: what its users do by
// chance in an hour looks like an attack of its own. So Options.Forwarder is told
// of a peer that speaks for many.
const (
	// speaksFor is how often the client of a peer's requests must change.
	speaksFor     = 32
	maxForwarders = 1024
)

type forwarder struct {
	client  netip.Addr // of its last request
	changes int
}

func newForwarders() *window.Cache[netip.Addr, forwarder] {
	return window.NewCache[netip.Addr, forwarder](maxForwarders, 24*time.Hour)
}

// forwards looks at whom a request is forwarded for. A client's own proxy, whose
// address is a public one, names addresses that are private: that is none to be
// trusted.
func (e *Engine) forwards(ins *Inspection, now capture.Time) {
	x := ins.Exchange
	peer, client := x.Client.Addr(), x.Relayed
	if !client.IsValid() {
		client, _ = forwardedFor(ins.forwarded)
	}
	if !client.IsValid() || client == peer || client.IsPrivate() && !peer.IsPrivate() || within(e.options.TrustedProxies, peer) {
		return
	}
	f, _ := e.forwarders.At(peer, now)
	if f.client == client {
		return
	}
	f.client = client
	if f.changes++; f.changes == speaksFor {
		e.stats.Forwarders++
		if e.options.Forwarder != nil {
			e.options.Forwarder(peer)
		}
	}
}
