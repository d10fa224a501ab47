package credential

import (
	"math"
	"strconv"
	"strings"

	"github.com/authtap/authtap/capture"
)

// Moment is a NumericDate (RFC 7519, section 2): seconds since 1970.
type Moment struct {
	// At is the time, when Set. Those out of range are the nearest that fit.
	At  capture.Time
	Set bool
	// Millis: the number is that of milliseconds (or a smaller unit), which At
	// takes it for. Read as seconds, as the standard says, it lies thousands of
	// years ahead.
	Millis bool
	// Odd: the member is there, but as text, or as something that is no number
	// (then Set is false).
	Odd bool
}

// millisFrom is where a number of seconds is one of milliseconds instead: in
// seconds it is the year 5138, in milliseconds 1973.
const millisFrom = 1e11

func moment(kind lexeme, raw string) (m Moment) {
	text := raw
	if kind == jsonString {
		m.Odd = true
		text = strings.TrimSpace(unescape(raw))
	}
	v, err := strconv.ParseFloat(text, 64)
	if kind != jsonNumber && kind != jsonString || err != nil && !math.IsInf(v, 0) || math.IsNaN(v) {
		m.Odd = true
		return m
	}
	m.Set = true
	whole, fraction := math.Modf(v)
	for whole >= millisFrom && !math.IsInf(whole, 1) {
		m.Millis = true
		whole, fraction = math.Modf(whole / 1000)
	}
	switch {
	case whole >= math.MaxInt64/1e9:
		m.At = math.MaxInt64
	case whole <= math.MinInt64/1e9:
		m.At = math.MinInt64
	default:
		m.At = capture.Time(int64(whole)*1e9 + int64(fraction*1e9))
	}
	return m
}

// readClaims reads the payload; claims says whether it has a registered one
// (RFC 7519, section 4.1).
func (t *Token) readClaims(b string) (claims bool, why refusal) {
	if len(b) == 0 {
		return false, isToken
	}
	why = t.members(b, func(key string, kind lexeme, raw string) {
		text := ""
		if kind == jsonString {
			text = unescape(raw)
		} else if kind == jsonNumber {
			text = raw
		}
		switch key {
		case "iss":
			t.Issuer, claims = text, true
		case "sub":
			t.Subject, claims = text, true
		case "aud":
			t.Audience, claims = textList(kind, raw), true
		case "exp":
			t.Expires, claims = moment(kind, raw), true
		case "nbf":
			t.NotBefore, claims = moment(kind, raw), true
		case "iat":
			t.IssuedAt, claims = moment(kind, raw), true
		case "jti":
			t.JTI, claims = text, true
		case "auth_time":
			t.Authenticated = moment(kind, raw)
		case "azp", "client_id":
			t.ClientID = text
		case "scope", "scp":
			t.Scope = strings.Join(textList(kind, raw), " ")
		case "preferred_username", "username", "upn":
			t.PreferredName = text
		case "email":
			t.Email = text
		case "token_use":
			t.TokenUse = text
		case "typ", "token_type", "type", "use":
			t.TypeClaim = text
		case "nonce":
			t.HasNonce = true
		case "at_hash", "c_hash":
			t.HasTokenHash = true
		case "cnf":
			t.Thumbprint, t.ProvenByDPoP = confirmation(kind, raw)
		}
	})
	return claims, why
}

// confirmation gives the thumbprint that a token is bound to (RFC 9449, section
// 6.1; RFC 8705, section 3.1), and whether it is the former's.
func confirmation(kind lexeme, raw string) (thumbprint string, dpop bool) {
	if kind == jsonObject {
		new(Token).members(raw, func(key string, kind lexeme, raw string) {
			if kind == jsonString && (key == "jkt" || key == "x5t#S256") {
				thumbprint, dpop = unescape(raw), key == "jkt"
			}
		})
	}
	return thumbprint, dpop
}

// textList gives a string, or the strings of a list; at most 64.
func textList(kind lexeme, raw string) []string {
	switch kind {
	case jsonString:
		return []string{unescape(raw)}
	case jsonNumber:
		return []string{raw}
	case jsonArray:
		var list []string
		for l := (lexer{b: raw}); len(list) < 64; {
			switch l.next() {
			case jsonEnd:
				return list
			case jsonString:
				list = append(list, unescape(l.b[l.start:l.end]))
			}
		}
		return list
	}
	return nil
}

// members calls visit for each member of the JSON object b. raw is a string's
// inside, or all of another value. It marks what is odd and says whether b is
// an object within the bounds.
func (t *Token) members(b string, visit func(key string, kind lexeme, raw string)) refusal {
	l := lexer{b: b}
	if l.next() != jsonObject {
		return notToken
	}
	var few [16]string
	seen := few[:0]
	var many map[string]bool
	for {
		switch l.next() {
		case jsonClose:
			if l.next() != jsonEnd || l.cut || l.odd {
				t.OddJSON = true
			}
			return isToken
		case jsonKey:
		case jsonEnd:
			return notToken
		default:
			return notToken
		}
		key := unescape(b[l.start:l.end])
		if many[key] {
			t.DuplicateKeys = true
		}
		for _, s := range seen {
			t.DuplicateKeys = t.DuplicateKeys || s == key
		}
		if len(seen) < len(few) {
			seen = append(seen, key)
		} else {
			if many == nil {
				many = map[string]bool{}
			}
			if many[key] = true; len(many)+len(few) > maxTokenKeys {
				return tooBig
			}
		}
		switch kind := l.next(); kind {
		case jsonString, jsonNumber, jsonWord:
			visit(key, kind, b[l.start:l.end])
		case jsonObject, jsonArray:
			start := l.i - 1
			for depth := 2; depth > 1; {
				switch l.next() {
				case jsonObject, jsonArray:
					if depth++; depth > maxTokenDepth {
						return tooBig
					}
				case jsonClose:
					depth--
				case jsonEnd:
					return notToken
				}
			}
			visit(key, kind, b[start:l.i])
		default:
			return notToken
		}
	}
}

// Use is what a token is for.
type Use uint8

// The uses. Most tokens do not tell theirs.
const (
	UseUnknown Use = iota
	UseAccess
	UseRefresh
	UseID
	UseProof // DPoP, key binding, client assertion: it proves a key
	UseOther // logout tokens, security events, request objects
)

// Use tells the token's use from typ (RFC 8725, section 3.11; RFC 9068, section
// 2.1), from what issuers put into token_use, typ or token_type, and from the
// claims of ID tokens (OpenID Connect Core, section 3.1.3.6).
func (t *Token) Use() Use {
	typ := t.mediaType()
	switch typ {
	case "at+jwt":
		return UseAccess
	case "rt+jwt", "refresh", "refresh+jwt":
		return UseRefresh
	case "dpop+jwt", "kb+jwt", "openid4vci-proof+jwt", "client-authentication+jwt":
		return UseProof
	case "logout+jwt", "secevent+jwt", "oauth-authz-req+jwt", "token-introspection+jwt", "entity-statement+jwt":
		return UseOther
	}
	for _, s := range [...]string{t.TokenUse, t.TypeClaim} {
		switch strings.ToLower(s) {
		case "access", "bearer", "access_token", "accesstoken":
			return UseAccess
		case "refresh", "offline", "refresh_token", "refreshtoken":
			return UseRefresh
		case "id", "id_token", "idtoken":
			return UseID
		case "logout":
			return UseOther
		}
	}
	switch {
	case t.HasTokenHash:
		return UseID
	case t.Scope != "":
		return UseAccess
	case t.HasNonce && len(t.Audience) > 0 && t.Subject != "":
		return UseID
	}
	return UseUnknown
}

// AccessType reports the type of access tokens (RFC 9068, section 2.1).
func (t *Token) AccessType() bool { return t.Typ != "" && t.mediaType() == "at+jwt" }

func (t *Token) mediaType() string { // RFC 7515, section 4.1.9
	if t.Typ == "JWT" { // as nearly all have it
		return "jwt"
	}
	return strings.TrimPrefix(strings.ToLower(strings.TrimSpace(t.Typ)), "application/")
}

// Principal is the account that the token names: sub, else the user's name,
// else the e-mail address.
func (t *Token) Principal() string {
	for _, s := range [...]string{t.Subject, t.PreferredName, t.Email} {
		if s != "" {
			return s
		}
	}
	return ""
}
