package rules

import (
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "oauth_refresh_replay",
	Title: "A refresh token was good after it was replaced",
	Doc: `A refresh token for which the server had already given a new one was accepted again more than a minute later. From another program than before, it looks stolen. A public client whose refresh token stays the same through three uses is reported as Low.

A refresh token is a session that lasts for weeks. Replacing it at each use is what shows a theft: the thief and the owner cannot both have the newest one. A server that goes on taking the old one gives that away.

A retry within a minute is what networks make, and many servers allow for it; ten tabs of a browser that all renew at once are such retries. Servers need not replace the tokens of clients that prove who they are, and so those are left out of the Low case. A token bound to a key (DPoP) need not be replaced either.

Refuse the old token, and when it comes, end the whole session, since one of the two who have it is not the user.`,
	Severity: detect.High, Attempt: true, Genuine: true, Confidence: detect.Firm,
	CWE: []int{294, 613}, OWASP: []string{"API2:2023"}, ASVS: []string{"10.4.5"}, RFC: []string{"RFC 9700 §2.2.2", "RFC 9700 §4.14"},
	Needs: detect.LoginAttempt,
	Options: []detect.Option{
		{Name: "grace", Default: time.Minute, Doc: "after the first use, for retries"},
		{Name: "uses", Default: 3, Doc: "uses of one refresh token by a public client that make it Low"},
		{Name: "tokens", Default: 50_000, Doc: "refresh tokens that are remembered, for seven days"},
	},
	State: func(o detect.Values) any {
		return window.NewCache[credential.ID, renewal](o.Int("tokens"), 7*24*time.Hour)
	},
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		l := p.Login()
		if grantOf(p) != "refresh_token" || l.Password.IsZero() || p.LoginOutcome() != endpoint.LoginSuccess {
			return
		}
		s, created := p.State().(*window.Cache[credential.ID, renewal]).At(l.Password, p.Now())
		by := agentOf(x)
		if created {
			s.first, s.by = p.Now(), by
		}
		s.uses++
		if s.replaced != 0 && p.Now().Sub(s.replaced) > p.Options().Duration("grace") {
			r := detect.Report{
				Key: detect.Key(hostOf(p), l.Client), ByLogin: true,
				Evidence: detect.Evidence{
					{Name: "client_id", Value: p.Redact(l.Client)},
					{Name: "replaced", Value: credential.Instant(s.replaced)},
				},
			}
			if by != s.by {
				r.Key += "|stolen"
				r.Title = "A refresh token was good after it was replaced, from another program"
			}
			p.Report(r)
		}
		for i, list := 0, p.Issued(); i < len(list); i++ {
			if c := &list[i]; isRefreshToken(c) && c.ID != l.Password && s.replaced == 0 {
				s.replaced = p.Now()
			}
		}
		if s.replaced == 0 && !l.ClientAuth && int(s.uses) >= p.Options().Int("uses") && p.Now().Sub(s.first) > p.Options().Duration("grace") &&
			x.Response.Damage.Whole() && !x.Request.Header.Has("DPoP") {
			p.Report(detect.Report{
				Key: detect.Key(hostOf(p), l.Client, "never replaced"), Title: "The refresh token of a public client is never replaced",
				Severity: detect.Low, Posture: true,
				Evidence: detect.Evidence{{Name: "client_id", Value: p.Redact(l.Client)}, {Name: "uses", Value: credential.Number(int64(s.uses))}},
			})
		}
	},
})

// renewal is what became of a refresh token.
type renewal struct {
	first, replaced capture.Time
	uses            uint32
	by              uint64
}

// isRefreshToken reports a refresh token in an answer: it may be a JWT, too.
func isRefreshToken(c *credential.Credential) bool {
	return c.Kind == credential.RefreshToken || c.JWT != nil && sameWord(lastName(c), "refreshtoken")
}

// lastName gives the last part of the name of a credential's place.
func lastName(c *credential.Credential) string {
	name := c.Place.Name
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '.' {
			return name[i+1:]
		}
	}
	return name
}
