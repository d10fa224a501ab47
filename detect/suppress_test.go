package detect

import (
	"net/netip"
	"testing"
	"time"

	"github.com/authtap/authtap/reassembly/exchange"
)

// seen reports every exchange, one finding for each endpoint.
var seen = Detector{
	Name: "seen", Title: "Seen", Doc: "a\n\nb\n\nc\n\nd", Severity: Medium, Confidence: Certain, CWE: []int{1}, OWASP: []string{"API2:2023"},
	Needs:   EveryExchange,
	Options: []Option{{Name: "least", Default: 200, Doc: "status"}},
	Exchange: func(p *Pass, x *exchange.Exchange) {
		if x.Response.Status >= p.Options().Int("least") {
			p.Report(Report{Key: Key(p.Host(), p.Endpoint())})
		}
	},
}

func TestSuppressed(t *testing.T) {
	client := netip.MustParsePrefix
	for _, test := range []struct {
		name string
		s    Suppression
		told bool
	}{
		{"by detector", Suppression{Detector: "seen"}, false},
		{"by another's", Suppression{Detector: "other"}, true},
		{"by host", Suppression{Place: Place{Host: "api.test"}}, false},
		{"by domain", Suppression{Place: Place{Host: "*.test"}}, false},
		{"by another host", Suppression{Place: Place{Host: "*.api.test"}}, true},
		{"by endpoint", Suppression{Place: Place{Endpoint: "GET /a"}}, false},
		{"by template", Suppression{Place: Place{Endpoint: "/a"}}, false},
		{"by the beginning of one", Suppression{Place: Place{Endpoint: "GET /*"}}, false},
		{"by another method", Suppression{Place: Place{Endpoint: "POST /a"}}, true},
		{"by client", Suppression{Client: client("192.0.2.0/24")}, false},
		{"by another client", Suppression{Client: client("192.0.3.0/24")}, true},
		{"by key", Suppression{Key: "api.test|GET /a"}, false},
		{"by principal", Suppression{Principal: "bob"}, true},
		{"by several", Suppression{Detector: "seen", Place: Place{Host: "api.test"}, Client: client("192.0.2.9/32")}, false},
		{"no longer", Suppression{Detector: "seen", Until: start}, true},
		{"still", Suppression{Detector: "seen", Until: start.Add(time.Hour)}, false},
	} {
		var kept []Finding
		o := Options{Suppressions: []Suppression{{Detector: "none"}, test.s}, Suppress: func(f Finding, s *Suppression) {
			if s.Detector == "none" {
				t.Errorf("%s: the wrong suppression", test.name)
			}
			kept = append(kept, f)
		}}
		occurred := 0
		o.Occurrence = func(Occurrence) { occurred++ }
		b := newBench(t, o, seen)
		for range 3 {
			b.exchange("192.0.2.9", "GET", "/a", 200)
		}
		b.e.Close()
		stats := b.e.Stats()
		if (len(b.told) > 0) != test.told || (len(kept) > 0) == test.told || (occurred > 0) != test.told {
			t.Errorf("%s: %d told, %d kept, %d occurrences", test.name, len(b.told), len(kept), occurred)
		}
		expired := test.s.Until == start
		if got := b.e.Suppressions()[1]; got.Kept == 1 == test.told || (got.Expired == 1) != expired || stats.Findings == 1 != test.told {
			t.Errorf("%s: %+v, %d findings", test.name, got, stats.Findings)
		}
	}
}

// A finding that is no longer what was suppressed is told, at once.
func TestSuppressionEnds(t *testing.T) {
	b := newBench(t, Options{Suppressions: []Suppression{{Client: netip.MustParsePrefix("192.0.2.9/32")}}}, seen)
	for range 20 {
		b.exchange("192.0.2.9", "GET", "/a", 200)
	}
	if len(b.told) > 0 {
		t.Fatal("told")
	}
	b.exchange("192.0.2.10", "GET", "/a", 200)
	if len(b.told) != 1 || b.told[0].Count != 21 {
		t.Errorf("another client: %d told", len(b.told))
	}

	until := Suppression{Detector: "seen", Until: start.Add(10 * time.Second)}
	b = newBench(t, Options{Suppressions: []Suppression{until}}, seen)
	for i := range 20 {
		b.exchange("192.0.2.9", "GET", "/a", 200)
		if (len(b.told) > 0) != (b.now >= until.Until) {
			t.Fatalf("exchange %d: %d told", i, len(b.told))
		}
	}
	if s := b.e.Suppressions()[0]; s != (Suppressed{Kept: 1, Expired: 1}) {
		t.Errorf("%+v", s)
	}
}

func TestOverrides(t *testing.T) {
	o := Options{
		Settings: map[string]Values{"seen": {"least": 300}},
		Overrides: map[string][]Override{"seen": {
			{Place: Place{Host: "api.test", Endpoint: "GET /low"}, Values: Values{"least": 100}},
			{Place: Place{Host: "*.test", Endpoint: "/off*"}, Switch: Off},
			{Place: Place{Endpoint: "GET /office"}, Switch: On},
			{Place: Place{Endpoint: "/office"}, Values: Values{"least": 100}},
			{Place: Place{Host: "other.test"}, Values: Values{"least": 0}},
		}},
	}
	b := newBench(t, o, seen)
	for _, path := range []string{"/a", "/low", "/off", "/office"} {
		b.exchange("192.0.2.9", "GET", path, 200)
		b.exchange("192.0.2.9", "POST", path, 404)
	}
	var got []string
	for _, f := range b.told {
		got = append(got, f.Method+f.Path)
	}
	want := "POST/a GET/low POST/low GET/office"
	if s := join(got); s != want {
		t.Errorf("told %s, want %s", s, want)
	}

	for _, o := range []Options{
		{Overrides: map[string][]Override{"seen": {{Values: Values{"most": 1}}}}},
		{Overrides: map[string][]Override{"seen": {{Values: Values{"least": "1"}}}}},
		{Overrides: map[string][]Override{"other": {{Switch: Off}}}},
		{Overrides: map[string][]Override{"seen": make([]Override, 65)}},
	} {
		o.Detectors = []Detector{seen}
		if _, err := NewEngine(o); err == nil {
			t.Errorf("no error for %+v", o.Overrides)
		}
	}
}

func join(list []string) string {
	s := ""
	for i, x := range list {
		if i > 0 {
			s += " "
		}
		s += x
	}
	return s
}

// A suppression that a reload brings or takes away is heeded at the next event.
func TestReconfigureSuppressions(t *testing.T) {
	b := newBench(t, Options{}, seen)
	with := b.e.options
	with.Suppressions = []Suppression{{Detector: "seen"}}
	if err := b.e.Reconfigure(with); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		b.exchange("192.0.2.9", "GET", "/a", 200)
	}
	if len(b.told) > 0 {
		t.Fatal("told")
	}
	with.Suppressions = nil
	if err := b.e.Reconfigure(with); err != nil {
		t.Fatal(err)
	}
	b.exchange("192.0.2.9", "GET", "/a", 200)
	if s := b.e.Stats(); len(b.told) != 1 || s.Suppressed != 1 || s.Findings != 1 {
		t.Errorf("%d told, %+v", len(b.told), s)
	}
}
