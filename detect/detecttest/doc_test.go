package detecttest

import (
	"os"
	"regexp"
	"testing"
	"text/template"

	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// Every function of scripts stands in the comment of its package.
func TestFuncsAreDocumented(t *testing.T) {
	for file, funcs := range map[string]template.FuncMap{"doc.go": Funcs(), "../../reassembly/reassemblytest/doc.go": reassemblytest.Funcs()} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for name := range funcs {
			if !regexp.MustCompile(`({{|range |\()` + name + `\b`).Match(text) {
				t.Errorf("%s does not show what %s takes", file, name)
			}
		}
	}
}
