package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/store"
)

// askedFor is the span of packet time that questions are about where the user
// names none: so much up to the newest that the store has.
const askedFor = 7 * 24 * time.Hour

// question is what flags say of one.
type question struct {
	store.Question
	since, until, severity, verdict, client string
	by                                      []string
}

// flags adds those that apply to the subject.
func (q *question) flags(cmd *cobra.Command, limit int) {
	fs, shape := cmd.Flags(), store.ShapeOf(q.Of)
	fs.StringVar(&q.since, "since", "", "seen at this time or later: RFC 3339, a date, a duration back from now such as 24h, or all (default: the 7 days before the newest)")
	fs.StringVar(&q.until, "until", "", "seen before this time")
	for _, name := range shape.Filters {
		switch name {
		case "severity":
			fs.StringVar(&q.severity, name, "", "of this severity or a higher one")
		case "verdict":
			fs.StringVar(&q.verdict, name, "", "with this verdict")
		case "detector":
			fs.StringVar(&q.Detector, name, "", "of this detector")
		case "host":
			fs.StringVar(&q.Host, name, "", "on this host")
		case "client":
			fs.StringVar(&q.client, name, "", "by this client address")
		case "principal":
			fs.StringVar(&q.Principal, name, "", "for this account")
		case "sensor":
			fs.StringVar(&q.Sensor, name, "", "of this sensor")
		}
	}
	fs.StringSliceVar(&q.by, "by", nil, "add up by these, of "+strings.Join(shape.Dimensions, ", "))
	fs.IntVar(&q.Limit, "limit", limit, "at most so many; 0: all")
	flags(cmd, config.Stores)
}

// parse reads what is not text. now is what durations go back from.
func (q *question) parse(now time.Time) (err error) {
	q.Since, err = instant("since", q.since, now, err)
	q.Until, err = instant("until", q.until, now, err)
	if q.severity != "" && err == nil {
		q.Severity, err = detect.ParseSeverity(q.severity)
	}
	if q.verdict != "" && err == nil {
		var ok bool
		if q.Verdict, ok = endpoint.ParseVerdict(q.verdict); !ok {
			err = fmt.Errorf("unknown verdict %q: it is one of rejected, unknown, likely_accepted, accepted, observed", q.verdict)
		}
	}
	if q.client != "" && err == nil {
		if q.Client, err = netip.ParseAddr(q.client); err != nil {
			err = fmt.Errorf("--client: %q is not an address", q.client)
		}
	}
	if q.Limit < 0 && err == nil {
		err = fmt.Errorf("--limit: %d is negative", q.Limit)
	}
	if len(q.by) > 0 {
		q.By = q.by
	}
	if err == nil {
		err = q.Check()
	}
	return err
}

// within sets the range where the user set none. tell says what that hides, or
// that a range of the user's hides all, once the question is answered with so
// many rows.
func (p *program) within(ctx context.Context, reader store.Reader, q *question) (tell func(rows int) error, err error) {
	given := q.since != "" || q.until != ""
	if !given {
		newest, err := reader.Newest(ctx, q.Of)
		if err != nil {
			return nil, err
		}
		if newest != 0 {
			q.Since = min(newest, capture.TimeOf(time.Now())).Add(-askedFor)
		}
	}
	return func(rows int) error {
		if given && rows > 0 {
			return nil
		}
		earlier, err := reader.Earlier(ctx, q.Question)
		if earlier {
			p.warn("there is more from before %s: --since all shows it", q.Since.Time().Format(time.DateTime))
		}
		return err
	}, nil
}

// asking gives the settings of a command that asks the store.
func (p *program) asking(cmd *cobra.Command) (config.Settings, error) {
	s, err := p.settings(cmd)
	if err != nil {
		return s, err
	}
	if formats := []config.Format{"", config.Table, config.JSON, config.CSV}; !slices.Contains(formats, s.Format) && cmd.Name() != "findings" {
		return s, usageError{fmt.Errorf("--format %s is of findings: it is one of table, json, csv here", s.Format), cmd.CommandPath()}
	}
	if s.Store == "none" {
		err = usageError{errors.New("without a store there is nothing to ask: name one with --store"), cmd.CommandPath()}
	}
	return s, err
}

// asked opens the store for a command.
func (p *program) asked(cmd *cobra.Command) (store.Reader, config.Settings, error) {
	s, err := p.asking(cmd)
	if err != nil {
		return nil, s, err
	}
	reader, err := openReader(cmd.Context(), s.Store)
	return reader, s, err
}

// answered gives a command that answers questions about a subject; more, where
// it is not nil, adds to the answer to the subject's own question.
func (p *program) answered(cmd *cobra.Command, of store.Subject, more func(context.Context, store.Reader, *question, *store.Answer) error) *cobra.Command {
	q := question{Question: store.Question{Of: of}}
	var follow bool
	cmd.Args = arguments(0, 0, "")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
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
		tell, err := p.within(ctx, reader, &q)
		if err != nil {
			return err
		}
		ask := func() (*store.Answer, error) {
			a, err := reader.Ask(ctx, q.Question)
			if err == nil && more != nil && q.By == nil {
				err = more(ctx, reader, &q, a)
			}
			return a, err
		}
		if follow {
			return p.followAnswer(ctx, s.Format, q.keys(), ask)
		}
		a, err := ask()
		if err != nil {
			return err
		}
		return errors.Join(p.printAnswer(s.Format, a), tell(len(a.Rows)))
	}
	q.flags(cmd, 1000)
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on, and print rows again that have changed")
	return cmd
}

func (p *program) endpoints() *cobra.Command {
	return p.answered(&cobra.Command{
		Use:   "endpoints",
		Short: "Ask the store for endpoints, and how they are protected",
		Long: `endpoints prints the endpoints that were seen in use, all sensors and days
added up. Coverage says how many of the requests that the server let in had a
credential: consistent (95 % and more), partial, or missing; login is where
credentials come from, and unknown where none was let in. Discriminates says
whether the endpoint was seen to refuse who has no good credential. Counts are of
whole days.`,
		Example: `  authtap endpoints --host api.example
  authtap endpoints --by host --since all --format csv`,
	}, store.OfEndpoints, nil)
}

func (p *program) credentials() *cobra.Command {
	return p.answered(&cobra.Command{
		Use:   "credentials",
		Short: "Ask the store for credentials, their age and who uses them",
		Long: `credentials prints the credentials that a server let in, by the keyed hash that
findings name them by, the latest first. Age is the time between the first and
the last use that was seen, so a lower bound. Nature is rotating where a server
was seen to hand the credential out, or where it says itself when it expires;
static for keys and passwords, and for what was in use for 30 days; else unknown.
Passwords in bodies and one-time codes are not among them.`,
		Example: `  authtap credentials --principal alice
  authtap credentials --by principal,kind --since all`,
	}, store.OfCredentials, nil)
}

func (p *program) issuers() *cobra.Command {
	return p.answered(&cobra.Command{
		Use:   "issuers",
		Short: "Ask the store for issuers of tokens and their keys",
		Long: `issuers prints the keys that hosts were seen to publish, and keys and algorithms
that genuine tokens were signed with: those that a server handed out, or accepted
where it is known to refuse others. When each was seen first and last is the
history of an issuer's keys.`,
	}, store.OfIssuers, nil)
}

func (p *program) logins() *cobra.Command {
	return p.answered(&cobra.Command{
		Use:   "logins",
		Short: "Ask the store for login endpoints and attempts to log in",
		Long: `logins prints where people log in, how many attempts there were and what came of
them, and by what the answers to successful and to failed ones are known. --by
adds attempts up otherwise. The range of time is cut to whole hours. Where
there are more than 100,000 attempts, ClickHouse gives the number of clients and
accounts to about 2 %.`,
		Example: `  authtap logins
  authtap logins --by client --host api.example --since 24h
  authtap logins --principal alice --by hour,client,outcome`,
	}, store.OfLogins, learned)
}

// learned adds by what answers to logins are known.
func learned(ctx context.Context, reader store.Reader, q *question, a *store.Answer) error {
	known, err := reader.Ask(ctx, store.Question{Of: store.OfLoginEndpoints, Filter: store.Filter{Since: q.Since, Until: q.Until, Host: q.Host, Sensor: q.Sensor}})
	if err != nil {
		return err
	}
	looks := map[[3]any][]any{}
	for _, row := range known.Rows {
		looks[[3]any(row[:3])] = row[3:]
	}
	a.Columns = append(a.Columns, known.Columns[3:]...)
	for i, row := range a.Rows {
		if l := looks[[3]any(row[:3])]; l != nil {
			a.Rows[i] = append(row, l...)
		} else { // such as with Basic, which any endpoint may take
			a.Rows[i] = append(row, []string{}, []string{})
		}
	}
	return nil
}

// instant reads a time: RFC 3339, a date, or a duration back from now. It
// passes an earlier error on.
func instant(name, text string, now time.Time, err error) (capture.Time, error) {
	if text == "" || text == "all" || err != nil {
		return 0, err
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return capture.TimeOf(now.Add(-d)), nil
	}
	if number, ok := strings.CutSuffix(text, "d"); ok {
		if d, err := time.ParseDuration(number + "h"); err == nil && d >= 0 && d < 1<<40*time.Microsecond {
			return capture.TimeOf(now.Add(-24 * d)), nil
		}
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return capture.TimeOf(t), nil
		}
	}
	return 0, fmt.Errorf("--%s: %q is neither a time such as 2026-01-02T15:04:05Z nor a duration such as 24h or 7d", name, text)
}
