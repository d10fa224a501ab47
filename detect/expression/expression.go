// Package expression compiles and asks the expressions that a user writes in
// rules and in the configuration, in the language of
// github.com/expr-lang/expr: what an exchange must be like for a rule to match,
// or for an answer to be a success.
//
// Contract: an expression is type-checked against its environment when it is
// compiled, and its cost is bounded then: at most MaxNodes nodes, regular
// expressions and networks are constants, loops go over the environment's own
// lists only and do not nest, and what could make text or lists grow, or read
// the clock, is not there. A Program is safe for concurrent use. What it gives
// depends on its environment alone; an error while it runs is returned, never a
// panic. Environments hold no values of credentials: those that texts of an
// exchange hold are replaced by their masks.
//
// It does not know what an expression is for, nor read files.
package expression

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// MaxNodes is how many nodes an expression may have, MaxLength how many bytes.
const (
	MaxNodes  = 200
	MaxLength = 4096
)

// functions are those of the language that expressions may use. None of them
// makes a text or list longer than what it is given.
var functions = []string{
	"all", "any", "none", "one", "count", "len", "lower", "upper", "trim", "trimPrefix", "trimSuffix",
	"hasPrefix", "hasSuffix", "indexOf", "lastIndexOf", "int", "float", "abs", "min", "max",
}

// Functions gives the names of the language's functions that expressions may
// use.
func Functions() []string { return slices.Clone(functions) }

// Error is a mistake in an expression: its line and column, counted from 1, and
// what it is.
type Error struct {
	Line, Column int
	What         string
}

// Error gives the mistake without its place.
func (e *Error) Error() string { return e.What }

// Program is a compiled expression over environments of type E that gives a T.
type Program[E any, T bool | int | string] struct {
	program *vm.Program
	text    string
	root    ast.Node
	uses    map[string]bool
}

// Compile reads an expression. Its errors are of type *Error.
func Compile[E any, T bool | int | string](text string) (*Program[E, T], error) {
	if len(text) > MaxLength {
		return nil, &Error{1, 1, fmt.Sprintf("an expression has at most %d bytes", MaxLength)}
	}
	if strings.TrimSpace(text) == "" {
		return nil, &Error{1, 1, "the expression is empty"}
	}
	var env E
	var result T
	bounds := &bounds{uses: map[string]bool{}}
	options := []expr.Option{
		expr.Env(env), expr.AsKind(reflect.TypeOf(result).Kind()), expr.MaxNodes(MaxNodes),
		expr.DisableAllBuiltins(), expr.Patch(bounds), expr.Function("in_network", inNetwork, new(func(string, string) bool)),
	}
	for _, name := range functions {
		options = append(options, expr.EnableBuiltin(name))
	}
	program, err := compile(text, options)
	if err == nil {
		err = bounds.check(program.Node())
	}
	if err != nil {
		return nil, located(text, err)
	}
	return &Program[E, T]{program: program, text: text, root: program.Node(), uses: bounds.uses}, nil
}

// compile calls the library, whose checks of odd input are panics in places.
func compile(text string, options []expr.Option) (p *vm.Program, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be compiled: %v", r)
		}
	}()
	return expr.Compile(text, options...)
}

// located gives an error of the library, or of bounds, its place.
func located(text string, err error) error {
	var at *mistake
	if errors.As(err, &at) {
		bound := (&file.Error{Location: at.location, Message: at.what}).Bind(file.NewSource(text))
		return &Error{max(bound.Line, 1), bound.Column + 1, at.what}
	}
	var its *file.Error
	if errors.As(err, &its) {
		return &Error{max(its.Line, 1), its.Column + 1, its.Message}
	}
	return &Error{1, 1, err.Error()}
}

// Text is the expression as written.
func (p *Program[E, T]) Text() string { return p.text }

// Uses reports whether the expression names a member of the environment:
// "method", or "request.body" of one within another.
func (p *Program[E, T]) Uses(name string) bool { return p.uses[name] }

var machines = sync.Pool{New: func() any { return new(vm.VM) }}

// Run asks the expression. The environment is read only.
func (p *Program[E, T]) Run(env *E) (T, error) {
	m := machines.Get().(*vm.VM)
	m.MemoryBudget = MaxNodes
	out, err := m.Run(p.program, env)
	machines.Put(m)
	if err != nil {
		var zero T
		return zero, fmt.Errorf("%s", located(p.text, err))
	}
	t, ok := out.(T)
	if !ok {
		return t, fmt.Errorf("gives %T, not %T", out, t)
	}
	return t, nil
}

// inNetwork reports whether an address is within a network.
func inNetwork(args ...any) (any, error) {
	network, err := parseNetwork(args[1].(string))
	if err != nil {
		return nil, err
	}
	addr, err := netip.ParseAddr(args[0].(string))
	return err == nil && network.Contains(addr), nil
}

func parseNetwork(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("%q is not a network such as 10.0.0.0/8", s)
	}
	return p, nil
}
