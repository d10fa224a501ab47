package rules

import (
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "breached_password",
	Title: "An account is open to a password that everybody tries",
	Doc: `A login succeeded with a password that is among the ten thousand that people take most, which are known from breaches of other services. Reported once for each account.

Nobody needs to know the user to get in: such passwords head every list of guesses, and stuffing tries them with every name.

Only a login that the server let in is reported, so guesses that fail are not. Accounts of tests and demonstrations often have such passwords: suppress their host. A client that hashes the password first cannot be looked at.

Have the user change it and look where the account was used from; refuse such passwords from now on.`,
	Severity: detect.High, Attempt: true, Genuine: true, Confidence: detect.Certain,
	CWE: []int{521, 1391}, OWASP: []string{"API2:2023"}, ASVS: []string{"6.2.4"},
	Needs: detect.LoginAttempt,
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		l := p.Login()
		if !l.Common || l.Default || l.PrincipalID.IsZero() || p.LoginOutcome() != endpoint.LoginSuccess {
			return
		}
		p.Report(detect.Report{
			Key: accountKey(p), ByLogin: true, Only: onlyAccepted,
			Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "password", Value: credential.Word("one of the ten thousand most common")}},
		})
	},
})
