package scenario

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/authtap/authtap/detect/detecttest"
)

// Genuine tokens that are used for what they are not for.

// authority issues tokens, and knows those that it issued.
type authority struct {
	s      *Stage
	issued map[string]object
	n      int
}

// projects is an API behind the authority. right is the check that the
// vulnerable edition lacks: there the signature is all that counts.
func (s *Stage) projects(right func(r *http.Request, claims object) bool) *authority {
	a := &authority{s: s, issued: map[string]object{}}
	f := func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		claims, ok := a.issued[token]
		switch {
		case scheme == "":
			w.Header().Set("WWW-Authenticate", "Bearer")
			reply(w, 401, object{"message": "No token was provided."})
		case !ok || !s.Vulnerable && !right(r, claims):
			w.Header().Set("WWW-Authenticate", scheme+` error="invalid_token"`)
			reply(w, 401, object{"message": "The token is not valid."})
		default:
			s.API.Admit(fmt.Sprint(claims["sub"]))
			reply(w, 200, object{"id": r.PathValue("id"), "title": "roof", "budget": 12000})
		}
	}
	s.API.Handle("GET /v3/projects/{id}", f)
	s.API.Handle("PUT /v3/projects/{id}", f)
	return a
}

const (
	authorityName = "https://login.shop.example/"
	tenant        = "https://login.example/tenants/new/"
)

// issue makes a token with the claims that all have, and others.
func (a *authority) issue(alg string, head, more object) string {
	a.n++
	now := a.s.Now().Unix()
	claims := object{"iss": authorityName, "sub": fmt.Sprintf("auth0|66f%05x", a.n), "iat": now, "exp": now + 3600}
	for k, v := range more {
		claims[k] = v
	}
	t := must(detecttest.Token(head, alg, opaqueOf(90), claims))
	a.issued[t] = claims
	return t
}

// access makes an access token.
func (a *authority) access(more object) string {
	claims := object{"aud": []string{"https://api.shop.example", authorityName + "userinfo"}, "azp": "spa", "scope": "openid projects", "jti": opaqueOf(a.n)}
	for k, v := range more {
		claims[k] = v
	}
	return a.issue("RS256", object{"typ": "at+jwt", "kid": "p1"}, claims)
}

// users use the API as they should.
func (a *authority) users(n int) {
	a.s.each(n, func(i int, c *Client) {
		c.Get(fmt.Sprintf("/v3/projects/%d", 100+i))
		t := a.access(nil)
		for k := range 3 {
			c.Get(fmt.Sprintf("/v3/projects/%d", 200+10*i+k), bearer(t))
			a.s.Pass(time.Second)
		}
	})
}

// misused plays the use of genuine tokens for what they are not for.
func misused(name, title, detector string, users int, right func(r *http.Request, claims object) bool, token func(a *authority) string, options ...option) Scenario {
	return register(Scenario{Name: name, Title: title, Run: func(s *Stage) {
		a := s.projects(right)
		a.users(users)
		t := token(a)
		eve := s.Client(attacker)
		for i := range 3 {
			if x := eve.Get(fmt.Sprintf("/v3/projects/%d", 400+i), append([]option{bearer(t)}, options...)...); x.Admitted {
				s.Attempt(detector, x)
			}
			s.Pass(10 * time.Second)
		}
	}})
}

func forAccess(r *http.Request, claims object) bool {
	return claims["scope"] != nil && claims["typ"] == nil && claims["token_use"] == nil
}

func ours(r *http.Request, claims object) bool {
	audience, _ := claims["aud"].([]string)
	return claims["iss"] == authorityName && len(audience) > 0 && strings.HasPrefix(audience[0], "https://api.shop.example")
}

// proof is a DPoP proof (RFC 9449, section 4.2), made with a key.
func (s *Stage) proof(key, method, target string, n int) string {
	return must(detecttest.Token(object{"typ": "dpop+jwt", "jwk": must(detecttest.PublicJWK("ES256", key, ""))}, "ES256", key, object{
		"htm": method, "htu": "https://" + Host + target, "iat": s.Now().Unix(), "jti": opaqueOf(4000 + n),
	}))
}

// bound makes an access token for the holder of the first key.
func (a *authority) bound() string {
	sum := sha256.Sum256([]byte(must(detecttest.PublicText("jwk", "ES256", ""))))
	return a.access(object{"cnf": object{"jkt": base64.RawURLEncoding.EncodeToString(sum[:])}})
}

// proven is the check of what is bound, but for the proof's signature.
func proven(r *http.Request, claims object) bool {
	return claims["cnf"] == nil || strings.HasPrefix(r.Header.Get("Authorization"), "DPoP ") && r.Header.Get("Dpop") != ""
}

func dpop(token, proof string) option {
	return func(r *http.Request) {
		r.Header.Set("Authorization", "DPoP "+token)
		r.Header.Set("Dpop", proof)
	}
}

var (
	_ = misused("token_type_id", "an ID token, as Auth0 makes it, for access", "jwt_type_confusion", 5, forAccess, func(a *authority) string {
		return a.issue("RS256", object{"typ": "JWT", "kid": "p1"}, object{"aud": "spa", "nonce": opaqueOf(5), "sid": opaqueOf(6), "name": "Eve", "email": "eve@mail.example", "email_verified": true, "updated_at": "2026-01-05T10:00:00Z"})
	})
	_ = misused("token_type_cognito", "an ID token, as Cognito makes it, for access", "jwt_type_confusion", 5, forAccess, func(a *authority) string {
		return a.issue("RS256", object{"kid": "p1"}, object{"aud": "4k2hq9example", "token_use": "id", "auth_time": 1767600000, "cognito:username": "eve", "origin_jti": opaqueOf(5), "event_id": opaqueOf(6), "jti": opaqueOf(7), "email": "eve@mail.example"})
	})
	_ = misused("token_type_keycloak", "a refresh token, as Keycloak makes it, for access", "jwt_type_confusion", 5, forAccess, func(a *authority) string {
		return a.issue("HS512", object{"typ": "JWT", "kid": "0b1c6b8e-3c5e-4f2b-9d3e-2f1a7c9d8e01"}, object{"aud": authorityName, "typ": "Refresh", "azp": "spa", "sid": opaqueOf(6), "scope": "openid projects", "jti": opaqueOf(7)})
	})
	_ = misused("token_foreign_issuer", "a token of the test system in production", "jwt_foreign_issuer_accepted", 24, ours, func(a *authority) string {
		return a.access(object{"iss": "https://login.staging.shop.example/"})
	})
	_ = misused("token_foreign_audience", "a token for another service", "jwt_foreign_issuer_accepted", 24, ours, func(a *authority) string {
		return a.access(object{"aud": []string{"https://billing.shop.example"}, "azp": "billing-job"})
	})
	_ = misused("token_unbound", "a stolen token without the proof that it asks for", "jwt_binding_not_enforced", 5, proven, (*authority).bound)
	_ = register(Scenario{Name: "token_bound_elsewhere", Title: "a stolen token with the proof of the thief's key, and with an old one", Run: func(s *Stage) {
		a := s.projects(func(r *http.Request, claims object) bool { return claims["cnf"] == nil || r.RemoteAddr[:5] != "192.0" })
		a.users(5)
		t := a.bound()
		owner, eve := s.browser("203.0.113.90", 0), s.Client(attacker)
		old := s.proof("", "GET", "/v3/projects/1", 1)
		owner.Get("/v3/projects/1", dpop(t, old))
		s.Pass(time.Minute)
		for i, proof := range []string{s.proof("other", "GET", "/v3/projects/2", 2), old} {
			if x := eve.Get(fmt.Sprintf("/v3/projects/%d", 2+i), dpop(t, proof)); x.Admitted {
				s.Attempt("jwt_binding_not_enforced", x)
			}
		}
	}})
	_ = register(Scenario{Name: "honest_tokens", Title: "tokens of several kinds, each where it belongs", Honest: true, Host: "projects.shop.example", Run: func(s *Stage) {
		a := s.projects(func(r *http.Request, claims object) bool { return true })
		s.API.Handle("POST /auth/refresh", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			reply(w, 200, object{"access_token": a.access(nil)})
		})
		s.API.Handle("GET /userinfo", func(w http.ResponseWriter, r *http.Request) { reply(w, 200, object{"sub": "x", "name": "X"}) })
		s.API.Handle("GET /v2/logout", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "https://app.shop.example/")
			w.WriteHeader(302)
		})
		s.API.Handle("GET /tenants/new/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
			reply(w, 200, object{"issuer": tenant, "jwks_uri": tenant + "jwks", "authorization_endpoint": tenant + "authorize"})
		})
		a.users(24)
		s.each(8, func(i int, c *Client) {
			id := a.issue("RS256", object{"typ": "JWT", "kid": "p1"}, object{"aud": "spa", "nonce": opaqueOf(i), "sid": opaqueOf(6 + i)})
			refresh := a.issue("RS256", object{"typ": "JWT", "kid": "p1"}, object{"type": "refresh", "fresh": false, "jti": opaqueOf(i), "nbf": s.Now().Unix()})
			c.Get("/userinfo", bearer(a.access(nil)))
			t := c.Send("POST", "/auth/refresh", "", nil, bearer(refresh)).JSON("access_token") // as Flask-JWT-Extended has it
			c.Get(fmt.Sprintf("/v3/projects/%d", 500+i), bearer(t))
			service := a.access(object{"aud": []string{"https://api.shop.example", fmt.Sprintf("https://job%d.shop.example", i)}, "gty": "client-credentials"})
			c.Get(fmt.Sprintf("/v3/projects/%d", 520+i), bearer(service))
			c.Get("/v2/logout?id_token_hint=" + id)
		})
		// Bound tokens, with a nonce that the server asks for, and a request that is sent again.
		s.each(6, func(i int, c *Client) {
			t := a.bound()
			for k := range 4 {
				target := fmt.Sprintf("/v3/projects/%d", 600+10*i+k)
				s.Pass(time.Second)
				proof := s.proof("", "GET", target, 100*i+k)
				c.Get(target, dpop(t, proof))
				if k == 2 {
					c.Get(target, dpop(t, proof))
				}
			}
			c.Send("PUT", fmt.Sprintf("/v3/projects/%d", 600+i), "application/json", []byte(`{"title":"cellar"}`), dpop(t, s.proof("", "PUT", fmt.Sprintf("/v3/projects/%d", 600+i), 100*i+50)))
			certificate := a.access(object{"cnf": object{"x5t#S256": base64.RawURLEncoding.EncodeToString(bytesOf(i))}})
			c.Get(fmt.Sprintf("/v3/projects/%d", 700+i), bearer(certificate))
		})
		// A tenant that was set up today.
		s.each(4, func(i int, c *Client) {
			c.Get("/tenants/new/.well-known/openid-configuration", toHost("login.example"))
			s.Pass(20 * time.Second)
			if i > 1 {
				c.Get(fmt.Sprintf("/v3/projects/%d", 800+i), bearer(a.access(object{"iss": tenant})))
			}
		})
	}})
)
