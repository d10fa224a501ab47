package endpoint

import (
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/credential"
)

const day = 24 * time.Hour

// judged gives the verdict on an answer to a forged token.
func judged(e *Endpoint, a Answer, at capture.Time) Verdict {
	return e.Judge(&Attempt{Answer: a}, at)
}

func learn(e *Endpoint, n int, a Answer, cookies bool, at capture.Time, creds ...credential.Credential) {
	for range n {
		e.Learn(&a, creds, cookies, at)
	}
}

// What was learned counts for seven days, a refusal too.
func TestRefusalsAreForgotten(t *testing.T) {
	for name, refusal := range map[string]Answer{
		"401": answer(401, 9), "403": answer(403, 9), "a redirect": {Status: 302, Location: 3, Marks: ToLogin},
	} {
		e := &Endpoint{}
		learn(e, 1, refusal, false, start)
		learn(e, 3, answer(200, 7), false, start.Add(5*day), token)
		if v := judged(e, answer(200, 7), start.Add(6*day)); v != Accepted {
			t.Errorf("%s: after six days: %v", name, v)
		}
		if v := judged(e, answer(200, 7), start.Add(8*day)); v != LikelyAccepted {
			t.Errorf("%s: after eight days: %v", name, v)
		}
	}
}

// Nor does it matter for longer that a request without credential was answered,
// or that another credential sufficed.
func TestAnswersAreForgotten(t *testing.T) {
	e := &Endpoint{}
	learn(e, 3, answer(200, 7), false, start)
	learn(e, 1, answer(200, 7), false, start, session)
	later := start.Add(9 * day)
	learn(e, 3, answer(200, 7), false, later, token)
	learn(e, 1, answer(401, 9), false, later)
	if v := judged(e, answer(200, 7), later); v != Accepted {
		t.Errorf("answers of nine days ago still count: %v", v)
	}
	at := Attempt{Answer: answer(200, 7)}
	at.Others, at.OtherKinds, at.Parts = Kinds([]credential.Credential{session}, nil, false)
	if v := e.Judge(&at, later); v != LikelyAccepted {
		t.Errorf("that the session sufficed nine days ago still counts: %v", v)
	}
}

func TestCachesTeachNothing(t *testing.T) {
	cached := answer(200, 7)
	cached.Marks = Cached
	e := &Endpoint{}
	learn(e, 5, cached, false, start, token)
	learn(e, 5, cached, false, start)
	learn(e, 1, answer(401, 9), false, start)
	if e.Discriminates(start) || e.sum[Good][Success]+e.sum[None][Success] != 0 {
		t.Error("a cache's answers were taken for the server's")
	}
}

// Open is where three or more got the authenticated shape, and more were
// answered than refused (docs/verdicts.md, b).
func TestOpen(t *testing.T) {
	for name, c := range map[string]struct {
		same, other, refused int
		want                 Verdict
	}{
		"none":                                 {0, 0, 1, Accepted},
		"one":                                  {1, 0, 1, LikelyAccepted},
		"two and other content":                {2, 5, 1, LikelyAccepted},
		"three":                                {3, 0, 1, Unknown},
		"three, but more refused":              {3, 0, 4, LikelyAccepted},
		"other content only":                   {0, 9, 1, Accepted},
		"three, and as many refused as let in": {3, 0, 3, LikelyAccepted},
	} {
		e := &Endpoint{}
		learn(e, 3, answer(200, 7), false, start, token)
		learn(e, c.same, answer(200, 7), false, start)
		learn(e, c.other, answer(200, 6), false, start)
		learn(e, c.refused, answer(401, 9), false, start)
		if v := judged(e, answer(200, 7), start); v != c.want {
			t.Errorf("%s: %v, want %v", name, v, c.want)
		}
	}
	// An invalid credential is not none.
	e := &Endpoint{}
	learn(e, 3, answer(200, 7), false, start, token)
	learn(e, 5, answer(200, 7), false, start, flawed)
	learn(e, 1, answer(401, 9), false, start)
	if v := judged(e, answer(200, 7), start); v != Accepted {
		t.Errorf("an invalid credential was taken for none: %v", v)
	}
}

// A cookie of which nothing is known is a credential where nothing opens the
// endpoint without it.
func TestNecessaryCookies(t *testing.T) {
	e := &Endpoint{}
	learn(e, 3, answer(200, 7), true, start)
	if e.Discriminates(start) || !e.open(start) {
		t.Error("cookies that nobody was refused without are necessary")
	}
	learn(e, 1, answer(401, 9), false, start)
	if !e.Discriminates(start) || e.open(start) || !e.LikeGood(&Answer{Status: 200, Shape: 7}, start) {
		t.Error("cookies that open what is closed without them are no credential")
	}
	learn(e, 1, answer(200, 7), false, start)
	if e.Discriminates(start) {
		t.Error("an endpoint that was open without the cookie discriminates by it")
	}
}

func TestCodes(t *testing.T) {
	number, word := uint32(4|1|numericCode), uint32(8|1)
	ok := func(code uint32, shape uint64) Answer { return Answer{Status: 200, Shape: shape, Code: code} }
	for name, c := range map[string]struct {
		good   []Answer
		answer Answer
		want   Outcome
	}{
		"the same":                     {[]Answer{ok(number, 7), ok(number, 7), ok(number, 7)}, ok(number, 7), Success},
		"too few known":                {[]Answer{ok(number, 7), ok(number, 7)}, ok(number+16, 7), Success},
		"another number":               {[]Answer{ok(number, 7), ok(number, 7), ok(number, 7)}, ok(number+16, 7), Unclear},
		"another number, other shape":  {[]Answer{ok(number, 7), ok(number, 7), ok(number, 7)}, ok(number+16, 8), Refusal},
		"another word, other shape":    {[]Answer{ok(word, 7), ok(word, 7), ok(word, 7)}, ok(word+16, 8), Refusal},
		"a word is data as often":      {[]Answer{ok(word, 7), ok(word, 7), ok(word, 7)}, ok(word+16, 7), Success},
		"numbers that vary are data":   {[]Answer{ok(number, 7), ok(number+8, 7), ok(number, 7)}, ok(number+16, 7), Success},
		"no code where others have it": {[]Answer{ok(number, 7), ok(number, 7), ok(number, 7)}, ok(0, 8), Success},
	} {
		e := &Endpoint{}
		for _, a := range c.good {
			learn(e, 1, a, false, start, token)
		}
		if o := e.Outcome(&c.answer, start); o != c.want {
			t.Errorf("%s: %v, want %v", name, o, c.want)
		}
	}
	for body, numeric := range map[string]bool{
		`{"code":1}`: true, `{"errcode":-3}`: true, `{"status":200}`: true, `{"status":0}`: true,
		`{"status":3}`: false, `{"status":"x"}`: false, `{"code":"DE"}`: false,
	} {
		j := readJSON([]byte(body))
		if j.code == 0 || j.code&numericCode != 0 != numeric {
			t.Errorf("%s: code %b", body, j.code)
		}
	}
}

// A set of kinds that comes beyond the bound takes the place of the oldest.
func TestAloneIsBounded(t *testing.T) {
	e := &Endpoint{}
	for i := range 3 * maxRecent {
		e.learnAlone(uint64(i+1), Success, start.Add(time.Duration(i)*time.Second))
	}
	if len(e.alone) != maxRecent {
		t.Fatalf("%d sets", len(e.alone))
	}
	for _, k := range e.alone {
		if k.set <= 2*maxRecent {
			t.Errorf("the old set %d is still there", k.set)
		}
	}
}

func TestPinned(t *testing.T) {
	pinnedOK, pinnedNo := answer(200, 8), answer(200, 7)
	pinnedOK.Marks, pinnedNo.Marks = PinnedSuccess, PinnedSuccess|PinnedFailure
	cached := pinnedOK
	cached.Marks |= Cached
	redirect := Answer{Status: 302, Location: 3, Marks: PinnedSuccess}
	closed := &Pin{Requires: Required, Success: true, Failure: true}
	for name, c := range map[string]struct {
		pin     *Pin
		history func(e *Endpoint)
		answer  Answer
		want    Verdict
	}{
		"success, nothing learned":      {closed, nil, pinnedOK, Accepted},
		"failure outranks success":      {closed, nil, pinnedNo, Rejected},
		"neither":                       {closed, nil, answer(200, 7), Unknown},
		"a redirect that is a success":  {closed, nil, redirect, Accepted},
		"from a cache":                  {closed, nil, cached, Unknown},
		"open to all":                   {&Pin{Requires: Nothing}, func(e *Endpoint) { learn(e, 3, answer(200, 7), false, start, token) }, answer(200, 7), Unknown},
		"required, no good shape known": {&Pin{Requires: Required}, nil, answer(200, 7), LikelyAccepted},
		"required, shape of one good":   {&Pin{Requires: Required}, func(e *Endpoint) { learn(e, 1, answer(200, 7), false, start, token) }, answer(200, 7), Accepted},
		"required, answered without":    {closed, func(e *Endpoint) { learn(e, 1, pinnedOK, false, start) }, pinnedOK, LikelyAccepted},
		"success only, discriminates": {&Pin{Success: true}, func(e *Endpoint) {
			learn(e, 3, pinnedOK, false, start, token)
			learn(e, 1, answer(401, 9), false, start)
		}, pinnedOK, LikelyAccepted},
		"success only, refused by a pin": {&Pin{Success: true, Failure: true}, func(e *Endpoint) { learn(e, 3, pinnedOK, false, start, token); learn(e, 1, pinnedNo, false, start) }, pinnedOK, Accepted},
	} {
		e := &Endpoint{pin: c.pin}
		if c.history != nil {
			c.history(e)
		}
		if v := judged(e, c.answer, start); v != c.want {
			t.Errorf("%s: %v, want %v", name, v, c.want)
		}
	}
	e := &Endpoint{pin: &Pin{Success: true, Failure: true}}
	form := &credential.Login{Form: "form"}
	for want, a := range map[LoginOutcome]Answer{
		LoginSuccess: pinnedOK, LoginFailure: {Status: 500, Marks: PinnedFailure}, LoginUnclear: answer(401, 1), LoginPending: {Status: 200, Marks: AsksSecondFactor},
	} {
		if o := e.Login(&a, form, start); o != want {
			t.Errorf("login %v, want %v", o, want)
		}
	}
}
