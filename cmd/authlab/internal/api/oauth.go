package api

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"time"

	"github.com/authtap/authtap/detect/detecttest"
)

// grant is an authorization code.
type grant struct {
	account, client, challenge string
	issued                     time.Time
	used                       bool
}

func (a *API) oauth() {
	a.handle("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, object{
			"issuer": Issuer, "jwks_uri": Issuer + "/jwks.json", "authorization_endpoint": Issuer + "/oauth/authorize",
			"token_endpoint": Issuer + "/oauth/token", "code_challenge_methods_supported": []string{"S256"},
		})
	})
	a.handle("GET /jwks.json", func(w http.ResponseWriter, r *http.Request) {
		keys := []object{}
		for _, kid := range a.keys {
			k, err := detecttest.PublicJWK(map[string]string{"k1": "RS256", "k2": "ES256"}[kid], "", kid)
			if err != nil {
				panic(err)
			}
			keys = append(keys, k)
		}
		answer(w, http.StatusOK, object{"keys": keys})
	})
	a.handle("GET /oauth/authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		s := a.sessionOf(r)
		if s == nil || s.account == "" {
			w.Header().Set("Location", "/signin?return=oauth")
			w.WriteHeader(http.StatusFound)
			return
		}
		code := a.next()
		a.codes[code] = &grant{account: s.account, client: q.Get("client_id"), challenge: q.Get("code_challenge"), issued: a.now()}
		back, _ := url.Parse(q.Get("redirect_uri"))
		back.RawQuery = url.Values{"code": {code}, "state": {q.Get("state")}}.Encode()
		w.Header().Set("Location", back.String())
		w.WriteHeader(http.StatusFound)
	})
	a.handle("POST /oauth/token", func(w http.ResponseWriter, r *http.Request) {
		form, _ := url.ParseQuery(string(read(r)))
		switch form.Get("grant_type") {
		case "authorization_code":
			g := a.codes[form.Get("code")]
			sum := sha256.Sum256([]byte(form.Get("code_verifier")))
			if g == nil || a.Hardened && g.used || g.challenge != "" && g.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
				refuse(w, http.StatusBadRequest, "invalid_grant")
				return
			}
			g.used = true
			a.admit(g.account)
			t := a.tokens(g.account)
			claims := a.Claims(g.account)
			claims["aud"], claims["nonce"], claims["at_hash"] = g.client, "n-"+a.opaque()[:8], a.opaque()[:22]
			delete(claims, "role")
			t["id_token"] = a.sign(claims)
			issue(w, t)
		case "refresh_token":
			name, ok := a.refresh[form.Get("refresh_token")]
			if !ok {
				refuse(w, http.StatusBadRequest, "invalid_grant")
				return
			}
			delete(a.refresh, form.Get("refresh_token"))
			a.admit(name)
			issue(w, a.tokens(name))
		case "client_credentials":
			id, secret, ok := r.BasicAuth()
			x := a.accounts[id]
			if !ok || x == nil || x.Password != secret {
				refuse(w, http.StatusUnauthorized, "invalid_client")
				return
			}
			a.admit(id)
			issue(w, object{"access_token": a.Token(id), "token_type": "Bearer", "expires_in": int(lifetime.Seconds())})
		default:
			refuse(w, http.StatusBadRequest, "unsupported_grant_type")
		}
	})
}
