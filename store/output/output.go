// Package output prints findings: as lines of JSON, in a form of our own and in
// those of others (ECS, OCSF, EVE), as lines of text, as a table, and as a SARIF
// log.
//
// Contract: Lines and Text are sinks; each version that they are given is a
// line, and each Write one write to what is below, so that lines are whole.
// What a finding does not say is absent in every form, never empty or null, and
// every form tells the verdict in the finding's own word.
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

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/store"
)

// Lines prints findings as lines of JSON. It implements store.Sink.
type Lines struct {
	w    io.Writer
	form func(*detect.Finding) any
}

// NewLines prints to w, as docs/finding.schema.json says.
func NewLines(w io.Writer) *Lines { return &Lines{w, own} }

// NewECS prints to w, in the Elastic Common Schema. version is the program's.
func NewECS(w io.Writer, version string) *Lines {
	return &Lines{w, func(f *detect.Finding) any { return ecs(f, version) }}
}

// NewOCSF prints to w, as Detection Findings of the Open Cybersecurity Schema
// Framework. version is the program's.
func NewOCSF(w io.Writer, version string) *Lines {
	return &Lines{w, func(f *detect.Finding) any { return ocsf(f, version) }}
}

// NewEVE prints to w, as Suricata's EVE does alerts.
func NewEVE(w io.Writer) *Lines { return &Lines{w, func(f *detect.Finding) any { return eve(f) }} }

// own is a finding's own form.
func own(f *detect.Finding) any {
	if f.References == nil {
		with := *f
		with.References = []string{} // the schema has a list, not null
		return &with
	}
	return f
}

// Write prints the block's findings.
func (l *Lines) Write(ctx context.Context, b *store.Block) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var all bytes.Buffer
	encoder := json.NewEncoder(&all)
	encoder.SetEscapeHTML(false) // this is no HTML, and reads better
	for i := range b.Findings {
		if err := encoder.Encode(l.form(&b.Findings[i])); err != nil {
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
