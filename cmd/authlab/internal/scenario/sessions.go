package scenario

import (
	"fmt"
	"time"

	"github.com/authtap/authtap/cmd/authlab/internal/lab"
)

// Sessions that outlive what should end them.

// signedIn lets people use the site, so that its pages become known.
func (s *Stage) signedIn(n int) {
	for i, p := range s.people(n, "site.example") {
		c := s.browser(fmt.Sprintf("203.0.113.%d", 20+i), i)
		c.Get("/account/orders.json")
		sid := s.signIn(c, p, 0)
		for range 3 {
			c.Get("/account/orders.json", cookie("sid", sid))
			c.Get("/admin/stats", cookie("sid", sid))
			s.Pass(2 * time.Second)
		}
		c.Get("/admin/stats")
		c.Leave()
	}
	if s.Vulnerable { // the session from before the login is kept
		s.Posture("session_not_rotated")
	}
}

var (
	_ = register(Scenario{Name: "session_kept", Title: "logins keep the session that was there before", Over: lab.TLS, Run: func(s *Stage) {
		s.signedIn(6)
	}})
	_ = register(Scenario{Name: "session_fixation", Title: "a session that the attacker knows becomes the victim's", Run: func(s *Stage) {
		s.signedIn(5)
		eve, victim := s.Client(attacker), s.browser("203.0.113.90", 1)
		known := eve.Get("/signin").Cookie("sid")
		s.Pass(5 * time.Minute)
		p := s.people(1, "site.example")[0]
		victim.Form("/signin", []option{cookie("sid", known)}, "username", p.name, "password", p.password)
		s.Pass(time.Minute)
		x := eve.Get("/account/orders.json", cookie("sid", known))
		s.May("session_fixation", x)
		s.May("credential_shared", x)
	}})
	_ = register(Scenario{Name: "session_after_logout", Title: "a session goes on after its logout", Run: func(s *Stage) {
		s.signedIn(5)
		c, eve := s.browser("203.0.113.90", 1), s.Client(attacker)
		p := s.people(1, "site.example")[0]
		sid := s.signIn(c, p, 0)
		c.Get("/account/orders.json", cookie("sid", sid))
		s.Pass(10 * time.Second)
		c.Form("/logout", []option{cookie("sid", sid)})
		s.Pass(time.Minute)
		for range 3 {
			x := eve.Get("/account/orders.json", cookie("sid", sid))
			if x.Admitted {
				s.Attack("session_after_logout", x)
			}
			s.Pass(20 * time.Second)
		}
	}})
)
