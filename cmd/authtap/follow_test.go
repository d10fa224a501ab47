package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/store"
)

// Rows that have changed are printed again, those that have not are not, and a
// store that is away for a time ends nothing.
func TestFollowAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out, told bytes.Buffer
		p := &program{stdout: &out, stderr: &told, environ: func(string) (string, bool) { return "", false }}
		rows := func(all ...[]any) *store.Answer {
			return &store.Answer{Columns: []string{"host", "attempts"}, Rows: all}
		}
		answers := []*store.Answer{
			rows([]any{"a", int64(1)}, []any{"b", int64(2)}),
			rows([]any{"a", int64(1)}, []any{"b", int64(2)}),
			nil,
			rows([]any{"c", int64(1)}, []any{"a", int64(1)}, []any{"b", int64(3)}),
		}
		asked := 0
		ctx, cancel := context.WithTimeout(t.Context(), 10*answersEvery-time.Second)
		defer cancel()
		err := p.followAnswer(ctx, config.CSV, 1, func() (*store.Answer, error) {
			a := answers[min(asked, len(answers)-1)]
			asked++
			if a == nil {
				return nil, errors.New("away")
			}
			return rows(slices.Clone(a.Rows)...), nil
		})
		if err != nil || asked != 10 {
			t.Errorf("%v after %d questions", err, asked)
		}
		if d := cmp.Diff("host,attempts\na,1\nb,2\nc,1\nb,3\n", out.String()); d != "" {
			t.Error(d)
		}
		if want := "authtap: will ask again: away\n"; told.String() != want {
			t.Errorf("told %q, want %q", &told, want)
		}
	})
}

func TestFollowAnswerNeedsOne(t *testing.T) {
	p := &program{stdout: new(bytes.Buffer)}
	away := errors.New("away")
	if err := p.followAnswer(t.Context(), config.JSON, 1, func() (*store.Answer, error) { return nil, away }); err != away {
		t.Error(err)
	}
}
