package rules

import (
	"slices"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "default_credentials",
	Title: "A default password opened an account",
	Doc: `A login succeeded with a user name and password that a product is delivered with, such as admin and admin. The evidence names the product that the pair is known from.

These pairs are printed in manuals and are the first that anybody tries. Worms try them on every address there is.

Demonstration systems publish such accounts on purpose: name their hosts in the option allow_hosts. A Basic credential counts as accepted only where the endpoint is known to refuse others; a failed attempt is no finding here.

Set another password or remove the account, now. Then look for what was done with it: the time of the first finding is only the first that was seen.`,
	Severity: detect.Critical, Attempt: true, Genuine: true, Confidence: detect.Certain,
	CWE: []int{1392, 521}, OWASP: []string{"API2:2023"}, ASVS: []string{"6.3.2"}, ATTACK: []string{"T1078.001"},
	Needs: detect.LoginAttempt,
	Options: []detect.Option{
		{Name: "allow_hosts", Default: []string{}, Doc: "hosts with accounts for demonstration"},
	},
	Exchange: func(p *detect.Pass, _ *exchange.Exchange) {
		l := p.Login()
		if !l.Default || slices.Contains(p.Options().Strings("allow_hosts"), p.Host()) {
			return
		}
		p.Report(detect.Report{
			Key:       detect.Key(hostOf(p), l.PrincipalID.String()),
			Principal: l.Principal, ByLogin: true, Only: []detect.Verdict{detect.Accepted},
			Evidence: detect.Evidence{
				{Name: "known_from", Value: p.Redact(l.Which)},
				{Name: "sent_in", Value: credential.Redacted(p.Redact(l.Form))},
				{Name: "target", Value: p.Target()},
			},
		})
	},
})
