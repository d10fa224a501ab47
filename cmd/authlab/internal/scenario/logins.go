package scenario

import (
	"fmt"
	"strings"
	"time"

	"github.com/authtap/authtap/cmd/authlab/internal/api"
)

// Logins that are got around, codes, and what else is guessed.

// batch is a request of GraphQL with a login for each of the guesses.
func batch(from, to int) object {
	var logins []string
	for i := from; i < to; i++ {
		logins = append(logins, fmt.Sprintf(`a%d: login(username: "bob", password: %q) { token }`, i, guess(i)))
	}
	return object{"query": "mutation { " + strings.Join(logins, "\n") + " }"}
}

var (
	_ = register(Scenario{Name: "batched_login", Title: "twenty logins in a request of GraphQL", Run: func(s *Stage) {
		s.Regulars(2)
		s.API.Add(api.Account{Name: "bob", Password: guess(33)})
		c := s.Client(attacker)
		x := c.Post("/graphql", batch(0, 20))
		s.Attempt("batched_login", x)
		s.May("brute_force", x)
		s.Pass(20 * time.Second)
		var list []object
		for i := 20; i < 40; i++ {
			list = append(list, object{"query": fmt.Sprintf(`mutation { login(username: "bob", password: %q) { token } }`, guess(i))})
		}
		y := c.Post("/graphql", list)
		s.Attempt("batched_login", y)
		s.May("brute_force", y)
		s.May("compromised_after_attack", y)
		s.May("breached_password", y)
	}})
	_ = register(Scenario{Name: "batched_login_hit", Title: "twenty logins in a request of GraphQL, one of which is right", Run: func(s *Stage) {
		s.Regulars(2)
		s.API.Add(api.Account{Name: "bob", Password: guess(13)})
		x := s.Client(attacker).Post("/graphql", batch(0, 20))
		s.Attempt("batched_login", x)
		for _, d := range []string{"brute_force", "compromised_after_attack", "breached_password"} {
			s.May(d, x)
		}
	}})
	_ = register(Scenario{Name: "otp_guessing", Title: "a one-time code is guessed", Run: func(s *Stage) {
		s.Regulars(4)
		s.API.Add(api.Account{Name: "bob", Password: passwordOf(9), OTP: api.OTPOf(30)})
		for i := range 4 { // codes that are right, as a rule
			name := fmt.Sprintf("otp%d", i)
			s.API.Add(api.Account{Name: name, Password: passwordOf(20 + i), OTP: api.OTPOf(100 + i)})
			c := s.Client(fmt.Sprintf("203.0.113.%d", 70+i))
			challenge := c.Login(name, passwordOf(20+i)).JSON("mfa_token")
			c.Post("/api/login/otp", object{"mfa_token": challenge, "otp": api.OTPOf(100 + i)})
		}
		c := s.Client(attacker)
		challenge := c.Login("bob", passwordOf(9)).JSON("mfa_token")
		tries := s.tries(40, 3*time.Second, func(i int) *Exchange {
			return c.Post("/api/login/otp", object{"mfa_token": challenge, "otp": api.OTPOf(i)})
		})
		s.Attempt("otp_guessing", tries...)
		for _, x := range tries {
			s.May("compromised_after_attack", x)
		}
	}})
	_ = register(Scenario{Name: "otp_replay", Title: "a one-time code is used a second time", Run: func(s *Stage) {
		s.Regulars(4)
		s.API.Add(api.Account{Name: "bob", Password: passwordOf(9), OTP: api.OTPOf(30)})
		c, eve := s.Client("203.0.113.70"), s.Client(attacker)
		challenge := c.Login("bob", passwordOf(9)).JSON("mfa_token")
		c.Post("/api/login/otp", object{"mfa_token": challenge, "otp": api.OTPOf(30)})
		s.Pass(40 * time.Second)
		if x := eve.Post("/api/login/otp", object{"mfa_token": challenge, "otp": api.OTPOf(30)}); x.Admitted {
			s.Attempt("otp_replay", x)
		}
	}})
	_ = register(Scenario{Name: "login_bypass", Title: "attacks in the fields of a login", Run: func(s *Stage) {
		s.Regulars(4)
		c := s.Client(attacker)
		for _, body := range []object{
			{"username": "admin' OR '1'='1' -- ", "password": "x"},
			{"username": "admin", "password": object{"$ne": ""}},
			{"username": "admin", "password": object{"$gt": ""}},
		} {
			s.Attempt("login_bypass_payload", c.Post("/api/login", body))
			s.Pass(5 * time.Second)
		}
	}})
	_ = register(Scenario{Name: "default_credentials", Title: "the account that was there from the beginning", Run: func(s *Stage) {
		s.Regulars(4)
		if s.Vulnerable {
			s.API.Add(api.Account{Name: "admin", Password: "admin", Role: "admin"})
		}
		c := s.Client(attacker)
		for _, pair := range [][2]string{{"root", "root"}, {"admin", "password"}, {"admin", "admin"}} {
			x := c.Login(pair[0], pair[1])
			if x.Admitted {
				s.Attempt("default_credentials", x)
				s.May("breached_password", x)
			}
			s.Pass(5 * time.Second)
		}
	}})
	_ = register(Scenario{Name: "weak_password", Title: "passwords that everybody guesses are set", Run: func(s *Stage) {
		s.Regulars(2)
		for i, password := range []string{"123456", "password", "qwerty", passwordOf(77)} {
			c := s.Client(fmt.Sprintf("203.0.113.%d", 70+i))
			if x := c.Post("/api/register", object{"username": fmt.Sprintf("new%d", i), "password": password}); x.Admitted && len(password) < 12 {
				s.Posture("weak_password_accepted")
			}
			s.Pass(20 * time.Second)
		}
	}})
	_ = register(Scenario{Name: "token_guessing", Title: "keys of devices are guessed", Run: func(s *Stage) {
		for i := range 4 {
			key := s.API.Device(fmt.Sprintf("meter-%d", i))
			c := s.Client(fmt.Sprintf("203.0.113.%d", 10+i))
			c.Get("/telemetry/config", header("X-API-Key", key))
			c.Get("/telemetry/config", header("X-API-Key", key))
		}
		c := s.Client(attacker)
		for i := range 60 {
			s.Attempt("token_guessing", c.Get("/telemetry/config", header("X-API-Key", "dk_"+opaqueOf(i))))
			s.Pass(time.Second)
		}
	}})
)
