package scenario

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/authtap/authtap/cmd/authlab/internal/api"
)

// Questions about which accounts there are, and the second step of a login.

// forgotten answers requests for a new password: the hardened edition says the
// same to all, and little to who asks often.
func (s *Stage) forgotten() {
	asked := 0
	s.API.Handle("POST /api/v1/auth/forgot-password", func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked > 10 && !s.Vulnerable {
			w.Header().Set("Retry-After", "600")
			reply(w, 429, object{"message": "Too Many Requests"})
			return
		}
		if s.Vulnerable && asked%12 != 3 {
			reply(w, 404, object{"message": "We can't find a user with that email address."})
			return
		}
		reply(w, 200, object{"message": "If the address is known, a mail is on its way."})
	})
}

// hinting is a login that says, in the vulnerable edition, what was wrong.
func (s *Stage) hinting(known func(name string) bool) {
	s.API.Handle("POST /api/v2/sessions", func(w http.ResponseWriter, r *http.Request) {
		body := object{}
		decode(r, &body)
		session, _ := body["session"].(map[string]any)
		name, _ := session["email"].(string)
		password, _ := session["password"].(string)
		switch {
		case known(name) && strings.Contains(password, "-Vorhang-"):
			s.API.Admit(name)
			w.Header().Set("Cache-Control", "no-store")
			reply(w, 201, object{"data": object{"accessToken": s.API.Token(name), "user": object{"email": name}}})
		case !s.Vulnerable:
			reply(w, 401, object{"errors": []object{{"code": "INVALID_LOGIN", "detail": "Invalid email or password."}}})
		case known(name):
			reply(w, 401, object{"errors": []object{{"code": "BAD_PASSWORD", "detail": "The password is not right."}}})
		default:
			reply(w, 401, object{"errors": []object{{"code": "NO_SUCH_USER", "detail": "There is no account for " + name + "."}}})
		}
	})
}

func session(name, password string) object {
	return object{"session": object{"email": name, "password": password, "remember": true}}
}

// twoStep is a login with a cookie, which a code completes. The vulnerable
// edition asks for the code in its pages only.
func (s *Stage) twoStep() {
	passed := map[string]bool{}
	n := 0
	s.API.Handle("POST /auth/password", func(w http.ResponseWriter, r *http.Request) {
		body := object{}
		decode(r, &body)
		if password, _ := body["password"].(string); !strings.Contains(password, "-Vorhang-") {
			reply(w, 401, object{"code": "bad_credentials"})
			return
		}
		n++
		id := opaqueOf(700 + n)
		passed[id] = body["device"] != nil
		http.SetCookie(w, &http.Cookie{Name: "app_session", Value: id, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		if passed[id] { // a browser that is remembered
			reply(w, 200, object{"status": "ok"})
			return
		}
		reply(w, 200, object{"status": "mfa_required", "methods": []string{"totp", "sms"}})
	})
	s.API.Handle("POST /auth/totp", func(w http.ResponseWriter, r *http.Request) {
		body := object{}
		decode(r, &body)
		c, err := r.Cookie("app_session")
		if code, _ := body["code"].(string); err != nil || len(code) != 6 {
			reply(w, 401, object{"code": "bad_code"})
			return
		}
		passed[c.Value] = true
		s.API.Admit("somebody")
		reply(w, 200, object{"status": "ok"})
	})
	for _, path := range []string{"accounts", "transfers", "cards"} {
		s.API.Handle("GET /bank/"+path, func(w http.ResponseWriter, r *http.Request) {
			c, err := r.Cookie("app_session")
			if err != nil {
				reply(w, 401, object{"code": "signed_out"})
				return
			}
			if ok, known := passed[c.Value]; !known || !ok && !s.Vulnerable {
				reply(w, 403, object{"code": "mfa_required"})
				return
			}
			s.API.Admit("somebody")
			reply(w, 200, object{path: []object{{"id": 1, "name": "main", "amount": "120.50"}}})
		})
	}
}

// banking looks at everything once.
func (c *Client) banking(options ...option) (all []*Exchange) {
	for _, path := range []string{"accounts", "transfers", "cards"} {
		all = append(all, c.Get("/bank/"+path, options...))
		c.s.Pass(3 * time.Second)
	}
	return all
}

// twoSteps lets people log in with both steps.
func (s *Stage) twoSteps(n int) {
	s.each(n, func(i int, c *Client) {
		c.banking()
		sid := c.Post("/auth/password", object{"email": account(i), "password": passwordOf(i)}).Cookie("app_session")
		s.Pass(9 * time.Second)
		c.Post("/auth/totp", object{"code": api.OTPOf(i)}, cookie("app_session", sid))
		c.banking(cookie("app_session", sid))
	})
}

var (
	_ = register(Scenario{Name: "enumeration_reset", Title: "a list of addresses at the form for a new password", Run: func(s *Stage) {
		s.forgotten()
		s.Regulars(3)
		eve := s.Client(attacker)
		eve.Header.Set("User-Agent", "Fuzz Faster U Fool v2.1.0-dev")
		for i := range 60 {
			eve.Post("/api/v1/auth/forgot-password", object{"email": fmt.Sprintf("%s%d@mail.example", words[i%len(words)], i)})
			s.Pass(2 * time.Second)
		}
		s.want(Want{"user_enumeration", attacker, Unknown, false}) // which answers tell of an account nobody but the server knows
	}})
	_ = posture("enumeration_possible", "a login that says whether there is an account", "user_enumeration", func(s *Stage) {
		s.hinting(func(name string) bool { return strings.HasPrefix(name, "user") })
		s.each(50, func(i int, c *Client) {
			name := account(i)
			if i%2 == 1 {
				name = fmt.Sprintf("reader%d@example.net", i)
			}
			for k := range 4 {
				c.Post("/api/v2/sessions", session(name, fmt.Sprintf("Herbst%d!%d", i, k)))
				s.Pass(25 * time.Second)
			}
			if i%2 == 0 {
				c.Post("/api/v2/sessions", session(name, passwordOf(i)))
			}
		})
	})
	_ = register(Scenario{Name: "honest_names", Title: "names that are looked for: as they are typed, and by an office on its first day", Honest: true, Run: func(s *Stage) {
		s.API.Handle("GET /api/v1/usernames/{name}/availability", func(w http.ResponseWriter, r *http.Request) {
			reply(w, 200, object{"available": len(r.PathValue("name")) > 4})
		})
		s.API.Handle("POST /api/v1/users/check-email", func(w http.ResponseWriter, r *http.Request) {
			reply(w, 200, object{"exists": false})
		})
		s.API.Handle("POST /api/v1/users", func(w http.ResponseWriter, r *http.Request) { reply(w, 201, object{"id": 17}) })
		s.hinting(func(string) bool { return true })
		s.forgotten()
		for i := range 45 {
			c := s.browser("203.0.113.200", i) // all of one address
			name := fmt.Sprintf("%s.%s", words[i%len(words)], words[(i*7+3)%len(words)])
			for k := 3; k <= len(name); k++ {
				c.Get("/api/v1/usernames/" + name[:k] + "/availability")
				s.Pass(200 * time.Millisecond)
			}
			c.Post("/api/v1/users/check-email", object{"email": name + "@office.example"})
			s.Pass(3 * time.Second)
			c.Post("/api/v1/users", object{"username": name, "email": name + "@office.example", "password": passwordOf(i)})
			if i%4 == 0 {
				c.Post("/api/v2/sessions", session(name+"@office.example", "Falsch"))
			}
			c.Post("/api/v2/sessions", session(name+"@office.example", passwordOf(i)))
			s.Pass(4 * time.Second)
			c.Leave()
		}
	}})
	_ = register(Scenario{Name: "mfa_skipped", Title: "the second factor is asked for by pages only", Run: func(s *Stage) {
		s.twoStep()
		s.twoSteps(14)
		eve := s.Client(attacker)
		sid := eve.Post("/auth/password", object{"email": account(3), "password": passwordOf(3)}).Cookie("app_session")
		var tries []*Exchange
		for range 2 {
			tries = append(tries, eve.banking(cookie("app_session", sid))...)
		}
		for _, x := range tries {
			if x.Admitted {
				s.Posture("mfa_skipped")
			}
		}
	}})
	_ = register(Scenario{Name: "honest_remembered", Title: "browsers that are remembered need no second factor", Honest: true, Run: func(s *Stage) {
		s.twoStep()
		s.twoSteps(14)
		s.each(14, func(i int, c *Client) {
			body := object{"email": account(i), "password": passwordOf(i)}
			if i%7 == 3 {
				body["device"] = opaqueOf(i)
			}
			sid := c.Post("/auth/password", body).Cookie("app_session")
			if i%7 != 3 {
				c.banking(cookie("app_session", sid)) // a page that asks before the code is there
				s.Pass(8 * time.Second)
				c.Post("/auth/totp", object{"code": api.OTPOf(90 + i)}, cookie("app_session", sid))
			}
			c.banking(cookie("app_session", sid))
		})
	}})
)
