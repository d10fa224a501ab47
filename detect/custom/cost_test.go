package custom_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/custom"
	"github.com/authtap/authtap/reassembly/exchange"
)

// engine gives an engine with n rules of that condition, and an exchange.
func engine(t testing.TB, when string, n int) (*detect.Engine, *detect.Inspector, *exchange.Exchange) {
	t.Helper()
	var list []custom.Rule
	for i := range n {
		list = append(list, rule(when, func(r *custom.Rule) { r.Name.Text = fmt.Sprint("rule_", i) }))
	}
	set, err := custom.Compile(list, custom.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o := detect.Options{Detectors: set.Detectors()}
	e, err := detect.NewEngine(o)
	if err != nil {
		t.Fatal(err)
	}
	x := &exchange.Exchange{
		Client: netip.MustParseAddrPort("192.0.2.7:4000"), Server: netip.MustParseAddrPort("198.51.100.1:80"),
		Request: exchange.Message{
			Present: true, Method: "GET", Target: "/things/5?page=2",
			Header: exchange.Header{{Name: "Host", Value: "api.test"}, {Name: "Authorization", Value: "Bearer Zk3vQ9xR7tLp2mNc8sWd4yBg"}},
		},
		Response: exchange.Message{Present: true, Status: 200, Body: exchange.Body{Bytes: []byte(`{"a":1}`), Length: 7}},
	}
	return e, detect.NewInspector(o), x
}

// Conditions that rule most exchanges out by what costs nothing to look at.
var plain = []string{
	`method == "POST" && any(presented, .kind == "jwt")`,
	`request.header("x-a") == "b" && path startsWith "/admin"`,
	`status in [401, 403] && query contains "x"`,
	`template == "/users/{id}" && len(issued) > 0`,
	`login.form == "json" && client == "192.0.2.1"`,
	`response.json("a") == 1 && method == "POST"`,
}

// What a rule rules out by plain comparisons allocates nothing.
func TestRuledOutCostsNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("SKIP: under the race detector a sync.Pool forgets at random, and that allocates")
	}
	allocations := func(when string, n int) float64 {
		e, inspector, x := engine(t, when, n)
		return testing.AllocsPerRun(200, func() { e.Exchange(inspector.Inspect(x)) })
	}
	none := allocations("true", 0)
	for _, when := range plain {
		if some := allocations(when, 20); some > none {
			t.Errorf("%s: %v allocations, %v without rules", when, some, none)
		}
	}
	// The test sees what it looks for.
	if some := allocations(`any(presented, .kind == "jwt")`, 20); some <= none {
		t.Errorf("%v allocations of rules that are asked, %v without rules", some, none)
	}
}

func BenchmarkExchange(b *testing.B) {
	for _, c := range []struct {
		name, when string
		n          int
	}{
		{"no rules", "true", 0},
		{"20 ruled out", plain[0], 20},
		{"20 ruled out by path", plain[1], 20},
		{"20 asked", `request.header("x-a") matches "^b"`, 20},
		{"20 asked for content", `response.json("a") == 2`, 20},
	} {
		b.Run(c.name, func(b *testing.B) {
			e, inspector, x := engine(b, c.when, c.n)
			b.ReportAllocs()
			for b.Loop() {
				e.Exchange(inspector.Inspect(x))
			}
		})
	}
}
