package main

import (
	"context"

	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/rules"
	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/output"
)

// printing gives what findings are printed with, one by one: lines of JSON, or
// of text, which stand for a table too.
func (p *program) printing(f config.Format) store.Sink {
	switch {
	case f == config.JSON || f == "" && p.stdoutWidth == 0:
		return output.NewLines(p.stdout)
	case f == config.ECS:
		return output.NewECS(p.stdout, buildVersion())
	case f == config.OCSF:
		return output.NewOCSF(p.stdout, buildVersion())
	case f == config.EVE:
		return output.NewEVE(p.stdout)
	}
	return output.NewText(p.stdout)
}

// printAll prints findings that are all there: on a terminal as a table, in a
// pipe as lines of JSON, if nothing else is asked for.
func (p *program) printAll(f config.Format, findings []detect.Finding) error {
	switch {
	case f == config.Table || f == "" && p.stdoutWidth > 0:
		_, plain := p.environ("NO_COLOR")
		return output.Table(p.stdout, findings, output.TableOptions{Width: p.stdoutWidth, Color: p.stdoutWidth > 0 && !plain})
	case f == config.CSV:
		return output.AnswerCSV(p.stdout, output.Flat(findings))
	case f == config.SARIF:
		return output.SARIF(p.stdout, findings, output.SARIFOptions{Version: buildVersion(), Detectors: rules.All()})
	}
	return p.printing(f).Write(context.Background(), store.Of(findings...))
}

// printAnswer prints the answer to a question, as findings are printed.
func (p *program) printAnswer(f config.Format, a *store.Answer) error {
	switch {
	case f == config.CSV:
		return output.AnswerCSV(p.stdout, a)
	case f == config.JSON || f == "" && p.stdoutWidth == 0:
		return output.AnswerJSON(p.stdout, a)
	}
	return output.AnswerTable(p.stdout, a, p.stdoutWidth)
}
