package scenario

import (
	"fmt"
	"time"

	"github.com/authtap/authtap/cmd/authlab/internal/api"
	"github.com/authtap/authtap/cmd/authlab/internal/lab"
)

var _ = register(Scenario{
	Name: "honest_spa", Title: "single page applications whose tokens expire while nobody is there", Honest: true, Over: lab.HTTP2,
	Run: func(s *Stage) {
		s.Regulars(5)
		for i := range 20 {
			name := fmt.Sprintf("visitor%d", i)
			s.API.Add(api.Account{Name: name, Password: passwordOf(200 + i)})
			c := s.Client(fmt.Sprintf("203.0.113.%d", 60+i))
			first := c.Login(name, passwordOf(200+i))
			token, refresh := first.JSON("access_token"), first.JSON("refresh_token")
			for k := range 8 {
				c.Get(fmt.Sprintf("/api/orders/%d", 500+k), bearer(token))
				s.Pass(20 * time.Second)
			}
			s.Pass(20 * time.Minute)
			// The page polls on with the old token until somebody comes back.
			for range 60 {
				c.Get("/api/orders?page=1", bearer(token))
				s.Pass(5 * time.Second)
			}
			// Ten tabs notice at once.
			var token2 string
			tabs := []func(){}
			for range 10 {
				tabs = append(tabs, func() {
					c.Get("/api/me", bearer(token))
					if x := c.Post("/api/token/refresh", object{"refresh_token": refresh}); x.Admitted {
						token2, refresh = x.JSON("access_token"), x.JSON("refresh_token")
					}
					c.Get("/api/me", bearer(token2))
				})
			}
			s.Together(40*time.Millisecond, tabs...)
			c.Leave()
		}
	},
})
