package config

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/custom"
	"github.com/authtap/authtap/detect/endpoint"
)

// Rules is what a file of rules holds.
type Rules struct {
	Rules    []custom.Rule
	Suppress []detect.Suppression
}

// ReadRules reads a file of rules. Their expressions are not compiled.
func ReadRules(path string) (r Rules, err error) {
	return r, eachMember(path, "the rules", func(name string, node ast.Node) (err error) {
		switch name {
		case "rules":
			return each(node, "rules (- name: …)", func(n ast.Node) error {
				rule, err := rule(path, n)
				r.Rules = append(r.Rules, rule)
				return err
			})
		case "suppress":
			r.Suppress, err = suppressions(path, node)
			return err
		}
		return fmt.Errorf("a file of rules has no %q: it has rules and suppress", name)
	})
}

// rule reads one rule.
func rule(path string, node ast.Node) (custom.Rule, error) {
	var r custom.Rule
	err := mapping(node, func(name string, n ast.Node) (err error) {
		switch name {
		case "name":
			r.Name, err = placed(path, n)
		case "title":
			r.Title, err = scalar(n)
		case "doc":
			r.Doc, err = scalar(n)
		case "severity":
			r.Severity, err = named(n, detect.ParseSeverity)
		case "confidence":
			r.Confidence, err = named(n, detect.ParseConfidence)
		case "references":
			r.References, err = placedList(path, n)
		case "when":
			r.When, err = placed(path, n)
		case "attempt":
			r.Attempt, err = boolean(n)
		case "forged":
			r.Forged, err = boolean(n)
		case "credential":
			r.Credential, err = placedList(path, n)
		case "verdict":
			r.Verdicts, err = verdicts(n)
		case "key":
			r.Key, err = placedList(path, n)
		case "evidence":
			err = mapping(n, func(name string, n ast.Node) error {
				t, err := placed(path, n)
				r.Evidence = append(r.Evidence, custom.Named{Name: name, Text: t})
				return err
			})
		case "window":
			r.Window, err = window(path, n)
		default:
			return fmt.Errorf("a rule has no %q: it has name, title, severity, confidence, doc, references, when, attempt, forged, credential, verdict, key, evidence and window", name)
		}
		return err
	})
	if err == nil && (r.Name.Text == "" || r.When.Text == "") {
		err = located{fmt.Errorf("%d: a rule needs a name and when", line(node))}
	}
	return r, err
}

func window(path string, node ast.Node) (*custom.Window, error) {
	var w custom.Window
	return &w, mapping(node, func(name string, n ast.Node) (err error) {
		switch name {
		case "span":
			v, err := like(time.Duration(0), n)
			if err == nil {
				w.Span = v.(time.Duration)
			}
			return err
		case "by":
			w.By, err = placedList(path, n)
		case "distinct":
			w.Distinct, err = placed(path, n)
		case "threshold":
			var s string
			if s, err = scalar(n); err == nil {
				if w.Threshold, err = strconv.Atoi(s); err != nil {
					err = fmt.Errorf("%q is not a whole number", s)
				}
			}
		default:
			return fmt.Errorf("a window has no %q: it has span, by, distinct and threshold", name)
		}
		return err
	})
}

// suppressions reads a list of suppressions.
func suppressions(path string, node ast.Node) (list []detect.Suppression, err error) {
	return list, each(node, "suppressions (- detector: …)", func(n ast.Node) error {
		s := detect.Suppression{Where: fmt.Sprintf("%s:%d", path, line(n))}
		said := false
		err := mapping(n, func(name string, n ast.Node) (err error) {
			switch name {
			case "reason":
				s.Reason, err = scalar(n)
				return err
			case "until":
				s.Until, err = endOf(n)
				return err
			case "detector":
				s.Detector, err = scalar(n)
			case "host", "endpoint":
				err = place(&s.Place, name, n)
			case "client":
				var text string
				if text, err = scalar(n); err == nil {
					var one Prefixes
					if err = one.Set(text); err == nil && len(one) == 1 {
						s.Client = one[0]
					} else if err == nil {
						err = errors.New("a suppression has one client or network")
					}
				}
			case "principal":
				s.Principal, err = scalar(n)
			case "key":
				s.Key, err = scalar(n)
			default:
				return fmt.Errorf("a suppression has no %q: it has detector, host, endpoint, client, principal, key, reason and until", name)
			}
			said = true
			return err
		})
		switch {
		case err != nil:
			return err
		case !said:
			return errors.New("a suppression of everything: say of what, by detector, host, endpoint, client, principal or key")
		case s.Reason == "":
			return errors.New("a suppression needs a reason")
		}
		list = append(list, s)
		return nil
	})
}

// endOf reads a date and gives the end of that day, UTC.
func endOf(n ast.Node) (capture.Time, error) {
	text, err := scalar(n)
	if err != nil {
		return 0, err
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a date such as 2026-12-31", text)
	}
	return capture.TimeOf(day.AddDate(0, 0, 1)), nil
}

func verdicts(n ast.Node) (list []detect.Verdict, err error) {
	names, err := texts(n)
	for _, name := range names {
		v, ok := endpoint.ParseVerdict(name)
		if !ok || v == detect.Observed {
			return nil, fmt.Errorf("unknown verdict %q: it is one of accepted, likely_accepted, rejected, unknown", name)
		}
		list = append(list, v)
	}
	return list, err
}

func named[T any](n ast.Node, parse func(string) (T, error)) (T, error) {
	text, err := scalar(n)
	if err != nil {
		var zero T
		return zero, err
	}
	return parse(text)
}

// placed reads one text and where it begins.
func placed(path string, n ast.Node) (custom.Text, error) {
	s, err := scalar(n)
	return custom.Text{Text: s, File: path, Line: textLine(n)}, err
}

func placedList(path string, node ast.Node) (list []custom.Text, err error) {
	nodes := []ast.Node{node}
	if seq, ok := node.(*ast.SequenceNode); ok {
		nodes = seq.Values
	}
	for _, n := range nodes {
		t, err := placed(path, n)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

// textLine gives the line on which a text begins.
func textLine(n ast.Node) int {
	if _, block := n.(*ast.LiteralNode); block {
		return line(n) + 1 // its text begins below the sign
	}
	return line(n)
}
