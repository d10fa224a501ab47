package rules

import (
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
)

var _ = register(detect.Detector{
	Name:  "jwt_degenerate_signature",
	Title: "A token has a signature that no key makes",
	Doc: `A request presents a JSON Web Token whose signature is a number that no signer produces: r or s of ECDSA is 0, or not smaller than the order of the curve's group (also in DER); an RSA signature is 0 or 1; s of EdDSA is 0; or all bytes are the same.

Verifiers that forget to check the range of these numbers accept them for every message and every key. Java 15 to 18 did so with ECDSA (CVE-2022-21449), and every few years another library does.

There is no harmless way to such a signature but a test. Signatures that are only too short are jwt_signature_missing.

Update the library that verifies, and refuse such tokens in front of it until then. If the verdict is accepted, nothing that was signed protects this endpoint.`,
	Severity: detect.Critical, Attempt: true, Confidence: detect.Certain,
	CWE: []int{347}, OWASP: []string{"API2:2023"}, ASVS: []string{"9.1.1"}, RFC: []string{"RFC 8725 §3.4"},
	Token: func(p *detect.Pass, c *credential.Credential, issued bool) {
		if issued {
			return
		}
		if why, ok := c.JWT.Degenerate(); ok {
			p.Report(detect.Report{
				Key: p.AttemptKey(), Credential: c,
				Explain: func(p *detect.Pass) detect.Evidence {
					return append(tokenEvidence(p, c.JWT), detect.Fact{Name: "signature", Value: why})
				},
			})
		}
	},
})
