package openapi

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/authtap/authtap/detect/endpoint"
)

// shown gives an endpoint on one line: method, hosts, path, what it asks for.
func shown(d *endpoint.Declared) string {
	asks := "-"
	if d.Spec.Secured {
		var all []string
		for _, schemes := range d.Spec.Security {
			var names []string
			for _, s := range schemes {
				names = append(names, fmt.Sprint(s.Name, "@", s.Place))
			}
			all = append(all, strings.Join(names, "+"))
		}
		asks = "[" + strings.Join(all, "|") + "]"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %v %s %s", d.Method, d.Hosts, d.Path, asks))
}

const yamlDocument = `# A shop.
openapi: 3.0.3
info:
  title: Shop
  version: "1"
servers:
  - url: https://{region}.shop.example/{version}
    variables: {region: {default: eu}, version: {default: v1}}
  - url: https://shop.example:443/v1/
  - url: http://localhost:8080/v1
security:
  - token: []
    key: []
  - session: []
paths:
  /users/{id}:
    summary: one of them
    get:
      responses: {"200": {description: x}}
    delete: {security: [], deprecated: true}
    parameters: []
  /login:
    servers: [{url: /auth}]
    post: {security: [{}]}
  /shared: {$ref: "#/components/pathItems/shared"}
  x-internal: {}
components:
  pathItems:
    shared:
      put: &put
        security: [{basic: []}]
      patch: *put
  securitySchemes:
    token: {type: http, scheme: Bearer}
    key: {type: apiKey, in: header, name: X-Api-Key}
    session: {type: apiKey, in: cookie, name: SID}
    basic: {$ref: "#/components/securitySchemes/basic~1auth"}
    basic/auth: {type: http, scheme: basic}
    mtls: {type: mutualTLS}
    oidc: {type: openIdConnect, openIdConnectUrl: https://x}
`

func TestRead(t *testing.T) {
	list, err := Read("shop.yaml", []byte(yamlDocument), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range list {
		got = append(got, shown(d))
	}
	const all = "[token@header:authorization+key@header:x-api-key|session@cookie:SID]"
	want := []string{
		"GET [*.shop.example] /{version}/users/{id} " + all,
		"GET [shop.example localhost:8080] /v1/users/{id} " + all,
		"DELETE [*.shop.example] /{version}/users/{id} []",
		"DELETE [shop.example localhost:8080] /v1/users/{id} []",
		"POST [] /auth/login []",
		"PUT [*.shop.example] /{version}/shared [basic@header:authorization]",
		"PUT [shop.example localhost:8080] /v1/shared [basic@header:authorization]",
		"PATCH [*.shop.example] /{version}/shared [basic@header:authorization]",
		"PATCH [shop.example localhost:8080] /v1/shared [basic@header:authorization]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if list[0].Spec.Anonymous() || !list[2].Spec.Anonymous() || !list[2].Spec.Deprecated || !list[4].Spec.Anonymous() {
		t.Error("what is asked for")
	}
}

func TestReadJSON(t *testing.T) {
	const document = `{
	"openapi": "3.1.0",
	"servers": [{"url": "https://api.example/v2"}],
	"paths": {
		"/a": {"get": {"security": [{"o": ["read"]}]}, "post": {}}
	},
	"components": {"securitySchemes": {"o": {"type": "oauth2", "flows": {}}}}
}`
	for hosts, want := range map[string][]string{
		"":          {"GET [api.example] /v2/a [o@header:authorization]", "POST [api.example] /v2/a -"},
		"api.local": {"GET [api.local] /v2/a [o@header:authorization]", "POST [api.local] /v2/a -"},
	} {
		list, err := Read("a.json", []byte(document), strings.Fields(hosts))
		if hosts == "" {
			list, err = Read("a.json", []byte(document), nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range list {
			got = append(got, shown(d))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", hosts, got, want)
		}
	}
	// Without servers the document is of all hosts, or of the one that is named.
	list, err := Read("a", []byte("openapi: 3.0.0\npaths: {/a: {get: {}}}"), nil)
	if err != nil || len(list) != 1 || shown(list[0]) != "GET [] /a -" {
		t.Errorf("%v, %v", list, err)
	}
	list, err = Read("a", []byte("openapi: 3.0.0\nservers: []\npaths: {/a: {get: {}}}"), []string{"h"})
	if err != nil || len(list) != 1 || shown(list[0]) != "GET [h] /a -" {
		t.Errorf("%v, %v", list, err)
	}
}

func TestMistakes(t *testing.T) {
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	many := &strings.Builder{}
	many.WriteString("{\"openapi\": \"3.0.0\", \"paths\": {\"/\": {}")
	for i := range MaxOperations + 1 {
		fmt.Fprintf(many, ", \"/p%d\": {\"get\": {}}", i)
	}
	many.WriteString("}}")
	for text, want := range map[string]string{
		"":                                "1: the document is empty",
		"- a":                             "1: an OpenAPI document is an object",
		"info: {}":                        "1: this is no OpenAPI document",
		"info: {}\nswagger: \"2.0\"":      "2: this is Swagger 2.0",
		"openapi: 4.0.0":                  "1: OpenAPI 4.0.0 is not read",
		"openapi: 3.0.0\npaths: [":        "2: ",
		"{\n\"openapi\": \"3.0.0\",\n":    "2: no JSON: ",
		"{\"openapi\": \"3.0.0\"}\n{}":    "2: no JSON: something stands behind the document",
		"{\"openapi\": " + deep + "}":     "1: values are nested deeper than 64",
		"openapi: 3.0.0\npaths:\n  a: {}": `3: the path "a" does not begin with /`,
		"openapi: 3.0.0\npaths: []":       "2: paths is an object",
		"openapi: 3.0.0\npaths:\n  /a:\n    get: x":                                                 "4: get is an object",
		"openapi: 3.0.0\npaths:\n  /a:\n    get:\n      security: [{x: []}]":                        `5: there is no security scheme "x"`,
		"openapi: 3.0.0\npaths:\n  /a: {$ref: other.yaml}":                                          `3: the reference "other.yaml" leads out`,
		"openapi: 3.0.0\npaths:\n  /a: {$ref: \"#/x\"}":                                             `3: the reference "#/x" leads nowhere`,
		"openapi: 3.0.0\npaths:\n  /a: {$ref: \"#/paths/~1a\"}":                                     "the references lead in a circle",
		"openapi: 3.0.0\nservers:\n - {}":                                                           "3: a server needs a url",
		"openapi: 3.0.0\nservers:\n - url: https:///x":                                              "names no host",
		"openapi: 3.0.0\nservers:\n - url: /x?y":                                                    "has a query",
		"openapi: 3.0.0\ncomponents:\n  securitySchemes:\n    a: {type: magic}":                     `4: the security scheme "a" has the type "magic"`,
		"openapi: 3.0.0\ncomponents:\n  securitySchemes:\n    a: {type: apiKey, in: body, name: x}": "is in no header, query or cookie",
		"openapi: 3.0.0\ncomponents:\n  securitySchemes:\n    a: {type: apiKey, in: query}":         "lacks its name",
		"openapi: 3.0.0\ncomponents:\n  securitySchemes:\n    a: {type: http}":                      "lacks its scheme",
		"openapi: 3.0.0\na: *b":                                                                     "2: ",
		many.String():                                                                               "a document has at most 10000 operations",
		strings.Repeat(" ", MaxSize+1):                                                              "larger than 8 MiB",
	} {
		_, err := Read("x", []byte(text), nil)
		var its *Error
		if !errors.As(err, &its) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s\n: %v, want %q", text, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(yamlDocument))
	f.Add([]byte(`{"openapi":"3.1.0","paths":{"/a":{"get":{}}}}`))
	f.Add([]byte("openapi: 3.0.0\na: &a [*a]\npaths:\n  <<: {/x: {get: {}}}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := Read("x", text, nil)
		var its *Error
		if err != nil && !errors.As(err, &its) {
			t.Errorf("an error without a line: %v", err)
		}
		for _, d := range list {
			if !strings.HasPrefix(d.Path, "/") || d.Spec == nil {
				t.Errorf("%+v", d)
			}
		}
	})
}
