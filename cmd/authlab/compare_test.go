package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var same = cmp.AllowUnexported(answered{}, request{}, rebuilt{}, truth{}, clientHello{}, serverHello{}, handshake{})

func get(path string, status int) answered { return answered{request{false, "GET", "h", path}, status} }

func h2(path string, status int) answered { return answered{request{true, "GET", "h", path}, status} }

func TestCompare(t *testing.T) {
	cut := func(a answered) rebuilt {
		a.host = ""
		return rebuilt{answered: a, cut: true}
	}
	const nobody = ""
	for _, c := range []struct {
		name       string
		truth      truth
		exchanges  []rebuilt
		handshakes []handshake
		want       map[measure][2]int
		missing    string
	}{
		{"nothing to find", truth{}, []rebuilt{{answered: get("/a", 200)}}, nil, nil, ""},
		{"nothing found", truth{requests: []answered{get("/a", 200)}}, nil, nil,
			map[measure][2]int{requests1: {0, 1}, statuses1: {0, 1}}, "HTTP/1 requests: {false GET h /a}; statuses of HTTP/1: {{false GET h /a} 200}"},
		{"each counts once", truth{requests: []answered{get("/a", 200), get("/a", 200), get("/b", 404), get("/c", 0)}},
			[]rebuilt{{answered: get("/a", 200)}, {answered: get("/b", 200)}, {answered: get("/d", 200)}, {answered: get("/a", 0)}, {answered: get("/a", 200)}}, nil,
			map[measure][2]int{requests1: {3, 4}, statuses1: {2, 3}}, "statuses of HTTP/1: {{false GET h /b} 404}; HTTP/1 requests: {false GET h /c}"},
		{"another version", truth{requests: []answered{h2("/a", 200), get("/b", 200)}},
			[]rebuilt{{answered: get("/a", 200)}, {answered: h2("/b", 200)}, {answered: h2("/a", 200)}}, nil,
			map[measure][2]int{requests1: {0, 1}, statuses1: {0, 1}, requests2: {1, 1}, statuses2: {1, 1}},
			"HTTP/1 requests: {false GET h /b}; statuses of HTTP/1: {{false GET h /b} 200}"},
		{"another host", truth{requests: []answered{get("/a", 200)}}, []rebuilt{{answered: answered{request{false, "GET", "", "/a"}, 200}}}, nil,
			map[measure][2]int{requests1: {0, 1}, statuses1: {0, 1}}, "HTTP/1 requests: {false GET h /a}; statuses of HTTP/1: {{false GET h /a} 200}"},
		{"a host that was cut, the certain one first", truth{requests: []answered{{request{false, "GET", "h-cut", "/a"}, 200}, get("/a", 200)}},
			[]rebuilt{cut(get("/a", 200)), {answered: get("/a", 200)}}, nil,
			map[measure][2]int{requests1: {2, 2}, statuses1: {2, 2}}, ""},
		{"hellos", truth{
			clients: []clientHello{{"a", ""}, {"a", "f1"}, {"b", "f2"}, {nobody, ""}},
			servers: []serverHello{{"TLS 1.2", "x"}, {"TLS 1.3", "y"}},
		}, nil, []handshake{
			{client: clientHello{"a", "f1"}, server: serverHello{"TLS 1.2", "x"}},
			{client: clientHello{"a", ""}, server: serverHello{"", ""}, noHello: [2]bool{false, true}},
			{client: clientHello{"", ""}, server: serverHello{"TLS 1.3", "z"}, noHello: [2]bool{true, false}},
			{client: clientHello{"b", "f3"}, server: serverHello{"TLS 1.2", "x"}},
		}, map[measure][2]int{clientHellos: {2, 4}, serverHellos: {1, 2}},
			"client hellos: {b f2}; client hellos: { }; server hellos: {TLS 1.3 y}"},
		{"retried", truth{clients: []clientHello{{"a", "f1"}, {"a", "f2"}}, servers: []serverHello{{"TLS 1.3", "x"}, {"TLS 1.3", "x"}}},
			nil, []handshake{{client: clientHello{"a", "f1"}, server: serverHello{"TLS 1.3", "x"}, retried: true}},
			map[measure][2]int{clientHellos: {2, 2}, serverHellos: {2, 2}}, ""},
	} {
		s, missing := compare(&c.truth, c.exchanges, c.handshakes)
		for m := range s {
			if got := [2]int{s[m].found, s[m].of}; got != c.want[measure(m)] {
				t.Errorf("%s: %v of %s, want %v", c.name, got, describe(measure(m)), c.want[measure(m)])
			}
		}
		if got := strings.Join(missing, "; "); got != c.missing {
			t.Errorf("%s: missing: %s, want %s", c.name, got, c.missing)
		}
	}
}

func TestDecrypted(t *testing.T) {
	var s score
	s.decrypted(&truth{openedRequests: 2, openedResponses: 1}, []rebuilt{
		{answered: get("/a", 200)},
		{answered: get("/x", 404), decrypted: true},
		{answered: answered{status: 500}, decrypted: true},
	})
	if got := s[opened]; got.found != 2 || got.of != 3 {
		t.Errorf("%+v", got)
	}
}

func TestReadExchanges(t *testing.T) {
	got, err := readExchanges([]byte(`{"protocol":"http/1.1","method":"GET","host":"h","path":"/a b","status":200,"tls":"none","flags":["gap"]}
{"protocol":"h2","method":null,"host":null,"path":null,"status":404,"tls":"decrypted","flags":["unpaired"]}
`))
	want := []rebuilt{
		{answered: get("/a", 200), cut: true},
		{answered: answered{request{http2: true}, 404}, decrypted: true},
	}
	if d := cmp.Diff(want, got, same); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	if _, err := readExchanges([]byte("{")); err == nil {
		t.Error("half a line is taken")
	}
}

func TestReadHandshakes(t *testing.T) {
	got, err := readHandshakes([]byte(`{"version":"TLS 1.3","cipher":"x","sni":"a","ja3":"f","retried":true,"flags":[]}
{"version":null,"cipher":null,"sni":null,"ja3":"f","retried":false,"flags":["unpaired"]}
{"version":"TLS 1.2","cipher":"x","sni":null,"ja3":null,"retried":false,"flags":["midstream","unpaired"]}
`))
	want := []handshake{
		{client: clientHello{"a", "f"}, server: serverHello{"TLS 1.3", "x"}, retried: true},
		{client: clientHello{"", "f"}, noHello: [2]bool{false, true}},
		{server: serverHello{"TLS 1.2", "x"}, noHello: [2]bool{true, false}},
	}
	if d := cmp.Diff(want, got, same); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
}

func TestReadTruth(t *testing.T) {
	dir := folder{t.TempDir(), t}
	path := dir.write("x.json", `{
		"http1_requests": [
			{"stream":4,"method":"GET","host":"H","uri":"/a?b","status":200},
			{"method":"GET","host":"H","uri":"http://h/b","status":null,"status_by_order":404},
			{"method":"GET","host":"H","uri":"/up","status":101}
		],
		"http1_responses": [{"stream":4,"status":200},{"status":404},{"status":101}],
		"http2": [
			{"stream":4,"h2_stream":1,"method":null,"status":204,"orphan_response":true},
			{"stream":4,"h2_stream":3,"method":"GET","host":"h","uri":"/c","status":null}
		],
		"tls": [
			{"stream":4,"type":"client_hello","version":"TLS1.0","sni":null,"ja3":"f"},
			{"stream":4,"type":"server_hello","version":"TLS1.3d28","cipher":"0x1301"},
			{"stream":4,"type":"server_hello","version":"SSLv3","cipher":"0x0005"}
		]}`)
	got, err := readTruth(path)
	want := truth{
		requests:       []answered{h2("/c", 0), get("/a", 200), get("/b", 404), h2("/up", 204)},
		clients:        []clientHello{{"", "f"}},
		servers:        []serverHello{{"TLS 1.3 draft 28", "TLS_AES_128_GCM_SHA256"}, {"SSL 3.0", "TLS_RSA_WITH_RC4_128_SHA"}},
		openedRequests: 2, openedResponses: 2,
	}
	if d := cmp.Diff(want, got, same); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	for _, text := range []string{"{", `{"tls":[{"type":"server_hello","version":"TLS1.2","cipher":"none"}]}`} {
		if _, err := readTruth(dir.write("bad.json", text)); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}
