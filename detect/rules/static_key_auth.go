package rules

import (
	"slices"
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
	Name:  "static_key_auth",
	Title: "A key that never changes stands for users",
	Doc: `An API key or opaque token, alone in its requests, was accepted for thirty days or longer, or was accepted for two users or more, whom a header of the request names. The endpoint is known to refuse who has no good credential.

A key that is the same for weeks is in every log, script and browser that it ever passed, and who finds it is in for good. One key for all users means that everybody who has it is anybody he likes.

Keys of machines are meant to last: where no browser or app uses the key, or where a proxy of the own network names the user, this is Info and says so (use: service). What a request names in its body is what it speaks of, not who asks, and is not counted. The age is at least what the sensor saw of it. A key beside a session or a token says which application asks and not who.

Give users sessions or tokens that end, let machines have keys of their own that are replaced, and take the user from what was proven and not from a header.`,
	Severity: detect.Medium, Confidence: detect.Firm,
	CWE: []int{798, 324}, OWASP: []string{"API2:2023"}, ASVS: []string{"7.2.2"},
	Needs: detect.Presented,
	Options: []detect.Option{
		{Name: "age", Default: 30 * 24 * time.Hour, Doc: "for which a key may be good"},
		{Name: "users", Default: 2, Doc: "different users that a key is used for"},
		{Name: "keys", Default: 20_000, Doc: "keys that are remembered"},
	},
	State: func(o detect.Values) any {
		return &keys{known: window.NewCache[credential.ID, keyUse](o.Int("keys"), 90*24*time.Hour)}
	},
	Exchange: staticKey,
})

// keys are those that were used, and which of them lately: of these nothing is
// looked at again for a minute.
type keys struct {
	known  *window.Cache[credential.ID, keyUse]
	lately [1024]struct {
		key uint64
		at  capture.Time
	}
}

// Evicted counts what made room.
func (k *keys) Evicted() uint64 { return k.known.Evicted() }

// keyUse is since when a key was accepted, and for whom.
type keyUse struct {
	first capture.Time
	users []string
	human bool // a browser or an app used it
}

func staticKey(p *detect.Pass, x *exchange.Exchange) {
	c := loneKey(p)
	if c == nil {
		return
	}
	state, now := p.State().(*keys), p.Now()
	name, who := detect.IdentityHeader(x.Request.Header)
	if !saysUser(name) {
		who = ""
	}
	if who == "" {
		l := &state.lately[c.ID.Uint64()%uint64(len(state.lately))]
		if l.key == c.ID.Uint64() && now.Sub(l.at) < time.Minute {
			return
		}
		l.key, l.at = c.ID.Uint64(), now
	}
	if p.Outcome() != endpoint.Success || !p.Discriminates() {
		return
	}
	k, first := state.known.At(c.ID, now)
	if first {
		k.first = now
	}
	k.human = k.human || inBrowser(x) || onPhone(x.Request.Header.Get("User-Agent"))
	if who != "" && len(k.users) < 16 && !slices.Contains(k.users, who) {
		k.users = append(k.users, kept(who))
	}
	use, severity := credential.Word("users"), detect.Medium
	evidence := func(what detect.Fact) detect.Evidence {
		return detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "use", Value: use}, what}
	}
	if who != "" && len(k.users) >= p.Options().Int("users") {
		if p.TrustedPeer() {
			use, severity = credential.Word("service"), detect.Info
		}
		p.Report(detect.Report{
			Key: detect.Key(hostOf(p), c.ID.String(), "users"), Credential: c, Severity: severity, Principals: true,
			Evidence: evidence(detect.Fact{Name: "users", Value: p.Accounts(k.users)}),
		})
		return
	}
	if age := now.Sub(k.first); age >= p.Options().Duration("age") {
		if !k.human {
			use, severity = credential.Word("service"), detect.Info
		}
		p.Report(detect.Report{
			Key: detect.Key(hostOf(p), c.ID.String(), "age"), Credential: c, Severity: severity,
			Title:    "A key has been good for long",
			Evidence: evidence(detect.Fact{Name: "at_least", Value: credential.Span(age.Round(time.Hour))}),
		})
	}
}

// loneKey gives the key or opaque token that is all that a request proves who
// asks with, nil where there is none, or more.
func loneKey(p *detect.Pass) *credential.Credential {
	var key *credential.Credential
	for i, list := 0, p.Presented(); i < len(list); i++ {
		switch c := &list[i]; {
		case !c.Access():
		case key != nil || c.Kind != credential.APIKey && c.Kind != credential.Bearer || c.Flaw != 0 || c.Guessable:
			return nil
		default:
			key = c
		}
	}
	if key != nil && p.OtherCookies() {
		return nil
	}
	return key
}

// saysUser reports a header that names a user.
func saysUser(header string) bool {
	header = strings.ToLower(header)
	return strings.Contains(header, "user") || strings.Contains(header, "email") || strings.Contains(header, "consumer")
}
