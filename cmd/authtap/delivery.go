package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/clickhouse"
	"github.com/authtap/authtap/store/sqlite"
)

const (
	// batchEvery is the longest that a row waits for others, live: what may be
	// lost when the process is killed.
	batchEvery = time.Second
	// closeWithin bounds the end of a live run, and of a replay that is told to
	// end; roomWithin how long the end of a replay waits for room in a full spool
	// of which nothing is sent.
	closeWithin = 30 * time.Second
	roomWithin  = 2 * time.Minute
	// hurryAfter is how long a run that was told to end waits for room.
	hurryAfter = 10 * time.Second
)

// delivery is the way of rows to the store (package store).
type delivery struct {
	p       *program
	live    bool
	ctx     context.Context // done when the run is told to end
	batcher *store.Batcher
	sink    store.Sink
	// On the way to ClickHouse; a file of SQLite's needs neither.
	spool  *store.Spool
	sender *store.Sender
}

// deliver opens the way to the store that --store names; nil for none. A file
// is opened at once, a server when there is something to send. When ctx is
// done, rows wait for room a little longer only.
func (p *program) deliver(ctx context.Context, s *config.Settings, live bool) (*delivery, error) {
	d := &delivery{p: p, live: live, ctx: ctx}
	batching := store.BatcherOptions{Queue: s.Limit("store-queue", 0), Wait: !live, Retry: live, Failed: p.troubles("rows are not taken, will try again")}
	if live {
		batching.Every = batchEvery
	}
	switch scheme, path, _ := strings.Cut(s.Store, ":"); scheme {
	case "sqlite":
		file, err := sqlite.Open(path, sqlite.Options{})
		if err != nil {
			return nil, err
		}
		d.sink = file
		d.batcher = store.NewBatcher(file, batching)
	case "clickhouse", "clickhouses":
		server, err := clickhouse.New(s.Store, p.tables(s))
		if err != nil {
			return nil, err
		}
		d.sink = server
		dir := s.Spool
		if dir == "" {
			dir = p.stateFile("spool")
		}
		if dir == "" {
			return nil, errors.Join(errors.New("there is no place for the spool: name a folder with --spool"), server.Close())
		}
		// Each database has a folder of its own, so that no row goes to another.
		d.spool, err = store.OpenSpool(store.SpoolOptions{Dir: filepath.Join(dir, fileName(server.Address())), Max: int64(s.SpoolMax), Wait: !live})
		if errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("%w; --spool names another folder", err)
		}
		if err != nil {
			return nil, errors.Join(err, server.Close())
		}
		if st := d.spool.Stats(); st.Unclosed > 0 {
			p.warn("the run before was killed: %d rows that it had not written yet are lost, %d are still to be sent", st.Unsynced, st.Waiting)
		} else if st.Torn > 0 {
			p.warn("%d bytes of the spool are damaged, and what they held is lost: look after the disk of %s", st.Torn, dir)
		}
		d.sender = store.NewSender(d.spool, server, store.SenderOptions{
			Failed: p.troubles("rows stay in the spool, will try again"),
			Aside:  func(path string, why error) { p.warn("rows were put aside in %s: %v", path, why) },
		})
		batching.Retry = true
		d.batcher = store.NewBatcher(d.spool, batching)
	default: // package config lets nothing else through than none
		return nil, nil
	}
	context.AfterFunc(ctx, func() { time.AfterFunc(hurryAfter, d.batcher.Hurry) })
	return d, nil
}

// fileName makes a name for a file of a server's address, another one for each.
func fileName(address string) string {
	var b strings.Builder
	for _, c := range []byte(address) {
		switch {
		case c == '.' || c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			b.WriteByte(c)
		case strings.IndexByte(":/[]", c) >= 0:
			b.WriteByte('_')
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// numbers are what differs between errors of one kind: ports, rows, files.
var numbers = regexp.MustCompile(`[0-9]+`)

// troubles gives a function that tells errors, each kind once in ten minutes.
func (p *program) troubles(what string) func(error) {
	var (
		mu   sync.Mutex
		told = map[string]time.Time{}
	)
	return func(err error) {
		mu.Lock()
		defer mu.Unlock()
		text := numbers.ReplaceAllString(err.Error(), "0")
		if at, ok := told[text]; ok && time.Since(at) < 10*time.Minute {
			return
		}
		if len(told) > 100 {
			clear(told)
		}
		told[text] = time.Now()
		p.warn("%s: %v", what, err)
	}
}

// close takes everything to the store, as far as it goes, and ends the
// delivery. That rows stay in the spool is an error of a replay; live they are
// sent at the next start.
func (d *delivery) close() error {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	within := func() { time.AfterFunc(closeWithin, end) }
	if d.live {
		within()
	} else {
		defer context.AfterFunc(d.ctx, within)()
	}
	// A store that takes nothing does not hold the end up for ever.
	batching, cancel := d.whileMoving(ctx)
	defer cancel()
	err := d.batcher.Close(batching)
	if d.spool != nil {
		d.spool.Finish()
		unsent := d.sender.Close(ctx)
		if d.live && unsent != nil {
			d.p.warn("%v", unsent)
			unsent = nil
		}
		err = errors.Join(err, unsent, d.spool.Close())
	}
	return errors.Join(err, d.sink.Close())
}

// whileMoving gives a context that is done when for some time nothing has reached
// the store.
func (d *delivery) whileMoving(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		for taken, moves := uint64(0), true; moves; {
			select {
			case <-ctx.Done():
				return
			case <-time.After(roomWithin):
			}
			now := d.batcher.Stats().Stored
			moves = now > taken
			if d.sender != nil {
				sent := d.sender.Stats()
				now += sent.Rows
				moves = now > taken || sent.Preparing > 0
			}
			taken = now
		}
		cancel()
	}()
	return ctx, cancel
}

// stats adds what became of rows. It may be called at any time.
func (d *delivery) stats(s *statistics) {
	b := d.batcher.Stats()
	s.Batcher = &b
	if d.spool != nil {
		spool, sender := d.spool.Stats(), d.sender.Stats()
		s.Spool, s.Sender = &spool, &sender
	}
}

// delivery adds what became of rows.
func (c *counts) delivery(s *statistics) {
	b, sp, sent := s.Batcher, s.Spool, s.Sender
	switch {
	case b == nil:
	case sp == nil:
		c.add(b.Stored, "rows stored")
		c.some(b.Waiting, "rows waiting")
		c.some(b.Lost, "rows lost")
	default:
		c.add(sent.Rows, "rows stored")
		c.some(b.Waiting, "rows waiting")
		c.some(sp.Waiting, "rows in the spool")
		c.some(sp.Quarantined, "rows put aside, which the store does not take")
		c.some(sp.QuarantineDropped, "files of such rows removed for want of room")
		c.some(b.Lost+sp.Dropped, "rows lost")
		c.some(sp.Unsynced, "rows lost by the run before, which was killed")
		c.some(sp.Torn, "bytes in the spool that cannot be read: not written to the end, or damaged")
	}
}
