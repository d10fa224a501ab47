package rules

import (
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "oauth_deprecated_grant",
	Title: "An OAuth grant is used that should not be",
	Doc: `An authorization request asks for an access token in the redirect (response_type with token) and is not refused, or a token request with grant_type=password succeeds. Reported once for each client.

A token in a redirect stands in the browser's history, in logs and in whatever else reads URLs, and nothing binds it to who asked for it. The password grant gives the user's password to the application, teaches people to type it anywhere, and leaves no room for a second factor.

An answer with nothing but an ID token is none of this. An authorization request that is answered with a page counts as not refused. Some machines still log in with the password grant for want of an account of their own.

Use the authorization code grant with PKCE, and client credentials for machines. Then switch the old grants off for each client at the authorization server.`,
	Severity: detect.Medium, Confidence: detect.Certain,
	CWE: []int{522}, OWASP: []string{"API2:2023"}, ASVS: []string{"10.4.4"}, RFC: []string{"RFC 9700 §2.1.2", "RFC 9700 §2.4"},
	Needs: detect.Authorizes | detect.LoginAttempt,
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		if grantOf(p) == "password" && p.LoginOutcome() == endpoint.LoginSuccess {
			reportGrant(p, p.Login().Client, "password", credential.Word("grant_type=password"))
			return
		}
		if a, ok := authorizationOf(x); ok && a.asks("token") && granted(x) {
			reportGrant(p, a.client, "implicit", credential.Word("response_type with token"))
		}
	},
})

func reportGrant(p *detect.Pass, client, kind string, what credential.Redacted) {
	p.Report(detect.Report{
		Key:      detect.Key(hostOf(p), client, kind),
		Evidence: detect.Evidence{{Name: "client_id", Value: p.Redact(client)}, {Name: "grant", Value: what}},
	})
}
