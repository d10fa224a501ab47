package custom

import (
	"slices"
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/expression"
)

// Most exchanges are none of a rule's business, and its expression shows it:
// where it asks that the method be POST, nothing is done for a GET. A condition
// is such a part of it in Go: what does not meet it does not meet the
// expression. One on a subject can be asked by the shards, too.
type condition[S any] func(S) bool

// The members of the environment that cost nothing to look at.
var (
	subjectTexts = map[string]func(*expression.Subject) string{
		"method":    func(s *expression.Subject) string { return s.Exchange.Request.Method },
		"host":      func(s *expression.Subject) string { return s.Host },
		"path":      func(s *expression.Subject) string { return s.Path },
		"operation": func(s *expression.Subject) string { return s.Operation },
		"principal": func(s *expression.Subject) string { return s.Principal },
		"login.form": func(s *expression.Subject) string {
			if s.Found.Login == nil {
				return ""
			}
			return s.Found.Login.Form
		},
	}
	subjectNumbers = map[string]func(*expression.Subject) int{
		"status": func(s *expression.Subject) int { return expression.StatusOf(s.Exchange) },
		"port":   func(s *expression.Subject) int { return int(s.Exchange.Server.Port()) },
	}
	passTexts = map[string]func(*detect.Pass) string{
		"template":      (*detect.Pass).Template,
		"outcome":       func(p *detect.Pass) string { return p.Outcome().String() },
		"login_outcome": loginOutcome,
	}
)

// conditionOf gives a part of an expression in Go, nil where that cannot be.
func conditionOf[S any](part *expression.Part, texts map[string]func(S) string, numbers map[string]func(S) int) condition[S] {
	if text, ok := texts[part.Field]; ok {
		return textCondition(part, text)
	}
	if number, ok := numbers[part.Field]; ok {
		return numberCondition(part, number)
	}
	return nil
}

func textCondition[S any](part *expression.Part, text func(S) string) condition[S] {
	want, ok := constants[string](part.Values)
	if !ok {
		return nil
	}
	switch part.Operator {
	case "==":
		return func(s S) bool { return text(s) == want[0] }
	case "!=":
		return func(s S) bool { return text(s) != want[0] }
	case "in":
		return func(s S) bool { return slices.Contains(want, text(s)) }
	case "startsWith":
		return func(s S) bool { return strings.HasPrefix(text(s), want[0]) }
	case "endsWith":
		return func(s S) bool { return strings.HasSuffix(text(s), want[0]) }
	case "contains":
		return func(s S) bool { return strings.Contains(text(s), want[0]) }
	}
	return nil
}

func numberCondition[S any](part *expression.Part, number func(S) int) condition[S] {
	want, ok := constants[int](part.Values)
	if !ok {
		return nil
	}
	switch part.Operator {
	case "==":
		return func(s S) bool { return number(s) == want[0] }
	case "!=":
		return func(s S) bool { return number(s) != want[0] }
	case "in":
		return func(s S) bool { return slices.Contains(want, number(s)) }
	case "<":
		return func(s S) bool { return number(s) < want[0] }
	case "<=":
		return func(s S) bool { return number(s) <= want[0] }
	case ">":
		return func(s S) bool { return number(s) > want[0] }
	case ">=":
		return func(s S) bool { return number(s) >= want[0] }
	}
	return nil
}

func constants[T string | int](values []any) (out []T, ok bool) {
	for _, v := range values {
		t, ok := v.(T)
		if !ok {
			return nil, false
		}
		out = append(out, t)
	}
	return out, len(out) > 0
}

// needsOf gives the property that an exchange must have for the parts to hold,
// the rarest of those that they show.
func needsOf(parts []expression.Part) detect.Needs {
	needs := detect.EveryExchange
	for _, n := range []struct {
		need detect.Needs
		of   func(field string) bool
	}{
		{detect.Presented, func(f string) bool { return f == "presented" }},
		{detect.Issued, func(f string) bool { return f == "issued" }},
		{detect.LoginAttempt, func(f string) bool { return f == "login_outcome" || strings.HasPrefix(f, "login.") }},
	} {
		if slices.ContainsFunc(parts, func(p expression.Part) bool { return n.of(p.Field) && something(&p) }) {
			needs = n.need
		}
	}
	return needs
}

// something reports whether a part does not hold for what is empty, zero or
// false.
func something(p *expression.Part) bool {
	empty := func(v any) bool { return v == "" || v == 0 }
	switch p.Operator {
	case "true", "any":
		return true
	case "==", "in", "startsWith", "endsWith", "contains":
		return !slices.ContainsFunc(p.Values, empty)
	case "!=":
		return empty(p.Values[0])
	case ">":
		n, ok := p.Values[0].(int)
		return ok && n >= 0
	case ">=":
		n, ok := p.Values[0].(int)
		return ok && n > 0
	}
	return false
}
