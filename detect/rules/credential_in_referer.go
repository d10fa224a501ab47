package rules

import (
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "credential_in_referer",
	Title: "A credential leaks to another site by a URL",
	Doc: `A request carries a Referer of another site with a credential in it, or an answer redirects to another site with a credential in the query or path of its Location. What counts as one is as for credential_in_url.

The other site gets a credential that was not meant for it, and so do its logs. A page that was opened by a link with a token in it hands that token to every other site from which it loads anything.

Hosts of one site (one registrable domain) are one party here. Signed URLs, tokens in fragments, and what OAuth and OpenID Connect send by redirects are meant for the other site and are left out. A code in a Referer is Low, since it is good once. Where the request itself is refused the credential has leaked all the same.

Send Referrer-Policy: strict-origin-when-cross-origin or no-referrer, keep credentials out of URLs, and hand them over by a form post or by a code that is good once.`,
	Severity: detect.High, Confidence: detect.Firm,
	CWE: []int{598, 200}, OWASP: []string{"API2:2023"}, ASVS: []string{"3.4.5", "14.2.1"}, RFC: []string{"RFC 9700 §4.2"},
	Needs: detect.Presented | detect.Issued,
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		for i, list := 0, p.Presented(); i < len(list); i++ {
			if c := &list[i]; c.Place.Part == credential.InHeader && c.Place.Name == "referer" && !signedURL(list) {
				leak(p, c, urlHost(x.Request.Header.Get("Referer")), p.Host(), credential.Word("Referer"))
			}
		}
		if x.Response.Status/100 != 3 || signedURL(p.Issued()) {
			return
		}
		for i, list := 0, p.Issued(); i < len(list); i++ {
			c := &list[i]
			if c.Place.Part != credential.InHeader || c.Place.Name != "location" || c.Kind == credential.Code {
				continue
			}
			to := x.Response.Header.Get("Location")
			if c.Kind == credential.JWT && messageByRedirect(to) {
				continue
			}
			leak(p, c, p.Host(), urlHost(to), credential.Word("Location"))
		}
	},
})

// signedURL reports whether a signature is among the credentials of a URL: then
// the others are the signer's name and session.
func signedURL(list []credential.Credential) bool {
	for i := range list {
		if c := &list[i]; c.Kind == credential.Signature && c.Place.Part == credential.InHeader {
			return true
		}
	}
	return false
}

// messageByRedirect reports a URL in which OpenID Connect sends a message from
// one party to the other (Core, sections 3.1.2.1 and 6; RP-Initiated Logout;
// RFC 7521).
func messageByRedirect(url string) bool {
	for _, name := range [...]string{"request=", "id_token_hint=", "logout_token=", "client_assertion=", "assertion=", "login_hint_token="} {
		if strings.Contains(url, "?"+name) || strings.Contains(url, "&"+name) {
			return true
		}
	}
	return false
}

// leak reports a credential that goes with a URL from one host to another.
func leak(p *detect.Pass, c *credential.Credential, from, to string, by credential.Redacted) {
	if from == "" || to == "" || site(from) == site(to) || c.Flaw != 0 {
		return
	}
	severity := detect.High
	switch c.Kind {
	case credential.Code:
		severity = detect.Low
	case credential.Password, credential.Basic, credential.ClientSecret: // people choose them
	default:
		if c.Guessable {
			return
		}
	}
	p.Report(detect.Report{
		Key: detect.Key(site(from), site(to), by.String()), Severity: severity, Credential: c,
		Evidence: detect.Evidence{{Name: "header", Value: by}, {Name: "from", Value: p.Redact(from)}, {Name: "to", Value: p.Redact(to)}},
	})
}
