package rules

import (
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "credential_in_url",
	Title: "A credential stands in the URL",
	Doc: `The target of a request holds a credential: a parameter whose name promises one and whose value has the form of one (a JWT, a known issuer's key, at least 16 characters that are no words), a parameter named like a password with any value, user:password@, or a token within the path. Reported once for each path and parameter.

URLs are written to the logs of every server and proxy on the way, to browser histories, to bookmarks, and to the Referer of the next page. A credential there is kept by people who were never meant to have it.

OAuth's code and state are there by design and are left out, as are tokens of pages, cursors and forms. Links that are used once, such as for a new password, are Low. Signed URLs are Info: they open one thing for a short time. Browsers cannot set headers for WebSockets and event streams, so a token in their URL is Medium: let it be short-lived and good for one connection.

Send credentials in the Authorization header or in the body. Then remove them from the logs, and change those that were seen.`,
	Severity: detect.High, Confidence: detect.Firm,
	CWE: []int{598}, OWASP: []string{"API2:2023"}, ASVS: []string{"14.2.1"}, RFC: []string{"RFC 6750 §5.3", "RFC 9700 §4.3.2"},
	Needs: detect.InTarget,
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		switch x.Response.Status {
		case 404, 405, 410:
			return // nothing is there that would take it
		}
		for i, list := 0, p.Presented(); i < len(list); i++ {
			c := &list[i]
			severity, note := inURL(c, p, x)
			if severity == 0 {
				continue
			}
			r := detect.Report{
				Key:      detect.Key(hostOf(p), p.Template(), c.Place.String()),
				Severity: severity, Credential: c,
				Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "credential", Value: c.Redacted()}},
			}
			if note != (credential.Redacted{}) {
				r.Evidence = append(r.Evidence, detect.Fact{Name: "note", Value: note})
			}
			p.Report(r)
		}
	},
})

// inURL gives the severity of a credential in the target, 0 for what belongs
// there.
func inURL(c *credential.Credential, p *detect.Pass, x *exchange.Exchange) (severity detect.Severity, note credential.Redacted) {
	switch c.Place.Part {
	case credential.InQuery, credential.InPath, credential.InUserinfo:
	default:
		return 0, note
	}
	if c.Flaw&(credential.Empty|credential.Null) != 0 {
		return 0, note
	}
	switch c.Kind {
	case credential.Password, credential.Basic, credential.ClientSecret:
		return detect.High, note
	case credential.Signature:
		return detect.Info, credential.Word("a signed URL")
	case credential.Code:
		switch strings.ToLower(c.Place.Name) {
		case "code", "auth_code", "authcode", "authorization_code":
			return 0, note // OAuth's (RFC 6749, section 4.1.2)
		}
		return detect.Low, credential.Word("a link that is used once")
	}
	switch strings.ToLower(c.Place.Name) {
	case "x-amz-credential", "x-goog-credential":
		return 0, note // the key's name
	case "x-amz-security-token":
		return detect.Info, credential.Word("a signed URL")
	case "request", "id_token_hint", "login_hint_token", "logout_token", "client_assertion", "assertion":
		return 0, note // what OpenID Connect sends by redirects
	}
	switch {
	case c.Guessable:
		return 0, note // a name without a key's form
	case oneTimeLink(p.Template()):
		return detect.Low, credential.Word("a link that is used once")
	case strings.EqualFold(x.Request.Header.Get("Upgrade"), "websocket"), x.Response.Status == 101:
		return detect.Medium, credential.Word("browsers cannot set headers for WebSockets")
	case strings.Contains(x.Request.Header.Get("Accept"), "text/event-stream"):
		return detect.Medium, credential.Word("browsers cannot set headers for event streams")
	}
	return detect.High, note
}

func oneTimeLink(template string) bool {
	for segment := range strings.SplitSeq(strings.ToLower(template), "/") {
		for _, w := range [...]string{"reset", "verify", "confirm", "activate", "invit", "unsubscribe", "magic", "optout"} {
			if strings.Contains(strings.ReplaceAll(segment, "-", ""), w) {
				return true
			}
		}
	}
	return false
}
