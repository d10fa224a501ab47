package main

import (
	"context"

	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/output"
)

// printing gives what findings are printed with, one by one: lines of JSON, or
// of text, which stand for a table too.
func (p *program) printing(f config.Format) store.Sink {
	if f == config.JSON || f == "" && p.stdoutWidth == 0 {
		return output.NewLines(p.stdout)
	}
	return output.NewText(p.stdout)
}

// printAll prints findings that are all there: on a terminal as a table, in a
// pipe as lines of JSON, if nothing else is asked for.
func (p *program) printAll(f config.Format, findings []detect.Finding) error {
	if f == config.Table || f == "" && p.stdoutWidth > 0 {
		_, plain := p.environ("NO_COLOR")
		return output.Table(p.stdout, findings, output.TableOptions{Width: p.stdoutWidth, Color: p.stdoutWidth > 0 && !plain})
	}
	return p.printing(f).Write(context.Background(), store.Of(findings...))
}
