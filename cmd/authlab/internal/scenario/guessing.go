package scenario

import (
	"fmt"
	"time"

	"github.com/authtap/authtap/cmd/authlab/internal/api"
	"github.com/authtap/authtap/cmd/authlab/internal/lab"
)

// Passwords are guessed.

func account(n int) string { return fmt.Sprintf("user%03d@example.org", n) }

// accounts makes accounts with passwords of their own.
func (s *Stage) accounts(n int) {
	for i := range n {
		s.API.Add(api.Account{Name: account(i), Password: passwordOf(1000 + i)})
	}
}

var commonPasswords = []string{"123456", "password", "qwerty", "letmein", "welcome1", "sunshine", "iloveyou", "dragon", "football", "monkey",
	"abc123", "111111", "baseball", "shadow", "master", "trustno1", "superman", "michael", "jennifer", "hunter2"}

// guess is a password of a list.
func guess(i int) string {
	if i < len(commonPasswords) {
		return commonPasswords[i]
	}
	return fmt.Sprintf("%s%d", commonPasswords[i%len(commonPasswords)], 1980+i)
}

// tries makes n attempts, with a pause behind each.
func (s *Stage) tries(n int, pause time.Duration, try func(i int) *Exchange) (all []*Exchange) {
	for i := range n {
		all = append(all, try(i))
		s.Pass(pause)
	}
	return all
}

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
	_ = register(Scenario{Name: "brute_force", Title: "hydra guesses a password, and finds it", Run: func(s *Stage) {
		s.Regulars(4)
		s.API.Add(api.Account{Name: "bob", Password: guess(60)})
		s.Pass(time.Minute)
		hydra := s.Client(attacker)
		hydra.Header.Set("User-Agent", "Mozilla/5.0 (Hydra)")
		tries := s.tries(80, 700*time.Millisecond, func(i int) *Exchange { return hydra.Login("bob", guess(i)) })
		s.Attempt("brute_force", tries...)
		s.broke(tries)
	}})
	_ = register(Scenario{Name: "password_spraying", Title: "one password for all accounts, with a hit", Run: func(s *Stage) {
		s.Regulars(4)
		s.accounts(60)
		s.API.Add(api.Account{Name: account(41), Password: "Winter2026!"})
		s.Pass(time.Minute)
		c := s.Client(attacker)
		c.Header.Set("User-Agent", "python-requests/2.32.3")
		tries := s.tries(60, 3*time.Second, func(i int) *Exchange { return c.Login(account(i), "Winter2026!") })
		s.Attempt("password_spraying", tries...)
		s.broke(tries)
	}})
	_ = register(Scenario{Name: "credential_stuffing", Title: "a list of stolen accounts, with a hit", Run: func(s *Stage) {
		s.Regulars(4)
		s.accounts(20)
		s.Pass(time.Minute)
		c := s.Client(attacker)
		c.Header.Set("User-Agent", "okhttp/4.12.0")
		var tries []*Exchange
		for i := range 70 {
			tries = append(tries, c.Login(stolen(i, 50)))
			s.Pass(4 * time.Second)
		}
		s.Attempt("credential_stuffing", tries...)
		s.broke(tries)
	}})
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
		tries := s.tries(50, 800*time.Millisecond, func(i int) *Exchange { return c.Form("/signin", nil, "username", "bob", "password", guess(i)) })
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
		tries := s.tries(60, 400*time.Millisecond, func(i int) *Exchange { return c.Get("/legacy/report", basic("boss", guess(i))) })
		s.Attempt("brute_force", tries...)
		s.broke(tries)
	}})
	_ = register(Scenario{Name: "brute_force_distributed", Title: "one account, guessed from many addresses", Run: func(s *Stage) {
		s.Regulars(4)
		s.API.Add(api.Account{Name: "bob", Password: guess(55)})
		bots := s.bots(15)
		tries := s.tries(60, 5*time.Second, func(i int) *Exchange { return bots[i%len(bots)].Login("bob", guess(i)) })
		s.Attack("brute_force_distributed", tries...)
		s.broke(tries)
	}})
	_ = register(Scenario{Name: "brute_force_slow", Title: "one account, guessed from six addresses in a day", Run: func(s *Stage) {
		s.Regulars(4)
		s.API.Add(api.Account{Name: "bob", Password: passwordOf(44)})
		bots := s.bots(6)
		tries := s.tries(70, 19*time.Minute, func(i int) *Exchange { return bots[i%len(bots)].Login("bob", guess(i)) })
		s.Attack("brute_force_distributed", tries...)
	}})
	_ = register(Scenario{Name: "password_spraying_slow", Title: "one password for all accounts, in a day", Run: func(s *Stage) {
		s.Regulars(4)
		s.accounts(70)
		c := s.Client(attacker)
		tries := s.tries(70, 18*time.Minute, func(i int) *Exchange { return c.Login(account(i), "Winter2026!") })
		s.Attempt("password_spraying", tries...)
	}})
	_ = register(Scenario{Name: "credential_stuffing_distributed", Title: "a list of stolen accounts, tried from forty addresses", Run: func(s *Stage) {
		s.Regulars(4)
		s.accounts(20)
		s.Pass(time.Hour)
		bots := s.bots(40)
		var tries []*Exchange
		for i := range 160 {
			tries = append(tries, bots[i%len(bots)].Login(stolen(i, 150)))
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
)

// stolen is a line of a list of accounts and passwords, of which one is right.
func stolen(line, right int) (name, password string) {
	if line == right {
		return account(3), passwordOf(1003)
	}
	return fmt.Sprintf("stolen%d@mail.example", line), fmt.Sprintf("%s-%d", guess(line), line*37)
}
