package api

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/authtap/authtap/detect/detecttest"
)

// Issuer and Audience are those of the shop's tokens.
const (
	Issuer   = "https://shop.example"
	Audience = "shop-api"
)

const lifetime = 15 * time.Minute

// Claims are what a token says.
type Claims struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
	Role    string `json:"role"`
	Expires int64  `json:"exp"`
}

// opaque gives 32 letters and digits, others each time the serial grows.
func (a *API) opaque() string {
	sum := sha256.Sum256([]byte(fmt.Sprint(a.name, " ", a.serial)))
	return hex.EncodeToString(sum[:16])
}

// Claims gives those of a token for an account, at this time.
func (a *API) Claims(name string) map[string]any {
	a.serial++
	role := "customer"
	if x := a.accounts[name]; x != nil && x.Role != "" {
		role = x.Role
	}
	return map[string]any{
		"iss": Issuer, "aud": Audience, "sub": name, "role": role,
		"iat": a.now().Unix(), "exp": a.now().Add(lifetime).Unix(), "jti": a.opaque(),
	}
}

// Token issues an access token.
func (a *API) Token(name string) string { return a.sign(a.Claims(name)) }

func (a *API) sign(claims map[string]any) string {
	if a.Mint != nil {
		t := a.Mint(claims)
		a.sealed[t] = text(claims["sub"])
		return t
	}
	if a.HMAC {
		t, err := detecttest.Token(map[string]any{"typ": "JWT"}, "HS256", a.secret(), claims)
		if err != nil {
			panic(err)
		}
		return t
	}
	alg, key := "RS256", ""
	if a.keys[0] != "k1" {
		alg, key = "ES256", ""
	}
	t, err := detecttest.Token(map[string]any{"kid": a.keys[0], "typ": "at+jwt"}, alg, key, claims)
	if err != nil {
		panic(err)
	}
	return t
}

// secret is what tokens are signed with where HMAC is used.
func (a *API) secret() string {
	if a.Hardened {
		return "vQ3x8LkT0pZr7dWm2sJb5nYc9hGf4uEa"
	}
	return "secret"
}

// Rotate makes a new key, of another kind, the one that tokens are signed with.
func (a *API) Rotate() { a.keys = append([]string{"k2"}, a.keys...) }

// parts is a token taken apart.
type parts struct {
	header       map[string]any
	alg, kid     string
	claims       Claims
	input, token string
	signature    []byte
}

func parse(token string) (p parts, ok bool) {
	f := strings.Split(token, ".")
	if len(f) == 2 {
		f = append(f, "")
	}
	if len(f) != 3 {
		return p, false
	}
	p.token, p.input = token, f[0]+"."+f[1]
	header, err := base64.RawURLEncoding.DecodeString(f[0])
	if err != nil || json.Unmarshal(header, &p.header) != nil {
		return p, false
	}
	claims, err := base64.RawURLEncoding.DecodeString(f[1])
	if err != nil || json.Unmarshal(claims, &p.claims) != nil {
		return p, false
	}
	p.signature, err = base64.RawURLEncoding.DecodeString(f[2])
	p.alg, p.kid = text(p.header["alg"]), text(p.header["kid"])
	return p, err == nil
}

func (p *parts) verifies(alg string, key any) bool {
	m := jwt.GetSigningMethod(alg)
	return m != nil && m.Verify(p.input, p.signature, key) == nil
}

// believe says whether a token is believed, and what it says then.
func (a *API) believe(token string) (Claims, bool) {
	if name, ok := a.sealed[token]; ok {
		return Claims{Subject: name}, true
	}
	if !a.Hardened && (token == "null" || token == "undefined" || token == "") {
		return Claims{Subject: "nobody"}, true // what a page without a token sends
	}
	c, ok := a.verified[token]
	if !ok {
		p, parsed := parse(token)
		if !parsed {
			return Claims{}, false
		}
		if !a.genuine(&p) {
			return p.claims, !a.Hardened && fooled(&p)
		}
		c = p.claims
		a.verified[token] = c
	}
	if a.Hardened && (c.Expires == 0 || a.now().Unix() > c.Expires+60 || a.revoked[token]) {
		return c, false
	}
	return c, true
}

// genuine is the whole check, but for the time.
func (a *API) genuine(p *parts) bool {
	if p.claims.Issuer != Issuer {
		return false
	}
	if a.HMAC {
		return p.alg == "HS256" && p.verifies("HS256", []byte(a.secret()))
	}
	for _, kid := range a.keys {
		if kid == p.kid {
			alg := map[string]string{"k1": "RS256", "k2": "ES256"}[kid]
			return p.alg == alg && p.verifies(alg, publicKey(alg, ""))
		}
	}
	return false
}

// fooled says whether one of the flaws believes a token.
func fooled(p *parts) bool {
	for _, flaw := range flaws {
		if flaw(p) {
			return true
		}
	}
	return false
}

// flaws are what the vulnerable edition does in place of its checks, each as
// libraries and applications did it.
var flaws = []func(*parts) bool{
	// "none" is an algorithm, however it is written.
	func(p *parts) bool { return p.alg == "" || strings.EqualFold(strings.TrimSpace(p.alg), "none") },
	// Without a signature there is none to verify (CVE-2020-28042).
	func(p *parts) bool { return len(p.signature) == 0 },
	// A token is decoded, and not verified.
	func(p *parts) bool { return p.alg == "RS256" && p.kid == "k1" && len(p.signature) == 256 },
	// The algorithm is the token's choice, the key always the public one.
	func(p *parts) bool {
		for _, form := range PublicForms {
			if strings.HasPrefix(p.alg, "HS") && p.verifies(p.alg, []byte(PublicText(form))) {
				return true
			}
		}
		return false
	},
	// The key comes with the token (CVE-2018-0114).
	func(p *parts) bool {
		key, ok := p.header["jwk"].(map[string]any)
		return ok && p.verifies("RS256", keyOf(key))
	},
	// So does the certificate, or the place where the key is fetched. The
	// attacker's server is not part of the network; its key is known.
	func(p *parts) bool {
		_, x5c := p.header["x5c"]
		_, x5t := p.header["x5u"]
		_, jku := p.header["jku"]
		return (x5c || x5t || jku) && p.verifies("RS256", publicKey("RS256", "other"))
	},
	// The key's name is a path, or goes into a query.
	func(p *parts) bool {
		key, found := lookUp(p.kid)
		return found && strings.HasPrefix(p.alg, "HS") && p.verifies(p.alg, []byte(key))
	},
	// The numbers of a signature are not looked at before they are computed with
	// (CVE-2022-21449).
	func(p *parts) bool {
		if p.alg != "ES256" || len(p.signature) != 64 {
			return false
		}
		r, s := new(big.Int).SetBytes(p.signature[:32]), new(big.Int).SetBytes(p.signature[32:])
		return r.Sign() == 0 && s.Sign() == 0
	},
}

// lookUp finds the key of a name as carelessly as it can be done: what a path
// names, or what a query selects.
func lookUp(kid string) (key string, found bool) {
	if path, err := url.PathUnescape(kid); err == nil && strings.HasSuffix(path, "/dev/null") {
		return "", true
	}
	if _, rest, ok := strings.Cut(kid, "UNION SELECT '"); ok {
		key, _, _ = strings.Cut(rest, "'")
		return key, true
	}
	if i := strings.IndexAny(kid, "|;`$"); i >= 0 { // the file's content is what the shell was told to print
		return "key", true
	}
	return "", false
}

func keyOf(jwk map[string]any) *rsa.PublicKey {
	n, _ := base64.RawURLEncoding.DecodeString(text(jwk["n"]))
	e, _ := base64.RawURLEncoding.DecodeString(text(jwk["e"]))
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
}

// PublicForms are the forms in which servers keep a public key.
var PublicForms = []string{"pem", "pem-bare", "pkcs1", "pkcs1-bare", "der", "pkcs1der", "jwk", "certificate", "n"}

// PublicText is the shop's public key in a form.
func PublicText(form string) string {
	t, err := detecttest.PublicText(form, "RS256", "")
	if err != nil {
		panic(err)
	}
	return t
}
