package rules

import (
	"bytes"
	"slices"
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly/exchange"
)

// presentedTokens calls f once with each JWT that the request presents: in a
// Referer it only leaks, and with bytes missing where it stands it may be
// another than was sent.
func presentedTokens(p *detect.Pass, x *exchange.Exchange, f func(c *credential.Credential, t *credential.Token)) {
	for i, list := 0, p.Presented(); i < len(list); i++ {
		c := &list[i]
		again := slices.ContainsFunc(list[:i], func(o credential.Credential) bool { return o.ID == c.ID && !inReferer(&o) })
		if c.JWT != nil && !again && !inReferer(c) && intact(&x.Request, c) {
			f(c, c.JWT)
		}
	}
}

// issuedTokens calls f with each JWT that the server issues. An answer that
// repeats what the request held issues nothing, and neither does a refusal, or
// a text with a token in it.
func issuedTokens(p *detect.Pass, x *exchange.Exchange, f func(c *credential.Credential, t *credential.Token)) {
	if x.Response.Status >= 400 || !x.Request.Present {
		return
	}
	for i, list := 0, p.Issued(); i < len(list); i++ {
		c := &list[i]
		if c.JWT != nil && intact(&x.Response, c) && forUse(&x.Response, c) && !echoed(p, c) {
			f(c, c.JWT)
		}
	}
}

// forUse reports whether a token stands where a client takes one from: under a
// name that says so, or as all that the answer holds.
func forUse(m *exchange.Message, c *credential.Credential) bool {
	switch c.Place.Part {
	case credential.InJSON, credential.InForm, credential.InMultipart, credential.InBody:
		name := strings.ToLower(c.Place.Name[strings.LastIndexByte(c.Place.Name, '.')+1:])
		for _, w := range [...]string{"token", "jwt", "bearer", "auth", "session", "access", "credential"} {
			if strings.Contains(name, w) {
				return true
			}
		}
		return len(bytes.Fields(m.Body.Bytes)) == 1 && bytes.IndexByte(m.Body.Bytes, '{') < 0 && bytes.IndexByte(m.Body.Bytes, '<') < 0
	}
	return true
}

func echoed(p *detect.Pass, c *credential.Credential) bool {
	for _, sent := range p.Presented() {
		if sent.ID == c.ID {
			return true
		}
	}
	return false
}

func inReferer(c *credential.Credential) bool {
	return c.Place.Part == credential.InHeader && c.Place.Name == "referer"
}

// intact reports whether the part of the message that holds the credential is
// there as it was sent.
func intact(m *exchange.Message, c *credential.Credential) bool {
	d := m.Damage
	switch c.Place.Part {
	case credential.InForm, credential.InJSON, credential.InMultipart, credential.InBody:
	default:
		if m.Body.Length > 0 {
			d &^= exchange.BodyGap | exchange.Cut // what is missing comes behind
		}
	}
	return d.Whole()
}

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

// attemptKey is the dedupe key of attempts: host, endpoint, client.
func attemptKey(p *detect.Pass) string {
	return detect.Key(hostOf(p), p.Endpoint(), p.Client().String())
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
