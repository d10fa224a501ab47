package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/spf13/pflag"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/store/trigger"
)

// Sources are the places that settings come from, the strongest first.
type Sources struct {
	// Flags are those of the command line; only the changed ones count.
	Flags *pflag.FlagSet
	// Environ looks up a variable of the environment, as os.LookupEnv does.
	Environ func(name string) (string, bool)
	// File is the path of the YAML file, "" for none.
	File string
	// Detectors are those whose options the file may set.
	Detectors []detect.Detector
}

// Load gives the settings in force.
func Load(from Sources) (Settings, error) {
	s := Defaults()
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	s.Flags(all, every)

	file, err := readFile(from.File, from.Detectors, func(name string) bool { return all.Lookup(name) != nil })
	if err != nil {
		return s, err
	}
	s.Detectors, s.Pins, s.Triggers = file.options, file.pins, file.triggers

	all.VisitAll(func(f *pflag.Flag) {
		if err != nil {
			return
		}
		if set := from.Flags.Lookup(f.Name); set != nil && set.Changed && isSetting(set) {
			err = assign(f, flagValues(set), "--"+f.Name)
			return
		}
		variable := "AUTHTAP_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if v, ok := from.Environ(variable); ok && v != "" {
			err = assign(f, []string{v}, variable)
			return
		}
		if v, ok := file.values[f.Name]; ok {
			err = assign(f, v.texts, fmt.Sprintf("%s:%d: %s", from.File, v.line, f.Name))
		}
	})
	if err != nil {
		return s, err
	}
	return s, s.check(from.Detectors)
}

func isSetting(f *pflag.Flag) bool {
	_, ok := f.Annotations[annotation]
	return ok
}

func assign(f *pflag.Flag, values []string, where string) error {
	for _, v := range values {
		if err := f.Value.Set(v); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
	}
	return nil
}

func flagValues(f *pflag.Flag) []string {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	return []string{f.Value.String()}
}

func (s *Settings) check(detectors []detect.Detector) error {
	exists := func(name string) bool {
		return slices.ContainsFunc(detectors, func(d detect.Detector) bool { return d.Name == name })
	}
	for _, name := range slices.Concat(s.Only, s.Disable) {
		if !exists(name) {
			return fmt.Errorf("there is no detector %q: authtap detectors lists them", name)
		}
	}
	switch scheme, rest, _ := strings.Cut(s.Store, ":"); {
	case s.Store == "none":
	case !slices.Contains([]string{"sqlite", "clickhouse", "clickhouses"}, scheme):
		return fmt.Errorf("store: there is no kind %q: it is sqlite:PATH, clickhouse://USER:PASSWORD@HOST:PORT/DATABASE, clickhouses:// the same with TLS, or none", scheme)
	case rest == "":
		return fmt.Errorf("store: %s: names no place", scheme)
	}
	switch {
	case s.Shards < 0 || s.Shards > 1024:
		return fmt.Errorf("shards: %d is not between 0 and 1024", s.Shards)
	case s.Rings < 0 || s.Rings > 64:
		return fmt.Errorf("rings: %d is not between 0 and 64", s.Rings)
	case s.NoDecap && len(s.DecapOnly) > 0:
		return errors.New("no-decap and decap-only exclude each other")
	case s.MaxFindings < 1:
		return fmt.Errorf("max-findings: %d is less than 1", s.MaxFindings)
	case s.SpoolMax < 1<<20:
		return fmt.Errorf("spool-max: %v is less than 1MiB", s.SpoolMax)
	case s.Memory != 0 && s.Memory < 64<<20:
		return fmt.Errorf("memory: %v is less than 64MiB", s.Memory)
	case s.SnapLen < 68 || s.SnapLen > 256<<10:
		return fmt.Errorf("snaplen: %d is not between 68 and 262144", s.SnapLen)
	}
	return nil
}

// contents is what a file sets.
type contents struct {
	values   map[string]value
	options  map[string]detect.Values
	pins     []detect.Pin
	triggers []trigger.Rule
}

type value struct {
	texts []string
	line  int
}

// readFile reads the YAML file at path.
func readFile(path string, detectors []detect.Detector, known func(string) bool) (contents, error) {
	c := contents{values: map[string]value{}, options: map[string]detect.Values{}}
	if path == "" {
		return c, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("cannot read the configuration: %w", err)
	}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			return c, fmt.Errorf("%s:%d: %s", path, syntax.GetToken().Position.Line, syntax.GetMessage())
		}
		return c, fmt.Errorf("%s: %w", path, err)
	}
	for _, doc := range tree.Docs {
		if doc.Body == nil {
			continue
		}
		err := mapping(doc.Body, func(name string, node ast.Node) error {
			switch {
			case name == "detectors":
				return c.detectors(node, detectors)
			case name == "endpoints":
				return c.endpoints(node)
			case name == "triggers":
				return c.readTriggers(node)
			case !known(name):
				return fmt.Errorf("unknown setting %q", name)
			}
			texts, err := c.setting(node)
			c.values[name] = value{texts, line(node)}
			return err
		})
		if err != nil {
			return c, fmt.Errorf("%s:%w", path, err)
		}
	}
	return c, nil
}

// setting reads one value, a list of them, or (of limits) a mapping.
func (c *contents) setting(node ast.Node) ([]string, error) {
	if _, ok := node.(*ast.MappingNode); ok {
		var pairs []string
		err := mapping(node, func(key string, n ast.Node) error {
			text, err := scalar(n)
			pairs = append(pairs, key+"="+text)
			return err
		})
		return pairs, err
	}
	return texts(node)
}

// detectors reads options: a mapping of detectors to mappings of options.
func (c *contents) detectors(node ast.Node, table []detect.Detector) error {
	return mapping(node, func(name string, node ast.Node) error {
		i := slices.IndexFunc(table, func(d detect.Detector) bool { return d.Name == name })
		if i < 0 {
			return fmt.Errorf("there is no detector %q: authtap detectors lists them", name)
		}
		c.options[name] = detect.Values{}
		return mapping(node, func(option string, node ast.Node) error {
			j := slices.IndexFunc(table[i].Options, func(o detect.Option) bool { return o.Name == option })
			if j < 0 {
				return fmt.Errorf("detector %s has no option %q: authtap explain %s lists them", name, option, name)
			}
			v, err := like(table[i].Options[j].Default, node)
			c.options[name][option] = v
			return err
		})
	})
}

// like reads a value of the same type as a default.
func like(def any, node ast.Node) (any, error) {
	if _, ok := def.([]string); ok {
		return texts(node)
	}
	text, err := scalar(node)
	if err != nil {
		return nil, err
	}
	switch def.(type) {
	case int:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q is not a whole number", text)
		}
		return n, nil
	case time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return nil, fmt.Errorf("%q is not a duration such as 90s, 10m or 24h", text)
		}
		return d, nil
	case bool:
		if text != "true" && text != "false" {
			return nil, fmt.Errorf("%q is neither true nor false", text)
		}
		return text == "true", nil
	}
	return text, nil
}

// located is an error that knows its line already.
type located struct{ error }

// mapping calls f for each pair of a mapping. An error of f gets the line of
// the pair.
func mapping(node ast.Node, f func(key string, value ast.Node) error) error {
	m, ok := node.(*ast.MappingNode)
	if !ok {
		return located{fmt.Errorf("%d: a mapping (name: value) is expected here", line(node))}
	}
	for _, pair := range m.Values {
		err := f(pair.Key.GetToken().Value, pair.Value)
		if _, ok := err.(located); ok || err == nil {
			if err != nil {
				return err
			}
			continue
		}
		return located{fmt.Errorf("%d: %w", line(pair.Key), err)}
	}
	return nil
}

// texts reads one value or a list of them.
func texts(node ast.Node) ([]string, error) {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		text, err := scalar(node)
		return []string{text}, err
	}
	var all []string
	for _, n := range list.Values {
		text, err := scalar(n)
		if err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, nil
}

// scalar reads one value as it is written. Anchors and aliases, which make a
// file mean more than it shows, are not taken.
func scalar(node ast.Node) (string, error) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, nil
	}
	return "", errors.New("a single value is expected here")
}

func line(n ast.Node) int { return n.GetToken().Position.Line }
