package rules

import (
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
)

var _ = register(detect.Detector{
	Name:  "jwt_type_confusion",
	Title: "A token of another type is accepted for access",
	Doc: `A request carries a JSON Web Token in its header that says of itself that it is an ID token or a refresh token, and an endpoint that refuses others accepts it for access. What a token is for is read from its type, its token_use, and from the claims that only ID tokens have (at_hash, a nonce with an audience). Reported once for each host and type.

An ID token tells an application who logged in, and many applications and browsers hold it; a refresh token lives for months and should be sent to nobody but its issuer. An API that takes either cannot tell what the user agreed to, and gives every holder of one the user's rights.

Some products use ID tokens for their own API on purpose; that is a decision of theirs, hence Medium and once. Endpoints to renew, revoke, inspect or end a session take such tokens rightly and are left out, and so are tokens in cookies, which browsers send everywhere.

Accept only tokens of type at+jwt (RFC 9068), or check aud and the claim by which the issuer tells its tokens apart.`,
	Severity: detect.Medium, Attempt: true, Genuine: true, Confidence: detect.Firm,
	CWE: []int{345, 287}, OWASP: []string{"API2:2023"}, ASVS: []string{"9.2.2"}, RFC: []string{"RFC 8725 §3.11", "RFC 8725 §3.12"},
	Token: func(p *detect.Pass, c *credential.Credential, issued bool) {
		t := c.JWT
		if issued || c.Place.Part != credential.InHeader || p.Outcome() != endpoint.Success || p.Login() != nil || !bearer(c) || !signedFor(t) {
			return
		}
		kind, what := "", credential.Redacted{}
		switch t.Use() {
		case credential.UseID:
			kind, what = "id", credential.Word("ID token")
		case credential.UseRefresh:
			kind, what = "refresh", credential.Word("refresh token")
		default:
			return
		}
		if takesOldTokens(p.Template()) {
			return
		}
		p.Report(detect.Report{
			Key: detect.Key(hostOf(p), kind), Credential: c, Only: onlyAccepted,
			Explain: func(p *detect.Pass) detect.Evidence {
				return append(tokenEvidence(p, t), detect.Fact{Name: "token", Value: what})
			},
		})
	},
})
