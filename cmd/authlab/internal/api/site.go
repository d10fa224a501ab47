package api

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

// session is one of the site's, which has cookies.
type session struct {
	account string // "" before the login
	began   time.Time
}

func page(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<!doctype html><html><head><title>Shop</title></head><body>%s</body></html>", body)
}

const loginForm = `<form method="post" action="/signin"><input name="username"><input name="password" type="password"><button>Sign in</button></form>`

func (a *API) site() {
	a.handle("GET /signin", func(w http.ResponseWriter, r *http.Request) {
		if a.sessionOf(r) == nil {
			a.begin(w, "")
		}
		page(w, http.StatusOK, loginForm)
	})
	a.handle("POST /signin", func(w http.ResponseWriter, r *http.Request) {
		form, _ := url.ParseQuery(string(read(r)))
		x, status := a.password(form.Get("username"), form.Get("password"), client(r))
		switch {
		case status == http.StatusTooManyRequests:
			page(w, status, "<p>Too many attempts.</p>"+loginForm)
		case x == nil:
			page(w, http.StatusUnauthorized, "<p>Wrong name or password.</p>"+loginForm)
		default:
			a.admit(x.Name)
			old, id := a.sessionOf(r), idOf(r)
			switch {
			case a.Hardened || id == "":
				delete(a.sessions, id)
				a.begin(w, x.Name)
			case old == nil: // somebody else's idea of an identifier
				a.sessions[id] = &session{x.Name, a.now()}
			default:
				old.account = x.Name
			}
			w.Header().Set("Location", "/account")
			w.WriteHeader(http.StatusSeeOther)
		}
	})
	a.handle("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		if a.Hardened {
			delete(a.sessions, idOf(r))
		}
		http.SetCookie(w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		w.Header().Set("Location", "/signin")
		w.WriteHeader(http.StatusSeeOther)
	})
	a.inSession("GET /account", func(w http.ResponseWriter, r *http.Request, s *session) {
		page(w, http.StatusOK, "<h1>Your account</h1><p>"+s.account+"</p>")
	})
	a.inSession("GET /account/orders.json", func(w http.ResponseWriter, r *http.Request, s *session) {
		answer(w, http.StatusOK, object{"orders": []object{{"id": 1040, "total": "9.90"}}, "owner": s.account})
	})
	a.inSession("GET /admin/{page}", func(w http.ResponseWriter, r *http.Request, s *session) {
		a.adminPage(w, r.URL.Path, s.account)
	})
}

const cookieName = "sid"

func idOf(r *http.Request) string {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	return c.Value
}

func (a *API) sessionOf(r *http.Request) *session { return a.sessions[idOf(r)] }

// begin makes a session.
func (a *API) begin(w http.ResponseWriter, account string) {
	id := a.next()
	a.sessions[id] = &session{account, a.now()}
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: id, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// inSession answers who is signed in.
func (a *API) inSession(pattern string, f func(w http.ResponseWriter, r *http.Request, s *session)) {
	a.handle(pattern, func(w http.ResponseWriter, r *http.Request) {
		s := a.sessionOf(r)
		if user := r.Header.Get("X-Forwarded-User"); user != "" && !a.Hardened { // as if only the gateway could set it
			s = &session{user, a.now()}
		}
		if s == nil || s.account == "" {
			if strings.HasSuffix(r.URL.Path, ".json") || strings.HasPrefix(r.URL.Path, "/admin") {
				refuse(w, http.StatusUnauthorized, "signed_out")
				return
			}
			w.Header().Set("Location", "/signin")
			w.WriteHeader(http.StatusFound)
			return
		}
		a.admit(s.account)
		f(w, r, s)
	})
}

func (a *API) adminPage(w http.ResponseWriter, target, owner string) {
	answer(w, http.StatusOK, object{"page": path.Base(target), "visitors": 4711, "owner": owner})
}

// detour gives the path that a careless proxy in front hands on, where that is
// not the one that it looked at: "" where it is.
func detour(r *http.Request) string {
	if u := r.Header.Get("X-Original-URL"); u != "" {
		return u
	}
	p := strings.ReplaceAll(strings.ReplaceAll(r.URL.Path, "..;/", ""), ";", "")
	p = path.Clean(strings.ToLower(p))
	if p == r.URL.Path {
		return ""
	}
	return p
}
