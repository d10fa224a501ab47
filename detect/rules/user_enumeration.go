package rules

import (
	"hash/fnv"
	"strings"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "user_enumeration",
	Title: "A client tries which accounts there are",
	Doc: `Attempted: within ten minutes one client names twenty different accounts or more, at a login, at the request for a new password, at the registration or where an application asks whether a name is taken, and at least seventy percent of that fails. Possible: the failures of one endpoint are of two kinds, by status, code, target or words, and which of them comes is a function of the account: at least twenty accounts got the one each time and twenty the other, three times or more, with different passwords where there was one.

A list of the accounts that there are halves the work of guessing, and who is a customer here may be a secret of itself.

A form that asks with each letter names one account. Names of different form (an address and a nickname) are not compared, since what checks the form answers alike; a refusal for the form (400, 422) is compared only with its like. Accounts that are locked or slowed down change their answer and drop out. Attempts that are guessing, spraying or stuffing are reported as that. Differences in time are not measured.

Give the same answer, with the same words, whether the account exists or not, at login, registration and reset, and slow down who names many.`,
	Severity: detect.Medium, Confidence: detect.Tentative,
	CWE: []int{204, 203}, OWASP: []string{"API2:2023"}, ASVS: []string{"6.3.8"},
	Needs: detect.LoginAttempt | detect.Asks,
	Options: []detect.Option{
		{Name: "accounts", Default: 20, Doc: "different accounts of a client"},
		{Name: "failure_percent", Default: 70, Doc: "share of its attempts that fail"},
		{Name: "baseline_factor", Default: 5, Doc: "times the client's usual failures"},
		{Name: "each", Default: 20, Doc: "accounts with each of two answers that make it possible"},
		{Name: "repeats", Default: 3, Doc: "answers of one account that must be alike"},
		ignoreClients,
	},
	State: func(detect.Values) any {
		return &enumeration{
			last:    window.NewCache[clientOf, credential.Asked](5_000, attackSpan),
			told:    window.NewCache[accountAt, toldOf](20_000, 7*24*time.Hour),
			classes: window.NewCache[string, [8]class](1_000, 7*24*time.Hour),
		}
	},
	Exchange: enumerated,
	Windows: append(loginWindows(map[string]crossed{loginsByClient: namesTried}),
		detect.Window{Name: "names_by_client", Span: attackSpan, Crossed: namesTried}),
})

// enumeration is whom clients asked about last, what accounts were answered, and
// the kinds of answers of each endpoint.
type enumeration struct {
	last    *window.Cache[clientOf, credential.Asked]
	told    *window.Cache[accountAt, toldOf]
	classes *window.Cache[string, [8]class]
}

// Evicted counts what made room.
func (e *enumeration) Evicted() uint64 {
	return e.last.Evicted() + e.told.Evicted() + e.classes.Evicted()
}

type accountAt struct {
	endpoint string
	id       credential.ID
}

// toldOf is how one account's failures were answered.
type toldOf struct {
	class    uint64
	n        int
	password credential.ID
	varied   bool // with several passwords, or without any
	differ   bool // not always alike
}

// class is a kind of answer, and how many accounts always get it.
type class struct {
	hash     uint64
	form     uint8
	status   uint16
	accounts int
}

func enumerated(p *detect.Pass, x *exchange.Exchange) {
	state := p.State().(*enumeration)
	if l := p.Login(); l != nil {
		observeLogin(p, x)
		if p.LoginOutcome() == endpoint.LoginFailure && !l.PrincipalID.IsZero() && p.Told() != 0 {
			state.answered(p, x, l.PrincipalID, l.NameForm, l.Password)
		}
		return
	}
	a := p.Asked()
	if a.Question == credential.AsksReset && p.Told() != 0 {
		state.answered(p, x, a.PrincipalID, a.Form(), credential.ID{})
	}
	last, first := state.last.At(clientOf{p.Host(), p.Client()}, p.Now())
	typed := !first && last.Typed(a)
	if *last = *a; typed {
		return
	}
	e := window.Event{Time: p.Now(), Class: window.Unclear, Client: p.Client(), Label: a.Principal, Status: uint16(x.Response.Status)}
	switch s := x.Response.Status; {
	case x.Flags&exchange.Unpaired != 0 || !x.Response.Present:
	case p.Outcome() == endpoint.Refusal, s >= 400 && s < 500:
		e.Class = window.Failure
	case p.Outcome() == endpoint.Success:
		e.Class = window.Success
	}
	e.Fields[user] = a.PrincipalID.Uint64()
	p.Observe("names_by_client", clientKey(p), e)
}

func namesTried(p *detect.Pass, key string, s *window.Summary) {
	o := p.Options()
	if s.Latest.Class != window.Failure || ignored(p) || attacking(p, key, "") || p.Ongoing("user_enumeration", key, 0) {
		return
	}
	d := s.Distinct()
	if d[password] > 0 && (d[password] <= 2 || 2*d[password] >= d[pair]) {
		return // spraying or stuffing, though lost packets may hide their measure
	}
	failures, names := s.Count[window.Failure], d[user]
	if (names < o.Int("accounts") || s.Count.FailureRatio()*100 < float64(o.Int("failure_percent")) ||
		float64(failures) < float64(o.Int("baseline_factor"))*s.Baseline || failures > 3*uint64(names)) &&
		!p.Ongoing("user_enumeration", key, s.Span) {
		return
	}
	r := detect.Report{
		Key: key, Verdict: detect.Rejected, Count: failures, First: s.FirstOf(window.Failure), Principals: true,
		Evidence: detect.Evidence{
			{Name: "target", Value: p.Target()},
			{Name: "accounts", Value: credential.Number(int64(names))},
			{Name: "failures", Value: credential.Number(int64(failures))},
			{Name: "names", Value: p.Accounts(s.Labels())},
		},
	}
	if s.Count.Total() > failures {
		r.Verdict = detect.Unknown
	}
	p.Report(r)
}

// answered counts how an account's failure was answered.
func (e *enumeration) answered(p *detect.Pass, x *exchange.Exchange, id credential.ID, form uint8, password credential.ID) {
	switch s := x.Response.Status; {
	case form == 0, s == 403, s == 423, s == 429, s >= 500, x.Response.Header.Has("Retry-After"):
		return // a lock, a filter, or nothing that can be compared
	}
	now, place := p.Now(), detect.Key(hostOf(p), p.Endpoint())
	t, first := e.told.At(accountAt{place, id}, now)
	hash := classOfAnswer(p, x)
	switch {
	case first:
		*t = toldOf{class: hash, password: password, varied: password.IsZero()}
	case t.differ:
		return
	}
	stable := t.n >= p.Options().Int("repeats") && t.varied
	t.n++
	t.varied = t.varied || t.password != password
	t.differ = t.class != hash
	classes, _ := e.classes.At(place, now)
	switch n := t.n >= p.Options().Int("repeats") && t.varied; {
	case t.differ && stable:
		if c := find(classes, t.class, form); c != nil {
			c.accounts--
		}
	case !t.differ && n && !stable:
		c := find(classes, hash, form)
		if c == nil {
			if c = find(classes, 0, 0); c == nil {
				return // more kinds of answers than are counted: they tell nothing
			}
			*c = class{hash: hash, form: form, status: uint16(x.Response.Status)}
		}
		if c.accounts++; c.accounts >= p.Options().Int("each") {
			e.compare(p, place, classes, c)
		}
	}
}

func find(classes *[8]class, hash uint64, form uint8) *class {
	for i := range classes {
		if classes[i].hash == hash && classes[i].form == form {
			return &classes[i]
		}
	}
	return nil
}

// compare looks for another kind of answer.
func (e *enumeration) compare(p *detect.Pass, place string, classes *[8]class, c *class) {
	for i := range classes {
		o := &classes[i]
		if o.hash == c.hash || o.form != c.form || o.accounts < p.Options().Int("each") || formal(o.status) != formal(c.status) {
			continue
		}
		p.Report(detect.Report{
			Key: detect.Key(hostOf(p), p.Endpoint(), "possible"), Title: "Answers tell which accounts there are", Principals: true, Clients: true,
			Evidence: detect.Evidence{
				{Name: "target", Value: p.Target()},
				{Name: "accounts_with_one", Value: credential.Number(int64(o.accounts))},
				{Name: "accounts_with_other", Value: credential.Number(int64(c.accounts))},
				{Name: "status_of_one", Value: credential.Number(int64(o.status))},
				{Name: "status_of_other", Value: credential.Number(int64(c.status))},
			},
		})
		return
	}
}

// formal reports a refusal of what a request looks like.
func formal(status uint16) bool { return status == 400 || status == 422 }

// classOfAnswer gives a hash of all that people and programs tell answers by.
func classOfAnswer(p *detect.Pass, x *exchange.Exchange) uint64 {
	h := fnv.New64a()
	told := p.Told()
	for range 8 {
		h.Write([]byte{byte(told)})
		told >>= 8
	}
	h.Write([]byte{byte(x.Response.Status), byte(x.Response.Status >> 8)})
	// A redirect may name the account in its query.
	to, _, _ := strings.Cut(x.Response.Header.Get("Location"), "?")
	h.Write([]byte(to))
	return h.Sum64() | 1
}
