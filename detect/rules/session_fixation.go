package rules

import (
	"net/netip"
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
	Name:  "session_fixation",
	Title: "A session was planted before its login",
	Doc: `Somebody logged in with a session identifier that another client had used, or was given, within half an hour before, without being logged in; or with one that came in a URL though the server gives its own in cookies and was never seen to give this one. Accepted when the identifier opens something afterwards, rejected when the first client comes back with it and is refused.

Who knows the identifier before the login is in the session after it, without a password. A link with an identifier in it, or a cookie set from a subdomain, is all that takes.

What was given out before the sensor began cannot be told from what nobody gave: an identifier in a URL counts only after an hour of watching. A phone that changes its network between page and login keeps its user agent: then the first client must come back with the identifier after the login. As it may be the phone that went back to the first network, that is reported apart where the user agent is a browser's or an app's, as Low with the verdict unknown, until both clients use the identifier by turns within five minutes. An identifier that had opened something before the login was somebody's session already. Requests that say whom they are forwarded for are left out.

Issue a new session identifier at each login, take none from URLs, and refuse those that the server never gave. Look at what the first client did with the session.`,
	Severity: detect.High, Attempt: true, Genuine: true, Confidence: detect.Firm,
	CWE: []int{384}, OWASP: []string{"API2:2023"}, ASVS: []string{"7.2.4"},
	Needs: detect.Presented | detect.Issued | detect.LoginAttempt,
	Options: []detect.Option{
		{Name: "within", Default: 30 * time.Minute, Doc: "from the first client's use to the login, and from there to what the session opens"},
		{Name: "warm_up", Default: time.Hour, Doc: "of watching, before which identifiers that nobody gave are not believed to be planted"},
		{Name: "sessions", Default: 20_000, Doc: "sessions that are remembered"},
	},
	State: func(o detect.Values) any {
		return &fixation{
			sessions: window.NewCache[sessionOf, planted](o.Int("sessions"), o.Duration("within")),
			issued:   window.NewCache[sessionOf, struct{}](5*o.Int("sessions"), 7*24*time.Hour),
			givers:   window.NewCache[cookieOf, int](1000, 7*24*time.Hour),
		}
	},
	Exchange: fixated,
})

// fixation is what is known of sessions, of those that the server gave, and how
// many it gave under each name.
type fixation struct {
	sessions *window.Cache[sessionOf, planted]
	issued   *window.Cache[sessionOf, struct{}]
	givers   *window.Cache[cookieOf, int]
	since    capture.Time
	until    capture.Time // sessions are watched that a login kept
	lately   [1024]lately
}

// lately is a client's use of a session: in the next minute it tells nothing
// new.
type lately struct {
	session uint64
	client  netip.Addr
	at      capture.Time
	opened  bool
}

// Evicted counts what made room.
func (f *fixation) Evicted() uint64 { return f.sessions.Evicted() + f.issued.Evicted() }

// planted is what is known of a session identifier.
type planted struct {
	client netip.Addr // who used it first
	agent  uint64
	used   capture.Time // by that client, before the login
	opened bool         // something, before a login
	inURL  bool         // it came in a URL, and nobody gave it
	// After a login that kept it.
	login   capture.Time
	owner   netip.Addr
	sure    bool // the two are surely not one client
	renewed bool
	key     string
	// One client may have moved to another network: its user agent is of what
	// people carry, and the owner's is the same. Back is when the first came again, and both says
	// that the owner went on after it.
	moved bool
	back  capture.Time
	both  bool
}

func fixated(p *detect.Pass, x *exchange.Exchange) {
	state, now := p.State().(*fixation), p.Now()
	if state.since == 0 {
		state.since = now
	}
	for i, list := 0, p.Issued(); i < len(list); i++ {
		if c := &list[i]; c.Kind == credential.Session && c.Place.Part == credential.InCookie && !p.Presents(c.ID) {
			if _, new := state.issued.At(sessionOf{p.Host(), c.ID}, now); new {
				n, _ := state.givers.At(cookieOf{p.Host(), c.Place.Name}, now)
				*n++
				if !forwarded(x) && p.Login() == nil {
					// Who is given it may plant it without using it first.
					if s, first := state.sessions.At(sessionOf{p.Host(), c.ID}, now); first {
						s.client, s.agent, s.used = p.Client(), agentOf(x), now
					}
				}
			}
		}
	}
	for i, list := 0, p.Presented(); i < len(list); i++ {
		c := &list[i]
		if c.Kind != credential.Session || c.Flaw != 0 || c.Guessable {
			continue
		}
		switch c.Place.Part {
		case credential.InCookie, credential.InQuery, credential.InPath:
		default:
			continue
		}
		watched, opens := p.Login() != nil || now <= state.until, false
		l := &state.lately[c.ID.Uint64()%uint64(len(state.lately))]
		again := l.session == c.ID.Uint64() && l.client == p.Client() && now.Sub(l.at) < time.Minute
		if again && l.opened && !watched {
			continue
		}
		if p.Login() == nil {
			opens = p.Outcome() == endpoint.Success && p.Discriminates()
			if again && !opens && !watched {
				continue
			}
			*l = lately{c.ID.Uint64(), p.Client(), now, opens}
		}
		if !forwarded(x) {
			state.use(p, x, c, opens)
		}
	}
}

// forwarded reports a request that a hop sent on: its address says nothing.
func forwarded(x *exchange.Exchange) bool {
	return x.Request.Header.Has("X-Forwarded-For") || x.Request.Header.Has("Forwarded") || x.Request.Header.Has("Via")
}

func (f *fixation) use(p *detect.Pass, x *exchange.Exchange, c *credential.Credential, opens bool) {
	id, now := sessionOf{p.Host(), c.ID}, p.Now()
	s, first := f.sessions.At(id, now)
	if first {
		s.client, s.agent = p.Client(), agentOf(x)
		s.inURL = c.Place.Part != credential.InCookie && f.issued.Get(id, now) == nil &&
			now.Sub(f.since) >= p.Options().Duration("warm_up") && f.gives(p)
	}
	switch {
	case p.Login() != nil:
		if p.LoginOutcome() == endpoint.LoginSuccess && !s.opened && s.login == 0 {
			f.login(p, x, c, s)
		}
	case s.login != 0:
		s.after(p, c)
	default:
		if p.Client() == s.client {
			s.used = now
		}
		s.opened = s.opened || opens
	}
}

// gives reports whether the server was seen to give session cookies of its own.
func (f *fixation) gives(p *detect.Pass) bool {
	n := 0
	f.givers.Each(func(k cookieOf, v *int) {
		if k.host == p.Host() {
			n = max(n, *v)
		}
	})
	return n >= 3
}

// login looks at a login with a session identifier that was there before it.
func (f *fixation) login(p *detect.Pass, x *exchange.Exchange, c *credential.Credential, s *planted) {
	within := p.Options().Duration("within")
	other := s.used != 0 && s.client != p.Client() && p.Now().Sub(s.used) <= within
	s.sure = s.inURL || other && agentOf(x) != s.agent
	if !s.sure && !(other && networkOf(s.client) != networkOf(p.Client())) {
		return
	}
	s.login, s.owner, s.renewed = p.Now(), p.Client(), renews(p.Issued(), c)
	s.moved = !s.sure && carried(x.Request.Header.Get("User-Agent"))
	s.key = detect.Key(hostOf(p), p.Endpoint(), p.Login().PrincipalID.String())
	f.until = max(f.until, p.Now().Add(within))
}

// carried reports whether a user agent is of what people carry about: browsers,
// and the libraries of apps. Programs stay where they are.
func carried(agent string) bool {
	return strings.HasPrefix(agent, "Mozilla/") || strings.HasPrefix(agent, "okhttp/") || onPhone(agent)
}

// byTurns is how soon two clients use a session after each other (N24).
const byTurns = 5 * time.Minute

// after looks at what the identifier opens after the login.
func (s *planted) after(p *detect.Pass, c *credential.Credential) {
	own, now := p.Client() == s.owner, p.Now()
	if own && s.back != 0 && now.Sub(s.back) <= byTurns {
		s.both = true
	}
	switch {
	case now.Sub(s.login) > p.Options().Duration("within"),
		own && (s.renewed || !s.sure), // the owner's browser, until the new one came; a client that changed its network
		!own && p.Client() != s.client && !s.inURL:
		return
	}
	r := s.report(p, c)
	r.Only = []detect.Verdict{detect.Accepted, detect.Rejected}
	if s.moved && !s.renewed { // with the session that a login replaced nobody moves
		first := s.back == 0 || now.Sub(s.back) > byTurns
		if s.back = now; !s.both {
			if !first || p.Outcome() != endpoint.Success || !p.Discriminates() {
				return
			}
			r.Key, r.Only = r.Key+"|moved", nil
			r.Verdict, r.Severity, r.Confidence = detect.Unknown, detect.Low, detect.Tentative
		}
	}
	p.Report(r)
}

func (s *planted) report(p *detect.Pass, c *credential.Credential) detect.Report {
	how := credential.Word("another client used it before")
	if s.inURL {
		how = credential.Word("it came in a URL, and the server never gave it")
	}
	r := detect.Report{
		Key: s.key, Credential: c, Clients: s.client != s.owner,
		Evidence: detect.Evidence{
			{Name: "target", Value: p.Target()},
			{Name: "because", Value: how},
			{Name: "login", Value: credential.Instant(s.login)},
		},
	}
	if s.client != s.owner {
		r.Evidence = append(r.Evidence, detect.Fact{Name: "addresses", Value: p.Redact(s.client.String() + ", " + s.owner.String())})
	}
	return r
}
