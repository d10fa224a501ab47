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
	"github.com/authtap/authtap/detect/openapi"
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

// lacking gives the kinds that a script must have and does not.
func lacking(cases []Case) (kinds []string) {
	for _, kind := range []string{"positive", "nearmiss", "damaged"} {
		if !slices.ContainsFunc(cases, func(c Case) bool { return c.Kind == kind }) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

func script(t *testing.T, file string, d *detect.Detector, all []detect.Detector) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("a detector needs a script (go doc ./detect/detecttest): %v", err)
	}
	cases, archive, err := Parse(data)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for _, kind := range lacking(cases) {
		t.Errorf("%s: no case -- %s NAME --", file, kind)
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
	if c.OpenAPI != "" {
		if o.Declared, err = openapi.Read("openapi.yaml", []byte(c.OpenAPI), nil); err != nil {
			t.Fatal(err)
		}
	}
	findings, engine, err := replay(dialogue.Packets(), o)
	if err != nil {
		t.Fatal(err)
	}
	if engine.Stats().Unkeyed > 0 {
		t.Error("a report without a dedupe key: Report.Key is empty")
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
		n := seeds
		if testing.Short() {
			n = 3
		}
		wrong, err := Damaged(dialogue.Packets(), o, findings, n)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range wrong {
			t.Error(w)
		}
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

// Damaged replays packets in the ways in which captures are damaged, and tells
// what is then called accepted that is not so in whole.
func Damaged(packets []reassemblytest.Packet, o detect.Options, whole []detect.Finding, seeds int) ([]string, error) {
	accepted := map[string]bool{}
	for i := range whole {
		if whole[i].Verdict == detect.Accepted {
			accepted[whole[i].Detector+" "+whole[i].DedupeKey] = true
		}
	}
	type variant struct {
		how     string
		packets []reassemblytest.Packet
	}
	variants := []variant{
		{"nothing from the server", reassemblytest.DropDirection(packets, true)},
		{"nothing from the client", reassemblytest.DropDirection(packets, false)},
		{"without handshakes", reassemblytest.WithoutHandshake(packets)},
		{"begun after a third", reassemblytest.Midstream(packets, len(packets)/3)},
		{"all packets twice", reassemblytest.Duplicate(packets, 1, 1)},
		{"some packets twice", reassemblytest.Duplicate(packets, 0.3, 1)},
		{"out of order", reassemblytest.Jitter(packets, 4, 1)},
		{"cut to 96 bytes", reassemblytest.Snap(packets, 96)},
	}
	for seed := range seeds {
		variants = append(variants, variant{
			fmt.Sprintf("5 %% lost, seed %d", seed), reassemblytest.Drop(packets, 0.05, uint64(seed)),
		})
	}
	var wrong []string
	for _, v := range variants {
		findings, err := Replay(v.packets, o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", v.how, err)
		}
		for i := range findings {
			if f := &findings[i]; f.Verdict == detect.Accepted && !accepted[f.Detector+" "+f.DedupeKey] {
				wrong = append(wrong, v.how+": "+line(f, []string{"key", "status", "credential"}))
			}
		}
	}
	return wrong, nil
}
