package rules

import (
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/window"
)

// What tells many people behind one address from one who guesses (decisions
// 0036 and 0039).

const (
	// More than forgetful passwords for one account are no hand's where they come
	// faster than detect.TypingTime; detect.ManyPasswords never are, nor are
	// manyListed that were tried on other accounts, too.
	forgetful  = 5
	manyListed = 3
)

// Fields of the events of loginsByOne besides password and agent: one that was
// called wrong rather than refused for a while, and one that its client tried on
// another account.
const (
	calledWrong = user
	triedAround = pair
)

// Fields of the events of peopleByClient besides user: the passwords and pairs
// of guesses that no hand made, their accounts, and accounts that somebody has
// trouble with.
const (
	oddPassword = password
	oddPair     = pair
	oddAccount  = agent
	handAccount = client
)

// Marks of an event in the windows of one client, in the field manner. The first
// are of a success, the others of the client at that moment.
const (
	// erred: its account had failed. byHand: as happens to people. byMachine: as
	// it does not. sameAgain: with the same password, which so was right before.
	erred = 1 << iota
	byHand
	byMachine
	sameAgain
	// crowd: many get in as people do. hands: many have trouble as people do.
	crowd
	hands
	// softly is of a failure: its status was none.
	softly
)

// observePeople feeds the windows that tell people from a list, and gives the
// marks of the attempt.
func observePeople(p *detect.Pass, by string, l *credential.Login, e window.Event) uint64 {
	listed := false // the password
	if !l.Password.IsZero() {
		s := p.Observe(loginsByGuess, detect.Key(by, l.Password.String()), window.Event{
			Time: e.Time, Class: e.Class, Fields: [window.Fields]uint64{user: e.Fields[user]},
		})
		others := s.Distinct()[user]
		if s.Failed(user, e.Fields[user]) {
			others--
		}
		listed = others > 0
	}
	o := e
	o.Fields = [window.Fields]uint64{password: e.Fields[password], agent: e.Fields[agent]}
	if e.Status != 429 && e.Status != 423 {
		o.Fields[calledWrong] = e.Fields[password]
	}
	if listed {
		o.Fields[triedAround] = e.Fields[password]
	}
	own := p.Observe(loginsByOne, detect.Key(by, l.PrincipalID.String()), o)

	failed, tried, around := own.Count[window.Failure], guesses(own, attackSpan), own.Distinct()[triedAround]
	typed := gap(own) >= detect.TypingTime
	machine := tried >= detect.ManyPasswords || tried > forgetful && !typed || around >= manyListed && 2*around >= tried
	hand := !machine && typed && failed > 0 && 2*around <= tried // a password or two may be the house's

	var marks uint64
	q := window.Event{Time: e.Time, Class: window.Unclear}
	switch e.Class {
	case window.Failure:
		q.Class, q.Fields[user] = window.Failure, e.Fields[user]
		if e.Status < 400 {
			marks |= softly
		}
		if machine || listed {
			q.Fields[oddAccount], q.Fields[oddPassword], q.Fields[oddPair] = e.Fields[user], e.Fields[password], e.Fields[pair]
		}
		if hand && failed > 1 {
			q.Fields[handAccount] = e.Fields[user]
		}
	case window.Success, window.Pending:
		if failed > 0 {
			marks |= erred
		}
		again := own.Failed(calledWrong, e.Fields[password])
		if again {
			marks |= sameAgain
		}
		switch {
		case hand:
			marks |= byHand
		case machine && own.Failed(agent, e.Fields[agent]) && (listed || 2*around < tried):
			marks |= byMachine
		}
		if again || !listed && (failed == 0 || hand) {
			q.Class, q.Fields[user] = window.Success, e.Fields[user]
		}
	}
	s := p.Observe(peopleByClient, by, q)
	d := s.DistinctWithin(attackSpan)
	if isMany(d[handAccount], d[user], false) {
		marks |= hands
	}
	if isMany(s.Succeeded(attackSpan), d[user], marks&hands != 0) {
		marks |= crowd
	}
	return marks
}

// isMany reports whether n accounts besides those that fail, or among them, make
// the address of many. Where hands fail they take a while until they get in.
func isMany(n, failing int, hands bool) bool {
	share := detect.CompanyShare
	if hands {
		share *= detect.CompanyShare
	}
	return n >= detect.Company && share*n >= failing
}

// recovering reports whether many of a client's accounts that failed got in
// afterwards. Those of a list do not.
func recovering(s *window.Summary) bool {
	return isMany(s.Recovered(attackSpan), s.DistinctWithin(attackSpan)[user], s.Latest.Fields[manner]&hands != 0)
}

// gap is the time between two attempts of a window, on average.
func gap(s *window.Summary) time.Duration {
	return s.Last.Sub(s.First) / time.Duration(max(s.Count.Total()-1, 1))
}
