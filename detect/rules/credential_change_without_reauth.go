package rules

import (
	"slices"
	"strings"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "credential_change_without_reauth",
	Title: "A password is changed without the one so far",
	Doc: `At least two sessions set a new password with success, in requests that hold neither the password so far nor a code, and without a login by that session in the ten minutes before.

Who gets hold of a session for a moment then owns the account for good: the user's own password is worth nothing any more.

Setting a password with the link or code of a mail proves enough, and so does a first password after a single sign-on, which cannot be told apart: hence two sessions, and Medium. An administrator who sets others' passwords names the account in the path or the body; paths with an account's place in them do not count.

Ask for the password so far, or for a second factor, whenever the password, the address for mail or a factor is changed, and end all other sessions.`,
	Severity: detect.Medium, Confidence: detect.Tentative,
	CWE: []int{620}, OWASP: []string{"API2:2023"}, ASVS: []string{"6.2.3", "7.5.1"},
	Needs: detect.Presented | detect.LoginAttempt,
	Options: []detect.Option{
		{Name: "sessions", Default: 2, Doc: "sessions that did so at one endpoint"},
	},
	State: func(detect.Values) any {
		return &proofs{
			logins:  window.NewCache[sessionOf, bool](50_000, 10*time.Minute),
			changes: window.NewCache[string, []credential.ID](5_000, 24*time.Hour),
		}
	},
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		state := p.State().(*proofs)
		if p.LoginOutcome() == endpoint.LoginSuccess {
			for _, list := range [2][]credential.Credential{p.Issued(), p.Presented()} {
				for i := range list {
					if isSession(&list[i]) {
						state.logins.At(sessionOf{p.Host(), list[i].ID}, p.Now())
					}
				}
			}
		}
		a := p.Account()
		if a == nil || a.New || a.Proved || p.Outcome() != endpoint.Success || x.Response.Status/100 != 2 || !x.Request.Damage.Whole() || ofOther(p.Template()) {
			return
		}
		for i, list := 0, p.Presented(); i < len(list); i++ {
			c := &list[i]
			if !isSession(c) || state.logins.Get(sessionOf{p.Host(), c.ID}, p.Now()) != nil {
				continue
			}
			key := detect.Key(hostOf(p), p.Endpoint())
			sessions, _ := state.changes.At(key, p.Now())
			if !slices.Contains(*sessions, c.ID) && len(*sessions) < 16 {
				*sessions = append(*sessions, c.ID)
			}
			if len(*sessions) >= p.Options().Int("sessions") {
				p.Report(detect.Report{
					Key: key, Credential: c, Principals: true,
					Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "sessions", Value: credential.Number(int64(len(*sessions)))}},
				})
			}
			return
		}
	},
})

// proofs are the sessions that logged in lately, and those that changed their
// password without.
type proofs struct {
	logins  *window.Cache[sessionOf, bool]
	changes *window.Cache[string, []credential.ID]
}

// Evicted counts what made room.
func (s *proofs) Evicted() uint64 { return s.logins.Evicted() + s.changes.Evicted() }

// ofOther reports a path that names whose password is set, or that belongs to a
// link of a mail.
func ofOther(template string) bool {
	if resets(template) {
		return true
	}
	lower := strings.ToLower(template)
	for _, w := range [...]string{"{", "admin", "activate", "invit", "setup", "welcome", "first"} {
		if strings.Contains(lower, w) {
			return true
		}
	}
	return false
}
