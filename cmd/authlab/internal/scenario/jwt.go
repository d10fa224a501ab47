package scenario

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/authtap/authtap/cmd/authlab/internal/api"
	"github.com/authtap/authtap/detect/detecttest"
)

// The playbook of tokens: what jwt_tool and its like try, one thing a scenario.

const attacker = "192.0.2.66"

// forge plays an attack with forged tokens: customers, then a customer who looks
// at his own token, then each of the tokens, twice.
func forge(name, title, detector string, tokens func(s *Stage, genuine string) []string, may ...string) Scenario {
	return register(Scenario{Name: name, Title: title, Run: func(s *Stage) {
		s.Regulars(4)
		s.Client("203.0.113.40").Get("/jwks.json")
		s.API.Add(api.Account{Name: "eve", Password: passwordOf(66)})
		eve := s.Client(attacker)
		genuine := eve.Login("eve", passwordOf(66)).JSON("access_token")
		eve.Get("/api/orders/201", bearer(genuine))
		var tries []*Exchange
		for i, token := range tokens(s, genuine) {
			s.Pass(8 * time.Second)
			tries = append(tries, eve.Get(fmt.Sprintf("/api/orders/%d", 300+i), bearer(token)), eve.Get("/api/users/7", bearer(token)))
		}
		s.Attempt(detector, tries...)
		for _, d := range append(may, "jwt_probing") {
			s.May(d, tries...)
		}
	}})
}

// signed makes a token for the administrator: an algorithm and its secret, and
// what more stands in the header.
func signed(s *Stage, alg, secret string, header object) string {
	claims := s.API.Claims("eve")
	claims["sub"], claims["role"] = "admin", "admin"
	h := object{"typ": "JWT"}
	for k, v := range header {
		h[k] = v
	}
	t, err := detecttest.Token(h, alg, secret, claims)
	if err != nil && s.err == nil {
		s.err = err
	}
	return t
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// with replaces the signature, or a claim.
func resigned(token, signature string) string {
	return token[:strings.LastIndexByte(token, '.')+1] + signature
}

func claimed(token string, change func(claims object)) string {
	f := strings.Split(token, ".")
	claims := object{}
	json.Unmarshal(must(base64.RawURLEncoding.DecodeString(f[1])), &claims)
	change(claims)
	f[1] = base64.RawURLEncoding.EncodeToString(must(json.Marshal(claims)))
	return strings.Join(f, ".")
}

func becomeAdmin(claims object) { claims["sub"], claims["role"] = "admin", "admin" }

var (
	_ = forge("jwt_none", "the algorithm none, in all spellings", "jwt_alg_none", func(s *Stage, genuine string) (all []string) {
		for _, alg := range []string{"none", "None", "NONE", "nOnE", "none ", " none"} {
			all = append(all, signed(s, "none", "", object{"alg": alg}))
		}
		t := signed(s, "none", "", nil)
		return append(all, resigned(t, genuine[strings.LastIndexByte(genuine, '.')+1:]), strings.TrimSuffix(t, "."))
	})
	_ = forge("jwt_stripped", "a token without its signature", "jwt_signature_missing", func(s *Stage, genuine string) []string {
		admin := claimed(genuine, becomeAdmin)
		return []string{resigned(admin, ""), resigned(genuine, ""), strings.TrimSuffix(resigned(admin, ""), ".")}
	})
	_ = forge("jwt_claims", "claims changed, and the signature left", "jwt_tampered", func(s *Stage, genuine string) []string {
		return []string{
			claimed(genuine, becomeAdmin),
			claimed(genuine, func(c object) { c["sub"] = "customer1" }),
			claimed(genuine, func(c object) { c["exp"] = s.Now().Add(24 * time.Hour).Unix() }),
		}
	})
	_ = forge("jwt_confusion", "the public key as secret, in every encoding", "jwt_algorithm_confusion", func(s *Stage, genuine string) (all []string) {
		for _, form := range api.PublicForms {
			for _, alg := range []string{"HS256", "HS384", "HS512"} {
				if alg == "HS256" || form == "pem" {
					all = append(all, signed(s, alg, api.PublicText(form), object{"kid": "k1"}))
				}
			}
		}
		return all
	}, "jwt_algorithm_mismatch") // with the certificate, which nobody saw
	_ = forge("jwt_embedded", "the key comes with the token", "jwt_embedded_key", func(s *Stage, genuine string) []string {
		key := must(detecttest.PublicJWK("RS256", "other", ""))
		return []string{
			signed(s, "RS256", "other", object{"jwk": key}),
			signed(s, "RS256", "other", object{"jwk": key, "kid": "k1"}),
			signed(s, "RS256", "other", object{"x5c": must(detecttest.Certificate("RS256", "other"))}),
		}
	})
	_ = forge("jwt_remote", "the key is fetched where the token says", "jwt_remote_key_header", func(s *Stage, genuine string) (all []string) {
		for _, at := range []string{"https://evil.example/jwks.json", "http://192.0.2.66/k", "https://shop.example@evil.example/jwks.json", "http://localhost:8000/jwks.json"} {
			all = append(all, signed(s, "RS256", "other", object{"jku": at, "kid": "k1"}), signed(s, "RS256", "other", object{"x5u": at}))
		}
		return all
	})
	_ = forge("jwt_kid", "the key's name is an attack", "jwt_kid_injection", func(s *Stage, genuine string) []string {
		var all []string
		for _, k := range [][2]string{
			{"../../../../../../dev/null", ""}, {"/dev/null", ""}, {"..%2f..%2f..%2fdev%2fnull", ""},
			{"x' UNION SELECT 'secret-of-mine' -- -", "secret-of-mine"},
			{"key|/usr/bin/id", "key"}, {"k1; cat /etc/passwd", "key"}, {"`id`", "key"}, {"$(sleep 10)", "key"},
		} {
			all = append(all, signed(s, "HS256", k[1], object{"kid": k[0]}))
		}
		return all
	}, "jwt_weak_secret")
	_ = forge("jwt_psychic", "a signature of zeros", "jwt_degenerate_signature", func(s *Stage, genuine string) []string {
		zero := base64.RawURLEncoding.EncodeToString(make([]byte, 64))
		return []string{
			resigned(signed(s, "ES256", "", object{"kid": "k1"}), zero),
			resigned(signed(s, "ES256", "", nil), zero),
		}
	}, "jwt_algorithm_mismatch")
)
