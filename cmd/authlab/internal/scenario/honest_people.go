package scenario

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/authtap/authtap/cmd/authlab/internal/api"
	"github.com/authtap/authtap/cmd/authlab/internal/lab"
)

// Honest people: they mistype, forget, come back after lunch, and share an
// address.

// person is somebody with an account.
type person struct {
	name, password string
	token, refresh string
}

// people makes accounts.
func (s *Stage) people(n int, domain string) []*person {
	var all []*person
	for i := range n {
		p := &person{name: fmt.Sprintf("p%03d@%s", i, domain), password: passwordOf(5000 + i)}
		s.API.Add(api.Account{Name: p.name, Password: p.password})
		all = append(all, p)
	}
	return all
}

// login logs in with so many typing errors before.
func (p *person) login(s *Stage, c *Client, errors int) {
	for i := range errors {
		wrong := []byte(p.password)
		wrong[s.Rand().IntN(len(wrong))] ^= byte(1 + i)
		c.Login(p.name, string(wrong))
		s.Pass(time.Duration(4+s.Rand().IntN(10)) * time.Second)
	}
	x := c.Login(p.name, p.password)
	p.token, p.refresh = x.JSON("access_token"), x.JSON("refresh_token")
}

// renew gets a new token when the old one is too old.
func (p *person) renew(c *Client) {
	x := c.Post("/api/token/refresh", object{"refresh_token": p.refresh})
	p.token, p.refresh = x.JSON("access_token"), x.JSON("refresh_token")
}

// browse uses the API as a page does.
func (p *person) browse(s *Stage, c *Client, n int) {
	for range n {
		var x *Exchange
		switch s.Rand().IntN(6) {
		case 0:
			x = c.Get("/api/me", bearer(p.token))
		case 1:
			x = c.Get("/api/orders?page=1", bearer(p.token))
		case 2:
			x = c.Get(fmt.Sprintf("/api/users/%d", 1+s.Rand().IntN(900)), bearer(p.token))
		case 3:
			x = c.Post("/api/orders", object{"sku": "a-1", "count": 1}, bearer(p.token))
		case 4:
			x = c.Get("/api/products")
		default:
			x = c.Get(fmt.Sprintf("/api/orders/%d", 1000+s.Rand().IntN(900)), bearer(p.token))
		}
		if x.Status == 401 {
			p.renew(c)
		}
		s.Pass(time.Duration(100+s.Rand().IntN(1500)) * time.Millisecond)
	}
}

// typing gives how often somebody mistypes: most never, some a few times.
func typing(s *Stage) int {
	switch n := s.Rand().IntN(100); {
	case n < 85:
		return 0
	case n < 95:
		return 1
	case n < 99:
		return 2
	}
	return 4
}

var browsers = []string{
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
}

// browser gives a client with the looks of a browser.
func (s *Stage) browser(address string, i int) *Client {
	c := s.Client(address)
	c.Header.Set("User-Agent", browsers[i%len(browsers)])
	c.Header.Set("Origin", "https://"+Host)
	c.Header.Set("Referer", "https://"+Host+"/")
	return c
}

var (
	_ = register(Scenario{
		Name: "honest_office", Title: "an office behind one address at nine o'clock", Honest: true, Long: true, Over: lab.TLS,
		Run: func(s *Stage) {
			const address = "203.0.113.200"
			for i, p := range s.people(120, "office.example") {
				c := s.browser(address, i)
				p.login(s, c, typing(s))
				p.browse(s, c, 25)
				if i%40 == 7 { // a mail program that has the old password
					old := s.Client(address)
					old.Header.Set("User-Agent", "OfficeSync/16.0")
					for range 12 {
						old.Login(p.name, "the-one-before-2025")
						s.Pass(30 * time.Second)
					}
				}
				c.Leave()
				s.Pass(time.Duration(s.Rand().IntN(5)) * time.Second)
			}
		},
	})
	_ = register(Scenario{
		Name: "honest_cdn", Title: "everybody comes by the four addresses of a CDN", Honest: true, Long: true, Over: lab.Plain,
		Run: func(s *Stage) {
			for i, p := range s.people(300, "mail.example") {
				c := s.browser(fmt.Sprintf("198.41.128.%d", 1+i%4), i)
				c.Header.Set("X-Forwarded-For", fmt.Sprintf("203.0.%d.%d", 100+i/200, 1+i%200))
				c.Header.Set("Via", "1.1 edge")
				c.Get("/assets/app.js")
				c.Get("/assets/app.js", header("If-None-Match", `"5e1"`))
				p.login(s, c, typing(s))
				p.browse(s, c, 30)
				c.Post("/collect", object{"event": "page", "ms": 12})
				c.Post("/api/search", object{"q": "socks"})
				c.Leave()
			}
		},
	})
	_ = register(Scenario{
		Name: "honest_forgotten", Title: "people who forgot their passwords, and codes that are mistyped", Honest: true, Over: lab.HTTP2,
		Run: func(s *Stage) {
			s.Regulars(3)
			for i := range 40 {
				name := fmt.Sprintf("forgot%d", i)
				s.API.Add(api.Account{Name: name, Password: passwordOf(700 + i), OTP: api.OTPOf(i)})
				c := s.browser(fmt.Sprintf("203.0.113.%d", 50+i), i)
				for k := range 2 + i%4 {
					c.Login(name, fmt.Sprintf("%s%d!", guess(20+i), k))
					s.Pass(8 * time.Second)
				}
				challenge := c.Login(name, passwordOf(700+i)).JSON("mfa_token")
				for k := range i % 3 {
					c.Post("/api/login/otp", object{"mfa_token": challenge, "otp": api.OTPOf(900 + 10*i + k)})
					s.Pass(9 * time.Second)
				}
				token := c.Post("/api/login/otp", object{"mfa_token": challenge, "otp": api.OTPOf(i)}).JSON("access_token")
				c.Get("/api/me", bearer(token))
				s.Pass(time.Minute)
			}
		},
	})
	_ = register(Scenario{
		Name: "honest_release", Title: "a release of the app breaks its login for an hour", Honest: true, Long: true, Over: lab.HTTP2,
		Run: func(s *Stage) {
			people := s.people(200, "app.example")
			visit := func(i int, broken bool) {
				p := people[i]
				c := s.Client(fmt.Sprintf("203.0.%d.%d", 100+i/200, 1+i%200))
				c.Header.Set("User-Agent", "ShopApp/7.2.0 (Android 16)")
				if broken {
					c.Header.Set("User-Agent", "ShopApp/7.3.0 (Android 16)")
					for range 2 {
						c.Login(p.name, p.password+"\u00a0") // what is new
						s.Pass(2 * time.Second)
					}
					c.Leave()
					return
				}
				p.login(s, c, 0)
				p.browse(s, c, 8)
				c.Leave()
			}
			for i := range people {
				visit(i, false)
			}
			s.Pass(time.Hour)
			for i := range people {
				visit(i, true)
				s.API.Reset()
			}
			s.Pass(time.Hour)
			for i := range people {
				visit(i, false)
			}
		},
	})
	_ = register(Scenario{
		Name: "honest_site", Title: "a site with sessions: sign in, look around, sign out", Honest: true, Long: true, Over: lab.TLS,
		Run: func(s *Stage) {
			for i, p := range s.people(150, "site.example") {
				c := s.browser(fmt.Sprintf("203.0.113.%d", 20+i), i)
				sid := s.signIn(c, p, typing(s))
				for k := range 20 {
					c.Get([]string{"/account", "/account/orders.json"}[k%2], cookie("sid", sid))
					s.Pass(2 * time.Second)
				}
				if i%3 == 0 {
					c.Form("/logout", []option{cookie("sid", sid)})
					c.Get("/account") // the page that is there afterwards
					c.Get("/account/orders.json", cookie("sid", sid+"gone"[4:]))
				}
				c.Leave()
			}
		},
	})
	_ = register(Scenario{
		Name: "honest_oidc", Title: "OpenID Connect with PKCE", Honest: true, Long: true, Over: lab.HTTP2,
		Run: func(s *Stage) {
			s.Client("203.0.113.9").Get("/.well-known/openid-configuration")
			for i, p := range s.people(120, "oidc.example") {
				c := s.browser(fmt.Sprintf("203.0.113.%d", 20+i), i)
				sid := s.signIn(c, p, typing(s))
				verifier := strings.Repeat(fmt.Sprintf("v%03d-", i), 9)
				sum := sha256.Sum256([]byte(verifier))
				q := url.Values{
					"response_type": {"code"}, "client_id": {"spa"}, "redirect_uri": {"https://app.shop.example/callback"}, "scope": {"openid profile"},
					"state": {fmt.Sprintf("st-%x", sum[:8])}, "nonce": {fmt.Sprintf("no-%x", sum[8:16])},
					"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
				}
				x := c.Get("/oauth/authorize?"+q.Encode(), cookie("sid", sid))
				back, _ := url.Parse(x.Header.Get("Location"))
				t := c.Form("/oauth/token", nil, "grant_type", "authorization_code", "code", back.Query().Get("code"),
					"redirect_uri", "https://app.shop.example/callback", "client_id", "spa", "code_verifier", verifier)
				p.token, p.refresh = t.JSON("access_token"), t.JSON("refresh_token")
				p.browse(s, c, 15)
				s.Pass(5 * time.Minute)
				t = c.Form("/oauth/token", nil, "grant_type", "refresh_token", "refresh_token", p.refresh, "client_id", "spa")
				p.token, p.refresh = t.JSON("access_token"), t.JSON("refresh_token")
				p.browse(s, c, 10)
				c.Leave()
			}
		},
	})
	_ = register(Scenario{
		Name: "honest_mobile", Title: "phones that change between networks", Honest: true, Long: true, Over: lab.HTTP2,
		Run: func(s *Stage) {
			for i, p := range s.people(150, "phone.example") {
				var at []*Client
				for _, address := range []string{fmt.Sprintf("203.0.113.%d", 20+i), fmt.Sprintf("100.64.7.%d", 20+i)} {
					c := s.Client(address)
					c.Header.Set("User-Agent", "ShopApp/7.2.0 (iOS 18.6; iPhone15,2)")
					at = append(at, c)
				}
				p.login(s, at[0], typing(s))
				for k := range 6 { // there and back
					p.browse(s, at[k%2], 6)
				}
				at[0].Leave()
				at[1].Leave()
			}
		},
	})
)

// signIn signs in at the site and gives the session.
func (s *Stage) signIn(c *Client, p *person, errors int) string {
	x := c.Get("/signin")
	before := x.Cookie("sid")
	for range errors {
		c.Form("/signin", []option{cookie("sid", before)}, "username", p.name, "password", p.password[1:])
		s.Pass(6 * time.Second)
	}
	x = c.Form("/signin", []option{cookie("sid", before)}, "username", p.name, "password", p.password)
	if after := x.Cookie("sid"); after != "" {
		return after
	}
	return before
}
