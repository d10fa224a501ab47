// Package storetest is what every store must pass, so that all of them give
// the same answers to the same questions: it compares a store with a model that
// is too simple to be wrong.
//
// Contract: it is for tests alone; each call makes a store of its own, with the
// function that it is given, and closes it.
package storetest

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/store"
)

// Run runs the tests. open gives an empty store, which the test closes.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, s store.Store)
	}{
		{"empty", empty},
		{"canceled", canceled},
		{"whole findings come back", whole},
		{"times are kept in microseconds", microseconds},
		{"the highest version is kept", highestVersion},
		{"filters see the highest version only", filterVersions},
		{"writing again changes nothing", again},
		{"filters", filters},
		{"hostile filters", hostileFilters},
		{"a reader may stop early", stopEarly},
		{"reading while writing", concurrent},
		{"as the model", asModel},
		{"questions", questions},
		{"rows of ledgers merge", merging},
		{"ranges", ranges},
		{"sensors", sensors},
		{"views", analyses},
		{"stores are alike where they differ", alike},
		{"statements only read", reading},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			defer func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}()
			c.test(t, s)
		})
	}
}

// model is a store that is too simple to be wrong.
type model map[string]detect.Finding

func (m model) write(findings []detect.Finding) {
	for _, f := range findings {
		if old, ok := m[f.ID]; !ok || f.Version > old.Version {
			m[f.ID] = f
		}
	}
}

func (m model) findings(f store.Filter) []detect.Finding {
	var all []detect.Finding
	for _, x := range m {
		last := capture.Time(x.LastSeen)
		if (f.Since == 0 || last >= f.Since) && (f.Until == 0 || last < f.Until) &&
			x.Severity >= f.Severity && (f.Verdict == 0 || x.Verdict == f.Verdict) &&
			(f.Detector == "" || x.Detector == f.Detector) && (f.Host == "" || x.Host == f.Host) &&
			(f.Principal == "" || x.Principal == f.Principal) && (f.Sensor == "" || x.Sensor == f.Sensor) &&
			(!f.Client.IsValid() || x.Client != nil && x.Client.IP == f.Client) {
			all = append(all, x)
		}
	}
	slices.SortFunc(all, func(a, b detect.Finding) int {
		return cmp.Or(cmp.Compare(b.FirstSeen, a.FirstSeen), cmp.Compare(a.ID, b.ID))
	})
	if f.Limit > 0 && len(all) > f.Limit {
		all = all[:f.Limit]
	}
	return all
}

// tester is what testing.TB and *rapid.T have in common.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

func write(t tester, s store.Store, findings ...detect.Finding) {
	t.Helper()
	if err := s.Write(context.Background(), store.Of(findings...)); err != nil {
		t.Fatalf("writing %d findings: %v", len(findings), err)
	}
}

// read asks the store.
func read(t tester, s store.Store, f store.Filter) []detect.Finding {
	t.Helper()
	var all []detect.Finding
	for finding, err := range s.Findings(context.Background(), f) {
		if err != nil {
			t.Fatalf("reading with %+v: %v", f, err)
		}
		all = append(all, finding)
	}
	return all
}

// same compares what the store answers with what it should.
func same(t testing.TB, s store.Store, f store.Filter, want []detect.Finding) {
	t.Helper()
	if d := gocmp.Diff(lines(t, want), lines(t, read(t, s, f))); d != "" {
		t.Errorf("with %+v the store answers (+) other than it should (-):\n%s", f, d)
	}
}

func lines(t testing.TB, findings []detect.Finding) []string {
	t.Helper()
	var all []string
	for _, f := range findings {
		all = append(all, line(t, f))
	}
	return all
}

// findings gives n of them from the first on.
func findings(first, n int) []detect.Finding {
	all := make([]detect.Finding, n)
	for i := range all {
		all[i] = Finding(first + i)
	}
	return all
}

func empty(t *testing.T, s store.Store) {
	same(t, s, store.Filter{}, nil)
	write(t, s)
	same(t, s, store.Filter{Severity: detect.High, Host: "x", Limit: 1}, nil)
}

func canceled(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Write(ctx, store.Of(Finding(1))); err == nil {
		t.Error("a canceled write says that it wrote")
	}
	var errs int
	for _, err := range s.Findings(ctx, store.Filter{}) {
		if err == nil {
			t.Error("a canceled read gives a finding")
		} else {
			errs++
		}
	}
	if errs != 1 {
		t.Errorf("a canceled read gives %d errors, want 1", errs)
	}
	write(t, s, Finding(2)) // the store outlives it
	if got := read(t, s, store.Filter{Principal: Finding(2).Principal}); len(got) != 1 {
		t.Errorf("%d findings after a canceled write and a good one, want 1", len(got))
	}
}

func whole(t *testing.T, s store.Store) {
	m := model{}
	all := append(Hostile(), findings(0, 200)...)
	bare := detect.Finding{ // nothing but what every finding has
		ID: "bare", Version: 1, Detector: "basic_auth", Severity: detect.Info, Confidence: detect.Tentative, Verdict: detect.Observed,
		FirstSeen: detect.Timestamp(Start), LastSeen: detect.Timestamp(Start), References: []string{},
	}
	all = append(all, bare)
	for n := range 20 { // at the same time, last ID first
		f := Finding(50)
		f.ID = fmt.Sprintf("tie-%02d", 19-n)
		all = append(all, f)
	}
	m.write(all)
	write(t, s, all...)
	same(t, s, store.Filter{}, m.findings(store.Filter{}))
}

func microseconds(t *testing.T, s store.Store) {
	f := Finding(0)
	want := f
	f.FirstSeen, f.LastSeen = f.FirstSeen+999, f.LastSeen+999 // nanoseconds
	write(t, s, f)
	same(t, s, store.Filter{}, []detect.Finding{want})
	got := read(t, s, store.Filter{})
	if len(got) == 1 && (got[0].FirstSeen != want.FirstSeen || got[0].LastSeen != want.LastSeen) {
		t.Errorf("got %d and %d, want %d and %d", got[0].FirstSeen, got[0].LastSeen, want.FirstSeen, want.LastSeen)
	}
	old := Finding(1) // the first packet time there is
	old.FirstSeen, old.LastSeen = 0, 1000
	write(t, s, old)
	same(t, s, store.Filter{}, []detect.Finding{want, old})
}

// version gives another version of a finding.
func version(f detect.Finding, v uint64) detect.Finding {
	f.Version = v
	f.Count += v
	f.Title = fmt.Sprintf("version %d", v)
	f.LastSeen = detect.Timestamp(capture.Time(f.FirstSeen).Add(time.Duration(v) * time.Hour))
	return f
}

func highestVersion(t *testing.T, s store.Store) {
	a, b := Finding(1), Finding(2)
	write(t, s, version(a, 2), version(b, 9))
	write(t, s, version(a, 3))
	write(t, s, version(a, 1), version(b, 10), version(b, 3)) // late, and two of one in a batch
	same(t, s, store.Filter{}, []detect.Finding{version(b, 10), version(a, 3)})
}

func filterVersions(t *testing.T, s store.Store) {
	was, is := version(Finding(1), 1), version(Finding(1), 2)
	was.Severity, was.Verdict, was.Principal = detect.Critical, detect.Accepted, "before"
	is.Severity, is.Verdict, is.Principal = detect.Low, detect.Rejected, "after"
	write(t, s, was)
	write(t, s, is)
	for name, f := range map[string]store.Filter{
		"severity": {Severity: detect.High}, "verdict": {Verdict: detect.Accepted}, "principal": {Principal: "before"},
		"until": {Until: capture.Time(is.LastSeen)},
	} {
		if got := read(t, s, f); len(got) != 0 {
			t.Errorf("%s: a version that is no more is found: %+v", name, got)
		}
	}
	same(t, s, store.Filter{Severity: detect.Low, Verdict: detect.Rejected, Principal: "after", Since: capture.Time(is.LastSeen)}, []detect.Finding{is})
}

func again(t *testing.T, s store.Store) {
	batch := []detect.Finding{Finding(1), Finding(2), Finding(3)}
	write(t, s, batch...)
	want := read(t, s, store.Filter{})
	write(t, s, batch...)
	write(t, s, batch[2], batch[0])
	same(t, s, store.Filter{}, want)
}

func filters(t *testing.T, s store.Store) {
	m := model{}
	all := findings(0, 120)
	m.write(all)
	write(t, s, all...)
	last := capture.Time(Finding(60).LastSeen)
	for _, f := range []store.Filter{
		{},
		{Limit: 1}, {Limit: 119}, {Limit: 120}, {Limit: 1000},
		{Since: last}, {Since: last + 1000}, {Until: last}, {Until: last + 1000}, {Since: last, Until: last + 1000}, {Since: last, Until: last},
		{Severity: detect.Info}, {Severity: detect.Medium}, {Severity: detect.Critical},
		{Verdict: detect.Rejected}, {Verdict: detect.Observed},
		{Detector: "brute_force"}, {Detector: "brute"}, {Detector: "BRUTE_FORCE"}, {Detector: "brute_forc_"}, {Detector: "%"},
		{Host: "host-1.example"}, {Host: "host-1"}, {Host: "HOST-1.example"}, {Host: "host-1.example "},
		{Principal: "user-0"}, {Sensor: "sensor-1"}, {Sensor: "nobody"},
		{Client: netip.MustParseAddr("192.0.2.4")}, {Client: netip.MustParseAddr("2001:db8::5")}, {Client: netip.MustParseAddr("203.0.113.1")},
		{Client: netip.MustParseAddr("::")},
		{Detector: "basic_auth", Host: "host-2.example", Severity: detect.Low, Sensor: "sensor-0", Limit: 3, Since: Start, Until: last},
	} {
		same(t, s, f, m.findings(f))
	}
	mapped := store.Filter{Client: netip.MustParseAddr("::ffff:192.0.2.4")} // the same address in another form
	same(t, s, mapped, m.findings(store.Filter{Client: mapped.Client.Unmap()}))
}

func hostileFilters(t *testing.T, s store.Store) {
	m := model{}
	m.write(Hostile())
	write(t, s, Hostile()...)
	for _, x := range Hostile() {
		for _, f := range []store.Filter{{Host: x.Host}, {Principal: x.Principal}, {Host: x.Host, Detector: x.Detector}, {Sensor: x.Host}, {Detector: x.Host}} {
			same(t, s, f, m.findings(f))
		}
	}
}

func stopEarly(t *testing.T, s store.Store) {
	write(t, s, findings(0, 100)...)
	for n := range 30 { // more than any pool of connections
		for _, err := range s.Findings(context.Background(), store.Filter{}) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		write(t, s, version(Finding(n), 100))
	}
	if got := read(t, s, store.Filter{}); len(got) != 100 {
		t.Errorf("%d findings, want 100", len(got))
	}
}

func concurrent(t *testing.T, s store.Store) {
	const writes, batch = 20, 10
	done := make(chan struct{})
	failed := make(chan error, 2)
	for range cap(failed) {
		go func() {
			var seen int
			for {
				n := 0
				for _, err := range s.Findings(context.Background(), store.Filter{}) {
					if err != nil {
						failed <- err
						return
					}
					n++
				}
				if n < seen || n%batch != 0 {
					failed <- fmt.Errorf("%d findings after %d, written %d at a time", n, seen, batch)
					return
				}
				seen = n
				select {
				case <-done:
					failed <- nil
					return
				default:
				}
			}
		}()
	}
	for w := range writes {
		write(t, s, findings(w*batch, batch)...)
	}
	close(done)
	for range cap(failed) {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	if got := read(t, s, store.Filter{}); len(got) != writes*batch {
		t.Errorf("%d findings, want %d", len(got), writes*batch)
	}
}

// asModel writes batches of versions in any order and asks any question. Each
// run has a sensor of its own, and so findings of its own.
func asModel(t *testing.T, s store.Store) {
	var run int
	rapid.Check(t, func(r *rapid.T) {
		run++
		sensor := fmt.Sprintf("run-%d", run)
		m := model{}
		one := rapid.Custom(func(r *rapid.T) detect.Finding {
			n := rapid.IntRange(0, 9).Draw(r, "finding")
			f := version(Finding(n), rapid.Uint64Range(1, 4).Draw(r, "version"))
			f.ID = fmt.Sprintf("%s-%d", sensor, n)
			f.Sensor = sensor
			// What changes between versions follows from the version.
			f.Severity = detect.Info + detect.Severity(uint64(n)+f.Version)%5
			f.Verdict = detect.Rejected + detect.Verdict(uint64(n)+f.Version)%5
			return f
		})
		for _, batch := range rapid.SliceOfN(rapid.SliceOfN(one, 0, 8), 1, 3).Draw(r, "batches") {
			m.write(batch)
			write(r, s, batch...)
		}
		moment := rapid.Custom(func(r *rapid.T) capture.Time {
			if rapid.Bool().Draw(r, "unset") {
				return 0
			}
			x := version(Finding(rapid.IntRange(0, 9).Draw(r, "of")), rapid.Uint64Range(0, 4).Draw(r, "at"))
			return capture.Time(x.LastSeen)
		})
		f := store.Filter{
			Since: moment.Draw(r, "since"), Until: moment.Draw(r, "until"),
			Severity: detect.Severity(rapid.IntRange(0, 5).Draw(r, "severity")),
			Verdict:  detect.Verdict(rapid.IntRange(0, 5).Draw(r, "verdict")),
			Host:     rapid.SampledFrom([]string{"", "", "host-0.example", "host-1.example"}).Draw(r, "host"),
			Detector: rapid.SampledFrom([]string{"", "", "jwt_alg_none", "brute_force"}).Draw(r, "detector"),
			Limit:    rapid.IntRange(0, 5).Draw(r, "limit"),
			Sensor:   sensor,
		}
		if d := gocmp.Diff(lines(t, m.findings(f)), lines(t, read(r, s, f))); d != "" {
			r.Errorf("with %+v the store answers (+) other than it should (-):\n%s", f, d)
		}
	})
}
