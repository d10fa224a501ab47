package endpoint

import (
	"strings"
	"testing"

	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly/exchange"
)

func asks(method, kind, body string, header ...string) *exchange.Exchange {
	x := &exchange.Exchange{Request: exchange.Message{Present: true, Method: method, Body: exchange.Body{Bytes: []byte(body), Length: int64(len(body))}}}
	x.Request.Header = exchange.Header{{Name: "Content-Type", Value: kind}}
	for i := 0; i < len(header); i += 2 {
		x.Request.Header = append(x.Request.Header, exchange.Field{Name: header[i], Value: header[i+1]})
	}
	return x
}

func TestOperation(t *testing.T) {
	const js = "application/json; charset=utf-8"
	for name, c := range map[string]struct {
		x     *exchange.Exchange
		query string
		want  string
	}{
		"no body":               {asks("POST", js, ""), "", ""},
		"another API":           {asks("POST", js, `{"name":"query"}`), "", ""},
		"a search":              {asks("POST", js, `{"query":{"match_all":{}}}`), "", ""},
		"a form":                {asks("POST", "application/x-www-form-urlencoded", `query={a}`), "", ""},
		"short":                 {asks("POST", js, `{"query":"{ me { id } }"}`), "", "query me"},
		"named":                 {asks("POST", js, `{"operationName":"B","query":"query A { a } query B($x: [Int!] = [1]) @live { b(x: $x) { c } d }"}`), "", "query b d"},
		"mutation with aliases": {asks("POST", js, `{"query":"mutation { a: login(u: \"}{\", p: \"\"\"x\"\"\") { token } b: login(u: 1) { token } }"}`), "", "mutation login"},
		"fragments":             {asks("POST", js, `{"query":"fragment F on User { id } query { me { ...F } ...G ... on Query { x } }"}`), "", "query ... me"},
		"comments":              {asks("POST", js, `{"query":"# {a}\n{ b }"}`), "", "query b"},
		"batch":                 {asks("POST", js, `[{"query":"{b}"},{"query":"{a}"},{"query":"{b}"}]`), "", "query a query b"},
		"persisted":             {asks("POST", js, `{"operationName":"X","extensions":{"persistedQuery":{"sha256Hash":"abc"}}}`), "", "persisted:abc"},
		"document":              {asks("POST", "application/graphql", `subscription { news }`), "", "subscription news"},
		"in the query":          {asks("GET", "", ""), "query=%7Bme%7Bid%7D%7D", "query me"},
		"JSON-RPC":              {asks("POST", js, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}`), "", "tools/call"},
		"JSON-RPC batch":        {asks("POST", js, `[{"jsonrpc":"2.0","method":"b"},{"jsonrpc":"2.0","method":"a"}]`), "", "a b"},
		"broken":                {asks("POST", js, `{"jsonrpc":"2.0","method":`), "", ""},
		"SOAP 1.1":              {asks("POST", "text/xml", `<e/>`, "SOAPAction", `"urn:get"`), "", "urn:get"},
		"SOAP 1.2":              {asks("POST", `application/soap+xml; charset=utf-8; action="urn:get"`, `<e/>`), "", "urn:get"},
	} {
		if got := NewExaminer().Operation(c.x, "/graphql", c.query, &credential.Found{}); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if got := NewExaminer().Operation(asks("POST", js, `{"jsonrpc":"2.0","method":"`+strings.Repeat("x", 500)+`"}`), "/", "", &credential.Found{}); len(got) != maxOperation {
		t.Errorf("an operation of %d bytes", len(got))
	}
}

// Operations of one path are endpoints of their own, and not without bound.
func TestOperationsAreEndpoints(t *testing.T) {
	m := NewMap(Options{})
	ask := func(operation string) *Endpoint {
		e, template := m.Find(&Request{Host: "h", Method: "POST", Path: "/graphql", Operation: operation, Client: alice, Status: 200}, start)
		if template != "/graphql" {
			t.Errorf("template %s", template)
		}
		return e
	}
	if me, all, again := ask("query me"), ask("query all"), ask("query me"); me == all || me != again {
		t.Error("operations are not told apart")
	}
	for i := range 2 * maxOperations {
		ask(strings.Repeat("x", i%100) + strings.Repeat("y", i/100+1))
	}
	if s := m.Stats(); s.Endpoints > maxOperations || s.OperationsFull == 0 {
		t.Errorf("stats %+v", s)
	}
	if ask("one more") != m.None() {
		t.Error("an operation beyond the bound discriminates")
	}
}

func FuzzOperation(f *testing.F) {
	f.Add([]byte(`{"query":"query A($x: Int) { a: b(c: {d: \"e\"}) @f ... on G { h } }"}`))
	f.Add([]byte(`[{"jsonrpc":"2.0","method":"x"}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if got := NewExaminer().Operation(asks("POST", "application/json", string(body)), "/", "", &credential.Found{}); len(got) > maxOperation {
			t.Errorf("an operation of %d bytes", len(got))
		}
		rootFields(string(body), "x")
	})
}
