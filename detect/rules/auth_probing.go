package rules

import (
	"hash/fnv"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "auth_probing",
	Title: "Somebody tries one protected endpoint after the other",
	Doc: `A client was refused (401 or 403) at twenty or more different endpoints of one host within ten minutes, and nothing that it sent was let in as a good credential meanwhile.

That is what looking for the one endpoint without a check looks like from outside.

A page that is open in a browser whose session ended asks for all its endpoints again and again; but the same ones as everybody's, so endpoints that refused five clients within a day do not count. A client that is let in somewhere with a credential is somebody whose rights end here and there.

See whether the client got anything with success, and compare with auth_optional and auth_barrier_flip of the same host.`,
	Severity: detect.Low, Confidence: detect.Firm,
	CWE: []int{425}, OWASP: []string{"API2:2023"},
	Needs: detect.EveryExchange,
	Options: []detect.Option{
		{Name: "endpoints", Default: 20, Doc: "different endpoints within ten minutes"},
		ignoreClients,
	},
	State: func(detect.Values) any {
		return &probes{
			refused: window.NewCache[pathOf, []netip.Addr](20_000, 24*time.Hour),
			failing: window.NewCache[clientOf, bool](20_000, 10*time.Minute),
		}
	},
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		state := p.State().(*probes)
		status := x.Response.Status
		letIn := p.Outcome() == endpoint.Success && len(p.Presented()) > 0
		if !letIn && (status != 401 && status != 403 || p.Outcome() != endpoint.Refusal || p.Login() != nil) || ignored(p) {
			return
		}
		by := clientOf{p.Host(), p.Client()}
		e := window.Event{Time: p.Now(), Class: window.Success, Client: p.Client(), Status: uint16(status)}
		if letIn {
			if state.failing.Len() == 0 || state.failing.Get(by, p.Now()) == nil {
				return
			}
		} else {
			e.Class = window.Failure
			h := fnv.New64a()
			io.WriteString(h, x.Request.Method)
			io.WriteString(h, p.Template())
			e.Fields[0] = h.Sum64() | 1
			clients, _ := state.refused.At(pathOf{p.Host(), e.Fields[0]}, p.Now())
			if len(*clients) < 5 && !slices.Contains(*clients, p.Client()) {
				*clients = append(*clients, p.Client())
			}
			if len(*clients) >= 5 {
				return
			}
			state.failing.At(by, p.Now())
		}
		p.Observe("endpoints_by_client", clientKey(p), e)
	},
	Windows: []detect.Window{{Name: "endpoints_by_client", Span: attackSpan, Crossed: func(p *detect.Pass, key string, s *window.Summary) {
		endpoints := s.Distinct()[0]
		if endpoints < p.Options().Int("endpoints") || s.Count[window.Success] > 0 {
			return
		}
		p.Report(detect.Report{
			Key: key, Verdict: detect.Rejected, Count: s.Count[window.Failure], First: s.FirstOf(window.Failure),
			Evidence: detect.Evidence{{Name: "target", Value: p.Target()}, {Name: "endpoints", Value: credential.Number(int64(endpoints))}},
		})
	}}},
})

// probes are the clients that endpoints refused, and who was refused lately.
type probes struct {
	refused *window.Cache[pathOf, []netip.Addr]
	failing *window.Cache[clientOf, bool]
}

// Evicted counts what made room.
func (s *probes) Evicted() uint64 { return s.refused.Evicted() + s.failing.Evicted() }
