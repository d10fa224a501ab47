package rules

import (
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
)

var _ = register(detect.Detector{
	Name:  "jwt_long_lived",
	Title: "Tokens live too long",
	Doc: `A JSON Web Token that the server issued, or that it accepted where it is known to refuse others, has no exp or lives for more than a day (Medium) or more than thirty (High). An exp in milliseconds is read as seconds by the standard and lies thousands of years ahead (High). Refresh tokens may live for ninety days (beyond: Low). Reported once for each issuer.

A token that cannot be taken back is as good as a password for as long as it lives. Whoever finds it in a log, a browser or a backup has the account for that time.

Tokens of machines are issued for long on purpose, such as those of Kubernetes service accounts (Info). Identity tokens are for the application and are left out. Which token is a refresh token is read from its type and the name it goes by; one that says neither counts as an access token.

Let access tokens live for minutes and renew them with refresh tokens that change with each use. Write exp in seconds.`,
	Severity: detect.Medium, Confidence: detect.Certain,
	CWE: []int{613}, OWASP: []string{"API2:2023"}, ASVS: []string{"7.3.2"}, RFC: []string{"RFC 7519 §4.1.4"},
	Options: []detect.Option{
		{Name: "access", Default: 24 * time.Hour, Doc: "life of an access token that is Medium"},
		{Name: "access_high", Default: 30 * 24 * time.Hour, Doc: "life of an access token that is High"},
		{Name: "refresh", Default: 90 * 24 * time.Hour, Doc: "life of a refresh token that is Low"},
	},
	Token: func(p *detect.Pass, c *credential.Credential, issued bool) {
		switch {
		case p.Service(c):
		case issued:
			longLived(p, c, nil)
		case p.Outcome() == endpoint.Success && c.Access() && !p.Suspicious():
			longLived(p, c, onlyAccepted)
		}
	},
})

// longLived reports a token that the server issued, or, with only, if it
// accepted it.
func longLived(p *detect.Pass, c *credential.Credential, only []detect.Verdict) {
	t, o := c.JWT, p.Options()
	from := p.Now()
	if t.IssuedAt.Set && !t.IssuedAt.Millis {
		from = t.IssuedAt.At
	}
	life := max(t.Expires.At, 0).Sub(from)
	if t.Expires.Set && !t.Expires.Millis && life <= min(o.Duration("access"), o.Duration("refresh")) {
		return // as most do, and what has a time before 1970
	}
	if t.Encrypted || t.NoClaims || t.AlgNone() || idToken(c, t) || requestObject(c) {
		return
	}
	refresh := refreshToken(c, t)
	var title string
	var severity detect.Severity
	var what credential.Redacted
	switch {
	case !t.Expires.Set && t.Issuer == "kubernetes/serviceaccount":
		title, severity, what = "Tokens of service accounts never expire", detect.Info, credential.Word("no exp")
	case !t.Expires.Set:
		title, severity, what = "Tokens never expire", detect.Medium, credential.Word("no exp")
	case t.Expires.Millis:
		title, severity, what = "Tokens never expire: exp is in milliseconds", detect.High, credential.Word("exp in milliseconds")
	case refresh && life > o.Duration("refresh"), !refresh && life > o.Duration("access"):
		severity, what = detect.Medium, credential.Span(life)
		if life > o.Duration("access_high") {
			severity = detect.High
		}
	default:
		return
	}
	kind := "access"
	if refresh {
		kind, severity = "refresh", detect.Low
	}
	issuer := t.Issuer
	if issuer == "" {
		issuer = hostOf(p)
	}
	p.Report(detect.Report{
		Key: detect.Key(issuer, kind), Title: title, Severity: severity, Credential: c, Posture: true, Only: only,
		Explain: func(p *detect.Pass) detect.Evidence {
			return append(tokenEvidence(p, t), detect.Fact{Name: "lifetime", Value: what})
		},
	})
}
