package rules

import (
	"slices"
	"strings"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "session_not_rotated",
	Title: "A login keeps the session that was there before it",
	Doc: `Logins of at least three accounts carried a session cookie, succeeded without setting a new value for it, and the old value was then accepted where a session is needed. Before the login it had not been accepted anywhere.

Who can plant a session identifier in somebody's browser before the login (by a link, a subdomain or a script) owns the session afterwards. This is session fixation, and it needs no password.

Only cookies with a session's name count, and only where what follows shows that the cookie is what opens the endpoint: those of load balancers, analytics and forms are left out. A login that answers with a token is none of this. A session that was logged in already, and whose user confirms the password, keeps it rightly. A framework that renews the session with its next answer is reported only if the old value opens something before.

Issue a new session identifier whenever somebody logs in or gains rights, and make the old one worthless.`,
	Severity: detect.Medium, Confidence: detect.Firm,
	CWE: []int{384}, OWASP: []string{"API2:2023"}, ASVS: []string{"7.2.4"},
	Needs: detect.Presented | detect.LoginAttempt,
	Options: []detect.Option{
		{Name: "accounts", Default: 3, Doc: "accounts whose session was not renewed by one login endpoint"},
		{Name: "sessions", Default: 50_000, Doc: "sessions that are remembered, for a day"},
	},
	State: func(o detect.Values) any {
		return &rotation{
			sessions: window.NewCache[sessionOf, rotated](o.Int("sessions"), 24*time.Hour),
			logins:   window.NewCache[string, []credential.ID](1000, 7*24*time.Hour),
		}
	},
	Exchange: notRotated,
})

// rotation is what is known of sessions, and the accounts that kept theirs at
// each login endpoint and cookie.
type rotation struct {
	sessions *window.Cache[sessionOf, rotated]
	logins   *window.Cache[string, []credential.ID]
}

// Evicted counts sessions that made room for others.
func (r *rotation) Evicted() uint64 { return r.sessions.Evicted() + r.logins.Evicted() }

// rotated is a session that opened something, or that a login kept.
type rotated struct {
	opened  bool
	login   string // the endpoint and cookie
	account credential.ID
}

func notRotated(p *detect.Pass, x *exchange.Exchange) {
	state := p.State().(*rotation)
	for i, list := 0, p.Presented(); i < len(list); i++ {
		c := &list[i]
		if c.Kind != credential.Session || c.Place.Part != credential.InCookie || c.Flaw != 0 || c.Guessable {
			continue
		}
		key := sessionOf{p.Host(), c.ID}
		switch {
		case p.LoginOutcome() == endpoint.LoginSuccess:
			l := p.Login()
			s, created := state.sessions.At(key, p.Now())
			if !created && s.opened || l.PrincipalID.IsZero() || renews(p.Issued(), c) {
				continue
			}
			s.login, s.account = detect.Key(hostOf(p), p.Endpoint(), c.Place.String()), l.PrincipalID
		case p.Login() == nil && p.Outcome() == endpoint.Success && p.Discriminates():
			s, _ := state.sessions.At(key, p.Now())
			login, account := s.login, s.account
			s.opened, s.login = true, ""
			if login == "" {
				continue
			}
			accounts, _ := state.logins.At(login, p.Now())
			if !slices.Contains(*accounts, account) && len(*accounts) < 64 {
				*accounts = append(*accounts, account)
			}
			if len(*accounts) >= p.Options().Int("accounts") {
				p.Report(detect.Report{
					Key: login, Credential: c, Principals: true, Clients: true,
					Evidence: detect.Evidence{
						{Name: "accounts", Value: credential.Number(int64(len(*accounts)))},
						{Name: "opened", Value: p.Target()},
					},
				})
			}
		}
	}
}

// renews reports whether an answer sets the cookie anew, or gives a token or
// another session in its place. What remembers a user over sessions is neither.
func renews(issued []credential.Credential, session *credential.Credential) bool {
	for i := range issued {
		switch c := &issued[i]; c.Place.Part {
		case credential.InCookie:
			if c.ID != session.ID && !(c.Kind == credential.Session && remembers(c.Place.Name)) {
				return true
			}
		case credential.InJSON, credential.InXML, credential.InHeader, credential.InBody, credential.InFragment:
			if c.Kind.Access() {
				return true
			}
		}
	}
	return false
}

func remembers(cookie string) bool {
	return strings.Contains(strings.ToLower(cookie), "remember")
}
