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
	Name:  "credential_shared",
	Title: "One session is used from two places at once",
	Doc: `A session cookie or token had success from two networks, with another user agent in each, turn by turn within five minutes: from the first, from the second, and from the first again.

A session belongs to one program of one person. When a second program far away has it too, it was copied: stolen from the browser, from a log, or passed on.

A phone that changes from its network to another keeps its user agent and does not go back and forth with another program. Keys of services (those that look it, and service-credential of the configuration) are meant to be used from several machines and are left out. A backend or a network of caches that sends the user's token on has an address and a program of its own: addresses behind trusted proxies are read from the header, others look like a second place, and so a hop that says whom it forwards for is no place of its own.

Ask the user whether both are his. Bind sessions to a key of the program (DPoP, client certificates), and end a session whose surroundings change.`,
	Severity: detect.Medium, Confidence: detect.Tentative,
	CWE: []int{294}, OWASP: []string{"API2:2023"}, ATTACK: []string{"T1539", "T1550.001"},
	Needs: detect.Presented,
	Options: []detect.Option{
		{Name: "overlap", Default: 5 * time.Minute, Doc: "within which both places use it"},
	},
	State: func(detect.Values) any { return window.NewCache[credential.ID, usedFrom](100_000, 24*time.Hour) },
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		if p.Outcome() != endpoint.Success {
			return
		}
		for i, list := 0, p.Presented(); i < len(list); i++ {
			c := &list[i]
			if !isSession(c) || c.Guessable {
				continue
			}
			u, created := p.State().(*window.Cache[credential.ID, usedFrom]).At(c.ID, p.Now())
			if u.client == p.Client() { // the usual case
				u.last.at = p.Now()
				continue
			}
			u.client = p.Client()
			here := networkOf(u.client)
			if created || u.last.network == here {
				u.last = sighting{here, agentOf(x), p.Now()}
				continue
			}
			if p.Service(c) || c.JWT != nil && machine(c) || x.Request.Header.Has("X-Forwarded-For") || x.Request.Header.Has("Forwarded") || x.Request.Header.Has("Via") {
				continue
			}
			now := sighting{network: here, agent: agentOf(x), at: p.Now()}
			before := u.before
			u.before, u.last = u.last, now
			if before.network == here && before.agent == now.agent && u.before.agent != now.agent && now.at.Sub(before.at) <= p.Options().Duration("overlap") {
				p.Report(detect.Report{
					Key: detect.Key(hostOf(p), c.ID.String()), Credential: c, Clients: true,
					Evidence: detect.Evidence{
						{Name: "target", Value: p.Target()},
						{Name: "networks", Value: p.Redact(u.before.network.String() + ", " + here.String())},
					},
				})
			}
		}
	},
})

// usedFrom is who used a session last, and who before that, from elsewhere.
type usedFrom struct {
	client       netip.Addr // who used it last
	last, before sighting
}

type sighting struct {
	network netip.Prefix
	agent   uint64
	at      capture.Time
}

// networkOf gives the network of an address.
func networkOf(a netip.Addr) netip.Prefix {
	bits := 24
	if a.Is6() {
		bits = 48
	}
	prefix, _ := a.WithZone("").Prefix(bits)
	return prefix
}
