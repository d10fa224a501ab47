// Package output prints findings: as lines of JSON, as lines of text, and as a
// table.
//
// Contract: Lines and Text are sinks; each version that they are given is a
// line, and each Write one write to what is below, so that lines are whole.
// They belong to one goroutine and keep nothing. What comes from traffic can do
// nothing to a terminal: see Escape; the lines of JSON are written so that they
// are the same to a parser, and as harmless.
//
// It chooses no format, does not look for a terminal, and sorts nothing.
package output

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/authtap/authtap/store"
)

// Lines prints findings as lines of JSON (docs/finding.schema.json). It
// implements store.Sink.
type Lines struct{ w io.Writer }

// NewLines prints to w.
func NewLines(w io.Writer) *Lines { return &Lines{w} }

// Write prints the block's findings.
func (l *Lines) Write(ctx context.Context, b *store.Block) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var all bytes.Buffer
	encoder := json.NewEncoder(&all)
	encoder.SetEscapeHTML(false) // this is no HTML, and reads better
	for _, f := range b.Findings {
		if f.References == nil {
			f.References = []string{} // the schema has a list, not null
		}
		if err := encoder.Encode(f); err != nil {
			return err
		}
	}
	_, err := l.w.Write(harmless(all.Bytes()))
	return err
}

// Close does nothing: what is below belongs to the caller.
func (l *Lines) Close() error { return nil }

// harmless escapes what encoding/json leaves as it is and a terminal may not:
// DEL, the C1 controls, and whatever else does not print. All of it stands
// within strings.
func harmless(text []byte) []byte {
	const hex = "0123456789abcdef"
	var out []byte // nil as long as there is nothing to escape
	done := 0
	for i := 0; i < len(text); {
		if text[i] < 0x7f {
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if strconv.IsPrint(r) {
			i += n
			continue
		}
		out = append(out, text[done:i]...)
		for _, unit := range utf16.AppendRune(nil, r) {
			out = append(out, '\\', 'u', hex[unit>>12], hex[unit>>8&15], hex[unit>>4&15], hex[unit&15])
		}
		i += n
		done = i
	}
	if out == nil {
		return text
	}
	return append(out, text[done:]...)
}
