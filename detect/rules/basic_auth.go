package rules

import (
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "basic_auth",
	Title: "The API takes user name and password with each request",
	Doc: `An endpoint offers HTTP Basic authentication in its challenge, or answers a request with user name and password in Authorization: Basic with success. Reported once for each endpoint.

The password itself goes with every request, in a form that anybody who sees the request can read: in logs of proxies, in memory of gateways, in traces. There is no end to it but changing the password, and no second factor.

OAuth clients authenticate to token, introspection and revocation endpoints this way by the standard (client_secret_basic); that is Info. Machines that talk to each other over TLS with long random passwords lose little by it. A success where nobody was ever refused may mean that the password was not looked at.

Give people sessions or short-lived tokens. Where Basic must stay, keep it to TLS, give each client a password of its own, and strip the header from logs.`,
	Severity: detect.Medium, Confidence: detect.Certain,
	CWE: []int{522}, OWASP: []string{"API2:2023"}, RFC: []string{"RFC 7617 §4"},
	Needs: detect.Presented | detect.Challenge,
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		var r detect.Report
		switch c := basicPresented(p); {
		case c != nil && p.Outcome() == endpoint.Success:
			// Not where everybody is let in, as scanners find out.
			r.Credential, r.Posture, r.Only = c, true, []detect.Verdict{detect.Accepted, detect.LikelyAccepted}
			r.Evidence = detect.Evidence{{Name: "seen", Value: credential.Word("password accepted")}}
			if !p.Discriminates() {
				r.Confidence = detect.Firm
			}
		case x.Response.Status == 401 && offersBasic(x.Response.Header):
			r.Evidence = detect.Evidence{{Name: "seen", Value: credential.Word("challenge")}}
		default:
			return
		}
		if l := p.Login(); l != nil && strings.HasPrefix(l.Form, "oauth:") || clientEndpoint(p.Template()) {
			r.Title = "OAuth clients authenticate with a secret in Authorization: Basic"
			r.Severity = detect.Info
		}
		r.Key = detect.Key(hostOf(p), p.Endpoint())
		r.Evidence = append(r.Evidence, detect.Fact{Name: "target", Value: p.Target()})
		p.Report(r)
	},
})

func basicPresented(p *detect.Pass) *credential.Credential {
	for i, list := 0, p.Presented(); i < len(list); i++ {
		c := &list[i]
		if c.Kind == credential.Basic && c.Flaw == 0 && c.Place == (credential.Place{Part: credential.InHeader, Name: "authorization"}) {
			return c
		}
	}
	return nil
}

// offersBasic reads challenges (RFC 9110, section 11.6.1): several may share a
// line, and parameters stand between them.
func offersBasic(h exchange.Header) (offered bool) {
	h.Each("WWW-Authenticate", func(v string) {
		quoted := false
		start := 0
		for i := 0; i <= len(v); i++ {
			switch {
			case i < len(v) && v[i] == '\\' && quoted:
				i++
			case i < len(v) && v[i] == '"':
				quoted = !quoted
			case i == len(v) || v[i] == ',' && !quoted:
				scheme, _, _ := strings.Cut(strings.TrimSpace(v[start:min(i, len(v))]), " ")
				offered = offered || strings.EqualFold(scheme, "basic")
				start = i + 1
			}
		}
	})
	return offered
}

// clientEndpoint reports endpoints at which OAuth clients authenticate (RFC
// 6749, section 2.3.1; RFC 7009; RFC 7662).
func clientEndpoint(template string) bool {
	path := strings.ToLower(strings.TrimRight(template, "/"))
	switch path[strings.LastIndexByte(path, '/')+1:] {
	case "token", "introspect", "introspection", "revoke", "revocation", "par", "device_authorization":
		return true
	}
	return false
}
