package scenario

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/authtap/authtap/cmd/authlab/internal/api"
	"github.com/authtap/authtap/cmd/authlab/internal/lab"
)

// Honest traffic that looks odd because of where it is seen, or of what is in
// between.

var (
	_ = register(Scenario{
		Name: "honest_hops", Title: "each exchange twice: before and behind what ends TLS", Honest: true, Long: true, Over: lab.TLS,
		Run: func(s *Stage) {
			for i, p := range s.people(80, "hop.example") {
				c := s.browser(fmt.Sprintf("203.0.113.%d", 20+i), i)
				c.Hop = [2]string{"10.0.0.5", "10.0.0.20:8080"}
				sid := s.signIn(c, p, typing(s))
				code := s.authorize(c, sid, map[string]string{"state": fmt.Sprint("st-", opaqueOf(i)), "nonce": fmt.Sprint("no-", opaqueOf(i))})
				t := c.Form("/oauth/token", nil, "grant_type", "authorization_code", "code", code, "redirect_uri", callback, "client_id", "spa", "code_verifier", verifier)
				p.token, p.refresh = t.JSON("access_token"), t.JSON("refresh_token")
				p.browse(s, c, 10)
				p.renew(c)
				p.browse(s, c, 10)
				c.Form("/logout", []option{cookie("sid", sid)})
				c.Leave()
				s.Pass(10 * time.Second)
			}
		},
	})
	_ = register(Scenario{
		Name: "honest_wrong_turns", Title: "people who were signed out, pages without rights, and links from mails", Honest: true, Long: true, Over: lab.TLS,
		Run: func(s *Stage) {
			for i, p := range s.people(100, "turn.example") {
				c := s.browser(fmt.Sprintf("203.0.113.%d", 20+i), i)
				for _, path := range []string{"/account", "/account/orders.json", "/api/me", "/api/orders?page=1", "/api/users/7", "/admin/stats"} {
					c.Get(path) // the page tries all that it needs
				}
				p.login(s, c, typing(s))
				p.browse(s, c, 12)
				for range 3 {
					c.Get("/api/admin/report", bearer(p.token)) // 403
				}
				c.Get("/api//orders", bearer(p.token)) // a slash too many
				c.Get("/api/orders/", bearer(p.token))
				c.Get("/api/orders/1.json", bearer(p.token))
				c.Send("OPTIONS", "/api/orders", "", nil, header("Access-Control-Request-Method", "POST"))
				c.Send("HEAD", "/api/products", "", nil)
				c.Get("/reset?token=" + opaqueOf(i))
				c.Get("/unsubscribe?email=" + strings.Replace(p.name, "@", "%40", 1) + "&sig=" + opaqueOf(i))
				c.Get("/favicon.ico")
				c.Leave()
			}
		},
	})
	_ = register(Scenario{
		Name: "honest_reset", Title: "new passwords: by a mail, and with the old one", Honest: true, Long: true, Over: lab.HTTP2,
		Run: func(s *Stage) {
			s.API.Handle("POST /api/password/forgot", func(w http.ResponseWriter, r *http.Request) { reply(w, 202, object{"sent": true}) })
			s.API.Handle("POST /api/password/reset", func(w http.ResponseWriter, r *http.Request) { reply(w, 200, object{"changed": true}) })
			s.API.Handle("POST /api/password/change", func(w http.ResponseWriter, r *http.Request) { reply(w, 200, object{"changed": true}) })
			s.Regulars(3)
			for i, p := range s.people(60, "reset.example") {
				c := s.browser(fmt.Sprintf("203.0.113.%d", 20+i), i)
				c.Login(p.name, guess(22+i))
				c.Login(p.name, guess(23+i))
				c.Post("/api/password/forgot", object{"email": p.name})
				s.Pass(2 * time.Minute)
				fresh := passwordOf(8000 + i)
				c.Post("/api/password/reset", object{"token": opaqueOf(i) + opaqueOf(i + 1)[:8], "new_password": fresh})
				s.API.Add(api.Account{Name: p.name, Password: fresh})
				p.password = fresh
				p.login(s, c, 0)
				p.browse(s, c, 5)
				c.Post("/api/password/change", object{"current_password": fresh, "new_password": passwordOf(9000 + i)}, bearer(p.token))
				c.Leave()
				s.Pass(time.Minute)
			}
		},
	})
	_ = register(Scenario{
		Name: "honest_shared_desk", Title: "one till for forty people, who change every few minutes", Honest: true, Long: true, Over: lab.TLS,
		Run: func(s *Stage) {
			desk := s.browser("203.0.113.50", 0)
			people := s.people(40, "till.example")
			for range 3 {
				for _, p := range people {
					sid := s.signIn(desk, p, typing(s))
					for range 6 {
						desk.Get("/account/orders.json", cookie("sid", sid))
						s.Pass(15 * time.Second)
					}
					desk.Form("/logout", []option{cookie("sid", sid)})
				}
			}
		},
	})
	_ = register(Scenario{
		Name: "honest_partner", Title: "a partner's batch: one token, thousands of requests, some refused", Honest: true, Long: true, Over: lab.Plain,
		Run: func(s *Stage) {
			s.Regulars(2)
			s.API.Add(api.Account{Name: "partner", Password: opaqueOf(1)})
			c := s.Client("203.0.113.70")
			c.Header.Set("User-Agent", "python-requests/2.32.3")
			var token string
			for i := range 3000 {
				if i%500 == 0 {
					token = c.Form("/oauth/token", []option{basic("partner", opaqueOf(1))}, "grant_type", "client_credentials").JSON("access_token")
				}
				c.Get(fmt.Sprintf("/api/orders/%d", 10_000+i), bearer(token))
				if i%40 == 0 {
					c.Get(fmt.Sprintf("/api/stock/%d", i), bearer(token)) // what there is no longer
				}
				s.Pass(150 * time.Millisecond)
			}
		},
	})
)
