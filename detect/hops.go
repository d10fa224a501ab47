package detect

import (
	"net/netip"
	"strings"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/memo"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

// Where both sides of a proxy are watched, an exchange is seen twice: between
// client and proxy, and between proxy and server (docs/decisions/0019). The inner
// one ends first. An exchange that says whom it is forwarded for is therefore
// held until the outer one has come, or can no longer come; of peers of which
// none ever comes, none is held any more.
const (
	// hopSpan is how far the two may be apart.
	hopSpan = time.Second
	// maxHeld bounds the exchanges that are held; the oldest makes room.
	maxHeld = 1024
	// hopTries is how many exchanges of a peer are held in vain before they are
	// not held any more, hopRest for how long; hopPatience the same of a peer of
	// which outer hops came.
	hopTries    = 64
	hopPatience = 2 * maxHeld
	hopRest     = time.Hour
	maxPeers    = 4096
	// hopLate is how long after one hop the other may still come: where packets
	// were lost, an exchange is known only when they are given up. maxPast bounds
	// the hops that are remembered for it.
	hopLate = 2 * time.Minute
	maxPast = 4096
)

// hops holds inner exchanges.
type hops struct {
	// held are in the order in which they came; those that were found to be
	// another's inner hop are nil.
	held    []heldHop
	waiting map[hopKey]int // how many of held, by what their outer one is found by
	peers   *window.Cache[netip.Addr, hopPeer]
	// past are hops whose other one did not come in time, twosided when both of
	// an exchange were last seen.
	past     *window.Cache[hopKey, hop]
	twosided capture.Time
	stats    HopStats
}

// hop is one of an exchange.
type hop struct {
	inner          bool
	client, server netip.AddrPort
	start          capture.Time
	status         int
}

func hopOf(x *exchange.Exchange, inner bool) hop {
	return hop{inner, x.Client, x.Server, x.Request.Start, x.Response.Status}
}

// HopStats count exchanges that were seen on two hops.
type HopStats struct {
	// Inner are those that another exchange is the outer hop of; they count for
	// nothing. Early are those that were not held for as long as the outer one
	// may take, since too many were.
	Inner, Early uint64
}

type heldHop struct {
	ins *Inspection
	key hopKey
	due capture.Time
}

// hopKey is what two hops of an exchange have in common: the client of the
// outer one, and what is asked for.
type hopKey struct {
	client         netip.Addr
	method, target string
	length         int64
	body           memo.Sum
}

// hopPeer is what is known of a peer that forwards.
type hopPeer struct {
	vain  int // exchanges held since the last of which the outer hop came
	known bool
	since capture.Time // when it was given up
}

func newHops() *hops {
	return &hops{waiting: map[hopKey]int{},
		peers: window.NewCache[netip.Addr, hopPeer](maxPeers, 24*time.Hour),
		past:  window.NewCache[hopKey, hop](maxPast, hopLate)}
}

// hold takes an exchange that may be an inner hop and reports whether it does.
func (h *hops) hold(ins *Inspection) bool {
	x := ins.Exchange
	if ins.forwarded == "" || !x.Request.Present {
		return false
	}
	if h.givenUp(x) {
		return false
	}
	peer, _ := h.peers.At(x.Client.Addr(), x.End)
	if peer.since != 0 {
		*peer = hopPeer{}
	}
	client, ok := forwardedFor(ins.forwarded)
	if !ok || client == x.Client.Addr() {
		return false
	}
	if peer.vain++; peer.vain > hopPatience || peer.vain > hopTries && !peer.known {
		peer.since = x.End
		return false
	}
	k := keyOf(ins, client)
	ins.held = true
	h.held = append(h.held, heldHop{ins, k, x.End.Add(hopSpan)})
	h.waiting[k]++
	return true
}

// givenUp reports whether no other hop is looked for of what the client of an
// exchange forwards: many were, lately, and none came.
func (h *hops) givenUp(x *exchange.Exchange) bool {
	peer := h.peers.Get(x.Client.Addr(), x.End)
	return peer != nil && peer.since != 0 && x.End.Sub(peer.since) < hopRest
}

// match gives the held exchange that x is the outer hop of, nil where there is
// none, and holds it no longer.
func (h *hops) match(ins *Inspection, trusted func(netip.Addr) bool) *Inspection {
	x := ins.Exchange
	if len(h.waiting) == 0 || !x.Request.Present {
		return nil
	}
	k := keyOf(ins, x.Client.Addr())
	if h.waiting[k] == 0 {
		return nil
	}
	for i := range h.held {
		inner := h.held[i].ins
		if inner == nil || h.held[i].key != k || !hopsOfOne(hopOf(x, false), hopOf(inner.Exchange, true), trusted) {
			continue
		}
		h.forget(i)
		if peer := h.peers.Get(inner.Exchange.Client.Addr(), x.End); peer != nil {
			*peer = hopPeer{known: true}
		}
		h.stats.Inner++
		h.twosided = x.End
		return inner
	}
	return nil
}

// late reports whether the other hop of an exchange was shown already, though
// which of the two this is was not known then.
func (h *hops) late(ins *Inspection, trusted func(netip.Addr) bool) bool {
	x := ins.Exchange
	if h.past.Len() == 0 || !x.Request.Present {
		return false
	}
	if p := h.past.Get(keyOf(ins, x.Client.Addr()), x.End); p != nil && p.inner && hopsOfOne(hopOf(x, false), *p, trusted) {
		h.stats.Inner++
		return true
	}
	client, ok := forwardedFor(ins.forwarded)
	if !ok {
		return false
	}
	p := h.past.Get(keyOf(ins, client), x.End)
	if p == nil || p.inner || !hopsOfOne(*p, hopOf(x, true), trusted) {
		return false
	}
	h.stats.Inner++
	return true
}

// alone remembers an exchange of which only one hop was seen so far.
func (h *hops) alone(ins *Inspection) {
	x := ins.Exchange
	if !x.Request.Present {
		return
	}
	if h.givenUp(x) {
		return
	}
	if client, ok := forwardedFor(ins.forwarded); ok {
		p, _ := h.past.At(keyOf(ins, client), x.End)
		*p = hopOf(x, true)
	} else if h.twosided != 0 && x.End.Sub(h.twosided) < hopRest {
		p, _ := h.past.At(keyOf(ins, x.Client.Addr()), x.End)
		*p = hopOf(x, false)
	}
}

// hopsOfOne reports whether two exchanges are the outer and the inner hop of
// one. Anybody can write whom he forwards for, so it must come from where the
// outer one went, or from a peer that may say so.
func hopsOfOne(outer, inner hop, trusted func(netip.Addr) bool) bool {
	apart := inner.start.Sub(outer.start)
	peer := inner.client.Addr()
	return apart <= hopSpan && apart >= -hopSpan && inner.server != outer.server &&
		inner.status == outer.status &&
		(peer == outer.server.Addr() || trusted(peer))
}

func (h *hops) forget(i int) {
	if k := h.held[i].key; h.waiting[k] == 1 {
		delete(h.waiting, k)
	} else {
		h.waiting[k]--
	}
	h.held[i].ins = nil
}

// next gives the oldest exchange that is no longer to be held at a time; nil
// where there is none.
func (h *hops) next(now capture.Time) *Inspection {
	for len(h.held) > 0 {
		first := &h.held[0]
		ins := first.ins
		switch {
		case ins == nil:
		case first.due >= now && len(h.held) <= maxHeld:
			return nil
		default:
			if first.due >= now {
				h.stats.Early++
			}
			h.forget(0)
		}
		if h.held = h.held[1:]; len(h.held) == 0 {
			h.held = nil
		}
		if ins != nil {
			return ins
		}
	}
	return nil
}

func keyOf(ins *Inspection, client netip.Addr) hopKey {
	r := &ins.Exchange.Request
	target := r.Target
	if i := strings.Index(target, "://"); i > 0 && target[0] != '/' {
		// The absolute form of one hop is not that of the other.
		if target = target[i+3:]; strings.IndexByte(target, '/') >= 0 {
			target = target[strings.IndexByte(target, '/'):]
		}
	}
	return hopKey{client, r.Method, target, r.Body.Length, ins.Found.RequestSum}
}

// lastForwarded gives what the last proxy says of where a request came to it
// from: the right-most of X-Forwarded-For, else of Forwarded (RFC 7239).
func lastForwarded(h exchange.Header) (said string) {
	for i := range h {
		switch n := len(h[i].Name); {
		case n == 15 && h[i].Name[14]|0x20 == 'r' && strings.EqualFold(h[i].Name, "X-Forwarded-For"):
			said = h[i].Value[strings.LastIndexByte(h[i].Value, ',')+1:]
		case n == 9 && h[i].Name[0]|0x20 == 'f' && said == "" && strings.EqualFold(h[i].Name, "Forwarded"):
			said = h[i].Value[strings.LastIndexByte(h[i].Value, ',')+1:]
		}
	}
	return said
}

// forwardedFor reads the address in it.
func forwardedFor(said string) (netip.Addr, bool) {
	if strings.IndexByte(said, '=') >= 0 {
		for pair := range strings.SplitSeq(said, ";") {
			if name, value, ok := strings.Cut(strings.TrimSpace(pair), "="); ok && strings.EqualFold(name, "for") {
				said = value
			}
		}
	}
	a, ok := parseHop(said)
	return a, ok && !a.IsLoopback() && !a.IsUnspecified()
}

// inner shows an inner hop to those who ask for them. Nothing is learned of it:
// what a proxy is given says little of what clients are.
func (e *Engine) inner(ins *Inspection) {
	p := &e.pass
	*p = Pass{engine: e, ins: ins, endpoint: e.endpoints.None()}
	e.suspect = false
	e.tokens.next()
	asked := request(ins)
	p.endpoint, p.template = e.endpoints.Find(&asked, p.Now())
	p.outcome = p.endpoint.Outcome(&ins.Answer, p.Now())
	for _, d := range e.needing(InnerHop) {
		p.look(d)
		d.Exchange(p, ins.Exchange)
	}
}

// trustedPeer reports whether a peer may say who a request is for.
func (o *Options) trustedPeer(peer netip.Addr) bool {
	if len(o.TrustedProxies) == 0 {
		return peer.IsPrivate() || peer.IsLoopback() || peer.IsLinkLocalUnicast()
	}
	return within(o.TrustedProxies, peer)
}
