package capture_test

import (
	"go/ast"
	"go/token"
	"path"
	"strings"
	"testing"
)

const streams = "cmd/authtap/internal/pipeline/streams.go"

// protocol is what there is of a package that has a row for identify.
type protocol struct {
	row, stats, splits, gaps, fuzz, counted bool
}

// lacks says what is missing, "" when nothing.
func (p protocol) lacks() string {
	var missing []string
	for _, part := range []struct {
		there bool
		what  string
	}{
		{p.stats, "a type Stats"},
		{p.counted, "its Stats in StreamStats of " + streams},
		{p.splits, "a test that calls reassemblytest.Splits"},
		{p.gaps, "a test that calls reassemblytest.Gaps"},
		{p.fuzz, "a fuzz target"},
	} {
		if !part.there {
			missing = append(missing, part.what)
		}
	}
	return strings.Join(missing, ", ")
}

// TestProtocols: whatever package has a row in the table of protocols is
// counted, and held to what every parser is held to.
func TestProtocols(t *testing.T) {
	packages := map[string]*protocol{}
	counted := map[string]bool{} // names of packages
	for _, f := range goFiles(t, token.NewFileSet(), "reassembly", path.Dir(streams)) {
		if f.path == streams {
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				if field, ok := n.(*ast.Field); ok {
					counted[selector(field.Type)] = true
				}
				return true
			})
		}
		if !within(f.folder, "reassembly") {
			continue
		}
		p := packages[f.folder]
		if p == nil {
			p = new(protocol)
			packages[f.folder] = p
		}
		for _, d := range f.syntax.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				p.fuzz = p.fuzz || f.test && strings.HasPrefix(d.Name.Name, "Fuzz")
				r := d.Type.Results
				p.row = p.row || !f.test && d.Recv != nil && d.Name.IsExported() && r != nil && len(r.List) == 1 && selector(r.List[0].Type) == "identify.Protocol"
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if typ, ok := s.(*ast.TypeSpec); ok && !f.test && typ.Name.Name == "Stats" {
						p.stats = true
					}
				}
			}
		}
		if f.test {
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					p.splits = p.splits || selector(call.Fun) == "reassemblytest.Splits"
					p.gaps = p.gaps || selector(call.Fun) == "reassemblytest.Gaps"
				}
				return true
			})
		}
	}
	rows := 0
	for folder, p := range packages {
		if !p.row {
			continue
		}
		rows++
		p.counted = counted[path.Base(folder)+".Stats"]
		if missing := p.lacks(); missing != "" {
			t.Errorf("%s is a protocol and lacks %s", folder, missing)
		}
	}
	if rows < 4 {
		t.Errorf("%d protocols found", rows)
	}
}

// selector gives "a.B" of such an expression, "" of any other.
func selector(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok {
		if x, ok := s.X.(*ast.Ident); ok {
			return x.Name + "." + s.Sel.Name
		}
	}
	return ""
}
