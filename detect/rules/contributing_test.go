package rules

import (
	"os"
	"strings"
	"testing"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/detecttest"
)

// The detector that CONTRIBUTING.md shows does what its script says, and is
// what is compiled here.
func TestContributing(t *testing.T) {
	detecttest.Scripts(t, "testdata/example", []detect.Detector{example})

	text, err := os.ReadFile("../../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ language, file, here, there string }{
		{"go", "example_detector_test.go", "var example = detect.Detector{", "var _ = register(detect.Detector{"},
		{"text", "testdata/example/trace_answered.txt", "", ""},
	} {
		want, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		code := string(want)
		if c.here != "" {
			code = strings.Replace(code, c.here, c.there, 1)
			code = strings.TrimSuffix(code, "}\n") + "})\n"
		}
		_, rest, _ := strings.Cut(string(text), "```"+c.language+"\n")
		if shown, _, ok := strings.Cut(rest, "```\n"); !ok || shown != code {
			t.Errorf("CONTRIBUTING.md does not show %s, but\n%s", c.file, shown)
		}
	}
}
