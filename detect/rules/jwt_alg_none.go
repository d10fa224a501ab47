package rules

import (
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
)

var _ = register(detect.Detector{
	Name:  "jwt_alg_none",
	Title: "A token without signature algorithm was presented",
	Doc: `A request presents a JSON Web Token whose header names no algorithm: alg is missing, empty or no string, or it is "none" in any case and with any space around it. It may stand anywhere that credentials stand: header, cookie, query, path, body. A response that issues such a token is reported too, as a property of the server.

A token without signature says whatever its sender wants. A server that accepts one lets anybody be anybody. A server that issues them accepts them too.

Request objects of OpenID Connect (the parameter "request") may be unsigned by the standard; they are reported as Low. Scanners send such tokens to everything: then the verdict is rejected and the severity two steps lower.

Have the token library accept the one algorithm that the issuer uses, by name, and nothing else. If the verdict is accepted, everything that this endpoint gave or did for tokens since it was deployed is in doubt: look for tokens with an empty signature in its logs.`,
	Severity: detect.Critical, Attempt: true, Confidence: detect.Certain,
	CWE: []int{347}, OWASP: []string{"API2:2023"}, ASVS: []string{"9.1.2"}, RFC: []string{"RFC 8725 §3.1", "RFC 8725 §3.2"},
	Token: func(p *detect.Pass, c *credential.Credential, issued bool) {
		if !c.JWT.AlgNone() {
			return
		}
		r := detect.Report{Key: p.AttemptKey(), Credential: c, Evidence: tokenEvidence(p, c.JWT)}
		switch {
		case issued:
			r.Key = detect.Key(hostOf(p), "issued", c.JWT.Issuer)
			r.Title, r.Posture = "The server issues tokens without signature", true
		case requestObject(c):
			r.Key = detect.Key(hostOf(p), p.Endpoint(), "request object")
			r.Title = "An OpenID Connect request object is not signed"
			r.Severity, r.Posture = detect.Low, true
		}
		p.Report(r)
	},
})
