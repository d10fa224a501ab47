package capture_test

import (
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func document(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// docs/design.md says of every package what is found in it.
func TestDesign(t *testing.T) {
	text := document(t, "docs/design.md")
	seen := map[string]bool{}
	for _, f := range goFiles(t, token.NewFileSet(), ".") {
		if !seen[f.folder] && !strings.Contains(text, "`"+f.folder+"`") {
			t.Errorf("docs/design.md does not say what is in `%s`", f.folder)
		}
		seen[f.folder] = true
	}
}

// docs/dependencies.md says of every module that is asked for why it is.
func TestDependencies(t *testing.T) {
	text := document(t, "docs/dependencies.md")
	modules := regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(document(t, "go.mod"), -1)
	if len(modules) < 10 {
		t.Fatalf("%d modules found in go.mod", len(modules))
	}
	for _, m := range modules {
		if name := regexp.MustCompile(`/v\d+$`).ReplaceAllString(m[1], ""); !strings.Contains(text, name) {
			t.Errorf("docs/dependencies.md does not say why %s is needed", name)
		}
	}
}

// Documents point to documents that are there.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range link.FindAllStringSubmatch(string(text), -1) {
				if _, err := os.Stat(filepath.Join(filepath.Dir(f), m[1])); err != nil {
					t.Errorf("%s: %v", f, err)
				}
			}
		}
	}
}
