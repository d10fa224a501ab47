package rules

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "auth_optional",
	Title: "An endpoint lets in who has no credential",
	Doc: `An endpoint that lets in good credentials and was seen to refuse requests without any answered others without any, with the same kind of content that good ones get: at least three within a day, from at least two clients, or from one where an answer holds a secret.

Some way to the same data does not ask who is there: a second route, a method, a cache, a rule that applies to some addresses only. Who finds it needs no credential.

Public pages that show more to those who are logged in answer with other content, and such answers do not count; public ones that refuse nothing but bad tokens are none of this. Nor do requests that are vouched for by a gateway (its headers, a client certificate that it saw), signed URLs, requests with any cookie that might be a session, answers from a cache, and connections that were authenticated as a whole (NTLM, Negotiate). The same server must have been seen to let in good credentials, since behind a gateway there are none. A client certificate that ends at a machine in front cannot be seen.

Find what the requests have in common by their exchanges, and make the check a property of the route, so that what does not ask is refused.`,
	Severity: detect.High, Confidence: detect.Firm,
	CWE: []int{306, 287}, OWASP: []string{"API2:2023"},
	Needs: detect.EveryExchange,
	Options: []detect.Option{
		{Name: "answers", Default: 3, Doc: "answers within a day"},
		{Name: "clients", Default: 2, Doc: "clients that got them"},
	},
	State: func(detect.Values) any {
		return &openings{
			lets:    window.NewCache[serverOf, bool](20_000, endpoint.Memory),
			whole:   window.NewCache[netip.AddrPort, bool](20_000, time.Hour),
			answers: window.NewCache[string, opening](20_000, 24*time.Hour),
		}
	},
	Exchange: authOptional,
})

// openings is what tells an open way in from a closed one.
type openings struct {
	lets    *window.Cache[serverOf, bool]       // servers that let in good credentials
	whole   *window.Cache[netip.AddrPort, bool] // clients whose connection is authenticated
	answers *window.Cache[string, opening]
}

// Evicted counts what made room.
func (o *openings) Evicted() uint64 {
	return o.lets.Evicted() + o.whole.Evicted() + o.answers.Evicted()
}

type serverOf struct {
	host   string
	server netip.Addr
}

// opening is what an endpoint answered to who had no credential.
type opening struct {
	n       uint64
	first   capture.Time
	clients []netip.Addr
}

func authOptional(p *detect.Pass, x *exchange.Exchange) {
	state := p.State().(*openings)
	if presented := p.Presented(); len(presented) > 0 {
		for i := range presented {
			switch presented[i].Kind {
			case credential.NTLM, credential.Negotiate:
				state.whole.At(x.Client, p.Now())
			}
		}
		if p.Outcome() == endpoint.Success {
			state.lets.At(serverOf{p.Host(), x.Server.Addr()}, p.Now())
		}
		return
	}
	if !p.LikeGood() || x.Response.Status >= 300 || !p.Discriminates() || !p.Anonymous() || p.Login() != nil || x.Flags&exchange.Midstream != 0 ||
		state.whole.Get(x.Client, p.Now()) != nil || state.lets.Get(serverOf{p.Host(), x.Server.Addr()}, p.Now()) == nil {
		return
	}
	if _, refused, _ := p.Callers(); refused == 0 {
		return // public, though it refuses tokens that are not good
	}
	key := detect.Key(hostOf(p), p.Endpoint())
	o, _ := state.answers.At(key, p.Now())
	if o.n++; o.n == 1 {
		o.first = p.Now()
	}
	if len(o.clients) < 8 && !slices.Contains(o.clients, p.Client()) {
		o.clients = append(o.clients, p.Client())
	}
	if o.n < uint64(p.Options().Int("answers")) || len(o.clients) < p.Options().Int("clients") && len(p.Exposed()) == 0 {
		return
	}
	names := make([]string, len(o.clients))
	for i, c := range o.clients {
		names[i] = c.String()
	}
	p.Report(detect.Report{
		Key: key, Count: o.n, First: o.first, Clients: true,
		Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "clients", Value: p.Redact(strings.Join(names, ", "))}},
	})
}
