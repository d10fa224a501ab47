package detect

import (
	"slices"
	"strings"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/issuer"
	"github.com/authtap/authtap/reassembly/exchange"
)

// Tokens gives the JSON Web Tokens that the request presents, each once. One
// in a Referer was not sent to be let in, and one with bytes missing says
// nothing. The list is valid until the next exchange.
func (p *Pass) Tokens() []*credential.Credential {
	if p.ins.Has&PresentedJWT == 0 {
		return nil
	}
	t := &p.engine.tokens
	if !t.presentedKnown {
		t.presentedKnown = true
		for i, list := 0, p.Presented(); i < len(list); i++ {
			c := &list[i]
			again := slices.ContainsFunc(list[:i], func(o credential.Credential) bool { return o.ID == c.ID && !inReferer(&o) })
			if c.JWT != nil && !again && !inReferer(c) && intact(&p.ins.Exchange.Request, c) {
				t.presented = append(t.presented, c)
			}
		}
	}
	return t.presented
}

// IssuedTokens gives the JSON Web Tokens that the server issues. An answer that
// repeats what the request held issues nothing, and neither does a refusal, or
// a text with a token in it. The list is valid until the next exchange.
func (p *Pass) IssuedTokens() []*credential.Credential {
	x := p.ins.Exchange
	if p.ins.Has&IssuedJWT == 0 || x.Response.Status >= 400 || !x.Request.Present {
		return nil
	}
	t := &p.engine.tokens
	if !t.issuedKnown {
		t.issuedKnown = true
		for i, list := 0, p.Issued(); i < len(list); i++ {
			c := &list[i]
			if c.JWT != nil && intact(&x.Response, c) && forUse(c) && !p.Presents(c.ID) {
				t.issued = append(t.issued, c)
			}
		}
	}
	return t.issued
}

// Presents reports whether the request holds that credential.
func (p *Pass) Presents(id credential.ID) bool {
	for i, list := 0, p.Presented(); i < len(list); i++ {
		if list[i].ID == id {
			return true
		}
	}
	return false
}

// forUse reports whether a token stands where a client takes one from: under a
// name that says so, or as all that the answer holds.
func forUse(c *credential.Credential) bool {
	switch c.Place.Part {
	case credential.InJSON, credential.InForm, credential.InMultipart, credential.InXML, credential.InBody:
		name := strings.ToLower(c.Place.Name[strings.LastIndexByte(c.Place.Name, '.')+1:])
		for _, w := range [...]string{"token", "jwt", "bearer", "auth", "session", "access", "credential"} {
			if strings.Contains(name, w) {
				return true
			}
		}
		return c.Alone
	}
	return true
}

func inReferer(c *credential.Credential) bool {
	return c.Place.Part == credential.InHeader && c.Place.Name == "referer"
}

// intact reports whether no byte of the credential can be missing. That others
// came in its place later does not hide it: the verdict is unknown then.
func intact(m *exchange.Message, c *credential.Credential) bool {
	d := m.Damage &^ exchange.Conflicting
	switch c.Place.Part {
	case credential.InForm, credential.InJSON, credential.InMultipart, credential.InXML, credential.InBody:
	default:
		if m.Body.Length > 0 {
			d &^= exchange.BodyGap | exchange.Cut // what is missing comes behind
		}
	}
	return d.Whole()
}

// tokens are those of the exchange at hand, and a memory of those that were
// shown to the detectors. A token comes with every request of its session, and
// most have nothing to tell but the first time: who was silent then is asked
// again when the token comes to another kind of place or has another outcome,
// and after Reshow.
type tokens struct {
	presented, issued           []*credential.Credential
	presentedKnown, issuedKnown bool

	shown   [4096][4]shownToken
	suspect bool // of the exchange's tokens, as far as they were shown
}

// shownToken says which detectors reported a token.
type shownToken struct {
	what     uint64 // hash of the token and how it came
	until    capture.Time
	reported uint64 // a bit a detector
}

// showing is one detector's look at one token.
type showing struct {
	at   *shownToken
	what uint64
	bit  uint64
}

// reported remembers that the detector has something to say of the token, now
// or later.
func (s *showing) reported() {
	if s.at != nil && s.at.what == s.what {
		s.at.reported |= s.bit
	}
}

// Reshow is the packet time after which a detector's Token sees a token again
// that it had nothing to say of.
const Reshow = time.Minute

func (t *tokens) next() {
	clear(t.presented)
	clear(t.issued)
	t.presented, t.issued, t.presentedKnown, t.issuedKnown = t.presented[:0], t.issued[:0], false, false
	t.suspect = false
}

// at gives the place of a token, and whether it was shown already. Of four that
// fall together the one shown first makes room.
func (t *tokens) at(what uint64, now capture.Time) (seen *shownToken, again bool) {
	set := &t.shown[what%uint64(len(t.shown))]
	seen = &set[0]
	for i := range set {
		s := &set[i]
		if s.what == what {
			seen, again = s, now < s.until
			break
		}
		if s.until < seen.until {
			seen = s
		}
	}
	if !again {
		*seen = shownToken{what: what, until: now.Add(Reshow)}
	}
	return seen, again
}

// showTokens shows the exchange's tokens to those who look at tokens.
func (e *Engine) showTokens(p *Pass) {
	for _, c := range p.IssuedTokens() {
		e.showToken(p, c, true)
	}
	for _, c := range p.Tokens() {
		e.showToken(p, c, false)
	}
}

func (e *Engine) showToken(p *Pass, c *credential.Credential, issued bool) {
	what := tokenKey(p, c, issued)
	now := p.Now()
	seen, again := e.tokens.at(what, now)
	for i, d := range e.onTokens {
		if bit := uint64(1) << i; !again || i >= 64 || d.Attempt && seen.reported&bit != 0 {
			p.look(d)
			p.showing = showing{seen, what, bit}
			d.Token(p, c, issued)
			e.tokens.suspect = e.suspect
		}
	}
	p.showing = showing{}
	if !again && (issued || !e.suspect && c.Access() && p.outcome == endpoint.Success && p.Discriminates() && p.ins.Answer.Marks&endpoint.Damaged == 0) {
		e.issuers.Saw(&issuer.Sighting{Token: c.JWT, ID: c.ID, Host: p.ins.Host, Client: p.ins.Client, Issued: issued, Time: now})
		if e.ledgers != nil {
			e.ledgers.signed(p, c.JWT, issued)
		}
	}
}

// tokenKey names a token and what a detector may make a difference of. The ID
// is a keyed hash, so nobody can make two tokens meet.
func tokenKey(p *Pass, c *credential.Credential, issued bool) uint64 {
	h := uint64(c.Place.Part)<<8 | uint64(p.outcome)<<4
	if issued {
		h |= 1
	}
	if p.outcome == endpoint.Success && p.Discriminates() {
		h |= 2
	}
	if p.Login() != nil {
		h |= 4
	}
	for i := range len(c.Place.Name) {
		h = (h ^ uint64(c.Place.Name[i])) * 0x100000001b3
	}
	for i := range len(p.ins.Host) {
		h = (h ^ uint64(p.ins.Host[i])) * 0x100000001b3
	}
	h ^= h >> 29
	return h*0xbf58476d1ce4e5b9 ^ c.ID.Uint64()
}
