package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/detect/custom"
	"github.com/authtap/authtap/detect/expression"
	"github.com/authtap/authtap/detect/rules"
)

const rulesDoc = "../../docs/rules.md"

// What the document says of the environment is what the environment is.
func TestRulesDoc(t *testing.T) {
	text, err := os.ReadFile(rulesDoc)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| name | type | |\n|---|---|---|\n")
	for _, m := range expression.Members(custom.Env{}) {
		if m.Doc == "" {
			t.Errorf("%s is not described", m.Name)
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", m.Name, m.Type, m.Doc)
	}
	between := regexp.MustCompile(`(?s)(-run RulesDoc -update -->\n).*(<!-- end -->)`)
	names := regexp.MustCompile("(there are ).*?(, and besides)")
	made := between.ReplaceAllString(string(text), "${1}"+table.String()+"${2}")
	made = names.ReplaceAllString(made, "${1}`"+strings.Join(expression.Functions(), "`, `")+"`${2}")
	if update() {
		if err := os.WriteFile(rulesDoc, []byte(made), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if made != string(text) {
		t.Errorf("%s is not what the environment is: go test ./cmd/authtap -run RulesDoc -update", rulesDoc)
	}
}

// The example of the document is one that loads.
func TestRulesDocExample(t *testing.T) {
	text, err := os.ReadFile(rulesDoc)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("there is no example")
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := config.ReadRules(path)
	if err != nil {
		t.Fatal(err)
	}
	taken := func(name string) bool { _, ok := rules.Find(name); return ok }
	if _, err := custom.Compile(file.Rules, custom.Options{Taken: taken}); err != nil || len(file.Rules) != 2 || len(file.Suppress) != 1 {
		t.Errorf("%d rules, %d suppressions, %v", len(file.Rules), len(file.Suppress), err)
	}
}

// No option of a detector has a name that its configuration means otherwise.
func TestOptionNames(t *testing.T) {
	for _, d := range rules.All() {
		for _, o := range d.Options {
			switch o.Name {
			case "enabled", "overrides", "host", "endpoint":
				t.Errorf("%s has an option %s", d.Name, o.Name)
			}
		}
	}
}
