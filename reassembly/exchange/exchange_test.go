package exchange_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly/exchange"
)

func to(method, target string, header ...exchange.Field) *exchange.Exchange {
	return &exchange.Exchange{Request: exchange.Message{Present: true, Method: method, Target: target, Header: header}}
}

func TestHost(t *testing.T) {
	host := func(v string) exchange.Field { return exchange.Field{Name: "hOST", Value: v} }
	for _, c := range []struct {
		name string
		x    *exchange.Exchange
		want string
	}{
		{"nothing", to("GET", ""), ""},
		{"no host", to("GET", "/a"), ""},
		{"another one's URL in the query", to("GET", "/go?to=http://evil.test/"), ""},
		{"another one's URL in the path", to("GET", "/proxy/http://evil.test/"), ""},
		{"no scheme", to("GET", "?u=http://evil.test/"), ""},
		{"asterisk", to("OPTIONS", "*"), ""},
		{"CONNECT", to("CONNECT", "api.test:443"), ""},
		{"CONNECT to a URL", to("CONNECT", "http://api.test/"), ""},
		{"the header", to("GET", "/a", host("API.test:8080")), "api.test:8080"},
		{"the first header", to("GET", "/a", host("one.test"), host("two.test")), "one.test"},
		{"header and absolute target", to("GET", "http://two.test/", host("one.test")), "one.test"},
		{"an empty header", to("GET", "http://Two.test/", host("")), "two.test"},
		{"absolute target", to("GET", "http://Api.test:8080/a?b"), "api.test:8080"},
		{"without a path", to("GET", "http://api.test"), "api.test"},
		{"with a query alone", to("GET", "http://api.test?u=/x"), "api.test"},
		{"IPv6", to("GET", "http://[2001:DB8::1]:80/"), "[2001:db8::1]:80"},
		{"with a name and a password", to("GET", "http://user:pa@ss@api.test/"), "api.test"},
		{"with a name alone", to("GET", "http://user@"), ""},
	} {
		if got := c.x.Host(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestPathQuery(t *testing.T) {
	for _, c := range []struct{ method, target, path, query string }{
		{"GET", "", "", ""},
		{"GET", "/", "/", ""},
		{"GET", "/a%20b/../c", "/a%20b/../c", ""},
		{"GET", "/a?b=c?d", "/a", "b=c?d"},
		{"GET", "/a?", "/a", ""},
		{"GET", "?a", "", "a"},
		{"GET", "//api.test/a", "//api.test/a", ""},
		{"GET", "/r?u=http://x/", "/r", "u=http://x/"},
		{"GET", "/p/http://x/", "/p/http://x/", ""},
		{"GET", "?u=http://x/y", "", "u=http://x/y"},
		{"GET", "a/http://x/y", "a/http://x/y", ""},
		{"GET", "http://h", "/", ""},
		{"GET", "http://h/", "/", ""},
		{"GET", "HTTPS://h/a?b", "/a", "b"},
		{"GET", "http://h?x=/y", "/", "x=/y"},
		{"GET", "http://u:p@h/a", "/a", ""},
		{"GET", "http://h/a?u=http://i/b", "/a", "u=http://i/b"},
		{"OPTIONS", "*", "*", ""},
		{"CONNECT", "h:443", "h:443", ""},
		{"CONNECT", "http://h/a", "http://h/a", ""},
	} {
		path, query := to(c.method, c.target).PathQuery()
		if path != c.path || query != c.query {
			t.Errorf("%s %s: %q and %q, want %q and %q", c.method, c.target, path, query, c.path, c.query)
		}
	}
}

// Whatever the target, its parts are parts of it, and nothing of a password
// becomes the host.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{"", "*", "/a?b", "http://u:p@h/a?b", "h:443", "://", "http://@", "http://a@b@c?d"} {
		f.Add("GET", s)
	}
	f.Fuzz(func(t *testing.T, method, target string) {
		x := to(method, target)
		path, query := x.PathQuery()
		if path != "/" && !strings.Contains("/"+target, path) || !strings.Contains(target, query) {
			t.Errorf("%q %q: %q and %q", method, target, path, query)
		}
		if h := x.Host(); strings.Contains(h, "@") || !strings.Contains(strings.ToLower(target), h) {
			t.Errorf("%q %q: host %q", method, target, h)
		}
	})
}

func TestHeader(t *testing.T) {
	h := exchange.Header{
		{Name: "Set-Cookie", Value: "a"}, {Name: "X-Empty", Value: ""}, {Name: "SET-COOKIE", Value: "b"}, {Name: "set-cookies", Value: "c"},
	}
	all := func(name string) (values []string) {
		h.Each(name, func(v string) { values = append(values, v) })
		return values
	}
	for _, c := range []struct {
		name, first string
		has         bool
		all         []string
	}{
		{"Set-Cookie", "a", true, []string{"a", "b"}},
		{"set-cookie", "a", true, []string{"a", "b"}},
		{"set-cookies", "c", true, []string{"c"}},
		{"x-empty", "", true, []string{""}},
		{"cookie", "", false, nil},
		{"", "", false, nil},
		{"set-coo\u212aie", "", false, nil}, // KELVIN SIGN folds to k
	} {
		if got := h.Get(c.name); got != c.first {
			t.Errorf("%q: %q, want %q", c.name, got, c.first)
		}
		if got := h.Has(c.name); got != c.has {
			t.Errorf("%q is there: %v", c.name, got)
		}
		if got := all(c.name); !slices.Equal(got, c.all) {
			t.Errorf("%q: %q, want %q", c.name, got, c.all)
		}
	}
	if exchange.Header(nil).Get("a") != "" || exchange.Header(nil).Has("a") {
		t.Error("something in nothing")
	}
}

// Every mark has a name, on whichever message it is.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		flags             exchange.Flags
		request, response exchange.Damage
		want              string
	}{
		{0, 0, 0, ""},
		{exchange.Unpaired, 0, 0, "unpaired"},
		{exchange.Midstream, 0, 0, "midstream"},
		{exchange.Pipelined, 0, 0, "pipelined"},
		{exchange.AfterGap, 0, 0, "after_gap"},
		{exchange.Upgraded, 0, 0, "upgraded"},
		{0, exchange.HeadGap, 0, "gap"},
		{0, exchange.HeadGap, exchange.BodyGap, "gap"},
		{0, 0, exchange.Cut, "truncated"},
		{0, exchange.Conflicting, 0, "conflict"},
		{0, 0, exchange.Malformed, "malformed"},
		{0, 0, exchange.Undecoded, "undecoded"},
		{1<<16 - 1, 1<<8 - 1, 0, "after_gap conflict gap malformed midstream pipelined truncated undecoded unpaired upgraded"},
	} {
		x := exchange.Exchange{Flags: c.flags, Request: exchange.Message{Damage: c.request}, Response: exchange.Message{Damage: c.response}}
		got := x.Names()
		if strings.Join(got, " ") != c.want || !slices.IsSorted(got) {
			t.Errorf("%v %v %v: %q, want %s", c.flags, c.request, c.response, got, c.want)
		}
	}
	for d, want := range map[exchange.Damage]bool{
		0: true, exchange.Undecoded: true, exchange.HeadGap: false, exchange.BodyGap: false, exchange.Cut: false,
		exchange.Conflicting: false, exchange.Malformed: false, exchange.Undecoded | exchange.Cut: false,
	} {
		if d.Whole() != want {
			t.Errorf("%b is whole: %v", d, !want)
		}
	}
}

func TestStrings(t *testing.T) {
	for p, want := range map[exchange.Protocol]string{0: "", exchange.HTTP10: "http/1.0", exchange.HTTP11: "http/1.1", exchange.HTTP2: "h2", 99: ""} {
		if got := p.String(); got != want {
			t.Errorf("protocol %d is %q, want %q", uint8(p), got, want)
		}
	}
	if exchange.Plain.String() != "none" || exchange.Decrypted.String() != "decrypted" {
		t.Errorf("%v and %v", exchange.Plain, exchange.Decrypted)
	}
}

// An exchange that owns its bodies does not see what becomes of the lent bytes.
func TestOwn(t *testing.T) {
	lent := []byte("abc")
	x := &exchange.Exchange{
		Request:  exchange.Message{Body: exchange.Body{Bytes: lent[:1]}},
		Response: exchange.Message{Body: exchange.Body{Bytes: lent[1:]}},
	}
	if x.Own() != x {
		t.Error("another exchange")
	}
	copy(lent, "xyz")
	if string(x.Request.Body.Bytes) != "a" || string(x.Response.Body.Bytes) != "bc" {
		t.Errorf("%q and %q", x.Request.Body.Bytes, x.Response.Body.Bytes)
	}
	if empty := new(exchange.Exchange).Own(); empty.Request.Body.Bytes != nil {
		t.Error("bytes where there were none")
	}
}
