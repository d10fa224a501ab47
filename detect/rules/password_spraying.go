package rules

import (
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/window"
)

var _ = register(detect.Detector{
	Name:  "password_spraying",
	Title: "One password is tried on many accounts",
	Doc: `One or two passwords are tried on ten accounts or more, within ten minutes or, slowly, within a day: from one client, or from several when that password makes up half of the host's failures. Passwords are compared by keyed fingerprints that never leave memory. Where they cannot be compared (Digest, NTLM), twenty accounts with at most three failures each from one client count. Its events are the failures and the successes that belong to them.

A lock after a few wrong passwords for each account never closes, because each account is tried once. Among enough accounts somebody has the password of the season.

People behind one address who come to work at nine all log in at once, but most of them succeed: at least 70 percent of the client's attempts must have failed, and five times as many as it fails usually. An account that succeeds again and again counts once there, since the attacker may have one of his own. A fleet of devices that share a changed password looks the same at first, and then repeats itself; more than three failures for each account are none of this.

Refuse common passwords when they are set, ask for a second factor, and limit failures for each client over all accounts. Look for a finding compromised_after_attack: it names the accounts that had the password.`,
	Severity: detect.High, Confidence: detect.Firm,
	CWE: []int{307}, OWASP: []string{"API2:2023"}, ASVS: []string{"6.3.1"}, ATTACK: []string{"T1110.003"},
	Needs: detect.LoginAttempt,
	Options: []detect.Option{
		{Name: "passwords", Default: 2, Doc: "different passwords at most"},
		{Name: "accounts", Default: 10, Doc: "different accounts, where passwords can be compared"},
		{Name: "accounts_blind", Default: 20, Doc: "different accounts, where they cannot"},
		{Name: "per_account", Default: 3, Doc: "failures for each account, on average, at most"},
		{Name: "failure_percent", Default: 70, Doc: "share of the client's attempts that fail"},
		{Name: "baseline_factor", Default: 5, Doc: "times the client's usual failures"},
		ignoreClients,
	},
	State:    func(detect.Values) any { return new(sprayingState) },
	Exchange: observeLogin,
	Windows: loginWindows(map[string]crossed{
		loginsByClient: spraying, loginsByClientSlow: spraying,
		loginsByHost: func(p *detect.Pass, _ string, s *window.Summary) {
			p.State().(*sprayingState).hostFailures = s.Count[window.Failure]
		},
		loginsByPassword: sprayingDistributed,
	}),
})

// sprayingState is the number of failures of the host in whose window the
// latest attempt was counted just before that of its password.
type sprayingState struct{ hostFailures uint64 }

func spraying(p *detect.Pass, key string, s *window.Summary) {
	if s.Latest.Class == window.Unclear && !open(p, "password_spraying", key, s) || ignored(p) || attacking(p, key, "password_spraying") ||
		p.Ongoing("password_spraying", key, 0) { // the shorter window has counted this event
		return
	}
	a := look(s, func(e *window.Event) bool {
		return s.Failed(password, e.Fields[password]) || s.Failed(user, e.Fields[user]) ||
			e.Fields[password] == 0 && s.Failed(agent, e.Fields[agent])
	})
	if a.counts() && (sprayed(p, &a) || p.Ongoing("password_spraying", key, pause)) {
		p.Report(a.report(p, key))
	}
}

func sprayed(p *detect.Pass, a *attack) bool {
	o, s := p.Options(), a.s
	if a.failures > o.Int("per_account")*a.users ||
		failureRatio(s)*100 < float64(o.Int("failure_percent")) ||
		float64(a.failures) < float64(o.Int("baseline_factor"))*s.Baseline {
		return false
	}
	users := a.users
	for i := range a.hits {
		if !s.Failed(user, a.hits[i].Fields[user]) {
			users++
		}
	}
	if a.passwords == 0 {
		return users >= o.Int("accounts_blind")
	}
	return a.passwords <= o.Int("passwords") && users >= o.Int("accounts")
}

// sprayingDistributed is asked with the attempts that had one password.
func sprayingDistributed(p *detect.Pass, _ string, s *window.Summary) {
	key := distributedKey(p)
	if s.Latest.Class == window.Unclear || ignored(p) || attacking(p, key, "password_spraying") {
		return
	}
	a := look(s, func(*window.Event) bool { return true })
	a.passwords = 1
	clients := s.Distinct()[client]
	if !a.counts() || clients < 2 || 2*s.Count[window.Failure] < p.State().(*sprayingState).hostFailures || !sprayed(p, &a) {
		return
	}
	r := a.report(p, key)
	r.Title = "One password is tried on many accounts from several clients"
	r.Confidence = detect.Tentative
	r.Clients = true
	r.Evidence = append(r.Evidence,
		detect.Fact{Name: "clients", Value: credential.Number(int64(clients))},
		detect.Fact{Name: "addresses", Value: addresses(p, s)})
	p.Report(r)
}
