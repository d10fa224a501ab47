package rules

import (
	"encoding/hex"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/issuer"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "jwt_weak_key",
	Title: "Tokens are signed with a weak key",
	Doc: `A key that a server publishes, or that a signature of a token which it issued or accepted shows the size of, is too weak: an RSA modulus under 2048 bits (Critical up to 1024), a curve under 256 bits, or an RSA exponent under 65537 (Low). A private or symmetric key in a published key set is reported here too, as Critical.

RSA keys of 512 bits are factored in hours for less than a hundred dollars, and the first of 768 bits was in 2009. Who has the private key signs any token. A published private key needs no factoring.

The size of a modulus is that of its signatures, so a token is enough; of a presented one only if the server accepted it where it refuses others. A small exponent is no hole by itself, but keys of this age have others. The key of a test system is as weak as it looks.

Make a new RSA key of 2048 bits or more, or change to ES256 or EdDSA; publish it beside the old one, sign with it, and take the old one out when its last token has ended.`,
	Severity: detect.High, Confidence: detect.Certain,
	CWE: []int{326}, OWASP: []string{"API2:2023"}, ASVS: []string{"11.2.3"}, RFC: []string{"RFC 7518 §3.3", "RFC 8725 §3.5"},
	Needs: detect.PublishesKeys,
	Exchange: func(p *detect.Pass, _ *exchange.Exchange) {
		for _, k := range p.Published().Keys {
			severity, why := keyWeakness(k)
			if severity == 0 {
				continue
			}
			r := detect.Report{Key: detect.Key(hostOf(p), "key", hex.EncodeToString(k.ID[:8])), Severity: severity}
			if k.Secret {
				r.Title = "A key that signs is published"
			}
			r.Evidence = detect.Evidence{
				{Name: "target", Value: p.Target()}, {Name: "kid", Value: p.Redact(k.Kid)},
				{Name: "type", Value: keyWord(k.Type)}, {Name: "bits", Value: credential.Number(int64(k.Bits))}, {Name: "weakness", Value: why},
			}
			p.Report(r)
		}
	},
	Token: func(p *detect.Pass, c *credential.Credential, issued bool) {
		t := c.JWT
		if f := t.Family(); f != "RS" && f != "PS" || t.SignatureLen >= 256 || !signedFor(t) {
			return
		}
		r := detect.Report{
			Key: detect.Key(hostOf(p), t.Issuer, t.Kid), Severity: rsaSeverity(8 * t.SignatureLen), Credential: c, Posture: true,
			Explain: func(p *detect.Pass) detect.Evidence {
				return append(tokenEvidence(p, t), detect.Fact{Name: "bits", Value: credential.Number(int64(8 * t.SignatureLen))})
			},
		}
		switch {
		case issued:
		case p.Outcome() == endpoint.Success && bearer(c) && !p.Suspicious():
			r.Only = onlyAccepted
		default:
			return
		}
		p.Report(r)
	},
})

func rsaSeverity(bits int) detect.Severity {
	if bits <= 1024 {
		return detect.Critical
	}
	return detect.High
}

// keyWeakness says what is weak about a key, severity 0 where nothing is.
func keyWeakness(k *issuer.Key) (detect.Severity, credential.Redacted) {
	switch {
	case k.Secret && k.Type == "oct":
		return detect.Critical, credential.Word("it is a secret, and published")
	case k.Secret:
		return detect.Critical, credential.Word("its private half is published")
	case k.Type == "RSA" && (k.Bits+7)/8 < 256:
		return rsaSeverity(k.Bits), credential.Word("its modulus is too short")
	case k.Type == "EC" && k.Bits > 0 && k.Bits < 256:
		return detect.High, credential.Word("its curve is too small")
	case k.Type == "RSA" && k.Exponent < 65537:
		return detect.Low, credential.Word("its exponent is small")
	}
	return 0, credential.Redacted{}
}
