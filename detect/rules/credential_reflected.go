package rules

import (
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "credential_reflected",
	Title: "An answer repeats the credential that was sent",
	Doc: `A credential of the request, at least 16 characters long, stands whole in the answer's body or in one of its headers: a token, a key, a session's identifier, a long password. Reported once for each endpoint and place.

What stands in an answer can be read by scripts of the page, which an HttpOnly cookie was to prevent, and is kept by caches, logs and error trackers that never see a request's headers.

Cookies that are set again, headers that are renewed and redirects are left out, as are tokens within the path, which links repeat, and what a login, a refresh or an exchange of tokens answers. Endpoints that echo a request for debugging, and those that introspect tokens, are reported: in production they should not be there, or not for everybody.

Leave credentials out of answers, error messages and debugging output; name them by an id where one must be named.`,
	Severity: detect.Medium, Confidence: detect.Certain,
	CWE: []int{201}, OWASP: []string{"API2:2023"},
	Needs: detect.Reflects,
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		c := p.Reflected()
		switch c.Place.Part {
		case credential.InHeader, credential.InCookie, credential.InQuery, credential.InUserinfo:
		default:
			if c.Kind != credential.Password && (p.Login() != nil || pathHas(p.Template(), tokenMakers)) {
				return
			}
		}
		p.Report(detect.Report{
			Key: detect.Key(hostOf(p), p.Endpoint(), c.Place.String()), Credential: c,
			Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "credential", Value: c.Redacted()}},
		})
	},
})

var tokenMakers = wordsOf(`refresh token tokens oauth oauth2 session sessions login signin renew exchange`)
