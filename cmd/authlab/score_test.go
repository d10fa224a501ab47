package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authtap/authtap/cmd/authlab/internal/lab"
	"github.com/authtap/authtap/cmd/authlab/internal/scenario"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/detecttest"
	"github.com/authtap/authtap/detect/rules"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// The part of the laboratory that takes seconds: the scenarios without TLS and
// HTTP/2, in both editions, undamaged, and some of them with losses. The whole
// is make lab-score.
func TestLaboratory(t *testing.T) {
	card := newScorecard()
	for i, s := range scenario.All() {
		if s.Over != lab.Plain || s.Honest || s.Long {
			continue
		}
		for _, vulnerable := range []bool{true, false} {
			take, err := scenario.Play(s, vulnerable, 0)
			if err != nil {
				t.Fatal(err)
			}
			card.whole(take, judged(t, take.Packets))
			if vulnerable && i%4 == 0 {
				card.compare(s.Name+", 5 % lost", false, &take.Truth, judged(t, reassemblytest.Drop(take.Packets, 0.05, 1)))
			}
		}
	}
	if len(card.rows) < 10 {
		t.Errorf("only %d detectors were tried", len(card.rows))
	}
	for _, p := range card.problems {
		t.Error(p)
	}
}

// judged takes packets the whole way, within this process.
func judged(t *testing.T, packets []reassemblytest.Packet) (all []said) {
	t.Helper()
	findings, err := detecttest.Replay(packets, detect.Options{Detectors: rules.All()})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		s := said{Detector: f.Detector, Severity: f.Severity.String(), Verdict: f.Verdict.String(), DedupeKey: f.DedupeKey}
		if f.Client != nil {
			s.Client.IP = f.Client.IP.String()
		}
		all = append(all, s)
	}
	return all
}

// What is not as it must be is said.
func TestScorecard(t *testing.T) {
	by := func(ip string, f said) said { f.Client.IP = ip; return f }
	wants := []scenario.Want{
		{Detector: "a", Client: "192.0.2.1", Verdict: "accepted"},
		{Detector: "b", Verdict: "rejected"},
		{Detector: "c", Verdict: "rejected", Optional: true},
	}
	a := by("192.0.2.1", said{Detector: "a", Severity: "high", Verdict: "accepted"})
	b := said{Detector: "b", Severity: "high", Verdict: "rejected"}
	for _, c := range []struct {
		name     string
		whole    bool
		honest   bool
		findings []said
		problems []string
		remarks  int
	}{
		{"right", true, false, []said{a, b}, nil, 0},
		{"missed", true, false, []said{a}, []string{"missed: b"}, 0},
		{"another client's", true, false, []said{by("192.0.2.2", a), b}, []string{"missed: a", "wrongly accepted"}, 0},
		{"too strong", true, false, []said{a, {Detector: "b", Severity: "high", Verdict: "accepted"}}, []string{"b  is accepted, not rejected", "wrongly accepted"}, 0},
		{"optional, too strong", true, false, []said{a, b, {Detector: "c", Severity: "low", Verdict: "accepted"}}, []string{"wrongly accepted"}, 0},
		{"too weak", true, false, []said{by("192.0.2.1", said{Detector: "a", Severity: "high", Verdict: "unknown"}), b}, []string{"a 192.0.2.1 is unknown"}, 0},
		{"false", true, false, []said{a, b, {Detector: "d", Severity: "low", Verdict: "observed"}}, []string{"false: "}, 0},
		{"info", true, false, []said{a, b, {Detector: "d", Severity: "info", Verdict: "observed"}}, nil, 0},
		{"damaged, silent", false, false, nil, nil, 0},
		{"damaged, weaker", false, false, []said{by("192.0.2.1", said{Detector: "a", Severity: "high", Verdict: "unknown"})}, nil, 0},
		{"damaged, too strong", false, false, []said{{Detector: "b", Severity: "high", Verdict: "accepted"}}, []string{"wrongly accepted"}, 1},
		{"honest", true, true, []said{{Detector: "d", Severity: "high", Verdict: "observed"}}, []string{"false alarm"}, 0},
		{"honest, medium", true, true, []said{{Detector: "d", Severity: "medium", Verdict: "observed"}}, nil, 1},
		{"honest, damaged", false, true, []said{{Detector: "d", Severity: "high", Verdict: "observed"}}, []string{"false alarm"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			truth := scenario.Truth{Wants: wants}
			if c.honest {
				truth = scenario.Truth{Honest: true, Exchanges: 7}
			}
			card := newScorecard()
			card.compare("x", c.whole, &truth, c.findings)
			if len(card.problems) != len(c.problems) || len(card.remarks) != c.remarks {
				t.Fatalf("problems %q, remarks %q", card.problems, card.remarks)
			}
			for i, p := range c.problems {
				if !strings.Contains(card.problems[i], p) {
					t.Errorf("got %q, want %q", card.problems[i], p)
				}
			}
			var out strings.Builder
			if err := card.print(&out, true); (err != nil) != (len(c.problems) > 0) || !strings.Contains(out.String(), "DETECTOR") {
				t.Errorf("%v\n%s", err, out.String())
			}
		})
	}
	card := newScorecard()
	card.sameButVerdicts("x", []said{a, b}, []said{a})
	if len(card.problems) != 1 {
		t.Errorf("editions that differ: %q", card.problems)
	}
	for range 3 {
		card.compare("x", true, &scenario.Truth{Honest: true, Exchanges: 10}, []said{{Detector: "d", Severity: "medium"}})
	}
	if err := card.print(io.Discard, false); err == nil || len(card.problems) != 2 {
		t.Errorf("three medium findings in 30 exchanges: %q", card.problems)
	}
}

// Scenarios give the same bytes each time, whatever they are spoken over, and
// are written with the truth beside them.
func TestScenariosAreRepeatable(t *testing.T) {
	seen := map[lab.Kind]bool{}
	for _, s := range scenario.All() {
		if seen[s.Over] || s.Long {
			continue
		}
		seen[s.Over] = true
		one, err := scenario.Play(s, false, 0)
		if err != nil {
			t.Fatal(err)
		}
		other, err := scenario.Play(s, false, 0)
		if err != nil {
			t.Fatal(err)
		}
		same := func(a, b reassemblytest.Packet) bool { return a.Time == b.Time && bytes.Equal(a.Data, b.Data) }
		if !slices.EqualFunc(one.Packets, other.Packets, same) || !bytes.Equal(one.Keys, other.Keys) {
			t.Errorf("%s: another capture the second time", s.Name)
		}
		if diff := cmp.Diff(one.Truth, other.Truth); diff != "" {
			t.Error(diff)
		}
		dir := t.TempDir()
		if err := writeTake(filepath.Join(dir, s.Name), one); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(filepath.Join(dir, s.Name+".pcap")); err != nil || info.Size() < 10_000 {
			t.Errorf("%v, %v", info, err)
		}
		if text, err := os.ReadFile(filepath.Join(dir, s.Name+".truth.json")); err != nil || !bytes.Contains(text, []byte(`"scenario": "`+s.Name)) {
			t.Errorf("%s, %v", text, err)
		}
	}
	if len(seen) < 2 {
		t.Error("scenarios of one kind only")
	}
}
