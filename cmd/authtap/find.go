package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

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
last seen within an hour of the newest; with --by, the rows that have changed.`,
		Example: `  authtap findings --severity high --since 24h
  authtap findings --by client,detector --verdict accepted
  authtap findings --follow --severity high --format text`,
		Args: arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := q.parse(time.Now())
			if err == nil && follow && q.until != "" {
				err = errFollowUntil
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
			if follow && q.By == nil && (s.Format == config.SARIF || s.Format == config.CSV) {
				return usageError{errors.New("--follow prints table, text, json, ecs, ocsf or eve"), cmd.CommandPath()}
			}
			tell, err := p.within(ctx, reader, &q)
			if err != nil {
				return err
			}
			if q.By != nil {
				ask := func() (*store.Answer, error) { return reader.Ask(ctx, q.Question) }
				if follow {
					return p.followAnswer(ctx, s.Format, q.keys(), ask)
				}
				a, err := ask()
				if err != nil {
					return err
				}
				return errors.Join(p.printAnswer(s.Format, a), tell(len(a.Rows)))
			}
			list, err := found(ctx, reader, q.Filter)
			if err != nil {
				return err
			}
			if follow {
				return p.follow(ctx, reader, q.Filter, list, p.printing(s.Format))
			}
			return errors.Join(p.printAll(s.Format, list), tell(len(list)))
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
