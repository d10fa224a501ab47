package rules

import (
	"slices"
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
)

var _ = register(detect.Detector{
	Name:  "jwt_sensitive_claims",
	Title: "Tokens tell what nobody needs to know",
	Doc: `The claims of a JSON Web Token that the server issued, or accepted where it refuses others, hold what is not for everybody who sees the token: a password, its hash, a key or a card's number (High); a national number, an IBAN, a telephone number, an address, a date of birth or health (Medium); an internal address (Low); names and e-mail addresses (Info). Reported once for each issuer and set of claims.

Claims are not encrypted: they are base64, and tokens stand in logs, in browsers, in the requests to every service that takes them. Who copies one reads it.

Claims are judged by their names and by the form of their values; a card's number must have its check digit and a name that says so or groups of four digits. In ID tokens names, addresses, telephone numbers and dates of birth are what the standard puts there, for an application that asked for them: Info. Encrypted tokens cannot be read and are left out.

Put an opaque identifier into the token and let services look up what they need. A password or key that was in a token must be changed: it has been told to everybody who saw one.`,
	Severity: detect.Medium, Confidence: detect.Firm,
	CWE: []int{201, 200}, OWASP: []string{"API2:2023", "API3:2023"},
	Options: []detect.Option{
		{Name: "ignore", Default: []string{}, Doc: "names of claims that may hold what they hold"},
		readTokensOption,
	},
	State: func(o detect.Values) any {
		return newReadTokens(o.Int("tokens"))
	},
	Token: sensitiveClaims,
})

func sensitiveClaims(p *detect.Pass, c *credential.Credential, issued bool) {
	t := c.JWT
	if t.NoClaims || t.Encrypted || !issued && (p.Outcome() != endpoint.Success || p.Suspicious() || !bearer(c)) {
		return
	}
	if !firstLook(p, c, issued) {
		return
	}
	var kinds, names []string
	var worst detect.Severity
	standard := idToken(c, t) || t.Use() == credential.UseID
	t.Claims(func(path, value string) bool {
		kind, severity := sensitivity(path, value)
		if severity == 0 || slices.Contains(p.Options().Strings("ignore"), path) {
			return true
		}
		if standard && severity <= detect.Medium && kind != "national number" && kind != "IBAN" && kind != "health" {
			severity = detect.Info
		}
		worst = max(worst, severity)
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
		if name := path[strings.LastIndexByte(path, '.')+1:]; !slices.Contains(names, name) && len(names) < 16 {
			names = append(names, name)
		}
		return true
	})
	if worst == 0 {
		return
	}
	slices.Sort(kinds)
	iss := t.Issuer
	if iss == "" {
		iss = hostOf(p)
	}
	r := detect.Report{
		Key: detect.Key(iss, strings.Join(kinds, ",")), Severity: worst, Credential: c, Posture: true,
		Evidence: append(tokenEvidence(p, t),
			detect.Fact{Name: "tells", Value: p.Redact(strings.Join(kinds, ", "))},
			detect.Fact{Name: "claims", Value: p.Redact(strings.Join(names, ", "))}),
	}
	if worst == detect.Info {
		r.Title = "Tokens tell names or other profile data"
	}
	if !issued {
		r.Only = onlyAccepted
	}
	p.Report(r)
}
