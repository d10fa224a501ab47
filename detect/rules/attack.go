package rules

import (
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

// The detectors of attacks on logins share their windows: each of the five asks
// all of them, so that whichever is switched on feeds the same.
const (
	loginsByClient      = "logins_by_client"       // key: client, host
	loginsByClientSlow  = "logins_by_client_slow"  //
	loginsByOne         = "logins_by_one"          // key: client, host, account
	loginsByAccount     = "logins_by_account"      // key: host, account
	loginsByAccountSlow = "logins_by_account_slow" //
	loginsByHost        = "logins_by_host"         // key: host
	loginsByPassword    = "logins_by_password"     // key: host, password's fingerprint
	loginsByGuess       = "logins_by_guess"        // key: client, host, password's fingerprint
	peopleByClient      = "people_by_client"       // key: client, host
)

const (
	attackSpan = 10 * time.Minute
	slowSpan   = 24 * time.Hour
	// pause is how long an attack may rest and still be the same, and how long
	// after it a login is under suspicion.
	pause = 30 * time.Minute
)

// Fields of the events in these windows. The values that a key fixes are left
// out. In loginsByHost newcomer stands in the place of agent: the client again,
// where all of its logins are of the last ten minutes. In those of one client
// manner stands in the place of client: what observePeople says.
const (
	user = iota
	password
	pair
	agent
	client
	newcomer = agent
	manner   = client
)

type crossed = func(p *detect.Pass, key string, s *window.Summary)

// loginWindows gives the windows, asked by those of the functions that are
// there.
func loginWindows(ask map[string]crossed) []detect.Window {
	windows := []detect.Window{
		{Name: loginsByGuess, Span: attackSpan}, {Name: loginsByOne, Span: attackSpan}, {Name: peopleByClient, Span: attackSpan},
		{Name: loginsByClient, Span: attackSpan}, {Name: loginsByClientSlow, Span: slowSpan},
		{Name: loginsByAccount, Span: attackSpan}, {Name: loginsByAccountSlow, Span: slowSpan},
		{Name: loginsByHost, Span: attackSpan}, {Name: loginsByPassword, Span: attackSpan},
	}
	for i := range windows {
		w := &windows[i]
		if w.Crossed = ask[w.Name]; w.Crossed == nil {
			w.Crossed = func(*detect.Pass, string, *window.Summary) {}
		}
	}
	return windows
}

// observeLogin feeds the windows with a login attempt. Exchanges of refresh
// tokens and codes are none here: nobody guesses a password by them.
func observeLogin(p *detect.Pass, x *exchange.Exchange) {
	l := p.Login()
	if l == nil || !p.Feeds(loginsByClient) || strings.HasPrefix(l.Form, "oauth:") && l.Form != "oauth:password" && l.Form != "oauth:client_credentials" {
		return
	}
	e := window.Event{Time: p.Now(), Class: classOf(p.LoginOutcome()), Client: p.Client(), Label: l.Principal, Status: uint16(x.Response.Status)}
	e.Fields[user] = l.PrincipalID.Uint64()
	e.Fields[password] = l.Password.Uint64()
	if e.Fields[password] != 0 {
		e.Fields[pair] = e.Fields[user]*31 + e.Fields[password] | 1
	}
	e.Fields[agent] = agentOf(x)
	e.Fields[client] = clientHash(p.Client())
	host := hostOf(p)

	by := clientKey(p)
	c := e
	c.Fields[manner] = observePeople(p, by, l, e)
	p.Observe(loginsByClient, by, c)
	fresh := p.Observe(loginsByClientSlow, by, c).First > p.Now().Add(-attackSpan)
	if account := accountKey(p); account != "" {
		a := e
		a.Fields[user], a.Fields[pair] = 0, 0
		if a.Fields[password] != 0 {
			a.Fields[pair] = a.Fields[client]*31 + a.Fields[password] | 1 // what that client tried
		}
		p.Observe(loginsByAccount, account, a)
		p.Observe(loginsByAccountSlow, account, a)
	}
	if attacking(p, by, "") {
		return // what one client does is no distributed attack
	}
	h := e
	h.Fields[newcomer] = 0
	if fresh {
		h.Fields[newcomer] = e.Fields[client]
	}
	p.Observe(loginsByHost, detect.Key(host), h)
	if !l.Password.IsZero() {
		e.Fields[password], e.Fields[pair] = 0, 0
		p.Observe(loginsByPassword, detect.Key(host, l.Password.String()), e)
	}
}

func classOf(o endpoint.LoginOutcome) window.Class {
	switch o {
	case endpoint.LoginFailure:
		return window.Failure
	case endpoint.LoginSuccess:
		return window.Success
	case endpoint.LoginPending:
		return window.Pending
	}
	return window.Unclear
}

func agentOf(x *exchange.Exchange) uint64 {
	h := fnv.New64a()
	h.Write([]byte(x.Request.Header.Get("User-Agent")))
	return h.Sum64() | 1
}

func clientHash(a netip.Addr) uint64 {
	b, h := a.As16(), fnv.New64a()
	h.Write(b[:])
	return h.Sum64() | 1
}

// The dedupe keys of attacks, which are the keys of their windows too.
func clientKey(p *detect.Pass) string { return detect.Key(p.Client().String(), hostOf(p)) }

func accountKey(p *detect.Pass) string {
	if p.Login() == nil || p.Login().PrincipalID.IsZero() {
		return ""
	}
	return detect.Key(hostOf(p), p.Login().PrincipalID.String())
}

func distributedKey(p *detect.Pass) string { return detect.Key(hostOf(p), "distributed") }

// attacking reports whether one of the detectors of which an attack has only
// one, but for except, has one of that key going on.
func attacking(p *detect.Pass, key, except string) bool {
	for _, name := range [...]string{"brute_force", "credential_stuffing", "password_spraying"} {
		if name != except && p.Ongoing(name, key, pause) {
			return true
		}
	}
	return false
}

// guesses are the failures of the last d of a window, or where passwords can be
// compared the different ones: who repeats one guesses nothing.
func guesses(s *window.Summary, d time.Duration) int {
	if n := s.DistinctWithin(d)[password]; n > 0 {
		return n
	}
	return int(s.Within(d)[window.Failure])
}

// belongs reports whether a success is the attack's: from the user agent that
// failed, or of an account that failed. Others behind the same address log in
// too, so where there are many the account must have been guessed as no hand
// does it, and where there may be, it must not have failed as people do.
func belongs(s *window.Summary, e *window.Event) bool {
	switch now := s.Latest.Fields[manner]; {
	case now&crowd != 0:
		return e.Fields[manner]&byMachine != 0
	case now&hands != 0 && e.Fields[manner]&(byHand|sameAgain) != 0:
		return false
	}
	return s.Failed(agent, e.Fields[agent]) || s.Failed(user, e.Fields[user])
}

// amongGuesses reports whether a success is one of guesses that are made again
// and again: its account failed, or its password. Who guesses has accounts of
// his own, too.
func amongGuesses(s *window.Summary, e *window.Event) bool {
	return e.Fields[manner]&erred != 0 || s.Failed(user, e.Fields[user]) || e.Fields[password] == 0 || s.Failed(password, e.Fields[password])
}

// peoples reports whether a success is that of somebody behind a shared address
// whose password was right all along.
func peoples(s *window.Summary, e *window.Event) bool {
	return s.Latest.Fields[manner]&(crowd|hands) != 0 && e.Fields[manner]&sameAgain != 0
}

// open reports whether the latest attempt is one of an attack that goes on, and
// nobody knows what came of it.
func open(p *detect.Pass, detector, key string, s *window.Summary) bool {
	return s.Latest.Class == window.Unclear && p.Ongoing(detector, key, pause) && belongs(s, &s.Latest)
}

// failureRatio is the share of failures among a window's attempts, where an
// account succeeds once: who logs in to his own between two guesses is still
// guessing.
func failureRatio(s *window.Summary) float64 {
	c := s.Count
	if n := uint64(s.Succeeded(s.Span)); n > 0 {
		c[window.Success], c[window.Pending] = min(c[window.Success]+c[window.Pending], n), 0
	}
	return c.FailureRatio()
}

// passwordsOf tells how many different passwords an account had success with.
// Of several at most one can have been right.
func passwordsOf(hits []window.Event, account uint64) int {
	var seen [fewPasswords]uint64
	n := 0
	for i := range hits {
		h := &hits[i]
		if x := h.Fields[password]; h.Fields[user] == account && account != 0 && x != 0 && !slices.Contains(seen[:n], x) {
			seen[n] = x
			if n++; n == len(seen) {
				break
			}
		}
	}
	return n
}

// fewPasswords is so many that none of them was.
const fewPasswords = 4

// attack is what a window shows of one.
type attack struct {
	s                                 *window.Summary
	failures, users, passwords, pairs int
	hits                              []window.Event
	// mistaken looked like successes and were none. doubtful: somebody may have
	// got in, and nobody can tell.
	mistaken []window.Event
	doubtful bool
}

// look collects what an attack did in the window, with those successes that are
// its own.
func look(s *window.Summary, own func(*window.Event) bool) attack {
	d := s.Distinct()
	a := attack{s: s, failures: int(s.Count[window.Failure]), users: d[user], passwords: d[password], pairs: d[pair]}
	for i := range s.Hits {
		h := &s.Hits[i]
		switch n := passwordsOf(s.Hits, h.Fields[user]); {
		case n >= fewPasswords:
			a.mistaken = append(a.mistaken, *h)
		case own(h):
			a.hits = append(a.hits, *h)
			a.doubtful = a.doubtful || n > 1
		}
	}
	a.doubtful = a.doubtful || len(a.mistaken) > 0
	return a
}

// counts reports whether the latest event is one of the attack.
func (a *attack) counts() bool {
	e := &a.s.Latest
	switch e.Class {
	case window.Failure, window.Unclear:
		return true
	case window.Success, window.Pending:
		for i := range a.hits {
			if h := &a.hits[i]; h.Time == e.Time && h.Fields == e.Fields {
				return true
			}
		}
	}
	return false
}

func (a *attack) verdict() detect.Verdict {
	v := detect.Rejected
	if a.s.Count[window.Unclear] > 0 || a.doubtful {
		v = detect.Unknown
	}
	for _, h := range a.hits {
		if h.Class == window.Success && passwordsOf(a.s.Hits, h.Fields[user]) < 2 {
			return detect.Accepted
		}
		v = detect.Unknown
	}
	return v
}

// first is the time of its first event.
func (a *attack) first() capture.Time {
	t := a.s.FirstOf(window.Failure)
	for _, list := range [...][]window.Event{a.mistaken, a.hits} {
		for i := range list {
			t = min(t, list[i].Time)
		}
	}
	return t
}

// report makes the report of an attack.
func (a *attack) report(p *detect.Pass, key string) detect.Report {
	evidence := detect.Evidence{
		{Name: "failures", Value: credential.Number(int64(a.failures))},
		{Name: "accounts", Value: credential.Number(int64(a.users))},
	}
	if a.passwords > 0 {
		evidence = append(evidence, detect.Fact{Name: "passwords", Value: credential.Number(int64(a.passwords))})
	}
	if names := a.s.Labels(); len(names) > 0 {
		evidence = append(evidence, detect.Fact{Name: "names", Value: p.Accounts(names)})
	}
	var lucky []string
	accounts := a.users
	for i := range a.hits {
		h := &a.hits[i]
		lucky = appendNew(lucky, h.Label)
		if !a.s.Failed(user, h.Fields[user]) {
			accounts++
		}
	}
	if len(lucky) > 0 {
		evidence = append(evidence, detect.Fact{Name: "succeeded", Value: p.Accounts(lucky)})
	}
	r := detect.Report{
		Key: key, Verdict: a.verdict(), Count: uint64(a.failures + len(a.mistaken) + len(a.hits)), First: a.first(),
		Principals: accounts > 1, Evidence: append(evidence, detect.Fact{Name: "target", Value: p.Target()}),
	}
	if a.s.Latest.Class == window.Failure {
		for _, h := range a.hits {
			if h.Class == window.Success {
				r.Status = int(h.Status) // what the verdict rests on
			}
		}
	}
	return r
}

func appendNew(list []string, s string) []string {
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list, s)
}

// ignoreClients is the option of all detectors that a load test can set off.
var ignoreClients = detect.Option{
	Name: "ignore_clients", Default: []string{},
	Doc: "addresses and networks (CIDR) whose attempts are none, such as that of a load test",
}

func ignored(p *detect.Pass) bool {
	for _, s := range p.Options().Strings("ignore_clients") {
		if prefix, err := netip.ParsePrefix(s); err == nil && prefix.Contains(p.Client()) {
			return true
		}
		if addr, err := netip.ParseAddr(s); err == nil && addr.Unmap() == p.Client() {
			return true
		}
	}
	return false
}
