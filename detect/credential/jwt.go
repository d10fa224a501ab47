package credential

import (
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// The reader's bounds.
const (
	maxToken      = 16 << 10 // bytes of a token
	maxTokenDepth = 16       // nesting of its JSON
	maxTokenKeys  = 256      // members of its header or claims
)

// Token is a JSON Web Token (RFC 7519) as a tolerant reader sees it: one that
// reads what any server might, marks what is odd, and verifies nothing. Of a
// member that is there several times the last counts, as in encoding/json. A
// Token is immutable; its text, signature included, stays unexported.
type Token struct {
	// Parts is 2 (no second dot at all), 3 (a JWS) or 5 (a JWE).
	Parts int

	// Header (RFC 7515, section 4.1).

	// Alg as sent, and FirstAlg, which differs from it where there are
	// several: what readers see that take the first.
	Alg, FirstAlg string
	// AlgMissing: there is no alg, or the last is no string.
	AlgMissing              bool
	Typ, Cty, Enc, Zip      string
	Kid, Jku, X5u           string
	HasKid, HasJWK, HasX5c  bool
	Crit                    []string
	Issuer, Subject, JTI    string
	Audience                []string
	ClientID, Scope         string // azp or client_id; scope or scp
	PreferredName, Email    string
	TokenUse, TypeClaim     string // token_use; typ, token_type, type or use
	HasNonce, HasTokenHash  bool   // nonce; at_hash or c_hash
	Thumbprint              string // cnf.jkt or cnf.x5t#S256
	ProvenByDPoP            bool   // it is cnf.jkt
	Expires, NotBefore      Moment
	IssuedAt, Authenticated Moment // iat, auth_time

	// Marks.

	DuplicateKeys bool // a member of header or claims is there twice
	OddBase64     bool // padding, the other alphabet, white space, stray bits
	OddJSON       bool // bytes that are no JSON, or members known but for their case
	NoClaims      bool // the payload is no JSON object
	Encrypted     bool // a JWE: nothing but the header can be read
	Detached      bool // the payload is elsewhere, or not encoded (RFC 7797)

	// InputHash and SignatureHash are keyed hashes of what is signed (header
	// and payload without the oddities of their base64) and of the signature's
	// bytes; SignatureHash is zero where there is none.
	InputHash, SignatureHash ID
	// SignatureLen is in bytes, decoded.
	SignatureLen int
	// SignatureDER: it has the form of a DER-encoded ECDSA signature.
	SignatureDER bool

	none    bool // AlgNone
	minimum int  // SignatureMinimum
	t       *tokenText
}

// tokenText stands behind two pointers: fmt, when a verb does not suit, follows
// the first.
type tokenText struct{ *tokenBytes }

type tokenBytes struct {
	input     string // header.payload as sent
	claims    string // decoded
	signature []byte // decoded
}

// Format prints what may be told of a token, whatever the verb.
func (t Token) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "jwt alg %q kid %q iss %q, %d parts, signature of %d bytes", t.Alg, t.Kid, t.Issuer, t.Parts, t.SignatureLen)
}

// MarshalText gives the same: a Token never stands in JSON member by member.
func (t Token) MarshalText() ([]byte, error) { return fmt.Append(nil, t), nil }

// maybeJWT reports whether a value may be a JWT by its first letters alone: the
// base64 of an opening brace.
func maybeJWT(s string) bool {
	if len(s) < 12 || s[0] != 'e' {
		return false
	}
	c := s[1]
	return c == 'y' || c == 'w' || c == 'z' || c == 'x' || c >= '0' && c <= '9'
}

// refusal says why something is no Token.
type refusal uint8

const (
	isToken  refusal = iota
	notToken         // it has not the shape
	tooBig           // it may have, but is too long or too deep to read
)

// parseToken reads a token. Its base64 may be odd; its header must be a JSON
// object that a JOSE header can be: with alg or enc, or, since leaving out alg
// is an attack, with typ or nothing but claims behind it.
func parseToken(k *keyed, s string) (*Token, refusal) {
	dots := strings.Count(s, ".")
	if dots != 1 && dots != 2 && dots != 4 {
		return nil, notToken
	}
	if len(s) > maxToken {
		if maybeJWT(s) {
			return nil, tooBig
		}
		return nil, notToken
	}
	part := strings.SplitN(s, ".", 5)
	t := &Token{Parts: len(part), t: &tokenText{&tokenBytes{}}}
	header, ok := t.decode(part[0])
	if !ok {
		return nil, notToken
	}
	h, why := t.readHeader(header)
	if why != isToken {
		return nil, why
	}
	if t.Parts == 5 {
		if !h.alg && !h.enc {
			return nil, notToken
		}
		t.Encrypted = true
		t.InputHash = k.id("jwt-input", canonical(s))
		return t, isToken
	}
	payload, ok := t.decode(part[1])
	if !ok || part[1] == "" && (t.Parts == 2 || part[2] == "") {
		return nil, notToken
	}
	switch claims, why := t.readClaims(payload); {
	case why == tooBig:
		return nil, tooBig
	case why == notToken:
		// A payload that is no object is a JWS (RFC 7515) only where the
		// header leaves no doubt: random dotted text must not pass.
		t.NoClaims = true
		if !knownAlg(t.Alg) || t.Parts == 2 {
			return nil, notToken
		}
	case h.alg && !t.AlgMissing, h.enc:
	case !h.typ && !claims:
		return nil, notToken
	}
	var signature []byte
	if t.Parts == 3 {
		text, ok := t.decode(part[2])
		if !ok {
			return nil, notToken
		}
		signature = []byte(text)
	}
	t.none = t.AlgMissing || noAlg(t.Alg) || noAlg(t.FirstAlg)
	t.minimum = minimum[t.Alg]
	t.Detached = t.Detached || part[1] == "" && len(signature) > 0
	t.SignatureLen, t.SignatureDER = len(signature), derSignature(signature)
	input := s[:len(part[0])+1+len(part[1])]
	t.InputHash = k.id("jwt-input", canonical(input))
	if len(signature) > 0 {
		t.SignatureHash = k.id("jwt-signature", string(signature))
	}
	t.t.input, t.t.claims, t.t.signature = input, payload, signature
	return t, isToken
}

// joseHeader says what a header has that makes it one.
type joseHeader struct{ alg, enc, typ bool }

func (t *Token) readHeader(b string) (h joseHeader, why refusal) {
	why = t.members(b, func(key string, kind lexeme, raw string) {
		text := ""
		if kind == jsonString {
			text = unescape(raw)
		}
		switch key {
		case "alg":
			if !h.alg {
				t.FirstAlg = text
			}
			h.alg, t.Alg, t.AlgMissing = true, text, kind != jsonString
		case "typ":
			h.typ, t.Typ = true, text
		case "enc":
			h.enc, t.Enc = kind == jsonString, text
		case "cty":
			t.Cty = text
		case "zip":
			t.Zip = text
		case "kid":
			if kind != jsonString {
				text = raw
			}
			t.HasKid, t.Kid = true, text
		case "jku":
			t.Jku = text
		case "x5u":
			t.X5u = text
		case "jwk":
			t.HasJWK = kind == jsonObject
		case "x5c":
			t.HasX5c = kind == jsonArray || kind == jsonString
		case "crit":
			t.Crit = textList(kind, raw)
		case "b64":
			t.Detached = raw == "false" // RFC 7797, section 3
		default:
			switch strings.ToLower(key) {
			case "alg":
				// Go's encoding/json reads this one too.
				t.OddJSON = true
				if !h.alg {
					t.FirstAlg, t.Alg = text, text
					h.alg, t.AlgMissing = true, kind != jsonString
				}
			case "typ", "kid", "jku", "x5u", "jwk", "x5c":
				t.OddJSON = true
			}
		}
	})
	if !h.alg {
		t.AlgMissing = true
	}
	return h, why
}

// AlgNone reports whether some reader sees no algorithm in the header: alg is
// missing, empty, no string, or "none" in any case, with any space around it.
// It is never true of a JWE.
func (t *Token) AlgNone() bool { return t.none }

func noAlg(alg string) bool {
	alg = strings.TrimFunc(alg, func(r rune) bool {
		return r <= ' ' || r == 0x7f || r == 0xa0 || r >= 0x2000 && r <= 0x200f || r == 0xfeff
	})
	return alg == "" || strings.EqualFold(alg, "none")
}

// Family is the algorithm's kind of key: "HS", "RS", "PS", "ES", "EdDSA", or
// "" where it is unknown or none.
func (t *Token) Family() string {
	switch t.Alg {
	case "EdDSA", "Ed25519", "Ed448":
		return "EdDSA"
	}
	if knownAlg(t.Alg) && len(t.Alg) > 2 {
		return t.Alg[:2]
	}
	return ""
}

// minimum are the least lengths of signatures in bytes (RFC 7518, sections 3.2
// to 3.5; RFC 8037; RFC 8812). For RSA it is the shortest modulus that can hold
// the encoded hash at all: a short key is another finding.
var minimum = map[string]int{
	"HS256": 32, "HS384": 48, "HS512": 64,
	"RS256": 62, "RS384": 78, "RS512": 94, "PS256": 66, "PS384": 98, "PS512": 130,
	"ES256": 64, "ES384": 96, "ES512": 132, "ES256K": 64,
	"EdDSA": 64, "Ed25519": 64, "Ed448": 114,
}

func knownAlg(alg string) bool { return minimum[alg] > 0 }

// SignatureMinimum is the least length of a signature of the token's algorithm
// in bytes, 0 where that is not known.
func (t *Token) SignatureMinimum() int { return t.minimum }

// SignatureMissing reports whether the token names a signature algorithm and
// has no signature, or one too short to be one.
func (t *Token) SignatureMissing() bool {
	if t.Encrypted || t.Detached || t.AlgNone() {
		return false
	}
	if t.SignatureLen == 0 {
		return true
	}
	if t.SignatureDER && strings.HasPrefix(t.Alg, "ES") {
		return false
	}
	return t.SignatureLen < t.minimum
}

// derSignature reports the form of an ECDSA signature in DER (RFC 3279, section
// 2.2.3): a sequence of two integers and nothing else.
func derSignature(s []byte) bool {
	_, _, ok := derIntegers(s)
	return ok
}

func derIntegers(s []byte) (r, q []byte, ok bool) {
	if len(s) > 2 && s[0] == 0x30 && s[1] == 0x81 {
		s = append([]byte{0x30}, s[2:]...)
	}
	if len(s) < 8 || s[0] != 0x30 || s[1] >= 0x80 || int(s[1]) != len(s)-2 {
		return nil, nil, false
	}
	integer := func() (v []byte, ok bool) {
		if len(s) < 3 || s[0] != 2 || s[1] == 0 || s[1] >= 0x80 || int(s[1]) > len(s)-2 {
			return nil, false
		}
		v, s = s[2:2+s[1]], s[2+s[1]:]
		return v, true
	}
	s = s[2:]
	if r, ok = integer(); ok {
		q, ok = integer()
	}
	return r, q, ok && len(s) == 0
}

// Verify checks the signature with golang-jwt under a key of the type that it
// wants for the token's algorithm: []byte for HS256, HS384 and HS512.
func (t *Token) Verify(key any) bool {
	if t.Encrypted || t.Detached || t.SignatureLen == 0 {
		return false
	}
	method := jwt.GetSigningMethod(t.Alg)
	return method != nil && method.Verify(t.t.input, t.t.signature, key) == nil
}

// EmbeddedKey gives the key that the header holds: a JSON Web Key as sent, or
// the first certificate of x5c in base64. Both are "" where there is none.
func (t *Token) EmbeddedKey() (jwk, certificate string) {
	if !t.HasJWK && !t.HasX5c {
		return "", ""
	}
	part, _, _ := strings.Cut(t.t.input, ".")
	header, ok := new(Token).decode(part)
	if !ok {
		return "", ""
	}
	new(Token).members(header, func(key string, kind lexeme, raw string) {
		switch {
		case key == "jwk" && kind == jsonObject:
			jwk = raw
		case key == "x5c":
			if list := textList(kind, raw); len(list) > 0 {
				certificate = list[0]
			}
		}
	})
	return jwk, certificate
}

// Claims calls visit for every member of the claims, nested ones too, whose
// value is a string, number or word, until it returns false. path is a.b.c.
// What it gives is personal data and may hold secrets: it reaches evidence
// through Redact only.
func (t *Token) Claims(visit func(path, value string) bool) {
	if t.NoClaims || t.Encrypted {
		return
	}
	var path [maxTokenDepth + 1]string
	l := lexer{b: t.t.claims}
	for depth := 0; ; {
		switch kind := l.next(); kind {
		case jsonEnd:
			return
		case jsonKey:
			if depth > 0 && depth <= maxTokenDepth {
				path[depth] = l.b[l.start:l.end]
			}
		case jsonObject, jsonArray:
			if depth++; depth <= maxTokenDepth {
				path[depth] = ""
			}
		case jsonClose:
			depth--
			if depth < 1 {
				return
			}
		default:
			var parts []string
			for _, p := range path[1 : min(depth, maxTokenDepth)+1] {
				if p != "" {
					parts = append(parts, p)
				}
			}
			if !visit(unescape(strings.Join(parts, ".")), unescape(l.b[l.start:l.end])) {
				return
			}
		}
	}
}
