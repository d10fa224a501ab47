package rules

import (
	"net/http"
	"strings"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "jwt_expired_accepted",
	Title: "A token was accepted outside its time",
	Doc: `A JSON Web Token was accepted more than ten minutes after its exp, or before its nbf or iat. The endpoint is known to refuse who has no good token, so it was this one that opened it. Between one minute and ten it is Info: that is what servers allow for clocks that differ.

A token's end is what limits the damage when one is stolen, and the only thing that ends it where nothing else does. A server that does not look lets every token ever issued in.

Times are compared on the server's clock: the Date header of its answers says how far the sensor's is off. A difference over two minutes is believed after three answers agree, another one than before only if it runs; until then nothing is reported. Endpoints to renew, revoke, inspect or end a session take old tokens on purpose and are left out, and so are answers from caches. An exp in milliseconds is never reached: that is jwt_long_lived.

Check that exp and nbf are verified in every service that reads the token, with at most a minute of leeway. Frameworks have switches for tests that turn this off.`,
	Severity: detect.High, Attempt: true, Confidence: detect.Firm,
	CWE: []int{613}, OWASP: []string{"API2:2023"}, ASVS: []string{"9.2.1"}, RFC: []string{"RFC 7519 §4.1.4", "RFC 7519 §4.1.5"},
	Needs: detect.PresentedJWT,
	Options: []detect.Option{
		{Name: "leeway", Default: time.Minute, Doc: "what is no finding at all"},
		{Name: "margin", Default: 10 * time.Minute, Doc: "what is Info only"},
		{Name: "clock", Default: 2 * time.Minute, Doc: "difference of the clocks that must be confirmed"},
	},
	State: func(detect.Values) any {
		return window.NewCache[string, clock](10_000, 24*time.Hour)
	},
	Exchange: expiredAccepted,
})

// clock is what is known of a server's: how far it is ahead of the sensor's,
// how many answers in a row agree on that, and whether it can be believed: a
// clock that said something else before must be seen to run, since what an
// answer repeats is no clock.
type clock struct {
	ahead time.Duration
	agree int
	first capture.Time // the Date of the first of them
	sound bool
	read  capture.Time // when it was last looked at
}

// confirmed is how many answers must agree on a large difference.
const confirmed = 3

// see takes the Date of an answer (RFC 9110, section 6.6.1), which has whole
// seconds, unless a cache kept it. Once it is sure it looks every second.
func (k *clock) see(x *exchange.Exchange) {
	h, at := x.Response.Header, x.Response.Start
	if k.agree > confirmed && at >= k.read && at < k.read.Add(time.Second) {
		return
	}
	k.read = at
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil || at == 0 || h.Has("Age") || x.Response.Status == 304 {
		return
	}
	ahead := capture.TimeOf(date).Sub(at)
	if d := ahead - k.ahead; k.agree > 0 && d > -5*time.Second && d < 5*time.Second {
		k.agree++
		k.sound = k.sound || capture.TimeOf(date) != k.first
		return
	}
	k.sound = k.agree == 0
	k.ahead, k.agree, k.first = ahead, 1, capture.TimeOf(date)
}

var onlyAccepted = []detect.Verdict{detect.Accepted}

func expiredAccepted(p *detect.Pass, x *exchange.Exchange) {
	k, _ := p.State().(*window.Cache[string, clock]).At(hostOf(p), p.Now())
	k.see(x)
	if p.Outcome() != endpoint.Success || p.Login() != nil {
		return
	}
	o := p.Options()
	ahead := k.ahead
	if limit := o.Duration("clock"); (ahead > limit || ahead < -limit) && (k.agree < confirmed || !k.sound) {
		return
	}
	now := p.Now().Add(ahead)
	for _, c := range p.Tokens() {
		t := c.JWT
		if !c.Access() || t.AlgNone() || t.SignatureMissing() {
			continue
		}
		by, claim := outside(t, now)
		if by <= o.Duration("leeway") || takesOldTokens(p.Template()) {
			continue
		}
		r := detect.Report{
			Key: p.AttemptKey(), Credential: c, Only: onlyAccepted,
			Explain: func(p *detect.Pass) detect.Evidence {
				return append(tokenEvidence(p, t),
					detect.Fact{Name: "claim", Value: claim},
					detect.Fact{Name: "outside_by", Value: credential.Span(by)})
			},
		}
		if by <= o.Duration("margin") {
			r.Key, r.Severity = r.Key+"|leeway", detect.Info
		}
		p.Report(r)
	}
}

// outside tells by how much a token is used outside its time, and which claim
// says so.
func outside(t *credential.Token, now capture.Time) (by time.Duration, claim credential.Redacted) {
	take := func(m credential.Moment, d time.Duration, name credential.Redacted) {
		if m.Set && !m.Millis && d > by {
			by, claim = d, name
		}
	}
	take(t.Expires, now.Sub(max(t.Expires.At, 0)), credential.Word("exp"))
	take(t.NotBefore, t.NotBefore.At.Sub(now), credential.Word("nbf"))
	take(t.IssuedAt, t.IssuedAt.At.Sub(now), credential.Word("iat"))
	return by, claim
}

// takesOldTokens reports endpoints whose business are tokens that have ended.
func takesOldTokens(template string) bool {
	for rest := template; rest != ""; {
		segment := rest
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			segment, rest = rest[:i], rest[i+1:]
		} else {
			rest = ""
		}
		for i := range oldTokenPlaces { // most differ in their first letter
			if w := oldTokenPlaces[i]; segment != "" && segment[0]|0x20 == w[0] && sameWord(segment, w) {
				return true
			}
		}
	}
	return false
}

var oldTokenPlaces = []string{
	"refresh", "refreshtoken", "tokenrefresh", "renew", "extend", "reauth", "logout", "signout", "logoff", "endsession",
	"revoke", "revocation", "introspect", "introspection", "userinfo", "token", "tokens", "validate", "verify",
}

// sameWord compares a path's segment with a word in lower case; case, hyphens
// and underscores do not matter.
func sameWord(segment, word string) bool {
	n := 0
	for i := range len(segment) {
		c := segment[i]
		switch {
		case c == '-' || c == '_':
			continue
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		if n == len(word) || c != word[n] {
			return false
		}
		n++
	}
	return n == len(word)
}
