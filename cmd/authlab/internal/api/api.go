// Package api is a small shop's API in two editions that differ in their checks
// only: the hardened one has them, the vulnerable one has the flaws instead that
// such APIs are known for.
//
// What the server really did with a request stands in API.Last: that, and not
// what authtap says, is the truth that findings are held to.
//
// Contract: requests come one at a time.
package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Decision is what the server made of a request.
type Decision struct {
	// Admitted: what was presented was believed, or the right one.
	Admitted bool
	// As is the account that it was admitted as.
	As string
}

// API is a server's state.
type API struct {
	Hardened bool
	Last     Decision
	// HMAC: tokens are signed with a secret, a weak one in the vulnerable edition.
	HMAC bool
	// Mint makes access tokens, where it is not nil.
	Mint func(claims map[string]any) string

	name     string
	now      func() time.Time
	mux      *http.ServeMux
	serial   int
	accounts map[string]*Account
	refresh  map[string]string // refresh tokens, and whose they are
	spent    map[string]string // refresh tokens that were used
	sessions map[string]*session
	pending  map[string]*pending // second factors that are waited for
	codes    map[string]*grant   // authorization codes
	failures map[string][]time.Time
	verified map[string]Claims // genuine tokens
	revoked  map[string]bool
	keys     []string // names of keys that are published, the latest first
	nonces   map[string]*ntlmState
	resets   map[string]string
	devices  map[string]string // API keys, and whose they are
	sealed   map[string]string // encrypted tokens, and whose they are
}

// Account is somebody who may log in.
type Account struct {
	Name, Password string
	// OTP: a second factor is asked for.
	OTP  string
	Role string
}

// New gives a shop at which nobody has an account. Its name makes what it gives
// away, such as sessions, unlike that of others.
func New(name string, hardened bool, now func() time.Time) *API {
	a := &API{
		name: name, Hardened: hardened, now: now, mux: http.NewServeMux(),
		accounts: map[string]*Account{}, refresh: map[string]string{}, spent: map[string]string{},
		sessions: map[string]*session{}, pending: map[string]*pending{}, codes: map[string]*grant{},
		failures: map[string][]time.Time{}, verified: map[string]Claims{}, revoked: map[string]bool{},
		keys: []string{"k1"}, nonces: map[string]*ntlmState{}, resets: map[string]string{},
		devices: map[string]string{}, sealed: map[string]string{},
	}
	a.resources()
	a.logins()
	a.site()
	a.oauth()
	a.others()
	a.machines()
	return a
}

// Add makes an account.
func (a *API) Add(x Account) { a.accounts[x.Name] = &x }

// Reset empties the server's memory of failures: time has passed.
func (a *API) Reset() { clear(a.failures) }

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.Last = Decision{}
	// What is left unread is answered by the server at a time of its own.
	r.Body = io.NopCloser(bytes.NewReader(read(r)))
	w.Header().Set("Date", a.now().UTC().Format(http.TimeFormat))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if target := detour(r); !a.Hardened && strings.HasPrefix(target, "/admin/") {
		a.admit("somebody")
		a.adminPage(w, target, "somebody")
		return
	}
	a.mux.ServeHTTP(w, r)
}

// Handle adds to the API what only one scenario needs.
func (a *API) Handle(pattern string, f func(w http.ResponseWriter, r *http.Request)) {
	a.handle(pattern, f)
}

// Admit notes, for a function of Handle, that somebody was let in.
func (a *API) Admit(as string) { a.admit(as) }

func (a *API) handle(pattern string, f func(w http.ResponseWriter, r *http.Request)) {
	a.mux.HandleFunc(pattern, f)
}

// object is one of JSON.
type object = map[string]any

func answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	w.Write(b)
}

// issue answers with something that no cache may keep.
func issue(w http.ResponseWriter, v any) {
	w.Header().Set("Cache-Control", "no-store")
	answer(w, http.StatusOK, v)
}

func refuse(w http.ResponseWriter, status int, code string) {
	if status == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="shop"`)
	}
	answer(w, status, object{"error": code})
}

func read(r *http.Request) []byte {
	b, _ := io.ReadAll(r.Body)
	return b
}

func fields(r *http.Request) map[string]any {
	m := map[string]any{}
	json.Unmarshal(read(r), &m)
	return m
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// next gives an identifier that nobody can guess, to the eye.
func (a *API) next() string {
	a.serial++
	return a.opaque()
}

func (a *API) admit(as string) { a.Last = Decision{Admitted: true, As: as} }

// guarded answers who presents a bearer token that is believed.
func (a *API) guarded(pattern string, f func(w http.ResponseWriter, r *http.Request, c Claims)) {
	a.handle(pattern, func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if scheme == "" && !a.Hardened && r.URL.Query().Get("preview") != "" { // left over from a demonstration
			a.admit("nobody")
			f(w, r, Claims{Subject: "nobody"})
			return
		}
		if !strings.EqualFold(scheme, "Bearer") {
			refuse(w, http.StatusUnauthorized, "missing_token")
			return
		}
		c, ok := a.believe(token)
		if !ok {
			refuse(w, http.StatusUnauthorized, "invalid_token")
			return
		}
		a.admit(c.Subject)
		f(w, r, c)
	})
}

// resources are what the shop is there for.
func (a *API) resources() {
	a.guarded("GET /api/me", func(w http.ResponseWriter, r *http.Request, c Claims) {
		answer(w, http.StatusOK, object{"id": 7, "name": c.Subject, "plan": "basic"})
	})
	a.guarded("GET /api/users/{id}", func(w http.ResponseWriter, r *http.Request, c Claims) {
		answer(w, http.StatusOK, object{"id": r.PathValue("id"), "name": "somebody", "since": "2024"})
	})
	a.guarded("GET /api/orders", func(w http.ResponseWriter, r *http.Request, c Claims) {
		var all []object
		for i := range 5 {
			all = append(all, object{"id": 1040 + i, "total": fmt.Sprintf("%d9.90", i), "state": "shipped"})
		}
		answer(w, http.StatusOK, object{"orders": all, "next": nil})
	})
	a.guarded("GET /api/orders/{id}", func(w http.ResponseWriter, r *http.Request, c Claims) {
		answer(w, http.StatusOK, object{"id": r.PathValue("id"), "total": "29.90", "state": "shipped"})
	})
	a.guarded("POST /api/orders", func(w http.ResponseWriter, r *http.Request, c Claims) {
		read(r)
		answer(w, http.StatusCreated, object{"id": 1050, "state": "new"})
	})
	a.guarded("GET /api/admin/report", func(w http.ResponseWriter, r *http.Request, c Claims) {
		if c.Role != "admin" {
			refuse(w, http.StatusForbidden, "forbidden")
			return
		}
		answer(w, http.StatusOK, object{"revenue": "120000", "orders": 4711})
	})
	a.handle("GET /api/internal/export", func(w http.ResponseWriter, r *http.Request) {
		if a.Hardened {
			refuse(w, http.StatusUnauthorized, "missing_token")
			return
		}
		answer(w, http.StatusOK, object{"customers": []object{{"name": "Carol Example", "email": "carol@example.org", "iban": "DE89370400440532013000"}}})
	})
	a.handle("GET /legacy/report", func(w http.ResponseWriter, r *http.Request) {
		name, password, ok := r.BasicAuth()
		var x *Account
		if ok {
			x, _ = a.password(name, password, client(r))
		}
		if x == nil {
			w.Header().Set("WWW-Authenticate", `Basic realm="legacy"`)
			refuse(w, http.StatusUnauthorized, "unauthorized")
			return
		}
		a.admit(x.Name)
		answer(w, http.StatusOK, object{"report": "january", "sum": "1200"})
	})
	a.handle("GET /api/products", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, object{"products": []object{{"sku": "a-1", "price": "9.90"}, {"sku": "b-2", "price": "19.90"}}})
	})
	a.handle("POST /api/search", func(w http.ResponseWriter, r *http.Request) {
		read(r)
		answer(w, http.StatusOK, object{"hits": []object{{"sku": "a-1", "score": 12}}})
	})
	a.handle("POST /collect", func(w http.ResponseWriter, r *http.Request) {
		read(r)
		w.WriteHeader(http.StatusNoContent)
	})
	a.handle("GET /assets/{name}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=86400")
		w.Header().Set("ETag", `"5e1"`)
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", "text/javascript")
		io.WriteString(w, "export const shop = 1\n")
	})
	a.handle("GET /health", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, object{"status": "ok"})
	})
	a.handle("/", func(w http.ResponseWriter, r *http.Request) { refuse(w, http.StatusNotFound, "not_found") })
}
