package expression_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/expression"
	"github.com/authtap/authtap/reassembly/exchange"
)

const (
	secret = "s3cr3t-passw0rd!"
	token  = "Zk3vQ9xR7tLp2mNc8sWd4yBg"
)

func subject(t testing.TB) *expression.Subject {
	t.Helper()
	x := &exchange.Exchange{
		Client: netip.MustParseAddrPort("192.0.2.7:4000"), Server: netip.MustParseAddrPort("198.51.100.1:443"),
		Protocol: exchange.HTTP11, TLS: exchange.Decrypted,
		Request: exchange.Message{
			Present: true, Method: "POST", Target: "/login?api_key=" + token + "&page=2",
			Header: exchange.Header{
				{Name: "Host", Value: "api.test"}, {Name: "Content-Type", Value: "application/json; charset=utf-8"},
				{Name: "Authorization", Value: "Bearer " + token}, {Name: "X-Tenant", Value: "blue"}, {Name: "X-Api-Key", Value: token},
			},
			Body: exchange.Body{Bytes: []byte(`{"user":"bob","password":"` + secret + `"}`), Length: 44},
		},
		Response: exchange.Message{
			Present: true, Status: 200, Header: exchange.Header{{Name: "Content-Type", Value: "application/json"}},
			Body: exchange.Body{Bytes: []byte(`{"code":0,"ok":true,"data":{"list":[{"name":"x"},{"name":"y"}],"access_token":"` + token + `"}}`), Length: 90},
		},
	}
	found := credential.NewFinder(credential.Options{Key: credential.Key{1}}).Find(x)
	path, query := x.PathQuery()
	return &expression.Subject{
		Exchange: x, Found: &found, Host: x.Host(), Path: path, Query: query, Client: x.Client.Addr(), Principal: "bob",
	}
}

func ask[T bool | int | string](t testing.TB, text string) (T, error) {
	t.Helper()
	p, err := expression.Compile[expression.Exchange, T](text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var env expression.Exchange
	env.Set(subject(t), p.Used())
	return p.Run(&env)
}

func TestAnswers(t *testing.T) {
	for text, want := range map[string]bool{
		`method == "POST" && host == "api.test" && path startsWith "/login"`: true,
		`status in [200, 201]`:                                                      true,
		`status >= 400 or response.json("code") == 0`:                               true,
		`response.json("ok") == true && response.json("data.list.1.name") == "y"`:   true,
		`response.json("data.missing") == nil`:                                      true,
		`response.json("data.list") == 2`:                                           true,
		`response.body contains "list"`:                                             true,
		`response.type == "application/json" && request.type == "application/json"`: true,
		`request.header("x-tenant") matches "^bl"`:                                  true,
		`request.header("x-missing") == ""`:                                         true,
		`request.header("authorization") startsWith "Bearer"`:                       true,
		`login.form == "json" && login.principal == "bob" && login.attempts == 1`:   true,
		`any(presented, .kind == "bearer" && .access)`:                              true,
		`count(presented, .kind == "jwt") > 0`:                                      false,
		`len(issued) == 1 && issued[0].place == "json:data.access_token"`:           true,
		`in_network(client, "192.0.2.0/24") and not in_network(client, "10.0.0.1")`: true,
		`decrypted && protocol == "http/1.1" && port == 443`:                        true,
		`let t = query; t contains "page=2" && !(t contains "api_key=Zk3vQ9xR")`:    true,
		`lower(method) == "post" && upper(host) == "API.TEST" && trim(path) != ""`:  true,
	} {
		if got, err := ask[bool](t, text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	if got, err := ask[string](t, `client`); err != nil || got != "192.0.2.7" {
		t.Error(got, err)
	}
	if got, err := ask[int](t, `status + 1`); err != nil || got != 201 {
		t.Error(got, err)
	}
}

// Whatever an expression reads, no credential comes out.
func TestNothingSecret(t *testing.T) {
	for _, text := range []string{
		`query`, `path`, `request.body`, `response.body`, `request.header("authorization")`, `request.header("X-API-Key")`,
		`presented[0].mask`, `presented[0].id`, `issued[0].mask`, `login.password`, `login.account`,
		`string_of(request.json("password"))`, `string_of(response.json("data.access_token"))`,
	} {
		text = strings.NewReplacer("string_of(", "", "))", `) ?? ""`).Replace(text)
		got, err := ask[string](t, text)
		if err != nil || got == "" {
			t.Errorf("%s: %q, %v", text, got, err)
		}
		for _, s := range []string{secret, token, secret[:8], token[:8]} {
			if strings.Contains(got, s) {
				t.Errorf("%s tells %q", text, got)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		``:                                  "1:1: the expression is empty",
		`methd == "GET"`:                    "1:1: unknown name methd",
		"status == 1 &&\n  host > 3":        "2:8: invalid operation",
		`status`:                            "expected bool",
		`host matches path`:                 "1:6: a regular expression must be a constant",
		`host matches "("`:                  "missing closing )",
		`any(1..1000000, # > 5)`:            "ranges are not there",
		`status in 1..9`:                    "ranges are not there",
		`host + path + host == ""`:          "+ is for numbers only",
		`any(presented, any(issued, true))`: "loops do not nest",
		`any(presented, count(issued, .access) > 1)`: "loops do not nest",
		`repeat(host, 1000) == ""`:                   "unknown name repeat",
		`now().Year() == 2026`:                       "unknown name now",
		`$env["host"] == ""`:                         "$env is not there",
		`in_network(client, host)`:                   "the network must be a constant",
		`in_network(client, "10.0.0.0/40")`:          "not a network",
		`request.of == nil`:                          "has no field of",
		`request.Header("a") == ""`:                  "has no method Header",
		strings.Repeat("true && ", 400) + "true":     "exceeds",
		strings.Repeat(" ", 5000) + "true":           "at most 4096 bytes",
	} {
		_, err := expression.Compile[expression.Exchange, bool](text)
		var its *expression.Error
		if !errors.As(err, &its) {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if !strings.Contains(strings.Join([]string{place(its), its.What}, ": "), want) {
			t.Errorf("%s: %s: %s, want %s", text, place(its), its.What, want)
		}
	}
}

func place(e *expression.Error) string {
	return strings.Join([]string{itoa(e.Line), itoa(e.Column)}, ":")
}

func itoa(n int) string { return strings.TrimLeft(string(rune('0'+n/10))+string(rune('0'+n%10)), "0") }

// An error while an expression runs is one, whatever it is.
func TestFailsWell(t *testing.T) {
	for _, text := range []string{`presented[50].kind == "x"`, `int(host) > 3`, `response.json("data.list.0.name") > 3`} {
		if _, err := ask[bool](t, text); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}

func TestUses(t *testing.T) {
	p, err := expression.Compile[expression.Exchange, bool](`any(presented, .access) && response.json("a") == 1`)
	if err != nil {
		t.Fatal(err)
	}
	if u := p.Used(); u != expression.Presented|expression.ResponseJSON {
		t.Error(u)
	}
	if !p.Uses("response.json") || p.Uses("query") || !p.Uses("presented") {
		t.Error("wrong")
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(`any(presented, .kind == "jwt") ? status == 200 : not (host matches "a+")`)
	f.Add(`let a = [1,2]; len(a) > 1 and {"a": 1}.a == 1`)
	s := subject(f)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := expression.Compile[expression.Exchange, bool](text)
		if err != nil {
			return
		}
		var env expression.Exchange
		env.Set(s, p.Used())
		p.Run(&env)
	})
}

func BenchmarkRun(b *testing.B) {
	s := subject(b)
	for _, text := range []string{`method == "POST" && status == 401`, `any(presented, .kind == "jwt") && request.header("x-tenant") == "red"`} {
		p, err := expression.Compile[expression.Exchange, bool](text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			var env expression.Exchange
			for b.Loop() {
				env.Set(s, p.Used())
				p.Run(&env)
			}
		})
	}
}
