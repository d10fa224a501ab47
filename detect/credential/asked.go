package credential

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/authtap/authtap/reassembly/exchange"
)

// Question is what a request asks about an account without proving anything.
type Question uint8

// The questions.
const (
	AsksReset  Question = iota + 1 // for a new password
	AsksNew                        // for a new account of that name
	AsksExists                     // whether there is one
)

// Asked is an account that a request names, and what it asks.
type Asked struct {
	Question Question
	// Principal is the name as sent, trimmed; PrincipalID its keyed hash in
	// lower case.
	Principal   string
	PrincipalID ID

	name string // as sent, though Principal be hidden
}

// Typed reports whether one name is the beginning of the other: as when a form
// asks with each letter.
func (a *Asked) Typed(o *Asked) bool {
	return strings.HasPrefix(a.name, o.name) || strings.HasPrefix(o.name, a.name)
}

// Form says how the name is built: what checks the form of a name sees no other
// difference between two of the same.
func (a *Asked) Form() uint8 { return nameForm(a.name) }

// nameForm tells addresses of mail, plain names, and all others.
func nameForm(name string) uint8 {
	if len(name) < 3 || len(name) > 64 {
		return 0
	}
	at := 0
	for i := range len(name) {
		switch c := name[i]; {
		case c == '@':
			at++
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9', c == '.', c == '_', c == '-', c == '+':
		default:
			return 0
		}
	}
	switch _, domain, _ := strings.Cut(name, "@"); {
	case at == 0:
		return 1
	case at == 1 && strings.Contains(domain, "."):
		return 2
	}
	return 0
}

// maxAsked bounds what is read of a body for a name.
const maxAsked = 4 << 10

// askedOf says what the request asks about an account. Where the path has none
// of the words, nothing is read.
func (f *Finder) askedOf(x *exchange.Exchange) *Asked {
	path, query := x.PathQuery()
	var name string
	switch x.Request.Method {
	case "POST", "PUT":
		q := questionOf(path)
		if q == 0 {
			return nil
		}
		m := &x.Request
		if m.Body.Length > 0 && m.Body.Length <= maxAsked && m.Damage.Whole() {
			name = nameIn(m.Body.Bytes)
		}
	case "GET", "HEAD":
		if len(query) < 6 || len(query) > maxAsked || !namesSomebody(query) || questionOf(path) != AsksExists {
			return nil
		}
	default:
		return nil
	}
	if name == "" && query != "" && len(query) <= maxAsked {
		name = nameInQuery(query)
	}
	name = strings.TrimSpace(name)
	if name == "" || len(name) > 256 {
		return nil
	}
	name = strings.Clone(name)
	return &Asked{Question: questionOf(path), Principal: name, PrincipalID: f.key.principal(name), name: name}
}

// namesSomebody is a first look at a query.
func namesSomebody(query string) bool {
	return strings.Contains(query, "mail") || strings.Contains(query, "user") || strings.Contains(query, "login") || strings.Contains(query, "phone")
}

func nameIn(body []byte) (name string) {
	if len(body) > 0 && body[0] == '{' {
		var object map[string]any
		if json.Unmarshal(body, &object) != nil {
			return ""
		}
		// Of several the first by the order of names wins, whatever the map's.
		least := ""
		for k, v := range object {
			s, ok := v.(string)
			if ok && s != "" && identifies(k) && (least == "" || k < least) {
				least, name = k, s
			}
		}
		return name
	}
	return nameInQuery(string(body))
}

func nameInQuery(query string) string {
	for pair := range strings.SplitSeq(query, "&") {
		k, v, _ := strings.Cut(pair, "=")
		if v == "" || !identifies(k) {
			continue
		}
		if s, err := url.QueryUnescape(v); err == nil {
			return s
		}
	}
	return ""
}

// identifies reports a field that names an account.
func identifies(name string) bool {
	if len(name) > 32 {
		return false
	}
	name = strings.Map(func(r rune) rune {
		if r == '_' || r == '-' {
			return -1
		}
		return r
	}, strings.ToLower(name[strings.LastIndexAny(name, ".[")+1:]))
	f := fields[strings.TrimSuffix(name, "]")]
	return f == fieldUser || f == fieldAccount
}

// questionOf says what a path asks: of several the first of these wins, wherever
// its word stands.
func questionOf(path string) (q Question) {
	var buf [maxWord]byte
	for path != "" {
		var word []byte
		word, path = cutWord(&buf, path)
		switch {
		case existence.has(word):
			return AsksExists
		case resets.has(word):
			q = AsksReset
		case q == 0 && registration.has(word):
			q = AsksNew
		}
	}
	return q
}

var (
	resets = wordSet(`forgot forgotpassword passwordforgot forgottenpassword reset resetpassword passwordreset
		requestpasswordreset recover recovery lostpassword passwordrecovery accountrecovery
		vergessen passwortvergessen kennwortvergessen zuruecksetzen passwortzuruecksetzen motdepasseoublie oublie
		olvide recuperar recuperarcontrasena esqueci esquecisenha recuperarsenha passworddimenticata vergeten
		wachtwoordvergeten`)
	existence = wordSet(`exists exist userexists emailexists usernameexists accountexists checkusername checkemail checkuser
		checkaccount availability usernameavailable usernameavailability emailavailable emailavailability isavailable
		validateusername validateemail userlookup accountlookup`)
)
