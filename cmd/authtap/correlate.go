package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/custom"
	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/clickhouse"
	"github.com/authtap/authtap/store/output"
)

// settled is how long the rows of live sensors may be on their way.
const settled = 30 * time.Second

func (p *program) correlate() *cobra.Command {
	var once bool
	var since string
	every := time.Minute
	cmd := &cobra.Command{
		Use:   "correlate",
		Short: "Find attacks that are spread over sensors, in ClickHouse",
		Long: `correlate looks through the login attempts of all sensors for attacks of which
no sensor saw enough: guessing at one account, spraying, stuffing, and accounts
that are shared. What it finds is written beside the sensors' findings, under the
same detectors' names, as of the sensor "fleet". What a sensor has said is not
said again. Several may run at once, and again: they find the same.

The sensors must share a key (--key-file); where they do not, accounts and
passwords of one cannot be compared with those of another, and it says so.`,
		Example: `  authtap correlate --store clickhouse://writer@db:9000/authtap
  authtap correlate --once --since 720h`,
		Args: arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.settings(cmd)
			if err != nil {
				return err
			}
			if _, err := instant("since", since, time.Now(), nil); err != nil {
				return usageError{err, cmd.CommandPath()}
			}
			switch {
			case !strings.HasPrefix(s.Store, "clickhouse"):
				return usageError{errors.New("sensors are a fleet in ClickHouse: name a server with --store"), cmd.CommandPath()}
			case every < time.Second:
				return usageError{fmt.Errorf("--every: %v is less than a second", every), cmd.CommandPath()}
			}
			server, err := clickhouse.New(s.Store, p.tables(&s))
			if err != nil {
				return err
			}
			defer server.Close()
			f := fleet{p: p, server: server, since: since}
			if f.options, err = fleetOptions(&s); err != nil {
				return err
			}
			if once {
				return f.look(cmd.Context(), 0)
			}
			return f.watch(cmd.Context(), every)
		},
	}
	cmd.Flags().DurationVar(&every, "every", every, "how often to look")
	cmd.Flags().BoolVar(&once, "once", false, "look once, at all that is there, and end")
	cmd.Flags().StringVar(&since, "since", "", "attacks that had news since then: a time, or a duration back from now (default: a day before the newest attempt)")
	flags(cmd, config.Stores|config.Tables|config.Judging)
	return cmd
}

// fleetOptions gives what the configuration says of detectors.
func fleetOptions(s *config.Settings) (o clickhouse.CorrelateOptions, err error) {
	d, _, err := detection(s, false, custom.Options{})
	if err != nil {
		return o, err
	}
	o = clickhouse.CorrelateOptions{Detectors: d.Detectors, Settings: d.Settings, Suppressions: d.Suppressions}
	for _, name := range slices.Sorted(maps.Keys(d.Overrides)) {
		for _, v := range d.Overrides[name] {
			if v.Switch == detect.Off {
				o.Suppressions = append(o.Suppressions, detect.Suppression{Detector: name, Place: v.Place, Reason: "off there"})
			}
		}
	}
	return o, nil
}

// fleet looks at what all sensors have sent.
type fleet struct {
	p       *program
	server  *clickhouse.Store
	options clickhouse.CorrelateOptions
	since   string
	// What was warned of: keys, and clocks that are ahead.
	warned, aheadOf string
}

// watch looks every now and then. What goes wrong is told, and tried again.
func (f *fleet) watch(ctx context.Context, every time.Duration) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := f.look(ctx, settled); err != nil && ctx.Err() == nil {
			f.p.warn("will look again in %v: %v", every, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// look looks once, at what is older than that.
func (f *fleet) look(ctx context.Context, age time.Duration) error {
	if err := f.keys(ctx); err != nil {
		return err
	}
	o, now := f.options, capture.TimeOf(time.Now())
	o.Until = now.Add(-age)
	if f.since != "" {
		var err error
		if o.Since, err = instant("since", f.since, time.Now(), nil); err != nil {
			return err
		}
	} else {
		newest, err := f.server.Newest(ctx, store.OfLogins)
		if err != nil || newest == 0 {
			return err
		}
		o.Since = min(newest, now).Add(-24 * time.Hour)
	}
	st, err := f.server.Correlate(ctx, o)
	if err == nil && st.Told > 0 {
		f.p.warn("%d attacks that no sensor saw alone, %d of them new or with news", st.Found, st.Told)
	}
	return err
}

// keys warns where sensors that live have different keys.
func (f *fleet) keys(ctx context.Context) error {
	beats, err := f.server.Heartbeats(ctx)
	if err != nil {
		return err
	}
	now := detect.Timestamp(capture.TimeOf(time.Now()))
	var newest detect.Timestamp
	for _, b := range beats {
		newest = max(newest, min(b.Time, now)) // a clock may be ahead
	}
	by := map[string][]string{}
	var ahead []string
	for _, b := range beats {
		if capture.Time(newest).Sub(capture.Time(b.Time)) <= 24*time.Hour {
			by[b.Key] = append(by[b.Key], output.Escape(b.Sensor))
		}
		if isAhead(b.Time, now) {
			ahead = append(ahead, output.Escape(b.Sensor))
		}
	}
	if warning := strings.Join(ahead, ", "); warning != f.aheadOf {
		if f.aheadOf = warning; warning != "" {
			f.p.warn("the clocks of these sensors are ahead, so that their attempts do not fall in with those of others, and are looked at late: %s", warning)
		}
	}
	warning := ""
	if len(by) > 1 {
		var groups []string
		for _, sensors := range by {
			groups = append(groups, strings.Join(sensors, ", "))
		}
		slices.Sort(groups)
		warning = strings.Join(groups, "; ")
	}
	if warning != "" && warning != f.warned {
		f.p.warn("sensors have different keys, so that accounts and passwords can be compared only within each of these groups: %s; --key-file shares a key", warning)
	}
	f.warned = warning
	return nil
}

// isAhead reports whether a heartbeat is of a clock that is ahead of this
// machine's by more than a minute.
func isAhead(beat, now detect.Timestamp) bool {
	return capture.Time(beat).Sub(capture.Time(now)) > time.Minute
}
