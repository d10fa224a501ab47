package rules

import (
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/window"
)

var _ = register(detect.Detector{
	Name:  "brute_force_distributed",
	Title: "One account's password is guessed from several clients",
	Doc: `Login attempts for one account fail from three clients or more, ten times within ten minutes or, slowly, fifty times within a day, with three different passwords or more where passwords can be compared: then the same password again from the same client counts once. Its events are the failures of that account and the successes of clients that had failed.

Spreading an attack over many addresses is how it passes limits for each client; the slow form passes limits for each hour, too. Only the count by account shows it.

A service account that many machines share fails from all of them when its password is changed, but with one password, the old one, or two. Where passwords cannot be compared (Digest, NTLM) that looks the same. Somebody who tries to remember a password on three devices needs ten attempts to be seen here.

Limit attempts for each account, whatever their client, with delays that grow rather than a lock that anybody can set off, and ask for a second factor. If a login of this account succeeded, treat its password as known.`,
	Severity: detect.High, Confidence: detect.Firm,
	CWE: []int{307}, OWASP: []string{"API2:2023"}, ASVS: []string{"6.3.1"}, ATTACK: []string{"T1110.001"},
	Needs: detect.LoginAttempt,
	Options: []detect.Option{
		{Name: "failures", Default: 10, Doc: "failures of an account within ten minutes"},
		{Name: "slow_failures", Default: 50, Doc: "failures of an account within 24 hours"},
		{Name: "clients", Default: 3, Doc: "different clients"},
		{Name: "passwords", Default: 3, Doc: "different passwords, where they can be compared"},
		ignoreClients,
	},
	Exchange: observeLogin,
	Windows: loginWindows(map[string]crossed{
		loginsByAccount:     func(p *detect.Pass, key string, s *window.Summary) { bruteForceAccount(p, key, s, "failures") },
		loginsByAccountSlow: func(p *detect.Pass, key string, s *window.Summary) { bruteForceAccount(p, key, s, "slow_failures") },
	}),
})

func bruteForceAccount(p *detect.Pass, key string, s *window.Summary, threshold string) {
	if s.Latest.Class == window.Unclear || ignored(p) || p.Ongoing("brute_force_distributed", key, 0) {
		return // the shorter window has counted this event
	}
	a := look(s, func(e *window.Event) bool { return s.Failed(client, e.Fields[client]) })
	if !a.counts() {
		return
	}
	o, d := p.Options(), s.Distinct()
	guesses := a.failures
	if a.passwords > 0 {
		guesses = a.pairs // devices that repeat an old password guess nothing
	}
	met := guesses >= o.Int(threshold) && d[client] >= o.Int("clients") &&
		(a.passwords == 0 || a.passwords >= o.Int("passwords"))
	if !met && !p.Ongoing("brute_force_distributed", key, pause) {
		return
	}
	a.users = 1
	r := a.report(p, key)
	r.Principal, r.Principals = p.Login().Principal, false
	r.Clients = d[client] > 1
	r.Evidence = append(r.Evidence,
		detect.Fact{Name: "clients", Value: credential.Number(int64(d[client]))},
		detect.Fact{Name: "addresses", Value: addresses(p, s)})
	p.Report(r)
}

// addresses lists clients of failures.
func addresses(p *detect.Pass, s *window.Summary) credential.Redacted {
	var out []string
	for _, a := range s.Clients() {
		out = append(out, a.String())
	}
	return p.Redact(strings.Join(out, ", "))
}
