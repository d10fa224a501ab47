package scenario

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/authtap/authtap/cmd/authlab/internal/api"
	"github.com/authtap/authtap/cmd/authlab/internal/lab"
	"github.com/authtap/authtap/detect/detecttest"
)

// Servers that show their weakness by themselves: only the vulnerable edition
// does.

// reply answers with JSON.
func reply(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(b)
}

// posture plays something that people do, in which the vulnerable edition is
// found to have a weakness.
func posture(name, title, detector string, run func(s *Stage), may ...string) Scenario {
	return register(Scenario{Name: name, Title: title, Run: func(s *Stage) {
		if s.Vulnerable {
			s.Posture(detector)
			s.MayPosture(may...)
		}
		run(s)
	}})
}

// mint is posture with tokens of another make.
func mint(name, title, detector string, alg, secret string, header object, change func(s *Stage, claims object), may ...string) Scenario {
	return posture(name, title, detector, func(s *Stage) {
		if s.Vulnerable {
			s.API.Mint = func(claims map[string]any) string {
				if change != nil {
					change(s, claims)
				}
				return must(detecttest.Token(header, alg, secret, claims))
			}
		}
		s.Regulars(5)
	}, may...)
}

// each lets people do something, each at an address of his own.
func (s *Stage) each(n int, do func(i int, c *Client)) {
	for i := range n {
		c := s.browser(fmt.Sprintf("203.0.113.%d", 20+i), i)
		do(i, c)
		c.Leave()
		s.Pass(20 * time.Second)
	}
}

var (
	_ = mint("posture_key", "tokens signed with a short key", "jwt_weak_key", "RS256", "short", object{"kid": "k0", "typ": "at+jwt"}, nil)
	_ = mint("posture_lifetime", "tokens that live for months", "jwt_long_lived", "RS256", "", object{"kid": "k1", "typ": "at+jwt"}, func(s *Stage, c object) {
		c["exp"] = s.Now().AddDate(0, 6, 0).Unix()
	})
	_ = mint("posture_claims", "tokens that tell too much", "jwt_sensitive_claims", "RS256", "", object{"kid": "k1", "typ": "at+jwt"}, func(s *Stage, c object) {
		c["password_hash"] = "$2b$12$KIXQ4h5r0u3uYx9bq1n2MOaY6Z8eTz2m5d9fS1cR3vL7wQ0pXyUeG"
	})
	_ = mint("posture_audience", "tokens that are for anybody", "jwt_missing_claims", "RS256", "", object{"kid": "k1", "typ": "at+jwt"}, func(s *Stage, c object) {
		delete(c, "aud")
	})
	_ = posture("posture_cookie", "a session cookie without attributes", "cookie_attributes", func(s *Stage) {
		s.API.Handle("POST /old/login", func(w http.ResponseWriter, r *http.Request) {
			c := &http.Cookie{Name: "sessionid", Value: opaqueOf(len(r.RemoteAddr)), Path: "/"}
			if !s.Vulnerable {
				c.Secure, c.HttpOnly, c.SameSite = true, true, http.SameSiteLaxMode
			}
			http.SetCookie(w, c)
			reply(w, 200, object{"welcome": true})
		})
		s.each(4, func(i int, c *Client) {
			c.Post("/old/login", object{"username": account(i), "password": passwordOf(i)})
		})
	})
	_ = posture("posture_cache", "tokens that caches may keep", "token_response_cacheable", func(s *Stage) {
		s.API.Handle("POST /old/token", func(w http.ResponseWriter, r *http.Request) {
			if !s.Vulnerable {
				w.Header().Set("Cache-Control", "no-store")
			}
			reply(w, 200, object{"access_token": s.API.Token("carol"), "token_type": "Bearer"})
		})
		s.each(4, func(i int, c *Client) {
			c.Header.Set("User-Agent", "Go-http-client/1.1")
			c.Form("/old/token", nil, "grant_type", "client_credentials", "client_id", "app", "client_secret", opaqueOf(4))
		})
	})
	_ = posture("posture_otp", "the one-time code is in the answer that asks for it", "otp_echoed", func(s *Stage) {
		s.API.Handle("POST /old/login", func(w http.ResponseWriter, r *http.Request) {
			answer := object{"mfa_required": true, "mfa_token": opaqueOf(5)}
			if s.Vulnerable {
				answer["otp"] = api.OTPOf(77)
			}
			reply(w, 200, answer)
		})
		s.API.Handle("POST /old/otp", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			reply(w, 200, object{"access_token": s.API.Token("carol"), "token_type": "Bearer"})
		})
		s.each(1, func(i int, c *Client) {
			c.Post("/old/login", object{"username": account(i), "password": passwordOf(i)})
			s.Pass(10 * time.Second)
			c.Post("/old/otp", object{"mfa_token": opaqueOf(5), "otp": api.OTPOf(77)})
		})
	})
	_ = posture("posture_grant", "passwords are given to a client of OAuth", "oauth_deprecated_grant", func(s *Stage) {
		s.API.Handle("POST /old/token", func(w http.ResponseWriter, r *http.Request) {
			if !s.Vulnerable {
				reply(w, 400, object{"error": "unsupported_grant_type"})
				return
			}
			w.Header().Set("Cache-Control", "no-store")
			reply(w, 200, object{"access_token": s.API.Token("carol"), "token_type": "Bearer"})
		})
		s.each(3, func(i int, c *Client) {
			c.Form("/old/token", nil, "grant_type", "password", "client_id", "app", "username", account(i), "password", passwordOf(i))
		})
	})
	_ = posture("posture_change", "a new password without the old one", "credential_change_without_reauth", func(s *Stage) {
		s.API.Handle("POST /api/me/password", func(w http.ResponseWriter, r *http.Request) {
			if !s.Vulnerable {
				reply(w, 403, object{"error": "reauthentication_required"})
				return
			}
			s.API.Admit("somebody")
			reply(w, 200, object{"changed": true})
		})
		s.Regulars(3)
		s.each(4, func(i int, c *Client) {
			name := account(i)
			s.API.Add(api.Account{Name: name, Password: passwordOf(i)})
			c.Login(name, passwordOf(i))
			s.Pass(30 * time.Minute)
			token := s.API.Token(name)
			c.Get("/api/me", bearer(token))
			s.Pass(time.Minute)
			c.Post("/api/me/password", object{"new_password": passwordOf(900 + i)}, bearer(token))
		})
	})
	_ = posture("posture_predictable", "sessions that are counted", "session_predictable", func(s *Stage) {
		n := 0
		s.API.Handle("POST /old/login", func(w http.ResponseWriter, r *http.Request) {
			n++
			id := fmt.Sprintf("%d", 7_000_000+n*3)
			if !s.Vulnerable {
				id = opaqueOf(n)
			}
			http.SetCookie(w, &http.Cookie{Name: "sessionid", Value: id, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
			reply(w, 200, object{"welcome": true})
		})
		s.each(50, func(i int, c *Client) {
			c.Post("/old/login", object{"username": account(i), "password": passwordOf(i)})
		})
	})
	_ = register(Scenario{Name: "posture_cleartext", Title: "passwords and tokens without TLS", Run: func(s *Stage) {
		s.API.Add(api.Account{Name: "carol", Password: passwordOf(1)})
		c := s.Client("203.0.113.10")
		c.Header.Del("X-Forwarded-Proto")
		token := c.Login("carol", passwordOf(1)).JSON("access_token")
		c.Get("/api/me", bearer(token))
		s.Posture("cleartext_credential")
	}})
	_ = register(Scenario{Name: "posture_url", Title: "tokens and passwords in URLs", Run: func(s *Stage) {
		s.API.Handle("GET /old/orders", func(w http.ResponseWriter, r *http.Request) { reply(w, 200, object{"orders": []int{1}}) })
		s.API.Handle("GET /old/login", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			s.API.Admit("carol")
			reply(w, 200, object{"access_token": s.API.Token("carol")})
		})
		s.each(3, func(i int, c *Client) {
			c.Get("/old/orders?access_token=" + s.API.Token("carol"))
			s.Attack("login_over_get", c.Get("/old/login?username=carol&password="+passwordOf(i)))
		})
		s.Posture("credential_in_url")
	}})
	_ = register(Scenario{Name: "posture_secret", Title: "the secret of a client in a URL", Over: lab.TLS, Run: func(s *Stage) {
		s.API.Handle("POST /old/token", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			reply(w, 200, object{"access_token": s.API.Token("app"), "token_type": "Bearer"})
		})
		s.each(2, func(i int, c *Client) {
			c.Send("POST", "/old/token?client_id=app&client_secret="+opaqueOf(4), "application/x-www-form-urlencoded", []byte("grant_type=client_credentials"))
		})
		s.Posture("oauth_client_secret_exposed")
		s.MayPosture("credential_in_url")
	}})
)
