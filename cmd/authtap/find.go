package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/store"
)

func (p *program) findings() *cobra.Command {
	q := question{Question: store.Question{Of: store.OfFindings}}
	var follow bool
	cmd := &cobra.Command{
		Use:   "findings",
		Short: "Ask the store for findings",
		Long: `findings prints the findings that the store keeps, the latest first, or with --by
how many there are of each kind. Filters must all hold. With --follow it goes on,
and prints each new version of a finding as the store gets it, as long as it was
last seen within an hour of the newest.`,
		Example: `  authtap findings --severity high --since 24h
  authtap findings --by client,detector --verdict accepted
  authtap findings --follow --severity high --format text`,
		Args: arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := q.parse(time.Now())
			if err == nil && follow && (q.By != nil || q.until != "") {
				err = errors.New("--follow goes neither with --by nor with --until")
			}
			if err != nil {
				return usageError{err, cmd.CommandPath()}
			}
			reader, s, err := p.asked(cmd)
			if err != nil {
				return err
			}
			defer reader.Close()
			ctx := cmd.Context()
			if follow && (s.Format == config.SARIF || s.Format == config.CSV) {
				return usageError{errors.New("--follow prints table, text, json, ecs, ocsf or eve"), cmd.CommandPath()}
			}
			tell, err := p.within(ctx, reader, &q)
			if err != nil {
				return err
			}
			if q.By != nil {
				a, err := reader.Ask(ctx, q.Question)
				if err != nil {
					return err
				}
				return errors.Join(p.printAnswer(s.Format, a), tell())
			}
			list, err := found(ctx, reader, q.Filter)
			if err != nil {
				return err
			}
			if follow {
				return p.follow(ctx, reader, q.Filter, list, p.printing(s.Format))
			}
			return errors.Join(p.printAll(s.Format, list), tell())
		},
	}
	q.flags(cmd, 100)
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on, and print findings as they come")
	return cmd
}

func found(ctx context.Context, reader store.Reader, f store.Filter) (list []detect.Finding, err error) {
	for x, err := range reader.Findings(ctx, f) {
		if err != nil {
			return nil, err
		}
		list = append(list, x)
	}
	return list, nil
}

const (
	// followEvery is how often the store is asked for what is new.
	followEvery = time.Second
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
			return err
		}
	}
}
