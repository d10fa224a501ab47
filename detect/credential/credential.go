// Package credential knows where credentials are in an exchange, what they
// are, and how they are hidden. It is the only package that reads their
// values; what leaves it is a kind, a place, a keyed hash and a mask.
//
// Contract: a Finder belongs to one goroutine and is bounded
// (Options.CacheEntries and CacheBytes of parsed values, Options.MaxCredentials
// a message); the Credentials that it returns are immutable and may be kept and
// read from any goroutine. Their values stay in unexported fields and reach
// neither fmt nor JSON. Text for evidence is made here too: Redacted is the one
// type that evidence takes. Secrets is safe for concurrent use.
//
// It does not judge: whether a credential was believed is package endpoint's
// and the engine's to say. It does not report what may be an artefact of the
// capture: nothing from a request head with a gap, nothing from a body with
// one, nothing that touches the end of a body that was cut.
package credential

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/authtap/authtap/detect/memo"
)

// ID is the keyed hash of a credential: the first 16 bytes of
// HMAC-SHA256(deployment key, kind ‖ 0 ‖ value). Equal credentials have equal
// IDs wherever they stand and however they are encoded; without the key nothing
// can be learned from one. A Digest or Signature differs with each request:
// there the name of the key or account stands for the value.
type ID [16]byte

// String gives 32 hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Uint64 is half of it, where a hash of it is wanted.
func (id ID) Uint64() uint64 { return binary.LittleEndian.Uint64(id[:]) }

// IsZero reports whether there is no ID.
func (id ID) IsZero() bool { return id == ID{} }

// Kind says what a credential is.
type Kind uint8

// The kinds. Their names (String) stand in findings.
const (
	Basic        Kind = iota + 1 // RFC 7617 user and password
	Digest                       // RFC 7616
	Negotiate                    // RFC 4559, SPNEGO
	NTLM                         // NTLM, also inside Negotiate
	Bearer                       // opaque bearer token, RFC 6750
	JWT                          // a JSON Web Token, wherever it stands
	APIKey                       // a key in a header, query or body by name, or ApiKey/Token/SSWS schemes
	Signature                    // request signatures: AWS4-HMAC-SHA256, Hawk, HMAC, presigned URLs
	Session                      // a session cookie by name
	Password                     // a password field
	Code                         // one-time codes, PINs, authorization codes, reset codes
	RefreshToken                 // OAuth refresh token that is no JWT
	ClientSecret                 // OAuth client secret
	Other                        // Authorization of an unknown scheme
	SAML                         // a SAML assertion
	PrivateKey                   // a private key, in an answer
	PasswordHash                 // the hash of a password, in an answer
	kindEnd
)

var kindNames = [kindEnd]string{
	Basic: "basic", Digest: "digest", Negotiate: "negotiate", NTLM: "ntlm", Bearer: "bearer",
	JWT: "jwt", APIKey: "api_key", Signature: "signature", Session: "session", Password: "password",
	Code: "code", RefreshToken: "refresh_token", ClientSecret: "client_secret", Other: "other",
	SAML: "saml", PrivateKey: "private_key", PasswordHash: "password_hash",
}

// String gives the kind's name in findings.
func (k Kind) String() string {
	if k < kindEnd {
		return kindNames[k]
	}
	return ""
}

// ParseKind reads a kind's name; it gives 0 where there is none such.
func ParseKind(name string) Kind {
	for k := Kind(1); k < kindEnd; k++ {
		if kindNames[k] == name {
			return k
		}
	}
	return 0
}

// Access reports whether a credential of this kind, presented, asks for access
// to a resource. Passwords in bodies, codes, refresh tokens and client secrets
// are exchanged for something else and do not.
func (k Kind) Access() bool {
	switch k {
	case Password, Code, RefreshToken, ClientSecret, PrivateKey, PasswordHash:
		return false
	}
	return k != 0
}

// Part is the part of a message that a credential stands in.
type Part uint8

// The parts.
const (
	InHeader   Part = iota + 1 // name: the header's
	InCookie                   // name: the cookie's
	InQuery                    // name: the parameter's
	InPath                     // name: empty
	InUserinfo                 // user:password@ in a target
	InFragment                 // of a Location
	InForm                     // name: the field's
	InJSON                     // name: the field's path, a.b.c
	InMultipart
	InXML  // name: the element's or attribute's
	InBody // of another kind
	partEnd
)

var partNames = [partEnd]string{
	InHeader: "header", InCookie: "cookie", InQuery: "query", InPath: "path", InUserinfo: "userinfo",
	InFragment: "fragment", InForm: "form", InJSON: "json", InMultipart: "multipart", InXML: "xml", InBody: "body",
}

// Place is where in a message a credential stands.
type Place struct {
	Part Part
	// Name of the header, cookie, parameter or field, in lower case for
	// headers, as sent otherwise.
	Name string
}

// String gives "header:authorization".
func (p Place) String() string {
	if p.Part >= partEnd {
		return ""
	}
	if p.Name == "" {
		return partNames[p.Part]
	}
	return partNames[p.Part] + ":" + p.Name
}

// Flaw says why a presented credential cannot be a good one, whatever it is
// checked against.
type Flaw uint8

// The flaws.
const (
	Empty     Flaw = 1 << iota // no value: "Bearer "
	Null                       // "null", "undefined", "None", "[object Object]"
	Malformed                  // not what its scheme asks for: Basic that is no base64
)

// Credential is one credential in one message. Its value is not part of what
// other packages see.
type Credential struct {
	Kind  Kind
	Place Place
	ID    ID
	// Mask shows at most the first four characters and the length:
	// "eyJh…(312)"; of passwords and codes only the length: "…(9)".
	Mask string
	// Principal is the account that the credential names, where it names one:
	// Basic, Digest and NTLM user, the sub (or preferred_username, email) of a
	// JWT, the key's id of a Signature.
	Principal string
	// Scheme is the Authorization scheme as sent, in lower case.
	Scheme string
	Flaw   Flaw
	// Guessable marks a shape too weak to be a key or token by chance: short,
	// or of low entropy. A name alone made it a candidate.
	Guessable bool
	// Alone says that a response's body holds nothing else.
	Alone bool
	// JWT is set for Kind JWT.
	JWT *Token

	// vendor is the form of an issuer's keys that the value has, nil for none;
	// issued says that the answer that shows it gives it under a token's name.
	vendor *vendor
	issued bool
	// run is the length of the longest run of key characters in the value.
	run int32
	// value is what a server compares, its encoding undone. It is a pointer so
	// that fmt, which reads unexported fields too, never prints it.
	value *string
}

// Form says what the value is by its looks: "Stripe secret key", else its kind.
func (c *Credential) Form() Redacted {
	if c.vendor == nil {
		return Redacted{text: c.Kind.String()}
	}
	return Redacted{text: c.vendor.name}
}

// OfModel reports a key that pays for a language model.
func (c *Credential) OfModel() bool { return c.vendor != nil && c.vendor.model }

// IssuedHere reports a secret of Found.Exposed that stands in the answer under
// the name of a token or key that is given to the client.
func (c *Credential) IssuedHere() bool { return c.issued }

// Access reports whether the credential, presented where it stands, asks for
// access to the resource: its Kind does, it is in no Referer, and it is not
// the proof, assertion or subject of an exchange (DPoP, client_assertion,
// refresh_token, a token handed to introspection).
func (c *Credential) Access() bool {
	if !c.Kind.Access() {
		return false
	}
	switch c.Place.Part {
	case InHeader:
		switch c.Place.Name {
		case "referer", "location", "dpop", "mcp-session-id", "x-refresh-token", "refresh-token", "refreshtoken":
			return false
		}
	case InQuery, InForm, InJSON, InMultipart, InCookie, InXML:
		if c.Kind == SAML {
			return c.Place.Part == InXML // in a form it is exchanged for a session
		}
		name := c.Place.Name[strings.LastIndexByte(c.Place.Name, '.')+1:]
		switch f := fieldOf(name); {
		case f == fieldAccess || f == fieldAPIKey || f == fieldSession || f == fieldSignature || f == fieldAuthorization:
			return true
		case f == fieldRefresh || f == fieldAssertion || f == fieldCode:
			return false
		}
		return c.Place.Part == InQuery || c.Place.Part == InCookie
	case InFragment, InBody:
		return false
	}
	return true
}

// Format prints kind, place, mask and id, whatever the verb: the value never
// leaves by fmt.
func (c Credential) Format(s fmt.State, _ rune) {
	io.WriteString(s, c.Kind.String()+" "+c.Mask+" in "+c.Place.String()+" id "+c.ID.String())
}

// MarshalJSON gives what findings tell of a credential.
func (c Credential) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Kind  string `json:"kind"`
		Place string `json:"place"`
		ID    string `json:"id"`
		Mask  string `json:"mask"`
	}{c.Kind.String(), c.Place.String(), c.ID.String(), c.Mask})
}

// Login is an attempt to prove an identity: a form or JSON login, an OAuth
// token request, or a Basic or Digest credential.
type Login struct {
	// Form is what carried it: "form", "json", "multipart", "xml", "query", "basic",
	// "digest", "ntlm"; "oauth:" and the grant type (password, client_credentials,
	// refresh_token, authorization_code); "oauth:client" for a client that
	// authenticates to introspection or revocation.
	Form string
	// Principal is the identifier as sent, trimmed; PrincipalID its keyed hash
	// in lower case. Both are zero where none was sent.
	Principal   string
	PrincipalID ID
	// NameForm says how the identifier is built, as Asked.Form does.
	NameForm uint8
	// Password is the keyed fingerprint of the secret, zero where passwords
	// cannot be compared (Digest, NTLM).
	Password ID
	// OneTime says that the secret is a one-time code.
	OneTime bool
	// Place is where the secret stood.
	Place Place
	// Client of an OAuth token request: its client_id, or the user of its Basic
	// credential. ClientAuth says that it proved who it is, Verifier that it
	// sent the code_verifier of PKCE (RFC 7636, section 4.5).
	Client     string
	ClientAuth bool
	Verifier   bool
	// Default marks a pair of the list of default credentials; Which names the
	// product it is known from.
	Default bool
	Which   string
	// Common marks a password that is among the ten thousand that people take
	// most.
	Common bool
}

// Found is what one exchange holds.
type Found struct {
	// Request holds the presented credentials, Response the issued ones
	// (Set-Cookie, tokens in bodies and redirects), in the order header,
	// cookies, target, body.
	Request, Response []Credential
	// Login is set when the request is a login attempt.
	Login *Login
	// Account is set when the request sets a password.
	Account *Account
	// Asked is set when the request asks about an account and is no login.
	Asked *Asked
	// Payload is what stands in a login's fields to get around it.
	Payload Payload
	// Attempts is how many passwords or codes the request tries at once, 0
	// where it is no batch.
	Attempts int
	// Ticket is what a one-time code belongs to: the account that stands beside
	// it, else a transaction that a long value names. Zero where nothing tells.
	Ticket ID
	// Echoes name values of the response that may be one-time codes.
	Echoes []ID
	// Exposed holds the secrets in the response that no client should get:
	// issuers' keys, private keys, hashes of passwords, and what stands under a
	// password's name. A Password that is Guessable may be a label.
	Exposed []Credential
	// Reflected is the credential of Request that the response repeats.
	Reflected *Credential
	// RequestSum and ResponseSum stand for the bodies, 0 where one is not there
	// or cannot be read.
	RequestSum, ResponseSum memo.Sum
}
