package rules

import (
	"cmp"
	"slices"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "compromised_after_attack",
	Title: "A login succeeded within an attack",
	Doc: `A login succeeds from where an attack on logins goes on, or went on within the last thirty minutes: from the client of brute_force, password_spraying or credential_stuffing, from a client that took part in brute_force_distributed, with the account under attack, or in one of the distributed forms. Successes within the attack's window that came before its threshold was met belong to it. The evidence lists the accounts.

This is what the attack was for: somebody now has the password of each of these accounts, and most likely a session or a token.

Behind a shared address somebody honest may log in while a neighbour attacks. When the success has neither the user agent of the attack's failures nor the name of an account that failed (where many log in behind the address: of one that was guessed as no hand does it), it is reported apart, as Medium with the verdict unknown; so is an attempt whose password was right but that still needs a second factor ("password found"), an answer of which nobody knows what it means, but that is unlike those to all failures (204, or JSON without known fields, where failures are 401), and the success of one client of many whose user agent none of the others has.

Lock the listed accounts' sessions and tokens, reset their passwords, and look at what was done with them since first_seen. Then stop the attack itself.`,
	Severity: detect.Critical, Confidence: detect.Firm,
	CWE: []int{307}, OWASP: []string{"API2:2023"}, ASVS: []string{"6.3.1"}, ATTACK: []string{"T1078"},
	Needs:    detect.LoginAttempt,
	State:    func(detect.Values) any { return newCompromised() },
	Exchange: compromised,
	Windows: loginWindows(map[string]crossed{
		loginsByClientSlow: func(p *detect.Pass, key string, s *window.Summary) {
			p.State().(*compromisedState).client = s
		},
		loginsByAccountSlow: func(p *detect.Pass, key string, s *window.Summary) {
			p.State().(*compromisedState).account = s
		},
		loginsByPassword: func(p *detect.Pass, key string, s *window.Summary) {
			p.State().(*compromisedState).password = s
		},
	}),
})

type compromisedState struct {
	// What the windows hold for the attempt of this exchange, nil where they
	// were not asked.
	client, account, password *window.Summary
	// attacks by their dedupe key.
	attacks *window.Cache[string, fallen]
	// agents tells which clients failed on an account with a user agent.
	agents *window.Cache[agentKey, agentClients]
}

// fallen is what an attack has brought so far: the accounts that surely fell,
// those that may have, and until when successes were looked at.
type fallen struct {
	sure, possible []string
	until          capture.Time
}

// maxFallen is how many accounts a finding lists.
const maxFallen = 16

type agentKey struct {
	host           string
	account, agent uint64
}

// agentClients is the first client that used a user agent, and whether another
// did.
type agentClients struct {
	first   uint64
	several bool
}

func newCompromised() *compromisedState {
	return &compromisedState{
		attacks: window.NewCache[string, fallen](10_000, detect.Closed),
		agents:  window.NewCache[agentKey, agentClients](50_000, slowSpan),
	}
}

// Evicted counts what made room.
func (c *compromisedState) Evicted() uint64 { return c.attacks.Evicted() + c.agents.Evicted() }

// This detector's name stands behind those of brute_force and
// brute_force_distributed, one of which feeds the windows if it does not itself:
// when it looks, every detector of attacks has seen the attempt.
func compromised(p *detect.Pass, x *exchange.Exchange) {
	c := p.State().(*compromisedState)
	defer func() { c.client, c.account, c.password = nil, nil, nil }()
	observeLogin(p, x)
	if c.client == nil {
		return
	}
	e := &c.client.Latest
	by := agentKey{hostOf(p), p.Login().PrincipalID.Uint64(), 0}
	if e.Class == window.Failure && c.account != nil {
		by.agent = e.Fields[agent]
		here := clientHash(p.Client())
		if a, created := c.agents.At(by, p.Now()); created {
			a.first = here
		} else if a.first != here {
			a.several = true
		}
	}
	switch key, account := clientKey(p), accountKey(p); {
	case attacking(p, key, ""):
		s, sprayed, stuffed := c.client, p.Ongoing("password_spraying", key, pause), p.Ongoing("credential_stuffing", key, pause)
		c.look(p, key, withUnlike(p, s), func(h *window.Event) (own, sure bool) {
			recent := h.Time > p.Now().Add(-attackSpan)
			n := passwordsOf(s.Hits, h.Fields[user])
			return n < fewPasswords && !peoples(s, h) && (recent || s.Failed(password, h.Fields[password])), n < 2 && (belongs(s, h) && (stuffed || amongGuesses(s, h)) || sprayed && s.Failed(password, h.Fields[password]))
		})
	case c.account != nil && p.Ongoing("brute_force_distributed", account, pause):
		s := c.account
		c.look(p, account, s.Hits, func(h *window.Event) (own, sure bool) {
			by.agent = h.Fields[agent]
			a := c.agents.Get(by, p.Now())
			return s.Failed(client, h.Fields[client]), a != nil && a.several
		})
	case attacking(p, distributedKey(p), ""):
		if e.Class == window.Success || e.Class == window.Pending {
			c.look(p, distributedKey(p), []window.Event{*e}, func(*window.Event) (own, sure bool) { return c.distributed(p, e) })
		}
	}
}

// withUnlike gives a window's hits, and the latest attempt where its answer may
// be one: nobody knows what it means, but all failures look otherwise. Where that
// comes often it is a captcha, or a lock.
func withUnlike(p *detect.Pass, s *window.Summary) []window.Event {
	if !p.LoginUnlike() || 10*s.Count[window.Unclear] > s.Count[window.Failure] {
		return s.Hits
	}
	for _, marks := range [...]uint64{softly, softly | crowd, softly | hands, softly | crowd | hands} {
		if s.Failed(manner, marks) {
			return s.Hits
		}
	}
	return append(slices.Clone(s.Hits), s.Latest)
}

// distributed judges a success while many clients attack the host. Honest
// people fail on their own account before they succeed; a list fails on others.
func (c *compromisedState) distributed(p *detect.Pass, e *window.Event) (own, sure bool) {
	others := c.client.DistinctWithin(attackSpan)[user]
	if c.client.Failed(user, e.Fields[user]) {
		others--
	}
	sprayed := c.password != nil && c.password.Distinct()[user] >= 3 && p.Ongoing("password_spraying", distributedKey(p), pause)
	return sprayed || others > 0, sprayed || others > 1 && c.client.Failed(agent, e.Fields[agent])
}

// look reports those of the hits that are the attack's own and were not looked
// at before.
func (c *compromisedState) look(p *detect.Pass, key string, hits []window.Event, judge func(*window.Event) (own, sure bool)) {
	f, _ := c.attacks.At(key, p.Now())
	hits = slices.Clone(hits)
	slices.SortStableFunc(hits, func(a, b window.Event) int { return cmp.Compare(a.Time, b.Time) })
	for i := range hits {
		h := &hits[i]
		if h.Time <= f.until {
			continue
		}
		if own, sure := judge(h); own {
			f.report(p, key, h, sure)
		}
	}
	f.until = p.Now()
}

func (f *fallen) report(p *detect.Pass, key string, h *window.Event, sure bool) {
	r := detect.Report{Key: key, Verdict: detect.Accepted, Principal: h.Label, Status: int(h.Status), Count: 1, First: h.Time}
	what, accounts := credential.Word("logged in"), &f.sure
	switch h.Class {
	case window.Pending:
		sure = false
		what = credential.Word("password found, a second factor is asked for")
	case window.Unclear:
		sure = false
		what = credential.Word("an answer unlike those to all failures")
	}
	if !sure {
		// Those that may be honest stand apart, so that the list of those that
		// fell is no guess.
		r.Key, r.Severity, r.Verdict, accounts = key+"|possible", detect.Medium, detect.Unknown, &f.possible
	}
	if len(*accounts) < maxFallen {
		*accounts = appendNew(*accounts, h.Label)
	}
	r.Evidence = detect.Evidence{
		{Name: "accounts", Value: p.Accounts(*accounts)},
		{Name: "latest", Value: what},
		{Name: "at", Value: credential.Instant(h.Time)},
	}
	p.Report(r)
}
