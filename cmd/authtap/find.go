package main

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/store"
)

func (p *program) findings() *cobra.Command {
	var since, until, severity, verdict, client string
	var filter store.Filter
	cmd := &cobra.Command{
		Use:   "findings",
		Short: "Ask the store for findings",
		Long: `findings prints the findings that the store keeps, the latest first. Filters
must all hold. Times are RFC 3339, or a duration back from now, such as 24h.`,
		Args: arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.settings(cmd)
			if err != nil {
				return err
			}
			filter.Since, err = instant("since", since, err)
			filter.Until, err = instant("until", until, err)
			if severity != "" && err == nil {
				filter.Severity, err = detect.ParseSeverity(severity)
			}
			if verdict != "" && err == nil {
				var ok bool
				if filter.Verdict, ok = endpoint.ParseVerdict(verdict); !ok {
					err = fmt.Errorf("unknown verdict %q: it is one of rejected, unknown, likely_accepted, accepted, observed", verdict)
				}
			}
			if client != "" && err == nil {
				filter.Client, err = netip.ParseAddr(client)
			}
			if filter.Limit < 0 && err == nil {
				err = fmt.Errorf("--limit: %d is negative", filter.Limit)
			}
			if err != nil {
				return usageError{err, cmd.CommandPath()}
			}
			reader, err := openReader(cmd.Context(), s.Store)
			if err != nil {
				return err
			}
			if reader == nil {
				return usageError{errors.New("there are no findings without a store: name one with --store"), cmd.CommandPath()}
			}
			defer reader.Close()
			var list []detect.Finding
			for f, err := range reader.Findings(cmd.Context(), filter) {
				if err != nil {
					return err
				}
				list = append(list, f)
			}
			return p.printAll(s.Format, list)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&since, "since", "", "seen at this time or later")
	fs.StringVar(&until, "until", "", "seen before this time")
	fs.StringVar(&severity, "severity", "", "of this severity or a higher one")
	fs.StringVar(&verdict, "verdict", "", "with this verdict")
	fs.StringVar(&filter.Detector, "detector", "", "of this detector")
	fs.StringVar(&filter.Host, "host", "", "on this host")
	fs.StringVar(&client, "client", "", "by this client address")
	fs.StringVar(&filter.Principal, "principal", "", "for this account")
	fs.StringVar(&filter.Sensor, "sensor", "", "of this sensor")
	fs.IntVar(&filter.Limit, "limit", 100, "at most so many; 0: all")
	flags(cmd, config.Stores)
	return cmd
}

// instant reads a time: RFC 3339, a date, or a duration back from now. It
// passes an earlier error on.
func instant(name, text string, err error) (capture.Time, error) {
	if text == "" || err != nil {
		return 0, err
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return capture.TimeOf(time.Now().Add(-d)), nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return capture.TimeOf(t), nil
		}
	}
	return 0, fmt.Errorf("--%s: %q is neither a time such as 2026-01-02T15:04:05Z nor a duration such as 24h", name, text)
}
