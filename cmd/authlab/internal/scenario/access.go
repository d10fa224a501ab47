package scenario

import (
	"fmt"
	"time"

	"github.com/authtap/authtap/cmd/authlab/internal/api"
)

// Ways around the question who somebody is.

var (
	_ = register(Scenario{Name: "barrier_flip", Title: "a refusal is got around by other spellings", Run: func(s *Stage) {
		s.signedIn(5)
		eve := s.Client(attacker)
		eve.Get("/admin/stats")
		for _, target := range []string{"/admin/..;/admin/stats", "//admin/stats", "/ADMIN/stats", "/admin/./stats", "/admin;/stats", "/admin/%2e/stats"} {
			s.Pass(3 * time.Second)
			x := eve.Get(target)
			if x.Admitted { // a flip is one that worked
				s.Attempt("auth_barrier_flip", x)
			}
		}
		s.Pass(3 * time.Second)
		x := eve.Get("/", header("X-Original-URL", "/admin/stats"))
		s.May("auth_barrier_flip", x)
		s.May("identity_header_spoofing", x)
		s.May("auth_optional", x)
	}})
	_ = register(Scenario{Name: "identity_header", Title: "a client says who it is, as only the gateway should", Run: func(s *Stage) {
		s.signedIn(5)
		eve := s.Client(attacker)
		eve.Get("/admin/stats")
		for _, name := range []string{"X-Forwarded-User", "X-Forwarded-User", "X-Forwarded-User"} {
			s.Pass(20 * time.Second)
			x := eve.Get("/admin/stats", header(name, "admin"))
			s.Attempt("identity_header_spoofing", x)
			s.May("auth_barrier_flip", x)
			s.May("auth_optional", x)
		}
	}})
	_ = register(Scenario{Name: "auth_probing", Title: "one protected endpoint after the other is tried", Run: func(s *Stage) {
		s.signedIn(5)
		// Forty places that only who is signed in can see.
		p := s.people(1, "site.example")[0]
		c := s.browser("203.0.113.80", 1)
		sid := s.signIn(c, p, 0)
		for i := range 40 {
			c.Get(fmt.Sprintf("/admin/%s", words[i]), cookie("sid", sid))
		}
		eve := s.Client(attacker)
		for i := range 40 {
			s.Attempt("auth_probing", eve.Get(fmt.Sprintf("/admin/%s", words[i])))
			s.Pass(2 * time.Second)
		}
	}})
	_ = register(Scenario{Name: "forced_browsing", Title: "gobuster looks for paths", Run: func(s *Stage) {
		s.Regulars(3)
		eve := s.Client(attacker)
		eve.Header.Set("User-Agent", "gobuster/3.8")
		for i := range 80 {
			s.Attempt("forced_browsing", eve.Get("/"+words[i%len(words)]+[]string{"", ".bak", "/config", ".php"}[i%4]))
			s.Pass(100 * time.Millisecond)
		}
	}})
	_ = register(Scenario{Name: "auth_optional", Title: "an endpoint that forgets to ask, for some", Run: func(s *Stage) {
		s.Regulars(4)
		open := false
		for i := range 5 {
			c := s.Client(fmt.Sprintf("192.0.2.%d", 70+i))
			x := c.Get(fmt.Sprintf("/api/users/%d?preview=1", 40+i))
			open = open || x.Admitted
			c.Get(fmt.Sprintf("/api/users/%d", 40+i))
			s.Pass(30 * time.Second)
		}
		if open {
			s.Posture("auth_optional")
		}
	}})
	_ = register(Scenario{Name: "auth_missing", Title: "an internal export that anybody may have", Run: func(s *Stage) {
		s.Regulars(2)
		open := false
		for i := range 60 {
			x := s.Client(fmt.Sprintf("192.0.2.%d", 70+i%3)).Get("/api/internal/export")
			open = open || x.Status == 200
			s.Pass(time.Minute)
		}
		if open {
			s.Posture("auth_missing")
		}
	}})
	_ = register(Scenario{Name: "session_stolen", Title: "a token is used from two places at once", Run: func(s *Stage) {
		s.Regulars(3)
		s.API.Add(api.Account{Name: "carol", Password: passwordOf(3)})
		c, eve := s.browser("203.0.113.80", 0), s.Client(attacker)
		eve.Header.Set("User-Agent", "curl/8.14.1")
		token := c.Login("carol", passwordOf(3)).JSON("access_token")
		for i := range 8 {
			c.Get(fmt.Sprintf("/api/orders/%d", i+100), bearer(token))
			s.Pass(10 * time.Second)
			eve.Get(fmt.Sprintf("/api/orders/%d", i+200), bearer(token))
			s.Pass(10 * time.Second)
		}
		s.Posture("credential_shared")
	}})
)

var words = []string{
	"stats", "users", "logs", "backup", "dump", "console", "env", "metrics", "trace", "heapdump", "jobs", "queue", "mail", "keys", "audit", "reports",
	"orders", "billing", "invoices", "flags", "cache", "session", "tokens", "roles", "groups", "plugins", "themes", "upload", "import", "export",
	"db", "sql", "phpinfo", "setup", "install", "test", "staging", "old", "new", "tmp", "private", "secret",
}
