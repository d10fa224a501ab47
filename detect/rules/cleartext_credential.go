package rules

import (
	"net/netip"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "cleartext_credential",
	Title: "Credentials cross the network without encryption",
	Doc: `A request with a password, token, key or session cookie was sent over HTTP without TLS. Reported once for each host. Request signatures and Kerberos tickets are left out, which give nothing away to who sees them.

Everybody on the way reads the credential and can use it: the wireless network, the provider, any device in between.

What a sensor sees is often the inner side of something that ends TLS. Requests that say so (X-Forwarded-Proto: https, Forwarded: proto=https and the like, believed from anybody), and those between two private addresses, are reported as Info under a key of their own: encryption inside is asked for too, at a higher level of assurance. Set internal_hop to false where private clients connect to the API directly.

Serve the API over TLS only, refuse requests over HTTP instead of redirecting them, since the credential was sent already, and change the credentials that were seen.`,
	Severity: detect.High, Confidence: detect.Certain,
	CWE: []int{319, 523}, OWASP: []string{"API2:2023"}, ASVS: []string{"12.2.1", "12.3.3"},
	Needs: detect.Presented,
	Options: []detect.Option{
		{Name: "internal_hop", Default: true, Doc: "traffic between private addresses is behind something that ends TLS"},
	},
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		if x.TLS != exchange.Plain {
			return
		}
		c := exposed(p)
		if c == nil {
			return
		}
		r := detect.Report{Key: detect.Key(hostOf(p)), Credential: c, Explain: target}
		switch {
		case p.BehindTLS():
			r.Explain = behindTLS
		case p.Options().Bool("internal_hop") && private(x.Client.Addr()) && private(x.Server.Addr()):
			r.Explain = betweenPrivate
		default:
			p.Report(r)
			return
		}
		r.Key += "|internal"
		r.Title, r.Severity = "Credentials cross the internal network without encryption", detect.Info
		p.Report(r)
	},
})

func target(p *detect.Pass) detect.Evidence {
	return detect.Evidence{{Name: "target", Value: p.Target()}}
}

func behindTLS(p *detect.Pass) detect.Evidence {
	return append(target(p), detect.Fact{Name: "hop", Value: credential.Word("something in front ended TLS")})
}

func betweenPrivate(p *detect.Pass) detect.Evidence {
	return append(target(p), detect.Fact{Name: "hop", Value: credential.Word("both ends are private")})
}

// exposed gives the first credential that who sees the request can use.
func exposed(p *detect.Pass) *credential.Credential {
	for i, list := 0, p.Presented(); i < len(list); i++ {
		switch c := &list[i]; c.Kind {
		case credential.Signature, credential.Negotiate:
		case credential.APIKey, credential.Bearer, credential.Other, credential.Session:
			if c.Flaw == 0 && !c.Guessable { // a name alone is no key
				return c
			}
		default:
			if c.Flaw == 0 {
				return c
			}
		}
	}
	return nil
}

var shared = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598

func private(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || shared.Contains(a)
}
