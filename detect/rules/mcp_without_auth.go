package rules

import (
	"bytes"
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
	Name:  "mcp_without_auth",
	Title: "Tools for agents can be used without authorization",
	Doc: `A server of the Model Context Protocol answered at least three requests (initialize, tools/list, tools/call) with success that carried no credential. With a call of a tool among them it is High; who may only list the tools finds it Low.

Tools read mail, query databases, run commands. Whoever reaches the server acts with the rights that the tools have, and so does any agent that was talked into asking it.

The session's id (Mcp-Session-Id) is no credential: the protocol forbids to use it as one. Requests with any other credential, with a cookie, or with what a gateway adds for who it let through are left out, and so are servers on the machine itself, which bridges for local clients are. A client certificate that ends at a machine in front cannot be seen. An error within a successful answer is none.

Ask for a token in every request, check that it was issued for this server, and answer 401 without one, as the protocol's authorization says.`,
	Severity: detect.High, Confidence: detect.Firm,
	CWE: []int{306}, OWASP: []string{"API2:2023"},
	Needs: detect.EveryExchange,
	Options: []detect.Option{
		{Name: "requests", Default: 3, Doc: "requests without a credential that were answered with success"},
	},
	State:   func(detect.Values) any { return window.NewCache[string, openTools](10_000, 24*time.Hour) },
	Content: func(ins *detect.Inspection) bool { return ofTools(ins.Operation) && !toolError(&ins.Exchange.Response) },
	Exchange: func(p *detect.Pass, x *exchange.Exchange) {
		if p.Outcome() != endpoint.Success || x.Response.Status/100 != 2 || !p.Anonymous() || onItself(p, x) {
			return
		}
		key := detect.Key(hostOf(p), p.Template())
		state, _ := p.State().(*window.Cache[string, openTools]).At(key, p.Now())
		if state.count++; state.count == 1 {
			state.first = p.Now()
		}
		called := strings.Contains(p.Operation(), callTool)
		state.called = state.called || called
		if state.count < uint64(p.Options().Int("requests")) {
			return
		}
		r := detect.Report{
			Key: key, Severity: detect.Low, Count: state.count, First: state.first,
			Evidence: detect.Evidence{
				{Name: "target", Value: p.Target()}, {Name: "method", Value: p.Redact(p.Operation())}, {Name: "requests", Value: credential.Number(int64(state.count))},
			},
		}
		if state.called {
			r.Severity = detect.High
		}
		p.Report(r)
	},
})

// openTools counts what a server answered to who showed nothing.
type openTools struct {
	count  uint64
	first  capture.Time
	called bool
}

const callTool = "tools/call"

// ofTools reports an operation of the protocol: a batch has several.
func ofTools(operation string) bool {
	for operation != "" {
		var method string
		switch method, operation, _ = strings.Cut(operation, " "); method {
		case "initialize", "tools/list", callTool:
			return true
		}
	}
	return false
}

// toolError reports an answer that is an error of JSON-RPC, also within a
// stream of events.
func toolError(m *exchange.Message) bool {
	b := m.Body.Bytes[:min(len(m.Body.Bytes), 4096)]
	return bytes.Contains(b, []byte(`"error":{`)) || bytes.Contains(b, []byte(`"error": {`))
}

// onItself reports a server that only its own machine reaches.
func onItself(p *detect.Pass, x *exchange.Exchange) bool {
	host, _, _ := strings.Cut(p.Host(), ":")
	server := x.Server.Addr()
	return server.IsLoopback() || server == x.Client.Addr() || host == "localhost" || host == "127.0.0.1"
}
