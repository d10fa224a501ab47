package expression

import (
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/parser"
)

// Part is one of the conditions that must all hold for an expression to hold:
// what stands between its outermost "and".
type Part struct {
	// Text is the condition, as an expression of its own.
	Text string
	// Field, where it is not empty, is the one member of the environment that
	// the condition compares with constants: Operator says how (==, !=, <, <=,
	// >, >=, in, startsWith, endsWith, contains), and Values, each a string or an
	// int, with what. Of Operator "true" the member itself is the condition, of
	// "any" it is a list that must not be empty.
	Field, Operator string
	Values          []any
}

// Parts takes an expression that compiles apart.
func Parts(text string) []Part {
	tree, err := parser.ParseWithConfig(text, language())
	if err != nil {
		return []Part{{Text: text}}
	}
	var list []Part
	var add func(ast.Node)
	add = func(n ast.Node) {
		if b, ok := n.(*ast.BinaryNode); ok && (b.Operator == "&&" || b.Operator == "and") {
			add(b.Left)
			add(b.Right)
			return
		}
		p := Part{Text: n.String()}
		p.Field, p.Operator, p.Values = comparison(n)
		list = append(list, p)
	}
	add(tree.Node)
	if len(list) == 1 {
		list[0].Text = text
	}
	return list
}

// language is that of Compile, for the parser.
func language() *conf.Config {
	c := conf.CreateNew()
	for name := range c.Builtins {
		if !slices.Contains(functions, name) {
			delete(c.Builtins, name)
			c.Disabled[name] = true
		}
	}
	return c
}

// comparison reads a condition on one member.
func comparison(n ast.Node) (field, operator string, values []any) {
	switch n := n.(type) {
	case *ast.IdentifierNode, *ast.MemberNode:
		if field = path(n); field != "" {
			return field, "true", nil
		}
	case *ast.BuiltinNode: // any(presented, …) and one(…)
		if (n.Name == "any" || n.Name == "one") && len(n.Arguments) == 2 {
			if field = path(n.Arguments[0]); field != "" {
				return field, "any", nil
			}
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "==", "!=", "<", "<=", ">", ">=", "in", "startsWith", "endsWith", "contains":
		default:
			return "", "", nil
		}
		values, ok := constants(n.Right)
		if !ok {
			return "", "", nil
		}
		if b, ok := n.Left.(*ast.BuiltinNode); ok { // len(presented) > 0 and count(presented, …) > 0
			least, isInt := values[0].(int)
			atLeastOne := isInt && len(values) == 1 && (n.Operator == ">" && least >= 0 || (n.Operator == ">=" || n.Operator == "==") && least >= 1)
			if (b.Name == "len" || b.Name == "count") && len(b.Arguments) > 0 && atLeastOne {
				if field = path(b.Arguments[0]); field != "" {
					return field, "any", nil
				}
			}
			return "", "", nil
		}
		if field = path(n.Left); field != "" {
			return field, n.Operator, values
		}
	}
	return "", "", nil
}

// constants gives the value of a constant, or those of a list of them.
func constants(n ast.Node) ([]any, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return []any{n.Value}, true
	case *ast.IntegerNode:
		return []any{n.Value}, true
	case *ast.ArrayNode:
		var all []any
		for _, m := range n.Nodes {
			v, ok := constants(m)
			if _, list := m.(*ast.ArrayNode); !ok || list {
				return nil, false
			}
			all = append(all, v...)
		}
		return all, len(all) > 0
	}
	return nil, false
}
