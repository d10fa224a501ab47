package rules

import (
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
)

// requestObject reports a token that carries the parameters of an OpenID
// Connect authorization request (OpenID Connect Core 1.0, section 6.1): it may
// be unsigned, and proves nobody.
func requestObject(c *credential.Credential) bool {
	switch c.Place.Part {
	case credential.InQuery, credential.InForm:
		return c.Place.Name == "request"
	}
	return false
}

// idToken reports a token that tells an application who logged in (OpenID
// Connect Core 1.0, section 2), and asks no API for anything.
func idToken(c *credential.Credential, t *credential.Token) bool {
	name := strings.ToLower(c.Place.Name[strings.LastIndexByte(c.Place.Name, '.')+1:])
	return t.HasTokenHash || t.TokenUse == "id" || strings.EqualFold(t.TypeClaim, "id") ||
		name == "id_token" || name == "idtoken"
}

// refreshToken reports a token that is exchanged for others.
func refreshToken(c *credential.Credential, t *credential.Token) bool {
	for _, s := range []string{t.TokenUse, t.TypeClaim, t.Typ, c.Place.Name} {
		if strings.Contains(strings.ToLower(s), "refresh") {
			return true
		}
	}
	return strings.EqualFold(t.Typ, "rt+jwt")
}

// tokenEvidence describes a token.
func tokenEvidence(p *detect.Pass, t *credential.Token) detect.Evidence {
	evidence := detect.Evidence{{Name: "target", Value: p.Target()}}
	for _, f := range []struct{ name, value string }{
		{"alg", t.Alg}, {"kid", t.Kid}, {"issuer", t.Issuer}, {"typ", t.Typ},
	} {
		if f.value != "" {
			evidence = append(evidence, detect.Fact{Name: f.name, Value: p.Redact(f.value)})
		}
	}
	return evidence
}
