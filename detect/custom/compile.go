package custom

import (
	"errors"
	"slices"
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/expression"
)

// The bounds of a rule.
const (
	maxKey      = 8
	maxEvidence = 8
)

// compile checks the rule and compiles its expressions; it gives all mistakes.
func (r *rule) compile() (all []error) {
	wrong := func(t Text, format string, args ...any) { all = append(all, t.errorf(format, args...)) }
	for _, t := range r.References {
		if !refer(&detect.Detector{}, t.Text) {
			wrong(t, "%q is no reference such as CWE-307, API2:2023, ASVS-6.3.1, RFC 6750 §2.3, T1110.001 or a URL", t.Text)
		}
	}
	for _, t := range r.Credential {
		kind := credential.ParseKind(t.Text)
		if kind == 0 {
			wrong(t, "there is no kind of credential %q", t.Text)
		}
		r.kinds = append(r.kinds, kind)
	}
	if r.Forged && !r.Attempt {
		wrong(r.Name, "forged is for attempts only")
	}
	all = append(all, r.compileWhen()...)

	keys := r.Key
	if r.Window != nil {
		keys = r.Window.By
	}
	for _, t := range keys {
		v, err := r.value(t)
		if err != nil {
			all = append(all, err)
		}
		r.key = append(r.key, v)
	}
	if len(keys) > maxKey {
		wrong(keys[maxKey], "a key has at most %d parts", maxKey)
	}
	for i, e := range r.Evidence {
		v, err := r.value(e.Text)
		if err != nil {
			all = append(all, err)
			continue
		}
		if e.Name == "target" || slices.ContainsFunc(r.Evidence[:i], func(o Named) bool { return o.Name == e.Name }) {
			wrong(e.Text, "evidence %s is there already", e.Name)
		}
		r.evidence = append(r.evidence, evidence{e.Name, *v})
	}
	if len(r.Evidence) > maxEvidence {
		wrong(r.Evidence[maxEvidence].Text, "there are at most %d pieces of evidence", maxEvidence)
	}
	if w := r.Window; w != nil {
		switch {
		case len(w.By) == 0:
			wrong(r.Name, "a window needs by: what each is for a value of")
		case len(r.Key) > 0:
			wrong(r.Key[0], "a rule with a window has no key: by is it")
		case w.Span <= 0 || w.Threshold < 1:
			wrong(r.Name, "a window needs a span and a threshold of at least 1")
		case len(r.Verdicts) > 0:
			wrong(r.Name, "a rule with a window has no verdict to wait for: ask for it in when")
		}
		if w.Distinct.Text != "" {
			v, err := r.value(w.Distinct)
			if err != nil {
				all = append(all, err)
			}
			r.distinct = v
		}
	}
	if len(all) == 0 {
		if err := r.valid(); err != nil {
			all = append(all, r.Name.errorf("%v", err))
		}
	}
	return all
}

func (r *rule) valid() error {
	d := r.detector()
	return d.Validate()
}

// compileWhen compiles the condition: what asks for the content of messages
// for the shards, the rest for the engine.
func (r *rule) compileWhen() []error {
	whole, err := compile[bool](r.When)
	if err != nil {
		return []error{err}
	}
	r.verdict = whole.Uses("verdict")
	r.set.asked.uses |= whole.Used() &^ expression.Bodies
	var rest []expression.Part
	var texts []string
	for _, part := range expression.Parts(r.When.Text) {
		program, err := expression.Compile[Env, bool](part.Text)
		if err != nil {
			return []error{r.When.errorf("cannot be taken apart: %s: %v", part.Text, err)}
		}
		if program.Used()&expression.Bodies == 0 {
			rest = append(rest, part)
			texts = append(texts, "("+part.Text+")")
			if r.set.options.Trace {
				r.parts = append(r.parts, &tracedPart{text: part.Text, program: program})
			}
			continue
		}
		content, err := expression.Compile[expression.Exchange, bool](part.Text)
		if err != nil {
			return []error{r.When.errorf("%s: what asks for the content of messages must be joined to the rest by and, and know nothing of the endpoint: %v", part.Text, err)}
		}
		r.content = append(r.content, &contentPart{text: part.Text, program: content})
	}
	r.needs = needsOf(rest)
	for i := range rest {
		if c := conditionOf(&rest[i], subjectTexts, subjectNumbers); c != nil {
			r.onSubject = append(r.onSubject, c)
		}
		if c := conditionOf(&rest[i], passTexts, nil); c != nil {
			r.onPass = append(r.onPass, c)
		}
	}
	if len(rest) > 0 {
		if r.when, err = expression.Compile[Env, bool](strings.Join(texts, " && ")); err != nil {
			return []error{r.When.errorf("%v", err)}
		}
	}
	return nil
}

// compile compiles an expression of a rules file.
func compile[T bool | int | string](t Text) (*program[T], error) {
	p, err := expression.Compile[Env, T](t.Text)
	if err == nil {
		return p, nil
	}
	var its *expression.Error
	if errors.As(err, &its) {
		t.Line += its.Line - 1
		return nil, t.errorf("column %d of the expression: %s", its.Column, its.What)
	}
	return nil, t.errorf("%v", err)
}

// later compiles an expression that is asked when the content of messages is
// gone.
func later[T bool | int | string](r *rule, t Text) (*program[T], error) {
	p, err := compile[T](t)
	if err != nil {
		return nil, err
	}
	if p.Used()&expression.Bodies != 0 {
		return nil, t.errorf("the content of messages is there in when only")
	}
	r.verdict = r.verdict || p.Uses("verdict")
	r.set.asked.uses |= p.Used()
	return p, nil
}

// value compiles an expression that gives a text, a number or a truth.
func (r *rule) value(t Text) (*value, error) {
	text, err := later[string](r, t)
	if err == nil {
		return &value{text: text}, nil
	}
	if number, err := later[int](r, t); err == nil {
		return &value{number: number}, nil
	}
	if truth, err := later[bool](r, t); err == nil {
		return &value{truth: truth}, nil
	}
	return nil, err
}
