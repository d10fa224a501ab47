package rules

import (
	"hash/fnv"
	"io"
	"strings"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
)

var _ = register(detect.Detector{
	Name:  "jwt_tampered",
	Title: "A token was changed after it was signed",
	Doc: `Two JSON Web Tokens seen within a day have the same signature but sign different things, or, where the token names its key and the algorithm is deterministic (HMAC, RSA with PKCS #1, EdDSA), sign the same thing with different signatures. The signature binds what is signed, so one of them was changed. The genuine one is that which the server issued, or accepted first; the other is reported.

Whoever changes a claim and keeps the signature tries whether the signature is checked at all. If the verdict is accepted, it is not, and every claim of every token is the sender's to choose.

Signatures are compared by their decoded bytes and the signed text without the oddities of its base64, so that another spelling of the same token is none. Tokens from messages with missing bytes are not compared. A key that was replaced under the same name signs the same text differently; that is rare enough to be worth a look.

Verify every token's signature before reading a claim, in every service that reads one: a gateway that verifies does not help a service that can be reached around it. Then look for other tokens with the same signature.`,
	Severity: detect.Critical, Attempt: true, Confidence: detect.Certain,
	CWE: []int{347, 345}, OWASP: []string{"API2:2023"}, ASVS: []string{"9.1.1"}, RFC: []string{"RFC 8725 §3.3"},
	Options: []detect.Option{
		{Name: "tokens", Default: 100_000, Doc: "tokens remembered, for a day"},
	},
	State: func(o detect.Values) any {
		return window.NewCache[half, signed](2*o.Int("tokens"), 24*time.Hour)
	},
	Token: tampered,
})

// half is one half of what a signature binds: its own hash, or that of what is
// signed.
type half struct {
	input bool
	id    credential.ID
}

// signed is the token that a half was first seen in.
type signed struct {
	other   credential.ID // the other half
	length  int           // of the signature
	genuine bool          // the server issued it, or accepted it where it refuses others
	// at is the endpoint where it first had success: when the other token has
	// success at the same one, the same oracle judges both.
	at uint64
}

func tampered(p *detect.Pass, c *credential.Credential, issued bool) {
	cache, t := p.State().(*window.Cache[half, signed]), c.JWT
	if issued {
		eachHalf(t, func(h half, other credential.ID) {
			s, _ := cache.At(h, p.Now())
			*s = signed{other: other, length: t.SignatureLen, genuine: true}
		})
		return
	}
	if t.SignatureMissing() {
		return // which is another finding
	}
	success := p.Outcome() == endpoint.Success
	reported := false
	eachHalf(t, func(h half, other credential.ID) {
		s, created := cache.At(h, p.Now())
		switch {
		case created || s.other == other:
			s.other, s.length = other, t.SignatureLen
			s.genuine = s.genuine || success && p.Discriminates()
			if success && s.at == 0 {
				s.at = place(p)
			}
		case h.input && s.length != t.SignatureLen, reported:
		case success && !s.genuine && s.at != place(p):
			// Which of the two is the genuine one is not known, and a
			// genuine token must not be called accepted. This one is it,
			// if the endpoint refuses others.
			if p.Discriminates() {
				*s = signed{other: other, length: t.SignatureLen, genuine: true}
			}
		default:
			reported = true
			what := credential.Word("same signature as a token that says something else")
			if h.input {
				what = credential.Word("other signature than a token that says the same")
			}
			p.Report(detect.Report{
				Key: p.AttemptKey(), Credential: c,
				Evidence: append(tokenEvidence(p, t), detect.Fact{Name: "change", Value: what}),
			})
		}
	})
}

// place is a hash of the endpoint's name.
func place(p *detect.Pass) uint64 {
	h := fnv.New64a()
	for _, s := range [...]string{hostOf(p), p.Exchange().Request.Method, p.Template()} {
		io.WriteString(h, s)
		h.Write([]byte{0})
	}
	return h.Sum64() | 1
}

// eachHalf calls f with the halves of a token by which a change shows, and what
// each was bound to.
func eachHalf(t *credential.Token, f func(h half, other credential.ID)) {
	if t.Encrypted || t.Detached || t.SignatureHash.IsZero() || t.AlgNone() {
		return
	}
	if _, anybodys := t.Degenerate(); !anybodys {
		f(half{false, t.SignatureHash}, t.InputHash)
	}
	deterministic := strings.HasPrefix(t.Alg, "HS") || strings.HasPrefix(t.Alg, "RS") || t.Family() == "EdDSA"
	if t.HasKid && deterministic && t.SignatureLen >= t.SignatureMinimum() {
		f(half{true, t.InputHash}, t.SignatureHash)
	}
}
