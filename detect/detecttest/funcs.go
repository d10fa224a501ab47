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

// Funcs are what scripts of detectors have besides reassemblytest.Funcs: the
// package's comment says what each does.
func Funcs() template.FuncMap {
	return template.FuncMap{
		"dict": dict,
		"random": func(seed, n int) string {
			sum := sha256.Sum256([]byte{byte(seed), byte(seed >> 8)})
			return hex.EncodeToString(sum[:])[:n]
		},
		"list": func(v ...any) []any { return v },
		"jwt": func(alg, secret string, claims map[string]any) (string, error) {
			return Token(map[string]any{"typ": "JWT"}, alg, secret, claims)
		},
		"jwth":       Token,
		"input":      func(t string) string { return t[:strings.LastIndexByte(t, '.')] },
		"sig":        func(t string) string { return t[strings.LastIndexByte(t, '.')+1:] },
		"jwk":        PublicJWK,
		"x5c":        func(alg, key string) ([]string, error) { return Certificate(alg, key) },
		"public":     PublicText,
		"thumbprint": thumbprint,
		"withnonce":  withNonce,
		"json": func(v any) (string, error) {
			b, err := json.Marshal(v)
			return string(b), err
		},
		"basic": func(user, password string) string {
			return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
		},
		"tls":         tls,
		"certificate": tlsCertificate,
		"unix": func(s string) (int64, error) {
			t, err := moment(s)
			return t.Unix(), err
		},
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
