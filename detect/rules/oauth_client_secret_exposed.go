package rules

import (
	"net/netip"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "oauth_client_secret_exposed",
	Title: "A client's secret is where others can read it",
	Doc: `A client_secret stands in the query of a request, is sent by a browser (its user agent together with the Origin or Sec-Fetch headers that only browsers send) or by an app on a phone, or the same one comes from more than twenty networks.

A secret that is shipped to everybody is none: whoever takes the page or the app apart is the client from then on, with all that the client may do.

A backend that serves one frontend may pass the browser's user agent on, but not its other headers. Android's and other HTTP libraries are used by servers, too, so a phone is believed only where the user agent names the phone's system. Networks are counted for public addresses only, and by /24 or /48.

Take the secret out, use PKCE for what runs on the user's machine, and replace the secret.`,
	Severity: detect.High, Confidence: detect.Firm,
	CWE: []int{522, 798}, OWASP: []string{"API2:2023"}, RFC: []string{"RFC 6749 §2.3.1", "RFC 9700 §2.5"},
	Needs: detect.Presented,
	Options: []detect.Option{
		{Name: "networks", Default: 20, Doc: "networks that a secret may come from"},
	},
	State: func(detect.Values) any {
		return window.NewCache[credential.ID, []netip.Prefix](10_000, 24*time.Hour)
	},
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		for i, list := 0, p.Presented(); i < len(list); i++ {
			c := &list[i]
			if c.Kind != credential.ClientSecret || c.Flaw != 0 {
				continue
			}
			client := ""
			if l := p.Login(); l != nil {
				client = l.Client
			}
			report := func(kind string, what credential.Redacted) {
				p.Report(detect.Report{
					Key: detect.Key(hostOf(p), client, kind), Credential: c,
					Evidence: detect.Evidence{{Name: "client_id", Value: p.Redact(client)}, {Name: "because", Value: what}},
				})
			}
			if c.Place.Part == credential.InQuery {
				report("query", credential.Word("it stands in the URL"))
				continue
			}
			switch {
			case inBrowser(x):
				report("browser", credential.Word("a browser sends it"))
			case onPhone(x.Request.Header.Get("User-Agent")):
				report("app", credential.Word("an app on a phone sends it"))
			}
			if n := networks(p, c.ID); n > p.Options().Int("networks") && !p.Service(c) && p.LoginOutcome() != endpoint.LoginFailure {
				report("networks", credential.Word("it comes from many networks"))
			}
		}
	},
})

// networks counts those that a secret came from, up to one more than matters.
func networks(p *detect.Pass, id credential.ID) int {
	a := p.Client()
	if private(a) {
		return 0
	}
	prefix := networkOf(a)
	seen, _ := p.State().(*window.Cache[credential.ID, []netip.Prefix]).At(id, p.Now())
	for _, s := range *seen {
		if s == prefix {
			return len(*seen)
		}
	}
	if len(*seen) <= p.Options().Int("networks") {
		*seen = append(*seen, prefix)
	}
	return len(*seen)
}
