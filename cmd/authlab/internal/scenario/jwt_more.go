package scenario

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/authtap/authtap/cmd/authlab/internal/api"
	"github.com/authtap/authtap/cmd/authlab/internal/lab"
	"github.com/authtap/authtap/detect/detecttest"
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
