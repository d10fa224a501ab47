package rules

import (
	"slices"
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
)

var _ = register(detect.Detector{
	Name:  "jwt_missing_claims",
	Title: "Tokens do not say by whom and for whom they are",
	Doc: `A JSON Web Token for access that the server issued, or accepted where it refuses others, has no iss, has no aud or one that is for everybody ("*"), or has no type where the same issuer's other access tokens are at+jwt; or a refresh token has no jti. Reported once for each issuer and what is missing.

Who verifies such a token cannot tell whether it was made for this service: one that was issued to another service, for a test or for another tenant is as good as one's own, as soon as they share a key. A refresh token without a name cannot be taken back by itself.

A service that issues tokens to itself alone, with a key that nobody else has, needs neither; that is common, and the reason for Low. Tokens of Kubernetes service accounts of the old form are left out.

Write iss and aud into access tokens and check both, and give them the type at+jwt (RFC 9068), so that no other token is taken for one.`,
	Severity: detect.Low, Confidence: detect.Certain,
	CWE: []int{345}, OWASP: []string{"API2:2023"}, ASVS: []string{"9.2.3"}, RFC: []string{"RFC 8725 §3.8", "RFC 8725 §3.9", "RFC 8725 §3.11"},
	Options: []detect.Option{readTokensOption},
	State:   func(o detect.Values) any { return newReadTokens(o.Int("tokens")) },
	Token:   missingClaims,
})

func missingClaims(p *detect.Pass, c *credential.Credential, issued bool) {
	t := c.JWT
	switch {
	case t.Encrypted || t.NoClaims || t.AlgNone() || requestObject(c) || idToken(c, t) || t.Issuer == "kubernetes/serviceaccount":
		return
	case !issued && (p.Outcome() != endpoint.Success || p.Suspicious() || !bearer(c)):
		return
	}
	var missing []string
	use := t.Use()
	switch {
	case use == credential.UseID || use == credential.UseProof || use == credential.UseOther:
		return
	case refreshToken(c, t):
		if t.JTI == "" {
			missing = append(missing, "jti")
		}
	default:
		if t.Issuer == "" {
			missing = append(missing, "iss")
		}
		if len(t.Audience) == 0 {
			missing = append(missing, "aud")
		} else if slices.Contains(t.Audience, "*") {
			missing = append(missing, "aud for some")
		}
		if i := issuerOf(p, t); t.Issuer != "" && !t.AccessType() && i != nil && i.Typed {
			missing = append(missing, "typ")
		}
	}
	if len(missing) == 0 || !firstLook(p, c, issued) {
		return
	}
	what := strings.Join(missing, ", ")
	r := detect.Report{
		Key: detect.Key(ofIssuer(p, t), what), Credential: c, Posture: true,
		Explain: func(p *detect.Pass) detect.Evidence {
			return append(tokenEvidence(p, t), detect.Fact{Name: "missing", Value: p.Redact(what)})
		},
	}
	if !issued {
		r.Only = onlyAccepted
	}
	p.Report(r)
}

// ofIssuer names a token's issuer in a dedupe key: by its name, or where it has
// none by the host.
func ofIssuer(p *detect.Pass, t *credential.Token) string {
	if t.Issuer != "" {
		return t.Issuer
	}
	return hostOf(p)
}
