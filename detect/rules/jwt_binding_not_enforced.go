package rules

import (
	"encoding/base64"
	"hash/fnv"
	"io"
	"strings"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/issuer"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "jwt_binding_not_enforced",
	Title: "A token that is bound to a key is accepted without it",
	Doc: `A JSON Web Token that is bound to a key of its owner (cnf.jkt) was accepted, by an endpoint that refuses others, without the proof that DPoP asks for; or with one of another key, for another method, or that was used before for another request.

The binding is there so that a stolen token is of no use. Where the proof is not checked, it is: the token is a bearer token again, and everybody believes that it is not.

Tokens that are bound to a certificate (x5t#S256) are left out, since what ends TLS in front of the server may have checked it unseen. The URL in the proof is not compared, since proxies rewrite it. A client that repeats a request may repeat its proof: only another method or path makes it a second use.

Check the proof in every service that takes the token, or in the one place in front of all of them: its signature, its key's thumbprint against cnf.jkt, htm and htu, ath, its age, and that its jti is new.`,
	Severity: detect.High, Attempt: true, Genuine: true, Confidence: detect.Firm,
	CWE: []int{294, 345}, OWASP: []string{"API2:2023"}, ASVS: []string{"10.3.5"}, RFC: []string{"RFC 9449 §4.3", "RFC 9449 §7.1"},
	Needs: detect.PresentedJWT,
	Options: []detect.Option{
		{Name: "proofs", Default: 50_000, Doc: "proofs remembered, for ten minutes"},
	},
	State: func(o detect.Values) any {
		return window.NewCache[credential.ID, uint64](o.Int("proofs"), 10*time.Minute) // the request of each
	},
	Exchange: bindingNotEnforced,
})

func bindingNotEnforced(p *detect.Pass, x *exchange.Exchange) {
	for _, c := range p.Tokens() {
		if !c.JWT.ProvenByDPoP || !c.Access() || c.JWT.Encrypted || p.Outcome() != endpoint.Success || takesOldTokens(p.Template()) {
			continue
		}
		why, lacking := proofLacking(p, x, c.JWT)
		if !lacking {
			continue
		}
		t := c.JWT
		p.Report(detect.Report{
			Key: p.AttemptKey(), Credential: c, Only: onlyAccepted,
			Explain: func(p *detect.Pass) detect.Evidence {
				return append(tokenEvidence(p, t), detect.Fact{Name: "proof", Value: why})
			},
		})
	}
}

// proofLacking says what is wrong with the request's DPoP proof (RFC 9449,
// section 4.3).
func proofLacking(p *detect.Pass, x *exchange.Exchange, bound *credential.Token) (why credential.Redacted, lacking bool) {
	if !x.Request.Header.Has("DPoP") {
		return credential.Word("there is none"), true
	}
	for _, c := range p.Tokens() {
		if c.Place.Part != credential.InHeader || c.Place.Name != "dpop" {
			continue
		}
		if k, id := issuer.EmbeddedKey(c.JWT); k != nil && base64.RawURLEncoding.EncodeToString(id[:]) != bound.Thumbprint {
			return credential.Word("it is of another key"), true
		}
		wrongMethod := false
		c.JWT.Claims(func(path, value string) bool {
			if path == "htm" {
				wrongMethod = !strings.EqualFold(value, x.Request.Method)
			}
			return path != "htm"
		})
		if wrongMethod {
			return credential.Word("it is for another method"), true
		}
		used, created := p.State().(*window.Cache[credential.ID, uint64]).At(c.ID, p.Now())
		switch request := requestOf(x); {
		case created:
			*used = request
		case *used != request:
			return credential.Word("it was used before"), true
		}
	}
	return credential.Redacted{}, false
}

// requestOf is a hash of the request's method and target.
func requestOf(x *exchange.Exchange) uint64 {
	h := fnv.New64a()
	io.WriteString(h, x.Request.Method+" "+x.Request.Target)
	return h.Sum64()
}
