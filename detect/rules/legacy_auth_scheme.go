package rules

import (
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "legacy_auth_scheme",
	Title: "An authentication scheme is offered that should be retired",
	Doc: `A challenge offers Digest with MD5 and nothing better, Digest without qop, or NTLM. Reported once for each host and scheme.

MD5 lets whoever records one login try passwords at a rate of billions a second, and without qop the client's answer is not bound to a nonce of its own. NTLM's answers can be tried the same way and can be passed on to other servers while they are fresh.

Inside a company NTLM is often offered beside Kerberos; that it is offered is what is reported, as Low, not who uses it. A server that offers SHA-256 beside MD5 lets new clients do better and is none of this. Negotiate alone may be Kerberos, which cannot be told from here.

Offer SHA-256 with qop, or a scheme with tokens over TLS, and switch NTLM off where Kerberos works.`,
	Severity: detect.Medium, Confidence: detect.Certain,
	CWE: []int{327}, OWASP: []string{"API2:2023"}, RFC: []string{"RFC 7616 §3.3"},
	Needs: detect.Challenge,
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		var md5, better, bare, ntlm bool
		each := func(v string) {
			scheme, rest, _ := strings.Cut(strings.TrimSpace(v), " ")
			switch {
			case strings.EqualFold(scheme, "NTLM"):
				ntlm = true
			case strings.EqualFold(scheme, "Digest"):
				lower := strings.ToLower(strings.ReplaceAll(rest, `"`, ""))
				if strings.Contains(lower, "algorithm=sha-256") || strings.Contains(lower, "algorithm=sha-512") {
					better = true
				} else {
					md5 = true
				}
				bare = bare || !strings.Contains(lower, "qop=")
			}
		}
		x.Response.Header.Each("WWW-Authenticate", each)
		x.Response.Header.Each("Proxy-Authenticate", each)
		report := func(kind string, severity detect.Severity, what credential.Redacted) {
			p.Report(detect.Report{
				Key: detect.Key(hostOf(p), kind), Severity: severity,
				Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "offers", Value: what}},
			})
		}
		if md5 && !better {
			report("digest-md5", detect.Medium, credential.Word("Digest with MD5"))
		}
		if bare {
			report("digest-without-qop", detect.Medium, credential.Word("Digest without qop"))
		}
		if ntlm {
			report("ntlm", detect.Low, credential.Word("NTLM"))
		}
	},
})
