package clickhouse

import (
	"os"
	"strings"
	"testing"

	"github.com/authtap/authtap/store/clickhouse/clickhousetest"
)

// The statements of docs/clickhouse.md work, as far as the engine of the tests
// can run them; of those on users and databases, it reads the syntax.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/clickhouse.md")
	if err != nil {
		t.Fatal(err)
	}
	server := clickhousetest.Start(t)
	s := connect(t, server.DSN(), Options{})
	if err := s.Write(t.Context(), events(0, 20)); err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for line := range strings.Lines(string(text)) {
		if indented, ok := strings.CutPrefix(line, "    "); ok && !strings.HasPrefix(indented, "authtap ") {
			code.WriteString(indented)
		}
	}
	var ran int
	for statement := range strings.SplitSeq(code.String(), ";\n") {
		if statement = strings.TrimSpace(statement); statement == "" {
			continue
		}
		switch {
		case strings.HasPrefix(statement, "CREATE"), strings.HasPrefix(statement, "GRANT"):
			server.Query("EXPLAIN AST " + statement)
		default:
			server.Query(statement)
		}
		ran++
	}
	if ran != 22 {
		t.Errorf("%d statements were found, want 22", ran)
	}
}
