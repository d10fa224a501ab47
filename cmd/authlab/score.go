package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/authtap/authtap/cmd/authlab/internal/scenario"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// way is one in which captures of scenarios are damaged.
type way struct {
	name   string
	damage func([]reassemblytest.Packet) []reassemblytest.Packet
}

// ways gives them; which packets they meet depends on the seed.
func ways(seed uint64) []way {
	type packets = []reassemblytest.Packet
	begin := func(p packets) int { return len(p) / 3 }
	if seed != 0 {
		r := rand.New(rand.NewPCG(seed, 0))
		begin = func(p packets) int { return r.IntN(len(p)) }
	}
	return []way{
		{"whole", func(p packets) packets { return p }},
		{"5 % lost", func(p packets) packets { return reassemblytest.Drop(p, 0.05, 1+2*seed) }},
		{"5 % lost, again", func(p packets) packets { return reassemblytest.Drop(p, 0.05, 2+2*seed) }},
		{"requests only", func(p packets) packets { return reassemblytest.DropDirection(p, true) }},
		{"responses only", func(p packets) packets { return reassemblytest.DropDirection(p, false) }},
		{"mid-stream", func(p packets) packets { return reassemblytest.Midstream(p, begin(p)) }},
		{"without handshakes", reassemblytest.WithoutHandshake},
		{"doubled", func(p packets) packets { return reassemblytest.Duplicate(p, 1, 1+seed) }},
		{"snap 96", func(p packets) packets { return reassemblytest.Snap(p, 96) }},
	}
}

// said is a finding, as authtap prints it.
type said struct {
	Detector, Severity, Verdict string
	DedupeKey                   string `json:"dedupe_key"`
	Client                      struct{ IP string }
}

// row is what came of a detector.
type row struct {
	Found, Missed, False, Wrong int
	damagedFalse, damagedWrong  int
	wrongAccepted               int
}

// scorecard sums up what authtap said, and what it should have.
type scorecard struct {
	rows map[string]*row
	// problems break the rules, remarks are worth knowing.
	problems, remarks                               []string
	runs, honestExchanges, honestHigh, honestMedium int
	// editions are the findings of the edition that was played before.
	editions map[string][]said
}

func newScorecard() *scorecard {
	return &scorecard{rows: map[string]*row{}, editions: map[string][]said{}}
}

// whole takes what authtap said of an undamaged capture.
func (t *scorecard) whole(take *scenario.Take, findings []said) {
	truth := &take.Truth
	name := truth.Scenario
	if !truth.Honest {
		name += "-" + truth.Edition
	}
	t.compare(name, true, truth, findings)
	if before, ok := t.editions[truth.Scenario]; ok {
		t.sameButVerdicts(truth.Scenario, before, findings)
	}
	t.editions[truth.Scenario] = findings
}

func (t *scorecard) row(detector string) *row {
	if t.rows[detector] == nil {
		t.rows[detector] = new(row)
	}
	return t.rows[detector]
}

// scoreAll plays the scenarios whose names begin with a prefix, whole and
// damaged, and shows them to authtap. each prints what damage changed, too; seed
// makes another run of it.
func scoreAll(w io.Writer, prefix, program string, seed uint64, each bool) error {
	dir, err := os.MkdirTemp("", "authlab")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t := newScorecard()
	together := scenario.Truth{Scenario: "honest traffic together", Honest: true}
	var captures []string
	err = takes(prefix, seed, func(name string, take *scenario.Take) error {
		if take.Truth.Honest {
			path := filepath.Join(dir, name)
			if err := writeTake(path, take); err != nil {
				return err
			}
			captures = append(captures, "--tls-keylog", path+".keys", path+".pcap")
			together.Wants = append(together.Wants, take.Truth.Wants...)
		}
		for _, way := range ways(seed) {
			findings, err := replayPackets(program, dir, take, way.damage(take.Packets))
			if err != nil {
				return fmt.Errorf("%s, %s: %w", name, way.name, err)
			}
			t.runs++
			if way.name == "whole" {
				t.whole(take, findings)
			} else {
				t.compare(name+", "+way.name, false, &take.Truth, findings)
			}
		}
		return nil
	})
	if err == nil && len(captures) > 0 {
		var findings []said
		if findings, err = replay(program, dir, captures...); err == nil {
			t.runs++
			t.compare(together.Scenario, true, &together, findings)
		}
	}
	if err != nil {
		return err
	}
	return t.print(w, each)
}

// replayPackets shows packets to authtap.
func replayPackets(program, dir string, take *scenario.Take, packets []reassemblytest.Packet) ([]said, error) {
	file, keys := filepath.Join(dir, "in.pcap"), filepath.Join(dir, "in.keys")
	if err := errors.Join(writePackets(file, packets), os.WriteFile(keys, take.Keys, 0o600)); err != nil {
		return nil, err
	}
	return replay(program, dir, "--tls-keylog", keys, file)
}

// replay shows captures to authtap.
func replay(program, dir string, captures ...string) ([]said, error) {
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, make([]byte, 32), 0o600); err != nil {
		return nil, err
	}
	run, err := call(program, append([]string{"replay", "--store", "none", "--format", "json", "--key-file", key}, captures...)...)
	if err != nil {
		return nil, err
	}
	var all []said
	for line := range bytes.Lines(run.stdout) {
		var f said
		if err := json.Unmarshal(line, &f); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		all = append(all, f)
	}
	return all, nil
}

// strength orders verdicts: a finding keeps the strongest.
var strength = []string{"", "rejected", "unknown", "likely_accepted", "accepted", "observed"}

// compare holds findings to the truth.
func (t *scorecard) compare(what string, whole bool, truth *scenario.Truth, findings []said) {
	expected := map[string]bool{}
	for _, m := range truth.Wants {
		expected[m.Detector] = true
		got := ""
		for _, f := range findings {
			if f.Detector == m.Detector && (m.Client == "" || f.Client.IP == "" || f.Client.IP == m.Client) &&
				slices.Index(strength, f.Verdict) > slices.Index(strength, got) {
				got = f.Verdict
			}
		}
		r := t.row(m.Detector)
		switch {
		case got == "" && m.Optional:
		case whole && got == "":
			r.Missed++
			t.problems = append(t.problems, fmt.Sprintf("%s: missed: %s %s %s", what, m.Detector, m.Client, m.Verdict))
		case whole && got != m.Verdict && !m.Optional:
			r.Found++
			r.Wrong++
			t.problems = append(t.problems, fmt.Sprintf("%s: %s %s is %s, not %s", what, m.Detector, m.Client, got, m.Verdict))
		case whole:
			r.Found++
		case got != "" && got != m.Verdict && got != "unknown":
			r.damagedWrong++
			t.remarks = append(t.remarks, fmt.Sprintf("%s: %s %s is %s, not %s", what, m.Detector, m.Client, got, m.Verdict))
		}
	}
	if truth.Honest && whole {
		t.honestExchanges += truth.Exchanges
	}
	for _, f := range findings {
		r := t.row(f.Detector)
		line := fmt.Sprintf("%s: %s %s %s %s", what, f.Detector, f.Severity, f.Verdict, f.DedupeKey)
		if f.Verdict == "accepted" && !reallyAccepted(truth, &f) {
			r.wrongAccepted++
			t.problems = append(t.problems, "wrongly accepted: "+line)
		}
		severe := f.Severity == "high" || f.Severity == "critical"
		switch {
		case truth.Honest && severe:
			r.False++
			t.honestHigh++
			t.problems = append(t.problems, "false alarm: "+line)
		case truth.Honest && f.Severity == "medium" && whole:
			t.honestMedium++
			r.False++
			t.remarks = append(t.remarks, "false alarm: "+line)
		case expected[f.Detector] || f.Severity == "info":
		case whole && !truth.Honest:
			r.False++
			t.problems = append(t.problems, "false: "+line)
		case !truth.Honest:
			r.damagedFalse++
			t.remarks = append(t.remarks, "false: "+line)
		}
	}
}

// reallyAccepted says whether the server let somebody in by what a finding tells
// of.
func reallyAccepted(truth *scenario.Truth, f *said) bool {
	return slices.ContainsFunc(truth.Wants, func(m scenario.Want) bool {
		return m.Detector == f.Detector && m.Verdict == scenario.Accepted && (m.Client == "" || f.Client.IP == "" || m.Client == f.Client.IP)
	})
}

// ofSuccess are detectors that find what only a server without the check does.
var ofSuccess = []string{
	"auth_barrier_flip", "auth_optional", "breached_password", "compromised_after_attack", "default_credentials", "invalid_credential_accepted",
	"jwt_binding_not_enforced", "jwt_expired_accepted", "jwt_foreign_issuer_accepted", "jwt_type_confusion", "jwt_weak_secret", "oauth_code_replay", "oauth_refresh_replay", "otp_replay", "session_after_logout",
}

// sameButVerdicts holds the findings of the two editions to each other: but for
// what is told of the servers, they differ in their verdicts only.
func (t *scorecard) sameButVerdicts(scenario string, a, b []said) {
	keys := func(list []said) map[string]bool {
		m := map[string]bool{}
		for _, f := range list {
			if !slices.Contains(ofSuccess, f.Detector) && f.Verdict != "observed" {
				m[f.Detector+" "+f.DedupeKey] = true
			}
		}
		return m
	}
	one, other := keys(a), keys(b)
	for _, k := range slices.Sorted(maps.Keys(one)) {
		if !other[k] {
			t.problems = append(t.problems, fmt.Sprintf("%s: only of the vulnerable edition: %s", scenario, k))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(other)) {
		if !one[k] {
			t.problems = append(t.problems, fmt.Sprintf("%s: only of the hardened edition: %s", scenario, k))
		}
	}
}

// print gives the table and what is wrong.
func (t *scorecard) print(w io.Writer, each bool) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "DETECTOR\tFOUND\tMISSED\tFALSE\tWRONG VERDICT\tDAMAGED: FALSE\tWRONG VERDICT\tWRONGLY ACCEPTED")
	var sum row
	for _, d := range slices.Sorted(maps.Keys(t.rows)) {
		r := t.rows[d]
		fmt.Fprintf(out, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", d, r.Found, r.Missed, r.False, r.Wrong, r.damagedFalse, r.damagedWrong, r.wrongAccepted)
		sum.Found += r.Found
		sum.Missed += r.Missed
		sum.False += r.False
		sum.Wrong += r.Wrong
		sum.damagedFalse += r.damagedFalse
		sum.damagedWrong += r.damagedWrong
		sum.wrongAccepted += r.wrongAccepted
	}
	fmt.Fprintf(out, "all\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", sum.Found, sum.Missed, sum.False, sum.Wrong, sum.damagedFalse, sum.damagedWrong, sum.wrongAccepted)
	out.Flush()
	fmt.Fprintf(w, "\n%d replays; honest traffic: %d exchanges, %d findings high or critical, %d medium\n", t.runs, t.honestExchanges, t.honestHigh, t.honestMedium)
	if most := max(1, t.honestExchanges/100_000); t.honestMedium > most {
		t.problems = append(t.problems, fmt.Sprintf("honest traffic has %d medium findings, more than %d", t.honestMedium, most))
	}
	if !each {
		t.remarks = nil
	}
	for _, list := range [][]string{t.remarks, t.problems} {
		slices.Sort(list)
		if len(list) > 0 {
			fmt.Fprintln(w, "\n"+strings.Join(list, "\n"))
		}
	}
	if len(t.problems) > 0 {
		return fmt.Errorf("%d things are not as they must be", len(t.problems))
	}
	return nil
}
