package rules

import (
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

var _ = register(detect.Detector{
	Name:  "session_after_logout",
	Title: "A session is good after its logout",
	Doc: `A session cookie or token was sent to an endpoint that logs out, which answered with success, and the same cookie or token was accepted more than five seconds later, within a day. The endpoint that accepted it is known to refuse who has no good one.

Who logs out on a computer that others use, or because a token was stolen, expects that it opens nothing any more. Where the server does not end the session, whoever has it stays in until it expires.

Self-contained tokens live until they expire unless the server keeps a list of those that ended: that is a decision of design and Medium, since the user is not told. A session that logs in again is a new one even with the old identifier. A logout of one device among several sends that device's own token. Whether a logout that answers with a redirect went through is read from the answer alone.

End the session on the server at logout, delete its refresh token, and keep the identifiers of tokens that ended until they expire.`,
	Severity: detect.High, Attempt: true, Confidence: detect.Firm,
	CWE: []int{613}, OWASP: []string{"API2:2023"}, ASVS: []string{"7.4.1"},
	Needs: detect.Presented,
	Options: []detect.Option{
		{Name: "grace", Default: 5 * time.Second, Doc: "time that a logout may take to be known everywhere"},
		{Name: "sessions", Default: 50_000, Doc: "sessions that are remembered after their logout, for a day"},
	},
	State: func(o detect.Values) any {
		return window.NewCache[sessionOf, capture.Time](o.Int("sessions"), 24*time.Hour)
	},
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		ended := p.State().(*window.Cache[sessionOf, capture.Time])
		logout := logsOut(x.Request.Method, p.Template()) && (p.Outcome() == endpoint.Success || saysGoodbye(p, x))
		if ended.Len() == 0 && !logout {
			return
		}
		host := hostOf(p)
		for i, list := 0, p.Issued(); i < len(list); i++ {
			ended.Delete(sessionOf{host, list[i].ID}) // it goes on
		}
		for i, list := 0, p.Presented(); i < len(list); i++ {
			c := &list[i]
			if !isSession(c) {
				continue
			}
			key := sessionOf{host, c.ID}
			switch {
			case logout:
				if at, created := ended.At(key, p.Now()); created {
					*at = p.Now()
				}
			case p.LoginOutcome() == endpoint.LoginSuccess:
				ended.Delete(key)
			default:
				at := ended.Get(key, p.Now())
				if at == nil || p.Now().Sub(*at) <= p.Options().Duration("grace") || p.Outcome() != endpoint.Success || takesOldTokens(p.Template()) {
					continue
				}
				r := detect.Report{
					Key: detect.Key(host, c.Place.String()), Credential: c, Only: onlyAccepted,
					Evidence: detect.Evidence{
						{Name: "target", Value: p.Target()},
						{Name: "logout", Value: credential.Instant(*at)},
					},
				}
				if c.JWT != nil {
					r.Severity = detect.Medium
				}
				p.Report(r)
			}
		}
	},
})

// sessionOf is a session on a host.
type sessionOf struct {
	host string
	id   credential.ID
}

// isSession reports a credential that a login gives and a logout takes.
func isSession(c *credential.Credential) bool {
	switch c.Kind {
	case credential.Session, credential.Bearer, credential.JWT:
		return c.Flaw == 0 && c.Access()
	}
	return false
}

// saysGoodbye reports a redirect, to where people log in as a rule, that ends a
// session: it says so, or takes a cookie back.
func saysGoodbye(p *detect.Pass, x *exchange.Exchange) bool {
	r := &x.Response
	if r.Status != 302 && r.Status != 303 || !r.Damage.Whole() {
		return false
	}
	location := strings.ToLower(r.Header.Get("Location"))
	for _, w := range [...]string{"logout", "logged_out", "loggedout", "logged-out", "signed_out", "signedout", "signed-out", "signout"} {
		if strings.Contains(location, w) {
			return true
		}
	}
	for _, f := range r.Header {
		if strings.EqualFold(f.Name, "Set-Cookie") && takenBack(p, f.Value) {
			return true
		}
	}
	return false
}

// takenBack reports a Set-Cookie that deletes a session of the request (RFC
// 6265, sections 3.1 and 5.2).
func takenBack(p *detect.Pass, setCookie string) bool {
	pair, attributes, _ := strings.Cut(setCookie, ";")
	name, value, _ := strings.Cut(pair, "=")
	attributes = strings.ReplaceAll(strings.ToLower(attributes), " ", "")
	if strings.Trim(value, ` "`) != "" && !strings.Contains(attributes, "max-age=0") && !strings.Contains(attributes, "max-age=-") &&
		!strings.Contains(strings.ReplaceAll(attributes, "-", ""), "01jan1970") {
		return false
	}
	return slices.ContainsFunc(p.Presented(), func(c credential.Credential) bool {
		return isSession(&c) && c.Place.Part == credential.InCookie && strings.EqualFold(c.Place.Name, strings.TrimSpace(name))
	})
}

// logsOut reports an endpoint that ends a session.
func logsOut(method, template string) bool {
	last := template
	for strings.HasSuffix(last, "/") {
		last = last[:len(last)-1]
	}
	last = last[strings.LastIndexByte(last, '/')+1:]
	if i := strings.LastIndexByte(last, '.'); i > 0 { // logout.php
		last = last[:i]
	}
	if method == "DELETE" {
		if containsWord(ownWords, last) { // sessions/current
			rest := strings.TrimRight(template, "/")
			rest = rest[:len(rest)-len(last)]
			last = strings.TrimRight(rest, "/")
			last = last[strings.LastIndexByte(last, '/')+1:]
		}
		return containsWord(sessionPlaces, last)
	}
	return containsWord(logoutWords, last)
}

var (
	logoutWords = strings.Fields(`logout signout logoff signoff endsession revoke abmelden abmeldung ausloggen deconnexion
		cerrarsesion salir sair esci uitloggen afmelden wyloguj odhlasit loggaut loggut cikis`)
	sessionPlaces = []string{"session", "sessions", "token", "tokens", "sitzung", "sitzungen", "sesion", "sesiones"}
	ownWords      = []string{"current", "me", "self", "this", "mine", "aktuell"}
)
