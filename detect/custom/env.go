package custom

import (
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/expression"
	"github.com/authtap/authtap/reassembly"
)

// Env is the environment of a rule's expressions: what the exchange shows by
// itself, and what is known of its endpoint.
type Env struct {
	expression.Exchange

	Template      string `expr:"template" doc:"the path with its variable segments replaced: /users/{id}"`
	Endpoint      string `expr:"endpoint" doc:"method and template: GET /users/{id}"`
	Outcome       string `expr:"outcome" doc:"what the answer means for access: success, refusal, unclear"`
	LoginOutcome  string `expr:"login_outcome" doc:"what came of the login: success, failure, pending (a second factor is asked for), unclear; empty where the request is no login"`
	Verdict       string `expr:"verdict" doc:"of the attempt, as far as it is known now: accepted, likely_accepted, rejected, unknown; what is learned later may change a finding's"`
	Discriminates bool   `expr:"discriminates" doc:"the endpoint is known to refuse who has no good credential"`
	BehindTLS     bool   `expr:"behind_tls" doc:"something in front of the server says that it ended TLS"`
	Time          int    `expr:"time" doc:"packet time of the request, in seconds since 1970"`
	Hour          int    `expr:"hour" doc:"its hour of the day, UTC, 0 to 23"`
	Weekday       int    `expr:"weekday" doc:"its day of the week, UTC, 0 is Sunday"`
}

// asked is an environment that is filled once for an exchange, whichever rules
// ask. The memory of one exchange is that of another later, so that only their
// places in the run tell them apart.
type asked struct {
	env       Env
	subject   expression.Subject
	of, about place // the exchanges that env and subject are of
	uses      expression.Uses
}

type place struct {
	order reassembly.Order
	known bool
}

// subjectOf gives the subject of a pass.
func (a *asked) subjectOf(p *detect.Pass) *expression.Subject {
	if at := (place{p.Exchange().Order, true}); a.about != at {
		a.about, a.subject = at, p.Subject()
	}
	return &a.subject
}

// at gives the environment of a pass.
func (a *asked) at(p *detect.Pass) *Env {
	at := place{p.Exchange().Order, true}
	if a.of == at {
		return &a.env
	}
	a.of = at
	e := &a.env
	e.Exchange.Set(a.subjectOf(p), a.uses)
	e.Template, e.Endpoint = p.Template(), p.Endpoint()
	e.Outcome, e.LoginOutcome = p.Outcome().String(), loginOutcome(p)
	e.Discriminates, e.BehindTLS = p.Discriminates(), p.BehindTLS()
	t := p.Now().Time()
	e.Time, e.Hour, e.Weekday = int(int64(p.Now())/int64(time.Second)), t.Hour(), int(t.Weekday())
	return e
}

func loginOutcome(p *detect.Pass) string {
	if p.Login() == nil {
		return ""
	}
	return p.LoginOutcome().String()
}

// byLogin reports whether the verdict on an attempt with c is what came of a
// login.
func byLogin(p *detect.Pass, c *credential.Credential) bool {
	return p.Login() != nil && (c == nil || !c.Access())
}

// verdict is that of an attempt with c as of now.
func verdict(p *detect.Pass, c *credential.Credential) detect.Verdict {
	if !byLogin(p, c) {
		return p.Judge(c)
	}
	switch p.LoginOutcome() {
	case endpoint.LoginSuccess:
		return detect.Accepted
	case endpoint.LoginFailure:
		return detect.Rejected
	}
	return detect.Unknown
}
