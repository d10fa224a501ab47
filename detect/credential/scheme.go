package credential

import (
	"strconv"
	"strings"
	"unicode/utf16"
)

// authorization reads the value of an Authorization header (RFC 9110, section
// 11.6.2): a scheme and its credentials, or a bare token.
func (f *Finder) authorization(p Place, v string) {
	if len(v) > 7 && v[6] == ' ' && strings.EqualFold(v[:6], "bearer") && maybeJWT(v[7:]) {
		// By far the most frequent: a token seen before.
		if c := f.cache.get(JWT, v[7:]); c != nil && c.Kind == JWT {
			f.stats.CacheHits++
			f.add(p, *c).Scheme = "bearer"
			return
		}
	}
	v = strings.Trim(v, " \t\r\n")
	word, rest := v, ""
	if i := strings.IndexAny(v, " \t"); i >= 0 {
		word, rest = v[:i], strings.TrimLeft(v[i:], " \t")
	}
	scheme := schemeName(word)
	if scheme == "" {
		f.bare(p, v)
		return
	}
	kind := schemes[scheme]
	if rest == "" {
		if kind == 0 { // one word of no known scheme is a token
			f.bare(p, v)
			return
		}
		f.flawed(p, kind, scheme, "", Empty)
		return
	}
	if f.response && (kind == Basic || kind == Digest || kind == Negotiate || kind == NTLM) {
		return // a challenge that lost its way; nothing is issued in these
	}
	switch kind {
	case Basic:
		f.basic(p, scheme, rest)
	case Digest:
		f.digest(p, scheme, rest)
	case Negotiate, NTLM:
		f.negotiate(p, kind, scheme, rest)
	case Signature:
		f.signature(p, scheme, rest)
	default:
		f.bearer(p, kind, scheme, rest)
	}
}

// schemes are those with a meaning; schemeName gives their names.
var schemes = map[string]Kind{
	"basic": Basic, "digest": Digest, "negotiate": Negotiate, "kerberos": Negotiate, "ntlm": NTLM,
	"bearer": Bearer, "dpop": Bearer, "jwt": Bearer, "oauth": Bearer, "bot": Bearer, "gnap": Bearer,
	"token": APIKey, "apikey": APIKey, "api-key": APIKey, "api_key": APIKey, "x-api-key": APIKey, "ssws": APIKey,
	"key": APIKey, "apitoken": APIKey, "api-token": APIKey, "privatetoken": APIKey, "geniekey": APIKey, "splunk": APIKey,
	"hawk": Signature, "mac": Signature, "aws": Signature, "aws4-hmac-sha256": Signature, "hmac": Signature,
	"hmac-sha1": Signature, "hmac-sha256": Signature, "hmac-sha512": Signature, "signature": Signature,
	"sharedkey": Signature, "sharedkeylite": Signature, "sharedaccesssignature": Signature, "vapid": Bearer,
	"aws4-ecdsa-p256-sha256": Signature, "eg1-hmac-sha256": Signature, "tc3-hmac-sha256": Signature,
	"sdk-hmac-sha256": Signature, "acs3-hmac-sha256": Signature, "goog4-hmac-sha256": Signature, "oss": Signature, "cos": Signature,
}

// schemeName gives the scheme in lower case, "" where the word cannot be one: it
// must not be taken for a scheme, which is shown, when it is a token.
func schemeName(word string) string {
	if len(word) < 2 || len(word) > 24 {
		return ""
	}
	var buf [24]byte
	plain := true
	for i := range len(word) {
		c := word[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c |= 0x20
		case c >= 'a' && c <= 'z', c == '-', c == '_':
		case c >= '0' && c <= '9':
			plain = false
		default:
			return ""
		}
		buf[i] = c
	}
	lower := buf[:len(word)]
	switch string(lower) { // no allocation for the most frequent
	case "bearer":
		return "bearer"
	case "basic":
		return "basic"
	}
	if _, ok := schemes[string(lower)]; ok || plain {
		return string(lower)
	}
	return ""
}

// bare is an Authorization without a scheme: a JWT, a key, or a name and a key.
func (f *Finder) bare(p Place, v string) {
	switch {
	case v == "":
		f.flawed(p, Other, "", "", Empty)
	case f.oddToken(p, v) != nil:
	case strings.HasPrefix(v, "key=") && len(v) > 4:
		f.value(p, APIKey, v[4:])
	case strings.ContainsAny(v, " \t"):
		f.flawed(p, Other, "", v, 0)
	default:
		f.value(p, Bearer, v)
	}
}

func (f *Finder) flawed(p Place, k Kind, scheme, value string, flaw Flaw) {
	if f.response {
		return
	}
	var c Credential
	if value != "" {
		c = *f.known(k, value)
	} else {
		c = Credential{Kind: k, Mask: maskOf(k, ""), ID: f.key.id(k.String(), ""), value: new(string), Guessable: true}
	}
	c.Scheme = scheme
	c.Flaw |= flaw
	f.add(p, c)
}

// bearer is a token after a scheme (RFC 6750, section 2.1): one word, or
// parameters of which token is one (Token token="…").
func (f *Finder) bearer(p Place, k Kind, scheme, v string) {
	var flaw Flaw
	if k == 0 {
		k = Other
	}
	v = strings.Trim(v, "\"")
	if isNull(v) {
		if !f.response {
			f.flawed(p, k, scheme, v, Null)
		}
		return
	}
	if i := strings.IndexAny(v, " \t"); i >= 0 && !strings.ContainsRune(v, '=') {
		// "Bearer Bearer x": servers differ in which word they take.
		flaw = Malformed
		v = strings.TrimSpace(v[i:])
	}
	if strings.ContainsAny(v, "<>{}") && !maybeJWT(v) {
		flaw = Malformed // a template that nobody filled in
	}
	token := v
	if k == APIKey || k == Other || scheme == "vapid" || scheme == "oauth" {
		for _, name := range [...]string{"token", "t", "key", "apikey", "api_key", "auth", "access_token"} {
			if t := parameter(v, name); t != "" {
				token = t
				break
			}
		}
	}
	if scheme == "oauth" && parameter(v, "oauth_signature") != "" { // RFC 5849, section 3.5.1
		f.signature(p, scheme, v)
		return
	}
	if f.response && guessable(token) {
		return
	}
	c := f.oddToken(p, token)
	if c == nil {
		c = f.value(p, k, token)
	}
	c.Scheme = scheme
	c.Flaw |= flaw
}

// basic reads RFC 7617, section 2.
func (f *Finder) basic(p Place, scheme, v string) {
	if c := f.oddToken(p, v); c != nil {
		c.Scheme = scheme
		c.Flaw |= Malformed
		return
	}
	// Servers take the other alphabet and missing padding.
	pair, _, ok := decodeBase64(v)
	user, password, colon := strings.Cut(text(pair), ":")
	if !ok || !colon {
		f.flawed(p, Basic, scheme, v, Malformed)
		return
	}
	f.pair(p, scheme, user, password)
}

// pair reports a user and password that stand together.
func (f *Finder) pair(p Place, scheme, user, password string) {
	c := *f.known(Basic, user+":"+password)
	c.Scheme, c.Principal = scheme, strings.Clone(accountName(user))
	if noPassword(password) && !guessable(user) {
		c.Principal = "" // a key in the place of the name, as payment providers have it
	}
	c.Guessable = guessable(password) && (c.Principal != "" || guessable(user))
	f.add(p, c)
	if !f.response && p.Name != "referer" {
		f.login.scheme(Login{Form: "basic", Principal: c.Principal, Place: p}, password)
	}
	if c := f.token(p, password); c != nil {
		c.Scheme = scheme
	}
}

// accountName gives the name of an account, "" where a token or key stands in
// its place: names are told.
func accountName(s string) string {
	if maybeJWT(s) || vendorShaped(s) {
		return ""
	}
	return s
}

// noPassword reports what stands for a password where the name is the key.
func noPassword(s string) bool {
	switch strings.ToLower(s) {
	case "", "x", "api_token", "api_key", "apikey", "x-oauth-basic", "unused", "none", "null", "token":
		return true
	}
	return false
}

// digest reads RFC 7616, section 3.4.
func (f *Finder) digest(p Place, scheme, v string) {
	user, response := parameter(v, "username"), parameter(v, "response")
	if response == "" {
		f.flawed(p, Digest, scheme, v, Malformed)
		return
	}
	if strings.EqualFold(parameter(v, "userhash"), "true") {
		user = ""
	}
	user = strings.Clone(accountName(user))
	v = strings.Clone(v)
	f.add(p, Credential{
		Kind: Digest, ID: f.key.id("digest", user+"\x00"+parameter(v, "realm")), Mask: maskOf(Digest, response),
		Principal: user, Scheme: scheme, value: &v,
	})
	f.login.scheme(Login{Form: "digest", Principal: user, Place: p}, "")
}

// negotiate reads RFC 4559: NTLM in base64 or, after Negotiate, SPNEGO, which
// may hold NTLM. The first messages of NTLM carry no credential.
func (f *Finder) negotiate(p Place, k Kind, scheme, v string) {
	b, _, ok := decodeBase64(v)
	if !ok || len(b) == 0 {
		f.flawed(p, k, scheme, v, Malformed)
		return
	}
	message := text(b)
	if i := strings.Index(message, "NTLMSSP\x00"); i >= 0 {
		message = message[i:]
		if len(message) < 12 {
			f.flawed(p, NTLM, scheme, v, Malformed)
			return
		}
		if message[8] != 3 { // negotiate or challenge, not authenticate
			return
		}
		user := ntlmUser(message)
		c := *f.known(NTLM, v)
		c.Scheme, c.Principal = scheme, user
		f.add(p, c)
		f.login.scheme(Login{Form: "ntlm", Principal: user, Place: p}, "")
		return
	}
	if k == NTLM {
		f.flawed(p, k, scheme, v, Malformed)
		return
	}
	c := *f.known(Negotiate, v)
	c.Scheme = scheme
	f.add(p, c)
}

// ntlmUser gives DOMAIN\user of an AUTHENTICATE_MESSAGE ([MS-NLMP] 2.2.1.3).
func ntlmUser(m string) string {
	if len(m) < 64 {
		return ""
	}
	wide := m[60]&1 != 0 // NTLMSSP_NEGOTIATE_UNICODE
	field := func(at int) string {
		n := int(m[at]) | int(m[at+1])<<8
		start := int(m[at+4]) | int(m[at+5])<<8 | int(m[at+6])<<16 // more is beyond any header
		if m[at+7] != 0 || n > 512 || start > len(m) || n > len(m)-start {
			return ""
		}
		s := m[start : start+n]
		if !wide {
			return strings.Clone(s)
		}
		u := make([]uint16, 0, n/2)
		for i := 0; i+1 < len(s); i += 2 {
			u = append(u, uint16(s[i])|uint16(s[i+1])<<8)
		}
		return string(utf16.Decode(u))
	}
	domain, user := field(28), field(36)
	if domain == "" || user == "" {
		return user
	}
	return domain + `\` + user
}

// signature reads the schemes that sign a request with a key: AWS4-HMAC-SHA256,
// Hawk, HMAC and the like. Its ID is that of the key's name: the signature is
// another in each request.
func (f *Finder) signature(p Place, scheme, v string) {
	v = strings.Clone(v)
	name := ""
	for _, n := range [...]string{"Credential", "id", "keyId", "oauth_token", "oauth_consumer_key", "client_token", "username", "appid"} {
		if name = parameter(v, n); name != "" {
			break
		}
	}
	if name == "" && !strings.ContainsRune(v, '=') || scheme == "aws" || scheme == "sharedkey" || scheme == "sharedkeylite" {
		name, _, _ = strings.Cut(v, ":") // AWS key:signature
	}
	name, _, _ = strings.Cut(name, "/") // AWS: key/date/region/service
	if len(name) > 128 || name == v {
		name = ""
	}
	id := name
	if id == "" {
		id = v
	}
	f.add(p, Credential{
		Kind: Signature, ID: f.key.id("signature", id), Mask: "…(" + strconv.Itoa(len(v)) + ")", Principal: name, Scheme: scheme, value: &v,
	})
}

// parameter gives an auth-param (RFC 9110, section 11.2), unquoted; "" where it
// is not there.
func parameter(s, name string) string {
	for i := 0; i < len(s); {
		for i < len(s) && (s[i] == ' ' || s[i] == ',' || s[i] == ';' || s[i] == '\t') {
			i++
		}
		start := i
		for i < len(s) && s[i] != '=' && s[i] != ',' && s[i] != ';' {
			i++
		}
		key := strings.TrimSpace(s[start:i])
		if i >= len(s) || s[i] != '=' {
			continue
		}
		i++
		var value string
		if i < len(s) && s[i] == '"' {
			end := i + 1
			for end < len(s) && s[end] != '"' {
				if s[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end, len(s))
			value = s[i+1 : end]
			if strings.IndexByte(value, '\\') >= 0 {
				value = unquotePairs(value)
			}
			i = min(end+1, len(s))
		} else {
			start = i
			for i < len(s) && s[i] != ',' && s[i] != ';' && s[i] != ' ' {
				i++
			}
			value = s[start:i]
		}
		if len(key) == len(name) && strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

// unquotePairs undoes quoted-pair (RFC 9110, section 5.6.4).
func unquotePairs(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		out = append(out, s[i])
	}
	return string(out)
}
