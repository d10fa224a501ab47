package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// node is a value of a document, with the line that it stands on.
type node struct {
	line int
	kind kind
	text string // of a scalar
	keys []string
	// list holds the values of an object, in the order of keys, or of an array.
	list []*node
}

type kind uint8

const (
	scalar kind = iota
	object
	array
)

// maxDepth bounds how deep values are nested.
const maxDepth = 64

// Error is a mistake in a document: its line, counted from 1, and what it is.
type Error struct {
	Line int
	What string
}

// Error gives the line and the mistake.
func (e *Error) Error() string { return fmt.Sprintf("%d: %s", e.Line, e.What) }

func (n *node) errorf(format string, args ...any) error {
	return &Error{n.line, fmt.Sprintf(format, args...)}
}

// get gives a member of an object, nil where there is none.
func (n *node) get(key string) *node {
	if n == nil || n.kind != object {
		return nil
	}
	for i, k := range n.keys {
		if k == key {
			return n.list[i]
		}
	}
	return nil
}

// parse reads JSON or YAML.
func parse(text []byte) (*node, error) {
	if t := bytes.TrimLeft(text, " \t\r\n\xef\xbb\xbf"); len(t) > 0 && t[0] == '{' {
		return parseJSON(text)
	}
	return parseYAML(text)
}

func parseJSON(text []byte) (*node, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	r := &jsonReader{text: text, d: json.NewDecoder(bytes.NewReader(text)), line: 1}
	r.d.UseNumber()
	n, err := r.value(0)
	if err == nil {
		if _, more := r.d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something stands behind the document")
		}
	}
	var its *Error
	if err != nil && !errors.As(err, &its) {
		return nil, &Error{r.at(), "no JSON: " + err.Error()}
	}
	return n, err
}

type jsonReader struct {
	text []byte
	d    *json.Decoder
	// line is that of the byte at seen.
	line, seen int
}

// at gives the line that was read to.
func (r *jsonReader) at() int {
	to := min(int(r.d.InputOffset()), len(r.text))
	r.line += bytes.Count(r.text[r.seen:to], []byte("\n"))
	r.seen = to
	return r.line
}

func (r *jsonReader) value(depth int) (*node, error) {
	token, err := r.d.Token()
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	n := &node{line: r.at()}
	if depth > maxDepth {
		return nil, n.errorf("values are nested deeper than %d", maxDepth)
	}
	switch t := token.(type) {
	case json.Delim:
		n.kind = array
		if t == '{' {
			n.kind = object
		}
		for r.d.More() {
			if n.kind == object {
				key, err := r.d.Token()
				if err != nil {
					return nil, err
				}
				name, ok := key.(string)
				if !ok {
					return nil, fmt.Errorf("%v is no name", key)
				}
				n.keys = append(n.keys, name)
			}
			v, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			n.list = append(n.list, v)
		}
		_, err = r.d.Token()
	case string:
		n.text = t
	case nil:
	default:
		n.text = fmt.Sprint(t)
	}
	return n, err
}

func parseYAML(text []byte) (*node, error) {
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			return nil, &Error{syntax.GetToken().Position.Line, syntax.GetMessage()}
		}
		return nil, &Error{1, err.Error()}
	}
	for _, doc := range tree.Docs {
		if doc.Body != nil {
			return (&yamlReader{anchors: map[string]*node{}}).value(doc.Body, 0)
		}
	}
	return nil, &Error{1, "the document is empty"}
}

// yamlReader turns a syntax tree into nodes. An alias is the node of its
// anchor, not a copy, so that a document makes no more than it holds.
type yamlReader struct{ anchors map[string]*node }

func (r *yamlReader) value(y ast.Node, depth int) (*node, error) {
	n := &node{line: 1}
	if y == nil {
		return n, nil
	}
	if t := y.GetToken(); t != nil && t.Position != nil {
		n.line = t.Position.Line
	}
	if depth > maxDepth {
		return nil, n.errorf("values are nested deeper than %d", maxDepth)
	}
	var pairs []*ast.MappingValueNode
	switch y := y.(type) {
	case *ast.MappingNode:
		n.kind, pairs = object, y.Values
	case *ast.MappingValueNode:
		n.kind, pairs = object, []*ast.MappingValueNode{y}
	case *ast.SequenceNode:
		n.kind = array
		for _, item := range y.Values {
			v, err := r.value(item, depth+1)
			if err != nil {
				return nil, err
			}
			n.list = append(n.list, v)
		}
	case *ast.StringNode:
		n.text = y.Value
	case *ast.LiteralNode:
		n.text = y.Value.Value
	case *ast.AnchorNode:
		v, err := r.value(y.Value, depth+1)
		if err != nil {
			return nil, err
		}
		r.anchors[y.Name.GetToken().Value] = v
		return v, nil
	case *ast.AliasNode:
		v := r.anchors[y.Value.GetToken().Value]
		if v == nil {
			return nil, n.errorf("there is no anchor %s", y.Value.GetToken().Value)
		}
		return v, nil
	case *ast.TagNode:
		return r.value(y.Value, depth+1)
	case *ast.NullNode:
	default:
		n.text = y.GetToken().Value
	}
	for _, pair := range pairs {
		if _, merge := pair.Key.(*ast.MergeKeyNode); merge {
			from, err := r.value(pair.Value, depth+1)
			if err != nil {
				return nil, err
			}
			n.keys, n.list = append(n.keys, from.keys...), append(n.list, from.list...)
			continue
		}
		v, err := r.value(pair.Value, depth+1)
		if err != nil {
			return nil, err
		}
		n.keys, n.list = append(n.keys, pair.Key.GetToken().Value), append(n.list, v)
	}
	return n, nil
}
