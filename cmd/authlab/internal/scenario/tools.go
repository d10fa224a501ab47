package scenario

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Tools for agents (Model Context Protocol), spoken as its libraries speak it.

// decode reads a request of JSON.
func decode(r *http.Request, v any) { json.NewDecoder(r.Body).Decode(v) }

// events answers with a stream of one event.
func events(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	fmt.Fprintf(w, "event: message\nid: 1_%d\ndata: %s\n\n", len(b), b)
}

// tools serves the protocol; allowed says who may use it.
func (s *Stage) tools(allowed func(r *http.Request) bool) {
	s.API.Handle("/mcp", func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			ID     *int   `json:"id"`
			Method string `json:"method"`
			Params struct {
				Name string `json:"name"`
			} `json:"params"`
		}
		decode(r, &call)
		switch {
		case !allowed(r):
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", resource_metadata="https://shop.example/.well-known/oauth-protected-resource/mcp"`)
			reply(w, 401, object{"error": "invalid_token", "error_description": "Missing Authorization header"})
		case r.Method != "POST":
			w.Header().Set("Allow", "POST")
			reply(w, 405, object{"jsonrpc": "2.0", "error": object{"code": -32000, "message": "Method not allowed."}, "id": nil})
		case call.ID == nil:
			w.WriteHeader(202)
		default:
			var result object
			switch call.Method {
			case "initialize":
				w.Header().Set("Mcp-Session-Id", opaqueOf(31))
				result = object{"protocolVersion": "2025-06-18", "capabilities": object{"tools": object{"listChanged": true}}, "serverInfo": object{"name": "warehouse", "version": "1.2.0"}}
			case "tools/list":
				result = object{"tools": []object{{"name": "run_query", "description": "Runs SQL in the warehouse", "inputSchema": object{"type": "object", "properties": object{"sql": object{"type": "string"}}}}}}
			default:
				result = object{"content": []object{{"type": "text", "text": `[{"customer":4711,"total":"29.90"}]`}}, "isError": false}
			}
			events(w, object{"jsonrpc": "2.0", "id": *call.ID, "result": result})
		}
	})
	s.API.Handle("GET /.well-known/oauth-protected-resource/mcp", func(w http.ResponseWriter, r *http.Request) {
		reply(w, 200, object{"resource": "https://shop.example/mcp", "authorization_servers": []string{"https://shop.example"}})
	})
}

// agent does what an agent's program does first.
func (c *Client) agent(calls int, options ...option) {
	c.Header.Set("User-Agent", "node")
	c.Header.Set("Accept", "application/json, text/event-stream")
	n := 0
	call := func(method string, params object) *Exchange {
		defer func() { n++ }()
		return c.Post("/mcp", object{"jsonrpc": "2.0", "id": n, "method": method, "params": params}, options...)
	}
	x := call("initialize", object{"protocolVersion": "2025-06-18", "capabilities": object{}, "clientInfo": object{"name": "desktop-agent", "version": "0.9.4"}})
	if x.Status == 401 {
		c.Get("/.well-known/oauth-protected-resource/mcp")
		return
	}
	options = append(options, header("Mcp-Session-Id", x.Header.Get("Mcp-Session-Id")), header("Mcp-Protocol-Version", "2025-06-18"))
	c.Post("/mcp", object{"jsonrpc": "2.0", "method": "notifications/initialized"}, options...)
	c.Get("/mcp", options...)
	call("tools/list", object{})
	for i := range calls {
		c.s.Pass(12 * time.Second)
		call("tools/call", object{"name": "run_query", "arguments": object{"sql": fmt.Sprintf("select * from orders limit %d", i+5)}, "_meta": object{"progressToken": i}})
	}
}

var (
	_ = posture("tools_open", "tools for agents without authorization", "mcp_without_auth", func(s *Stage) {
		s.tools(func(r *http.Request) bool { return s.Vulnerable })
		for i := range 3 {
			s.Client(fmt.Sprintf("203.0.113.%d", 20+i)).agent(3)
			s.Pass(time.Minute)
		}
	})
	_ = register(Scenario{Name: "honest_tools", Title: "tools for agents, whose users log in", Honest: true, Run: func(s *Stage) {
		s.tools(func(r *http.Request) bool {
			return strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ey") || r.Header.Get("X-Api-Key") != ""
		})
		s.API.Handle("POST /rpc", func(w http.ResponseWriter, r *http.Request) { // one that refuses with 200
			events(w, object{"jsonrpc": "2.0", "id": 1, "error": object{"code": -32001, "message": "Unauthorized"}})
		})
		for i := range 6 {
			c := s.Client(fmt.Sprintf("203.0.113.%d", 20+i))
			c.agent(1)
			s.Pass(20 * time.Second)
			if i%2 == 0 {
				c.agent(4, bearer(s.API.Token(account(i))))
			} else {
				c.agent(4, header("X-Api-Key", "wh_"+opaqueOf(i)))
			}
			c.Post("/rpc", object{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": object{"name": "run_query"}})
			c.Leave()
		}
	}})
)
