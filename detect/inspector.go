package detect

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/issuer"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
)

// Inspector makes Inspections. Each shard has one: it belongs to one
// goroutine, and what it makes may be read from any.
type Inspector struct {
	finder  *credential.Finder
	trusted []netip.Prefix
	hide    bool
	asks    []func(*Inspection) bool
	hosts   map[string]string
	answers *endpoint.Examiner
	pins    *pins
	pin     *Pin // of the exchange at hand
	tlsEnds []string
	// clientHeaders are believed of trusted proxies, the first before the others.
	clientHeaders []string
	always        Needs // what every exchange has
	spares        reassembly.Spares[Inspection]
}

// NewInspector makes an inspector of an engine's options.
func NewInspector(o Options) *Inspector {
	n := &Inspector{
		trusted: o.TrustedProxies,
		hide:    o.HidePrincipals,
		hosts:   make(map[string]string),
		answers: endpoint.NewExaminer(),
		pins:    newPins(o.Pins),
		tlsEnds: o.BehindTLS,

		clientHeaders: o.ClientHeaders,
		always:        EveryExchange,
	}
	if len(o.Declared) > 0 {
		n.always |= Described
	}
	finding := credential.Options{Key: o.Key, SessionCookies: o.SessionCookies}
	if n.pins != nil {
		finding.Login = func(x *exchange.Exchange) *credential.LoginFields {
			if n.pin = n.pins.of(x); n.pin != nil {
				return n.pin.Login
			}
			return nil
		}
	}
	n.finder = credential.NewFinder(finding)
	for _, d := range sorted(o.Detectors) {
		if d.Content != nil {
			n.asks = append(n.asks, d.Content)
		}
	}
	return n
}

// sorted gives detectors by their names.
func sorted(list []Detector) []Detector {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Detector) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Reconfigured makes an inspector of other options that goes on counting.
func (n *Inspector) Reconfigured(o Options) *Inspector {
	m := NewInspector(o)
	m.finder.GoOn(n.Stats())
	return m
}

// Stats counts what was found, and what was not looked at.
func (n *Inspector) Stats() credential.Stats { return n.finder.Stats() }

// Inspect finds out what an exchange shows by itself.
func (n *Inspector) Inspect(x *exchange.Exchange) *Inspection {
	n.pin = nil
	ins := n.spares.Take()
	ins.Exchange, ins.Found = x, n.finder.Find(x)
	f := &ins.Found
	switch {
	case f.Asked != nil:
		ins.Has |= Asks
		ins.Told = toldBy(&x.Response, f.Asked.Principal)
	case f.Login != nil && (f.Login.Place.Part == credential.InForm || f.Login.Place.Part == credential.InJSON):
		ins.Told = toldBy(&x.Response, f.Login.Principal)
		ins.Captcha = asksCaptcha(&x.Response)
	}
	if n.hide {
		n.hidePrincipals(f)
	}
	ins.Host = n.host(hostOf(x))
	ins.Path, ins.Query = x.PathQuery()
	ins.Has |= n.always
	if len(f.Request) > 0 {
		ins.Has |= Presented
	}
	if len(f.Response) > 0 {
		ins.Has |= Issued
	}
	cookies := 0
	for i := range f.Request {
		c := &f.Request[i]
		if c.Place.Part == credential.InCookie {
			cookies--
		}
		switch c.Kind {
		case credential.JWT:
			ins.Has |= PresentedJWT
		case credential.Code:
			ins.Has |= HasCode
		}
		switch c.Place.Part {
		case credential.InPath, credential.InUserinfo:
			ins.Path = credential.Redact(f, ins.Path).String()
			ins.Has |= InTarget
		case credential.InQuery:
			ins.Has |= InTarget
		}
		if ins.Principal == "" {
			ins.Principal = c.Principal
		}
	}
	x.Request.Header.Each("Cookie", func(v string) { cookies += 1 + strings.Count(strings.TrimRight(v, "; "), ";") })
	ins.OtherCookies = cookies > 0
	for i := range f.Response {
		if f.Response[i].Kind == credential.JWT {
			ins.Has |= IssuedJWT
		}
	}
	if f.Login != nil {
		ins.Has |= LoginAttempt
		if f.Login.Principal != "" {
			ins.Principal = f.Login.Principal
		}
	}
	switch x.Response.Status {
	case 401:
		if x.Response.Header.Has("WWW-Authenticate") {
			ins.Has |= Challenge
		}
	case 407:
		if x.Response.Header.Has("Proxy-Authenticate") {
			ins.Has |= Challenge
		}
	}
	if ins.Published = issuer.Find(x, ins.Path); ins.Published != nil {
		ins.Has |= PublishesKeys
	}
	ins.BehindTLS = endsTLS(x.Request.Header) || len(n.tlsEnds) > 0 && endpoint.HostMatches(n.tlsEnds, ins.Host)
	if authorizes(ins.Query) {
		ins.Has |= Authorizes
	}
	if f.Payload != credential.NoPayload {
		ins.Has |= HasPayload
	}
	if len(f.Echoes) > 0 {
		ins.Has |= HasCode
	}
	if len(f.Exposed) > 0 {
		ins.Has |= Exposes
	}
	if f.Reflected != nil {
		ins.Has |= Reflects
	}
	if name, _ := IdentityHeader(x.Request.Header); name != "" {
		ins.Has |= SaysWho
	}
	if ins.Operation = n.answers.Operation(x, ins.Path, ins.Query, f); ins.Operation != "" {
		ins.Operation = credential.MaskText(f, ins.Operation) // it is kept, and anything may stand there
	}
	ins.forwarded = lastForwarded(x.Request.Header)
	ins.Client = n.client(x)
	ins.Answer = n.answers.Examine(x, ins.Path, f)
	if n.pin != nil {
		n.pins.judge(n.pin, ins)
	}
	for i, ask := range n.asks {
		if ask(ins) {
			ins.content |= 1 << i
		}
	}
	return ins
}

// maxSpares bounds the inspections that are kept to be used again.
const maxSpares = 4096

// Done takes an inspection back that the engine has looked at, to use it again,
// and gives its exchange for the same purpose: nil where they are still held.
func (n *Inspector) Done(ins *Inspection) *exchange.Exchange {
	if ins.held {
		return nil
	}
	x := ins.Exchange
	*ins = Inspection{}
	n.spares.Keep(ins, maxSpares)
	return x
}

// maxHosts bounds the names that an Inspector has copies of.
const maxHosts = 1024

// host gives a copy of a host's name, the same for all its exchanges. Many
// keep it for long, and a part of the request's head would hold all of that.
func (n *Inspector) host(name string) string {
	own, ok := n.hosts[name]
	if !ok {
		if len(n.hosts) >= maxHosts {
			clear(n.hosts)
		}
		own = strings.Clone(name)
		n.hosts[own] = own
	}
	return own
}

// hostOf gives the request's host, without a default port.
func hostOf(x *exchange.Exchange) string {
	return strings.TrimSuffix(strings.TrimSuffix(x.Host(), ":80"), ":443")
}

// InspectHandshake does the same for a handshake. Its host is the server's name
// as the client asked for it, else its address.
func (n *Inspector) InspectHandshake(h *exchange.Handshake) *Inspection {
	host := strings.ToLower(h.ClientHello.ServerName)
	if host == "" {
		host = h.Server.String()
	}
	return &Inspection{
		Handshake: h,
		Exchange: &exchange.Exchange{
			Order: h.Order, Origin: h.Origin, End: h.End, Client: h.Client, Server: h.Server, Net: h.Net, Tunnels: h.Tunnels,
			Flags: exchange.Unpaired,
		},
		Host:   host,
		Client: h.Client.Addr(),
	}
}

// hidePrincipals puts an account's keyed hash in the place of its name,
// everywhere behind this point.
func (n *Inspector) hidePrincipals(f *credential.Found) {
	hidden := func(name string) string {
		if name == "" {
			return ""
		}
		return n.finder.PrincipalID(name).String()
	}
	for _, list := range [][]credential.Credential{f.Request, f.Response} {
		for i := range list {
			list[i].Principal = hidden(list[i].Principal)
		}
	}
	if f.Login != nil {
		l := *f.Login
		l.Principal = hidden(l.Principal)
		f.Login = &l
	}
	if f.Asked != nil {
		f.Asked.Principal = hidden(f.Asked.Principal)
	}
}

// Redact gives text from the exchange as evidence.
func (ins *Inspection) Redact(s string) credential.Redacted {
	ins.held = true
	return credential.Later(&ins.Found, s)
}

// client gives the client's address: what a trusted proxy says in one of the
// headers that are configured, else clientOf.
func (n *Inspector) client(x *exchange.Exchange) netip.Addr {
	if len(n.clientHeaders) > 0 && within(n.trusted, x.Client.Addr()) {
		for _, name := range n.clientHeaders {
			if a, ok := parseHop(x.Request.Header.Get(name)); ok {
				return a
			}
		}
	}
	return clientOf(x, n.trusted)
}

// clientOf gives the client's address (docs/verdicts.md): the peer's, unless
// that is a trusted proxy; then whom the proxy says the connection is for, and
// where that is a trusted proxy, too, or nobody, the right-most address of
// X-Forwarded-For or Forwarded that is not one.
func clientOf(x *exchange.Exchange, trusted []netip.Prefix) netip.Addr {
	peer := x.Client.Addr()
	if len(trusted) > 0 && within(trusted, peer) && x.Relayed.IsValid() {
		peer = x.Relayed
	}
	if len(trusted) == 0 || !within(trusted, peer) {
		return peer
	}
	var hops []string
	x.Request.Header.Each("X-Forwarded-For", func(v string) { hops = append(hops, strings.Split(v, ",")...) })
	if hops == nil {
		x.Request.Header.Each("Forwarded", func(v string) { // RFC 7239, section 4
			for _, element := range strings.Split(v, ",") {
				for _, pair := range strings.Split(element, ";") {
					if name, value, ok := strings.Cut(strings.TrimSpace(pair), "="); ok && strings.EqualFold(name, "for") {
						hops = append(hops, value)
					}
				}
			}
		})
	}
	for i := len(hops) - 1; i >= 0; i-- {
		a, ok := parseHop(hops[i])
		if !ok {
			break // what stands left of it was not written by a trusted proxy
		}
		if !within(trusted, a) {
			return a
		}
	}
	return peer
}

// parseHop reads an address with or without port, quotes and brackets.
func parseHop(s string) (netip.Addr, bool) {
	s = strings.Trim(strings.TrimSpace(s), `"`)
	if p, err := netip.ParseAddrPort(s); err == nil {
		return p.Addr().Unmap(), true
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	return a.Unmap().WithZone(""), err == nil
}

func within(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
