package credential

import (
	"bytes"
	"slices"
	"strings"
	"unsafe"

	"github.com/authtap/authtap/detect/memo"
	"github.com/authtap/authtap/reassembly/exchange"
)

// Options of a Finder. Zero values mean the defaults.
type Options struct {
	// Key makes the IDs.
	Key Key
	// CacheEntries and CacheBytes bound the memory for values seen before:
	// 8192 values, 8 MiB with all that was parsed from them.
	CacheEntries, CacheBytes int
	// MaxCredentials of a message are reported: 64.
	MaxCredentials int
	// MaxDepth of JSON bodies is looked at: 8.
	MaxDepth int
	// SessionCookies are names of cookies that hold a session, in any case,
	// besides those that are known.
	SessionCookies []string
	// Login gives the fields of a request that is a login whatever its fields
	// are called, nil where it is none such.
	Login func(x *exchange.Exchange) *LoginFields
}

func (o *Options) defaults() {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&o.CacheEntries, 8192)
	set(&o.CacheBytes, 8<<20)
	set(&o.MaxCredentials, 64)
	set(&o.MaxDepth, 8)
	o.MaxDepth = min(o.MaxDepth, maxJSONDepth)
}

// Stats counts what a Finder did and what it left out.
type Stats struct {
	Exchanges   uint64
	Credentials uint64 // reported
	Logins      uint64
	// CacheHits and CacheMisses of values; CacheTurns is how often the older
	// half of the cache was let go.
	CacheHits, CacheMisses, CacheTurns uint64

	HeadsDamaged    uint64 // messages whose head has a gap or was cut: not looked at
	BodiesDamaged   uint64 // bodies with a gap: not looked at
	BodiesUndecoded uint64 // bodies in an unknown coding: not looked at
	AtCutEnd        uint64 // values that touch the end of a body that was cut
	TokensRefused   uint64 // tokens too big or too deep to read
	TooDeep         uint64 // JSON bodies nested deeper than MaxDepth
	TooMany         uint64 // credentials beyond MaxCredentials
}

// Finder finds the credentials of exchanges. It belongs to one goroutine.
type Finder struct {
	options Options
	key     *keyed
	cache   cache
	stats   Stats
	// sessions are Options.SessionCookies in lower case.
	sessions map[string]bool

	// The message at hand.
	list     []Credential
	spare    Credential // takes what is too much
	response bool
	login    loginFields
	fields   *LoginFields // of a request that is pinned as a login
	graphQL  bool         // the request holds a GraphQL document
	echoes   []ID
	exposed  []Credential
	json     jsonPath
	within   Part // what holds the JSON at hand, 0 for the body

	// bodies are what is known of bodies that came before, of requests and of
	// responses; body is that of the message at hand, nil where it has none that
	// can be read.
	bodies [2]*memo.Table[bodySeen]
	body   *bodySeen
	sum    memo.Sum
}

// bodySeen is what was not found in a body: most are JSON with no credential.
type bodySeen struct {
	barren  bool // JSON of which the first look promises nothing
	closed  bool // exposures found nothing,
	longest int  // and gave this
}

// NewFinder makes a Finder.
func NewFinder(o Options) *Finder {
	o.defaults()
	f := &Finder{
		options: o,
		key:     newKeyed(o.Key),
		cache:   newCache(o.CacheEntries, o.CacheBytes),
		bodies:  [2]*memo.Table[bodySeen]{memo.New[bodySeen](), memo.New[bodySeen]()},
	}
	for _, name := range o.SessionCookies {
		if f.sessions == nil {
			f.sessions = make(map[string]bool)
		}
		f.sessions[strings.ToLower(name)] = true
	}
	return f
}

// Stats gives the counts so far.
func (f *Finder) Stats() Stats { return f.stats }

// GoOn counts on from s.
func (f *Finder) GoOn(s Stats) { f.stats = s }

// PrincipalID gives the keyed hash of an account's name, case and surrounding
// space apart; zero for an empty one.
func (f *Finder) PrincipalID(name string) ID { return f.key.principal(name) }

// Find gives the credentials of an exchange. What it returns shares no memory
// with the Finder, and holds on to none of the exchange's but for names in heads.
func (f *Finder) Find(x *exchange.Exchange) (found Found) {
	f.stats.Exchanges++
	if f.readable(&x.Request) {
		f.begin(false)
		if f.options.Login != nil {
			f.fields = f.options.Login(x)
		}
		f.requestHeader(&x.Request)
		f.target(x)
		f.content(&x.Request)
		found.RequestSum = f.sum
		found.Login = f.loginOf(x)
		found.Account = f.accountOf(x)
		if found.Login == nil {
			found.Asked = f.askedOf(x)
		}
		if a := found.Account; a != nil && !a.New && found.Asked != nil && found.Asked.Question == AsksReset {
			found.Asked = nil // it comes with the new password, and so with an answer to that question
		}
		if f.login.payload != NoPayload && x.Request.Method == "POST" {
			found.Payload = f.login.payload
		}
		found.Attempts = f.attempts(x)
		found.Ticket = f.ticket()
		found.Request = f.take()
		if found.Login != nil {
			f.stats.Logins++
		}
	}
	if f.readable(&x.Response) {
		f.begin(true)
		f.fields = nil
		f.responseHeader(&x.Response)
		n := len(f.list)
		f.content(&x.Response)
		found.ResponseSum = f.sum
		if len(f.list) == n+1 {
			f.list[n].Alone = oneWord(x.Response.Body.Bytes)
		}
		longest := f.exposures(&x.Response)
		found.Reflected = f.reflected(&found, &x.Response, longest)
		found.Response = f.take()
		found.Echoes = slices.Clone(f.echoes)
		found.Exposed = slices.Clone(f.exposed)
	}
	return found
}

// oneWord reports whether a body is one word, which is no object and no markup.
func oneWord(b []byte) bool {
	b = bytes.TrimSpace(b)
	return len(b) > 0 && !bytes.ContainsAny(b, " \t\r\n{<")
}

// readable reports whether a message's head can be believed. Cut alone does
// not say where: without a byte of body it may have been within the head.
func (f *Finder) readable(m *exchange.Message) bool {
	if !m.Present {
		return false
	}
	if m.Damage&exchange.HeadGap != 0 || m.Damage&exchange.Cut != 0 && m.Body.Length == 0 {
		f.stats.HeadsDamaged++
		return false
	}
	return true
}

func (f *Finder) begin(response bool) {
	clear(f.list)
	f.list, f.response, f.body, f.sum = f.list[:0], response, nil, 0
	f.graphQL, f.echoes = false, f.echoes[:0]
	if !response { // of which nobody asks for a login
		f.login = loginFields{}
	}
	f.json.depth, f.within = 0, 0
	clear(f.exposed)
	f.exposed = f.exposed[:0]
}

func (f *Finder) take() []Credential {
	if len(f.list) == 0 {
		return nil
	}
	f.stats.Credentials += uint64(len(f.list))
	return slices.Clone(f.list)
}

// add reports a credential at p, of which c holds everything else. What it
// returns may be changed until the next call; it is never nil.
func (f *Finder) add(p Place, c Credential) *Credential {
	if len(f.list) >= f.options.MaxCredentials {
		f.stats.TooMany++
		f.spare = c
		return &f.spare
	}
	c.Place = f.placeOf(p)
	f.list = append(f.list, c)
	return &f.list[len(f.list)-1]
}

// placeOf gives a place as it is told: of JSON, the path to it, and where
// the JSON itself stands if that is not the body.
func (f *Finder) placeOf(p Place) Place {
	name := placeName(p.Name)
	if p.Part == InJSON {
		if path := f.json.name(); name == "" || path == "" {
			name = path + name
		} else {
			name = path + "." + name
		}
		if f.within != 0 {
			p.Part = f.within
		}
	}
	switch p.Part {
	case InForm, InJSON, InMultipart, InXML, InBody:
		name = strings.Clone(name) // a body's memory is used again
	}
	return Place{p.Part, name}
}

// placeName keeps what is a name. Text from traffic may hold a secret where a
// name should be, or be very long.
func placeName(s string) string {
	const most = 64
	if len(s) <= 20 {
		return s
	}
	if strings.Contains(s, "eyJ") || vendorShaped(s) || len(s) > 32 && !guessable(s) && entropy(s) > 4 {
		return ""
	}
	if len(s) > most {
		return s[:most]
	}
	return s
}

// named looks at a value that stands under a name with a meaning, or (fd is
// noField) that may be a JWT by its looks.
func (f *Finder) named(p Place, fd field, value string) {
	value = strings.Trim(value, " \t\r\n\"")
	if value == "" || isNull(value) {
		if p.Part == InHeader && !f.response && value != "" && fd.kind().Access() {
			f.value(p, fd.kind(), value)
		}
		return
	}
	if fd == fieldAuthorization {
		if p.Part == InHeader || strings.IndexByte(value, ' ') >= 0 || maybeJWT(value) || !guessable(value) {
			f.authorization(p, value)
		}
		return
	}
	if f.loginField(p, fd, value) {
		return
	}
	if len(value) > 7 && value[6] == ' ' && strings.EqualFold(value[:6], "bearer") {
		value = strings.TrimSpace(value[7:])
	}
	if fd != fieldPassword && fd != fieldNewPassword && f.token(p, value) != nil {
		return
	}
	kind := fd.kind()
	if kind == 0 {
		if fd == noField && !f.response && vendorShaped(value) {
			f.value(p, APIKey, value)
		}
		return
	}
	loose := false
	switch fd {
	case fieldLooseToken, fieldLooseKey, fieldSignature:
		loose = true
	case fieldSession:
		loose = p.Part != InHeader && p.Part != InCookie
	case fieldPassword, fieldNewPassword, fieldCode, fieldSecret:
		if f.response && fd == fieldCode {
			f.echo(fd, value)
		}
		if f.response || fd == fieldCode && len(value) > 256 {
			if f.response && fd == fieldPassword {
				f.exposedPassword(p, fd, value)
			}
			return
		}
	case fieldHash:
		if f.response {
			f.exposedPassword(p, fd, value)
		}
		return
	case fieldCodeWeak:
		return // loginOf and target decide, who see what stands beside it
	}
	if f.response && (fd == fieldLooseToken || fd == fieldLooseKey || fd == fieldSignature) {
		return
	}
	if (loose || f.response) && p.Part != InCookie && guessable(value) {
		return
	}
	if fd == fieldPassword || fd == fieldSecret {
		f.attack(fd, payloadOf(value))
	}
	c := f.value(p, kind, value)
	f.login.took(fd, c)
}

// token reports value if it is a JWT, else gives nil.
func (f *Finder) token(p Place, value string) *Credential {
	if !maybeJWT(value) {
		return nil
	}
	return f.oddToken(p, value)
}

// oddToken also takes a header that begins with white space: for positions
// that promise a token.
func (f *Finder) oddToken(p Place, value string) *Credential {
	if strings.IndexByte(value, '.') < 0 {
		return nil
	}
	c := f.known(JWT, value)
	if c.Kind != JWT {
		return nil
	}
	return f.add(p, *c)
}

// value reports a value as a credential of that kind.
func (f *Finder) value(p Place, k Kind, value string) *Credential {
	switch k {
	case Password, Code, ClientSecret:
		// Not kept in memory any longer than their message.
		return f.add(p, f.parse(k, strings.Clone(value)))
	}
	return f.add(p, *f.known(k, value))
}

// known gives what a value of that kind is, without its place, from the cache
// if it is there. Of Kind JWT it may turn out to be none: then Kind is 0.
func (f *Finder) known(k Kind, value string) *Credential {
	if c := f.cache.get(k, value); c != nil {
		f.stats.CacheHits++
		return c
	}
	f.stats.CacheMisses++
	value = strings.Clone(value)
	c := f.parse(k, value)
	f.stats.CacheTurns += f.cache.put(k, value, &c)
	return &c
}

func (f *Finder) parse(k Kind, value string) Credential {
	if k == JWT {
		t, why := parseToken(f.key, value)
		if t == nil {
			if why == tooBig {
				f.stats.TokensRefused++
			}
			return Credential{}
		}
		return Credential{Kind: JWT, ID: f.key.id("jwt", value), Mask: maskOf(JWT, value), Principal: t.Principal(), JWT: t, value: &value, run: int32(longestRun(value))}
	}
	c := Credential{Kind: k, ID: f.key.id(k.String(), value), Mask: maskOf(k, value), Guessable: guessable(value), value: &value, run: int32(longestRun(value))}
	switch k {
	case Bearer, APIKey, Other, ClientSecret:
		c.vendor = vendorOf(value)
	}
	if isNull(value) {
		c.Flaw |= Null
	}
	return c
}

// isNull reports what programs send that had no value.
func isNull(s string) bool {
	switch len(s) {
	case 3:
		return strings.EqualFold(s, "nil") || s == "NaN"
	case 4:
		return strings.EqualFold(s, "null") || strings.EqualFold(s, "none")
	case 6:
		return s == "(null)" || s == "[null]"
	case 9:
		return strings.EqualFold(s, "undefined")
	case 15:
		return s == "[object Object]"
	}
	return false
}

// text views bytes as a string without a copy. The bytes of an Exchange do not
// change; what is kept of them is cloned.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
