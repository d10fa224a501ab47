package capture_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"
)

// wallClock is what in package time reads the wall clock or waits by it.
var wallClock = []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer", "Sleep"}

// clockUses finds where a file uses the wall clock, under whatever name it
// imports package time.
func clockUses(f *ast.File) (uses []token.Pos) {
	name := ""
	for _, spec := range f.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err != nil || p != "time" {
			continue
		}
		name = "time"
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if name == "." {
			uses = append(uses, spec.Pos()) // would hide what it uses
		}
	}
	if name == "" || name == "_" || name == "." {
		return uses
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && slices.Contains(wallClock, s.Sel.Name) {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == name {
				uses = append(uses, s.Pos())
			}
		}
		return true
	})
	return uses
}

// TestPacketTimeOnly: what happens to packets depends on their own time, so
// that a replay gives what was seen live. Only live sources know another, which
// they stamp packets with. Tests are held to it too.
func TestPacketTimeOnly(t *testing.T) {
	fset := token.NewFileSet()
	for _, f := range goFiles(t, fset, "capture", "reassembly", "detect") {
		if within(f.folder, "capture/live", "capture/afpacket") || f.path == "reassembly/tlswire/decrypt/openssl_test.go" {
			continue // that test waits for another process
		}
		for _, pos := range clockUses(f.syntax) {
			t.Errorf("%s:%d uses the wall clock", f.path, fset.Position(pos).Line)
		}
	}
}

// TestClockUses: the ban sees through what could hide a use.
func TestClockUses(t *testing.T) {
	for _, tt := range []struct {
		name, source string
		want         int
	}{
		{"call", `import "time"; var a = time.Now()`, 1},
		{"as a value", `import "time"; var clock = time.Now`, 1},
		{"other name", `import clock "time"; func f() { clock.Sleep(1); <-clock.After(1) }`, 2},
		{"without a name", `import . "time"; var a = Now()`, 1},
		{"no wall clock", `import "time"; var a = time.Unix(0, 0).Add(time.Second)`, 0},
		{"another Now", `import "time"; type p struct{ time.Duration }; func (p) Now() {}; func f(x p) { x.Now() }`, 0},
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "a.go", "package a; "+tt.source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(clockUses(f)); got != tt.want {
			t.Errorf("%s: %d uses, want %d", tt.name, got, tt.want)
		}
	}
}
