package custom_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/custom"
	"github.com/authtap/authtap/detect/detecttest"
	"github.com/authtap/authtap/detect/rules"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// dialogue is an API that discriminates, with logins, and somebody who tries.
const dialogue = `
conn a 203.0.113.1:40000 198.51.100.1:8080
{{range $n := seq 1 4}}
> GET /admin/users/{{$n}} HTTP/1.1
> Host: api.test
> X-Tenant: blue
> Authorization: Bearer Zk3vQ9xR7tLp2mNc8sWd4yBg

< HTTP/1.1 200 OK
< Content-Type: application/json
<
< {"id":{{$n}},"role":"user"}

> GET /admin/users/{{$n}} HTTP/1.1
> Host: api.test

< HTTP/1.1 401 Unauthorized
< Content-Type: application/json
<
< {"error":"no"}

{{end}}
conn b 192.0.2.66:40000 198.51.100.1:8080
> GET /admin/users/7?api_key=Hq8dLw2ZrT5nVb9KxYc3 HTTP/1.1
> Host: api.test
> Authorization: Bearer aB7xK2mQ9zW4rT6yU8iO

< HTTP/1.1 200 OK
< Content-Type: application/json
<
< {"id":7,"role":"admin"}

{{range $n := seq 1 5}}
{{if gt $n 1}}time +20s
{{end}}
> POST /login HTTP/1.1
> Host: api.test
> Content-Type: application/json
>
> {"user":"u{{$n}}","password":"tr0ub4dor{{$n}}"}

{{if eq $n 5}}< HTTP/1.1 200 OK
< Content-Type: application/json
<
< {"token":"Qw8eRt2yUi6oPa4sDf9g"}
{{else}}< HTTP/1.1 401 Unauthorized
< Content-Type: application/json
<
< {"error":"wrong"}
{{end}}
{{end}}
`

func packets(t testing.TB) []reassemblytest.Packet {
	t.Helper()
	d, err := reassemblytest.Parse("custom", dialogue, detecttest.Funcs())
	if err != nil {
		t.Fatal(err)
	}
	return d.Packets()
}

func text(s string) custom.Text { return custom.Text{Text: s, File: "r.yaml", Line: 10} }

func exprs(list ...string) (out []custom.Text) {
	for _, s := range list {
		out = append(out, text(s))
	}
	return out
}

// rule gives a rule with that condition, changed.
func rule(when string, change func(*custom.Rule)) custom.Rule {
	r := custom.Rule{
		Name: custom.Text{Text: "my_rule", File: "r.yaml", Line: 2}, Title: "Mine", Doc: "What I want to know.",
		Severity: detect.High, When: text(when),
	}
	if change != nil {
		change(&r)
	}
	return r
}

// replay runs one rule and gives its findings as text, and its statistics.
func replay(t *testing.T, r custom.Rule, o custom.Options) ([]string, custom.Stats) {
	t.Helper()
	set, err := custom.Compile([]custom.Rule{r}, o)
	if err != nil {
		t.Fatalf("%s: %v", r.When.Text, err)
	}
	findings, err := detecttest.Replay(packets(t), detect.Options{Detectors: set.Detectors()})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range findings {
		line := fmt.Sprintf("%s %s %s %d %s", f.Detector, f.Severity, f.Verdict, f.Count, f.DedupeKey)
		for _, e := range f.Evidence {
			line += fmt.Sprintf(" %s=%s", e.Name, e.Value)
		}
		lines = append(lines, line)
	}
	return lines, set.Stats()[0]
}

func TestRules(t *testing.T) {
	for _, test := range []struct {
		name string
		rule custom.Rule
		want []string
	}{
		{"posture", rule(`method == "GET" && path startsWith "/admin" && status == 200 && !in_network(client, "203.0.113.0/24")`, func(r *custom.Rule) {
			r.Key = exprs("host", "client", "status")
			r.Evidence = []custom.Named{{Name: "tenant", Text: text(`request.header("x-tenant")`)}, {Name: "query", Text: text("query")}, {Name: "many", Text: text("len(presented)")}}
		}), []string{"my_rule high observed 1 api.test|192.0.2.66|200 tenant= query=api_key=…(20) many=2 target=/admin/users/7?api_key=…(20)"}},
		{"the key of most", rule(`outcome == "refusal" && template == "/admin/users/{id}"`, nil),
			[]string{"my_rule high observed 4 api.test|GET /admin/users/{id} target=/admin/users/1"}},
		{"content", rule(`response.json("role") == "admin" && method == "GET"`, nil),
			[]string{"my_rule high observed 1 api.test|GET /admin/users/{id} target=/admin/users/7?api_key=…(20)"}},
		{"content alone", rule(`response.body contains "admin" and request.body == ""`, nil),
			[]string{"my_rule high observed 1 api.test|GET /admin/users/{id} target=/admin/users/7?api_key=…(20)"}},
		{"attempt", rule(`any(presented, .kind == "bearer") && client == "192.0.2.66"`, func(r *custom.Rule) {
			r.Attempt, r.Credential = true, exprs("bearer")
		}), []string{"my_rule medium likely_accepted 1 api.test|GET /admin/users/{id} target=/admin/users/7?api_key=…(20)"}},
		{"attempt that was refused", rule(`login_outcome == "failure" && login.principal == "u2"`, func(r *custom.Rule) { r.Attempt = true }),
			[]string{"my_rule low rejected 1 api.test|POST /login target=/login"}},
		{"attempt that was not", rule(`login_outcome == "success"`, func(r *custom.Rule) { r.Attempt = true }),
			[]string{"my_rule high accepted 1 api.test|POST /login target=/login"}},
		{"waits for a verdict", rule(`login.form != ""`, func(r *custom.Rule) {
			r.Verdicts, r.Key = []detect.Verdict{detect.Accepted}, exprs("login.principal")
		}), []string{"my_rule high observed 1 u5 target=/login"}},
		{"verdict in the condition", rule(`verdict == "accepted" && login.form == "json"`, nil),
			[]string{"my_rule high observed 1 api.test|POST /login target=/login"}},
		{"window of events", rule(`login_outcome == "failure"`, func(r *custom.Rule) {
			r.Window = &custom.Window{Span: time.Minute, By: exprs("client", "host"), Threshold: 3}
		}), []string{"my_rule high observed 4 192.0.2.66|api.test events=3 names=u1, u2, u3 target=/login"}},
		{"window of values, and its verdict", rule(`login.form != ""`, func(r *custom.Rule) {
			r.Attempt = true
			r.Window = &custom.Window{Span: 5 * time.Minute, By: exprs("client"), Distinct: text("login.password"), Threshold: 4}
		}), []string{"my_rule high accepted 5 192.0.2.66 events=5 different=5 names=u1, u2, u3, u4, u5 target=/login"}},
		{"too few", rule(`login_outcome == "failure"`, func(r *custom.Rule) {
			r.Window = &custom.Window{Span: time.Minute, By: exprs("client"), Threshold: 4}
		}), nil},
		{"too alike", rule(`login_outcome == "failure"`, func(r *custom.Rule) {
			r.Window = &custom.Window{Span: time.Hour, By: exprs("client"), Distinct: text("host"), Threshold: 2}
		}), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, stats := replay(t, test.rule, custom.Options{})
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(test.want, "\n\t"))
			}
			if stats.Errors > 0 || stats.Matched == 0 {
				t.Errorf("%+v", stats)
			}
			// Without the short ways it comes to the same.
			slow, traced := replay(t, test.rule, custom.Options{Trace: true})
			if !slices.Equal(slow, got) || traced.Matched != stats.Matched {
				t.Errorf("traced, it gives %q, %+v, not %+v", slow, traced, stats)
			}
		})
	}
}

// An error is counted, and no match.
func TestErrorsAreCounted(t *testing.T) {
	got, stats := replay(t, rule(`presented[1].kind == "api_key"`, nil), custom.Options{})
	if len(got) != 1 || stats.Errors != 13 || stats.Matched != 1 || !strings.Contains(stats.Error, "index out of range") {
		t.Errorf("%q, %+v", got, stats)
	}
	got, stats = replay(t, rule(`response.json("role") > 1 && method == "GET"`, nil), custom.Options{})
	if len(got) != 0 || stats.Errors == 0 || stats.Matched != 0 {
		t.Errorf("%q, %+v", got, stats)
	}
}

// What rules ask changes nothing of what the detectors find.
func TestRulesDoNotInterfere(t *testing.T) {
	set, err := custom.Compile([]custom.Rule{rule(`any(presented, true)`, func(r *custom.Rule) { r.Attempt = true })}, custom.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ids := func(list ...detect.Detector) (out []string) {
		findings, err := detecttest.Replay(packets(t), detect.Options{Detectors: append(list, rules.All()...)})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range findings {
			if f.Detector != "my_rule" {
				out = append(out, fmt.Sprint(f.Detector, f.Verdict, f.Count, f.ID))
			}
		}
		return out
	}
	if with, without := ids(set.Detectors()...), ids(); len(without) == 0 || !slices.Equal(with, without) {
		t.Errorf("with %q\nwithout %q", with, without)
	}
}

func TestMistakes(t *testing.T) {
	many := func(s string) []custom.Text { return exprs(strings.Split(strings.Repeat(s+" ", 9), " ")[:9]...) }
	for _, test := range []struct {
		rule custom.Rule
		want string
	}{
		{rule("status == 200 &&\n  hots == \"a\"", nil), "r.yaml:11: column 3 of the expression: unknown name hots"},
		{rule(`status`, nil), "r.yaml:10: column 1 of the expression: expected bool, but got int"},
		{rule(`response.body contains "a" || outcome == "success"`, nil), "what asks for the content of messages must be joined to the rest by and"},
		{rule(`true`, func(r *custom.Rule) { r.Key = exprs("request.body") }), "r.yaml:10: the content of messages is there in when only"},
		{rule(`true`, func(r *custom.Rule) { r.Key = exprs("presented") }), "expected string"},
		{rule(`true`, func(r *custom.Rule) { r.Key = many("host") }), "r.yaml:10: a key has at most 8 parts"},
		{rule(`true`, func(r *custom.Rule) { r.Name.Text = "My rule" }), "r.yaml:2: detector \"My rule\": the name must be lower-case words joined by _"},
		{rule(`true`, func(r *custom.Rule) { r.Name.Text = "brute_force" }), "r.yaml:2: there is a detector brute_force already"},
		{rule(`true`, func(r *custom.Rule) { r.Title = "" }), "no title"},
		{rule(`true`, func(r *custom.Rule) { r.Doc = " " }), "no doc"},
		{rule(`true`, func(r *custom.Rule) { r.Severity = 0 }), "no severity"},
		{rule(`true`, func(r *custom.Rule) { r.References = exprs("CWE307") }), `r.yaml:10: "CWE307" is no reference`},
		{rule(`true`, func(r *custom.Rule) { r.Credential = exprs("cookie") }), `there is no kind of credential "cookie"`},
		{rule(`true`, func(r *custom.Rule) { r.Forged = true }), "forged is for attempts only"},
		{rule(`true`, func(r *custom.Rule) { r.Evidence = []custom.Named{{Name: "target", Text: text("host")}} }), "evidence target is there already"},
		{rule(`true`, func(r *custom.Rule) { r.Window = &custom.Window{Span: time.Minute, Threshold: 1} }), "a window needs by"},
		{rule(`true`, func(r *custom.Rule) { r.Window = &custom.Window{By: exprs("host"), Threshold: 1} }), "a window needs a span"},
		{rule(`true`, func(r *custom.Rule) {
			r.Window = &custom.Window{Span: time.Minute, By: exprs("host"), Threshold: 1, Distinct: text("issued")}
		}), "expected string"},
	} {
		_, err := custom.Compile([]custom.Rule{test.rule}, custom.Options{Taken: func(n string) bool { return n == "brute_force" }})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
	_, err := custom.Compile([]custom.Rule{rule("true", nil), rule("false", nil)}, custom.Options{})
	if err == nil || !strings.Contains(err.Error(), "two rules") {
		t.Error(err)
	}
}

// Every reference has a place.
func TestReferences(t *testing.T) {
	want := []string{"CWE-307", "API2:2023", "ASVS-6.3.1", "RFC 6750 §2.3", "RFC 9110", "T1110.001", "https://wiki.example.com/a?b"}
	set, err := custom.Compile([]custom.Rule{rule("true", func(r *custom.Rule) { r.References = exprs(want...) })}, custom.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := set.Detectors()[0].References(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestSteps(t *testing.T) {
	var matches []string
	set, err := custom.Compile([]custom.Rule{rule(`method == "POST" && status == 401 && request.json("user") == "u3"`, nil)},
		custom.Options{Trace: true, Matched: func(m custom.Match) { matches = append(matches, m.Rule+" "+m.Key) }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := detecttest.Replay(packets(t), detect.Options{Detectors: set.Detectors()}); err != nil {
		t.Fatal(err)
	}
	want := []custom.Step{{`request.json("user") == "u3"`, 14, 1}, {`method == "POST"`, 1, 1}, {`status == 401`, 1, 1}}
	if got := set.Steps()[0]; !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	if !slices.Equal(matches, []string{"my_rule api.test|POST /login"}) {
		t.Errorf("%q", matches)
	}
}
