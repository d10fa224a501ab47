package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/detecttest"
	"github.com/authtap/authtap/detect/rules"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// hops is an exchange seen before and behind a proxy, n times.
type hops struct {
	n                       int
	request, status, answer string
	client, forwarded       string // the address that connects, and the one that the proxy names
	proxy                   string // the address that the proxy asks from
	inside                  string // what the proxy adds to the request
	strip                   string // a line that it takes off
	later                   string // when it asks
	only                    string // "out" or "in": the other is not captured
}

func (h hops) script() string {
	var b strings.Builder
	for i := range h.n {
		request := strings.ReplaceAll(h.request, "{n}", fmt.Sprint(i+1))
		inner := strings.Replace(request, h.strip, "", 1)
		head, body, _ := strings.Cut(inner, "\n>\n")
		head = strings.TrimRight(head, "\n") + "\n> X-Forwarded-For: " + h.forwarded + "\n" + h.inside
		if body != "" {
			head += ">\n" + body
		}
		answer := "< HTTP/1.1 " + h.status + "\n< Content-Type: application/json\n<\n< " + h.answer + "\n\n"
		if h.only != "in" {
			fmt.Fprintf(&b, "conn o%d %s:%d 198.51.100.1:80\n%s\n", i, h.client, 41000+i, request)
		}
		if h.later != "" {
			fmt.Fprintf(&b, "time %s\n", h.later)
		}
		if h.only != "out" {
			fmt.Fprintf(&b, "conn i%d %s:%d 10.0.0.20:8080\n%s\n%s", i, h.proxy, 42000+i, head, answer)
		}
		if h.only != "in" {
			fmt.Fprintf(&b, "on o%d\n%s", i, answer)
		}
	}
	return b.String()
}

var guesses = hops{
	n: 40, client: "203.0.113.7", forwarded: "203.0.113.7", proxy: "10.0.0.1", status: "401 Unauthorized", answer: `{"message":"no"}`,
	request: "> POST /login HTTP/1.1\n> Host: api.test\n> Content-Type: application/json\n>\n> {\"user\":\"bob\",\"password\":\"guess-{n}\"}\n",
}

func TestTwoHopsCountOnce(t *testing.T) {
	once := "brute_force high rejected 40 203.0.113.7"
	both := "brute_force high rejected 40 10.0.0.1, " + once
	for name, c := range map[string]struct {
		change func(h *hops)
		o      detect.Options
		want   string
	}{
		"both sides":   {func(*hops) {}, detect.Options{}, once},
		"outside only": {func(h *hops) { h.only = "out" }, detect.Options{}, once},
		"inside only":  {func(h *hops) { h.only = "in" }, detect.Options{}, "brute_force high rejected 40 10.0.0.1"},
		"a proxy with the address it is asked at": {func(h *hops) { h.proxy = "198.51.100.1" }, detect.Options{}, once},
		"several proxies":                         {func(h *hops) { h.forwarded = "192.0.2.44, 203.0.113.7" }, detect.Options{}, once},
		"for somebody else":                       {func(h *hops) { h.forwarded = "203.0.113.8" }, detect.Options{}, both},
		"later":                                   {func(h *hops) { h.later = "+1.5s" }, detect.Options{}, both},
		"from anywhere":                           {func(h *hops) { h.proxy = "192.0.2.99" }, detect.Options{}, strings.ReplaceAll(both, "10.0.0.1", "192.0.2.99")},
		"by no trusted proxy":                     {func(*hops) {}, detect.Options{TrustedProxies: prefixes("192.0.2.0/24")}, both},
		"by a trusted proxy":                      {func(h *hops) { h.proxy = "192.0.2.99" }, detect.Options{TrustedProxies: prefixes("192.0.2.0/24")}, once},
		"other requests":                          {func(h *hops) { h.strip = "guess-" }, detect.Options{}, both},
	} {
		h := guesses
		c.change(&h)
		d, err := reassemblytest.Parse("test", h.script(), detecttest.Funcs())
		if err != nil {
			t.Fatal(err)
		}
		o := c.o
		x, _ := rules.Find("brute_force")
		o.Detectors = []detect.Detector{x}
		found, err := detecttest.Replay(d.Packets(), o)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range found {
			got = append(got, fmt.Sprintf("%s %s %s %d %s", f.Detector, f.Severity, f.Verdict, f.Count, f.Client.IP))
		}
		for _, want := range strings.Split(c.want, ", ") {
			if !strings.Contains(strings.Join(got, ", "), want) || len(got) != len(strings.Split(c.want, ", ")) {
				t.Errorf("%s: %q, want %q", name, got, c.want)
			}
		}
	}
}

// What a gateway asks without the credential that it took off is no way in.
func TestInnerHopTeachesNothing(t *testing.T) {
	h := hops{
		n: 20, client: "203.0.113.7", forwarded: "203.0.113.7", proxy: "10.0.0.1", status: "200 OK", answer: `{"id":1,"mail":"c@x.test"}`,
		request: "> GET /users/{n} HTTP/1.1\n> Host: api.test\n> Authorization: Bearer 8xLOxBtZp8aWq1zR5nYcT7uKp0\n",
		strip:   "> Authorization: Bearer 8xLOxBtZp8aWq1zR5nYcT7uKp0\n",
	}
	refused := "conn r 203.0.113.9:40000 198.51.100.1:80\n> GET /users/1 HTTP/1.1\n> Host: api.test\n\n< HTTP/1.1 401 Unauthorized\n\n"
	forged := strings.Replace(oneForged, "conn a", "conn f", 1)
	if got := replay(t, refused+h.script()+forged, detect.Options{}, "auth_optional", "jwt_alg_none"); got != "jwt_alg_none critical accepted" {
		t.Errorf("%q", got)
	}
}

func TestHeldExchangesAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range 1500 { // each of another proxy: none of them is known to be one side only
		fmt.Fprintf(&b, "conn c%d 10.1.%d.%d:40000 10.0.0.20:8080\n> GET /x HTTP/1.1\n> Host: api.test\n> X-Forwarded-For: 203.0.113.7\n\n< HTTP/1.1 204 No Content\n\n", i, i/250, i%250+1)
	}
	d, err := reassemblytest.Parse("test", b.String(), detecttest.Funcs())
	if err != nil {
		t.Fatal(err)
	}
	stats, err := detecttest.Stats(d.Packets(), detect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if stats.Exchanges != 1500 || stats.Hops.Inner != 0 || stats.Hops.Early != 1500-1024 {
		t.Errorf("%d exchanges of 1500, %+v", stats.Exchanges, stats.Hops)
	}
}
