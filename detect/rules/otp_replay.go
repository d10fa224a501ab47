package rules

import (
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "otp_replay",
	Title: "A one-time code was good twice",
	Doc: `The same one-time code (of a second factor or of a new password) was sent twice for one account or in one session within ten minutes, and was good both times.

Who looks over a shoulder, reads a notification or sits on the line has the code too. It is worth nothing to him only if the first use ends it.

The same request sent twice on one connection within two seconds is a retry. Equal codes of different accounts are chance. Where neither the account nor a session stands in the request, nothing is compared. Authorization codes of OAuth belong to oauth_code_replay.

Mark a code as used before the answer goes out, and for time-based codes remember the last time step that was accepted.`,
	Severity: detect.High, Attempt: true, Genuine: true, Confidence: detect.Firm,
	CWE: []int{294}, OWASP: []string{"API2:2023"}, ASVS: []string{"6.5.1"},
	Needs: detect.HasCode,
	State: func(detect.Values) any { return window.NewCache[codeOf, single](50_000, 10*time.Minute) },
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		c := presentedCode(p)
		if c == nil || codeClass(p, x) != window.Success {
			return
		}
		account := p.Principal()
		owner := detect.Key(hostOf(p), account)
		if account == "" {
			if owner = codeOwner(p); owner == "" {
				return
			}
		}
		s, _ := p.State().(*window.Cache[codeOf, single]).At(codeOf{owner, c.ID}, p.Now())
		if s.used != 0 && !s.retried(x, p.Now()) {
			r := detect.Report{
				Key: detect.Key(hostOf(p), p.Endpoint()), Credential: c, ByLogin: p.Login() != nil,
				Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "first_used", Value: credential.Instant(s.used)}},
			}
			if p.Login() == nil && p.Outcome() == endpoint.Success {
				r.Verdict, r.Severity = detect.Accepted, detect.High // by the answer, which is the second success
			}
			p.Report(r)
		}
		s.use(x, p.Now())
	},
})

// codeOf is a code and whose it is.
type codeOf struct {
	owner string
	id    credential.ID
}
