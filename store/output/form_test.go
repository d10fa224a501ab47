package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/rules"
	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/storetest"
)

// fields is what may stand in a form of findings: a table of testdata.
type fields map[string]field // by path

type field struct {
	kind     string
	required bool     // where its parent is there
	one      []string // of these; any, when empty
}

func readFields(t *testing.T, name string) fields {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".fields")
	if err != nil {
		t.Fatal(err)
	}
	all := fields{}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#" {
			continue
		}
		x := field{kind: f[1]}
		if len(f) > 2 {
			x.required, x.one = f[2] == "required", f[3:]
		}
		if _, ok := all[f[0]]; ok {
			t.Fatalf("%s: %s is there twice", name, f[0])
		}
		all[f[0]] = x
	}
	return all
}

// check says what of a value is not as the table says.
func (t fields) check(v any) (wrong []string) {
	used := map[string]int{} // how often there is an object, or a value, at a path
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			used[path]++
			if len(v) == 0 {
				wrong = append(wrong, path+" is empty")
			}
			for name, x := range v {
				below := strings.TrimPrefix(path+"."+name, ".")
				_, array := x.([]any)
				if free := strings.TrimPrefix(path+".*", "."); !t.knows(below, array) && t.knows(free, array) {
					below = free
				}
				walk(below, x)
			}
		case []any:
			if len(v) == 0 && path != "runs[].results" {
				wrong = append(wrong, path+" is empty")
			}
			for i, x := range v {
				if _, object := x.(map[string]any); !object && i > 0 {
					used[path+"[]"]--
				}
				walk(path+"[]", x)
			}
		default:
			used[path]++
			f, ok := t[path]
			switch {
			case !ok:
				wrong = append(wrong, path+" is not known")
			case !f.holds(v):
				wrong = append(wrong, fmt.Sprintf("%s: %v (%T) is no %s", path, v, v, f.kind))
			case len(f.one) > 0 && !slices.Contains(f.one, fmt.Sprint(v)):
				wrong = append(wrong, fmt.Sprintf("%s: %v is none of %v", path, v, f.one))
			}
		}
	}
	walk("", v)
	for path, f := range t {
		parent := ""
		if i := strings.LastIndexByte(path, '.'); i >= 0 {
			parent = path[:i]
		}
		if f.required && used[path] < used[parent] {
			wrong = append(wrong, fmt.Sprintf("%s is there %d times, what it is required in %d times", path, used[path], used[parent]))
		}
	}
	return wrong
}

// knows reports whether the table has a path, or one below it.
func (t fields) knows(path string, array bool) bool {
	if array {
		path += "[]"
	}
	for p := range t {
		if p == path || strings.HasPrefix(p, path+".") || strings.HasPrefix(p, path+"[]") {
			return true
		}
	}
	return false
}

func (f field) holds(v any) bool {
	text, isText := v.(string)
	number, isNumber := v.(json.Number)
	n, notWhole := number.Int64()
	whole := isNumber && notWhole == nil
	switch f.kind {
	case "text", "keyword":
		return isText && text != ""
	case "date":
		_, err := time.Parse("2006-01-02T15:04:05.000000Z", text)
		return err == nil
	case "eve-time":
		_, err := time.Parse("2006-01-02T15:04:05.000000-0700", text)
		return err == nil && !strings.HasSuffix(text, "Z")
	case "timestamp": // in milliseconds
		return whole && n > 1e12 && n < 1e13
	case "ip":
		_, err := netip.ParseAddr(text)
		return err == nil
	case "uri":
		_, err := url.Parse(text)
		return isText && text != "" && err == nil
	case "port":
		return whole && n > 0 && n < 1<<16
	case "integer":
		return whole && n > 0 && n < 1<<31
	case "long":
		return whole && n >= 0
	case "index":
		return whole && n >= 0
	case "boolean":
		_, ok := v.(bool)
		return ok
	}
	panic("there is no type " + f.kind)
}

func decoded(t testing.TB, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return v
}

// some are findings of all kinds, techniques among the references.
func some() []detect.Finding {
	all := samples()
	all[20].References = []string{"CWE-307", "T1110.001", "T1078"}
	live := storetest.Finding(1)
	live.Host, live.Capture.File = "[2001:db8::1]:8443", "a b/100%:#?\xff.pcap"
	return append(all, live, suppressed())
}

var forms = map[string]func(*bytes.Buffer) store.Sink{
	"ecs":  func(b *bytes.Buffer) store.Sink { return NewECS(b, "1.2.3") },
	"ocsf": func(b *bytes.Buffer) store.Sink { return NewOCSF(b, "1.2.3") },
	"eve":  func(b *bytes.Buffer) store.Sink { return NewEVE(b) },
}

// Each line has the fields that are published, of their types, and no others.
func TestForms(t *testing.T) {
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			table, all := readFields(t, name), some()
			var to bytes.Buffer
			lines := printed(t, form(&to), &to, all)
			if len(lines) != len(all) {
				t.Fatalf("%d lines of %d findings", len(lines), len(all))
			}
			for i, line := range lines {
				harmlessLine(t, line)
				if wrong := table.check(decoded(t, line)); wrong != nil {
					t.Fatalf("%s\n%s\n%+v", strings.Join(wrong, "\n"), line, all[i])
				}
				if !strings.Contains(line, `"`+all[i].Verdict.String()+`"`) {
					t.Errorf("no verdict %s in %s", all[i].Verdict, line)
				}
			}
		})
	}
}

// The tables refuse what is wrong.
func TestFieldsRefuse(t *testing.T) {
	for name, form := range forms {
		table := readFields(t, name)
		var to bytes.Buffer
		line := printed(t, form(&to), &to, []detect.Finding{storetest.Finding(1)})[0]
		refused := func(what string, change func(map[string]any)) {
			v := decoded(t, line).(map[string]any)
			change(v)
			if table.check(v) == nil {
				t.Errorf("%s: %s is not refused", name, what)
			}
		}
		for _, path := range slices.Sorted(maps.Keys(table)) {
			first, _, below := strings.Cut(path, ".")
			if table[path].required && !below && !strings.HasSuffix(first, "[]") {
				refused("no "+first, func(v map[string]any) { delete(v, first) })
			}
		}
		refused("a field that is not known", func(v map[string]any) { v["password"] = "x" })
		refused("an empty field", func(v map[string]any) { v["message"] = "" })
		refused("null", func(v map[string]any) { v["message"] = nil })
		refused("an empty object", func(v map[string]any) { v["http"] = map[string]any{} })
	}
}

func suppressed() detect.Finding {
	f := storetest.Finding(1)
	f.Suppressed = "known \"test\" account"
	return f
}

// A finding that is printed although it is suppressed is marked where each form
// has a place for it, and no other is.
func TestFormsSuppressed(t *testing.T) {
	print := func(form string, f detect.Finding) string {
		var to bytes.Buffer
		if form == "sarif" {
			if err := SARIF(&to, []detect.Finding{f}, SARIFOptions{}); err != nil {
				t.Fatal(err)
			}
			var short bytes.Buffer
			if err := json.Compact(&short, to.Bytes()); err != nil {
				t.Fatal(err)
			}
			return short.String()
		}
		return printed(t, forms[form](&to), &to, []detect.Finding{f})[0]
	}
	const reason = `"known \"test\" account"`
	for form, want := range map[string][]string{
		"ecs":   {`"tags":["suppressed"]`, `"suppressed":` + reason},
		"ocsf":  {`"is_alert":false`, `"status_id":3,"status":"Suppressed"`, `"status_detail":` + reason},
		"eve":   {`"suppressed":[` + reason + `]`},
		"sarif": {`"suppressions":[{"kind":"external","status":"accepted","justification":` + reason + `}]`},
	} {
		line, other := print(form, suppressed()), print(form, storetest.Finding(1))
		for _, w := range want {
			if !strings.Contains(line, w) {
				t.Errorf("%s: no %s in %s", form, w, line)
			}
			if strings.Contains(other, w) {
				t.Errorf("%s: %s in a finding that is not suppressed", form, w)
			}
		}
	}
}

// Severities, verdicts and times are told in the words of each form.
func TestFormsTell(t *testing.T) {
	at := func(v any, path string) string {
		for _, name := range strings.Split(path, ".") {
			if list, ok := v.([]any); ok {
				v = list[0]
			}
			m, _ := v.(map[string]any)
			v = m[name]
		}
		if list, ok := v.([]any); ok {
			v = list[0]
		}
		return fmt.Sprint(v)
	}
	for form, cases := range map[string][]struct {
		severity detect.Severity
		verdict  detect.Verdict
		want     string // path=value
	}{
		"ecs": {
			{detect.Critical, detect.Accepted, "event.severity=5 event.outcome=success event.type=allowed event.category=intrusion_detection"},
			{detect.High, detect.LikelyAccepted, "event.severity=4 event.outcome=unknown event.type=info authtap.verdict=likely_accepted"},
			{detect.Info, detect.Rejected, "event.severity=1 event.outcome=failure event.type=denied"},
			{detect.Low, detect.Unknown, "event.severity=2 event.outcome=unknown event.type=info"},
			{detect.Medium, detect.Observed, "event.severity=3 event.outcome=<nil> event.category=vulnerability @timestamp=2026-01-02T03:05:06.123456Z event.start=2026-01-02T03:05:05.123456Z threat.technique.id=T1110 threat.technique.subtechnique.id=T1110.001"},
		},
		"ocsf": {
			{detect.Critical, detect.Accepted, "severity_id=5 severity=Critical evidences.verdict=accepted evidences.verdict_id=99"},
			{detect.Info, detect.Rejected, "severity_id=1 severity=Informational unmapped.verdict=rejected"},
			{detect.Low, detect.Unknown, "severity_id=2 time=1767323105123 end_time=1767323106123 activity_id=2 type_uid=200402 finding_info.attacks.sub_technique.uid=T1110.001"},
		},
		"eve": {
			{detect.Critical, detect.Accepted, "alert.severity=1 alert.category=Successful User Privilege Gain"},
			{detect.High, detect.LikelyAccepted, "alert.severity=1 alert.category=Attempted User Privilege Gain alert.metadata.verdict=likely_accepted"},
			{detect.Medium, detect.Rejected, "alert.severity=2 alert.category=Unsuccessful User Privilege Gain"},
			{detect.Low, detect.Observed, "alert.severity=3 alert.category=Potentially Bad Traffic timestamp=2026-01-02T03:05:06.123456+0000"},
			{detect.Info, detect.Unknown, "alert.severity=4 alert.metadata.signature_severity=info"},
		},
	} {
		for _, c := range cases {
			f := storetest.Finding(1)
			f.Severity, f.Verdict, f.References = c.severity, c.verdict, []string{"T1110.001"}
			var to bytes.Buffer
			v := decoded(t, printed(t, forms[form](&to), &to, []detect.Finding{f})[0])
			path := ""
			for _, word := range strings.Split(c.want, " ") {
				name, value, ok := strings.Cut(word, "=")
				if !ok { // of a value with spaces
					continue
				}
				path = name
				if got := at(v, path); got != value && !strings.HasPrefix(got, value+" ") {
					t.Errorf("%s, %v %v: %s is %s, want %s", form, c.severity, c.verdict, path, got, value)
				}
			}
		}
	}
}

func TestSARIF(t *testing.T) {
	table, all := readFields(t, "sarif"), some()
	var to bytes.Buffer
	if err := SARIF(&to, all, SARIFOptions{Version: "1.2.3", Detectors: rules.All()}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(to.String()) {
		harmlessLine(t, strings.TrimSuffix(line, "\n"))
	}
	v := decoded(t, to.String())
	if wrong := table.check(v); wrong != nil {
		t.Error(strings.Join(wrong, "\n"))
	}
	var read struct {
		Runs []struct {
			Tool    struct{ Driver struct{ Rules []sarifRule } }
			Results []struct {
				RuleID    string
				RuleIndex int
				Level     string
			}
		}
	}
	if err := json.Unmarshal(to.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	rulesOf, results := read.Runs[0].Tool.Driver.Rules, read.Runs[0].Results
	if len(results) != len(all) || len(rulesOf) != 3 {
		t.Fatalf("%d results of %d findings, %d rules", len(results), len(all), len(rulesOf))
	}
	for i, r := range results {
		want := map[detect.Severity]string{detect.Critical: "error", detect.High: "error", detect.Medium: "warning", detect.Low: "note", detect.Info: "note"}[all[i].Severity]
		if r.RuleID != all[i].Detector || rulesOf[r.RuleIndex].ID != r.RuleID || r.Level != want {
			t.Errorf("%d: %+v of %s, %v", i, r, all[i].Detector, all[i].Severity)
		}
	}
	to.Reset()
	if err := SARIF(&to, nil, SARIFOptions{}); err != nil {
		t.Fatal(err)
	}
	if v := decoded(t, to.String()); table.check(v) != nil || !strings.Contains(to.String(), `"results": []`) {
		t.Errorf("%v: %s", table.check(v), to.String())
	}
}

// Detectors have numbers of their own in EVE.
func TestSignatureIDs(t *testing.T) {
	seen := map[int]string{}
	for _, d := range rules.All() {
		id := signatureID(d.Name)
		if seen[id] != "" || id < 1_000_000 || id >= 2_000_000 {
			t.Errorf("%s and %s have the number %d", d.Name, seen[id], id)
		}
		seen[id] = d.Name
	}
	if id := signatureID("jwt_alg_none"); id != 1468830 {
		t.Errorf("the number of jwt_alg_none has changed: %d", id)
	}
}

func TestHostPort(t *testing.T) {
	for host, want := range map[string]string{
		"a.example": "a.example 0", "a.example:80": "a.example 80", "[::1]:81": "[::1] 81", "[::1]": "[::1] 0", "::1": "::1 0",
		"": " 0", ":80": " 80", "a:b": "a:b 0", "a:65536": "a:65536 0", "a:-1": "a:-1 0",
	} {
		if name, port := hostPort(host); fmt.Sprint(name, " ", port) != want && fmt.Sprintf("%s %d", name, port) != want {
			t.Errorf("%q: %q %d", host, name, port)
		}
	}
}
