package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/store"
)

// crawling is a store that takes a block in so much time; 0: it takes none.
type crawling struct {
	every time.Duration
	rows  int
}

func (c *crawling) Write(ctx context.Context, b *store.Block) error {
	if c.every == 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(c.every)
	c.rows += b.Len()
	return nil
}

func (c *crawling) Close() error { return nil }

// The end of a replay waits for room in a full spool as long as the store takes
// anything, however slow it is; not for one that takes nothing, nor when it is
// told to end.
func TestEndWaitsForASlowStore(t *testing.T) {
	for _, c := range []struct {
		every time.Duration
		told  bool
	}{{0, false}, {40 * time.Second, false}, {40 * time.Second, true}} {
		every := c.every
		synctest.Test(t, func(t *testing.T) {
			spool, err := store.OpenSpool(store.SpoolOptions{Dir: t.TempDir(), Max: 16 << 10, Wait: true})
			if err != nil {
				t.Fatal(err)
			}
			var stderr safeBuffer
			to := &crawling{every: every}
			ctx, tell := context.WithCancel(context.Background())
			defer tell()
			if c.told {
				time.AfterFunc(10*time.Second, tell) // while it waits
			}
			d := &delivery{
				ctx: ctx, p: &program{stderr: &stderr}, sink: to, spool: spool,
				sender:  store.NewSender(spool, to, store.SenderOptions{}),
				batcher: store.NewBatcher(spool, store.BatcherOptions{Retry: true, Wait: true}),
			}
			const rows = 1000
			for n := range uint64(rows) {
				if err := d.batcher.AuthEvent(detect.AuthEvent{Number: n, Host: strings.Repeat("h", 100)}); err != nil {
					t.Fatal(err)
				}
			}
			begun := time.Now()
			err = d.close()
			took := time.Since(begun)
			st := d.batcher.Stats()
			switch {
			case every == 0 && (err == nil || st.Lost == 0 || took > 10*time.Minute):
				t.Errorf("of a dead store: %v, %+v in %v", err, st, took)
			case c.told && (err == nil || to.rows == 0 || to.rows == rows || took > closeWithin+2*every):
				t.Errorf("told to end: %v, %d arrived in %v", err, to.rows, took)
			case every > 0 && !c.told && (err != nil || st.Lost > 0 || to.rows != rows || took < 2*roomWithin):
				t.Errorf("of a slow store: %v, %+v, %d arrived in %v", err, st, to.rows, took)
			}
		})
	}
}

// An error that comes again with other numbers is the same.
func TestTroublesAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stderr safeBuffer
		p := &program{stderr: &stderr}
		tell := p.troubles("no")
		for minute := range 15 {
			tell(fmt.Errorf("read tcp 192.0.2.1:%d->192.0.2.2:9000: i/o timeout", 40000+minute))
			tell(fmt.Errorf("%d rows refused", minute))
			time.Sleep(time.Minute)
		}
		if n := strings.Count(stderr.String(), "\n"); n != 4 {
			t.Errorf("%d lines: %s", n, stderr.String())
		}
	})
}

// Databases have folders of their own, whatever they are called.
func TestSpoolsByDatabase(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:9000/authtap": "127.0.0.1_9000_authtap", "[::1]:9000/a-b": "___1__9000_a-b",
		"db:9000/ä": "db_9000_%C3%A4", "db:9000/ö": "db_9000_%C3%B6", "db:9000/a b": "db_9000_a%20b", "db:9000/a_b": "db_9000_a_b", "db:9000/..": "db_9000_..",
	} {
		if got := fileName(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
