package rules

import (
	"net/netip"
	"slices"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "oauth_state_missing",
	Title: "Anybody can start this OAuth login for somebody else",
	Doc: `An authorization request that was not refused carries neither state nor nonce nor a challenge of PKCE, or the same state came from at least three clients.

The answer to such a request can be sent to another browser, which is then logged in as the attacker, or binds the attacker's account to the victim's (cross-site request forgery).

PKCE or a nonce does what state is for, and is enough. A state that holds a place to return to may be equal for many users; that is what makes it worthless as a protection, unless PKCE or a nonce is there. Clients are told apart by their addresses, so an office counts as one.

Send a state that nobody can guess, bound to the browser's session, and check it when the answer comes; use PKCE with it.`,
	Severity: detect.Medium, Confidence: detect.Firm,
	CWE: []int{352}, OWASP: []string{"API2:2023"}, ASVS: []string{"10.2.1"}, RFC: []string{"RFC 6749 §10.12", "RFC 9700 §2.1"},
	Needs: detect.Authorizes,
	Options: []detect.Option{
		{Name: "clients", Default: 3, Doc: "clients that send one state"},
	},
	State: func(detect.Values) any { return window.NewCache[string, []netip.Addr](20_000, 24*time.Hour) },
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		a, ok := authorizationOf(x)
		if !ok || a.nonce != "" || a.challenge != "" || !granted(x) {
			return
		}
		report := func(kind string, what credential.Redacted) {
			p.Report(detect.Report{
				Key:      detect.Key(hostOf(p), a.client, kind),
				Evidence: detect.Evidence{{Name: "client_id", Value: p.Redact(a.client)}, {Name: "state", Value: what}},
			})
		}
		if a.state == "" {
			report("missing", credential.Word("missing"))
			return
		}
		seen, _ := p.State().(*window.Cache[string, []netip.Addr]).At(detect.Key(hostOf(p), a.client, a.state), p.Now())
		if !slices.Contains(*seen, p.Client()) && len(*seen) < p.Options().Int("clients") {
			*seen = append(*seen, p.Client())
		}
		if len(*seen) >= p.Options().Int("clients") {
			report("constant", credential.Word("the same for several clients"))
		}
	},
})
