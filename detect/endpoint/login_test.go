package endpoint

import (
	"testing"
	"time"

	"github.com/authtap/authtap/detect/credential"
)

func login(account, password byte) *credential.Login {
	return &credential.Login{Form: "json", PrincipalID: credential.ID{account}, Password: credential.ID{password}}
}

// What one account gets to several passwords is what a wrong one gets, whatever
// it looks like; what many accounts get is not.
func TestWhatWrongPasswordsGet(t *testing.T) {
	home := Answer{Status: 302, Location: 6, Cookies: [2]uint32{8}}
	inside := Answer{Status: 302, Location: 7, Cookies: [2]uint32{8}}
	for name, c := range map[string]struct {
		login func(i int) *credential.Login
		every time.Duration
		want  LoginOutcome
	}{
		"one account, other passwords":         {func(i int) *credential.Login { return login(1, byte(i+1)) }, time.Second, LoginFailure},
		"other accounts":                       {func(i int) *credential.Login { return login(byte(i+1), byte(i+1)) }, time.Second, LoginSuccess},
		"one account, one password":            {func(int) *credential.Login { return login(1, 1) }, time.Second, LoginSuccess},
		"one account that is slow":             {func(i int) *credential.Login { return login(1, byte(i+1)) }, 6 * time.Minute, LoginSuccess},
		"passwords that cannot be compared":    {func(int) *credential.Login { return login(1, 0) }, time.Second, LoginSuccess},
		"no account":                           {func(i int) *credential.Login { return login(0, byte(i+1)) }, time.Second, LoginSuccess},
		"one-time codes, which differ":         {func(i int) *credential.Login { l := login(1, byte(i+1)); l.OneTime = true; return l }, time.Second, LoginSuccess},
		"one account, one password and others": {func(i int) *credential.Login { return login(1, byte(i%3+1)) }, time.Second, LoginSuccess},
	} {
		e, now := &Endpoint{}, start
		version := e.Version()
		for i := range 6 {
			l := c.login(i)
			e.LearnLogin(&home, l, e.Login(&home, l, now), now)
			now = now.Add(c.every)
		}
		if o := e.Login(&home, login(9, 9), now); o != c.want {
			t.Errorf("%s: %v, want %v", name, o, c.want)
		}
		if o := e.Login(&inside, login(1, 99), now); o != LoginSuccess {
			t.Errorf("%s: another answer: %v", name, o)
		}
		if c.want == LoginFailure && e.Version() == version {
			t.Errorf("%s: nobody is told", name)
		}
	}
}

func TestGuessesAreBounded(t *testing.T) {
	e := &Endpoint{}
	a := Answer{Status: 200, Shape: 4}
	for i := range 3 * maxGuesses {
		e.LearnLogin(&a, login(byte(i+1), 1), LoginUnclear, start.Add(time.Duration(i)*time.Second))
	}
	if n := len(e.login.guesses); n != maxGuesses {
		t.Errorf("%d guesses are kept", n)
	}
}

// The second step fails by what the first one is pending by.
func TestOneTimeCodes(t *testing.T) {
	e := &Endpoint{}
	code, password := login(1, 1), login(1, 1)
	code.OneTime = true
	for name, c := range map[string]struct {
		login *credential.Login
		a     Answer
		want  LoginOutcome
	}{
		"first step":              {password, Answer{Status: 401, Marks: AsksSecondFactor}, LoginPending},
		"first step, a redirect":  {password, Answer{Status: 302, Location: 5, Marks: AsksSecondFactor | ToLogin}, LoginPending},
		"second step refused":     {code, Answer{Status: 401, Marks: AsksSecondFactor}, LoginFailure},
		"second step, once again": {code, Answer{Status: 302, Location: 5, Marks: AsksSecondFactor}, LoginFailure},
		"second step, a token":    {code, Answer{Status: 200, Marks: AsksSecondFactor | IssuesToken}, LoginSuccess},
	} {
		if o := e.Login(&c.a, c.login, start); o != c.want {
			t.Errorf("%s: %v, want %v", name, o, c.want)
		}
	}
}

func TestLoginsAreCounted(t *testing.T) {
	e := &Endpoint{}
	no, ok := Answer{Status: 401}, Answer{Status: 200, Marks: IssuesToken}
	e.LearnLogin(&no, login(1, 1), LoginFailure, start)
	e.LearnLogin(&no, login(1, 2), LoginFailure, start)
	e.LearnLogin(&ok, login(1, 3), LoginSuccess, start)
	if f, s := e.Logins(); f != 2 || s != 1 {
		t.Errorf("%d failures, %d successes", f, s)
	}
}
