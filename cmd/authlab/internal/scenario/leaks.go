package scenario

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Answers and links that give credentials away.

// secretOf is a key as its issuer makes it, out of parts so that no scanner
// takes it for a leaked one.
func secretOf(prefix string, n int) string {
	return prefix + strings.NewReplacer("-", "x", "_", "y").Replace(base64.RawURLEncoding.EncodeToString(append(bytesOf(n), bytesOf(n+1)...)))
}

// gives serves something at a path, more of it in the vulnerable edition, and
// lets people ask for it.
func (s *Stage) gives(path string, good object, bad object) {
	s.API.Handle("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			reply(w, 401, object{"error": "unauthorized"})
			return
		}
		body := object{}
		for k, v := range good {
			body[k] = v
		}
		if s.Vulnerable {
			for k, v := range bad {
				body[k] = v
			}
		}
		reply(w, 200, body)
	})
	s.each(3, func(i int, c *Client) {
		for range 2 {
			c.Get(path, bearer(s.API.Token(account(i))))
			s.Pass(5 * time.Second)
		}
	})
}

var (
	_ = posture("leak_hash", "a profile with the hash of its password", "secret_in_response", func(s *Stage) {
		s.gives("/api/v1/profile", object{"id": 7, "email": "carol@mail.example", "passwordChangedAt": "2026-01-02"},
			object{"password": "$2b$12$KIXQ4h5r0u3uYx9bq1n2MOaY6Z8eTz2m5d9fS1cR3vL7wQ0pXyUeG"})
	})
	_ = posture("leak_key", "a configuration with the key of a payment service", "secret_in_response", func(s *Stage) {
		s.gives("/api/v1/config", object{"env": "production", "stripePublicKey": secretOf("pk_"+"live_", 3)[:32]},
			object{"stripe": object{"key": secretOf("sk_"+"live_", 5)[:32]}})
	})
	_ = posture("leak_password", "an account with the password that was chosen", "password_returned", func(s *Stage) {
		s.API.Handle("PUT /api/v1/me/credentials", func(w http.ResponseWriter, r *http.Request) { reply(w, 200, object{"ok": true}) })
		s.each(2, func(i int, c *Client) {
			c.Send("PUT", "/api/v1/me/credentials", "application/json", []byte(`{"old_password":"`+passwordOf(8)+`","new_password":"`+passwordOf(9)+`"}`), bearer(s.API.Token("carol")))
			c.Get("/api/me", bearer(s.API.Token("carol")))
		})
		s.gives("/api/v1/me", object{"id": 7, "email": "carol@mail.example"}, object{"password": passwordOf(9)})
	}, "secret_in_response")
	_ = posture("leak_reflected", "an error page that shows the request's headers", "credential_reflected", func(s *Stage) {
		s.API.Handle("GET /api/v1/reports/{id}", func(w http.ResponseWriter, r *http.Request) {
			if s.Vulnerable {
				reply(w, 500, object{"error": "KeyError: 'id'", "request": object{"method": "GET", "headers": r.Header}})
				return
			}
			reply(w, 500, object{"error": "internal error", "trace": opaqueOf(3)})
		})
		s.each(3, func(i int, c *Client) {
			c.Get(fmt.Sprintf("/api/v1/reports/%d", 100+i), bearer(s.API.Token(account(i))))
		})
	})
	_ = posture("leak_model", "the page's settings with the key of a language model", "llm_key_exposed", func(s *Stage) {
		s.gives("/api/v1/assistant/settings", object{"model": "small", "temperature": 0.2},
			object{"apiKey": secretOf("sk-ant-"+"api03-", 7)[:13] + (secretOf("", 9) + secretOf("", 11))[:93] + "AA"})
	}, "secret_in_response", "token_response_cacheable")
	_ = posture("leak_redirect", "a partner gets the user's token in a redirect", "credential_in_referer", func(s *Stage) {
		s.API.Handle("GET /go/partner", func(w http.ResponseWriter, r *http.Request) {
			to := "https://partner.example/welcome"
			if s.Vulnerable {
				to += "?lang=de&access_token=" + s.API.Token("carol")
			}
			w.Header().Set("Location", to)
			w.WriteHeader(302)
		})
		s.each(3, func(i int, c *Client) { c.Get("/go/partner", cookie("sid", opaqueOf(i))) })
	}, "credential_in_url")
	_ = register(Scenario{Name: "honest_answers", Title: "answers that only look as if they held secrets", Honest: true, Run: func(s *Stage) {
		s.gives("/api/v1/profile", object{
			"id": 7, "email": "carol@mail.example", "password": "********", "passwordHash": nil, "etag": opaqueOf(4), "avatar": "https://gravatar.example/avatar/" + opaqueOf(5),
			"publishableKey": secretOf("pk_"+"live_", 3)[:32], "labels": object{"password": "Passwort"}, "checksum": opaqueOf(6),
		}, nil)
		s.gives("/docs/quickstart", object{"example": "curl -u " + secretOf("sk_"+"test_", 5)[:32] + ":", "password": "correct-horse"}, nil)
		s.API.Handle("POST /api/v1/api-keys", func(w http.ResponseWriter, r *http.Request) {
			reply(w, 201, object{"id": 4, "apiKey": secretOf("sk_"+"live_", 5)[:32], "note": "It is shown once."})
		})
		s.API.Handle("POST /api/v1/users", func(w http.ResponseWriter, r *http.Request) {
			body := object{}
			decode(r, &body)
			reply(w, 422, object{"errors": object{"password": []string{"is too short"}}, "old": object{"email": body["email"]}})
		})
		s.API.Handle("GET /go/sso", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "https://partner.example/oidc/callback?code="+opaqueOf(6)+"&state="+opaqueOf(7))
			w.WriteHeader(302)
		})
		s.each(5, func(i int, c *Client) {
			token := s.API.Token(account(i))
			c.Post("/api/v1/api-keys", object{"name": "ci"}, bearer(token))
			c.Post("/api/v1/users", object{"email": account(i), "password": passwordOf(i)})
			c.Get("/go/sso", header("Referer", "https://app.shop.example/start?token="+opaqueOf(i+40)))
			c.Get("/api/me", bearer(token), header("Referer", "https://www.search.example/?q=shop"))
		})
	}})
)
