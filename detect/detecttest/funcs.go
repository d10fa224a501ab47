package detecttest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// Funcs are what scripts of detectors have besides reassemblytest.Funcs.
func Funcs() template.FuncMap {
	return template.FuncMap{
		// dict "a" 1 "b" true is an object.
		"dict": dict,
		// random gives so many hexadecimal digits, at most 64, for a seed.
		"random": func(seed, n int) string {
			sum := sha256.Sum256([]byte{byte(seed), byte(seed >> 8)})
			return hex.EncodeToString(sum[:])[:n]
		},
		"list": func(v ...any) []any { return v },
		// jwt ALG SECRET CLAIMS is a signed token; with "none" the signature
		// is empty. The secret is that of HS256, HS384 and HS512; for the
		// others "other" is another key than the issuer's, "short" an RSA key of
		// 1024 bits, and all else the issuer's. They never change.
		"jwt": func(alg, secret string, claims map[string]any) (string, error) {
			return Token(map[string]any{"typ": "JWT"}, alg, secret, claims)
		},
		// jwth HEADER ALG SECRET CLAIMS has more in its header.
		"jwth": Token,
		// input and sig are a token's signed part and its signature.
		"input": func(t string) string { return t[:strings.LastIndexByte(t, '.')] },
		"sig":   func(t string) string { return t[strings.LastIndexByte(t, '.')+1:] },
		// jwk ALG KEY KID is the public key as an object, x5c ALG KEY its
		// certificate as it stands in headers, public FORM ALG KEY its text in a
		// form that servers keep it in.
		"jwk":    PublicJWK,
		"x5c":    func(alg, key string) ([]string, error) { return Certificate(alg, key) },
		"public": PublicText,
		// thumbprint ALG KEY is what a token that is bound to the key has in
		// cnf.jkt.
		"thumbprint": thumbprint,
		// withnonce K CLAIMS is a token of ES256 made with that number.
		"withnonce": withNonce,
		// json is a value as JSON.
		"json": func(v any) (string, error) {
			b, err := json.Marshal(v)
			return string(b), err
		},
		// basic USER PASSWORD is what follows "Basic ".
		"basic": func(user, password string) string {
			return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
		},
		// tls "version" "TLS 1.0" … are the lines of a handshake, certificate
		// "bits" 1024 … is a certificate for it: see the functions.
		"tls":         tls,
		"certificate": tlsCertificate,
		// unix "+1h" is a NumericDate, counted from where scripts start.
		"unix": func(s string) (int64, error) {
			t, err := moment(s)
			return t.Unix(), err
		},
		// date "+1h" is a Date header's value.
		"date": func(s string) (string, error) {
			t, err := moment(s)
			return t.Format("Mon, 02 Jan 2006 15:04:05 GMT"), err
		},
	}
}

func dict(pairs ...any) (map[string]any, error) {
	m := map[string]any{}
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: a name without a value")
	}
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no name", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}

func moment(s string) (time.Time, error) {
	if s == "" || s[0] != '+' && s[0] != '-' {
		t, err := time.Parse(time.RFC3339, s)
		return t.UTC(), err
	}
	d, err := time.ParseDuration(s)
	return reassemblytest.Start.Time().Add(d), err
}
