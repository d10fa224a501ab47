package scenario

import (
	"fmt"
	"time"

	"github.com/authtap/authtap/cmd/authlab/internal/api"
)

// Attacks on logins.

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

var (
	_ = register(Scenario{Name: "brute_force", Title: "hydra guesses a password, and finds it", Run: func(s *Stage) {
		s.Regulars(4)
		s.API.Add(api.Account{Name: "bob", Password: guess(60)})
		s.Pass(time.Minute)
		hydra := s.Client(attacker)
		hydra.Header.Set("User-Agent", "Mozilla/5.0 (Hydra)")
		var tries []*Exchange
		for i := range 80 {
			tries = append(tries, hydra.Login("bob", guess(i)))
			s.Pass(700 * time.Millisecond)
		}
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
		var tries []*Exchange
		for i := range 60 {
			tries = append(tries, c.Login(account(i), "Winter2026!"))
			s.Pass(3 * time.Second)
		}
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
			name, password := fmt.Sprintf("stolen%d@mail.example", i), fmt.Sprintf("%s-%d", guess(i), i*37)
			if i == 50 {
				name, password = account(3), passwordOf(1003)
			}
			tries = append(tries, c.Login(name, password))
			s.Pass(4 * time.Second)
		}
		s.Attempt("credential_stuffing", tries...)
		s.broke(tries)
	}})
)
