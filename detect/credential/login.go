package credential

import (
	"strings"

	"github.com/authtap/authtap/reassembly/exchange"
)

// loginFields is what a request has that a login is made of.
type loginFields struct {
	// user of the strongest identifier; weakUser of account, phone; beside is
	// the value that stands before the password under a name that says nothing.
	user, weakUser, beside string
	ticket                 string // the first long value under such a name
	before                 string // of multipart/form-data: the last value of that kind
	clientID               string
	grant                  string
	verifier               bool
	payload                Payload
	newPassword            bool
	// The secrets, each with what was reported of it.
	password, secret, code, clientSecret, refresh secretField
	fresh                                         secretField // the password that is set
	weakCode                                      string      // a field named code, not reported yet
	weakCodePlace                                 Place
	// auth is a login by the Authorization header, pass its password.
	auth *Login
	pass string
}

type secretField struct {
	place Place
	id    ID
	value string
}

func (s *secretField) set() bool { return !s.id.IsZero() }

// loginField takes a field that is no credential but names one's owner; it
// reports whether it did.
func (f *Finder) loginField(p Place, fd field, value string) bool {
	if f.response || p.Part == InHeader || p.Part == InCookie || p.Part == InFragment {
		if fd == fieldCodeWeak && f.response && p.Part == InJSON {
			f.echo(fd, value)
		}
		return fd == fieldUser || fd == fieldAccount || fd == fieldClientID || fd == fieldGrant || fd == fieldVerifier
	}
	l := &f.login
	keep := func(to *string) {
		if *to == "" && len(value) <= 256 {
			*to = accountName(strings.TrimSpace(value))
		}
	}
	if fd == fieldUser {
		f.attack(fd, payloadOf(value))
	}
	switch fd {
	case fieldUser:
		keep(&l.user)
	case fieldAccount:
		keep(&l.weakUser)
	case fieldClientID:
		keep(&l.clientID)
	case fieldGrant:
		keep(&l.grant)
	case fieldVerifier:
		l.verifier = value != ""
	case fieldCodeWeak:
		if l.weakCode == "" && len(value) <= 2048 {
			l.weakCode, l.weakCodePlace = value, f.placeOf(p)
		}
	default:
		return false
	}
	return true
}

// took notes a secret that was reported.
func (l *loginFields) took(fd field, c *Credential) {
	if c.value == nil || c.Place.Part == InHeader || c.Place.Part == InCookie {
		return
	}
	set := func(s *secretField) {
		if !s.set() {
			*s = secretField{c.Place, c.ID, *c.value}
		}
	}
	switch fd {
	case fieldPassword:
		set(&l.password)
	case fieldNewPassword:
		l.newPassword = true
		set(&l.fresh)
	case fieldSecret:
		set(&l.secret)
	case fieldCode:
		set(&l.code)
	case fieldClientSecret:
		set(&l.clientSecret)
	case fieldRefresh:
		set(&l.refresh)
	}
}

// scheme notes a login by an Authorization header.
func (l *loginFields) scheme(login Login, password string) {
	if l.auth == nil {
		l.auth, l.pass = &login, password
	}
}

// loginOf says whether the request is a login attempt.
func (f *Finder) loginOf(x *exchange.Exchange) *Login {
	l := &f.login
	if l.auth == nil && l.grant == "" && !l.password.set() && !l.secret.set() && !l.code.set() && !l.refresh.set() && l.weakCode == "" {
		return nil
	}
	method := x.Request.Method
	path, _ := x.PathQuery()
	if l.grant == "" && l.refresh.set() && f.fields == nil && (method == "POST" || method == "PUT") && refreshes(path) {
		l.grant = "refresh_token" // which APIs of their own leave out
	}
	if l.grant != "" {
		return f.grantLogin()
	}
	if login := f.fieldLogin(method, path); login != nil {
		return login
	}
	if l.auth == nil {
		return nil
	}
	login := l.auth
	if login.Form == "basic" {
		if method == "POST" && clientEndpoint(path) {
			login.Form = "oauth:client"
		}
		login.Password = f.key.id("password", l.pass)
		if login.Form == "basic" {
			login.Which, login.Default = defaultPair(login.Principal, l.pass)
			login.Common = common(l.pass)
		}
	}
	login.PrincipalID = f.key.principal(login.Principal)
	return login
}

// fieldLogin is a login by fields: an identifier and a secret in a POST or PUT,
// or a password in a query, whatever the method.
func (f *Finder) fieldLogin(method, path string) *Login {
	l := &f.login
	body := method == "POST" || method == "PUT"
	if f.fields != nil {
		return f.pinnedLogin()
	}
	if l.newPassword || body && makesAccount(path) {
		f.keepCode(path, l.newPassword && codeShaped(l.weakCode, false)) // what a mail brought
		return nil
	}
	user := l.user
	if user == "" {
		user = l.weakUser
	}
	var s *secretField
	switch {
	case user == "" && body && l.password.set() && (LoginPath(path) || anySegment(path, sessions)):
		// A form in another language, or one that asks for a password alone.
		user, s = l.beside, &l.password
	case user == "":
	case l.password.set():
		s = &l.password
	case l.secret.set():
		s = &l.secret
	case l.code.set():
		s = &l.code
	}
	codeIsSecret := user != "" && s == nil && body && codeShaped(l.weakCode, authPath(path))
	c := f.keepCode(path, codeIsSecret)
	if codeIsSecret && c != nil {
		s = &secretField{c.Place, c.ID, *c.value}
	}
	if s == nil {
		return nil
	}
	form := formOf(s.place)
	if form == "" || form == "query" && s != &l.password || form != "query" && !body {
		return nil
	}
	login := &Login{Form: form, Principal: strings.Clone(user), PrincipalID: f.key.principal(user), NameForm: nameForm(user), Password: s.id, Place: s.place, OneTime: codeIsSecret || s == &l.code}
	if s == &l.password {
		login.Which, login.Default = defaultPair(user, s.value)
		login.Common = common(s.value)
	}
	return login
}

// pinnedLogin is one whose fields are known.
func (f *Finder) pinnedLogin() *Login {
	l := &f.login
	s := &l.password
	form := formOf(s.place)
	if !s.set() || form == "" || l.user == "" && f.fields.User != "" {
		return nil
	}
	login := &Login{
		Form: form, Principal: strings.Clone(l.user), PrincipalID: f.key.principal(l.user), NameForm: nameForm(l.user),
		Password: s.id, Place: s.place,
		OneTime: f.fields.OneTime, Common: common(s.value),
	}
	login.Which, login.Default = defaultPair(l.user, s.value)
	return login
}

// formOf names what carries a login whose secret stands there.
func formOf(p Place) string {
	switch p.Part {
	case InQuery:
		return "query"
	case InForm:
		return "form"
	case InJSON:
		return "json"
	case InMultipart:
		return "multipart"
	case InXML:
		return "xml"
	}
	return ""
}

// keepCode reports the field named code, where it is one: told by oneTime, by
// the path or by its looks.
func (f *Finder) keepCode(path string, oneTime bool) *Credential {
	l := &f.login
	if l.weakCode == "" || !oneTime && !(authPath(path) && codeShaped(l.weakCode, true)) && guessable(l.weakCode) {
		return nil
	}
	p := l.weakCodePlace
	c := f.parse(Code, strings.Clone(l.weakCode))
	if len(f.list) >= f.options.MaxCredentials {
		f.stats.TooMany++
		return nil
	}
	c.Place = p
	f.list = append(f.list, c)
	return &f.list[len(f.list)-1]
}

// grantLogin is an OAuth token request (RFC 6749, sections 4 and 6). Grants
// that poll or exchange (device_code, token-exchange) are no login attempts.
func (f *Finder) grantLogin() *Login {
	l := &f.login
	login := &Login{Form: "oauth:" + l.grant, Client: l.clientID, Verifier: l.verifier, ClientAuth: l.clientSecret.set() || f.asserts()}
	if l.auth != nil && l.auth.Form == "basic" {
		login.ClientAuth = l.pass != ""
		if login.Client == "" {
			login.Client = l.auth.Principal
		}
	}
	login.Client = strings.Clone(login.Client)
	var s *secretField
	switch l.grant {
	case "password":
		login.Principal, s = l.user, &l.password
		if l.password.set() {
			login.Which, login.Default = defaultPair(l.user, l.password.value)
			login.Common = common(l.password.value)
		}
	case "client_credentials":
		login.Principal, s = l.clientID, &l.clientSecret
		if l.auth != nil && l.auth.Form == "basic" {
			login.Principal = l.auth.Principal
			s = &secretField{l.auth.Place, f.key.id(ClientSecret.String(), l.pass), ""}
		}
	case "refresh_token":
		s = &l.refresh
	case "authorization_code":
		if c := f.keepCode("", true); c != nil {
			l.code = secretField{c.Place, c.ID, ""}
		}
		s = &l.code
	default:
		return nil
	}
	login.Principal = strings.Clone(login.Principal)
	login.PrincipalID = f.key.principal(login.Principal)
	login.Password, login.Place = s.id, s.place
	return login
}

// asserts reports whether the client proves who it is by a signed assertion
// (RFC 7523, section 2.2).
func (f *Finder) asserts() bool {
	for i := range f.list {
		if strings.EqualFold(f.list[i].Place.Name, "client_assertion") {
			return true
		}
	}
	return false
}

// anySegment reports whether a path segment is among those words.
func anySegment(path string, of *words) bool {
	var buf [maxWord]byte
	for path != "" {
		var word []byte
		if word, path = cutWord(&buf, path); of.has(word) {
			return true
		}
	}
	return false
}

// cutWord gives the first segment of a path, in lower case and without its
// separators and extension; nothing of one that is longer than any word.
func cutWord(buf *[maxWord]byte, path string) (word []byte, rest string) {
	segment, rest, _ := strings.Cut(path, "/")
	if len(segment) > maxWord {
		return nil, rest
	}
	n := 0
	for i := range len(segment) {
		c := segment[i]
		if c == '-' || c == '_' {
			continue
		}
		if c == '.' || c == ';' { // .php, ;jsessionid=
			break
		}
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		buf[n] = c
		n++
	}
	return buf[:n], rest
}

// maxWord is how long a word of words may be.
const maxWord = 32

// words is a set of words. Most segments of a path are in none of them, which
// length and first letter tell.
type words struct {
	set   map[string]bool
	first [maxWord + 1]uint32 // by length, a bit for each letter
}

func wordSet(s string) *words {
	w := &words{set: make(map[string]bool)}
	for _, word := range strings.Fields(s) {
		w.set[word] = true
		w.first[len(word)] |= 1 << (word[0] & 31)
	}
	return w
}

func (w *words) has(word []byte) bool {
	return len(word) > 0 && w.first[len(word)]>>(word[0]&31)&1 == 1 && w.set[string(word)]
}

var (
	registration = wordSet(`register registration signup createaccount enroll newaccount newuser createuser adduser
		registrieren registrierung kontoanlegen inscription sinscrire registro registrarse registrar cadastro cadastrar
		registrazione iscriviti registreren rejestracja`)
	collections  = wordSet("users accounts customers members admins employees people benutzer konten kunden utilisateurs usuarios")
	authSegments = wordSet(`login signin logon auth authenticate authentication authorize session sessions token tokens
		verify verification otp mfa 2fa totp sso oauth oauth2 openid challenge confirm password reset passwordreset
		forgotpassword resetpassword passwordless twofactor secondfactor`)
	refreshing      = wordSet("refresh refreshtoken refreshtokens tokenrefresh renew renewal token tokens")
	ending          = wordSet("logout signout logoff signoff revoke revocation introspect introspection invalidate")
	sessions        = wordSet("session sessions sitzung sitzungen sesion sesiones sessao")
	clientEndpoints = wordSet("introspect introspection revoke revocation par")
)

// loginWords are parts of the names that a path has where people log in, in the
// languages of Europe.
var loginWords = strings.Fields(`login signin sign-in sign_in logon log-in log_in anmeld einlogg connexion connecter
	identification autentic iniciar acceso ingresar accedi entrar inlogg aanmelden logowan zaloguj
	prihlas giris kirjaudu bejelentkez autentific`)

// LoginPath reports a path on which people log in: one of the words begins a
// word of it ("design-in" has none), but for "login", which may stand anywhere.
func LoginPath(path string) bool {
	path = path[:min(len(path), 128)]
	lower := strings.ToLower(path)
	if len(lower) != len(path) {
		path = lower
	}
	for _, w := range loginWords {
		for at := 0; ; {
			i := strings.Index(lower[at:], w)
			if i < 0 {
				break
			}
			at += i
			if w == "login" || at == 0 || lower[at-1] < 'a' || lower[at-1] > 'z' || path[at] != lower[at] {
				return true
			}
			at += len(w)
		}
	}
	return false
}

// stoodBeside notes the value before the password, which is most often the
// account's name.
func (l *loginFields) stoodBeside(value string) {
	if l.beside == "" && len(value) <= 64 && guessable(value) {
		l.beside = accountName(strings.TrimSpace(value))
	}
}

// mayBeTicket notes a value that may stand for the transaction at hand.
func (l *loginFields) mayBeTicket(name, value string) {
	if l.ticket != "" || len(value) < 16 || len(value) > 512 || len(name) > 64 {
		return
	}
	name = strings.ToLower(name)
	for _, w := range ticketWords {
		if strings.Contains(name, w) {
			l.ticket = value
			return
		}
	}
}

// ticketWords are parts of names of what lasts from the first step of a login
// to the last. A tenant's number would be everybody's.
var ticketWords = strings.Fields(`challenge transaction txn trx flow ticket state handle attempt verif mfa otp auth login
	signin interaction request nonce session`)

// ticket names what the code of the request belongs to.
func (f *Finder) ticket() (id ID) {
	l := &f.login
	name, t := l.user, l.ticket
	if name == "" && (t == "" || guessable(t)) {
		return id
	}
	for i := range f.list {
		switch {
		case f.list[i].Kind != Code:
		case name != "":
			return f.key.principal(name)
		default:
			return f.key.id("ticket", t)
		}
	}
	return id
}

// makesAccount reports a path on which accounts are made: one with a segment of
// registration, or that ends in a collection of people.
func makesAccount(path string) bool {
	last := strings.TrimRight(path, "/")
	return anySegment(path, registration) || anySegment(last[strings.LastIndexByte(last, '/')+1:], collections)
}

func authPath(path string) bool { return anySegment(path, authSegments) }

// refreshes reports a path at which a refresh token is exchanged for new ones,
// and not ended.
func refreshes(path string) bool {
	return anySegment(path, refreshing) && !anySegment(path, ending)
}

// clientEndpoint reports OAuth endpoints at which clients authenticate without
// a grant_type: introspection (RFC 7662), revocation (RFC 7009), PAR (RFC 9126).
func clientEndpoint(path string) bool {
	path = strings.TrimRight(path, "/")
	return anySegment(path[strings.LastIndexByte(path, '/')+1:], clientEndpoints)
}

// codeShaped reports a value that a person copies from a message: 4 to 8
// digits, or where logins are made, up to 12 letters and digits.
func codeShaped(s string, auth bool) bool {
	digits, other := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c|0x20 >= 'a' && c|0x20 <= 'z', c == '-':
			other++
		default:
			return false
		}
	}
	if other == 0 {
		return digits >= 4 && digits <= 8
	}
	return auth && digits > 0 && len(s) <= 12
}
