package endpoint

import (
	"fmt"
	"slices"
	"testing"

	"github.com/authtap/authtap/detect/credential"
)

// A host has at most 5,000 templates, whoever answers what with success.
func TestTemplatesOfAHost(t *testing.T) {
	m := NewMap(Options{})
	for i := range 6000 {
		// No more than 50 under one prefix, so that no segment is found variable.
		find(m, "h", "GET", fmt.Sprintf("/a%c/b%c/c%d", 'a'+i%26, 'a'+i/26%26, i/676), alice, 200)
	}
	if s := m.Stats(); s.Templates != DefaultTemplates || s.TemplatesFull != 1000 {
		t.Errorf("stats %+v", s)
	}
	if e, _ := find(m, "other", "GET", "/x", alice, 200); e == m.None() {
		t.Error("another host has no room")
	}
}

func TestEndpointsInAll(t *testing.T) {
	m := NewMap(Options{Endpoints: 5})
	for i := range 9 {
		find(m, fmt.Sprint("h", i), "GET", "/x", alice, 200)
	}
	if s := m.Stats(); s.Endpoints != 5 || s.TemplatesFull != 4 {
		t.Errorf("stats %+v", s)
	}
}

// Made-up names of hosts make room for those that answer.
func TestHostsOfAScanMakeRoom(t *testing.T) {
	m := NewMap(Options{Hosts: 10})
	find(m, "api", "GET", "/x", alice, 200)
	for i := range 100 {
		find(m, fmt.Sprint("made-up-", i), "GET", "/x", alice, 404)
	}
	if e, _ := find(m, "new", "GET", "/x", alice, 200); e == m.None() {
		t.Error("there is no room for a host that answers")
	}
	if e, _ := find(m, "api", "GET", "/x", alice, 404); e == m.None() {
		t.Error("a host that answers made room")
	}
	if s := m.Stats(); s.Hosts > 10 || s.HostsFull != 0 || s.Hosts != len(m.hosts) {
		t.Errorf("stats %+v", s)
	}
}

func TestWaitingPathsAreBounded(t *testing.T) {
	m := NewMap(Options{})
	for h := range 40 {
		for i := range 3000 {
			find(m, fmt.Sprint("h", h), "GET", fmt.Sprint("/p", i, "x"), alice, 404)
		}
	}
	n := 0
	for _, h := range m.hosts {
		n += len(h.candidates)
	}
	if n > maxWaiting || n != m.waiting || m.Stats().CandidatesForgotten == 0 {
		t.Errorf("%d paths wait, %d by the count; %+v", n, m.waiting, m.Stats())
	}
}

func TestDeclared(t *testing.T) {
	pin, spec := &Pin{Requires: Required}, &Spec{Document: "a.yaml", Secured: true}
	m := NewMap(Options{Declared: []*Declared{
		{Hosts: []string{"api.test"}, Method: "GET", Path: "/v1/users/{user}", Spec: spec},
		{Hosts: []string{"api.test"}, Method: "GET", Path: "/v1/users/me", Spec: &Spec{Document: "a.yaml"}},
		{Hosts: []string{"api.test"}, Method: "GET", Path: "/v1/users/me/keys/", Spec: spec},
		{Hosts: []string{"api.test"}, Path: "/v1/users/{user}/orders/{order}.json", Pin: pin},
		{Hosts: []string{"*.shop.test"}, Method: "GET", Path: "/", Pin: pin},
	}})
	for _, c := range []struct {
		host, method, path, template string
		pin                          *Pin
		spec                         bool
	}{
		{"api.test", "GET", "/v1/users/17", "/v1/users/{user}", nil, true},
		{"api.test", "GET", "/v1/users/alice", "/v1/users/{user}", nil, true},
		{"api.test", "GET", "/v1/users/alice/", "/v1/users/{user}", nil, true},
		{"api.test", "DELETE", "/v1/users/alice", "/v1/users/{user}", nil, false},
		{"api.test", "GET", "/v1/users/me", "/v1/users/me", nil, true},
		{"api.test", "GET", "/v1/users/me/keys", "/v1/users/me/keys/", nil, true},
		{"api.test", "PATCH", "/v1/users/me/orders/7.json", "/v1/users/{user}/orders/{order}.json", pin, false},
		{"api.test:8443", "GET", "/v1/users/17", "/v1/users/{user}", nil, true},
		{"api.test", "GET", "/v1/users/", "/v1/users/", nil, false},
		{"api.test", "GET", "/v1/things/17", "/v1/things/{id}", nil, false},
		{"eu.shop.test", "GET", "/", "/", pin, false},
		{"shop.test", "GET", "/", "/", nil, false},
	} {
		e, template := find(m, c.host, c.method, c.path, alice, 200)
		if template != c.template || e.pin != c.pin || (e.spec != nil) != c.spec {
			t.Errorf("%s %s%s: %s, pinned %v, described %v", c.method, c.host, c.path, template, e.pin != nil, e.spec != nil)
		}
	}
	// What is declared is known at the first refusal.
	if e, _ := find(m, "api.test", "PUT", "/v1/users/17/orders/9.json", alice, 401); e == m.None() {
		t.Error("a declared endpoint waits for a second client")
	}
	for path, want := range map[string]bool{"/v1/users/1/2/3": true, "/v2/users": false, "/": false} {
		if _, ok := m.Covered("api.test", path); ok != want {
			t.Errorf("%s is covered: %v", path, ok)
		}
	}
}

// A path that fits many ways is searched for with a bound.
func TestDeclaredSearchIsBounded(t *testing.T) {
	path := ""
	var list []*Declared
	for range 30 {
		path += "/a"
	}
	for i := range 30 {
		p := slices.Repeat([]string{"/{x}"}, 30)
		p[i] = "/a"
		joined := ""
		for _, s := range p {
			joined += s
		}
		list = append(list, &Declared{Path: joined + "/end"})
	}
	g := declare(list)[0]
	steps := 4 * maxSegments
	if d := g.root.match(path+"/other", &steps); d != nil || steps >= 0 {
		t.Errorf("%d steps left of the search", steps)
	}
}

func TestSpec(t *testing.T) {
	bearer := Scheme{Kinds: []credential.Kind{credential.JWT, credential.Bearer}, Place: credential.Place{Part: credential.InHeader, Name: "Authorization"}}
	s := &Spec{Secured: true, Security: [][]Scheme{{bearer}}}
	if s.Anonymous() || s.Hidden() || !s.Allows(&token) || s.Allows(&session) {
		t.Error("a bearer token is asked for")
	}
	for name, s := range map[string]*Spec{
		"nothing said": {}, "an empty list": {Secured: true}, "an empty alternative": {Secured: true, Security: [][]Scheme{{bearer}, {}}},
	} {
		if !s.Anonymous() {
			t.Errorf("%s: asks for a credential", name)
		}
	}
	if s := (&Spec{Secured: true, Security: [][]Scheme{{{Name: "mtls"}}}}); !s.Hidden() || s.Anonymous() {
		t.Error("a client's certificate is not seen")
	}
}

// What was learned of a declared path stays when declarations change.
func TestRedeclare(t *testing.T) {
	first, second := &Pin{Requires: Required}, &Pin{Requires: Nothing}
	m := NewMap(Options{Declared: []*Declared{{Path: "/a/{x}", Pin: first}, {Path: "/b/{x}", Pin: first}}})
	a, _ := find(m, "h", "GET", "/a/1", alice, 200)
	find(m, "h", "GET", "/b/1", alice, 200)
	c, _ := find(m, "h", "GET", "/c", alice, 200)
	m.Redeclare([]*Declared{{Path: "/a/{x}", Pin: second}, {Path: "/d/{x}", Spec: &Spec{}}})
	if e, _ := find(m, "h", "GET", "/a/1", alice, 200); e != a || e.pin != second {
		t.Error("what is declared before and after was forgotten, or is pinned as before")
	}
	if e, template := find(m, "h", "GET", "/b/1", alice, 200); e.pin != nil || template != "/b/{id}" {
		t.Errorf("what is no longer declared: %s, pinned %v", template, e.pin != nil)
	}
	if e, _ := find(m, "h", "GET", "/d/1", alice, 404); e == m.None() || e.Spec() == nil {
		t.Error("what is newly declared is not known")
	}
	if e, _ := find(m, "h", "GET", "/c", alice, 200); e != c {
		t.Error("what is not declared was forgotten")
	}
	if s := m.Stats(); s.Endpoints != 4 {
		t.Errorf("stats %+v", s)
	}
}
