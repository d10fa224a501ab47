package scenario

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/authtap/authtap/cmd/authlab/internal/api"
	"github.com/authtap/authtap/cmd/authlab/internal/lab"
)

// Honest machines: they never sleep, and do the same again and again.

var (
	_ = register(Scenario{
		Name: "honest_loadtest", Title: "a load test: two hundred virtual users at one machine", Honest: true, Long: true, Over: lab.Plain,
		Run: func(s *Stage) {
			people := s.people(200, "load.example")
			users := make([]func(), 0, len(people))
			for _, p := range people {
				c := s.Client("203.0.113.33")
				c.Header.Set("User-Agent", "k6/1.3.0 (https://k6.io/)")
				users = append(users, func() {
					p.login(s, c, 0)
					for range 60 {
						c.Get("/api/orders?page=1", bearer(p.token))
						c.Get(fmt.Sprintf("/api/orders/%d", 1000+s.Rand().IntN(500)), bearer(p.token))
						s.Pass(500 * time.Millisecond)
					}
					c.Leave()
				})
			}
			s.Together(50*time.Millisecond, users...)
		},
	})
	_ = register(Scenario{
		Name: "honest_probes", Title: "health checks, monitoring and crawlers", Honest: true, Long: true, Over: lab.Plain,
		Run: func(s *Stage) {
			kube, balancer, monitor := s.Client("198.51.100.2"), s.Client("198.51.100.3"), s.Client("203.0.113.90")
			kube.Header.Set("User-Agent", "kube-probe/1.34")
			balancer.Header.Set("User-Agent", "ELB-HealthChecker/2.0")
			monitor.Header.Set("User-Agent", "UptimeRobot/2.0")
			crawler := s.Client("203.0.113.91")
			crawler.Header.Set("User-Agent", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)")
			regular := s.people(1, "one.example")[0]
			c := s.browser("203.0.113.20", 0)
			regular.login(s, c, 0)
			for i := range 1500 {
				kube.Get("/health")
				kube.Get("/health?full=1")
				balancer.Send("HEAD", "/health", "", nil)
				if i%6 == 0 {
					monitor.Get("/api/me") // that it asks for a token is what it looks for
				}
				if i%10 == 0 {
					crawler.Get(fmt.Sprintf("/blog/%d-old-post", i))
					crawler.Get("/robots.txt")
					crawler.Get("/api/products")
				}
				if i%25 == 0 {
					regular.browse(s, c, 1)
				}
				s.Pass(10 * time.Second)
			}
		},
	})
	_ = register(Scenario{
		Name: "honest_fleet", Title: "devices with keys, which are replaced", Honest: true, Long: true, Over: lab.TLS,
		Run: func(s *Stage) {
			keys := make([]string, 60)
			clients := make([]*Client, len(keys))
			for i := range keys {
				keys[i] = s.API.Device(fmt.Sprintf("meter-%03d", i))
				clients[i] = s.Client(fmt.Sprintf("203.0.113.%d", 20+i))
				clients[i].Header.Set("User-Agent", "meter/2.1")
			}
			for round := range 150 {
				for i, c := range clients {
					body := object{"t": s.Now().Unix(), "kwh": 100 + round}
					if c.Post(fmt.Sprintf("/telemetry/meter-%03d", i), body, header("X-API-Key", keys[i])).Status == 401 {
						c.Get("/telemetry/config", header("X-API-Key", keys[i]))
						keys[i] = s.API.Device(fmt.Sprintf("meter-%03d", i)) // by another way
					}
				}
				s.Pass(time.Minute)
				if round == 70 {
					for i := range keys { // all are replaced
						s.API.Device(fmt.Sprintf("meter-%03d", i))
					}
				}
			}
		},
	})
	_ = register(Scenario{
		Name: "honest_hooks", Title: "webhooks with signatures, and presigned URLs", Honest: true, Long: true, Over: lab.TLS,
		Run: func(s *Stage) {
			sender := s.Client("203.0.113.80")
			sender.Header.Set("User-Agent", "GitHub-Hookshot/a1b2c3d")
			for i := range 400 {
				body, _ := json.Marshal(object{"action": "push", "n": i})
				sender.Send("POST", "/hooks/push", "application/json", body,
					header("X-Hub-Signature-256", "sha256="+api.Sign(string(body))), header("X-GitHub-Delivery", fmt.Sprintf("d-%d", i)))
				path := fmt.Sprintf("/files/invoice-%d.pdf", i)
				date := s.Now().UTC().Format("20060102T150405Z")
				c := s.browser(fmt.Sprintf("203.0.113.%d", 20+i%50), i)
				target := path + "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260102%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Date=" +
					date + "&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=" + api.Sign(path+date)
				c.Get(target)
				if i%20 == 0 { // from a mail of last week
					c.Get(path + "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20251226T080000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=" + api.Sign(date))
				}
				c.Leave()
				s.Pass(20 * time.Second)
			}
		},
	})
	_ = register(Scenario{
		Name: "honest_services", Title: "services with tokens of their own, and new keys of the issuer", Honest: true, Long: true, Over: lab.HTTP2,
		Run: func(s *Stage) {
			for i := range 10 {
				s.API.Add(api.Account{Name: fmt.Sprintf("svc-%d", i), Password: opaqueOf(i)})
			}
			for round := range 60 {
				if round == 30 {
					s.API.Rotate()
				}
				for i := range 10 {
					c := s.Client(fmt.Sprintf("203.0.113.%d", 100+i))
					c.Header.Set("User-Agent", "Go-http-client/2.0")
					if round%10 == 0 {
						c.Get("/jwks.json")
					}
					name := fmt.Sprintf("svc-%d", i)
					token := c.Form("/oauth/token", []option{basic(name, opaqueOf(i))}, "grant_type", "client_credentials", "scope", "orders").JSON("access_token")
					for k := range 12 {
						c.Get(fmt.Sprintf("/api/orders/%d", 100*round+k), bearer(token))
						s.Pass(200 * time.Millisecond)
					}
					c.Leave()
				}
				s.Pass(5 * time.Minute)
			}
		},
	})
	_ = register(Scenario{
		Name: "honest_sealed", Title: "encrypted tokens", Honest: true, Over: lab.HTTP2,
		Run: func(s *Stage) {
			s.Regulars(3)
			for i := range 40 {
				c := s.browser(fmt.Sprintf("203.0.113.%d", 20+i), i)
				token := s.API.Sealed(fmt.Sprintf("sealed%d", i))
				for k := range 25 {
					c.Get(fmt.Sprintf("/api/orders/%d", 10*i+k), bearer(token))
					s.Pass(time.Second)
				}
				c.Leave()
			}
		},
	})
	_ = register(Scenario{
		Name: "honest_night", Title: "programs that go on all night with tokens whose time is over", Honest: true, Long: true, Over: lab.Plain,
		Run: func(s *Stage) {
			people := s.people(30, "night.example")
			var clients []*Client
			for i, p := range people {
				c := s.browser(fmt.Sprintf("203.0.113.%d", 20+i), i)
				p.login(s, c, 0)
				p.browse(s, c, 10)
				clients = append(clients, c)
			}
			for range 120 {
				s.Pass(5 * time.Minute)
				for i, c := range clients {
					for _, path := range []string{"/api/me", "/api/orders?page=1"} {
						if x := c.Get(path, bearer(people[i].token)); x.Admitted { // a minute too late, which is allowed
							s.May("jwt_expired_accepted", x)
						}
					}
				}
			}
			for i, p := range people {
				p.renew(clients[i])
				p.browse(s, clients[i], 20)
			}
		},
	})
	_ = register(Scenario{
		Name: "honest_intranet", Title: "NTLM and Negotiate", Honest: true, Long: true, Over: lab.TLS,
		Run: func(s *Stage) {
			token := func(b string) string { return base64.StdEncoding.EncodeToString([]byte(b)) }
			for i := range 150 {
				c := s.browser(fmt.Sprintf("10.1.%d.%d", i/100, 20+i%100), i)
				if i%2 == 0 {
					c.Get("/intranet/home")
					c.Get("/intranet/home", header("Authorization", "Negotiate "+token("\x60\x82\x05\x10\x06\x06+\x06\x01\x05\x05\x02"+opaqueOf(i)+opaqueOf(i+1))))
				} else {
					c.Get("/intranet/home")
					c.Get("/intranet/home", header("Authorization", "NTLM "+token("NTLMSSP\x00\x01\x00\x00\x00\x07\x82\x08\xa2"+string(make([]byte, 24)))))
					c.Get("/intranet/home", header("Authorization", "NTLM "+token("NTLMSSP\x00\x03\x00\x00\x00"+opaqueOf(i)+opaqueOf(i+1)+opaqueOf(i+2))))
				}
				for k := range 8 {
					c.Get([]string{"/intranet/news", "/intranet/menu"}[k%2])
					s.Pass(time.Second)
				}
				c.Leave()
			}
		},
	})
	_ = register(Scenario{
		Name: "honest_graphql", Title: "GraphQL with batches of queries", Honest: true, Over: lab.HTTP2,
		Run: func(s *Stage) {
			for i, p := range s.people(40, "graph.example") {
				c := s.browser(fmt.Sprintf("203.0.113.%d", 20+i), i)
				p.token = c.Post("/graphql", object{
					"query":     "mutation Login($u: String!, $p: String!) { login(username: $u, password: $p) { token } }",
					"variables": object{"username": p.name, "password": p.password},
				}).token()
				for range 10 {
					var batch []object
					for _, name := range []string{"me", "cart", "offers", "news", "menu", "prices", "stock"} {
						batch = append(batch, object{"operationName": name, "query": "query " + name + " { me { id name } }"})
					}
					c.Post("/graphql", batch, bearer(p.token))
					s.Pass(time.Second)
				}
				c.Leave()
			}
		},
	})
)

// token is that of an answer of GraphQL.
func (x *Exchange) token() string {
	var a struct {
		Data struct{ Login struct{ Token string } }
	}
	json.Unmarshal(x.Body, &a)
	return a.Data.Login.Token
}
func opaqueOf(n int) string { return api.Sign(fmt.Sprint(n))[:32] }
