package scenario

import (
	"fmt"
	"strings"
	"time"

	"github.com/authtap/authtap/cmd/authlab/internal/api"
	"github.com/authtap/authtap/cmd/authlab/internal/lab"
)

// broke notes what is found where one of the tries had success.
func (s *Stage) broke(tries []*Exchange) {
	for _, x := range tries {
		if x.Admitted {
			s.Attack("compromised_after_attack", x)
			s.May("breached_password", x)
		}
	}
}

// bots are clients at many addresses.
func (s *Stage) bots(n int) (all []*Client) {
	for i := range n {
		c := s.Client(fmt.Sprintf("192.0.2.%d", 100+i))
		c.Header.Set("User-Agent", "Mozilla/5.0 (Windows NT 6.1; rv:60.0) Gecko/20100101 Firefox/60.0")
		all = append(all, c)
	}
	return all
}

var (
	_ = register(Scenario{Name: "brute_force_list", Title: "a list of users and a list of passwords", Run: func(s *Stage) {
		s.Regulars(4)
		s.accounts(6)
		c := s.Client(attacker)
		var tries []*Exchange
		for u := range 6 {
			for i := range 9 {
				tries = append(tries, c.Login(account(u), guess(i)))
				s.Pass(600 * time.Millisecond)
			}
		}
		s.Attempt("brute_force", tries...)
	}})
	_ = register(Scenario{Name: "brute_force_form", Title: "hydra at the form of the site", Over: lab.TLS, Run: func(s *Stage) {
		s.Regulars(2)
		for i, p := range s.people(5, "site.example") {
			s.signIn(s.browser(fmt.Sprintf("203.0.113.%d", 50+i), i), p, 0)
		}
		s.API.Add(api.Account{Name: "bob", Password: guess(30)})
		c := s.Client(attacker)
		c.Header.Set("User-Agent", "Mozilla/5.0 (Hydra)")
		var tries []*Exchange
		for i := range 50 {
			tries = append(tries, c.Form("/signin", nil, "username", "bob", "password", guess(i)))
			s.Pass(800 * time.Millisecond)
		}
		s.Attempt("brute_force", tries...)
		s.broke(tries)
	}})
	_ = register(Scenario{Name: "brute_force_basic", Title: "passwords guessed by Basic", Run: func(s *Stage) {
		s.API.Add(api.Account{Name: "report", Password: passwordOf(3)})
		regular := s.Client("203.0.113.10")
		regular.Get("/legacy/report")
		for range 6 {
			regular.Get("/legacy/report", basic("report", passwordOf(3)))
			s.Pass(time.Second)
		}
		s.Posture("basic_auth")
		s.API.Add(api.Account{Name: "boss", Password: guess(40)})
		c := s.Client(attacker)
		var tries []*Exchange
		for i := range 60 {
			tries = append(tries, c.Get("/legacy/report", basic("boss", guess(i))))
			s.Pass(400 * time.Millisecond)
		}
		s.Attempt("brute_force", tries...)
		s.broke(tries)
	}})
	_ = register(Scenario{Name: "brute_force_distributed", Title: "one account, guessed from many addresses", Run: func(s *Stage) {
		s.Regulars(4)
		s.API.Add(api.Account{Name: "bob", Password: guess(55)})
		bots := s.bots(15)
		var tries []*Exchange
		for i := range 60 {
			tries = append(tries, bots[i%len(bots)].Login("bob", guess(i)))
			s.Pass(5 * time.Second)
		}
		s.Attack("brute_force_distributed", tries...)
		s.broke(tries)
	}})
	_ = register(Scenario{Name: "brute_force_slow", Title: "one account, guessed from six addresses in a day", Run: func(s *Stage) {
		s.Regulars(4)
		s.API.Add(api.Account{Name: "bob", Password: passwordOf(44)})
		bots := s.bots(6)
		var tries []*Exchange
		for i := range 70 {
			tries = append(tries, bots[i%len(bots)].Login("bob", guess(i)))
			s.Pass(19 * time.Minute)
		}
		s.Attack("brute_force_distributed", tries...)
	}})
	_ = register(Scenario{Name: "password_spraying_slow", Title: "one password for all accounts, in a day", Run: func(s *Stage) {
		s.Regulars(4)
		s.accounts(70)
		c := s.Client(attacker)
		var tries []*Exchange
		for i := range 70 {
			tries = append(tries, c.Login(account(i), "Winter2026!"))
			s.Pass(18 * time.Minute)
		}
		s.Attempt("password_spraying", tries...)
	}})
	_ = register(Scenario{Name: "credential_stuffing_distributed", Title: "a list of stolen accounts, tried from forty addresses", Run: func(s *Stage) {
		s.Regulars(4)
		s.accounts(20)
		s.Pass(time.Hour)
		bots := s.bots(40)
		var tries []*Exchange
		for i := range 160 {
			name, password := fmt.Sprintf("stolen%d@mail.example", i), fmt.Sprintf("%s-%d", guess(i), i*37)
			if i == 150 {
				name, password = account(3), passwordOf(1003)
			}
			tries = append(tries, bots[i%len(bots)].Login(name, password))
			s.Pass(3 * time.Second)
		}
		s.Attack("credential_stuffing", tries...)
		s.broke(tries)
	}})
	_ = register(Scenario{Name: "no_throttling", Title: "as many guesses as anybody likes", Run: func(s *Stage) {
		s.Regulars(4)
		s.API.Add(api.Account{Name: "bob", Password: passwordOf(9)})
		c := s.Client(attacker)
		var tries []*Exchange
		slowed := false
		for i := range 180 {
			x := c.Login("bob", guess(i))
			slowed = slowed || x.Status == 429
			tries = append(tries, x)
			s.Pass(2 * time.Second)
		}
		s.Attempt("brute_force", tries...)
		if !slowed {
			s.Posture("no_throttling")
		}
	}})
	_ = register(Scenario{Name: "batched_login", Title: "twenty logins in a request of GraphQL", Run: func(s *Stage) {
		s.Regulars(2)
		s.API.Add(api.Account{Name: "bob", Password: guess(33)})
		c := s.Client(attacker)
		var aliases []string
		for i := range 20 {
			aliases = append(aliases, fmt.Sprintf(`a%d: login(username: "bob", password: %q) { token }`, i, guess(i)))
		}
		x := c.Post("/graphql", object{"query": "mutation { " + strings.Join(aliases, "\n") + " }"})
		s.Attempt("batched_login", x)
		s.May("brute_force", x)
		s.Pass(20 * time.Second)
		var batch []object
		for i := 20; i < 40; i++ {
			batch = append(batch, object{"query": fmt.Sprintf(`mutation { login(username: "bob", password: %q) { token } }`, guess(i))})
		}
		y := c.Post("/graphql", batch)
		s.Attempt("batched_login", y)
		s.May("brute_force", y)
		s.May("compromised_after_attack", y)
		s.May("breached_password", y)
	}})
	_ = register(Scenario{Name: "batched_login_hit", Title: "twenty logins in a request of GraphQL, one of which is right", Run: func(s *Stage) {
		s.Regulars(2)
		s.API.Add(api.Account{Name: "bob", Password: guess(13)})
		var aliases []string
		for i := range 20 {
			aliases = append(aliases, fmt.Sprintf(`a%d: login(username: "bob", password: %q) { token }`, i, guess(i)))
		}
		x := s.Client(attacker).Post("/graphql", object{"query": "mutation { " + strings.Join(aliases, "\n") + " }"})
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
		var tries []*Exchange
		for i := range 40 {
			tries = append(tries, c.Post("/api/login/otp", object{"mfa_token": challenge, "otp": api.OTPOf(i)}))
			s.Pass(3 * time.Second)
		}
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
