package config

import (
	"cmp"
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
	"github.com/authtap/authtap/detect/custom"
	"github.com/authtap/authtap/store/clickhouse"
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
	s.Detectors, s.Overrides, s.Pins, s.Suppress, s.Triggers = file.options, file.overrides, file.pins, file.suppress, file.triggers

	places := map[string]string{} // where a setting was set, in words
	all.VisitAll(func(f *pflag.Flag) {
		if err != nil {
			return
		}
		variable := "AUTHTAP_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		var place string
		var texts []string
		if set := from.Flags.Lookup(f.Name); set != nil && set.Changed && isSetting(set) {
			place, texts = "--"+f.Name, flagValues(set)
		} else if v, ok := from.Environ(variable); ok && v != "" {
			place, texts = variable, []string{v}
		} else if v, ok := file.values[f.Name]; ok {
			place, texts = fmt.Sprintf("%s:%d: %s", from.File, v.line, f.Name), v.texts
			if len(texts) > 1 && !several(f.Value) {
				err = fmt.Errorf("%s: a single value is expected here", place)
				return
			}
		}
		places[f.Name] = place
		err = assign(f, texts, place)
	})
	if err != nil {
		return s, err
	}
	s.Disable = append(s.Disable, file.off...)
	for _, path := range s.Rules {
		rules, err := ReadRules(path)
		if err != nil {
			return s, err
		}
		s.Custom = append(s.Custom, rules.Rules...)
		s.Suppress = append(s.Suppress, rules.Suppress...)
	}
	err = s.check(from.Detectors)
	if m, ok := errors.AsType[misfit](err); ok {
		err = fmt.Errorf("%s: %w", cmp.Or(places[m.setting], m.setting), m.error)
	}
	return s, err
}

// misfit is a mistake in a setting, to be told with its place.
type misfit struct {
	error
	setting string
}

func isSetting(f *pflag.Flag) bool {
	_, ok := f.Annotations[annotation]
	return ok
}

func assign(f *pflag.Flag, values []string, where string) error {
	for _, v := range values {
		if err := f.Value.Set(v); err != nil {
			return fmt.Errorf("%s: %w", where, InWords(err))
		}
	}
	return nil
}

// InWords gives an error of reading a value as the other mistakes are told.
func InWords(err error) error {
	n, ok := errors.AsType[*strconv.NumError](err)
	switch {
	case !ok:
		return err
	case n.Func == "ParseBool":
		return fmt.Errorf("%q is neither true nor false", n.Num)
	}
	return fmt.Errorf("%q is not a whole number", n.Num)
}

// several reports whether a setting may have more than one value.
func several(v pflag.Value) bool {
	switch v.(type) {
	case pflag.SliceValue, *Limits, *Days, *Prefixes, *ServiceCredentials, *Hosts, *Tunnels, *TunnelPorts:
		return true
	}
	return false
}

func flagValues(f *pflag.Flag) []string {
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return list.GetSlice()
	}
	return []string{f.Value.String()}
}

func (s *Settings) check(detectors []detect.Detector) error {
	builtIn := func(name string) bool {
		return slices.ContainsFunc(detectors, func(d detect.Detector) bool { return d.Name == name })
	}
	if _, err := custom.Compile(s.Custom, custom.Options{Taken: builtIn}); err != nil {
		return err
	}
	exists := func(name string) bool {
		return builtIn(name) || slices.ContainsFunc(s.Custom, func(r custom.Rule) bool { return r.Name.Text == name })
	}
	for i := range s.Triggers {
		for _, name := range s.Triggers[i].On.Detectors {
			if !exists(name) {
				return fmt.Errorf("trigger %s: there is no detector %q: authtap detectors lists them", s.Triggers[i].Name, name)
			}
		}
	}
	wrong := func(setting, format string, values ...any) error {
		return misfit{fmt.Errorf(format, values...), setting}
	}
	for _, x := range []struct {
		setting string
		names   []string
	}{{"only", s.Only}, {"disable", s.Disable}} {
		for _, name := range x.names {
			if !exists(name) {
				return wrong(x.setting, "there is no detector %q: authtap detectors lists them", name)
			}
		}
	}
	for i := range s.Suppress {
		if name := s.Suppress[i].Detector; name != "" && !exists(name) {
			return fmt.Errorf("%s: there is no detector %q: authtap detectors lists them", s.Suppress[i].Where, name)
		}
	}
	switch scheme, rest, _ := strings.Cut(s.Store, ":"); {
	case s.Store == "none":
	case !slices.Contains([]string{"sqlite", "clickhouse", "clickhouses"}, scheme):
		return wrong("store", "there is no kind %q: it is sqlite:PATH, clickhouse://USER:PASSWORD@HOST:PORT/DATABASE, clickhouses:// the same with TLS, or none", scheme)
	case rest == "":
		return wrong("store", "%s: names no place", scheme)
	case scheme != "sqlite":
		if err := clickhouse.CheckAddress(s.Store); err != nil {
			return wrong("store", "%w", err)
		}
	}
	switch {
	case s.Shards < 0 || s.Shards > 1024:
		return wrong("shards", "%d is not between 0 and 1024", s.Shards)
	case s.Rings < 0 || s.Rings > 64:
		return wrong("rings", "%d is not between 0 and 64", s.Rings)
	case s.NoDecap && len(s.DecapOnly) > 0:
		return wrong("no-decap", "it and decap-only exclude each other")
	case s.MaxFindings < 1:
		return wrong("max-findings", "%d is less than 1", s.MaxFindings)
	case s.SpoolMax < 1<<20:
		return wrong("spool-max", "%v is less than 1MiB", s.SpoolMax)
	case s.Memory != 0 && s.Memory < 64<<20:
		return wrong("memory", "%v is less than 64MiB", s.Memory)
	case s.SnapLen < 68 || s.SnapLen > 256<<10:
		return wrong("snaplen", "%d is not between 68 and 262144", s.SnapLen)
	}
	return nil
}

// contents is what a file sets.
type contents struct {
	values  map[string]value
	options map[string]detect.Values
	// overrides of options, and the detectors that are off.
	overrides map[string][]detect.Override
	off       []string
	pins      []detect.Pin
	suppress  []detect.Suppression
	triggers  []trigger.Rule
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
	return c, eachMember(path, "the configuration", func(name string, node ast.Node) (err error) {
		switch {
		case name == "detectors":
			return c.detectors(node, detectors)
		case name == "endpoints":
			return c.endpoints(node)
		case name == "suppress":
			c.suppress, err = suppressions(path, node)
			return err
		case name == "triggers":
			return c.readTriggers(node)
		case !known(name):
			return fmt.Errorf("unknown setting %q", name)
		}
		texts, err := c.setting(node)
		c.values[name] = value{texts, line(node)}
		return err
	})
}

// eachMember calls f for each member of the YAML file at path. Errors name the
// place.
func eachMember(path, what string, f func(name string, node ast.Node) error) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", what, err)
	}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			return fmt.Errorf("%s:%d: %s", path, syntax.GetToken().Position.Line, syntax.GetMessage())
		}
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, doc := range tree.Docs {
		if doc.Body == nil {
			continue
		}
		if err := mapping(doc.Body, f); err != nil {
			return fmt.Errorf("%s:%w", path, err)
		}
	}
	return nil
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
			switch option {
			case "enabled":
				on, err := boolean(node)
				if !on {
					c.off = append(c.off, name)
				}
				return err
			case "overrides":
				return each(node, "overrides (- host: …)", func(node ast.Node) error {
					o, err := override(&table[i], node)
					if c.overrides == nil {
						c.overrides = map[string][]detect.Override{}
					}
					c.overrides[name] = append(c.overrides[name], o)
					return err
				})
			}
			return setOption(&table[i], c.options[name], option, node)
		})
	})
}

// setOption reads one option of a detector.
func setOption(d *detect.Detector, into detect.Values, name string, node ast.Node) error {
	j := slices.IndexFunc(d.Options, func(o detect.Option) bool { return o.Name == name })
	if j < 0 {
		return fmt.Errorf("detector %s has no option %q: authtap explain %s lists them", d.Name, name, d.Name)
	}
	v, err := like(d.Options[j].Default, node)
	into[name] = v
	return err
}

// override reads options for a place.
func override(d *detect.Detector, node ast.Node) (detect.Override, error) {
	o := detect.Override{Values: detect.Values{}}
	err := mapping(node, func(name string, node ast.Node) (err error) {
		switch name {
		case "host", "endpoint":
			return place(&o.Place, name, node)
		case "enabled":
			on, err := boolean(node)
			if o.Switch = detect.Off; on {
				o.Switch = detect.On
			}
			return err
		}
		return setOption(d, o.Values, name, node)
	})
	switch {
	case err != nil:
		return o, err
	case o.Place == detect.Place{}:
		return o, located{fmt.Errorf("%d: an override needs a host or an endpoint", line(node))}
	case o.Switch == detect.Unchanged && len(o.Values) == 0:
		return o, located{fmt.Errorf("%d: nothing is said of %s", line(node), o.Place.String())}
	}
	return o, nil
}

// place reads the host or the endpoint of a place.
func place(p *detect.Place, name string, node ast.Node) error {
	text, err := scalar(node)
	if err != nil {
		return err
	}
	if name == "host" {
		if name := strings.TrimPrefix(text, "*."); name == "" || strings.ContainsAny(name, "/*@ ") || strings.HasSuffix(name, ":80") || strings.HasSuffix(name, ":443") {
			return fmt.Errorf("%q is not a host such as api.example.com, api.example.com:8080 or *.example.com", text)
		}
		p.Host = strings.ToLower(text)
		return nil
	}
	verb, path, ok := strings.Cut(text, " ")
	if !ok {
		verb, path = "GET", text
	}
	if verb == "" || strings.ToUpper(verb) != verb || !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " ?#") || strings.Contains(strings.TrimSuffix(path, "*"), "*") {
		return fmt.Errorf("%q is not an endpoint such as POST /login, /users/{id} or GET /admin/*", text)
	}
	p.Endpoint = text
	return nil
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
		return boolean(node)
	}
	return text, nil
}

func boolean(node ast.Node) (bool, error) {
	text, err := scalar(node)
	if err == nil && text != "true" && text != "false" {
		err = fmt.Errorf("%q is neither true nor false", text)
	}
	return text == "true", err
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

// each calls f for each of a list.
func each(node ast.Node, what string, f func(ast.Node) error) error {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		return located{fmt.Errorf("%d: a list of %s is expected here", line(node), what)}
	}
	for _, n := range list.Values {
		if err := f(n); err != nil {
			if _, ok := err.(located); !ok {
				err = located{fmt.Errorf("%d: %w", line(n), err)}
			}
			return err
		}
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
