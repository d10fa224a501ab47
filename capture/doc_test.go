package capture_test

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// undocumented says what a package's comment lacks, "" when nothing: one
// comment, that says what the package is and what it promises, since that is
// what `go doc` shows. Commands promise nothing to importers.
func undocumented(name string, comments []string) string {
	switch {
	case len(comments) == 0:
		return "no file has a package comment"
	case len(comments) > 1:
		return "several files have a package comment"
	case name == "main" && !strings.HasPrefix(comments[0], "Command "):
		return `the comment does not begin with "Command"`
	case name == "main":
		return ""
	case !strings.HasPrefix(comments[0], "Package "+name+" "):
		return `the comment does not begin with "Package ` + name + `"`
	case !strings.Contains(strings.ReplaceAll(comments[0], "\n", " "), "ontract: "):
		return `the comment does not tell the contract ("Contract: ...")`
	}
	return ""
}

// TestPackageComments: `go doc` of every package tells what it is and what it
// promises.
func TestPackageComments(t *testing.T) {
	type pack struct {
		name     string
		comments []string
	}
	packages := map[string]*pack{}
	for _, f := range goFiles(t, token.NewFileSet(), ".") {
		if f.test {
			continue
		}
		p := packages[f.folder]
		if p == nil {
			p = &pack{name: f.syntax.Name.Name}
			packages[f.folder] = p
		}
		if c := commentOf(f.syntax); c != "" {
			p.comments = append(p.comments, c)
		}
	}
	for folder, p := range packages {
		if why := undocumented(p.name, p.comments); why != "" {
			t.Errorf("%s: %s", folder, why)
		}
	}
}

// commentOf gives a file's package comment without build constraints.
func commentOf(f *ast.File) string {
	if f.Doc == nil {
		return ""
	}
	return strings.TrimSpace(f.Doc.Text())
}

func TestUndocumented(t *testing.T) {
	const good = "Package a is.\n\nContract: none.\n"
	for _, tt := range []struct {
		name     string
		comments []string
		ok       bool
	}{
		{"a", nil, false},
		{"a", []string{"Package a is."}, false},
		{"a", []string{good, good}, false},
		{"b", []string{good}, false},
		{"main", []string{good}, false},
		{"a", []string{good}, true},
		{"main", []string{"Command a does.\n"}, true},
	} {
		if why := undocumented(tt.name, tt.comments); (why == "") != tt.ok {
			t.Errorf("%s %q: %q", tt.name, tt.comments, why)
		}
	}
}
