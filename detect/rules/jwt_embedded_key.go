package rules

import (
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/issuer"
)

var _ = register(detect.Detector{
	Name:  "jwt_embedded_key",
	Title: "A token brings the key that it is to be verified with",
	Doc: `A request presents a JSON Web Token for access whose header holds a key (jwk) or a certificate (x5c) that is not the issuer's. Critical where the signature verifies under it, which proves that the token was made to be verified so; High where it does not.

A verifier that believes the key in the token accepts what anybody signs: it checks that the signature fits, and nothing of who made it.

Proofs of possession hold keys on purpose: DPoP, key binding of verifiable credentials, client assertions and self-issued tokens are left out. So are a key that the issuer publishes, and issuers that were seen to issue tokens with a key in them, as registries of container images do; a key of an attacker's is not told from theirs. A certificate alone is reported only where the issuer's other tokens have none.

Have the verifier take keys by their name from the issuer's key set, and ignore jwk and x5c, or verify the certificate's chain up to an authority of your own. If the verdict is accepted, end all sessions after the fix.`,
	Severity: detect.Critical, Attempt: true, Confidence: detect.Certain,
	CWE: []int{347}, OWASP: []string{"API2:2023"}, ASVS: []string{"9.1.3"}, RFC: []string{"RFC 8725 §3.10"},
	Token: embeddedKey,
})

func embeddedKey(p *detect.Pass, c *credential.Credential, issued bool) {
	t := c.JWT
	if !t.HasJWK && !t.HasX5c || issued || !bearer(c) || t.AlgNone() || t.Detached {
		return
	}
	k, id := issuer.EmbeddedKey(t)
	i := issuerOf(p, t)
	if p.Issuers().Owns(t.Issuer, p.Host(), id, p.Now()) ||
		i.Any(func(g *issuer.Signing) bool { return g.Embedded != issuer.ID{} && g.Established() }) {
		return
	}
	if !t.HasJWK && !i.Any(func(g *issuer.Signing) bool { return g.Embedded == issuer.ID{} }) {
		return
	}
	p.Suspect()
	kept := *c
	p.Later(func() func(*detect.Pass) {
		verified := k != nil && k.Public() != nil && t.Verify(k.Public())
		return func(p *detect.Pass) {
			r := detect.Report{Key: p.AttemptKey(), Credential: &kept, Severity: detect.High}
			r.Evidence = append(tokenEvidence(p, t), detect.Fact{Name: "verifies", Value: credential.Word("no")})
			if verified {
				r.Severity = detect.Critical
				r.Evidence[len(r.Evidence)-1].Value = credential.Word("under the key that it holds")
			}
			p.Report(r)
		}
	})
}
