package rules

import (
	"hash/fnv"
	"strings"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "mfa_skipped",
	Title: "A session goes on without its second factor",
	Doc: `On a host where at least nine of ten sessions, and ten of them or more, pass a second factor before they reach certain endpoints, a session reached them three times with success within an hour of its login, without having passed one. Medium where the login had answered that a second factor is needed, Info where it had not.

A second factor that is only asked for by the pages of an application, and not by what is behind them, protects nobody who calls the API himself: a stolen password is then enough.

A server may remember a device, or ask by risk: then the login does not ask, and this is Info unless the option unasked says more. Endpoints that belong to the second factor itself, and those that sessions reach before it, are none of those counted. Passed is a session with a code that was taken, or a request to a place named for a second factor that was answered with success; a session that got a new identifier without that is not followed.

Give a session that still lacks its second factor no access but to that, and check it on the server with each request.`,
	Severity: detect.Medium, Confidence: detect.Tentative,
	CWE: []int{308, 287}, OWASP: []string{"API2:2023"}, ASVS: []string{"6.3.3"},
	Needs: detect.Presented | detect.LoginAttempt | detect.HasCode,
	Options: []detect.Option{
		{Name: "answers", Default: 3, Doc: "successes of a session that did not pass"},
		{Name: "passed", Default: 10, Doc: "sessions that must have passed before an endpoint"},
		{Name: "passed_percent", Default: 90, Doc: "share of its sessions that passed"},
		{Name: "unasked", Default: "info", Doc: "severity where the login did not ask for a second factor"},
	},
	State: func(detect.Values) any {
		return &secondFactors{
			sessions:  window.NewCache[sessionOf, twoSteps](20_000, time.Hour),
			endpoints: window.NewCache[string, reached](2_000, 7*24*time.Hour),
		}
	},
	Exchange: mfaSkipped,
})

// secondFactors are the sessions of the last hour, and who reached which
// endpoint.
type secondFactors struct {
	sessions  *window.Cache[sessionOf, twoSteps]
	endpoints *window.Cache[string, reached]
	asked     bool // somebody was asked for a second factor
}

// Evicted counts what made room.
func (f *secondFactors) Evicted() uint64 { return f.sessions.Evicted() + f.endpoints.Evicted() }

// twoSteps is a session since its login.
type twoSteps struct {
	login         capture.Time
	asked, passed bool
	answers       int
	counted       [8]uint64 // endpoints that it was counted at
}

// reached counts the sessions that had success at an endpoint, with a second
// factor passed before and without.
type reached struct{ passed, not int }

func mfaSkipped(p *detect.Pass, x *exchange.Exchange) {
	state := p.State().(*secondFactors)
	now := p.Now()
	begin := func(asked, passed bool) {
		state.asked = state.asked || asked
		for i, list := 0, p.Issued(); i < len(list); i++ {
			if c := &list[i]; isSession(c) || c.JWT != nil || c.Kind == credential.Session {
				s, _ := state.sessions.At(sessionOf{p.Host(), c.ID}, now)
				*s = twoSteps{login: now, asked: asked, passed: passed}
			}
		}
		for i, list := 0, p.Presented(); i < len(list); i++ {
			c := &list[i]
			if !isSession(c) {
				continue
			}
			s, new := state.sessions.At(sessionOf{p.Host(), c.ID}, now)
			if passed && !new { // the same session goes on
				s.passed = true
			} else {
				*s = twoSteps{login: now, asked: asked, passed: passed}
			}
		}
	}
	switch l := p.Login(); {
	case l != nil && strings.HasPrefix(l.Form, "oauth:"):
		return
	case presentedCode(p) != nil:
		if codeClass(p, x) == window.Success {
			begin(false, true)
		}
		return
	case l != nil:
		switch p.LoginOutcome() {
		case endpoint.LoginPending:
			begin(true, false)
		case endpoint.LoginSuccess:
			begin(false, false)
		}
		return
	case !state.asked:
		return // nobody has a second factor here
	case ofSecondFactor(p.Template()):
		if x.Request.Method == "POST" && p.Outcome() == endpoint.Success {
			begin(false, true)
		}
		return
	}
	if p.Outcome() != endpoint.Success || !p.Discriminates() {
		return
	}
	for i, list := 0, p.Presented(); i < len(list); i++ {
		c := &list[i]
		if !isSession(c) {
			continue
		}
		s := state.sessions.Get(sessionOf{p.Host(), c.ID}, now)
		if s == nil || now.Sub(s.login) > time.Hour {
			continue
		}
		place := detect.Key(hostOf(p), p.Endpoint())
		e, _ := state.endpoints.At(place, now)
		if s.passed {
			if s.first(place) {
				e.passed++
			}
			continue
		}
		if s.first(place) {
			e.not++
		}
		o := p.Options()
		if e.passed < o.Int("passed") || e.passed*100 < (e.passed+e.not)*o.Int("passed_percent") {
			continue
		}
		if s.answers++; s.answers >= o.Int("answers") {
			state.report(p, c, s, e)
		}
	}
}

// first reports whether the session was not counted at the endpoint before; of
// more than a few it says no.
func (s *twoSteps) first(place string) bool {
	f := fnv.New64a()
	f.Write([]byte(place))
	h := f.Sum64() | 1
	for i := range s.counted {
		switch s.counted[i] {
		case h:
			return false
		case 0:
			s.counted[i] = h
			return true
		}
	}
	return false
}

func (f *secondFactors) report(p *detect.Pass, c *credential.Credential, s *twoSteps, e *reached) {
	asked := credential.Word("the login asked for a second factor")
	r := detect.Report{Key: detect.Key(hostOf(p), "asked"), Severity: detect.Medium, Credential: c}
	if !s.asked {
		asked = credential.Word("the login did not ask for one")
		r.Key = detect.Key(hostOf(p), "unasked")
		r.Title = "A session has no second factor where nearly all have"
		r.Severity = detect.Info
		if severity, err := detect.ParseSeverity(p.Options().Text("unasked")); err == nil {
			r.Severity = severity
		}
	}
	r.Evidence = detect.Evidence{
		{Name: "target", Value: p.Target()},
		{Name: "because", Value: asked},
		{Name: "login", Value: credential.Instant(s.login)},
		{Name: "answers", Value: credential.Number(int64(s.answers))},
		{Name: "sessions_that_passed", Value: credential.Number(int64(e.passed))},
	}
	p.Report(r)
}

// ofSecondFactor reports a place that has to do with logging in or a second
// factor: a session may be there before it has passed.
func ofSecondFactor(template string) bool {
	for s := range strings.SplitSeq(template, "/") {
		s = strings.ToLower(s)
		for _, w := range [...]string{"mfa", "2fa", "otp", "factor", "2sv", "webauthn", "passkey", "challenge", "verif", "authenticat", "auth", "login", "logout", "signin", "signout", "push"} {
			if strings.Contains(s, w) {
				return true
			}
		}
	}
	return false
}
