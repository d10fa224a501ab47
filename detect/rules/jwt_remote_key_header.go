package rules

import (
	"net/netip"
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/issuer"
	"github.com/authtap/authtap/detect/window"
)

var _ = register(detect.Detector{
	Name:  "jwt_remote_key_header",
	Title: "A token says where its key is to be fetched",
	Doc: `A request presents a JSON Web Token with a jku or x5u in its header that leads elsewhere than to its issuer: to a host that is neither the issuer's nor known to publish its keys, while the issuer's genuine tokens name none or another; or a URL that is odd whatever its host: of another scheme, with an @ before the host, with another URL in it (a redirector), or to the server itself.

A verifier that fetches the key from where the token says lets everybody bring a key of their own. And it sends requests for whoever presents a token, into networks that they do not reach.

Some issuers put jku into every token, as those of SAP, of Cloud Foundry and of Akamai do: a host that stands in a token that a server issued, or in three accepted ones from two clients, is the issuer's. So is one of the issuer's own domain. As long as nothing is known of the issuer only odd URLs are reported. A host that a suspicious token named does not become known because the server then fetches a key from it.

Let the verifier take keys from a fixed place, and ignore jku and x5u, or compare them with a list. Look for requests from the server to the host that the evidence names.`,
	Severity: detect.High, Attempt: true, Confidence: detect.Firm,
	CWE: []int{347, 918}, OWASP: []string{"API2:2023"}, ASVS: []string{"9.1.3"}, RFC: []string{"RFC 8725 §3.10"},
	Options: []detect.Option{
		{Name: "allow", Default: []string{}, Doc: "hosts that keys may be fetched from"},
	},
	State: func(detect.Values) any { return window.NewCache[string, struct{}](10_000, 0) }, // hosts that were reported
	Token: remoteKey,
})

func remoteKey(p *detect.Pass, c *credential.Credential, issued bool) {
	t := c.JWT
	if t.Jku == "" && t.X5u == "" || issued || !bearer(c) {
		return
	}
	for _, h := range [...]struct{ name, url string }{{"jku", t.Jku}, {"x5u", t.X5u}} {
		if h.url == "" {
			continue
		}
		if why, ok := foreignKey(p, t, h.url); ok {
			p.State().(*window.Cache[string, struct{}]).At(kept(issuer.HostOf(h.url)), p.Now())
			p.Report(detect.Report{
				Key: p.AttemptKey(), Credential: c,
				Explain: func(p *detect.Pass) detect.Evidence {
					return append(tokenEvidence(p, t),
						detect.Fact{Name: "header", Value: p.Redact(h.name)}, detect.Fact{Name: "url", Value: p.Redact(h.url)}, detect.Fact{Name: "because", Value: why})
				},
			})
			return
		}
	}
}

// foreignKey says why a key's URL is not the issuer's.
func foreignKey(p *detect.Pass, t *credential.Token, url string) (why credential.Redacted, foreign bool) {
	host, i := issuer.HostOf(url), issuerOf(p, t)
	for _, a := range p.Options().Strings("allow") {
		if strings.EqualFold(a, host) {
			return credential.Redacted{}, false
		}
	}
	if why, odd := oddURL(url); odd {
		return why, true
	}
	iss := issuer.HostOf(t.Issuer)
	switch {
	case host == iss, host == i.KeysHost(), iss != "" && site(host) == site(iss):
		return credential.Redacted{}, false
	case i.Any(func(g *issuer.Signing) bool { return g.Remote == host && g.Established() }):
		return credential.Redacted{}, false
	case p.Issuers().Publishes(host, p.Now()) && p.State().(*window.Cache[string, struct{}]).Get(host[:min(len(host), maxKept)], p.Now()) == nil:
		return credential.Redacted{}, false
	}
	if ownHost(host) {
		return credential.Word("it names the server itself or its link"), true
	}
	if i.KeysHost() == "" && !i.Any(func(g *issuer.Signing) bool { return g.Remote == "" || g.Remote != host && g.Established() }) {
		return credential.Redacted{}, false // nothing says where the issuer's keys are
	}
	_, err := netip.ParseAddr(host)
	switch {
	case err == nil:
		return credential.Word("it names an address"), true
	case strings.HasPrefix(strings.ToLower(url), "http:"):
		return credential.Word("it names another host, without TLS"), true
	}
	return credential.Word("it names another host"), true
}
