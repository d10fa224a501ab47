package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/store/trigger"
)

// fields says what is done with each value of a mapping.
type fields map[string]func(ast.Node) error

// read reads a mapping; what is the name of no field is a mistake.
func (f fields) read(node ast.Node, what string) error {
	return mapping(node, func(name string, node ast.Node) error {
		set, ok := f[name]
		if !ok {
			return fmt.Errorf("%s: there is no %q", what, name)
		}
		return set(node)
	})
}

// text, list, number, duration and truth take a value of their kind.
func text(to *string) func(ast.Node) error {
	return func(n ast.Node) (err error) { *to, err = scalar(n); return err }
}

func list(to *[]string) func(ast.Node) error {
	return func(n ast.Node) (err error) { *to, err = texts(n); return err }
}

func number[N int | uint64](to *N) func(ast.Node) error {
	return func(n ast.Node) error {
		text, err := scalar(n)
		if err != nil {
			return err
		}
		v, err := strconv.ParseUint(text, 10, 31)
		if err != nil || v == 0 {
			return fmt.Errorf("%q is not a whole number of at least 1", text)
		}
		*to = N(v)
		return nil
	}
}

func duration(to *time.Duration) func(ast.Node) error {
	return func(n ast.Node) error {
		text, err := scalar(n)
		if err != nil {
			return err
		}
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return fmt.Errorf("%q is not a duration such as 90s, 10m or 24h", text)
		}
		*to = d
		return nil
	}
}

func truth(to *bool) func(ast.Node) error {
	return func(n ast.Node) error {
		v, err := like(false, n)
		if err == nil {
			*to = v.(bool)
		}
		return err
	}
}

// triggers reads a list of rules.
func (c *contents) readTriggers(node ast.Node) error {
	seq, ok := node.(*ast.SequenceNode)
	if !ok {
		return fmt.Errorf("a list is expected here")
	}
	for _, n := range seq.Values {
		r, err := readTrigger(n)
		if err == nil {
			err = trigger.Check(append(slices.Clone(c.triggers), r))
		}
		if _, ok := err.(located); err != nil && !ok {
			return located{fmt.Errorf("%d: %w", line(n), err)}
		} else if err != nil {
			return err
		}
		c.triggers = append(c.triggers, r)
	}
	return nil
}

func readTrigger(node ast.Node) (trigger.Rule, error) {
	r := trigger.Rule{Per: trigger.PerAttack, Cooldown: 10 * time.Minute}
	var actions int
	err := fields{
		"name":     text(&r.Name),
		"cooldown": duration(&r.Cooldown),
		"per": func(n ast.Node) error {
			text, err := scalar(n)
			if err == nil && !slices.Contains(trigger.Pers, trigger.Per(text)) {
				err = fmt.Errorf("%q is none of %s", text, joined(trigger.Pers))
			}
			r.Per = trigger.Per(text)
			return err
		},
		"on": func(n ast.Node) error { return readMatch(n, &r.On) },
		"webhook": func(n ast.Node) error {
			actions++
			r.Webhook = new(trigger.Webhook)
			w := r.Webhook
			return fields{"url": text(&w.URL), "secret-file": text(&w.SecretFile), "timeout": duration(&w.Timeout), "attempts": number(&w.Attempts)}.read(n, "webhook")
		},
		"exec": func(n ast.Node) error {
			actions++
			r.Exec = new(trigger.Exec)
			return fields{"command": list(&r.Exec.Command), "timeout": duration(&r.Exec.Timeout)}.read(n, "exec")
		},
		"block": func(n ast.Node) error {
			actions++
			r.Block = new(trigger.Block)
			b := r.Block
			return fields{
				"file": text(&b.File), "nftables": text(&b.NFTables), "table": text(&b.Table), "for": duration(&b.For),
				"most": number(&b.Most), "private": truth(&b.Private),
				"allow": func(n ast.Node) error {
					all, err := texts(n)
					var networks Prefixes
					for _, t := range all {
						if err == nil {
							err = networks.Set(t)
						}
					}
					b.Allow = networks
					return err
				},
			}.read(n, "block")
		},
	}.read(node, "trigger")
	switch {
	case err != nil:
	case r.Name == "":
		err = fmt.Errorf("a trigger has no name")
	case actions != 1:
		err = fmt.Errorf("trigger %s: one of webhook, exec and block is expected", r.Name)
	}
	return r, err
}

func readMatch(node ast.Node, m *trigger.Match) error {
	return fields{
		"severity": func(n ast.Node) error {
			text, err := scalar(n)
			if err == nil {
				m.Severity, err = detect.ParseSeverity(text)
			}
			return err
		},
		"verdict": func(n ast.Node) error {
			all, err := texts(n)
			if err != nil {
				return err
			}
			for _, t := range all {
				v, ok := endpoint.ParseVerdict(t)
				if !ok {
					return fmt.Errorf("unknown verdict %q", t)
				}
				m.Verdicts = append(m.Verdicts, v)
			}
			return nil
		},
		"detector": list(&m.Detectors), "host": list(&m.Hosts), "count": number(&m.Count),
	}.read(node, "on")
}

// DescribeTrigger tells what a trigger does, on one line; not a webhook's URL,
// which may hold a secret.
func DescribeTrigger(r *trigger.Rule) string {
	what := "block list " + cmp.Or(r.Block, new(trigger.Block)).File
	switch {
	case r.Webhook != nil:
		what = "webhook"
	case r.Exec != nil:
		what = "exec " + strings.Join(r.Exec.Command, " ")
	}
	return fmt.Sprintf("%s\t%s, one in %v for each %s", r.Name, what, r.Cooldown, r.Per)
}

func joined[T ~string](all []T) string {
	var texts []string
	for _, t := range all {
		texts = append(texts, string(t))
	}
	return strings.Join(texts, ", ")
}
