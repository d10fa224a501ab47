package clickhouse

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/clickhouse/clickhousetest"
	"github.com/authtap/authtap/store/storetest"
)

// BenchmarkDelivery measures rows a second from the batcher to what ClickHouse
// has taken, beside a plain insert of the same rows by the driver, into the
// same tables, in turns.
func BenchmarkDelivery(b *testing.B) {
	const n = 100_000
	ctx := context.Background()
	for _, kind := range []string{"auth_events", "findings"} {
		b.Run(kind, func(b *testing.B) {
			server := clickhousetest.Start(b)
			s := connect(b, server.DSN(), Options{})
			block := &store.Block{}
			for i := range n {
				if kind == "findings" {
					block.Findings = append(block.Findings, storetest.Finding(i))
				} else {
					block.AuthEvents = append(block.AuthEvents, storetest.AuthEvent(i))
				}
			}
			plain := func() {
				const rows = 10_000 // what a batcher gathers
				for first := 0; first < n; first += rows {
					part := func(to int) (*store.Rows, string, string) {
						if kind == "findings" {
							return &store.Rows{Findings: block.Findings[first:to]}, kind, columns
						}
						return &store.Rows{AuthEvents: block.AuthEvents[first:to]}, kind, authEventColumns
					}
					r, table, columns := part(first + rows)
					batch, err := s.conn.PrepareBatch(ctx, "INSERT INTO "+table+" ("+columns+")")
					if err != nil {
						b.Fatal(err)
					}
					for i := range r.Findings {
						err = batch.Append(findingValues(&r.Findings[i])...)
					}
					for i := range r.AuthEvents {
						err = batch.Append(authEventValues(&r.AuthEvents[i])...)
					}
					if err == nil {
						err = batch.Send()
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			delivered := func() {
				spool, err := store.OpenSpool(store.SpoolOptions{Dir: b.TempDir(), Wait: true})
				if err != nil {
					b.Fatal(err)
				}
				sender := store.NewSender(spool, s, store.SenderOptions{})
				batcher := store.NewBatcher(spool, store.BatcherOptions{Wait: true, Retry: true})
				for _, f := range block.Findings {
					err = batcher.Finding(f)
				}
				for _, e := range block.AuthEvents {
					err = batcher.AuthEvent(e)
				}
				if err == nil {
					err = batcher.Close(ctx)
				}
				spool.Finish()
				if err == nil {
					err = sender.Close(ctx)
				}
				if err == nil {
					err = spool.Close()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			var took [2]time.Duration
			var rounds float64
			for b.Loop() {
				for i, f := range []func(){plain, delivered} {
					server.Exec("TRUNCATE TABLE " + kind)
					begun := time.Now()
					f()
					took[i] += time.Since(begun)
				}
				rounds++
			}
			b.ReportMetric(rounds*n/took[0].Seconds(), "plain-rows/s")
			b.ReportMetric(rounds*n/took[1].Seconds(), "delivered-rows/s")
			b.ReportMetric(took[0].Seconds()/took[1].Seconds(), "delivered/plain")
		})
	}
}

// A sensor's rows come through a spool to a server that is away at first,
// without tables, and refuses the password: each is told, nothing is lost.
func TestDelivery(t *testing.T) {
	server := clickhousetest.Start(t)
	o := Options{} // it makes no tables
	s, err := New(server.DSN(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	wrong, err := New(withPassword(t, server.DSN(), "wrong"), o)
	if err != nil {
		t.Fatal(err)
	}
	defer wrong.Close()
	spool, err := store.OpenSpool(store.SpoolOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	troubles := make(chan error, 100)
	until := func(sink store.Sink, text string) {
		t.Helper()
		sender := store.NewSender(spool, sink, store.SenderOptions{Failed: func(err error) { troubles <- err }})
		err := <-troubles
		if !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %q", err, text)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := sender.Close(ctx); err == nil {
			t.Error("the spool is empty")
		}
	}
	if err := spool.Write(context.Background(), events(0, 100)); err != nil {
		t.Fatal(err)
	}
	until(wrong, "check user and password")
	until(s, "authtap migrate")
	server.Kill()
	until(s, "check that ClickHouse runs there")
	server.Restart()
	connect(t, server.DSN(), Options{})
	spool.Finish()
	sender := store.NewSender(spool, s, store.SenderOptions{})
	if err := sender.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if err := spool.Close(); err != nil {
		t.Error(err)
	}
	for _, table := range []string{"findings", "auth_events", "occurrences", "sensors"} {
		if got := server.Query("SELECT count() FROM " + table)[0][0]; got != "100" {
			t.Errorf("%s rows in %s", got, table)
		}
	}
}

func withPassword(t *testing.T, dsn, password string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(u.User.Username(), password)
	return u.String()
}

// A row that comes with a value that its column does not take is put aside, and
// the others arrive, those of its block included.
func TestDeliveryOfPoison(t *testing.T) {
	server := clickhousetest.Start(t)
	s := connect(t, server.DSN(), Options{})
	server.Exec("ALTER TABLE auth_events ADD CONSTRAINT test CHECK number != 15")
	spool, err := store.OpenSpool(store.SpoolOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		var b store.Block
		for n := range 10 {
			b.AuthEvents = append(b.AuthEvents, storetest.AuthEvent(i*10+n))
		}
		b.Occurrences = []detect.Occurrence{storetest.Occurrence(i)}
		if err := spool.Write(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
	}
	spool.Finish()
	var aside []error
	sender := store.NewSender(spool, s, store.SenderOptions{Aside: func(_ string, err error) { aside = append(aside, err) }})
	if err := sender.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if st := spool.Stats(); st.QuarantinedBlocks != 1 || st.Quarantined != 1 || len(aside) != 1 || !strings.Contains(aside[0].Error(), "auth_events") {
		t.Errorf("%+v, %v", st, aside)
	}
	if err := spool.Close(); err != nil {
		t.Error(err)
	}
	for what, want := range map[string]string{
		"count(), uniqExact(number) FROM auth_events": "[29 29]", "count() FROM auth_events_by_client": "[29]", "count() FROM occurrences FINAL": "[3]",
	} {
		if got := fmt.Sprint(server.Query("SELECT " + what)[0]); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
}
