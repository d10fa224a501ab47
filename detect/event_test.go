package detect

import (
	"fmt"
	"testing"
	"time"

	"github.com/authtap/authtap/detect/credential"
)

// events gathers what an engine tells besides findings.
func events(o Options) (Options, *[]AuthEvent, *[]Occurrence) {
	var attempts []AuthEvent
	var occurrences []Occurrence
	o.AuthEvent = func(e AuthEvent) { attempts = append(attempts, e) }
	o.Occurrence = func(x Occurrence) { occurrences = append(occurrences, x) }
	return o, &attempts, &occurrences
}

func TestAuthEvents(t *testing.T) {
	o, attempts, _ := events(Options{Sensor: "edge", Input: func(i uint32) string { return fmt.Sprintf("%d.pcap", i) }})
	b := newBench(t, o)
	l := &credential.Login{Form: "json", Principal: "Bob", PrincipalID: credential.ID{1}, Password: credential.ID{2}}
	b.b("192.0.2.9", "POST", "/login", 401, l)
	b.exchange("192.0.2.9", "GET", "/", 200) // no attempt
	b.b("192.0.2.9", "POST", "/login", 200, l)
	got := *attempts
	if len(got) != 2 {
		t.Fatalf("%d attempts, want 2", len(got))
	}
	first := got[0]
	if first.Outcome.String() != "failure" || first.Principal != "Bob" || first.PrincipalID != l.PrincipalID || first.CredentialID != l.Password ||
		first.Kind != "json" || first.Status != 401 || first.Host != "api.test" || first.Method != "POST" || first.Path != "/login" ||
		first.Client.String() != "192.0.2.9" || first.Sensor != "edge" || first.Capture != (Capture{"0.pcap", 1}) {
		t.Errorf("the first: %+v", first)
	}
	if first.Series != first.Time || got[1].Series != first.Time || first.Number != 1 || got[1].Number != 2 || got[1].Time == first.Time {
		t.Errorf("numbered %d of %v and %d of %v", first.Number, first.Series, got[1].Number, got[1].Series)
	}
}

// An occurrence counts a finding's events of a minute; its states have growing
// versions; and the minutes add up to what the finding has.
func TestOccurrences(t *testing.T) {
	o, _, occurrences := events(Options{})
	b := newBench(t, o, forgedToken)
	for range 150 { // one a second, from 04:05 past three on
		b.exchange("192.0.2.9", "GET", "/me", 200, jwt(9, "forged"))
		b.e.Mark(b.now)
	}
	b.e.Close()
	f := b.last["test_forged"]
	latest := map[Timestamp]Occurrence{}
	for _, x := range *occurrences {
		if x.Finding != f.ID || x.Detector != "test_forged" || x.Client.String() != "192.0.2.9" || x.Host != "api.test" || x.Severity == 0 {
			t.Fatalf("%+v", x)
		}
		if old := latest[x.Minute]; x.Version <= old.Version || x.Count <= old.Count {
			t.Errorf("version %d with %d events behind version %d with %d", x.Version, x.Count, old.Version, old.Count)
		}
		latest[x.Minute] = x
	}
	var sum uint64
	for at, x := range latest {
		if int64(at)%int64(time.Minute) != 0 || x.Count > 60 {
			t.Errorf("%d events in the minute at %v", x.Count, at)
		}
		sum += x.Count
	}
	if sum != f.Count || len(latest) != 3 {
		t.Errorf("%d events in %d minutes, the finding has %d", sum, len(latest), f.Count)
	}
	if n := len(*occurrences); n > 16 {
		t.Errorf("%d states of 3 minutes", n)
	}
}

// What a window saw before its threshold counts when it opens the finding, and
// an event that comes late counts in the minute at hand.
func TestOccurrencesOfAWindow(t *testing.T) {
	o, _, occurrences := events(Options{})
	b := newBench(t, o, failedLogins)
	l := &credential.Login{Form: "json", Principal: "bob"}
	for range 4 {
		b.b("192.0.2.9", "POST", "/login", 401, l)
	}
	b.now = b.now.Add(51 * time.Second)
	b.b("192.0.2.9", "POST", "/login", 401, l)
	b.now = b.now.Add(-30 * time.Second)
	b.b("192.0.2.9", "POST", "/login", 401, l)
	b.e.Close()
	counts := map[Timestamp]uint64{}
	for _, x := range *occurrences {
		counts[x.Minute] = max(counts[x.Minute], x.Count)
	}
	var sum uint64
	for _, n := range counts {
		sum += n
	}
	if f := b.last["test_logins"]; sum != f.Count || len(counts) != 2 {
		t.Errorf("%v in the minutes, the finding has %d", counts, f.Count)
	}
}

// A finding that is not told has no occurrences, and the list of minutes is
// bounded like the findings.
func TestOccurrencesAreBounded(t *testing.T) {
	o, _, occurrences := events(Options{MaxFindings: 4})
	b := newBench(t, o, forgedToken)
	for i := range 50 {
		b.exchange(fmt.Sprintf("192.0.2.%d", i), "GET", "/me", 200, jwt(9, "forged"))
		if len(b.e.minutes) > 4 {
			t.Fatalf("%d minutes are held", len(b.e.minutes))
		}
	}
	seen := map[string]bool{}
	for _, x := range *occurrences {
		seen[x.Finding] = true
	}
	if len(seen) != 50 {
		t.Errorf("occurrences of %d findings, want 50", len(seen))
	}
	if b.e.Stats().Evicted == 0 {
		t.Error("nothing was evicted")
	}
}
