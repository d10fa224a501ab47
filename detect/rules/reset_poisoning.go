package rules

import (
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

var _ = register(detect.Detector{
	Name:  "reset_poisoning",
	Title: "A new password is asked for by way of another host",
	Doc: `The request for a new password names a host that is not the server's: in Host, or in a header by which a proxy would say what the host was (X-Forwarded-Host and its like). The server's hosts are those at which it answered logins before, and all of their sites. Or the code or token that sets a new password was good twice, a day after it was first seen, or comes from so small a set that it can be guessed.

The mail with the link is made from the request's host. When the server believes what the request says, the link goes to the attacker's host, and the victim's click brings him the token. A token that is short or good for long can be had without that.

Whether the mail was made from that host cannot be seen: an answer with success makes this likely_accepted, never accepted. Hosts for staging that share the server's site are its own; name others in the option hosts. Nothing is said before a server was seen under three answers to logins. A token that is sent twice with the same password is a retry.

Make links from a configured host, refuse requests for hosts that are not yours, and drop X-Forwarded-Host at the edge. Let tokens of 128 random bits be good once, for an hour.`,
	Severity: detect.High, Attempt: true, Confidence: detect.Firm,
	CWE: []int{640}, OWASP: []string{"API2:2023"}, ASVS: []string{"6.4.3"},
	Needs: detect.LoginAttempt | detect.Asks | detect.Presented,
	Options: []detect.Option{
		{Name: "hosts", Default: []string{}, Doc: "further hosts of the servers"},
		{Name: "bits", Default: 19, Doc: "that thirty tokens should at least have room for"},
		{Name: "lifetime", Default: 24 * time.Hour, Doc: "after which a token should not be good any more"},
	},
	State: func(detect.Values) any {
		return &resetState{
			hosts:  window.NewCache[netip.AddrPort, servedHosts](1_000, 7*24*time.Hour),
			tokens: window.NewCache[sessionOf, resetToken](20_000, 7*24*time.Hour),
			chance: window.NewCache[string, credential.Randomness](100, 0),
		}
	},
	Exchange: resetPoisoned,
})

// resetState is what hosts each server has, and what is known of tokens that
// set a new password.
type resetState struct {
	hosts  *window.Cache[netip.AddrPort, servedHosts]
	tokens *window.Cache[sessionOf, resetToken]
	chance *window.Cache[string, credential.Randomness]
}

// Evicted counts what made room.
func (s *resetState) Evicted() uint64 { return s.hosts.Evicted() + s.tokens.Evicted() }

// servedHosts are sites of a server, and how many answers showed them.
type servedHosts struct {
	sites   []string
	last    string // the host that was added last
	answers int
}

type resetToken struct {
	first, used capture.Time
	password    credential.ID
}

func resetPoisoned(p *detect.Pass, x *exchange.Exchange) {
	state := p.State().(*resetState)
	if a := p.Asked(); a != nil {
		if a.Question == credential.AsksReset {
			state.asked(p, x)
		}
		return
	}
	state.token(p, x)
	if p.LoginOutcome() != endpoint.LoginUnclear {
		h, _ := state.hosts.At(x.Server, p.Now())
		h.answers++
		h.add(p.Host())
		for _, name := range namesHost {
			h.add(forwardedHost(x, name))
		}
	}
}

func (h *servedHosts) add(host string) {
	if host == "" || host == h.last {
		return
	}
	h.last = kept(host)
	if s := site(host); s != "" && len(h.sites) < 32 && !slices.Contains(h.sites, s) {
		h.sites = append(h.sites, kept(s))
	}
}

// namesHost are headers by which a proxy says what host was asked for.
var namesHost = []string{"X-Forwarded-Host", "X-Host", "X-Original-Host", "X-Forwarded-Server", "X-HTTP-Host-Override", "Forwarded"}

// forwardedHost gives the host that a header names, "" where it names none.
func forwardedHost(x *exchange.Exchange, header string) string {
	v := x.Request.Header.Get(header)
	if header == "Forwarded" { // RFC 7239, section 5.3
		_, rest, ok := strings.Cut(strings.ToLower(v), "host=")
		if !ok {
			return ""
		}
		v, _, _ = strings.Cut(rest, ";")
	}
	v, _, _ = strings.Cut(v, ",")
	return strings.ToLower(strings.Trim(v, ` "`))
}

// asked looks at whom a request for a new password names.
func (s *resetState) asked(p *detect.Pass, x *exchange.Exchange) {
	known := s.hosts.Get(x.Server, p.Now())
	if known == nil || known.answers < 3 {
		return
	}
	foreign := func(host string) bool {
		name := hostName(host)
		return host != "" && !slices.Contains(known.sites, site(host)) && !slices.Contains(p.Options().Strings("hosts"), name) &&
			name != x.Server.Addr().String() && !ownHost(name)
	}
	where, host := "Host", p.Host()
	if !foreign(host) {
		host = ""
		for _, name := range namesHost {
			if h := forwardedHost(x, name); foreign(h) {
				where, host = name, h
				break
			}
		}
	}
	if host == "" {
		return
	}
	r := detect.Report{
		Key: detect.Key(x.Server.String(), p.Client().String()), Verdict: detect.Unknown, Severity: detect.Low,
		Evidence: detect.Evidence{
			{Name: "target", Value: p.Target()},
			{Name: "header", Value: p.Redact(where)},
			{Name: "host", Value: p.Redact(host)},
		},
	}
	switch status := x.Response.Status; {
	case x.Flags&exchange.Unpaired != 0 || !x.Response.Damage.Whole() || !x.Response.Present:
	case status >= 400 && status < 500, p.Outcome() == endpoint.Refusal:
		r.Verdict = detect.Rejected
	case status/100 == 2, status == 302, status == 303:
		r.Verdict, r.Severity = detect.LikelyAccepted, detect.Medium
	}
	p.Report(r)
}

// token looks at what sets a new password.
func (s *resetState) token(p *detect.Pass, x *exchange.Exchange) {
	a := p.Account()
	for i, list := 0, p.Presented(); i < len(list); i++ {
		c := &list[i]
		if !setsPassword(p, c) || p.Login() != nil {
			continue
		}
		t, first := s.tokens.At(sessionOf{p.Host(), c.ID}, p.Now())
		if first {
			t.first = p.Now()
		}
		if a == nil || a.New || p.Outcome() != endpoint.Success || !resets(p.Template()) || !x.Request.Damage.Whole() || !x.Response.Damage.Whole() {
			continue
		}
		place := detect.Key(hostOf(p), p.Endpoint())
		report := func(kind, title string, severity detect.Severity, facts ...detect.Fact) {
			p.Report(detect.Report{
				Key: detect.Key(hostOf(p), p.Endpoint(), kind), Title: title, Severity: severity, Posture: true, Credential: c, Principals: true, Clients: true,
				Evidence: append(detect.Evidence{{Name: "target", Value: p.Target()}}, facts...),
			})
		}
		switch {
		case t.used != 0 && t.password != a.Password:
			report("again", "A token that sets a new password is good twice", detect.High, detect.Fact{Name: "first_used", Value: credential.Instant(t.used)})
		case t.used == 0 && p.Now().Sub(t.first) > p.Options().Duration("lifetime"):
			report("late", "A token that sets a new password is good for long", detect.Medium, detect.Fact{Name: "first_seen", Value: credential.Instant(t.first)})
		}
		t.used, t.password = p.Now(), a.Password
		r, _ := s.chance.At(place, p.Now())
		if r.Add(c) && due(r.Samples(), 30) && (r.Sequential() || r.Bits() < float64(p.Options().Int("bits"))) {
			report("weak", "Tokens that set a new password can be guessed", detect.High,
				detect.Fact{Name: "samples", Value: credential.Number(int64(r.Samples()))}, detect.Fact{Name: "bits", Value: credential.Number(int64(r.Bits()))})
		}
	}
}

// setsPassword reports a code, or at a place for new passwords what is only
// named token.
func setsPassword(p *detect.Pass, c *credential.Credential) bool {
	if c.Kind != credential.Bearer {
		return c.Kind == credential.Code
	}
	switch c.Place.Part {
	case credential.InQuery, credential.InForm, credential.InJSON, credential.InMultipart:
		return resets(p.Template())
	}
	return false
}

// resets reports a place where a new password is set without the old one.
func resets(template string) bool {
	template = strings.ToLower(template)
	for _, w := range [...]string{"reset", "forgot", "recover", "lost", "vergess", "zuruecksetz", "oubli", "olvid", "recuper", "esquec", "dimentic", "vergeten"} {
		if strings.Contains(template, w) {
			return true
		}
	}
	return false
}
