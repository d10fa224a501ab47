package rules

import (
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "weak_password_accepted",
	Title: "A password was set that is easily guessed",
	Doc: `A registration or a change of password was answered with success, and the new password has fewer than eight characters or is among the ten thousand that people take most.

Such passwords are the first that every list of guesses holds: an account with one is lost to the first who tries, whatever the login does against guessing.

Only an answer of success that holds no error counts, and a redirect does not: many forms answer that way to what they refuse. A client that sends a hash in the place of the password (32, 40, 64 or 128 hexadecimal digits) hides its length. PINs of devices are short by design and go by other names.

Refuse passwords below eight characters (better: fifteen) and those of a list of common and of breached ones, at registration and at every change; do not ask for kinds of characters in their place.`,
	Severity: detect.Medium, Confidence: detect.Firm,
	CWE: []int{521}, OWASP: []string{"API2:2023"}, ASVS: []string{"6.2.1", "6.2.4"},
	Needs: detect.Presented,
	Options: []detect.Option{
		{Name: "length", Default: 8, Doc: "characters that a password should have"},
	},
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		a := p.Account()
		if a == nil || a.Hashed || p.Outcome() != endpoint.Success || x.Response.Status/100 != 2 || !x.Request.Damage.Whole() || !x.Response.Damage.Whole() {
			return
		}
		what := credential.Word("it is one of the most common")
		if !a.Common {
			if a.Length >= p.Options().Int("length") {
				return
			}
			what = credential.Word("it is too short")
		}
		p.Report(detect.Report{
			Key:      detect.Key(hostOf(p), p.Endpoint()),
			Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "because", Value: what}},
		})
	},
})
