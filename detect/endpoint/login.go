package endpoint

import (
	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/credential"
)

// LoginOutcome is what came of a login attempt (CATALOGUE.md, 1.6).
type LoginOutcome uint8

// The outcomes. Pending: the password was right and a second factor is asked
// for.
const (
	LoginUnclear LoginOutcome = iota
	LoginFailure
	LoginPending
	LoginSuccess
)

// String gives the name.
func (o LoginOutcome) String() string {
	return [...]string{"unclear", "failure", "pending", "success"}[o]
}

// loginMemory is what is known of the answers of a login endpoint.
type loginMemory struct {
	failureCookies recent[uint32] // session cookies that failed answers set
	failurePlaces  recent[uint32] // where failed answers redirect to
	successShapes  recent[uint64]
	failureShapes  recent[uint64]
}

// Login says what came of a login attempt. Failure outranks success: what is
// known of failed answers is asked before what looks like a success.
func (e *Endpoint) Login(a *Answer, l *credential.Login, now capture.Time) LoginOutcome {
	e = e.resolve()
	s := a.Status
	if s == 0 || s >= 500 || s < 200 {
		return LoginUnclear
	}
	switch l.Form {
	case "basic", "digest", "ntlm":
		return e.schemeLogin(a, now)
	}
	if a.Marks&AsksSecondFactor != 0 {
		return LoginPending
	}
	switch s {
	case 400, 401, 403, 422, 423, 429:
		return LoginFailure
	}
	m := e.login
	if m == nil {
		m = &loginMemory{}
	}
	switch {
	case s >= 400:
		return LoginUnclear
	case s >= 300:
		switch {
		case s == 304 || a.Location == 0:
			return LoginUnclear
		case a.Marks&(ToLogin|ToItself|SaysFailure) != 0 || m.failurePlaces.has(a.Location, now):
			return LoginFailure
		case s == 302 || s == 303:
			return LoginSuccess
		}
		return LoginUnclear
	}
	if a.Marks&(Soft|LoginForm|SaysFailure) != 0 {
		return LoginFailure
	}
	if a.Marks&(Damaged|Uncertain) != 0 {
		return LoginUnclear
	}
	for _, c := range a.Cookies {
		if c != 0 && !m.failureCookies.has(c, now) {
			return LoginSuccess
		}
	}
	switch {
	case a.Marks&IssuesToken != 0:
		return LoginSuccess
	case m.failureShapes.has(a.Shape, now):
		return LoginUnclear
	case m.successShapes.has(a.Shape, now):
		return LoginSuccess
	}
	return LoginUnclear
}

// schemeLogin judges Basic, Digest and NTLM credentials, which any endpoint
// may take: an answer is a success only where the endpoint is known to refuse.
func (e *Endpoint) schemeLogin(a *Answer, now capture.Time) LoginOutcome {
	switch e.Outcome(a, now) {
	case Refusal:
		if a.Status == 403 || a.Marks&Stale != 0 { // known, but not allowed; or a filter
			return LoginUnclear
		}
		return LoginFailure
	case Success:
		if (e.says401 || e.refused) && !e.open(now) && a.Marks&(Cached|Damaged) == 0 && a.Status < 300 {
			return LoginSuccess
		}
	}
	return LoginUnclear
}

// LearnLogin adds an attempt's answer to what is known of the endpoint.
func (e *Endpoint) LearnLogin(a *Answer, o LoginOutcome, now capture.Time) {
	e = e.resolve()
	if e.overflow || a.Marks&Damaged != 0 || o != LoginFailure && o != LoginSuccess {
		return
	}
	if e.login == nil {
		e.login = &loginMemory{}
	}
	m, new := e.login, false
	if o == LoginFailure {
		for _, c := range a.Cookies {
			if c != 0 {
				new = m.failureCookies.add(c, now) || new
			}
		}
		if a.Location != 0 {
			new = m.failurePlaces.add(a.Location, now) || new
		}
		if a.Status < 300 {
			new = m.failureShapes.add(a.Shape, now) || new
		}
	} else if a.Status < 300 {
		new = m.successShapes.add(a.Shape, now)
	}
	if new {
		e.version++
	}
}
