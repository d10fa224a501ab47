package rules

import (
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
)

var _ = register(detect.Detector{
	Name:  "jwt_signature_missing",
	Title: "A token without its signature was presented",
	Doc: `A request presents a JSON Web Token that names a signature algorithm and has no signature, or one too short for that algorithm: fewer than 32 bytes for HS256, or fewer than 64 for ES256 when they are no DER either. The third part may be empty or missing.

Some servers verify a signature when there is one and believe the claims when there is none. Cutting it off is then all that it takes to change who one is.

Tokens whose payload is sent elsewhere on purpose (RFC 7797, or h..s) are left out, and so are messages of which bytes are missing, since the end of the token may be what is lost. Programs that shorten tokens in logs and send them back are attempts all the same.

Verify with a library that fails without a signature, and check that no code reads the claims by decoding alone. If the verdict is accepted, rotating keys does not help: the key is not used.`,
	Severity: detect.Critical, Attempt: true, Confidence: detect.Certain,
	CWE: []int{347}, OWASP: []string{"API2:2023"}, ASVS: []string{"9.1.1"}, RFC: []string{"RFC 8725 §3.3"},
	Token: func(p *detect.Pass, c *credential.Credential, issued bool) {
		if !issued && c.JWT.SignatureMissing() {
			p.Report(detect.Report{
				Key: p.AttemptKey(), Credential: c,
				Evidence: append(tokenEvidence(p, c.JWT), detect.Fact{Name: "signature_bytes", Value: credential.Number(int64(c.JWT.SignatureLen))}),
			})
		}
	},
})
