package expression

import (
	"fmt"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

// bounds looks at the checked tree of an expression: it refuses what would make
// the cost of asking it depend on more than the environment's size, and notes
// what is used of the environment.
type bounds struct {
	uses map[string]bool
	err  *mistake
}

// mistake is an error at a place.
type mistake struct {
	location file.Location
	what     string
}

func (m *mistake) Error() string { return m.what }

// Visit is called for each node, those within it first.
func (b *bounds) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		b.uses[n.Value] = true
		if n.Value == "$env" {
			b.refuse(n, "$env is not there: name what is in it")
		}
	case *ast.MemberNode:
		if name := path(n); name != "" {
			b.uses[name] = true
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "..":
			b.refuse(n, "ranges are not there: compare with < and >")
		case "matches":
			if _, ok := n.Right.(*ast.StringNode); !ok {
				b.refuse(n, "a regular expression must be a constant")
			}
		case "+":
			if t := n.Type(); t == nil || t.Kind().String() != "int" && t.Kind().String() != "float64" {
				b.refuse(n, "+ is for numbers only")
			}
		}
	case *ast.BuiltinNode:
		if len(n.Arguments) == 2 {
			if p, ok := n.Arguments[1].(*ast.PredicateNode); ok && loops(p) {
				b.refuse(n, n.Name+": loops do not nest")
			}
		}
	case *ast.CallNode:
		if callee, ok := n.Callee.(*ast.IdentifierNode); ok && callee.Value == "in_network" && len(n.Arguments) == 2 {
			text, ok := n.Arguments[1].(*ast.StringNode)
			if !ok {
				b.refuse(n, "in_network: the network must be a constant")
			} else if _, err := parseNetwork(text.Value); err != nil {
				b.refuse(n, "in_network: "+err.Error())
			}
		}
	}
}

func (b *bounds) refuse(n ast.Node, what string) {
	if b.err == nil {
		b.err = &mistake{n.Location(), what}
	}
}

// check says what was refused, and whether what the library made of the
// expression is still what was looked at.
func (b *bounds) check(root ast.Node) error {
	if b.err != nil {
		return b.err
	}
	nodes := 0
	ast.Walk(&root, visitor(func(ast.Node) { nodes++ }))
	if nodes > 2*MaxNodes {
		return &mistake{root.Location(), fmt.Sprintf("an expression has at most %d nodes", MaxNodes)}
	}
	return nil
}

type visitor func(ast.Node)

func (v visitor) Visit(node *ast.Node) { v(*node) }

// loops reports whether there is a loop within a node.
func loops(n ast.Node) (found bool) {
	first := true
	ast.Walk(&n, visitor(func(m ast.Node) {
		if _, ok := m.(*ast.PredicateNode); ok && m != n {
			found = true
		}
		first = false
	}))
	return found && !first
}

// path gives a.b.c of a member that is named so, "" of others.
func path(n ast.Node) string {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return n.Value
	case *ast.MemberNode:
		property, ok := n.Property.(*ast.StringNode)
		if !ok {
			return ""
		}
		if of := path(n.Node); of != "" {
			return of + "." + property.Value
		}
	}
	return ""
}
