package detecttest

import (
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/rules"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "only a comment\n", "or there is none"},
		{"want first", "-- want --\n", "without a dialogue"},
		{"two wants", "-- positive a --\n-- want --\n-- want --\n", "without a dialogue"},
		{"no want", "-- positive a --\n-- positive b --\n-- want --\n", "a: no section want"},
		{"no want at the end", "-- positive a --\n-- want --\n-- positive b --\n", "the last dialogue"},
		{"kind", "-- negative a --\n-- want --\n", `section "negative a"`},
		{"no name", "-- positive --\n-- want --\n", `section "positive"`},
		{"twice", "-- positive a --\n-- want --\n-- nearmiss a --\n-- want --\n", `two cases "a"`},
		{"common later", "-- positive a --\n-- want --\n-- common --\n-- want --\n", `section "common"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := Parse([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestLacking(t *testing.T) {
	for text, want := range map[string]string{
		"-- positive a --\n-- want --\n": "nearmiss damaged",
		"-- positive a --\n-- want --\n-- nearmiss b --\n-- want --\n-- damaged c --\n-- want --\n": "",
		"-- nearmiss b --\n-- want --\n-- damaged c --\n-- want --\n":                               "positive",
	} {
		cases, _, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(lacking(cases), " "); got != want {
			t.Errorf("%q lacks %q, want %q", text, got, want)
		}
	}
}

// A report without a key is seen.
func TestUnkeyedReportIsSeen(t *testing.T) {
	careless := detect.Detector{
		Name: "careless", Title: "x", Doc: "a\n\nb\n\nc\n\nd", Severity: detect.Low, Confidence: detect.Firm, CWE: []int{1}, OWASP: []string{"API2:2023"},
		Needs: detect.EveryExchange, Exchange: func(p *detect.Pass, _ *exchange.Exchange) { p.Report(detect.Report{}) },
	}
	stats, err := Stats(packets(t), detect.Options{Detectors: []detect.Detector{careless}})
	if err != nil || stats.Unkeyed == 0 {
		t.Errorf("%d reports without a key, %v", stats.Unkeyed, err)
	}
}

func TestParse(t *testing.T) {
	cases, _, err := Parse([]byte("About.\n-- common --\nfirst\n-- nearmiss load test hosts=a,b n=3 --\nsecond\n-- want --\nall\n\n x info observed count=1\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Case{{
		Kind: "nearmiss", Name: "load test", Settings: map[string]string{"hosts": "a,b", "n": "3"},
		Dialogue: "first\nsecond\n", Want: []string{"x info observed count=1"}, All: true, want: 2,
	}}
	if diff := cmp.Diff(want, cases, cmp.AllowUnexported(Case{})); diff != "" {
		t.Error(diff)
	}
	d := &detect.Detector{Options: []detect.Option{{Name: "hosts", Default: []string{}}, {Name: "n", Default: 1}, {Name: "other", Default: true}}}
	values, err := cases[0].settings(d)
	if diff := cmp.Diff(map[string]detect.Values{"": {"hosts": []string{"a", "b"}, "n": 3}}, values); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := (&Case{Settings: map[string]string{"n": "x"}}).settings(d); err == nil {
		t.Error("x is a number")
	}
	if _, err := (&Case{Settings: map[string]string{"m": "1"}}).settings(d); err == nil {
		t.Error("an option that there is not")
	}
}

func TestNames(t *testing.T) {
	got := names(`jwt high accepted count=3 key="a b=c|\"d" title="x y" alg=none`)
	if want := []string{"count", "key", "title", "alg"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The tokens are what golang-jwt takes for them, and the same each time.
func TestTokens(t *testing.T) {
	public := map[string]any{
		"HS256": []byte("s"), "HS512": []byte("s"), "RS256": keys["RS"].Public(),
		"ES256": keys["ES"].Public(), "EdDSA": keys["Ed"].Public(),
		"none": jwt.UnsafeAllowNoneSignatureType,
	}
	for alg, key := range public {
		secret := ""
		if strings.HasPrefix(alg, "HS") {
			secret = "s"
		}
		a, err := Token(map[string]any{"kid": "1"}, alg, secret, map[string]any{"sub": "carol"})
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := Token(map[string]any{"kid": "1"}, alg, secret, map[string]any{"sub": "carol"}); a != b {
			t.Errorf("%s: another token the second time", alg)
		}
		parsed, err := jwt.Parse(a, func(*jwt.Token) (any, error) { return key, nil }, jwt.WithValidMethods([]string{alg}))
		if err != nil {
			t.Errorf("%s: %v", alg, err)
		} else if sub, _ := parsed.Claims.GetSubject(); sub != "carol" || parsed.Header["kid"] != "1" {
			t.Errorf("%s: %v", alg, parsed)
		}
	}
	if _, err := Token(nil, "PS256", "", nil); err == nil {
		t.Error("PS256 cannot be the same each time")
	}
}

func TestFuncs(t *testing.T) {
	for text, want := range map[string]string{
		`{{unix "+1h"}} {{unix "-1s"}}`:                     "1767326645 1767323044",
		`{{unix "1970-01-02T00:00:00Z"}}`:                   "86400",
		`{{date "+3h"}}`:                                    "Fri, 02 Jan 2026 06:04:05 GMT",
		`{{basic "carol" "p:w"}}`:                           "Y2Fyb2w6cDp3",
		`{{input "a.b.c"}} {{sig "a.b.c"}}`:                 "a.b c",
		`{{index (dict "a" 1) "a"}} {{index (list 1 2) 1}}`: "1 2",
	} {
		var b strings.Builder
		if err := template.Must(template.New("").Funcs(Funcs()).Parse(text)).Execute(&b, nil); err != nil || b.String() != want {
			t.Errorf("%s gives %q, %v; want %q", text, b.String(), err, want)
		}
	}
	for _, text := range []string{`{{dict "a"}}`, `{{dict 1 2}}`, `{{unix "soon"}}`, `{{unix ""}}`, `{{jwt "XY1" "" (dict)}}`} {
		if err := template.Must(template.New("").Funcs(Funcs()).Parse(text)).Execute(new(strings.Builder), nil); err == nil {
			t.Errorf("%s gives no error", text)
		}
	}
}

const accepted = `conn learn 203.0.113.9:50000 198.51.100.1:80
{{range seq 1 4}}
> GET /users/{{.}} HTTP/1.1
> Host: api.test
{{if lt . 4}}> Authorization: Bearer {{jwt "RS256" "" (dict "sub" "carol")}}

< HTTP/1.1 200 OK
{{else}}
< HTTP/1.1 401 Unauthorized
{{end}}
{{end}}
> GET /users/5 HTTP/1.1
> Host: api.test
> Authorization: Bearer {{jwt "none" "" (dict "sub" "admin")}}

< HTTP/1.1 200 OK
`

func packets(t *testing.T) []reassemblytest.Packet {
	t.Helper()
	d, err := reassemblytest.Parse("test", accepted, Funcs())
	if err != nil {
		t.Fatal(err)
	}
	return d.Packets()
}

func TestReplayIsRepeatable(t *testing.T) {
	o := detect.Options{Detectors: rules.All()}
	first, err := Replay(packets(t), o)
	if err != nil || len(first) < 2 {
		t.Fatalf("%d findings, %v", len(first), err)
	}
	second, err := Replay(packets(t), o)
	if diff := cmp.Diff(lines(first), lines(second)); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func lines(findings []detect.Finding) (out []string) {
	for i := range findings {
		out = append(out, findings[i].ID+line(&findings[i], []string{"count", "key", "first", "last"}))
	}
	return out
}

// A detector that believes in success when it sees no answer is found out.
func TestDamagedFindsWrongVerdicts(t *testing.T) {
	careless := detect.Detector{
		Name: "careless", Title: "careless", Doc: "a\n\nb\n\nc\n\nd", Severity: detect.High, Confidence: detect.Firm,
		CWE: []int{1}, OWASP: []string{"API2:2023"}, Needs: detect.PresentedJWT,
		Exchange: func(p *detect.Pass, x *exchange.Exchange) {
			if !x.Response.Present {
				p.Report(detect.Report{Key: "k", Verdict: detect.Accepted})
			}
		},
	}
	for _, c := range []struct {
		detectors []detect.Detector
		wrong     bool
	}{{rules.All(), false}, {[]detect.Detector{careless}, true}} {
		o := detect.Options{Detectors: c.detectors}
		whole, err := Replay(packets(t), o)
		if err != nil {
			t.Fatal(err)
		}
		if wrong, err := Damaged(packets(t), o, whole, 5); err != nil || (len(wrong) > 0) != c.wrong {
			t.Errorf("%d wrong verdicts, %v", len(wrong), err)
		}
	}
}
