package detect

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

const start = capture.Time(1767323045 * 1e9)

const doc = "What.\n\nWhy.\n\nWhen wrong.\n\nWhat to do."

// forgedToken reports every token whose mask is "forged".
var forgedToken = Detector{
	Name: "test_forged", Title: "Forged token", Doc: doc, Severity: Critical, Attempt: true, Confidence: Certain,
	CWE: []int{347}, OWASP: []string{"API2:2023"}, Needs: PresentedJWT,
	Options: []Option{{"mask", "forged", "what a forged token looks like"}},
	Exchange: func(p *Pass, x *exchange.Exchange) {
		for i := range p.Presented() {
			if c := &p.Presented()[i]; c.Mask == p.Options().Text("mask") {
				p.Report(Report{Key: Key(p.Host(), p.Endpoint(), p.Client().String()), Credential: c,
					Evidence: Evidence{{"n", credential.Number(int64(x.Response.Status))}}})
			}
		}
	},
}

// failedLogins reports clients with three failures in a minute.
var failedLogins = Detector{
	Name: "test_logins", Title: "Failed logins", Doc: doc, Severity: High, Confidence: Firm,
	CWE: []int{307}, OWASP: []string{"API2:2023"}, Needs: LoginAttempt,
	Exchange: func(p *Pass, x *exchange.Exchange) {
		class := window.Failure
		if p.LoginOutcome() == endpoint.LoginSuccess {
			class = window.Success
		}
		p.Observe("test_logins", p.Client().String(), window.Event{Time: p.Now(), Class: class})
	},
	Windows: []Window{{Name: "test_logins", Span: time.Minute, Crossed: func(p *Pass, key string, s *window.Summary) {
		if n := s.Count[window.Failure]; n >= 3 {
			v := Rejected
			if s.Count[window.Success] > 0 {
				v = Accepted
			}
			p.Report(Report{Key: key, Verdict: v, Count: n, First: s.First, Evidence: Evidence{{"failures", credential.Number(int64(n))}}})
		}
	}}},
}

// bench drives an engine with inspections made by hand.
type bench struct {
	t      *testing.T
	e      *Engine
	now    capture.Time
	packet uint64
	last   map[string]Finding // by detector
	told   []Finding
}

func newBench(t *testing.T, o Options, detectors ...Detector) *bench {
	b := &bench{t: t, now: start, last: make(map[string]Finding)}
	o.Detectors = detectors
	o.Emit = func(f Finding) { b.told = append(b.told, f); b.last[f.Detector] = f }
	e, err := NewEngine(o)
	if err != nil {
		t.Fatal(err)
	}
	b.e = e
	return b
}

func (b *bench) exchange(client, method, path string, status int, creds ...credential.Credential) {
	b.b(client, method, path, status, nil, creds...)
}

func (b *bench) b(client, method, path string, status int, l *credential.Login, creds ...credential.Credential) {
	b.packet++
	b.now = b.now.Add(time.Second)
	x := &exchange.Exchange{Client: netip.AddrPortFrom(netip.MustParseAddr(client), 40000), Server: netip.MustParseAddrPort("198.51.100.5:80")}
	x.Origin.Time, x.Origin.Number, x.Origin.Order = b.now, b.packet, b.packet
	x.Request = exchange.Message{Present: true, Method: method, Target: path}
	x.Response = exchange.Message{Present: true, Status: status}
	ins := &Inspection{Exchange: x, Host: "api.test", Path: path, Client: x.Client.Addr(), Has: EveryExchange,
		Answer: endpoint.Answer{Status: uint16(status), Shape: uint64(status)}}
	ins.Found.Request, ins.Found.Login = creds, l
	for i := range creds {
		if creds[i].Kind == credential.JWT {
			ins.Has |= Presented | PresentedJWT
		}
	}
	if l != nil {
		ins.Has |= LoginAttempt
		ins.Principal = l.Principal
	}
	b.e.Exchange(ins)
}

func jwt(n byte, mask string) credential.Credential {
	return credential.Credential{Kind: credential.JWT, ID: credential.ID{n}, Mask: mask,
		Place: credential.Place{Part: credential.InHeader, Name: "authorization"}}
}

func TestVerdictIsRevisedByWhatIsLearned(t *testing.T) {
	b := newBench(t, Options{}, forgedToken)
	b.exchange("192.0.2.9", "GET", "/me", 200, jwt(9, "forged"))
	if f := b.last["test_forged"]; f.Verdict != LikelyAccepted || f.Severity != High || f.Version != 1 {
		t.Fatalf("first: %v %v version %d", f.Verdict, f.Severity, f.Version)
	}
	for range 3 {
		b.exchange("192.0.2.1", "GET", "/me", 200, jwt(1, "good"))
	}
	b.exchange("192.0.2.2", "GET", "/me", 401)
	f := b.last["test_forged"]
	if f.Verdict != Accepted || f.Severity != Critical || f.Version != 2 || f.Count != 1 || f.ID != b.told[0].ID {
		t.Fatalf("after learning: %v %v version %d count %d", f.Verdict, f.Severity, f.Version, f.Count)
	}
	// and down again, when the endpoint turns out to be open to all
	for range 5 {
		b.exchange("192.0.2.3", "GET", "/me", 200)
	}
	if f := b.last["test_forged"]; f.Verdict != Unknown || f.Severity != Medium {
		t.Errorf("open to all: %v %v", f.Verdict, f.Severity)
	}
}

func TestSuspectedCredentialsTeachNothing(t *testing.T) {
	b := newBench(t, Options{}, forgedToken)
	for range 10 {
		b.exchange("192.0.2.9", "GET", "/me", 200, jwt(9, "forged"))
	}
	b.exchange("192.0.2.2", "GET", "/me", 401)
	if f := b.last["test_forged"]; f.Verdict != LikelyAccepted {
		t.Errorf("forged tokens made an endpoint discriminate: %v", f.Verdict)
	}
}

func TestRejectedIsTwoStepsLower(t *testing.T) {
	b := newBench(t, Options{}, forgedToken)
	b.exchange("192.0.2.9", "GET", "/me", 401, jwt(9, "forged"))
	if f := b.last["test_forged"]; f.Verdict != Rejected || f.Severity != Medium {
		t.Errorf("%v %v", f.Verdict, f.Severity)
	}
	b.exchange("192.0.2.9", "GET", "/me", 503, jwt(8, "forged"))
	f := b.last["test_forged"]
	if f.Verdict != Unknown || f.Count != 2 || f.Credential != nil || f.Client == nil || f.Status != 503 {
		t.Errorf("strongest of two: %+v", f)
	}
}

func TestWindowFinding(t *testing.T) {
	b := newBench(t, Options{}, failedLogins)
	l := &credential.Login{Form: "form", Principal: "alice"}
	for range 2 {
		b.b("192.0.2.9", "POST", "/login", 401, l)
	}
	if len(b.told) != 0 {
		t.Fatal("told below the threshold")
	}
	for range 5 {
		b.b("192.0.2.9", "POST", "/login", 401, l)
	}
	b.b("192.0.2.9", "POST", "/login", 302, l)
	b.e.Close()
	f := b.last["test_logins"]
	if f.Count != 8 || f.Severity != High || capture.Time(f.FirstSeen) != start.Add(time.Second) || f.Version != 6 || f.Principal != "alice" {
		t.Errorf("count %d severity %v first %v version %d", f.Count, f.Severity, capture.Time(f.FirstSeen), f.Version)
	}
	if n := len(b.told); n > 5 {
		t.Errorf("%d versions told of 6 updates", n)
	}
}

func TestClosedAfterADay(t *testing.T) {
	b := newBench(t, Options{}, forgedToken)
	b.exchange("192.0.2.9", "GET", "/me", 401, jwt(9, "forged"))
	first := b.last["test_forged"]
	b.now = b.now.Add(25 * time.Hour)
	b.exchange("192.0.2.9", "GET", "/me", 401, jwt(9, "forged"))
	second := b.last["test_forged"]
	if first.ID == second.ID || second.Count != 1 {
		t.Errorf("news after 25 hours went into the old finding: %+v", second)
	}
	b.e.Mark(b.now.Add(25 * time.Hour))
	if n := b.e.Stats().Open; n != 0 {
		t.Errorf("%d findings are open after a day without news", n)
	}
}

func TestMaxFindings(t *testing.T) {
	b := newBench(t, Options{MaxFindings: 3}, forgedToken)
	for i := range 10 {
		b.exchange(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}).String(), "GET", "/me", 401, jwt(9, "forged"))
	}
	if s := b.e.Stats(); s.Open > 3 || s.Evicted < 7 || s.Findings != 10 {
		t.Errorf("stats %+v", s)
	}
	if len(b.told) != 10 {
		t.Errorf("%d of 10 findings told", len(b.told))
	}
}

func TestLaterComesInOrder(t *testing.T) {
	gate := make(chan struct{})
	n := 0
	d := forgedToken
	d.Exchange = func(p *Pass, x *exchange.Exchange) {
		k := n
		n++
		p.Later(func() func(*Pass) {
			if k == 0 {
				<-gate
			} else {
				close(gate)
			}
			return func(p *Pass) {
				p.Report(Report{Key: string(rune('a' + k)), Posture: true})
			}
		})
	}
	b := newBench(t, Options{}, d)
	b.exchange("192.0.2.9", "GET", "/me", 200, jwt(1, ""))
	b.exchange("192.0.2.9", "GET", "/me", 200, jwt(2, ""))
	b.e.Mark(b.now)
	if len(b.told) != 2 || b.told[0].DedupeKey != "a" || b.told[1].DedupeKey != "b" || b.told[0].Verdict != Observed {
		t.Errorf("told %+v", b.told)
	}
}

func TestOnlyHoldsBack(t *testing.T) {
	d := forgedToken
	d.Exchange = func(p *Pass, x *exchange.Exchange) {
		if c := p.Presented(); len(c) == 1 && c[0].Mask == "forged" {
			p.Report(Report{Key: "k", Credential: &c[0], Only: []Verdict{Accepted}})
		}
	}
	b := newBench(t, Options{}, d)
	b.exchange("192.0.2.9", "GET", "/me", 200, jwt(9, "forged"))
	if len(b.told) != 0 || b.e.Stats().Held != 1 {
		t.Fatal("a held finding was told")
	}
	for range 3 {
		b.exchange("192.0.2.1", "GET", "/me", 200, jwt(1, "good"))
	}
	b.exchange("192.0.2.2", "GET", "/me", 401)
	if len(b.told) != 1 || b.told[0].Verdict != Accepted {
		t.Errorf("told %+v", b.told)
	}
}

func TestNewEngineRefuses(t *testing.T) {
	nameless := forgedToken
	nameless.Title = ""
	short := failedLogins
	short.Name = "other"
	short.Windows = []Window{{Name: "test_logins", Span: time.Second, Crossed: short.Windows[0].Crossed}}
	for want, o := range map[string]Options{
		"no title":         {Detectors: []Detector{nameless}},
		"is there twice":   {Detectors: []Detector{forgedToken, forgedToken}},
		"no option":        {Detectors: []Detector{forgedToken}, Settings: map[string]Values{"test_forged": {"x": 1}}},
		"takes a string":   {Detectors: []Detector{forgedToken}, Settings: map[string]Values{"test_forged": {"mask": 1}}},
		"none of that":     {Settings: map[string]Values{"test_forged": {"mask": ""}}},
		"another detector": {Detectors: []Detector{failedLogins, short}},
	} {
		if _, err := NewEngine(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", want, err)
		}
	}
}

func TestFindingJSON(t *testing.T) {
	b := newBench(t, Options{Sensor: "s1"}, forgedToken)
	b.exchange("192.0.2.9", "GET", "/me", 401, jwt(9, "forged"))
	got, err := json.Marshal(b.last["test_forged"])
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"ID","version":1,"detector":"test_forged","title":"Forged token","severity":"medium","confidence":"certain",` +
		`"verdict":"rejected","dedupe_key":"api.test|GET /me|192.0.2.9","first_seen":"2026-01-02T03:04:06.000000Z",` +
		`"last_seen":"2026-01-02T03:04:06.000000Z","count":1,"client":{"ip":"192.0.2.9","port":40000},` +
		`"server":{"ip":"198.51.100.5","port":80},"host":"api.test","method":"GET","path":"/me","status":401,` +
		`"credential":{"kind":"jwt","place":"header:authorization","id":"09000000000000000000000000000000","mask":"forged"},` +
		`"evidence":{"n":"401"},"references":["CWE-347","API2:2023"],"community_id":"COMMUNITY","capture":{"file":"","packet":1},"sensor":"s1"}`
	f := b.last["test_forged"]
	want = strings.NewReplacer("ID", f.ID, "COMMUNITY", f.CommunityID).Replace(want)
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestClientOf(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for _, c := range []struct{ peer, header, value, want string }{
		{"192.0.2.1", "X-Forwarded-For", "203.0.113.9", "192.0.2.1"},
		{"10.0.0.1", "X-Other", "203.0.113.9", "10.0.0.1"},
		{"10.0.0.1", "X-Forwarded-For", "203.0.113.9", "203.0.113.9"},
		{"10.0.0.1", "X-Forwarded-For", "203.0.113.1, 203.0.113.9, 10.1.1.1", "203.0.113.9"},
		{"10.0.0.1", "X-Forwarded-For", "203.0.113.9:4711", "203.0.113.9"},
		{"10.0.0.1", "X-Forwarded-For", "203.0.113.9, nonsense", "10.0.0.1"},
		{"10.0.0.1", "X-Forwarded-For", "10.0.0.2, 10.0.0.3", "10.0.0.1"},
		{"10.0.0.1", "Forwarded", `for=192.0.2.43;proto=http, For="[2001:db9::17]:4711"`, "2001:db9::17"},
		{"2001:db8::1", "Forwarded", `for=192.0.2.43`, "192.0.2.43"},
	} {
		x := &exchange.Exchange{Client: netip.AddrPortFrom(netip.MustParseAddr(c.peer), 1)}
		x.Request.Header = exchange.Header{{Name: c.header, Value: c.value}}
		if got := clientOf(x, trusted).String(); got != c.want {
			t.Errorf("%s %s=%s: client %s, want %s", c.peer, c.header, c.value, got, c.want)
		}
	}
	// Headers with one address are believed where they are configured only, and
	// of trusted proxies only.
	for _, c := range []struct {
		headers     []string
		peer, value string
		want        string
	}{
		{nil, "10.0.0.1", "203.0.113.5", "203.0.113.9"},
		{[]string{"True-Client-IP"}, "10.0.0.1", "203.0.113.5", "203.0.113.5"},
		{[]string{"X-Real-IP", "true-client-ip"}, "10.0.0.1", "203.0.113.5", "203.0.113.5"},
		{[]string{"True-Client-IP"}, "192.0.2.1", "203.0.113.5", "192.0.2.1"},
		{[]string{"True-Client-IP"}, "10.0.0.1", "nonsense", "203.0.113.9"},
	} {
		x := &exchange.Exchange{Client: netip.AddrPortFrom(netip.MustParseAddr(c.peer), 1)}
		x.Request.Header = exchange.Header{{Name: "True-Client-IP", Value: c.value}, {Name: "X-Forwarded-For", Value: "203.0.113.9"}}
		if got := NewInspector(Options{TrustedProxies: trusted, ClientHeaders: c.headers}).client(x).String(); got != c.want {
			t.Errorf("%s by %v: client %s, want %s", c.peer, c.headers, got, c.want)
		}
	}
	// Of whom the PROXY protocol names, the peer's word counts, as in a header.
	for _, c := range []struct{ peer, relayed, header, want string }{
		{"10.0.0.1", "203.0.113.9", "192.0.2.1", "203.0.113.9"},
		{"10.0.0.1", "10.0.0.2", "192.0.2.1", "192.0.2.1"},
		{"192.0.2.7", "203.0.113.9", "192.0.2.1", "192.0.2.7"},
	} {
		x := &exchange.Exchange{Client: netip.AddrPortFrom(netip.MustParseAddr(c.peer), 1), Relayed: netip.MustParseAddr(c.relayed)}
		x.Request.Header = exchange.Header{{Name: "X-Forwarded-For", Value: c.header}}
		if got := clientOf(x, trusted).String(); got != c.want {
			t.Errorf("%s for %s: client %s, want %s", c.peer, c.relayed, got, c.want)
		}
	}
}
