package rules

import (
	"net/netip"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "oauth_code_replay",
	Title: "An authorization code was good twice",
	Doc: `The same authorization code was exchanged for tokens twice, with success both times, or was redeemed more than ten minutes after it was issued (Low).

A code is meant to be good once and for minutes, since it travels through the browser. Where it is good again, whoever reads it there, in a log or a Referer, has the user's tokens.

The same request sent twice on one connection within two seconds is a retry, and a mirror port that shows each packet twice is none at all: what was captured twice counts once. A second try that is refused is as it should be and is not reported. When a code was issued is known only where its redirect was captured.

Let the server remember codes until they expire, refuse the second use, and revoke what the first use gave.`,
	Severity: detect.High, Attempt: true, Genuine: true, Confidence: detect.Firm,
	CWE: []int{294}, OWASP: []string{"API2:2023"}, ASVS: []string{"10.4.2", "10.4.3"}, RFC: []string{"RFC 6749 §4.1.2", "RFC 9700 §4.5"},
	Needs: detect.LoginAttempt | detect.Issued,
	Options: []detect.Option{
		{Name: "lifetime", Default: 10 * time.Minute, Doc: "after which a code should not be good any more"},
		{Name: "codes", Default: 50_000, Doc: "codes that are remembered, for a day"},
	},
	State: func(o detect.Values) any {
		return window.NewCache[credential.ID, single](o.Int("codes"), 24*time.Hour)
	},
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		state := p.State().(*window.Cache[credential.ID, single])
		if x.Response.Status/100 == 3 {
			for i, list := 0, p.Issued(); i < len(list); i++ {
				if c := &list[i]; c.Kind == credential.Code && c.Place.Name == "location" {
					if s, created := state.At(c.ID, p.Now()); created {
						s.issued = p.Now()
					}
				}
			}
		}
		l := p.Login()
		if grantOf(p) != "authorization_code" || l.Password.IsZero() || p.LoginOutcome() != endpoint.LoginSuccess {
			return
		}
		s, _ := state.At(l.Password, p.Now())
		late := s.issued != 0 && p.Now().Sub(s.issued) > p.Options().Duration("lifetime")
		again := s.used != 0 && !s.retried(x, p.Now())
		r := detect.Report{Key: detect.Key(hostOf(p), l.Client), ByLogin: true, Principal: l.Client}
		r.Evidence = detect.Evidence{{Name: "client_id", Value: p.Redact(l.Client)}, {Name: "target", Value: p.Target()}}
		switch {
		case again:
			r.Evidence = append(r.Evidence, detect.Fact{Name: "first_used", Value: credential.Instant(s.used)})
			p.Report(r)
		case late && s.used == 0:
			r.Key += "|late"
			r.Title, r.Severity = "An authorization code is good for longer than ten minutes", detect.Low
			r.Evidence = append(r.Evidence, detect.Fact{Name: "after", Value: credential.Span(p.Now().Sub(s.issued))})
			p.Report(r)
		}
		s.use(x, p.Now())
	},
})

// single is a value that is meant to be good once.
type single struct {
	issued, used capture.Time
	by           netip.AddrPort
}

// use notes that it was good.
func (s *single) use(x *exchange.Exchange, at capture.Time) { s.used, s.by = at, x.Client }

// retried reports whether the exchange is the same request sent again.
func (s *single) retried(x *exchange.Exchange, at capture.Time) bool {
	return s.by == x.Client && at.Sub(s.used) < 2*time.Second
}
