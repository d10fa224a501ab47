package rules

import (
	"net/netip"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "auth_missing_internal",
	Title: "A service inside does not ask who is there",
	Doc: `Twenty requests between private addresses, not one of them with a credential, had success within seven days at an endpoint to which requests from elsewhere carry credentials without exception: the same method and path template, at the gateway's host or another.

Behind the gateway nobody is asked. Whoever reaches the network inside (a pod that was taken over, a forged request from the server's side) has all that the service has.

In a mesh the connection itself is authenticated, by certificates that end at a proxy beside the service: encrypted hops are not seen, but the last one may be. Requests with headers that say who was let in, or whose certificate was seen, do not count, and neither do paths that are public by their names, health checks among them.

Have each service verify the caller's token, or the caller's own identity (mutual TLS, signed tokens), and not only the gateway.`,
	Severity: detect.Medium, Confidence: detect.Tentative,
	CWE: []int{306}, OWASP: []string{"API2:2023"},
	Needs: detect.EveryExchange | detect.InnerHop,
	Options: []detect.Option{
		{Name: "requests", Default: 20, Doc: "requests without a credential within seven days"},
		{Name: "edge", Default: 3, Doc: "requests with a credential from elsewhere"},
	},
	State: func(detect.Values) any {
		return &insides{
			services: window.NewCache[inside, insideUse](20_000, endpoint.Memory),
			told:     window.NewCache[string, bool](20_000, 24*time.Hour),
		}
	},
	Exchange: authMissingInternal,
})

type insides struct {
	services *window.Cache[inside, insideUse]
	told     *window.Cache[string, bool]
}

// inside is an endpoint of a server that private addresses ask.
type inside struct {
	resource detect.Resource
	server   netip.Addr
}

type insideUse struct {
	anonymous  uint64
	asked      uint64 // of anonymous, when it was last asked what is elsewhere
	first      capture.Time
	credential bool // some request had one, or was refused
}

// Evicted counts what made room.
func (s *insides) Evicted() uint64 { return s.services.Evicted() + s.told.Evicted() }

func authMissingInternal(p *detect.Pass, x *exchange.Exchange) {
	if !private(x.Client.Addr()) || !private(x.Server.Addr()) || !x.Request.Present {
		return
	}
	state := p.State().(*insides)
	at := inside{p.Resource(), x.Server.Addr()}
	if len(p.Presented()) > 0 || p.Outcome() == endpoint.Refusal {
		if state.services.Len() > 0 {
			if use := state.services.Get(at, p.Now()); use != nil {
				use.credential = true
			}
		}
		return
	}
	if p.Outcome() != endpoint.Success || x.Response.Status >= 300 || !p.Sound() || p.Login() != nil || !p.Anonymous() {
		return
	}
	use, created := state.services.At(at, p.Now())
	if created {
		use.first = p.Now()
	}
	use.anonymous++
	if use.anonymous < uint64(p.Options().Int("requests")) || use.credential || isPublicPath(p.Template()) || !structured(x.Response.Header.Get("Content-Type")) && x.Request.Method == "GET" {
		return
	}
	if use.anonymous < 2*use.asked {
		return
	}
	use.asked = use.anonymous
	edge, always := p.WithCredentialElsewhere(use.anonymous)
	if edge < uint32(p.Options().Int("edge")) || !always {
		return
	}
	key := detect.Key(hostOf(p), p.Endpoint(), x.Server.Addr().String())
	if _, fresh := state.told.AtUntouched(key, p.Now()); !fresh {
		return
	}
	p.Report(detect.Report{
		Key: key, Count: use.anonymous, First: use.first, Clients: true,
		Evidence: detect.Evidence{
			{Name: "target", Value: p.Target()},
			{Name: "requests", Value: credential.Number(int64(use.anonymous))},
			{Name: "with_credential_elsewhere", Value: credential.Number(int64(edge))},
		},
	})
}
