package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The table of detectors in the README is what the code says.
func TestREADME(t *testing.T) {
	path := filepath.Join("..", "..", "README.md")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "-update -->\n", "<!-- end -->"
	head, rest, ok := strings.Cut(string(b), begin)
	table, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("README.md has lost the marks around its table of detectors")
	}
	want, _, code := run(t, "detectors", "--format", "markdown")
	if code != 0 || want == "" {
		t.Fatalf("authtap detectors ended with %d", code)
	}
	if table == want {
		return
	}
	if !update() {
		t.Fatal("the table of detectors in README.md is not what the code says: go test ./cmd/authtap -run README -update")
	}
	if err := os.WriteFile(path, []byte(head+begin+want+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
