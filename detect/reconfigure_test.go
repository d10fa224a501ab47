package detect

import (
	"strings"
	"testing"
	"time"

	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/exchange"
)

// remembering counts what it was shown, in its state.
var remembering = Detector{
	Name: "test_state", Title: "Third time", Doc: doc, Severity: Low, Confidence: Certain,
	CWE: []int{307}, OWASP: []string{"API2:2023"}, Needs: EveryExchange,
	Options: []Option{{"after", 3, "how often"}},
	State:   func(Values) any { return new(int) },
	Exchange: func(p *Pass, _ *exchange.Exchange) {
		n := p.State().(*int)
		if *n++; *n == p.Options().Int("after") {
			p.Report(Report{Key: "all", Posture: true})
		}
	},
}

// A reload in the middle of an attack loses neither its window nor its finding,
// nor what a detector keeps.
func TestReconfigure(t *testing.T) {
	b := newBench(t, Options{}, failedLogins, remembering)
	l := &credential.Login{Form: "form", Principal: "alice"}
	for range 2 {
		b.b("192.0.2.9", "POST", "/login", 401, l)
	}
	with := b.e.options
	with.Detectors = []Detector{failedLogins, remembering, forgedToken}
	with.Settings = map[string]Values{"test_forged": {"mask": "odd"}}
	if err := b.e.Reconfigure(with); err != nil {
		t.Fatal(err)
	}
	b.b("192.0.2.9", "POST", "/login", 401, l)
	if f := b.last["test_logins"]; f.Count != 3 {
		t.Errorf("the window is lost: %+v", f)
	}
	if b.last["test_state"].ID == "" {
		t.Error("the detector's state is lost")
	}
	b.exchange("192.0.2.9", "GET", "/me", 401, jwt(9, "odd"))
	if b.last["test_forged"].ID == "" {
		t.Error("the new detector does not run, or not with its settings")
	}
	id := b.last["test_logins"].ID
	if err := b.e.Reconfigure(with); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		b.b("192.0.2.9", "POST", "/login", 401, l)
	}
	if f := b.last["test_logins"]; f.ID != id || f.Count != 6 {
		t.Errorf("%+v is not the finding %s", f, id)
	}
}

// Changed settings begin anew, and a detector that is off says nothing; what it
// said is closed in its time.
func TestReconfigureSettings(t *testing.T) {
	b := newBench(t, Options{MaxFindings: 10}, remembering, forgedToken)
	b.exchange("192.0.2.9", "GET", "/me", 401, jwt(9, "forged"))
	b.exchange("192.0.2.8", "GET", "/me", 401, jwt(9, "forged"))
	with := b.e.options
	with.Detectors, with.MaxFindings = []Detector{remembering}, 1
	with.Settings = map[string]Values{"test_state": {"after": 2}}
	if err := b.e.Reconfigure(with); err != nil {
		t.Fatal(err)
	}
	if s := b.e.Stats(); s.Open != 1 || s.Evicted != 1 {
		t.Errorf("%+v", s)
	}
	told := len(b.told)
	b.exchange("192.0.2.7", "GET", "/me", 401, jwt(9, "forged"))
	if len(b.told) != told {
		t.Errorf("%+v is told by a detector that is off, or of a state before its settings", b.told[told])
	}
	b.exchange("192.0.2.7", "GET", "/me", 401)
	if b.last["test_state"].ID == "" {
		t.Error("the new settings are not in force")
	}
	b.e.Mark(b.now.Add(25 * time.Hour))
	if n := b.e.Stats().Open; n != 0 {
		t.Errorf("%d findings are open after a day", n)
	}
}

// What comes of work that was under way is for the detectors that run then.
func TestReconfigureWhileWorking(t *testing.T) {
	slow := failedLogins
	slow.Exchange = func(p *Pass, x *exchange.Exchange) {
		p.Later(func() func(*Pass) { return func(p *Pass) { failedLogins.Exchange(p, x) } })
	}
	b := newBench(t, Options{}, slow)
	l := &credential.Login{Form: "form", Principal: "alice"}
	for range 3 {
		b.b("192.0.2.9", "POST", "/login", 401, l)
	}
	if err := b.e.Reconfigure(b.e.options); err != nil {
		t.Fatal(err)
	}
	b.e.Mark(b.now)
	if b.last["test_logins"].Count != 3 {
		t.Error("what was under way is lost")
	}
}

// A change that cannot be leaves all as it was.
func TestReconfigureRefuses(t *testing.T) {
	longer := failedLogins
	longer.Name = "test_longer"
	longer.Windows = []Window{{Name: "test_logins", Span: time.Hour, Crossed: func(*Pass, string, *window.Summary) {}}}
	b := newBench(t, Options{}, failedLogins)
	l := &credential.Login{Form: "form", Principal: "alice"}
	b.b("192.0.2.9", "POST", "/login", 401, l)
	before := b.e.Stats()
	for want, change := range map[string]func(*Options){
		"do not change": func(o *Options) { o.Sensor = "other" },
		"spans":         func(o *Options) { o.Detectors = append(o.Detectors, longer) },
		"is off":        func(o *Options) { o.Settings = map[string]Values{"none": {}} },
	} {
		o := b.e.options
		change(&o)
		if err := b.e.Reconfigure(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if after := b.e.Stats(); after.WindowBytes != before.WindowBytes {
		t.Errorf("windows take %d bytes, and took %d", after.WindowBytes, before.WindowBytes)
	}
	for range 2 {
		b.b("192.0.2.9", "POST", "/login", 401, l)
	}
	if b.last["test_logins"].Count != 3 {
		t.Error("the window is lost")
	}
	o := b.e.options
	o.Detectors = []Detector{longer}
	if err := b.e.Reconfigure(o); err != nil {
		t.Fatal(err)
	}
	if n := b.e.Stats().WindowBytes; n != 0 {
		t.Errorf("%d bytes are of windows that nobody asks", n)
	}
}

// What was counted before a new configuration counts on.
func TestInspectorCountsOn(t *testing.T) {
	n := NewInspector(Options{})
	n.Inspect(new(exchange.Exchange))
	n = n.Reconfigured(Options{HidePrincipals: true})
	n.Inspect(new(exchange.Exchange))
	if got := n.Stats().Exchanges; got != 2 {
		t.Errorf("%d exchanges, want 2", got)
	}
}
