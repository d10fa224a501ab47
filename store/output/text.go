package output

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/store"
)

// Escape gives text from traffic in a form that prints, on one line, and does
// nothing else: controls, direction marks, bytes that are no UTF-8 and other
// invisible characters become \x1b, \u202e and the like, and so that this is
// not ambiguous, a backslash becomes two.
func Escape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\\':
			b.WriteString(`\\`)
		case strconv.IsPrint(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += n
	}
	return b.String()
}

// Text prints findings as lines of text, for those who watch. It implements
// store.Sink.
type Text struct{ w io.Writer }

// NewText prints to w.
func NewText(w io.Writer) *Text { return &Text{w} }

// Write prints the findings.
func (t *Text) Write(ctx context.Context, b *store.Block) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var all strings.Builder
	for i := range b.Findings {
		f := &b.Findings[i]
		fmt.Fprintf(&all, "%s %s %s %s", capture.Time(f.LastSeen), f.Severity, f.Verdict, Escape(f.Detector))
		for _, part := range []struct{ before, value string }{
			{" ", endpoint(f)}, {" from ", client(f)}, {" as ", Escape(f.Principal)}, {" (", Escape(f.Title)},
		} {
			if part.value != "" {
				all.WriteString(part.before + part.value)
			}
		}
		if f.Title != "" {
			all.WriteByte(')')
		}
		if f.Count > 1 {
			fmt.Fprintf(&all, ", %d times", f.Count)
		}
		if f.Suppressed != "" {
			all.WriteString(", suppressed: " + Escape(f.Suppressed))
		}
		all.WriteByte('\n')
	}
	_, err := io.WriteString(t.w, all.String())
	return err
}

// Close does nothing: what is below belongs to the caller.
func (t *Text) Close() error { return nil }

// endpoint gives method, host and path as far as they are known.
func endpoint(f *detect.Finding) string {
	return Escape(strings.TrimPrefix(f.Method+" "+f.Host+f.Path, " "))
}

func client(f *detect.Finding) string {
	if f.Client == nil {
		return ""
	}
	return f.Client.IP.String()
}

// TableOptions say how a table looks.
type TableOptions struct {
	// Width of the terminal in characters. Endpoints and principals are cut to
	// fit; 0 cuts nothing.
	Width int
	// Color marks what is grave.
	Color bool
}

// column of the table. Least is what it is cut to at most, in characters; 0
// is not cut.
type column struct {
	name  string
	least int
	cell  func(f *detect.Finding) string
}

var columns = []column{
	{"SEVERITY", 0, func(f *detect.Finding) string { return f.Severity.String() }},
	{"VERDICT", 0, func(f *detect.Finding) string { return f.Verdict.String() }},
	{"DETECTOR", 0, func(f *detect.Finding) string {
		if f.Suppressed != "" {
			return Escape(f.Detector) + " (suppressed)"
		}
		return Escape(f.Detector)
	}},
	{"FIRST SEEN", 0, func(f *detect.Finding) string { return capture.Time(f.FirstSeen).Time().Format("2006-01-02 15:04:05") }},
	{"COUNT", 0, func(f *detect.Finding) string { return strconv.FormatUint(f.Count, 10) }},
	{"CLIENT", 0, func(f *detect.Finding) string { return cmp.Or(client(f), "several") }},
	{"ENDPOINT", 16, func(f *detect.Finding) string { return endpoint(f) }},
	{"PRINCIPAL", 9, func(f *detect.Finding) string { return Escape(f.Principal) }},
}

// colors of severities, as SGR parameters.
var colors = map[detect.Severity]string{
	detect.Critical: "1;31", detect.High: "31", detect.Medium: "33", detect.Low: "36",
}

// Table prints findings as a table with a line of headings, in the order in
// which they come; nothing when there are none. A character is taken to be one
// cell wide.
func Table(w io.Writer, findings []detect.Finding, o TableOptions) error {
	if len(findings) == 0 {
		return nil
	}
	rows := make([][]string, len(findings)+1)
	widths, least := make([]int, len(columns)), make([]int, len(columns))
	for i := range rows {
		rows[i] = make([]string, len(columns))
		for c, column := range columns {
			least[c] = column.least
			if rows[i][c] = column.name; i > 0 {
				rows[i][c] = column.cell(&findings[i-1])
			}
			widths[c] = max(widths[c], utf8.RuneCountInString(rows[i][c]))
		}
	}
	fit(widths, least, o.Width)
	var all strings.Builder
	for i, row := range rows {
		var line strings.Builder
		for c, text := range row {
			if c > 0 {
				line.WriteString("  ")
			}
			text = cut(text, widths[c])
			padding := strings.Repeat(" ", widths[c]-utf8.RuneCountInString(text))
			if c == 0 && i > 0 && o.Color && colors[findings[i-1].Severity] != "" {
				text = "\x1b[" + colors[findings[i-1].Severity] + "m" + text + "\x1b[0m"
			}
			line.WriteString(text + padding)
		}
		all.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, all.String())
	return err
}

// fit takes from the columns that may be cut, those with a least width, the
// widest first, until the table is as wide as the terminal.
func fit(widths, least []int, terminal int) {
	excess := 2*(len(widths)-1) - terminal
	for _, w := range widths {
		excess += w
	}
	for terminal > 0 && excess > 0 {
		widest := -1
		for c := range widths {
			if least[c] > 0 && widths[c] > least[c] && (widest < 0 || widths[c] > widths[widest]) {
				widest = c
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
		excess--
	}
}

// cut shortens text to n characters and marks that it did.
func cut(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	runes := []rune(text)
	return string(runes[:n-1]) + "…"
}
