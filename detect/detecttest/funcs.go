package detecttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	_ "embed"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"text/template"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// rsaKey protects nothing, and neither do the others, which are made of the
// number one.
//
//go:embed rsa.pem
var rsaKey []byte

var keys = func() map[string]any {
	block, _ := pem.Decode(rsaKey)
	r, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		panic(err)
	}
	one := make([]byte, 32)
	one[31] = 1
	e, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), one)
	if err != nil {
		panic(err)
	}
	return map[string]any{"RS": r, "ES": e, "Ed": ed25519.NewKeyFromSeed(one)}
}()

// Funcs are what scripts of detectors have besides reassemblytest.Funcs.
func Funcs() template.FuncMap {
	return template.FuncMap{
		// dict "a" 1 "b" true is an object.
		"dict": dict,
		"list": func(v ...any) []any { return v },
		// jwt ALG SECRET CLAIMS is a signed token; with "none" the signature
		// is empty. The secret counts for HS256, HS384 and HS512; the others
		// have a key each that never changes.
		"jwt": func(alg, secret string, claims map[string]any) (string, error) {
			return token(map[string]any{"typ": "JWT"}, alg, secret, claims)
		},
		// jwth HEADER ALG SECRET CLAIMS has more in its header.
		"jwth": token,
		// input and sig are a token's signed part and its signature.
		"input": func(t string) string { return t[:strings.LastIndexByte(t, '.')] },
		"sig":   func(t string) string { return t[strings.LastIndexByte(t, '.')+1:] },
		// basic USER PASSWORD is what follows "Basic ".
		"basic": func(user, password string) string {
			return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
		},
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

func token(header map[string]any, alg, secret string, claims map[string]any) (string, error) {
	h := map[string]any{}
	maps.Copy(h, header)
	if alg != "" {
		h["alg"] = alg
	}
	part := func(v map[string]any) string {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err) // what dict holds can be marshalled
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	input := part(h) + "." + part(claims)
	sign := func() ([]byte, error) {
		if strings.HasPrefix(alg, "ES") { // without a source of randomness it is deterministic, RFC 6979
			sum := sha256.Sum256([]byte(input))
			der, err := keys["ES"].(*ecdsa.PrivateKey).Sign(nil, sum[:], crypto.SHA256)
			var s struct{ R, S *big.Int }
			if err == nil {
				_, err = asn1.Unmarshal(der, &s)
			}
			if err != nil {
				return nil, err
			}
			signature := make([]byte, 64) // RFC 7518, section 3.4
			s.R.FillBytes(signature[:32])
			s.S.FillBytes(signature[32:])
			return signature, nil
		}
		method := jwt.GetSigningMethod(alg)
		switch {
		case strings.HasPrefix(alg, "HS") && method != nil:
			return method.Sign(input, []byte(secret))
		case strings.HasPrefix(alg, "RS") && method != nil, strings.HasPrefix(alg, "Ed") && method != nil:
			return method.Sign(input, keys[alg[:2]])
		case alg == "" || strings.EqualFold(strings.TrimSpace(alg), "none"):
			return nil, nil
		}
		return nil, fmt.Errorf("jwt: no algorithm %q here", alg)
	}
	signature, err := sign()
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), err
}
