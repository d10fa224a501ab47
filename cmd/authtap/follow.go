package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/output"
)

var errFollowUntil = errors.New("--follow goes on, so that it does not go with --until")

const (
	// followEvery is how often the store is asked for what is new, answersEvery
	// how often for all that is added up.
	followEvery  = time.Second
	answersEvery = 5 * time.Second
	// followBack is how far behind the newest a finding may come late.
	followBack = time.Hour
)

// follow prints the findings of a list and whatever comes, the last seen last,
// until ctx is done.
func (p *program) follow(ctx context.Context, reader store.Reader, f store.Filter, list []detect.Finding, to store.Sink) error {
	type told struct {
		version uint64
		last    capture.Time
	}
	known := map[string]told{}
	failed := p.troubles("will ask again")
	var newest capture.Time
	if len(list) == f.Limit { // there are others that are not to be printed now
		before := f
		before.Limit = 0
		all, err := found(ctx, reader, before)
		if err != nil {
			return err
		}
		for i := range all {
			known[all[i].ID] = told{all[i].Version, capture.Time(all[i].LastSeen)}
		}
		for i := range list {
			delete(known, list[i].ID)
		}
	}
	for f.Limit = 0; ; {
		slices.SortStableFunc(list, func(a, b detect.Finding) int { return cmp.Compare(a.LastSeen, b.LastSeen) })
		var news []detect.Finding
		for _, x := range list {
			if old, ok := known[x.ID]; !ok || x.Version > old.version {
				news = append(news, x)
				known[x.ID] = told{x.Version, capture.Time(x.LastSeen)}
			}
			newest = max(newest, capture.Time(x.LastSeen))
		}
		if len(news) > 0 {
			if err := to.Write(context.WithoutCancel(ctx), store.Of(news...)); err != nil {
				return err
			}
		}
		if newest > 0 {
			f.Since = max(f.Since, newest.Add(-followBack))
		}
		for id, k := range known {
			if k.last < f.Since {
				delete(known, id)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
		var err error
		if list, err = found(ctx, reader, f); err != nil && ctx.Err() == nil {
			list = nil
			failed(err)
		}
	}
}

// keys is how many columns of an answer tell its rows apart.
func (q *question) keys() int {
	if q.By != nil {
		return len(q.By)
	}
	return len(store.ShapeOf(q.Of).By)
}

// followAnswer prints an answer, and whenever rows of it have changed those,
// until ctx is done. The first columns, so many, tell the rows apart.
func (p *program) followAnswer(ctx context.Context, format config.Format, keys int, ask func() (*store.Answer, error)) error {
	known := map[string]string{}
	failed := p.troubles("will ask again")
	for first := true; ; {
		a, err := ask()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && first:
			return err
		case err != nil:
			failed(err)
		default:
			a.Rows = slices.DeleteFunc(a.Rows, func(row []any) bool {
				key, text := fmt.Sprintf("%q", row[:keys]), fmt.Sprintf("%q", row[keys:])
				old, told := known[key]
				known[key] = text
				return told && old == text
			})
			if err := p.printMore(format, a, first); err != nil {
				return err
			}
			first = false
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(answersEvery):
		}
	}
}

// printMore prints an answer behind others; headings of CSV stand above the
// first only.
func (p *program) printMore(format config.Format, a *store.Answer, first bool) error {
	if len(a.Rows) == 0 && !first {
		return nil
	}
	if format != config.CSV || first {
		return p.printAnswer(format, a)
	}
	var all bytes.Buffer
	if err := output.AnswerCSV(&all, a); err != nil {
		return err
	}
	_, rows, _ := bytes.Cut(all.Bytes(), []byte("\n"))
	_, err := p.stdout.Write(rows)
	return err
}
