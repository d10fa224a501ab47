package rules

import (
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
)

var _ = register(detect.Detector{
	Name:  "jwt_weak_algorithm",
	Title: "Tokens are protected by an algorithm that does not suit them",
	Doc: `A JSON Web Token that the server issued, or accepted where it refuses others, is encrypted with RSA1_5 (Medium), is compressed before it is encrypted (Low), is signed with HMAC under the name of a key pair (Medium), or is signed with HMAC for several audiences (Info). Reported once for each issuer and algorithm.

RSA1_5 lets who can send a server many changed tokens decrypt one, if its errors differ. Compression before encryption tells of the content by its length. And a secret that several services need to verify tokens lets each of them issue tokens for all the others.

HMAC by itself is no weakness and is not reported: one service that signs for itself needs nothing else. Whether the servers of RSA1_5 can be told apart by their errors is not tried here.

Encrypt with RSA-OAEP-256 or ECDH-ES and without zip; sign with RS256, ES256 or EdDSA where others than the issuer verify.`,
	Severity: detect.Medium, Confidence: detect.Certain,
	CWE: []int{327}, OWASP: []string{"API2:2023"}, ASVS: []string{"9.1.2"}, RFC: []string{"RFC 8725 §3.2", "RFC 8725 §3.6"},
	Options: []detect.Option{readTokensOption},
	State:   func(o detect.Values) any { return newReadTokens(o.Int("tokens")) },
	Token: func(p *detect.Pass, c *credential.Credential, issued bool) {
		severity, why := unsuited(p, c.JWT, issued)
		if severity == 0 {
			return
		}
		if !issued && (p.Outcome() != endpoint.Success || !c.Access() || p.Suspicious()) || !firstLook(p, c, issued) {
			return
		}
		t := c.JWT
		r := detect.Report{
			Key: detect.Key(ofIssuer(p, t), t.Alg, why.String()), Severity: severity, Credential: c, Posture: true,
			Explain: func(p *detect.Pass) detect.Evidence {
				return append(tokenEvidence(p, t), detect.Fact{Name: "weakness", Value: why})
			},
		}
		if !issued {
			r.Only = onlyAccepted
		}
		p.Report(r)
	},
})

func unsuited(p *detect.Pass, t *credential.Token, issued bool) (detect.Severity, credential.Redacted) {
	switch {
	case t.Encrypted && t.Alg == "RSA1_5":
		return detect.Medium, credential.Word("RSA1_5")
	case t.Encrypted && t.Zip != "":
		return detect.Low, credential.Word("compressed")
	case t.Family() != "HS":
		return 0, credential.Redacted{}
	case issued && t.Kid != "":
		if k := p.Issuers().Key(t.Issuer, t.Kid, p.Host(), p.Now()); k != nil && k.Type != "oct" {
			return detect.Medium, credential.Word("HMAC under the name of a key pair")
		}
	}
	if len(t.Audience) > 1 {
		return detect.Info, credential.Word("HMAC for several audiences")
	}
	return 0, credential.Redacted{}
}
