package rules

import (
	"hash/fnv"
	"math"
	"strings"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "credential_stuffing",
	Title: "A list of stolen accounts is tried",
	Doc: `Within ten minutes one client tries fifteen different pairs of account and password or more, nearly each of another account (90 percent) and at least half with another password, and 80 percent of its attempts fail (an account that succeeds counts once). Or many clients do so together: more than fifty failures on the host, five times what it has usually and 60 percent of its attempts, of the same form, from ten clients or more of which half were not seen logging in before. Its events are the failures and the successes that belong to them. Where a client that is new to the host logs in meanwhile, nobody knows whether it belongs to them, and the verdict is unknown.

People use one password in many places, so lists that were stolen elsewhere open a percent or so of the accounts here. Each account is tried once with the right password of somewhere else, which no limit for each account sees.

A load test with invented accounts looks the same: name it in ignore_clients. People behind one address whose passwords fail all at once try again: where many of them do it is Medium, and nothing where one for four gets in afterwards. A release that breaks the login makes honest clients fail all at once, each with its own account and one version of the application: when one user agent of a product that has logged in here before makes 80 percent of the failures, with one account for each client, nothing is reported. Where passwords cannot be compared this detector sees nothing.

Check passwords against lists of leaked ones, ask for a second factor from unknown devices, and slow down clients that fail over many accounts. Reset the accounts that a finding compromised_after_attack names.`,
	Severity: detect.High, Confidence: detect.Firm,
	CWE: []int{307}, OWASP: []string{"API2:2023"}, ASVS: []string{"6.3.1"}, ATTACK: []string{"T1110.004"},
	Needs: detect.LoginAttempt,
	Options: []detect.Option{
		{Name: "pairs", Default: 15, Doc: "different pairs of account and password"},
		{Name: "account_percent", Default: 90, Doc: "different accounts for each hundred pairs"},
		{Name: "password_percent", Default: 50, Doc: "different passwords for each hundred pairs"},
		{Name: "failure_percent", Default: 80, Doc: "share of one client's attempts that fail"},
		{Name: "host_failures", Default: 50, Doc: "failures on the host that must be exceeded, from many clients"},
		{Name: "host_failure_percent", Default: 60, Doc: "share of the host's attempts that fail: of honest people's most succeed in the end"},
		{Name: "baseline_factor", Default: 5, Doc: "times the host's usual failures"},
		{Name: "clients", Default: 10, Doc: "clients that make many"},
		{Name: "new_percent", Default: 50, Doc: "share of those clients that are new to the host"},
		ignoreClients,
	},
	State:    func(detect.Values) any { return window.NewCache[string, hostAgents](10_000, slowSpan) },
	Exchange: observeLogin,
	Windows:  loginWindows(map[string]crossed{loginsByClient: stuffing, loginsByHost: stuffingDistributed}),
})

func stuffing(p *detect.Pass, key string, s *window.Summary) {
	if s.Latest.Class == window.Unclear && !open(p, "credential_stuffing", key, s) || ignored(p) || attacking(p, key, "credential_stuffing") {
		return
	}
	a := look(s, func(e *window.Event) bool { return belongs(s, e) })
	if !a.counts() {
		return
	}
	met := stuffed(p, &a) && !recovering(s) && failureRatio(s)*100 >= float64(p.Options().Int("failure_percent"))
	if met || p.Ongoing("credential_stuffing", key, pause) {
		r := a.report(p, key)
		if s.Latest.Fields[manner]&hands != 0 {
			r.Severity = detect.Medium // a list is tried once
		}
		p.Report(r)
	}
}

// stuffed reports whether the pairs have the form of a stolen list.
func stuffed(p *detect.Pass, a *attack) bool {
	o, users, passwords, pairs := p.Options(), a.users, a.passwords, a.pairs
	for i := range a.hits {
		h := &a.hits[i]
		if h.Fields[pair] == 0 || a.s.Failed(pair, h.Fields[pair]) {
			continue
		}
		pairs++
		if !a.s.Failed(user, h.Fields[user]) {
			users++
		}
		if !a.s.Failed(password, h.Fields[password]) {
			passwords++
		}
	}
	return pairs >= o.Int("pairs") && users*100 >= pairs*o.Int("account_percent") &&
		passwords*100 >= pairs*o.Int("password_percent")
}

func stuffingDistributed(p *detect.Pass, _ string, s *window.Summary) {
	agents, _ := p.State().(*window.Cache[string, hostAgents]).At(hostOf(p), p.Now())
	agents.add(p.Exchange(), s.Latest.Class, p.Now())
	key := distributedKey(p)
	if s.Latest.Class == window.Unclear || ignored(p) || attacking(p, key, "credential_stuffing") {
		return
	}
	// A success is the list's when its client failed on other accounts only:
	// honest people fail on their own first.
	a := look(s, func(e *window.Event) bool {
		return s.Failed(client, e.Fields[client]) && !s.Failed(user, e.Fields[user])
	})
	if !a.counts() {
		return
	}
	for i := range s.Hits { // one who came just now may be the list's as well
		h := &s.Hits[i]
		a.doubtful = a.doubtful || h.Fields[newcomer] != 0 && !s.Failed(user, h.Fields[user])
	}
	o, d := p.Options(), s.Distinct()
	met := a.failures > o.Int("host_failures") &&
		float64(a.failures) > float64(o.Int("baseline_factor"))*s.Baseline &&
		failureRatio(s)*100 >= float64(o.Int("host_failure_percent")) &&
		d[client] >= o.Int("clients") && d[newcomer]*100 >= d[client]*o.Int("new_percent") &&
		stuffed(p, &a) &&
		(a.users*10 > d[client]*12 || !agents.brokenRelease(p.Now()))
	if !met && !p.Ongoing("credential_stuffing", key, pause) {
		return
	}
	r := a.report(p, key)
	r.Title = "A list of stolen accounts is tried from many clients"
	r.Confidence = detect.Tentative
	r.Clients = true
	r.Evidence = append(r.Evidence,
		detect.Fact{Name: "clients", Value: credential.Number(int64(d[client]))},
		detect.Fact{Name: "addresses", Value: addresses(p, s)})
	p.Report(r)
}

// hostAgents is what is known of the user agents that log in to a host: how
// often each failed in the last minutes, and each product succeeded in the last
// days.
type hostAgents struct {
	failing   [8]tally
	succeeded [8]tally
}

// tally counts events, each of which is worth half after a while.
type tally struct {
	agent, product uint64
	n              float64
	at             capture.Time
}

const (
	failingHalf   = 5 * time.Minute
	succeededHalf = 24 * time.Hour
)

func (t *tally) worth(now capture.Time, half time.Duration) float64 {
	if now <= t.at {
		return t.n
	}
	return t.n * math.Exp2(-float64(now.Sub(t.at))/float64(half))
}

// count adds an event to its tally, which may take the place of the least.
func count(list []tally, agent, product uint64, now capture.Time, half time.Duration) {
	slot := 0
	for i := range list {
		if list[i].agent == agent && list[i].product == product {
			slot = i
			break
		}
		if list[i].worth(now, half) < list[slot].worth(now, half) {
			slot = i
		}
	}
	t := &list[slot]
	if t.agent != agent || t.product != product {
		*t = tally{agent: agent, product: product}
	}
	t.n, t.at = t.worth(now, half)+1, max(t.at, now)
}

func (h *hostAgents) add(x *exchange.Exchange, c window.Class, now capture.Time) {
	name, _, _ := strings.Cut(x.Request.Header.Get("User-Agent"), "/")
	hash := fnv.New64a()
	hash.Write([]byte(name))
	product := hash.Sum64() | 1
	switch c {
	case window.Success:
		count(h.succeeded[:], 0, product, now, succeededHalf)
	case window.Failure:
		count(h.failing[:], agentOf(x), product, now, failingHalf)
	}
}

// brokenRelease reports whether one user agent makes nearly all failures, and
// its product logged in before, more often than a list of stolen accounts
// does.
func (h *hostAgents) brokenRelease(now capture.Time) bool {
	total, most := 0.0, &h.failing[0]
	for i := range h.failing {
		f := &h.failing[i]
		total += f.worth(now, failingHalf)
		if f.worth(now, failingHalf) > most.worth(now, failingHalf) {
			most = f
		}
	}
	for i := range h.succeeded {
		if s := &h.succeeded[i]; s.product == most.product {
			failed := most.worth(now, failingHalf)
			return failed >= 0.8*total && s.worth(now, succeededHalf) >= 0.1*failed
		}
	}
	return false
}
