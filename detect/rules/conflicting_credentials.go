package rules

import (
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "conflicting_credentials",
	Title: "One request speaks for two accounts",
	Doc: `A request carries two credentials that name different accounts, such as tokens with different subjects or a Basic user beside a token of somebody else, and was answered with success by an endpoint that is known to refuse who has no good one.

What checks may look at one of them and what serves at the other: then whoever has any account acts for any account. At the least nobody can say afterwards who did it.

Two tokens of one issuer must differ in their subject; names of different kinds (an address for mail and a number) cannot be compared and are not. A backend for a frontend sends its own credential beside the user's: a client's name, a gateway's or service's token and an ID token are none of it. Assertions, proofs and what is handed to introspection are no credentials for access.

Refuse requests with more than one credential, or say in one place which of them counts.`,
	Severity: detect.Medium, Confidence: detect.Tentative,
	CWE: []int{287}, OWASP: []string{"API2:2023"},
	Needs: detect.Presented,
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		list := p.Presented()
		if len(list) < 2 || p.Outcome() != endpoint.Success || !p.Discriminates() {
			return
		}
		for i := range list {
			for j := i + 1; j < len(list); j++ {
				a, b := &list[i], &list[j]
				if !differ(a, b) {
					continue
				}
				p.Report(detect.Report{
					Key: detect.Key(hostOf(p), p.Endpoint(), a.Place.String(), b.Place.String()), Credential: a,
					Evidence: detect.Evidence{
						{Name: "target", Value: p.Target()},
						{Name: "accounts", Value: p.Accounts([]string{a.Principal, b.Principal})},
						{Name: "places", Value: p.Redact(a.Place.String() + ", " + b.Place.String())},
					},
				})
				return
			}
		}
	},
})

// differ reports whether two credentials name two accounts of one kind.
func differ(a, b *credential.Credential) bool {
	if !a.Access() || !b.Access() || a.Principal == "" || b.Principal == "" || strings.EqualFold(a.Principal, b.Principal) ||
		strings.Contains(a.Principal, "@") != strings.Contains(b.Principal, "@") {
		return false
	}
	for _, c := range [...]*credential.Credential{a, b} {
		switch c.Kind {
		case credential.JWT, credential.Basic, credential.Digest:
		default:
			return false
		}
		if c.JWT != nil && (idToken(c, c.JWT) || machine(c)) {
			return false
		}
	}
	return a.JWT == nil || b.JWT == nil || a.JWT.Issuer == b.JWT.Issuer
}

// machine reports a token of a service or a gateway.
func machine(c *credential.Credential) bool {
	name := strings.ToLower(c.Place.Name)
	for _, w := range [...]string{"service", "gateway", "internal", "assertion", "proxy", "client", "app", "oidc", "iap", "cf-access", "apikey", "api-key"} {
		if strings.Contains(name, w) {
			return true
		}
	}
	return strings.HasPrefix(c.Principal, "system:") || strings.HasPrefix(c.Principal, "service") || strings.HasSuffix(c.Principal, "@clients") ||
		c.JWT.ClientID != "" && strings.EqualFold(c.JWT.ClientID, c.Principal)
}
