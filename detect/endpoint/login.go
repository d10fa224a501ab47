package endpoint

import (
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/credential"
)

// LoginOutcome is what came of a login attempt.
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
	failures, successes uint64
	failureCookies      recent[uint32] // session cookies that failed answers set
	failurePlaces       recent[uint32] // where failed answers redirect to
	successShapes       recent[uint64]
	failureShapes       recent[uint64]
	// failureAnswers are answers that one account got to different passwords:
	// only one of those can have been right.
	failureAnswers recent[uint64]
	guesses        []guess
}

// guess is an account that got an answer, and the passwords that it came to.
type guess struct {
	answer, account uint64
	passwords       [differentPasswords - 1]uint64
	first           capture.Time
}

const (
	// differentPasswords that one account got the same answer to within
	// guessSpan make that answer a failed one. A client that sends another
	// hash of the same password each time does not log in that often.
	differentPasswords = 4
	guessSpan          = 10 * time.Minute
	// maxGuesses bounds the memory for them; the oldest makes room.
	maxGuesses = 64
)

// Login says what came of a login attempt. Failure outranks success: what is
// known of failed answers is asked before what looks like a success.
func (e *Endpoint) Login(a *Answer, l *credential.Login, now capture.Time) LoginOutcome {
	e = e.resolve()
	s := a.Status
	if s == 0 {
		return LoginUnclear
	}
	if e.pin != nil {
		switch o, decided := e.pin.outcome(a); {
		case !decided:
		case o == Refusal:
			return LoginFailure
		case a.Marks&(Damaged|Cached) != 0:
			return LoginUnclear
		case o == Success:
			return LoginSuccess
		case a.Marks&AsksSecondFactor != 0:
			return LoginPending
		default:
			return LoginUnclear
		}
	}
	if s == 500 && a.Marks&Soft != 0 {
		return LoginFailure
	}
	if s >= 500 || s < 200 {
		return LoginUnclear
	}
	switch l.Form {
	case "basic", "digest", "ntlm":
		return e.schemeLogin(a, now)
	}
	m := e.login
	if m == nil {
		m = &loginMemory{}
	}
	if a.Marks&Partly != 0 && a.Marks&(Damaged|Cached) == 0 && s < 300 {
		return LoginSuccess
	}
	failed := a.Marks&SaysFailure != 0 || m.failureAnswers.has(a.class(), now)
	if a.Marks&AsksSecondFactor != 0 && !failed && !l.OneTime {
		return LoginPending
	}
	switch s {
	case 400, 401, 403, 422, 423, 429:
		return LoginFailure
	case 404: // no such account, where there is such an endpoint
		if m.failures+m.successes > 0 {
			return LoginFailure
		}
	}
	switch {
	case s >= 400:
		return LoginUnclear
	case failed:
		return LoginFailure
	case a.Marks&Cached != 0:
		return LoginUnclear
	case s >= 300:
		switch {
		case s == 304 || a.Location == 0:
			return LoginUnclear
		case a.Marks&(BackToLogin|ToItself|AsksSecondFactor) != 0 || m.failurePlaces.has(a.Location, now):
			return LoginFailure
		case s != 302 && s != 303:
			return LoginUnclear
		case a.Marks&ToLogin != 0 && !m.sets(a, now): // /auth/…: by its name it may be either
			return LoginUnclear
		}
		return LoginSuccess
	}
	if a.Marks&(Soft|LoginForm) != 0 {
		return LoginFailure
	}
	if a.Marks&(Damaged|Uncertain) != 0 {
		return LoginUnclear
	}
	switch {
	case m.sets(a, now), a.Marks&IssuesToken != 0, a.Marks&SaysSuccess != 0 && m.failures > 0:
		return LoginSuccess
	case m.failureShapes.has(a.Shape, now):
		return LoginUnclear
	case m.successShapes.has(a.Shape, now):
		return LoginSuccess
	}
	return LoginUnclear
}

// sets reports whether an answer sets a session cookie that failed ones do not.
func (m *loginMemory) sets(a *Answer, now capture.Time) bool {
	for _, c := range a.Cookies {
		if c != 0 && !m.failureCookies.has(c, now) {
			return true
		}
	}
	return false
}

// class is a hash of all by which answers of a login differ.
func (a *Answer) class() uint64 {
	issues := uint64(a.Marks & (IssuesToken | SaysSuccess))
	return mix(a.Shape ^ uint64(a.Status)<<48 ^ uint64(a.Location)<<16 ^ uint64(a.Cookies[0])<<8 ^ uint64(a.Cookies[1]) ^ uint64(a.Code)<<24 ^ issues<<32)
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
		if (within(e.says401, now) || within(e.refused, now)) && !e.open(now) && a.Marks&(Cached|Damaged) == 0 && a.Status < 300 {
			return LoginSuccess
		}
	}
	return LoginUnclear
}

// LearnLogin adds an attempt's answer to what is known of the endpoint.
func (e *Endpoint) LearnLogin(a *Answer, l *credential.Login, o LoginOutcome, now capture.Time) {
	e = e.resolve()
	if e.overflow || a.Status == 0 || a.Marks&(Damaged|Cached) != 0 || l.Form == "basic" || l.Form == "digest" || l.Form == "ntlm" {
		return
	}
	if e.login == nil {
		e.login = &loginMemory{}
	}
	m, new := e.login, false
	switch o {
	case LoginFailure:
		m.failures++
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
	case LoginSuccess:
		m.successes++
		if a.Status < 300 {
			new = m.successShapes.add(a.Shape, now)
		}
	}
	if o != LoginFailure && o != LoginPending && a.Status < 400 && m.guessed(a.class(), l, now) {
		// What was taken for a success until now was none.
		m.failureAnswers.add(a.class(), now)
		m.successShapes = nil
		new = true
	}
	if new {
		e.version++
	}
}

// guessed notes that an account got an answer to a password, and reports
// whether it has now got it to so many different ones that it means a failure.
// One-time codes differ each time and do not count.
func (m *loginMemory) guessed(answer uint64, l *credential.Login, now capture.Time) bool {
	account, password := l.PrincipalID.Uint64(), l.Password.Uint64()
	if account == 0 || password == 0 || l.OneTime {
		return false
	}
	var g *guess
	for i := range m.guesses {
		if h := &m.guesses[i]; h.answer == answer && h.account == account {
			g = h
		}
	}
	if g == nil {
		if len(m.guesses) < maxGuesses {
			m.guesses = append(m.guesses, guess{})
			g = &m.guesses[len(m.guesses)-1]
		} else {
			g = &m.guesses[0]
			for i := range m.guesses {
				if m.guesses[i].first < g.first {
					g = &m.guesses[i]
				}
			}
		}
		*g = guess{answer: answer, account: account, first: now}
	}
	if now.Sub(g.first) > guessSpan {
		g.first, g.passwords = now, [differentPasswords - 1]uint64{}
	}
	for i, p := range g.passwords {
		switch p {
		case password:
			return false
		case 0:
			g.passwords[i] = password
			return false
		}
	}
	return true
}

// Unlike reports whether a login's answer has the status of a success and is
// whole, and no failure is known here that has, too.
func (e *Endpoint) Unlike(a *Answer) bool {
	m := e.resolve().login
	return (m == nil || len(m.failureShapes)+len(m.failurePlaces)+len(m.failureAnswers) == 0) &&
		a.Status >= 200 && a.Status < 300 && a.Marks&(Damaged|Cached|Uncertain|Midstream|Soft|SaysFailure|LoginForm) == 0
}

// Logins counts the attempts of which it is known what came of them.
func (e *Endpoint) Logins() (failures, successes uint64) {
	if m := e.resolve().login; m != nil {
		return m.failures, m.successes
	}
	return 0, 0
}

// absorb adds what is known of another.
func (m *loginMemory) absorb(o *loginMemory) {
	m.failures += o.failures
	m.successes += o.successes
	merge(&m.failureCookies, o.failureCookies)
	merge(&m.failurePlaces, o.failurePlaces)
	merge(&m.successShapes, o.successShapes)
	merge(&m.failureShapes, o.failureShapes)
	merge(&m.failureAnswers, o.failureAnswers)
}
