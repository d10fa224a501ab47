package rules

import (
	"net/netip"
	"slices"
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
	Needs: detect.SaysWho,
	State: func(detect.Values) any { return window.NewCache[string, []netip.Addr](5_000, 7*24*time.Hour) },
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		name, value := detect.IdentityHeader(x.Request.Header)
		if x.Request.Damage&exchange.HeadGap != 0 || p.TrustedPeer() {
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
			Key: p.AttemptKey() + "|" + name, Claim: true,
			Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "header", Value: p.Redact(name)}, {Name: "value", Value: p.Redact(value)}},
		}
		p.Report(r)
	},
})

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
