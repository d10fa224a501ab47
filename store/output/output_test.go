package output

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/storetest"
)

var (
	_ store.Sink = (*Lines)(nil)
	_ store.Sink = (*Text)(nil)
)

const schemaFile = "../../docs/finding.schema.json"

func schema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func samples() []detect.Finding {
	all := storetest.Hostile()
	for n := range 100 {
		all = append(all, storetest.Finding(n))
	}
	bare := storetest.Finding(0)
	bare.Client, bare.Server, bare.Credential, bare.Principal = nil, nil, nil, ""
	bare.Evidence, bare.References, bare.Host, bare.Status = nil, nil, "", 0
	return append(all, bare)
}

func printed(t testing.TB, sink store.Sink, to *bytes.Buffer, findings []detect.Finding) []string {
	t.Helper()
	if err := sink.Write(context.Background(), store.Of(findings...)); err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	text, ended := strings.CutSuffix(to.String(), "\n")
	if !ended {
		t.Fatalf("the last line does not end: %q", text)
	}
	return strings.Split(text, "\n")
}

func value(t testing.TB, line string) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
	if err != nil {
		t.Fatalf("%v in %q", err, line)
	}
	return v
}

// Every line is as the schema says, and says what the finding does.
func TestLines(t *testing.T) {
	s := schema(t)
	all := samples()
	var to bytes.Buffer
	lines := printed(t, NewLines(&to), &to, all)
	if len(lines) != len(all) {
		t.Fatalf("%d lines of %d findings", len(lines), len(all))
	}
	for i, line := range lines {
		harmlessLine(t, line)
		got := value(t, line)
		if err := s.Validate(got); err != nil {
			t.Errorf("%v\n%s", err, line)
		}
		f := all[i]
		if f.References == nil {
			f.References = []string{}
		}
		plain, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(value(t, string(plain)), got); d != "" {
			t.Errorf("the escaped line (+) says something else (-):\n%s", d)
		}
	}
	if want := `"evidence":{"z":"last letter first","n":"0"}`; !strings.Contains(lines[len(lines)-101], want) {
		t.Errorf("no %s in %s", want, lines[len(lines)-101])
	}
}

// The schema refuses what is no finding.
func TestSchemaRefuses(t *testing.T) {
	s := schema(t)
	var to bytes.Buffer
	line := printed(t, NewLines(&to), &to, []detect.Finding{storetest.Finding(1)})[0]
	for name, change := range map[string]func(f map[string]any){
		"unknown field":          func(f map[string]any) { f["password"] = "x" },
		"no id":                  func(f map[string]any) { delete(f, "id") },
		"short id":               func(f map[string]any) { f["id"] = "12" },
		"version 0":              func(f map[string]any) { f["version"] = 0 },
		"unknown severity":       func(f map[string]any) { f["severity"] = "fatal" },
		"unknown verdict":        func(f map[string]any) { f["verdict"] = "" },
		"no verdict":             func(f map[string]any) { delete(f, "verdict") },
		"unknown confidence":     func(f map[string]any) { f["confidence"] = "sure" },
		"detector with capitals": func(f map[string]any) { f["detector"] = "Brute" },
		"time in seconds":        func(f map[string]any) { f["first_seen"] = "2026-01-02T03:04:05Z" },
		"no such day":            func(f map[string]any) { f["last_seen"] = "2026-02-30T03:04:05.123456Z" },
		"count as text":          func(f map[string]any) { f["count"] = "3" },
		"client as text":         func(f map[string]any) { f["client"] = "192.0.2.1" },
		"client without address": func(f map[string]any) { f["client"] = map[string]any{"port": 1} },
		"no address":             func(f map[string]any) { f["client"] = map[string]any{"ip": "300.1.1.1"} },
		"port 0":                 func(f map[string]any) { f["server"] = map[string]any{"ip": "::1", "port": 0} },
		"status too high":        func(f map[string]any) { f["status"] = 1000 },
		"empty principal":        func(f map[string]any) { f["principal"] = "" },
		"secret of a credential": func(f map[string]any) { f["credential"].(map[string]any)["value"] = "x" },
		"credential without id":  func(f map[string]any) { delete(f["credential"].(map[string]any), "id") },
		"nested evidence":        func(f map[string]any) { f["evidence"] = map[string]any{"a": map[string]any{}} },
		"null references":        func(f map[string]any) { f["references"] = nil },
		"community id":           func(f map[string]any) { f["community_id"] = "2:x" },
		"capture without packet": func(f map[string]any) { f["capture"] = map[string]any{"file": "x"} },
	} {
		f := value(t, line).(map[string]any)
		change(f)
		if err := s.Validate(f); err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
}

// The schema's names are the program's.
func TestSchemaNames(t *testing.T) {
	var file struct {
		Properties map[string]struct{ Enum []string }
	}
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	names := func(last int, name func(int) string) (all []string) {
		for i := 1; i <= last; i++ {
			all = append(all, name(i))
		}
		slices.Sort(all)
		return all
	}
	for property, want := range map[string][]string{
		"severity":   names(int(detect.Critical), func(i int) string { return detect.Severity(i).String() }),
		"confidence": names(int(detect.Tentative), func(i int) string { return detect.Confidence(i).String() }),
		"verdict":    names(int(detect.Observed), func(i int) string { return detect.Verdict(i).String() }),
	} {
		got := file.Properties[property].Enum
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: the schema has %v, the program %v", property, got, want)
		}
	}
}

// harmlessLine checks that a terminal has nothing to do but to print.
func harmlessLine(t tester, line string) {
	t.Helper()
	if !utf8.ValidString(line) {
		t.Errorf("no UTF-8: %q", line)
	}
	for _, r := range line {
		if !strconv.IsPrint(r) {
			t.Errorf("%U in %q", r, line)
		}
	}
}

type tester interface {
	Helper()
	Errorf(format string, args ...any)
}

func TestText(t *testing.T) {
	all := samples()
	var to bytes.Buffer
	lines := printed(t, NewText(&to), &to, all)
	if len(lines) != len(all) {
		t.Fatalf("%d lines of %d findings", len(lines), len(all))
	}
	for _, line := range lines {
		harmlessLine(t, line)
	}
	first := len(storetest.Hostile())
	for i, want := range map[int]string{
		first + 1:      `2026-01-02T03:05:06.123456Z low unknown brute_force POST host-1.example/users/1 from 2001:db8::1 as user-1 (title 1), 3 times`,
		first + 3:      `2026-01-02T03:07:08.123456Z high accepted jwt_alg_none POST host-3.example/users/3 (title 3), 9 times`,
		len(lines) - 1: `2026-01-02T03:04:05.123456Z info rejected jwt_alg_none POST /users/0 (title 0)`,
	} {
		if lines[i] != want {
			t.Errorf("got  %s\nwant %s", lines[i], want)
		}
	}
}

func TestEscape(t *testing.T) {
	for text, want := range map[string]string{
		"":                     "",
		"/users/{id}?a=1 'x'":  "/users/{id}?a=1 'x'",
		"ünï 漢字 🙂":             "ünï 漢字 🙂",
		"\x1b[2J":              `\x1b[2J`,
		`\x1b`:                 `\\x1b`,
		"a\r\nb\tc\x00\x7f":    `a\x0d\x0ab\x09c\x00\x7f`,
		"\u009b31m":            `\u009b31m`,
		"\x9b31m":              `\x9b31m`,
		"\xff\xfe":             `\xff\xfe`,
		"\u202eabc\u2066":      `\u202eabc\u2066`,
		"\u2028\u00a0\ufeff":   `\u2028\u00a0\ufeff`,
		"\U000e0041\U0010ffff": `\U000e0041\U0010ffff`,
		"\ufffd":               "\ufffd",
	} {
		if got := Escape(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

// Whatever text becomes, it prints, and no two texts become the same.
func TestEscapeProperties(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		a := string(rapid.SliceOf(rapid.Byte()).Draw(r, "a"))
		b := string(rapid.SliceOf(rapid.Byte()).Draw(r, "b"))
		harmlessLine(r, Escape(a))
		if a != b && Escape(a) == Escape(b) {
			r.Errorf("%q and %q both become %s", a, b, Escape(a))
		}
	})
}

func FuzzHarmless(f *testing.F) {
	for _, x := range storetest.Hostile() {
		f.Add(x.Host)
	}
	f.Add("\U000e0041\u007f\u0085")
	f.Fuzz(func(t *testing.T, text string) {
		plain, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		got := harmless(plain)
		harmlessLine(t, string(got))
		var a, b string
		if err := errors.Join(json.Unmarshal(plain, &a), json.Unmarshal(got, &b)); err != nil || a != b {
			t.Errorf("%q became %q, %v", a, b, err)
		}
	})
}

func TestTable(t *testing.T) {
	all := []detect.Finding{storetest.Finding(3), storetest.Finding(4), storetest.Finding(25)}
	all[0].Path = "/a/path/that/goes/on/and/on/\x1b[31m"
	all[1].Principal = "somebody.with.a.long.name@example.com"
	for _, c := range []struct {
		o    TableOptions
		want []string
	}{
		{TableOptions{}, []string{
			`SEVERITY  VERDICT   DETECTOR      FIRST SEEN           COUNT  CLIENT       ENDPOINT                                                 PRINCIPAL`,
			`high      accepted  jwt_alg_none  2026-01-02 03:07:05  9      several      POST host-3.example/a/path/that/goes/on/and/on/\x1b[31m`,
			`critical  observed  brute_force   2026-01-02 03:08:05  12     192.0.2.4    POST host-0.example/users/4                              somebody.with.a.long.name@example.com`,
			`info      rejected  brute_force   2026-01-02 03:29:05  75     2001:db8::1  POST host-1.example/users/25                             user-0`,
		}},
		{TableOptions{Width: 120}, []string{
			`SEVERITY  VERDICT   DETECTOR      FIRST SEEN           COUNT  CLIENT       ENDPOINT               PRINCIPAL`,
			`high      accepted  jwt_alg_none  2026-01-02 03:07:05  9      several      POST host-3.example/…`,
			`critical  observed  brute_force   2026-01-02 03:08:05  12     192.0.2.4    POST host-0.example/…  somebody.with.a.long.…`,
			`info      rejected  brute_force   2026-01-02 03:29:05  75     2001:db8::1  POST host-1.example/…  user-0`,
		}},
		{TableOptions{Width: 20, Color: true}, []string{ // no room for more
			`SEVERITY  VERDICT   DETECTOR      FIRST SEEN           COUNT  CLIENT       ENDPOINT          PRINCIPAL`,
			"\x1b[31mhigh\x1b[0m      accepted  jwt_alg_none  2026-01-02 03:07:05  9      several      POST host-3.exa…",
			"\x1b[1;31mcritical\x1b[0m  observed  brute_force   2026-01-02 03:08:05  12     192.0.2.4    POST host-0.exa…  somebody…",
			"info      rejected  brute_force   2026-01-02 03:29:05  75     2001:db8::1  POST host-1.exa…  user-0",
		}},
	} {
		var to bytes.Buffer
		if err := Table(&to, all, c.o); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, strings.Split(strings.TrimSuffix(to.String(), "\n"), "\n")); d != "" {
			t.Errorf("%+v: got (+), want (-)\n%s", c.o, d)
		}
		if c.o.Width == 120 {
			for _, line := range strings.Split(to.String(), "\n") {
				if n := utf8.RuneCountInString(line); n > 120 {
					t.Errorf("%d characters: %s", n, line)
				}
			}
		}
	}
}

func TestTableOfHostile(t *testing.T) {
	for _, width := range []int{0, 80, 120} {
		var to bytes.Buffer
		if err := Table(&to, storetest.Hostile(), TableOptions{Width: width}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(to.String(), "\n"), "\n")
		if len(lines) != len(storetest.Hostile())+1 {
			t.Errorf("%d lines of %d findings", len(lines), len(storetest.Hostile()))
		}
		for _, line := range lines {
			harmlessLine(t, line)
		}
	}
}

func TestNothing(t *testing.T) {
	var to bytes.Buffer
	if err := errors.Join(Table(&to, nil, TableOptions{}), NewLines(&to).Write(context.Background(), store.Of()), NewText(&to).Write(context.Background(), store.Of())); err != nil {
		t.Error(err)
	}
	if to.Len() > 0 {
		t.Errorf("no findings print %q", to.String())
	}
}

// What is below may fail, and whoever waits may have left.
func TestErrors(t *testing.T) {
	one := []detect.Finding{storetest.Finding(1)}
	broken := brokenWriter{errors.New("broken pipe")}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for name, c := range map[string]struct {
		err  error
		want error
	}{
		"lines":          {NewLines(broken).Write(context.Background(), store.Of(one...)), broken.err},
		"text":           {NewText(broken).Write(context.Background(), store.Of(one...)), broken.err},
		"table":          {Table(broken, one, TableOptions{}), broken.err},
		"lines canceled": {NewLines(io.Discard).Write(canceled, store.Of(one...)), context.Canceled},
		"text canceled":  {NewText(io.Discard).Write(canceled, store.Of(one...)), context.Canceled},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: got %v, want %v", name, c.err, c.want)
		}
	}
}

type brokenWriter struct{ err error }

func (b brokenWriter) Write([]byte) (int, error) { return 0, b.err }

func BenchmarkLines(b *testing.B) {
	all := make([]detect.Finding, 1000)
	for i := range all {
		all[i] = storetest.Finding(i)
	}
	var size countWriter
	l := NewLines(&size)
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Write(context.Background(), store.Of(all...)); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(size) / int64(b.N))
}

type countWriter int64

func (c *countWriter) Write(p []byte) (int, error) { *c += countWriter(len(p)); return len(p), nil }
