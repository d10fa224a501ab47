package config_test

import (
	"strings"
	"testing"

	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/detect/credential"
)

const pinned = `endpoints:
  - host: [api.example.com, "*.shop.example"]
    method: [PUT, POST]
    path: /v1/session
    login: {user: data.email, password: data.secret}
    success: status == 200 && response.json("ok") == true
    failure: |
      response.body contains "nope"
        or status == 418
  - path: /internal/{x}
    requires: credential
  - path: /public
    method: GET
    requires: nothing
session-cookie: [appsess]
service-credential: ["header:X-Api-Key", "account:ci"]
behind-tls: ["*.svc.example"]
`

func TestEndpoints(t *testing.T) {
	s, err := load(t, pinned, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range s.Pins {
		got = append(got, strings.ReplaceAll(config.DescribePin(&s.Pins[i]), "\t", " | "))
	}
	login := ` api.example.com,*.shop.example/v1/session | a login by user email, password secret; success: status == 200 && response.json("ok") == true; failure: response.body contains "nope" or status == 418`
	want := []string{"POST" + login, "PUT" + login, "* */internal/{x} | requires a credential", "GET */public | requires nothing"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	key := credential.Credential{Place: credential.Place{Part: credential.InHeader, Name: "x-api-key"}}
	ci := credential.Credential{Principal: "ci"}
	if !s.ServiceCredentials.Has(&key) || !s.ServiceCredentials.Has(&ci) || s.ServiceCredentials.Has(&credential.Credential{Principal: "carol"}) {
		t.Error("credentials of services")
	}
	if len(s.SessionCookies) != 1 || len(s.BehindTLS) != 1 {
		t.Errorf("cookies %v, hosts %v", s.SessionCookies, s.BehindTLS)
	}
}

func TestMistakesInEndpoints(t *testing.T) {
	for text, want := range map[string]string{
		"endpoints: x": ":1: a list of endpoints",
		"endpoints:\n - path: x\n   requires: nothing":                         `:2: "x" is not a path`,
		"endpoints:\n - method: POST\n   requires: nothing":                    "needs a path",
		"endpoints:\n - path: /x":                                              "nothing is said of the endpoint /x",
		"endpoints:\n - path: /x\n   require: nothing":                         `:3: an endpoint has no "require"`,
		"endpoints:\n - path: /x\n   requires: maybe":                          ":3: requires is credential or nothing",
		"endpoints:\n - path: /x\n   method: post\n   requires: nothing":       `:3: "post" is not a method`,
		"endpoints:\n - path: /x\n   host: http://x\n   requires: nothing":     `:3: "http://x" is not a host`,
		"endpoints:\n - path: /x\n   login: {user: a}":                         ":3: a login needs the name of the field",
		"endpoints:\n - path: /x\n   login: {user: a.b, password: c.b}":        ":3: user and password are the same field",
		"endpoints:\n - path: /x\n   login:\n    name: a":                      `:4: a login has no "name"`,
		"endpoints:\n - path: /x\n   success: status = 200":                    ":3: column ",
		"endpoints:\n - path: /x\n   success: statu == 200":                    "statu",
		"endpoints:\n - path: /x\n   success: |\n    status == 200\n    and x": ":5: column 5 ",
		"endpoints:\n - path: /x\n   success: status":                          ":3: column 1",
		"service-credential: [x]":                                              `"x" is not the id of a credential`,
		"service-credential: [\"body:x\"]":                                     "there is no place body",
		"behind-tls: [\"https://x\"]":                                          "is not a host",
	} {
		_, err := load(t, text, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n: %v, want %q", text, err, want)
		}
	}
	many := "endpoints:\n" + strings.Repeat(" - {path: /x, requires: nothing}\n", 1001)
	if _, err := load(t, many, nil); err == nil || !strings.Contains(err.Error(), "1001 endpoints are more than 1000") {
		t.Errorf("too many: %v", err)
	}
}
