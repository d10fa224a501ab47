package api

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// How often somebody may fail within failureSpan, for an account and from an
// address.
const (
	failureSpan     = 15 * time.Minute
	accountFailures = 8
	addressFailures = 25
)

// client is the address that a request comes from.
func client(r *http.Request) string {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	return host
}

// throttled says whether somebody failed too often to be let in now.
func (a *API) throttled(keys ...string) bool {
	if !a.Hardened {
		return false
	}
	for i, key := range keys {
		n := 0
		for _, t := range a.failures[key] {
			if a.now().Sub(t) < failureSpan {
				n++
			}
		}
		if i == 0 && n >= accountFailures || n >= addressFailures {
			return true
		}
	}
	return false
}

func (a *API) failed(keys ...string) {
	for _, key := range keys {
		a.failures[key] = append(a.failures[key], a.now())
	}
}

// password checks a pair, and counts failures.
func (a *API) password(name, password, from string) (x *Account, status int) {
	account, address := "account "+name, "address "+from
	if a.throttled(account, address) {
		return nil, http.StatusTooManyRequests
	}
	x = a.accounts[name]
	if x == nil || x.Password != password || password == "" {
		a.failed(account, address)
		return nil, http.StatusUnauthorized
	}
	return x, http.StatusOK
}

func slowDown(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "900")
	refuse(w, http.StatusTooManyRequests, "too_many_attempts")
}

// pending is a login that a second factor is asked for.
type pending struct {
	account *Account
	tries   int
}

// tokens is what a login gives.
func (a *API) tokens(name string) object {
	refresh := a.next()
	a.refresh[refresh] = name
	return object{"access_token": a.Token(name), "token_type": "Bearer", "expires_in": int(lifetime.Seconds()), "refresh_token": refresh}
}

func (a *API) logins() {
	a.handle("POST /api/login", func(w http.ResponseWriter, r *http.Request) {
		f := fields(r)
		x, status := a.password(text(f["username"]), text(f["password"]), client(r))
		switch {
		case status == http.StatusTooManyRequests:
			slowDown(w)
		case x == nil && !a.Hardened && injected(f):
			a.admit("admin")
			issue(w, a.tokens("admin"))
		case x == nil:
			refuse(w, status, "invalid_credentials")
		case x.OTP != "":
			id := a.next()
			a.pending[id] = &pending{account: x}
			issue(w, object{"mfa_required": true, "mfa_token": id})
		default:
			a.admit(x.Name)
			issue(w, a.tokens(x.Name))
		}
	})
	a.handle("POST /api/login/otp", func(w http.ResponseWriter, r *http.Request) {
		f := fields(r)
		p := a.pending[text(f["mfa_token"])]
		switch {
		case p == nil || a.Hardened && p.tries >= 5:
			refuse(w, http.StatusUnauthorized, "expired_challenge")
		case text(f["otp"]) != p.account.OTP:
			p.tries++
			refuse(w, http.StatusUnauthorized, "invalid_code")
		default:
			if a.Hardened {
				delete(a.pending, text(f["mfa_token"]))
			}
			a.admit(p.account.Name)
			issue(w, a.tokens(p.account.Name))
		}
	})
	a.handle("POST /api/token/refresh", func(w http.ResponseWriter, r *http.Request) {
		token := text(fields(r)["refresh_token"])
		name, ok := a.refresh[token]
		if !ok && !a.Hardened {
			name, ok = a.spent[token]
		}
		if !ok {
			refuse(w, http.StatusUnauthorized, "invalid_grant")
			return
		}
		delete(a.refresh, token)
		a.spent[token] = name
		a.admit(name)
		issue(w, a.tokens(name))
	})
	a.handle("POST /api/register", func(w http.ResponseWriter, r *http.Request) {
		f := fields(r)
		name, password := text(f["username"]), text(f["password"])
		if a.Hardened && len(password) < 12 {
			refuse(w, http.StatusUnprocessableEntity, "password_too_short")
			return
		}
		a.Add(Account{Name: name, Password: password})
		a.admit(name)
		answer(w, http.StatusCreated, object{"id": len(a.accounts), "username": name})
	})
	a.handle("POST /graphql", a.graphql)
}

// injected says whether a field holds what a careless query is built with.
func injected(f object) bool {
	_, operator := f["password"].(map[string]any)
	return operator || strings.Contains(text(f["username"]), "' OR ")
}

var loginCall = regexp.MustCompile(`(\w+)?\s*:?\s*login\(username:\s*"([^"]*)",\s*password:\s*"([^"]*)"\)`)

// graphql knows a mutation login and a query me, under any aliases, and many
// operations in an array.
func (a *API) graphql(w http.ResponseWriter, r *http.Request) {
	type operation struct {
		Query     string            `json:"query"`
		Variables map[string]string `json:"variables"`
	}
	var many []operation
	body := read(r)
	batch := json.Unmarshal(body, &many) == nil
	if !batch {
		var one operation
		json.Unmarshal(body, &one)
		many = []operation{one}
	}
	answers := []object{}
	for _, op := range many {
		data, errors := object{}, []object{}
		calls := loginCall.FindAllStringSubmatch(op.Query, -1)
		if strings.Contains(op.Query, "login(username: $") {
			calls = [][]string{{"", "login", op.Variables["username"], op.Variables["password"]}}
		}
		for _, call := range calls {
			alias := call[1]
			if alias == "" {
				alias = "login"
			}
			x, _ := a.password(call[2], call[3], client(r))
			if x == nil {
				data[alias] = nil
				errors = append(errors, object{"message": "invalid credentials", "path": []string{alias}, "extensions": object{"code": "UNAUTHENTICATED"}})
				continue
			}
			a.admit(x.Name)
			data[alias] = object{"token": a.Token(x.Name)}
		}
		if len(calls) == 0 {
			_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
			if c, ok := a.believe(token); ok {
				a.admit(c.Subject)
				data["me"] = object{"id": 7, "name": c.Subject}
			} else {
				errors = append(errors, object{"message": "not signed in", "extensions": object{"code": "UNAUTHENTICATED"}})
			}
		}
		one := object{"data": data}
		if len(errors) > 0 {
			one["errors"] = errors
		}
		answers = append(answers, one)
	}
	w.Header().Set("Cache-Control", "no-store")
	if batch {
		answer(w, http.StatusOK, answers)
		return
	}
	answer(w, http.StatusOK, answers[0])
}

// OTPOf is a six-digit code.
func OTPOf(n int) string { return fmt.Sprintf("%06d", (n*7919+104729)%1000000) }
