package clickhouse

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/authtap/authtap/store/clickhouse/clickhousetest"
)

// watched is a connection that shows statements before they are run.
type watched struct {
	driver.Conn
	before func(ctx context.Context, statement string) error
}

func (w *watched) Exec(ctx context.Context, statement string, args ...any) error {
	if err := w.before(ctx, statement); err != nil {
		return err
	}
	return w.Conn.Exec(ctx, statement, args...)
}

// Copying rows takes as long as it takes. What another is copying is waited for;
// what is copied is not copied again, neither after that nor at the next start.
func TestMigrationTakesItsTime(t *testing.T) {
	server := clickhousetest.Start(t)
	all, err := form{}.steps()
	if err != nil {
		t.Fatal(err)
	}
	server.Exec("CREATE TABLE authtap_migrations (number UInt32, name String, cluster String) ENGINE = ReplacingMergeTree ORDER BY number")
	at := slices.IndexFunc(all, func(s step) bool { return slices.ContainsFunc(s.statements, copies) })
	for _, step := range all[:at] {
		for _, statement := range step.statements {
			server.Exec(statement)
		}
		server.Exec("INSERT INTO authtap_migrations (number, name) VALUES (?, ?)", step.number, step.name)
	}
	server.Exec("INSERT INTO auth_events (time, sensor, number) SELECT now(), 'old', number FROM numbers(10)")

	var told []string
	s, err := New(server.DSN(), Options{Migrate: true, Told: func(text string) { told = append(told, text) }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, stop := context.WithCancel(context.Background())
	var copied []string
	busy := false
	s.conn = &watched{s.conn, func(on context.Context, statement string) error {
		if until, ok := on.Deadline(); !ok || time.Until(until) < 24*time.Hour {
			t.Errorf("until %v: %s", until, statement)
		}
		if !copies(statement) {
			return nil
		}
		switch {
		case !busy: // another copies, and ends
			busy = true
			_, note := form{}.note(all[at].number, 1)
			server.Exec(note)
			return &driver.Exception{Code: queryRuns}
		case len(copied) == 1 && ctx.Err() == nil:
			stop()
			return ctx.Err()
		}
		copied = append(copied, statement)
		return nil
	}}
	if err := s.Prepare(ctx); err == nil {
		t.Error("a migration that was stopped is no error")
	}
	if err := s.Prepare(context.Background()); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, statement := range all[at].statements {
		if copies(statement) {
			want = append(want, statement)
		}
	}
	if !slices.Equal(copied, want[1:]) {
		t.Errorf("copied %q", copied)
	}
	if len(told) < len(want) || !slices.ContainsFunc(told, func(s string) bool { return strings.Contains(s, "another authtap") }) {
		t.Errorf("told %q", told)
	}
	if plan, err := s.Plan(context.Background()); err != nil || len(plan) != 0 {
		t.Errorf("still to be done: %q, %v", plan, err)
	}
}
