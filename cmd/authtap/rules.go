package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/cmd/authtap/internal/pipeline"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/custom"
	"github.com/authtap/authtap/store/output"
)

func (p *program) rules() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "Check and try rules of your own",
		Args:  noCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.rulesCheck(), p.rulesTest())
	return cmd
}

func (p *program) rulesCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check RULES...",
		Short: "Check files of rules and list what is in them",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := arguments(1, -1, "a file of rules")(cmd, args); err != nil {
				return err
			}
			s, err := p.settingsWithRules(cmd, args)
			if err != nil {
				return err
			}
			return describeRules(p.stdout, &s)
		},
	}
	flags(cmd, config.Judging)
	return cmd
}

// settingsWithRules gives the settings with these files of rules, and no others.
func (p *program) settingsWithRules(cmd *cobra.Command, files []string) (config.Settings, error) {
	for _, f := range files {
		if err := cmd.Flags().Set("rules", f); err != nil {
			return config.Settings{}, err
		}
	}
	return p.settings(cmd)
}

// describeRules lists rules, suppressions and what is set for places.
func describeRules(w io.Writer, s *config.Settings) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range s.Custom {
		what := fmt.Sprintf("%s:%d, %v", r.Name.File, r.Name.Line, r.Severity)
		if r.Attempt {
			what += ", of attempts"
		}
		if win := r.Window; win != nil {
			what += fmt.Sprintf(", %d in %s", win.Threshold, optionText(win.Span))
		}
		fmt.Fprintf(t, "rule %s\t%s\t%s\n", r.Name.Text, what, r.Title)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Detectors)) {
		if values := s.Detectors[name]; len(values) > 0 {
			fmt.Fprintf(t, "detector %s\teverywhere\t%s\n", name, valuesText(values))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Overrides)) {
		for _, o := range s.Overrides[name] {
			says := valuesText(o.Values)
			switch o.Switch {
			case detect.Off:
				says = strings.TrimSpace("off " + says)
			case detect.On:
				says = strings.TrimSpace("on " + says)
			}
			fmt.Fprintf(t, "detector %s\t%s\t%s\n", name, o.Place.String(), says)
		}
	}
	for _, name := range s.Disable {
		fmt.Fprintf(t, "detector %s\teverywhere\toff\n", name)
	}
	for i := range s.Suppress {
		fmt.Fprintf(t, "suppress %s\t%s\t%s\n", cmp.Or(s.Suppress[i].Detector, "all"), s.Suppress[i].Where, suppressionText(&s.Suppress[i]))
	}
	return t.Flush()
}

func valuesText(v detect.Values) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(v)) {
		parts = append(parts, name+"="+optionText(v[name]))
	}
	return strings.Join(parts, " ")
}

// suppressionText says what a suppression keeps, why, and until when.
func suppressionText(s *detect.Suppression) string {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+" "+value)
		}
	}
	add("host", s.Place.Host)
	add("endpoint", s.Place.Endpoint)
	if s.Client.IsValid() {
		add("client", s.Client.String())
	}
	add("principal", s.Principal)
	add("key", s.Key)
	if s.Until != 0 {
		add("until", lastDay(s))
	}
	return strings.Join(append(parts, "because: "+s.Reason), ", ")
}

// lastDay is the last day that a suppression is in force.
func lastDay(s *detect.Suppression) string { return s.Until.Add(-1).Time().Format(time.DateOnly) }

// expired tells that a suppression is no longer in force.
func (p *program) expired(s *detect.Suppression) {
	p.warn("%s: the suppression ended with %s, and what it kept is told again: %s", s.Where, lastDay(s), s.Reason)
}

// ruleStats gives what became of rules by their names; before is what did until
// their files were read again.
func ruleStats(set *custom.Set, before map[string]custom.Stats) map[string]custom.Stats {
	m := map[string]custom.Stats{}
	for i, s := range set.Stats() {
		b := before[set.Names()[i]]
		m[set.Names()[i]] = custom.Stats{
			Seen: b.Seen + s.Seen, Asked: b.Asked + s.Asked, Matched: b.Matched + s.Matched, Crossed: b.Crossed + s.Crossed,
			Errors: b.Errors + s.Errors, Error: cmp.Or(b.Error, s.Error),
		}
	}
	return m
}

// rules adds what went wrong with rules.
func (c *counts) rules(all map[string]custom.Stats) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := all[name]
		c.some(s.Errors, fmt.Sprintf("errors of the rule %s, the first: %s", name, output.Escape(s.Error)))
	}
}

func (p *program) rulesTest() *cobra.Command {
	shown := 5
	cmd := &cobra.Command{
		Use:   "test RULES FILE|DIR|-...",
		Short: "Show what rules match in capture files, and what not",
		Long: `test runs a file of rules over capture files and shows of each rule how many
exchanges met which of its conditions, what it matched, and what was found.
Conditions are what stands between "and"; each is asked of the exchanges that
met those before it. Conditions on the content of messages come first. Nothing
is stored.`,
		Example: `  authtap rules test rules.yaml api.pcap`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := arguments(2, -1, "a file of rules, and a capture file")(cmd, args); err != nil {
				return err
			}
			s, err := p.settingsWithRules(cmd, args[:1])
			if err != nil {
				return err
			}
			source, err := p.openFiles(&s, args[1:])
			if err != nil {
				return err
			}
			defer source.Close()
			return p.tryRules(cmd, s, source, shown)
		},
	}
	cmd.Flags().IntVar(&shown, "matches", shown, "exchanges shown of each rule")
	flags(cmd, config.Reading|config.Judging)
	return cmd
}

// tryRules runs rules over a capture and tells what became of them.
func (p *program) tryRules(cmd *cobra.Command, s config.Settings, source capture.Source, shown int) error {
	key, err := p.key(s.KeyFile)
	if err != nil {
		return err
	}
	var names inputNames
	input := func(i uint32) string { return names.of(source, int(i)) }
	matches := map[string][]string{}
	o, set, err := detection(&s, false, custom.Options{Trace: true, Matched: func(m custom.Match) {
		if len(matches[m.Rule]) < shown {
			matches[m.Rule] = append(matches[m.Rule], matchText(&m, input))
		}
	}})
	if err != nil {
		return err
	}
	f := findings{most: s.MaxFindings, last: map[string]int{}}
	o.Key, o.Input, o.Emit, o.Expire = credential.Key(key), input, f.keep, p.expired
	engine, err := detect.NewEngine(o)
	if err != nil {
		return err
	}
	t := task{settings: s, sources: []capture.Source{source}, bodies: true, judged: func(s *statistics) {
		judged := engine.Stats()
		s.Engine, s.Rules = &judged, ruleStats(set, nil)
	}}
	err = runPipeline(cmd.Context(), p, t, pipeline.Options[*detect.Inspection]{
		NewInspect: func() pipeline.Inspect[*detect.Inspection] {
			n := detect.NewInspector(o)
			return pipeline.Inspect[*detect.Inspection]{Exchange: n.Inspect, Handshake: n.InspectHandshake, Done: n.Done, Stats: n.Stats}
		},
		Take: engine.Exchange,
		Mark: func(m pipeline.Mark) error {
			if engine.Mark(m.Clock); m.Last {
				engine.Close()
			}
			return nil
		},
	})
	if err != nil {
		return err
	}
	report := ruleReport{set: set, matches: matches, suppress: s.Suppress, suppressed: engine.Suppressions(), findings: f.list}
	return report.write(p.stdout)
}

// matchText tells of a match on one line.
func matchText(m *custom.Match, input func(uint32) string) string {
	x := m.Pass.Exchange()
	return fmt.Sprintf("%s, packet %d of %s: %s, %d, from %v; key %s", m.Pass.Now(), x.Origin.Number, output.Escape(input(x.Origin.Input)),
		output.Escape(x.Request.Method+" "+m.Pass.Target().String()), x.Response.Status, m.Pass.Client(), output.Escape(m.Key))
}

// ruleReport is what authtap rules test tells.
type ruleReport struct {
	set        *custom.Set
	matches    map[string][]string
	suppress   []detect.Suppression
	suppressed []detect.Suppressed
	findings   []detect.Finding
}

func (r *ruleReport) write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	steps, stats := r.set.Steps(), r.set.Stats()
	for i, name := range r.set.Names() {
		s := stats[i]
		found := 0
		for j := range r.findings {
			if r.findings[j].Detector == name {
				found++
			}
		}
		fmt.Fprintf(w, "%s: %d matches, %d findings", name, s.Matched, found)
		if s.Crossed > 0 {
			fmt.Fprintf(w, ", %d of the matches at or above the window's threshold", s.Crossed)
		}
		if s.Errors > 0 {
			fmt.Fprintf(w, ", %d errors, the first: %s", s.Errors, output.Escape(s.Error))
		}
		fmt.Fprintln(w)
		for _, step := range steps[i] {
			fmt.Fprintf(t, "\t%d\tof %d\tmet\t", step.Held, step.Reached)
			fmt.Fprintf(t, " %s\n", strings.Join(strings.Fields(step.Condition), " "))
		}
		if err := t.Flush(); err != nil {
			return err
		}
		for _, m := range r.matches[name] {
			fmt.Fprintf(w, "  %s\n", m)
		}
		if more := s.Matched - uint64(len(r.matches[name])); more > 0 && s.Matched > 0 {
			fmt.Fprintf(w, "  and %d more\n", more)
		}
	}
	for i := range r.suppress {
		fmt.Fprintf(w, "%s: %d findings suppressed, %d after its end: %s\n",
			r.suppress[i].Where, r.suppressed[i].Kept, r.suppressed[i].Expired, suppressionText(&r.suppress[i]))
	}
	return nil
}
