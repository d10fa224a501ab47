package credential

import (
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/authtap/authtap/reassembly/exchange"
)

// Account is what a request sets of an account: the password of a new one, or
// a new password of one that there is.
type Account struct {
	// Password is the new password's keyed fingerprint, Place where it stood.
	Password ID
	Place    Place
	// Length in characters; Common says that it is among the ten thousand that
	// people take most, Hashed that the client sends a hash in its place.
	Length         int
	Common, Hashed bool
	// New says that the account is new, Proved that the request also holds the
	// password so far, or a code.
	New, Proved bool
}

// accountOf says what the request sets.
func (f *Finder) accountOf(x *exchange.Exchange) *Account {
	l := &f.login
	switch x.Request.Method {
	case "POST", "PUT", "PATCH":
	default:
		return nil
	}
	a := Account{Proved: l.code.set() || l.weakCode != ""}
	s := &l.fresh
	switch {
	case s.set():
		a.Proved = a.Proved || l.password.set() && l.password.id != f.key.id(Password.String(), s.value)
	case l.password.set():
		path, _ := x.PathQuery()
		if !makesAccount(path) {
			return nil
		}
		a.New, s = true, &l.password
	default:
		return nil
	}
	a.Password, a.Place, a.Length = f.key.id(Password.String(), s.value), s.place, utf8.RuneCountInString(s.value)
	a.Hashed = hexHash(s.value)
	a.Common = common(s.value)
	return &a
}

// hexHash reports a value of the form of a hash: what some clients send in the
// place of a password.
func hexHash(s string) bool {
	switch len(s) {
	case 32, 40, 64, 128:
	default:
		return false
	}
	for i := range len(s) {
		if unhex[s[i]] < 0 {
			return false
		}
	}
	return true
}

func common(password string) bool { return commonTop()[strings.ToLower(password)] }

// commonTop holds the passwords that people take most.
var commonTop = sync.OnceValue(func() map[string]bool {
	const most = 10_000
	list, err := commonPasswords()
	if err != nil {
		panic(err) // it is part of the program
	}
	top := make(map[string]bool, most)
	for _, w := range list[:min(len(list), most)] {
		top[w] = true
	}
	return top
})

// attempts counts the passwords or codes that a request tries at once, 0 where
// it is one or they are no logins: a request for GraphQL, a list of JSON-RPC
// calls, a list of forms sent to a place for logins.
func (f *Finder) attempts(x *exchange.Exchange) int {
	if len(f.list) < 2 || x.Request.Method != "POST" {
		return 0
	}
	n := 0
	var seen [64]ID
	for i := range f.list {
		c := &f.list[i]
		if c.Kind != Password && c.Kind != Code || c.Place.Part != InJSON && c.Place.Part != InForm && c.Place.Part != InXML {
			continue
		}
		again := false
		for _, id := range seen[:min(n, len(seen))] {
			again = again || id == c.ID
		}
		if !again || f.login.user != "" { // one password for many accounts is one for each
			if n < len(seen) {
				seen[n] = c.ID
			}
			n++
		}
	}
	if n < 2 {
		return 0
	}
	path, _ := x.PathQuery()
	if makesAccount(path) || !f.graphQL && !authPath(path) && !batchPath(path) {
		return 0
	}
	return n
}

var batchSegments = wordSet("graphql graphiql gql rpc jsonrpc api batch xmlrpc")

func batchPath(path string) bool { return anySegment(path, batchSegments) }

// maxEchoes bounds the codes that are noted of a response.
const maxEchoes = 8

// echo notes a value of a response that may be a one-time code: one that
// stands under a code's name and has a code's form. Under "code" alone stand
// the numbers of errors, too, which are shorter.
func (f *Finder) echo(fd field, value string) {
	if len(f.echoes) >= maxEchoes || !codeShaped(value, false) || fd == fieldCodeWeak && len(value) < 6 {
		return
	}
	f.echoes = append(f.echoes, f.key.id(Code.String(), value))
}
