package rules

import (
	"net/netip"
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "mixed_transport",
	Title: "An API is there with and without TLS",
	Doc: `A server let in credentials at the same endpoint both in the clear and over TLS, or answered a request of a program in the clear, with a credential, by sending it to https.

The redirect comes too late: the credential has already crossed the network, and the program does it again each time without anybody noticing. Where both work, somebody uses the one without TLS.

Browsers are sent to https as they should be; only requests for what programs read, with a credential in a header, count. The same address must serve both: a proxy that ends TLS and asks a server behind it in the clear is one way, not two, and a request that says it came through TLS is that hop. TLS is seen inside only with keys.

Close the port without TLS for APIs, or answer every request there with 403 before looking at it, and replace credentials that were seen.`,
	Severity: detect.Medium, Confidence: detect.Firm,
	CWE: []int{319}, OWASP: []string{"API8:2023"}, ASVS: []string{"4.1.2"},
	Needs: detect.Presented,
	State: func(detect.Values) any { return window.NewCache[transportOf, transports](50_000, endpoint.Memory) },
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		encrypted := x.TLS == exchange.Decrypted
		if !encrypted && (p.BehindTLS() || p.Outcome() == endpoint.Success && x.Response.Status < 300 && private(x.Client.Addr()) && private(x.Server.Addr())) {
			return // as likely as not the hop behind what ends TLS
		}
		c := headerCredential(p)
		if c == nil {
			return
		}
		r := detect.Report{Key: detect.Key(hostName(p.Host()), p.Endpoint()), Credential: c}
		switch s := x.Response.Status; {
		case !encrypted && s >= 300 && s < 400:
			to := x.Response.Header.Get("Location")
			if !strings.HasPrefix(to, "https://") || hostName(urlHost(to)) != hostName(p.Host()) || forPeople(x.Request.Header) {
				return
			}
			r.Evidence = detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "answer", Value: credential.Word("a redirect to https")}}
			p.Report(r)
		case p.Outcome() == endpoint.Success:
			t, _ := p.State().(*window.Cache[transportOf, transports]).At(transportOf{hostName(p.Host()), p.Endpoint(), x.Server.Addr()}, p.Now())
			if encrypted {
				t.encrypted = true
			} else {
				t.clear = true
			}
			if t.encrypted && t.clear {
				r.Evidence = detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "answer", Value: credential.Word("success both in the clear and over TLS")}}
				p.Report(r)
			}
		}
	},
})

type transportOf struct {
	host, endpoint string
	server         netip.Addr
}

type transports struct{ clear, encrypted bool }

// headerCredential gives the first credential for access that programs send.
func headerCredential(p *detect.Pass) *credential.Credential {
	for i, list := 0, p.Presented(); i < len(list); i++ {
		if c := &list[i]; c.Place.Part == credential.InHeader && c.Access() && c.Flaw == 0 && c.Kind != credential.Signature && c.Kind != credential.Negotiate {
			return c
		}
	}
	return nil
}

// forPeople reports a request of a browser that opens a page.
func forPeople(h exchange.Header) bool {
	return strings.Contains(h.Get("Accept"), "text/html") || h.Get("Sec-Fetch-Mode") == "navigate"
}
