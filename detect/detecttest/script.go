package detecttest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/authtap/authtap/detect"
)

// Case is one dialogue of a script and the findings that it is to give.
type Case struct {
	// Kind is "positive", "nearmiss" or "damaged".
	Kind, Name string
	// Settings replace options of the detector.
	Settings map[string]string
	Dialogue string
	// OpenAPI is the document that describes the API, "" for none.
	OpenAPI string
	// Want are the lines, without those that are empty; All says that the
	// findings of all detectors are compared.
	Want []string
	All  bool

	want int // index of the section in the archive
}

// Parse reads a script.
func Parse(data []byte) ([]Case, *txtar.Archive, error) {
	archive := txtar.Parse(data)
	var cases []Case
	common, document := "", ""
	for i, f := range archive.Files {
		words := strings.Fields(f.Name)
		switch {
		case f.Name == "openapi" && len(cases) == 0:
			document = string(f.Data)
			continue
		case f.Name == "common" && len(cases) == 0:
			common = string(f.Data)
			continue
		case f.Name == "want":
			if len(cases) == 0 || cases[len(cases)-1].want != 0 {
				return nil, nil, fmt.Errorf("a section want without a dialogue before it")
			}
			c := &cases[len(cases)-1]
			c.want = i
			for line := range strings.Lines(string(f.Data)) {
				switch line = strings.TrimSpace(line); line {
				case "":
				case "all":
					c.All = true
				default:
					c.Want = append(c.Want, line)
				}
			}
			continue
		case len(cases) > 0 && cases[len(cases)-1].want == 0:
			return nil, nil, fmt.Errorf("%s: no section want behind it", cases[len(cases)-1].Name)
		case len(words) < 2 || words[0] != "positive" && words[0] != "nearmiss" && words[0] != "damaged":
			return nil, nil, fmt.Errorf("section %q: want positive, nearmiss or damaged, and a name", f.Name)
		}
		c := Case{Kind: words[0], Settings: map[string]string{}, Dialogue: common + string(f.Data), OpenAPI: document}
		var name []string
		for _, w := range words[1:] {
			if option, value, ok := strings.Cut(w, "="); ok {
				c.Settings[option] = value
			} else {
				name = append(name, w)
			}
		}
		c.Name = strings.Join(name, " ")
		for _, o := range cases {
			if o.Name == c.Name {
				return nil, nil, fmt.Errorf("two cases %q", c.Name)
			}
		}
		cases = append(cases, c)
	}
	if len(cases) == 0 || cases[len(cases)-1].want == 0 {
		return nil, nil, fmt.Errorf("the last dialogue has no section want, or there is none")
	}
	return cases, archive, nil
}

// settings gives the case's options the types that the detector's have.
func (c *Case) settings(d *detect.Detector) (map[string]detect.Values, error) {
	values := detect.Values{}
	for _, o := range d.Options {
		text, ok := c.Settings[o.Name]
		if !ok {
			continue
		}
		delete(c.Settings, o.Name)
		var err error
		switch o.Default.(type) {
		case int:
			values[o.Name], err = strconv.Atoi(text)
		case bool:
			values[o.Name], err = strconv.ParseBool(text)
		case time.Duration:
			values[o.Name], err = time.ParseDuration(text)
		case string:
			values[o.Name] = text
		case []string:
			values[o.Name] = strings.Split(text, ",")
		}
		if err != nil {
			return nil, err
		}
	}
	for name := range c.Settings {
		return nil, fmt.Errorf("%s has no option %s", d.Name, name)
	}
	return map[string]detect.Values{d.Name: values}, nil
}

// facts are what a line of want may say of a finding.
func facts(f *detect.Finding) map[string]string {
	m := map[string]string{
		"count": strconv.FormatUint(f.Count, 10), "key": f.DedupeKey, "title": f.Title,
		"confidence": f.Confidence.String(), "host": f.Host, "method": f.Method, "path": f.Path,
		"status": strconv.Itoa(f.Status), "principal": f.Principal,
		"first": f.FirstSeen.String(), "last": f.LastSeen.String(), "client": "", "credential": "",
	}
	if f.Client != nil {
		m["client"] = f.Client.IP.String()
	}
	if f.Credential != nil {
		m["credential"] = f.Credential.Place
	}
	for _, e := range f.Evidence {
		if _, taken := m[e.Name]; !taken {
			m[e.Name] = e.Value.String()
		}
	}
	return m
}

// line gives a finding as a line of want, with those of its facts that are
// named.
func line(f *detect.Finding, names []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", f.Detector, f.Severity, f.Verdict)
	m := facts(f)
	for _, n := range names {
		v, ok := m[n]
		if !ok {
			v = "(none)"
		}
		if v == "" || strings.ContainsAny(v, " \"\t\n=") {
			v = strconv.Quote(v)
		}
		fmt.Fprintf(&b, " %s=%s", n, v)
	}
	return b.String()
}

// names gives the facts that a line of want names, in its order.
func names(want string) []string {
	var out []string
	quoted, start := false, 0
	for i := 0; i < len(want); i++ {
		switch c := want[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == ' ' && !quoted:
			start = i + 1
		case c == '=' && !quoted:
			out = append(out, want[start:i])
		}
	}
	return out
}
