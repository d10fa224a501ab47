package rules

import (
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/window"
)

var _ = register(detect.Detector{
	Name:  "brute_force",
	Title: "Passwords are guessed from one client",
	Doc: `One client fails to log in to one host again and again: ten times within a minute (Medium) or thirty times within five (High), more than three times for each account on average, with three different passwords or more where passwords can be compared. A list of accounts tried with a list of passwords is this attack too. Its events are the failed attempts, those before the threshold included, and the successes that followed on an account that had failed, or with a password that had.

Passwords that people choose fall to lists of a few thousand. That the client got so far without being slowed down or shut out means that the list can be tried to its end.

An application that goes on with a password that was changed repeats one password for each account; that is reported as a misconfigured client, with severity Info and a key of its own, and an attempt that was made before is no guess. Where passwords cannot be compared (Digest, NTLM) the two look alike. Many people behind one address fail as well, each with passwords of his own and a hand's pace. Where at least four accounts log in there as people do, and one for four that fail, an account counts by itself; several together only with passwords that were tried on others, or as no hand does it. Where many fail as people do and nobody got in yet, it is Medium. An answer that one account gets to four different passwords is a failure, though it looks like a success.

Limit attempts for each account and each client, with delays that grow, and ask for a second factor. Block the client if it is no known one, and look for a finding compromised_after_attack with the same client: it says whether a password was found.`,
	Severity: detect.High, Confidence: detect.Firm,
	CWE: []int{307}, OWASP: []string{"API2:2023"}, ASVS: []string{"6.3.1"}, ATTACK: []string{"T1110.001"},
	Needs: detect.LoginAttempt,
	Options: []detect.Option{
		{Name: "fast_failures", Default: 10, Doc: "failures within fast_span that make it Medium"},
		{Name: "fast_span", Default: time.Minute, Doc: "at most 10m"},
		{Name: "many_failures", Default: 30, Doc: "failures within many_span that make it High"},
		{Name: "many_span", Default: 5 * time.Minute, Doc: "at most 10m"},
		{Name: "per_account", Default: 3, Doc: "failures for each account, on average, that are still no guessing"},
		{Name: "passwords", Default: 3, Doc: "different passwords, where they can be compared"},
		ignoreClients,
	},
	Exchange: observeLogin,
	State:    func(detect.Values) any { return new(bruteForceState) },
	Windows: loginWindows(map[string]crossed{
		loginsByOne: func(p *detect.Pass, _ string, s *window.Summary) {
			p.State().(*bruteForceState).own = s
		},
		peopleByClient: func(p *detect.Pass, _ string, s *window.Summary) {
			p.State().(*bruteForceState).people = s
		},
		loginsByClient: bruteForce,
	}),
})

// bruteForceState is what the account of the latest attempt had from its client,
// and what of the client's attempts is odd where it is the address of many.
type bruteForceState struct{ own, people *window.Summary }

func bruteForce(p *detect.Pass, key string, s *window.Summary) {
	if s.Latest.Class == window.Unclear && !open(p, "brute_force", key, s) || ignored(p) || attacking(p, key, "brute_force") {
		return
	}
	state, marks := p.State().(*bruteForceState), s.Latest.Fields[manner]
	a := look(s, func(e *window.Event) bool { return belongs(s, e) && amongGuesses(s, e) })
	o := p.Options()
	guessing, constant := detect.Severity(0), false
	for _, t := range []struct {
		failures int
		span     time.Duration
		severity detect.Severity
	}{
		{o.Int("fast_failures"), o.Duration("fast_span"), detect.Medium},
		{o.Int("many_failures"), o.Duration("many_span"), detect.High},
	} {
		failures, d := int(s.Within(t.span)[window.Failure]), s.DistinctWithin(t.span)
		accounts := max(d[user], 1)
		tried := failures
		if d[password] > 0 {
			tried = d[pair] // a client that repeats an old password guesses nothing
		}
		for _, h := range a.mistaken {
			if h.Time > p.Now().Add(-t.span) {
				failures++
				tried++
			}
		}
		if marks&crowd != 0 {
			if n := guesses(state.own, t.span); n >= t.failures {
				tried, accounts = n, 1
			} else {
				odd := state.people.DistinctWithin(t.span)
				tried, accounts = odd[oddPair], max(odd[oddAccount], 1)
			}
		}
		switch {
		case failures < t.failures || failures <= o.Int("per_account")*accounts:
		case d[password] > 0 && d[pair] <= accounts:
			constant = true
		case tried < t.failures || tried <= o.Int("per_account")*accounts:
		case d[password] == 0 || d[password] >= o.Int("passwords"):
			if guessing = t.severity; marks&(hands|crowd) == hands {
				guessing = detect.Medium // there may be no list
			}
		}
	}
	if !a.counts() {
		return
	}
	going := p.Ongoing("brute_force", key, pause)
	switch {
	case guessing != 0 || going:
		r := a.report(p, key)
		r.Severity = max(guessing, detect.Medium)
		p.Report(r)
	case constant:
		r := a.report(p, detect.Key(p.Client().String(), hostOf(p), "misconfigured"))
		r.Title = "A misconfigured client repeats a password that fails"
		r.Severity = detect.Info
		p.Report(r)
	}
}
