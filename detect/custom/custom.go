// Package custom makes detectors of rules that users write: conditions on
// exchanges, in the language of package expression, that are reported one by
// one or when a sliding window crosses a threshold.
//
// Contract: a rule is compiled and type-checked once. An error while one is
// asked is counted, and the exchange does not match. A Set belongs to one
// engine and, but for what shards ask of contents, to its goroutine; it holds
// counters and one environment, and the engine's windows hold the rest, so it is
// bounded. Exchanges that a rule's plain comparisons (method, host, path,
// template, status, outcome, login) rule out cost it those comparisons.
//
// It does not read files: whoever does tells where each text stands, and the
// errors name that place.
package custom

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/expression"
	"github.com/authtap/authtap/reassembly/exchange"
)

// Text is a text of a rules file, and the place that it stands at.
type Text struct {
	Text string
	File string
	Line int
}

func (t Text) errorf(format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", t.File, t.Line, fmt.Sprintf(format, args...))
}

// Named is an expression with a name.
type Named struct {
	Name string
	Text
}

// Rule is one rule as it is written.
type Rule struct {
	// Name stands where the rule begins.
	Name       Text
	Title, Doc string
	Severity   detect.Severity
	Confidence detect.Confidence // Firm where it is zero
	References []Text
	// When says which exchanges match.
	When Text
	// Attempt makes findings of attempts, with a verdict; Forged says that their
	// credential is one that the server is to refuse.
	Attempt, Forged bool
	// Credential names the kinds of credential that the rule is about; empty: the
	// first that asks for access.
	Credential []Text
	// Verdicts hold the findings back until the verdict is one of them.
	Verdicts []detect.Verdict
	// Key are the expressions that make events the same finding.
	Key []Text
	// Evidence are expressions that findings show.
	Evidence []Named
	// Window, where set, reports when there were many.
	Window *Window
}

// Window is a rule's sliding window.
type Window struct {
	Span time.Duration
	// By are the expressions that each window is for a value of.
	By []Text
	// Distinct, where it is not empty, is the expression whose different values
	// count; else events do.
	Distinct  Text
	Threshold int
}

// Stats count what became of a rule.
type Stats struct {
	// Seen exchanges had the property that the rule needs, Asked are those of
	// them that its plain comparisons let through, Matched those that matched.
	Seen, Asked, Matched uint64
	// Crossed is how often a match found a window at or above its threshold.
	Crossed uint64
	// Errors of expressions while they were asked; Error is the first of them.
	Errors uint64
	Error  string
}

// Match is an exchange that a rule matched.
type Match struct {
	Rule string
	Pass *detect.Pass // valid during the call
	Key  string
}

// Options of a Set.
type Options struct {
	// Taken are the names that rules may not have.
	Taken func(name string) bool
	// Trace counts for each part of an expression how often it held, at the
	// price of asking each part by itself; Matched, if set, is told each match.
	Trace   bool
	Matched func(Match)
}

// Set is a number of compiled rules.
type Set struct {
	options Options
	rules   []*rule
	asked   asked
}

// rule is a compiled Rule.
type rule struct {
	Rule
	set       *Set
	needs     detect.Needs
	onSubject []condition[*expression.Subject]
	onPass    []condition[*detect.Pass]
	content   []*contentPart
	when      *program[bool] // nil: the content is all
	parts     []*tracedPart
	kinds     []credential.Kind
	key       []*value // the window's, where there is one
	evidence  []evidence
	distinct  *value
	verdict   bool // an expression asks for it
	stats     Stats
}

type program[T bool | int | string] = expression.Program[Env, T]

type evidence struct {
	name string
	value
}

// value is an expression of any simple type.
type value struct {
	text   *program[string]
	number *program[int]
	truth  *program[bool]
}

// Compile makes a Set. Its error joins all mistakes, each with its place.
func Compile(list []Rule, o Options) (*Set, error) {
	s := &Set{options: o}
	var all []error
	for i := range list {
		r := &rule{Rule: list[i], set: s}
		if o.Taken != nil && o.Taken(r.Name.Text) {
			all = append(all, r.Name.errorf("there is a detector %s already", r.Name.Text))
		}
		if slices.ContainsFunc(s.rules, func(o *rule) bool { return o.Name.Text == r.Name.Text }) {
			all = append(all, r.Name.errorf("there are two rules %s", r.Name.Text))
		}
		if errs := r.compile(); len(errs) > 0 {
			all = append(all, errs...)
			continue
		}
		s.rules = append(s.rules, r)
	}
	return s, errors.Join(all...)
}

// Detectors gives a detector for each rule.
func (s *Set) Detectors() []detect.Detector {
	var list []detect.Detector
	for _, r := range s.rules {
		list = append(list, r.detector())
	}
	return list
}

// Names gives the rules' names, in the order of Stats.
func (s *Set) Names() []string {
	var names []string
	for _, r := range s.rules {
		names = append(names, r.Name.Text)
	}
	return names
}

// Stats gives what became of each rule, in the order in which they stand in
// the file.
func (s *Set) Stats() []Stats {
	list := make([]Stats, len(s.rules))
	for i, r := range s.rules {
		list[i] = r.stats
		for _, c := range r.content {
			list[i].Errors += c.errored.Load()
		}
	}
	return list
}

func (r *rule) detector() detect.Detector {
	d := detect.Detector{
		Name: r.Name.Text, Title: r.Title, Doc: r.Doc, Severity: r.Severity, Confidence: r.Confidence,
		Attempt: r.Attempt, Genuine: !r.Forged, Custom: true, Needs: r.needs, Exchange: r.exchange,
	}
	if d.Confidence == 0 {
		d.Confidence = detect.Firm
	}
	for _, t := range r.References {
		refer(&d, t.Text)
	}
	if len(r.content) > 0 {
		d.Content = r.contentHolds
	}
	if w := r.Window; w != nil {
		d.Windows = []detect.Window{{Name: r.windowName(), Span: w.Span, Crossed: r.crossed}}
	}
	return d
}

var references = []struct {
	form *regexp.Regexp
	add  func(d *detect.Detector, m []string)
}{
	{regexp.MustCompile(`^CWE-(\d{1,5})$`), func(d *detect.Detector, m []string) {
		n, _ := strconv.Atoi(m[1])
		d.CWE = append(d.CWE, n)
	}},
	{regexp.MustCompile(`^API\d{1,2}:20\d\d$`), func(d *detect.Detector, m []string) { d.OWASP = append(d.OWASP, m[0]) }},
	{regexp.MustCompile(`^ASVS-(\d+(?:\.\d+){1,2})$`), func(d *detect.Detector, m []string) { d.ASVS = append(d.ASVS, m[1]) }},
	{regexp.MustCompile(`^RFC \d{1,5}(?: §[\d.]+)?$`), func(d *detect.Detector, m []string) { d.RFC = append(d.RFC, m[0]) }},
	{regexp.MustCompile(`^T\d{4}(?:\.\d{3})?$`), func(d *detect.Detector, m []string) { d.ATTACK = append(d.ATTACK, m[0]) }},
	{regexp.MustCompile(`^https?://[!-~]+$`), func(d *detect.Detector, m []string) { d.Links = append(d.Links, m[0]) }},
}

// refer adds a reference and reports whether it has one of the forms.
func refer(d *detect.Detector, text string) bool {
	for _, r := range references {
		if m := r.form.FindStringSubmatch(text); m != nil {
			r.add(d, m)
			return true
		}
	}
	return false
}

// exchange looks at one exchange.
func (r *rule) exchange(p *detect.Pass, x *exchange.Exchange) {
	r.stats.Seen++
	if r.set.options.Trace {
		if !r.traced(p) {
			return
		}
	} else if !meets(r.onSubject, r.set.asked.subjectOf(p)) || !meets(r.onPass, p) {
		return
	}
	r.stats.Asked++
	env := r.set.asked.at(p)
	about := r.about(p)
	if r.verdict {
		env.Verdict = verdict(p, about).String()
	}
	if r.when != nil {
		if matches, err := r.when.Run(env); err != nil || !matches {
			r.failed(err)
			return
		}
	}
	key, err := join(r.key, env)
	if err != nil {
		r.failed(err)
		return
	}
	if key == "" {
		key = detect.Key(p.Host(), p.Endpoint())
	}
	r.stats.Matched++
	if r.set.options.Matched != nil {
		r.set.options.Matched(Match{r.Name.Text, p, key})
	}
	if r.Window != nil {
		r.observe(p, env, key, about)
		return
	}
	report := detect.Report{Key: key, Explain: r.explain}
	r.judged(p, &report, about)
	p.Report(report)
}

func meets[S any](list []condition[S], s S) bool {
	for _, holds := range list {
		if !holds(s) {
			return false
		}
	}
	return true
}

// judged says what the report's verdict rests on.
func (r *rule) judged(p *detect.Pass, report *detect.Report, about *credential.Credential) {
	if r.Attempt || len(r.Verdicts) > 0 {
		report.Credential, report.ByLogin = about, byLogin(p, about)
		report.Posture, report.Only = !r.Attempt, r.Verdicts
	}
}

// about gives the credential that the rule is about, nil where there is none.
func (r *rule) about(p *detect.Pass) *credential.Credential {
	list := p.Presented()
	for i := range list {
		c := &list[i]
		if len(r.kinds) == 0 && c.Access() || slices.Contains(r.kinds, c.Kind) {
			return c
		}
	}
	return nil
}

// explain gives the evidence of a match.
func (r *rule) explain(p *detect.Pass) detect.Evidence {
	env := r.set.asked.at(p)
	var list detect.Evidence
	for _, e := range r.evidence {
		text, err := e.run(env)
		if err != nil {
			r.failed(err)
			continue
		}
		list = append(list, detect.Fact{Name: e.name, Value: p.Redact(text)})
	}
	return append(list, detect.Fact{Name: "target", Value: p.Target()})
}

func (r *rule) failed(err error) {
	if err == nil {
		return
	}
	if r.stats.Errors++; r.stats.Errors == 1 {
		r.stats.Error = err.Error()
	}
}

// join asks the expressions of a key.
func join(list []*value, env *Env) (string, error) {
	if len(list) == 0 {
		return "", nil
	}
	parts := make([]string, len(list))
	for i, v := range list {
		text, err := v.run(env)
		if err != nil {
			return "", err
		}
		parts[i] = text
	}
	return detect.Key(parts...), nil
}

// run asks a value and gives it as text.
func (v *value) run(env *Env) (string, error) {
	switch {
	case v.text != nil:
		return v.text.Run(env)
	case v.number != nil:
		n, err := v.number.Run(env)
		return strconv.Itoa(n), err
	}
	b, err := v.truth.Run(env)
	return strconv.FormatBool(b), err
}
