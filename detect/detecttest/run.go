package detecttest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

var update = flag.Bool("update", false, "write the findings of the moment into the scripts")

// Scripts runs the script of every detector in a folder. A detector without a
// script, one whose script lacks a positive case, a near miss or a damaged
// variant, and a script without detector fail.
func Scripts(t *testing.T, folder string, detectors []detect.Detector) {
	for i := range detectors {
		d := &detectors[i]
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			script(t, filepath.Join(folder, d.Name+".txt"), d, detectors)
		})
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".txt")
		if !slices.ContainsFunc(detectors, func(d detect.Detector) bool { return d.Name == name }) {
			t.Errorf("%s: there is no such detector", f)
		}
	}
}

func script(t *testing.T, file string, d *detect.Detector, all []detect.Detector) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cases, archive, err := Parse(data)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for _, kind := range []string{"positive", "nearmiss", "damaged"} {
		if !slices.ContainsFunc(cases, func(c Case) bool { return c.Kind == kind }) {
			t.Errorf("%s: no case is %s", file, kind)
		}
	}
	for i := range cases {
		c := &cases[i]
		t.Run(c.Name, func(t *testing.T) { c.run(t, archive, d, all) })
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func (c *Case) run(t *testing.T, archive *txtar.Archive, d *detect.Detector, all []detect.Detector) {
	dialogue, err := reassemblytest.Parse(c.Name, c.Dialogue, Funcs())
	if err != nil {
		t.Fatal(err)
	}
	settings, err := c.settings(d)
	if err != nil {
		t.Fatal(err)
	}
	o := detect.Options{Detectors: all, Settings: settings}
	findings, err := Replay(dialogue.Packets(), o)
	if err != nil {
		t.Fatal(err)
	}
	mine := findings
	if !c.All {
		mine = slices.DeleteFunc(slices.Clone(findings), func(f detect.Finding) bool { return f.Detector != d.Name })
	}
	if *update {
		c.rewrite(archive, mine)
	} else {
		c.compare(t, mine)
	}
	if c.Kind == "positive" && len(mine) == 0 {
		t.Error("a positive case without a finding")
	}
	if c.Kind == "positive" || c.Kind == "damaged" {
		Damaged(t, dialogue.Packets(), o, findings)
	}
}

func (c *Case) compare(t *testing.T, findings []detect.Finding) {
	var got []string
	for i := range findings {
		var ns []string
		if i < len(c.Want) {
			ns = names(c.Want[i])
		} else {
			ns = []string{"count", "key"}
		}
		got = append(got, line(&findings[i], ns))
	}
	if !slices.Equal(got, c.Want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(c.Want, "\n\t"))
	}
}

func (c *Case) rewrite(archive *txtar.Archive, findings []detect.Finding) {
	var b strings.Builder
	if c.All {
		b.WriteString("all\n")
	}
	for i := range findings {
		ns := []string{"count", "key"}
		if i < len(c.Want) {
			if old := names(c.Want[i]); len(old) > 0 {
				ns = old
			}
		}
		b.WriteString(line(&findings[i], ns) + "\n")
	}
	archive.Files[c.want].Data = []byte(b.String())
}

// seeds of losses that each positive case is run with.
const seeds = 20

// Damaged replays packets in the ways in which captures are damaged, and fails
// the test when a finding is then called accepted that is not so in whole.
func Damaged(t *testing.T, packets []reassemblytest.Packet, o detect.Options, whole []detect.Finding) {
	t.Helper()
	accepted := map[string]bool{}
	for i := range whole {
		if whole[i].Verdict == detect.Accepted {
			accepted[whole[i].Detector+" "+whole[i].DedupeKey] = true
		}
	}
	check := func(how string, damaged []reassemblytest.Packet) {
		t.Helper()
		findings, err := Replay(damaged, o)
		if err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		for i := range findings {
			if f := &findings[i]; f.Verdict == detect.Accepted && !accepted[f.Detector+" "+f.DedupeKey] {
				t.Errorf("%s: %s", how, line(f, []string{"key", "status", "credential"}))
			}
		}
	}
	few := seeds
	if testing.Short() {
		few = 3
	}
	for seed := range uint64(few) {
		check(fmt.Sprintf("5 %% lost, seed %d", seed), reassemblytest.Drop(packets, 0.05, seed))
	}
	check("nothing from the server", reassemblytest.DropDirection(packets, true))
	check("nothing from the client", reassemblytest.DropDirection(packets, false))
	check("without handshakes", reassemblytest.WithoutHandshake(packets))
	check("begun after a third", reassemblytest.Midstream(packets, len(packets)/3))
	check("all packets twice", reassemblytest.Duplicate(packets, 1, 1))
	check("some packets twice", reassemblytest.Duplicate(packets, 0.3, 1))
	check("out of order", reassemblytest.Jitter(packets, 4, 1))
	check("cut to 96 bytes", reassemblytest.Snap(packets, 96))
}
