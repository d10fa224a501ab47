package rules_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/detecttest"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/expression"
	"github.com/authtap/authtap/detect/rules"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// replay gives the findings of a script as "detector severity verdict".
func replay(t *testing.T, script string, o detect.Options, only ...string) string {
	t.Helper()
	d, err := reassemblytest.Parse("test", script, detecttest.Funcs())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range only {
		x, ok := rules.Find(name)
		if !ok {
			t.Fatal("there is no detector " + name)
		}
		o.Detectors = append(o.Detectors, x)
	}
	found, err := detecttest.Replay(d.Packets(), o)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range found {
		out = append(out, f.Detector+" "+f.Severity.String()+" "+f.Verdict.String())
	}
	return strings.Join(out, ", ")
}

func answersIf(t *testing.T, text string) *detect.Answers {
	t.Helper()
	e, err := expression.Compile[expression.Exchange, bool](text)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Answers that say by nothing that is known what came of a login: with fields
// of other names, a 200 with the same content but for one word.
const oddLogin = `conn a 192.0.2.7:40000 198.51.100.1:80
{{range seq 1 40}}
> POST /x/enter HTTP/1.1
> Host: api.test
> Content-Type: application/json
>
> {"kennung":"bob","geheim":"guess-{{.}}"}

< HTTP/1.1 200 OK
< Content-Type: application/json
<
< {"ergebnis":"{{if lt . 40}}N{{else}}J{{end}}"}

{{end}}`

func TestPinnedLogin(t *testing.T) {
	pins := []detect.Pin{{
		Hosts: []string{"api.test"}, Method: "POST", Path: "/x/{what}",
		Login:   &credential.LoginFields{User: "kennung", Password: "geheim"},
		Success: answersIf(t, `response.json("ergebnis") == "J"`), Failure: answersIf(t, `response.body contains "\"N\""`),
	}}
	for _, c := range []struct {
		name string
		pins []detect.Pin
		want string
	}{
		{"pinned", pins, "brute_force high accepted, compromised_after_attack critical accepted"},
		{"not pinned", nil, ""},
		{"another host", []detect.Pin{{Hosts: []string{"other.test"}, Path: "/x/enter", Login: pins[0].Login}}, ""},
		{"another method", []detect.Pin{{Method: "PUT", Path: "/x/enter", Login: pins[0].Login}}, ""},
	} {
		if got := replay(t, oddLogin, detect.Options{Pins: c.pins}, "brute_force", "compromised_after_attack"); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

const oneForged = `conn a 192.0.2.7:40000 198.51.100.1:80
> GET /users/1 HTTP/1.1
> Host: api.test
> Authorization: Bearer {{jwt "none" "" (dict "sub" "admin")}}

< HTTP/1.1 200 OK
< Content-Type: application/json
<
< {"id":1,"mail":"d@x.test"}

`

func TestPinnedResource(t *testing.T) {
	success := answersIf(t, `status == 200 && response.json("mail") != nil`)
	for _, c := range []struct {
		name string
		pin  *detect.Pin
		want string
	}{
		{"nothing known", nil, "jwt_alg_none high likely_accepted"},
		{"pinned", &detect.Pin{Path: "/users/{id}", Requires: endpoint.Required, Success: success}, "jwt_alg_none critical accepted"},
		{"public", &detect.Pin{Path: "/users/{id}", Requires: endpoint.Nothing}, "jwt_alg_none medium unknown"},
		{"a failure", &detect.Pin{Path: "/users/{id}", Requires: endpoint.Required, Failure: answersIf(t, `response.body contains "d@x"`)}, "jwt_alg_none medium rejected"},
		{"no success", &detect.Pin{Path: "/users/{id}", Requires: endpoint.Required, Success: answersIf(t, `status == 204`)}, "jwt_alg_none medium unknown"},
	} {
		var o detect.Options
		if c.pin != nil {
			o.Pins = []detect.Pin{*c.pin}
		}
		if got := replay(t, oneForged, o, "jwt_alg_none"); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		// What was lost makes none of them accepted.
		cut := strings.Replace(oneForged, "< HTTP/1.1 200 OK", "nocapture <\n< HTTP/1.1 200 OK", 1)
		if got := replay(t, cut, o, "jwt_alg_none"); strings.Contains(got, " accepted") {
			t.Errorf("%s, without its answer: %q", c.name, got)
		}
	}
}

func TestBehindTLSByConfiguration(t *testing.T) {
	script := strings.Replace(oneForged, `"none" ""`, `"RS256" ""`, 1)
	if got := replay(t, script, detect.Options{}, "cleartext_credential"); got != "cleartext_credential high observed" {
		t.Fatalf("in the clear: %q", got)
	}
	if got := replay(t, script, detect.Options{BehindTLS: []string{"*.test"}}, "cleartext_credential"); got != "cleartext_credential info observed" {
		t.Errorf("behind what ends TLS: %q", got)
	}
}

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}
