package rules

import (
	"net/netip"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "oauth_pkce_missing",
	Title: "An authorization code is not bound to who asked for it",
	Doc: `A client that does not prove who it is got a token for an authorization code without PKCE (RFC 7636), or with the method plain; or a code that was asked for with a challenge was redeemed without its verifier. The request for the code is found again by the code in its answer or, where that was not seen, by the client's name.

Whoever gets hold of a code, from a log, a Referer or another app on the phone, redeems it. PKCE makes the code worthless to everybody else. That the server takes a code without the verifier (High) means that an attacker need only leave it out.

A client that proves who it is at the token endpoint should use PKCE too, but what it lacks there is Info. Where the authorization request was not seen nothing is said of the challenge.

Have clients send code_challenge with the method S256, and have the server demand the verifier for each code that was asked for with a challenge, and a challenge from each public client.`,
	Severity: detect.Medium, Confidence: detect.Firm,
	CWE: []int{345}, OWASP: []string{"API2:2023"}, ASVS: []string{"10.4.6"}, RFC: []string{"RFC 9700 §2.1.1", "RFC 9700 §4.8", "RFC 7636 §4"},
	Needs: detect.Authorizes | detect.LoginAttempt,
	State: func(detect.Values) any {
		return &challenges{
			codes:   window.NewCache[credential.ID, challenge](20_000, time.Hour),
			clients: window.NewCache[string, challenge](5_000, 24*time.Hour),
		}
	},
	Exchange: pkceMissing,
})

// challenges are those of the codes that were issued, and of the last request
// of each client whose code was not seen.
type challenges struct {
	codes   *window.Cache[credential.ID, challenge]
	clients *window.Cache[string, challenge]
}

// Evicted counts what made room.
func (c *challenges) Evicted() uint64 { return c.codes.Evicted() + c.clients.Evicted() }

type challenge struct {
	sent, plain bool
	from        netip.Addr // who asked
}

func pkceMissing(p *detect.Pass, x *exchange.Exchange) {
	state := p.State().(*challenges)
	if grantOf(p) == "authorization_code" {
		redeemed(p, state)
		return
	}
	a, ok := authorizationOf(x)
	if !ok || !a.asks("code") || !granted(x) {
		return
	}
	sent := challenge{sent: a.challenge != "", plain: a.challenge != "" && a.method != "S256", from: p.Client()}
	for i, list := 0, p.Issued(); i < len(list); i++ {
		if c := &list[i]; c.Kind == credential.Code {
			known, _ := state.codes.At(c.ID, p.Now())
			*known = sent
			return
		}
	}
	known, _ := state.clients.At(a.client, p.Now())
	*known = sent
}

func redeemed(p *detect.Pass, state *challenges) {
	l := p.Login()
	if p.LoginOutcome() != endpoint.LoginSuccess || l.Client == "" {
		return
	}
	asked := state.codes.Get(l.Password, p.Now())
	if asked == nil {
		asked = state.clients.Get(l.Client, p.Now())
		if asked != nil && asked.sent && asked.from != p.Client() {
			return // the request for this code may have been lost, and was another one
		}
	}
	if asked == nil {
		return
	}
	r := detect.Report{Severity: detect.Medium}
	var what credential.Redacted
	var kind string
	switch {
	case asked.sent && !l.Verifier:
		kind, what, r.Severity = "downgrade", credential.Word("the code was taken without its verifier"), detect.High
		r.Title = "An authorization code is taken without the verifier that was announced"
	case !asked.sent && !l.Verifier:
		kind, what = "missing", credential.Word("no code_challenge")
	case asked.plain:
		kind, what = "plain", credential.Word("code_challenge_method plain")
	default:
		return
	}
	if l.ClientAuth && kind != "downgrade" {
		r.Severity = detect.Info
	}
	r.Key = detect.Key(hostOf(p), l.Client, kind)
	r.Evidence = detect.Evidence{{Name: "client_id", Value: p.Redact(l.Client)}, {Name: "pkce", Value: what}}
	p.Report(r)
}
