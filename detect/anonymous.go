package detect

import (
	"strings"

	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/reassembly/exchange"
)

// Anonymous reports whether nothing in the request says who asks: no
// credential, no cookie that might be one, nothing that a gateway adds for who
// it let through, and no request head with bytes missing.
func (p *Pass) Anonymous() bool {
	x := p.ins.Exchange
	if p.ins.OtherCookies || !x.Request.Present || x.Request.Damage&^(exchange.BodyGap|exchange.Undecoded) != 0 {
		return false
	}
	for i, list := 0, p.Presented(); i < len(list); i++ {
		if list[i].Kind.Access() && list[i].Place.Name != "mcp-session-id" {
			return false
		}
	}
	return !vouchedFor(x.Request.Header)
}

// OtherCookies reports whether the request has cookies of which nothing is
// known: one of them may be a credential.
func (p *Pass) OtherCookies() bool { return p.ins.OtherCookies }

// Known reports whether the endpoint is one that the API is known to have, and
// not a path that somebody made up.
func (p *Pass) Known() bool { return p.endpoint != p.engine.endpoints.None() }

// Form is the request's path with the segments replaced that are numbers, ids
// and the like by their form alone, whatever was learned of the API.
func (p *Pass) Form() string { return endpoint.Form(p.ins.Path) }

// Sound reports whether nothing of the exchange is missing, and the answer is
// the server's to this request: not a cache's.
func (p *Pass) Sound() bool {
	return p.ins.Answer.Status != 0 && p.ins.Answer.Marks&(endpoint.Damaged|endpoint.Cached|endpoint.Midstream) == 0
}

// LikeGood reports whether the answer is a success and has the shape of those
// that requests with good credentials got from this endpoint.
func (p *Pass) LikeGood() bool {
	return p.outcome == endpoint.Success && p.endpoint.LikeGood(&p.ins.Answer, p.Now())
}

// Callers counts the requests of the last seven days: those that the endpoint
// let in though they carried no credential, those that it refused for it, and
// all that carried one.
func (p *Pass) Callers() (anonymous, refused, others uint32) { return p.endpoint.Callers(p.Now()) }

// WithCredentialElsewhere counts the requests with a good credential that had
// success at the same method and path template, at whatever host, and reports
// whether none had success there without one. Those of the exchange's own
// endpoint that had none, as many as are given, are left out. It takes long:
// it is for those who ask seldom.
func (p *Pass) WithCredentialElsewhere(own uint64) (n uint32, always bool) {
	return p.engine.endpoints.Elsewhere(p.endpoint, p.Exchange().Request.Method, p.ins.Path, uint32(min(own, 1<<30)), p.Now())
}

// Resource is what an exchange asked for, to be compared with what others
// get later.
type Resource struct {
	endpoint *endpoint.Endpoint
	template string
}

// Resource gives the exchange's.
func (p *Pass) Resource() Resource { return Resource{p.endpoint, p.template} }

// Template is its path's.
func (r Resource) Template() string { return r.template }

// Like reports whether it is known what good credentials get from r, and
// whether the exchange's answer has the shape of that.
func (r Resource) Like(p *Pass) (known, alike bool) {
	return r.endpoint.LetsIn(p.Now()), r.endpoint.LikeGood(&p.ins.Answer, p.Now())
}

// vouchedFor reports whether a gateway says who asks, in the place of a
// credential that it took off, or that it saw a client's certificate.
func vouchedFor(h exchange.Header) bool {
	for i := range h {
		name := h[i].Name
		if n := len(name); n < 7 || n > 32 || h[i].Value == "" {
			continue
		}
		switch name[0] | 0x20 {
		case 'x', 'c', 'r', 's':
			for _, v := range vouchers {
				if strings.EqualFold(name, v) {
					return true
				}
			}
		}
	}
	return false
}

var vouchers = []string{
	"X-Forwarded-User", "X-Forwarded-Email", "X-Auth-Request-User", "X-Auth-Request-Email", "X-User-Id", "X-User", "X-Remote-User",
	"Remote-User", "X-Authenticated-User", "X-Authenticated-Userid", "X-Consumer-Id", "X-Consumer-Username", "X-Credential-Identifier",
	"X-Amzn-Oidc-Data", "X-Amzn-Oidc-Identity", "X-Goog-IAP-JWT-Assertion", "X-Goog-Authenticated-User-Email", "Cf-Access-Jwt-Assertion",
	"Cf-Access-Authenticated-User-Email", "X-MS-CLIENT-PRINCIPAL", "X-MS-CLIENT-PRINCIPAL-ID", "X-Jwt-Assertion", "X-Userinfo",
	"X-Forwarded-Client-Cert", "X-Client-Cert", "X-SSL-Client-Cert", "X-SSL-Client-DN", "X-SSL-Client-S-DN", "X-SSL-Client-Verify",
	"SSL-Client-Cert", "SSL-Client-Verify", "X-ARR-ClientCert", "X-Client-Verify", "X-Amzn-Mtls-Clientcert",
}
