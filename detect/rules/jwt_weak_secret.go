package rules

import (
	"slices"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
)

var _ = register(detect.Detector{
	Name:  "jwt_weak_secret",
	Title: "Tokens are signed with a secret that can be guessed",
	Doc: `A JSON Web Token signed with HS256, HS384 or HS512 verifies under a secret of the built-in list (documentation, examples, frameworks), of a dictionary of common passwords, of the file that --jwt-secrets names, under the empty secret, or under one made of the host's name, the issuer, the audience or the key's name. Up to three tokens of each signing key are tried that the server issued or accepted, and three others. A token that the server issued is enough: it needs no further proof.

Who has one token can try secrets at home, a million in a second. With the secret anybody signs any token, for any account.

A token that somebody else signed with such a secret proves nothing of the server: it is an attempt, with the verdict that the server's answer gives. Test systems often share a host's name with what they test.

Make a key of at least 32 random bytes, or change to RS256, ES256 or EdDSA; retire the old key at once and end all sessions, since tokens made with it cannot be told from genuine ones. The evidence says where the secret was found, not which one it is.`,
	Severity: detect.Critical, Attempt: true, Genuine: true, Confidence: detect.Certain,
	CWE: []int{1391, 798, 326}, OWASP: []string{"API2:2023"}, ASVS: []string{"9.1.1", "11.2.3"}, RFC: []string{"RFC 8725 §3.5"},
	Options: []detect.Option{
		{Name: "tokens", Default: 3, Doc: "tokens of each signing key that are tried, of those that the server issued or accepted and of others"},
		{Name: "names", Default: []string{}, Doc: "names of the application, from which secrets are derived"},
	},
	State: func(detect.Values) any {
		return window.NewCache[signingKey, tries](20_000, 0)
	},
	Token: weakSecret,
})

// signingKey is what is tried once.
type signingKey struct{ host, issuer, kid, alg string }

// tries are the tokens of a signing key that were tried, those of the server
// and others, and whether its secret was found for each.
type tries struct {
	server, others []credential.ID
	found          [2]bool
}

func weakSecret(p *detect.Pass, c *credential.Credential, issued bool) {
	t := c.JWT
	if p.Secrets() == nil || t.Family() != "HS" || t.Encrypted || t.Detached || t.SignatureMissing() || t.AlgNone() {
		return
	}
	k := signingKey{hostOf(p), t.Issuer, t.Kid, t.Alg}
	cache := p.State().(*window.Cache[signingKey, tries])
	s, _ := cache.At(k, p.Now())
	group, tried := 1, &s.others
	if issued || p.Outcome() == endpoint.Success {
		group, tried = 0, &s.server
	}
	if s.found[group] || len(*tried) >= p.Options().Int("tokens") || slices.Contains(*tried, c.ID) {
		return
	}
	*tried = append(*tried, c.ID)
	secrets, hints := p.Secrets(), credential.Hints{Host: p.Host(), Names: p.Options().Strings("names")}
	kept := *c
	p.Eventually(func() func(*detect.Pass) {
		guess, ok := secrets.Guess(t, hints)
		if !ok {
			return nil
		}
		return func(p *detect.Pass) {
			if s := cache.Get(k, p.Now()); s != nil {
				if s.found[group] {
					return
				}
				s.found[group] = true
			}
			r := detect.Report{
				Key: detect.Key(k.host, k.issuer, k.kid, k.alg), Credential: &kept, Posture: true,
				Evidence: append(tokenEvidence(p, t), detect.Fact{Name: "secret", Value: guess.Source}),
			}
			if !issued {
				r.Key, r.Posture = r.Key+"|presented", false
				r.Title = "A token was presented that is signed with a secret that can be guessed"
			}
			p.Report(r)
		}
	})
}
