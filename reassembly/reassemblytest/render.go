package reassemblytest

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
)

// line is a line of the rendered script, and where in the source it came from.
type line struct {
	text   string
	number int
}

// Funcs are the functions that every script has.
func Funcs() template.FuncMap {
	return template.FuncMap{
		// seq 1 3 is 1, 2, 3.
		"seq": func(a, b int) []int {
			var s []int
			for ; a <= b; a++ {
				s = append(s, a)
			}
			return s
		},
		"add": func(ns ...int) int {
			s := 0
			for _, n := range ns {
				s += n
			}
			return s
		},
		// pad 4 7 is 0007.
		"pad":    func(width, n int) string { return fmt.Sprintf("%0*d", width, n) },
		"repeat": func(n int, s string) string { return strings.Repeat(s, n) },
		"b64":    func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		// Frames of HTTP/2, for raw lines.
		"h2hello": http2Hello, "h2settings": http2Settings, "h2": http2Headers, "h2data": http2Data,
		// b64url is without padding, as in tokens.
		"b64url": func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
	}
}

// render executes the template and tells of each line that comes out which
// line of the source it came from: so that an error within a loop points to
// the loop.
func render(name, text string, funcs template.FuncMap) ([]line, error) {
	if strings.ContainsRune(text, 0) {
		return nil, fmt.Errorf("%s: a NUL byte in the script; raw bytes are written as in >> \"\\x00\"", name)
	}
	all := Funcs()
	maps.Copy(all, funcs)
	t, err := template.New(name).Funcs(all).Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, err
	}
	for _, one := range t.Templates() {
		mark(text, one.Root)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, nil); err != nil {
		return nil, err
	}
	var lines []line
	number := 1
	for s := range strings.Lines(out.String()) {
		l := line{number: number}
		fields := strings.Split(strings.TrimRight(s, "\r\n"), "\x00")
		// Even fields are text, odd ones line numbers.
		for i, f := range fields {
			if i%2 == 0 {
				l.text += f
				continue
			}
			if number, err = strconv.Atoi(f); err != nil {
				return nil, fmt.Errorf("%s: a template function gave a NUL byte", name)
			}
			if l.text == "" {
				l.number = number
			}
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// mark puts the number of its source line, between NULs, at the beginning of
// every piece of text and behind every end of line in it.
func mark(source string, n parse.Node) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, m := range n.Nodes {
			mark(source, m)
		}
	case *parse.IfNode:
		mark(source, n.List)
		mark(source, n.ElseList)
	case *parse.RangeNode:
		mark(source, n.List)
		mark(source, n.ElseList)
	case *parse.WithNode:
		mark(source, n.List)
		mark(source, n.ElseList)
	case *parse.TextNode:
		number := 1 + strings.Count(source[:n.Pos], "\n")
		marked := fmt.Appendf(nil, "\x00%d\x00", number)
		for _, b := range n.Text {
			marked = append(marked, b)
			if b == '\n' {
				number++
				marked = fmt.Appendf(marked, "\x00%d\x00", number)
			}
		}
		n.Text = marked
	}
}
