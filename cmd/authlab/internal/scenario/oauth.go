package scenario

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"time"

	"github.com/authtap/authtap/cmd/authlab/internal/api"
)

// Misuse of OAuth 2.0 and OpenID Connect.

const callback = "https://app.shop.example/callback"

var verifier = "dBjftJeZ4CVP-mBwFW2FQ6kPPFzNSz0cvHQ3-4Xk9cw"

// authorize gets an authorization code. Parameters with an empty value are left
// out.
func (s *Stage) authorize(c *Client, sid string, more map[string]string) (code string) {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{}
	set := map[string]string{
		"response_type": "code", "client_id": "spa", "redirect_uri": callback, "scope": "openid", "state": "st-" + opaqueOf(8)[:16],
		"nonce": "no-" + opaqueOf(9)[:16], "code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method": "S256",
	}
	for name, value := range more {
		set[name] = value
	}
	for name, value := range set {
		if value != "" {
			q.Set(name, value)
		}
	}
	back, err := url.Parse(c.Get("/oauth/authorize?"+q.Encode(), cookie("sid", sid)).Header.Get("Location"))
	if err != nil {
		s.err = err
		return ""
	}
	return back.Query().Get("code")
}

var (
	_ = register(Scenario{Name: "oauth_code_replay", Title: "an authorization code is redeemed a second time", Run: func(s *Stage) {
		s.signedIn(4)
		p := s.people(1, "site.example")[0]
		c, eve := s.browser("203.0.113.90", 1), s.Client(attacker)
		sid := s.signIn(c, p, 0)
		code := s.authorize(c, sid, nil)
		form := []string{"grant_type", "authorization_code", "code", code, "redirect_uri", callback, "client_id", "spa", "code_verifier", verifier}
		c.Form("/oauth/token", nil, form...)
		s.Pass(30 * time.Second)
		if x := eve.Form("/oauth/token", nil, form...); x.Admitted {
			s.Attempt("oauth_code_replay", x)
		}
	}})
	_ = register(Scenario{Name: "oauth_refresh_replay", Title: "a refresh token is used after it was replaced", Run: func(s *Stage) {
		s.Regulars(3)
		s.API.Add(api.Account{Name: "carol", Password: passwordOf(3)})
		c, eve := s.browser("203.0.113.90", 1), s.Client(attacker)
		refresh := c.Login("carol", passwordOf(3)).JSON("refresh_token")
		s.Pass(10 * time.Minute)
		c.Post("/api/token/refresh", object{"refresh_token": refresh})
		s.Pass(5 * time.Minute)
		if x := eve.Post("/api/token/refresh", object{"refresh_token": refresh}); x.Admitted {
			s.Attempt("oauth_refresh_replay", x)
		}
	}})
	_ = register(Scenario{Name: "oauth_careless", Title: "a client without PKCE, state and TLS", Run: func(s *Stage) {
		s.signedIn(4)
		p := s.people(1, "site.example")[0]
		c := s.browser("203.0.113.90", 1)
		sid := s.signIn(c, p, 0)
		code := s.authorize(c, sid, map[string]string{
			"client_id": "old", "code_challenge": "", "code_challenge_method": "", "state": "", "nonce": "", "redirect_uri": "http://app.shop.example/callback",
		})
		c.Form("/oauth/token", nil, "grant_type", "authorization_code", "code", code, "redirect_uri", "http://app.shop.example/callback", "client_id", "old")
		s.Posture("oauth_pkce_missing", "oauth_state_missing", "oauth_redirect_uri")
	}})
)
