package rules

import (
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/issuer"
)

var _ = register(detect.Detector{
	Name:  "jwt_algorithm_mismatch",
	Title: "A token's algorithm is not its key's",
	Doc: `A request presents a JSON Web Token whose algorithm wants another type of key than the one that its issuer has under that name: HS256 where the key set has an RSA key, or where tokens with the same kid that the server issued or accepted are signed with RSA, ECDSA or EdDSA. Without a kid only the change from a key pair to HMAC counts, and without a kid or an iss only where the issuer's way of signing is beyond doubt.

It is the outside of an algorithm confusion: the verifier is made to use a public key as a secret, or a key of one kind as one of another. Where the public key is known here too, the proof is tried, and reported as jwt_algorithm_confusion instead.

An issuer that moves from one algorithm to another gives its key another name, or is seen to issue both; either is no finding. A way of signing is beyond doubt when a server issued a token of it or accepted three, from two clients. Tokens without algorithm or with a key in their header are other findings.

Have the token library accept the one algorithm that the key is for, by name. If the verdict is accepted, look at what the endpoint did for such tokens, and whether the signature is checked at all.`,
	Severity: detect.High, Attempt: true, Confidence: detect.Firm,
	CWE: []int{347, 327}, OWASP: []string{"API2:2023"}, ASVS: []string{"9.1.2"}, RFC: []string{"RFC 8725 §3.1"},
	Token: mismatched,
})

func mismatched(p *detect.Pass, c *credential.Credential, issued bool) {
	t := c.JWT
	kind := issuer.KeyType(t)
	if issued || kind == "" || !bearer(c) || !signedFor(t) || t.HasJWK || t.HasX5c || t.Jku != "" || t.X5u != "" || t.Issuer == "" && t.Kid == "" {
		return
	}
	want := wantedKey(p, t, kind)
	if want == "" {
		return
	}
	p.Suspect()
	kept := *c
	// In its turn, behind the proof that jwt_algorithm_confusion tries.
	p.Later(func() func(*detect.Pass) {
		return func(p *detect.Pass) {
			if p.Ongoing("jwt_algorithm_confusion", p.AttemptKey(), 24*time.Hour) {
				return
			}
			p.Report(detect.Report{
				Key: p.AttemptKey(), Credential: &kept,
				Evidence: append(tokenEvidence(p, t), detect.Fact{Name: "key", Value: keyWord(want)}),
			})
		}
	})
}

// wantedKey gives the type of the issuer's key of the token's name, "" where
// that is the token's own, or not known.
func wantedKey(p *detect.Pass, t *credential.Token, kind string) string {
	i := issuerOf(p, t)
	same := func(g *issuer.Signing) bool { return g.Kid == t.Kid && g.Remote == "" && g.Embedded == issuer.ID{} }
	if i.Any(func(g *issuer.Signing) bool { return same(g) && g.Type == kind && g.Established() }) {
		return ""
	}
	if k := p.Issuers().Key(t.Issuer, t.Kid, p.Host(), p.Now()); k != nil {
		if k.Type == kind {
			return ""
		}
		return k.Type
	}
	want := ""
	i.Any(func(g *issuer.Signing) bool {
		if !same(g) || g.Type == kind || g.Type == "" {
			return false
		}
		// Who has no key pair cannot make a token that is accepted as
		// signed with one: of the two, the one with HMAC is forged.
		pair := kind == "oct" && g.Type != "oct"
		if pair && t.Kid != "" && t.Issuer != "" || g.Established() && (pair || t.Kid != "") {
			want = g.Type
		}
		return want != ""
	})
	return want
}
