package trigger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ store.Sink = sink{}

// sink closes Triggers as sinks are closed.
type sink struct{ *Triggers }

func (s sink) Close() error { return s.Triggers.Close(context.Background()) }

// attack is a finding that most rules are for.
func attack(n int) detect.Finding {
	f := storetest.Finding(n * 4)
	f.Detector, f.Severity, f.Verdict, f.Count = "brute_force", detect.High, detect.Accepted, 10
	f.Client = &detect.Address{IP: netip.AddrFrom4([4]byte{203, 0, 113, byte(n)})}
	f.Host, f.Principal = "api.example", "bob"
	return f
}

func started(t *testing.T, o Options, rules ...Rule) *Triggers {
	t.Helper()
	tr, err := New(rules, o)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func write(t *testing.T, tr *Triggers, findings ...detect.Finding) {
	t.Helper()
	if err := tr.Write(t.Context(), store.Of(findings...)); err != nil {
		t.Fatal(err)
	}
}

func TestMatch(t *testing.T) {
	f := attack(1)
	for _, c := range []struct {
		m    Match
		want bool
	}{
		{Match{}, true},
		{Match{Severity: detect.High, Count: 10, Detectors: []string{"x", "brute_force"}, Hosts: []string{"api.example"}, Verdicts: []detect.Verdict{detect.Accepted}}, true},
		{Match{Severity: detect.Critical}, false},
		{Match{Count: 11}, false},
		{Match{Detectors: []string{"x"}}, false},
		{Match{Hosts: []string{"example"}}, false},
		{Match{Hosts: []string{"*.example"}}, true},
		{Match{Verdicts: []detect.Verdict{detect.LikelyAccepted, detect.Rejected}}, false},
	} {
		if got := c.m.holds(&f); got != c.want {
			t.Errorf("%+v: %v", c.m, got)
		}
	}
}

// acts is an action of a test's own.
type acts struct {
	begun chan struct{} // nil: nobody wants to know
	did   chan string
	hold  chan struct{}
	err   error
}

func (a *acts) begin() error { return nil }
func (a *acts) do(ctx context.Context, f *detect.Finding) error {
	if a.begun != nil {
		a.begun <- struct{}{}
	}
	select {
	case <-a.hold:
	case <-ctx.Done():
		return ctx.Err()
	}
	a.did <- fmt.Sprintf("%s %d", f.DedupeKey, f.Version)
	return a.err
}
func (a *acts) expire(time.Time) (next time.Time, err error) { return next, nil }

// with starts a rule with an action of a test's own.
func with(t *testing.T, r Rule, a *acts, o Options) *Triggers {
	t.Helper()
	tr := started(t, o)
	n, err := tr.start(Rule{Name: "idle", Exec: &Exec{Command: []string{"true"}}}, new(tally), nil)
	if err != nil {
		t.Fatal(err)
	}
	close(n.queue)
	<-n.done
	r.Exec = n.Exec
	n.Rule, n.action, n.queue, n.done = r, a, make(chan detect.Finding, tr.opt.Queue), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	go func() { defer close(n.done); n.run(ctx, o.Failed) }()
	tr.all = []*running{n}
	return tr
}

// Within a cool-down only what is worse is acted upon.
func TestCooldown(t *testing.T) {
	a := &acts{did: make(chan string, 100), hold: make(chan struct{})}
	close(a.hold)
	tr := with(t, Rule{Name: "r", Cooldown: time.Minute, Per: PerClient}, a, Options{})
	f, other := attack(1), attack(2)
	f.Severity, f.Verdict = detect.Medium, detect.Rejected
	at := func(version uint64, after time.Duration, change func(*detect.Finding)) detect.Finding {
		x := f
		x.Version, x.LastSeen = version, f.LastSeen+detect.Timestamp(after)
		if change != nil {
			change(&x)
		}
		return x
	}
	write(t, tr,
		at(1, 0, nil),
		at(2, 10*time.Second, nil),
		at(3, 20*time.Second, func(f *detect.Finding) { f.Verdict = detect.Accepted }),
		at(4, 21*time.Second, func(f *detect.Finding) { f.Verdict, f.Detector, f.DedupeKey = detect.Accepted, "other", "other" }),
		at(5, 30*time.Second, func(f *detect.Finding) { f.Verdict, f.Severity = detect.Accepted, detect.High }),
		at(6, 89*time.Second, func(f *detect.Finding) { f.Verdict, f.Severity = detect.Accepted, detect.High }),
		at(7, 91*time.Second, nil),
		other,
	)
	if err := tr.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(a.did)
	var got []string
	for s := range a.did {
		got = append(got, s)
	}
	want := []string{"key-4 1", "key-4 3", "key-4 5", "key-4 7", fmt.Sprintf("key-8 %d", other.Version)}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if s := tr.Stats()["r"]; s.Matched != 8 || s.Cooled != 3 || s.Done != 5 {
		t.Errorf("%+v", s)
	}
}

func TestPer(t *testing.T) {
	f := attack(1)
	for per, want := range map[Per]string{PerClient: "203.0.113.1", PerPrincipal: "bob", PerHost: "api.example", PerDetector: "brute_force", PerAttack: "brute_force\x00key-4"} {
		if got := per.key(&f); got != want {
			t.Errorf("%s: %q", per, got)
		}
	}
	f.Client, f.Principal = nil, ""
	if a, b := PerClient.key(&f), PerPrincipal.key(&f); a != b || a != "brute_force\x00key-4" {
		t.Errorf("%q, %q", a, b)
	}
}

// A trigger that stands still blocks nobody: what finds no room is counted, and
// what was dropped is acted upon when it comes again.
func TestQueueIsBounded(t *testing.T) {
	a := &acts{did: make(chan string, 100), hold: make(chan struct{}), err: errors.New("no")}
	var told []string
	tr := with(t, Rule{Name: "r", Cooldown: time.Hour, Per: PerClient}, a, Options{Queue: 3, Failed: func(rule string, err error) { told = append(told, rule+": "+err.Error()) }})
	write(t, tr, attack(1))
	for tr.Stats()["r"].Waiting > 0 {
		time.Sleep(time.Millisecond) // until it is being worked on
	}
	for n := 2; n < 10; n++ {
		write(t, tr, attack(n))
	}
	if s := tr.Stats()["r"]; s.Matched != 9 || s.Waiting != 3 || s.Dropped != 5 {
		t.Errorf("%+v", s)
	}
	close(a.hold)
	for tr.Stats()["r"].Waiting > 0 {
		time.Sleep(time.Millisecond)
	}
	write(t, tr, attack(9), attack(1))
	if err := tr.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := tr.Stats()["r"]; s.Failed != 5 || s.Done != 0 || s.Cooled != 1 || len(told) != 5 || told[0] != "r: no" {
		t.Errorf("%+v, told %q", s, told)
	}
}

// What is not done in time at the end is counted and told.
func TestCloseEnds(t *testing.T) {
	a := &acts{begun: make(chan struct{}), did: make(chan string, 100), hold: make(chan struct{})}
	tr := with(t, Rule{Name: "r", Per: PerClient}, a, Options{})
	write(t, tr, attack(1), attack(2), attack(3))
	<-a.begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := tr.Close(ctx)
	if s := tr.Stats()["r"]; err == nil || !strings.Contains(err.Error(), "2 findings were not acted upon") || s.Failed != 1 || s.Dropped != 2 {
		t.Errorf("%v, %+v", err, s)
	}
}

// Rules that stay the same go on, cool-downs and all; the others are exchanged.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	block := Rule{Name: "b", Per: PerClient, Block: &Block{File: filepath.Join(dir, "b"), For: time.Hour}}
	exec := Rule{Name: "e", Cooldown: time.Hour, Per: PerClient, Exec: &Exec{Command: []string{"true"}}}
	tr := started(t, Options{}, block, exec)
	write(t, tr, attack(1))
	longer := block
	longer.Block = &Block{File: block.Block.File, For: 2 * time.Hour}
	if err := tr.Replace([]Rule{exec, longer}); err != nil {
		t.Fatal(err)
	}
	write(t, tr, attack(1), attack(2))
	bad := exec
	bad.Exec = &Exec{Command: []string{"/nonesuch"}}
	if err := tr.Replace([]Rule{bad}); err == nil {
		t.Error("a program that is not there is taken")
	}
	if err := tr.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := tr.Stats(); s["e"].Cooled != 1 || s["e"].Done != 2 || s["b"].Blocked != 2 || s["b"].Done != 3 {
		t.Errorf("%+v", s)
	}
	var list []blocked
	text, err := os.ReadFile(filepath.Join(dir, "b.json"))
	if err := errors.Join(err, json.Unmarshal(text, &list)); err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || time.Until(list[0].Until) < time.Hour {
		t.Errorf("%+v", list)
	}
}

func TestCheck(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(secret, []byte("  short \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, rules := range map[string][]Rule{
		"does nothing":            {{Name: "a"}},
		`"a" is there twice`:      {{Name: "a", Exec: &Exec{Command: []string{"true"}}}, {Name: "a", Exec: &Exec{Command: []string{"true"}}}},
		"text of one line":        {{Name: "a\n", Exec: &Exec{Command: []string{"true"}}}},
		"no command":              {{Name: "a", Exec: &Exec{}}},
		"not found":               {{Name: "a", Exec: &Exec{Command: []string{"nonesuch-program"}}}},
		"that is no URL":          {{Name: "a", Webhook: &Webhook{URL: "ftp://x/"}}},
		"cannot read the secret":  {{Name: "a", Webhook: &Webhook{URL: "https://x/", SecretFile: "/nonesuch"}}},
		"shorter than 16":         {{Name: "a", Webhook: &Webhook{URL: "https://x/", SecretFile: secret}}},
		"no file":                 {{Name: "a", Block: &Block{}}},
		"no name of a table":      {{Name: "a", Block: &Block{File: "x", Table: "a; flush ruleset"}}},
		"a file for each form":    {{Name: "a", Block: &Block{File: "x", NFTables: "x"}}},
		"has the same block list": {{Name: "a", Block: &Block{File: "x"}}, {Name: "b", Block: &Block{File: "x"}}},
	} {
		if err := Check(rules); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
