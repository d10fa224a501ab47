package rules

import (
	"crypto/sha256"
	"io"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
)

var _ = register(detect.Detector{
	Name:  "jwt_nonce_reuse",
	Title: "Tokens give their private key away",
	Doc: `Two JSON Web Tokens of one issuer and key name, signed with ECDSA, say different things and have the same r in their signatures. Both were issued by the server, or accepted where it refuses others; where the public key was seen, the later one verifies under it.

The number that r is made of was used twice. Two equations with two unknowns: who has both tokens computes the private key with a pocket calculator's worth of work, and signs what they like from then on.

The same token again has the same r and is none; neither has a deterministic signer (RFC 6979) for other content. A token that somebody made of another's r does not verify, which is checked where the key is known; where it is not, the server's acceptance stands for it.

Replace the key at once, and everything that trusts it. Then find out why the random numbers repeat: a machine that was cloned or restored from a snapshot, a generator seeded with a constant, an own implementation of ECDSA.`,
	Severity: detect.Critical, Confidence: detect.Certain,
	CWE: []int{323, 338}, OWASP: []string{"API2:2023"},
	Options: []detect.Option{
		{Name: "tokens", Default: 100_000, Doc: "tokens remembered, for seven days"},
	},
	State: func(o detect.Values) any {
		return window.NewCache[[16]byte, credential.ID](o.Int("tokens"), 7*24*time.Hour)
	},
	Token: nonceReuse,
})

func nonceReuse(p *detect.Pass, c *credential.Credential, issued bool) {
	t := c.JWT
	if t.Family() != "ES" || !issued && (p.Outcome() != endpoint.Success || !p.Discriminates() || p.Suspicious() || !bearer(c)) {
		return
	}
	r, ok := t.Nonce()
	if _, bad := t.Degenerate(); !ok || bad {
		return
	}
	cache := p.State().(*window.Cache[[16]byte, credential.ID])
	// A number is one key's: what is remembered is a hash of all three.
	h := sha256.New()
	io.WriteString(h, detect.Key(ofIssuer(p, t), t.Kid))
	h.Write(r[:])
	n := [16]byte(h.Sum(nil)[:16])
	input, created := cache.At(n, p.Now())
	if created {
		*input = t.InputHash
		return
	}
	if *input == t.InputHash {
		return
	}
	report := func(p *detect.Pass, c *credential.Credential, confidence detect.Confidence) {
		r := detect.Report{
			Key: detect.Key(ofIssuer(p, t), t.Kid), Credential: c, Posture: true, Confidence: confidence, Evidence: tokenEvidence(p, t),
		}
		if !issued {
			r.Only = onlyAccepted
		}
		p.Report(r)
	}
	k := p.Issuers().Key(t.Issuer, t.Kid, p.Host(), p.Now())
	switch {
	case k != nil && k.Public() != nil:
		kept := *c
		p.Later(func() func(*detect.Pass) {
			if !t.Verify(k.Public()) {
				return nil
			}
			return func(p *detect.Pass) { report(p, &kept, detect.Certain) }
		})
	case issued:
		report(p, c, detect.Certain)
	default:
		report(p, c, detect.Firm)
	}
}
