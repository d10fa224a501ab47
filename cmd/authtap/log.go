package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/cmd/authtap/internal/metrics"
)

// spoken is the form of the log for people: the program's name, and what it
// says. It implements slog.Handler.
type spoken struct{ w io.Writer }

func (spoken) Enabled(context.Context, slog.Level) bool { return true }
func (s spoken) WithAttrs([]slog.Attr) slog.Handler     { return s }
func (s spoken) WithGroup(string) slog.Handler          { return s }
func (s spoken) Handle(_ context.Context, r slog.Record) error {
	_, err := io.WriteString(s.w, "authtap: "+r.Message+"\n")
	return err
}

// logger is where the program says what it does: standard error.
func (p *program) logger() *slog.Logger {
	p.logs.Do(func() {
		var h slog.Handler = spoken{p.stderr}
		if p.logFormat == config.LogJSON {
			h = slog.NewJSONHandler(p.stderr, nil)
		}
		p.log = slog.New(h)
	})
	return p.log
}

// warn tells the user something that may be amiss, say what is as it should be,
// and fail why the run ends.
func (p *program) warn(format string, args ...any) { p.logger().Warn(fmt.Sprintf(format, args...)) }
func (p *program) say(format string, args ...any)  { p.logger().Info(fmt.Sprintf(format, args...)) }
func (p *program) fail(format string, args ...any) { p.logger().Error(fmt.Sprintf(format, args...)) }

// statistics tells what was counted: for people as tcpdump does, else the
// numbers that are not zero, by name.
func (p *program) statistics(s *statistics, taps []tap, blind bool) {
	var spots bytes.Buffer
	if blind {
		blindSpots(&spots, &s.Stats)
	}
	if p.logFormat != config.LogJSON {
		s.lines(taps).print(p.stderr)
		p.stderr.Write(spots.Bytes())
		return
	}
	counts := map[string]uint64{}
	for _, c := range metrics.Of(s) {
		if c.Number > 0 {
			counts[c.Path()] = c.Number
		}
	}
	p.logger().Info("statistics", "counts", counts)
	if spots.Len() > 0 {
		p.logger().Warn("blind spots", "text", strings.TrimSpace(spots.String()))
	}
}
