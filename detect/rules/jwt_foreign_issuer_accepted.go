package rules

import (
	"slices"
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
)

var _ = register(detect.Detector{
	Name:  "jwt_foreign_issuer_accepted",
	Title: "A token of somebody else's issuer, or for somebody else, is accepted",
	Doc: `A JSON Web Token was accepted, by an endpoint that refuses others, with an iss or an aud that none of the twenty tokens or more had that this host issued or accepted before: a token of the test system in production, of another tenant, or made for another service.

A server that verifies only the signature takes every token that was signed with a key it knows, for whomever it was made. Where keys are shared, or fetched from wherever iss leads, that is everybody's tokens.

A new issuer that published its metadata here, or whose tokens a server was seen to issue, has been introduced and is none. A host that has had three issuers or three audiences before is one that takes many, and is left alone. What is new is not always foreign: a tenant or client that was set up today looks the same, once.

Check iss and aud against what this service expects, by name, beside the signature; and give test and production different keys.`,
	Severity: detect.High, Attempt: true, Genuine: true, Confidence: detect.Tentative,
	CWE: []int{345, 287}, OWASP: []string{"API2:2023"}, ASVS: []string{"9.2.3"}, RFC: []string{"RFC 8725 §3.8", "RFC 8725 §3.9"},
	Options: []detect.Option{
		{Name: "tokens", Default: 20, Doc: "different tokens that the host must have issued or accepted"},
		{Name: "several", Default: 3, Doc: "issuers or audiences of a host that takes many"},
	},
	State: func(detect.Values) any { return window.NewCache[string, circle](5_000, 0) },
	Token: foreignIssuer,
})

// circle is what the tokens of a host have in common.
type circle struct {
	tokens             int
	recent             [32]credential.ID
	issuers, audiences []string
}

const maxCircle = 16

func foreignIssuer(p *detect.Pass, c *credential.Credential, issued bool) {
	t := c.JWT
	if t.Encrypted || t.NoClaims || t.AlgNone() || idToken(c, t) || t.Use() == credential.UseID || refreshToken(c, t) {
		return
	}
	host := hostOf(p)
	cache := p.State().(*window.Cache[string, circle])
	if !issued && (p.Outcome() != endpoint.Success || !p.Discriminates() || p.Suspicious() || !bearer(c) || p.Login() != nil || takesOldTokens(p.Template())) {
		return
	}
	o := p.Options()
	host = host[:min(len(host), maxKept)]
	h := cache.Get(host, p.Now())
	if h == nil {
		h, _ = cache.At(kept(host), p.Now())
	}
	if !issued && h.tokens >= o.Int("tokens") {
		i := issuerOf(p, t)
		newIssuer := unknown(h.issuers, []string{t.Issuer}) && len(h.issuers) < o.Int("several") && (i == nil || !i.Issued && i.KeysHost() == "")
		newAudience := len(t.Audience) > 0 && len(h.audiences) > 0 && unknown(h.audiences, t.Audience) && len(h.audiences) < o.Int("several") &&
			!slices.Contains(t.Audience, t.ClientID) // which is for whoever asked for it
		if newIssuer || newAudience {
			what := credential.Word("audience")
			if newIssuer {
				what = credential.Word("issuer")
			}
			p.Report(detect.Report{
				Key: detect.Key(host, what.String(), t.Issuer, strings.Join(t.Audience, " ")), Credential: c, Only: onlyAccepted,
				Explain: func(p *detect.Pass) detect.Evidence {
					return append(tokenEvidence(p, t), detect.Fact{Name: "unknown", Value: what}, detect.Fact{Name: "audience", Value: p.Redact(strings.Join(t.Audience, " "))})
				},
			})
			return
		}
	}
	if slices.Contains(h.recent[:], c.ID) {
		return
	}
	h.recent[h.tokens%len(h.recent)] = c.ID
	h.tokens++
	h.issuers = remember(h.issuers, []string{t.Issuer})
	h.audiences = remember(h.audiences, t.Audience)
}

// unknown reports whether none of the names is in the list.
func unknown(list, names []string) bool {
	return !slices.ContainsFunc(names, func(n string) bool { return slices.Contains(list, n) })
}

// remember adds names to a list, which it keeps bounded.
func remember(list, names []string) []string {
	for _, n := range names {
		if len(list) < maxCircle && len(n) <= 256 && !slices.Contains(list, n) {
			list = append(list, strings.Clone(n))
		}
	}
	return list
}
