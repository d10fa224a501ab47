package rules

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "identity_header_spoofing",
	Title: "A client says in a header who a gateway would say it is",
	Doc: `A request from an address that is no trusted proxy carries a header by which gateways tell servers who was let in (X-Forwarded-User, X-Remote-User, X-Authenticated-User, X-User-Id and the like), or X-Original-URL, or claims to come from the server's own machine. The verdict says whether the server let it in, by what the endpoint is known to answer.

A server that believes such a header believes anybody who can reach it past the gateway, or through a gateway that does not take the header off.

Which machines are gateways is not known unless trusted proxies are configured; without them private addresses count as such. Applications have headers of their own with these names: one that three clients send beside a credential is taken for that. Partners' proxies send them rightly and belong among the trusted.

Take these headers off at the edge before adding them, and let servers believe them only over a connection that proves it is the gateway.`,
	Severity: detect.High, Attempt: true, Confidence: detect.Firm,
	CWE: []int{290, 348}, OWASP: []string{"API2:2023"}, ASVS: []string{"4.1.3"}, RFC: []string{"RFC 9700 §4.13"},
	Needs: detect.EveryExchange,
	State: func(detect.Values) any { return window.NewCache[string, []netip.Addr](5_000, 7*24*time.Hour) },
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		name, value := identityHeader(x.Request.Header)
		if name == "" || x.Request.Damage&exchange.HeadGap != 0 || p.TrustedPeer() {
			return
		}
		conventions := p.State().(*window.Cache[string, []netip.Addr])
		key := detect.Key(hostOf(p), name)
		if authenticated(p) {
			clients, _ := conventions.At(key, p.Now())
			if len(*clients) < 3 && !slices.Contains(*clients, p.Client()) && p.Outcome() == endpoint.Success {
				*clients = append(*clients, p.Client())
			}
			return
		}
		if clients := conventions.Get(key, p.Now()); clients != nil && len(*clients) >= 3 {
			return
		}
		r := detect.Report{
			Key:      p.AttemptKey() + "|" + name,
			Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "header", Value: p.Redact(name)}, {Name: "value", Value: p.Redact(value)}},
		}
		p.Report(r)
	},
})

// identityHeader gives the first header that says who a request is for, or from.
func identityHeader(h exchange.Header) (name, value string) {
	for i := range h {
		n := len(h[i].Name)
		if n < 7 || n > 24 || h[i].Name[0]|0x20 != 'x' && h[i].Name[0]|0x20 != 'r' {
			continue
		}
		v := strings.TrimSpace(h[i].Value)
		for _, s := range identityHeaders {
			if len(s) == n && v != "" && strings.EqualFold(h[i].Name, s) {
				return s, v
			}
		}
		if n == 15 && strings.EqualFold(h[i].Name, "X-Forwarded-For") {
			first, _, _ := strings.Cut(v, ",")
			if a, err := netip.ParseAddr(strings.TrimSpace(first)); err == nil && a.IsLoopback() {
				return "X-Forwarded-For", v
			}
		}
	}
	return "", ""
}

var identityHeaders = []string{
	"X-Forwarded-User", "X-Remote-User", "Remote-User", "X-Authenticated-User", "X-Authenticated-Userid", "X-User-Id", "X-Auth-Request-User",
	"X-Consumer-Username", "X-Consumer-Id", "X-WEBAUTH-USER", "X-Original-URL", "X-Rewrite-URL", "X-Auth-User", "X-Authenticated-Email", "X-Forwarded-Email",
}

// authenticated reports whether the request carries a credential that asks for
// access.
func authenticated(p *detect.Pass) bool {
	for i, list := 0, p.Presented(); i < len(list); i++ {
		if list[i].Access() && list[i].Flaw == 0 && list[i].Kind != credential.Signature {
			return true
		}
	}
	return false
}
