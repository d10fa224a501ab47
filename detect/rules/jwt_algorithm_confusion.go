package rules

import (
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/issuer"
	"github.com/authtap/authtap/detect/window"
)

var _ = register(detect.Detector{
	Name:  "jwt_algorithm_confusion",
	Title: "A token was forged with a public key as its secret",
	Doc: `A request presents a JSON Web Token with HS256, HS384 or HS512 whose signature verifies under a public key: one that a server published in a key set, in PEM, in a certificate or in the answer of a management interface, in any of some twenty forms in which programs hold a key (PEM with and without its last newline, PKCS #1, DER, the certificate, the JSON, the bare modulus).

A verifier that takes the algorithm from the token hands the public key to HMAC as if it were a secret. Everybody has that key, so everybody can sign any token.

A match is proof: nobody signs in this way by accident. Tried are the keys that were seen to be published before the token, up to sixteen: those of its issuer and host and of its name first. A key that was never on the wire is not known here, and the forgery is then jwt_algorithm_mismatch at most.

Have the token library accept the one algorithm that the key is for, by name. If the verdict is accepted, end all sessions after the fix; the key itself need not change.`,
	Severity: detect.Critical, Attempt: true, Confidence: detect.Certain,
	CWE: []int{347}, OWASP: []string{"API2:2023"}, ASVS: []string{"9.1.2"}, RFC: []string{"RFC 8725 §3.1"},
	Options: []detect.Option{
		{Name: "tokens", Default: 10_000, Doc: "tokens of which it is remembered what was tried, for a day"},
	},
	State: func(o detect.Values) any {
		return window.NewCache[credential.ID, confusion](o.Int("tokens"), 24*time.Hour)
	},
	Token: confused,
})

// confusion is what became of a token: the keys that were tried, and the one
// that it was forged with.
type confusion struct {
	tried uint64 // a hash of all of them
	done  bool   // it is known whether one of them is it
	kid   string
	form  credential.Redacted
	found bool
}

func confused(p *detect.Pass, c *credential.Credential, issued bool) {
	t := c.JWT
	if issued || t.Family() != "HS" || !signedFor(t) {
		return
	}
	cache := p.State().(*window.Cache[credential.ID, confusion])
	if k := cache.Get(c.ID, p.Now()); k != nil && k.found {
		reportConfusion(p, c, k)
		return
	}
	if issuerOf(p, t).Any(func(g *issuer.Signing) bool { return g.Issued && g.Type == "oct" && g.Kid == t.Kid }) {
		return // the issuer's tokens are signed in this way
	}
	keys := p.Issuers().Candidates(t.Issuer, t.Kid, p.Host(), p.Now())
	if len(keys) == 0 {
		return
	}
	tried := uint64(len(keys))
	for _, k := range keys {
		tried = tried*31 + uint64(k.ID[0])<<24 + uint64(k.ID[1])<<16 + uint64(k.ID[2])<<8 + uint64(k.ID[3])
	}
	known, _ := cache.At(c.ID, p.Now())
	kept := *c
	if known.tried == tried {
		if !known.done { // answered before this is asked
			p.Later(func() func(*detect.Pass) {
				return func(p *detect.Pass) {
					if k := cache.Get(kept.ID, p.Now()); k != nil && k.found {
						reportConfusion(p, &kept, k)
					}
				}
			})
		}
		return
	}
	known.tried, known.done = tried, false
	p.Later(func() func(*detect.Pass) {
		for _, k := range keys {
			for _, e := range k.Encodings() {
				if t.Verify(e.Bytes) {
					found := confusion{tried: tried, done: true, kid: k.Kid, form: e.Name, found: true}
					return func(p *detect.Pass) {
						if known := cache.Get(kept.ID, p.Now()); known != nil {
							*known = found
						}
						reportConfusion(p, &kept, &found)
					}
				}
			}
		}
		return func(p *detect.Pass) {
			if known := cache.Get(kept.ID, p.Now()); known != nil && known.tried == tried {
				known.done = true
			}
		}
	})
}

func reportConfusion(p *detect.Pass, c *credential.Credential, k *confusion) {
	kid, form := k.kid, k.form
	p.Report(detect.Report{
		Key: p.AttemptKey(), Credential: c,
		Explain: func(p *detect.Pass) detect.Evidence {
			e := append(tokenEvidence(p, c.JWT), detect.Fact{Name: "secret", Value: form})
			if kid != "" {
				e = append(e, detect.Fact{Name: "public_key", Value: p.Redact(kid)})
			}
			return e
		},
	})
}
