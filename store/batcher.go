package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"github.com/authtap/authtap/detect"
)

// BatcherOptions say when a Batcher writes. Zero fields take their defaults.
type BatcherOptions struct {
	// Rows is how many rows are worth a write. Default 10,000.
	Rows int
	// Every is the longest that a row waits for others. Zero waits for Rows, or
	// for half the queue, or for Close.
	Every time.Duration
	// Queue bounds the bytes of rows that wait, besides as many that are being
	// written. Default 8 MiB.
	Queue int
	// Wait lets those who bring rows wait for room; without it rows that find
	// the queue full are lost, which is counted.
	Wait bool
	// Retry makes the batcher outlive a failing sink: a failed write is tried
	// again until Close. Without it a failure is final.
	Retry bool
	// Failed, when set, is told each failed write that will be tried again.
	Failed func(error)
}

// BatcherStats counts rows.
type BatcherStats struct {
	// Stored were written; Merged were findings replaced by a later version
	// before that.
	Stored, Merged uint64
	// Waiting are those not written yet; Lost found no room, or were not
	// written when the batcher was closed.
	Waiting, Lost uint64
	// Failures are writes that failed.
	Failures uint64
}

// Batcher stands in front of a sink and gathers rows into blocks. Of findings
// only the latest versions are written, in the order in which their first ones
// came.
//
// All its methods may be called from any goroutine. The sink is written to by
// a goroutine of the batcher's, which ends with Close.
type Batcher struct {
	sink    Sink
	opt     BatcherOptions
	done    chan struct{} // the goroutine has ended
	wake    chan struct{} // something changed that it may wait for
	closing chan struct{}
	cancel  context.CancelFunc

	mu        sync.Mutex
	room      sync.Cond
	pending   Rows
	bytes     int
	announced int
	index     map[string]int // of an ID in pending.Findings
	writing   int            // rows being written
	stats     BatcherStats
	hurry     bool
	err       error
}

// NewBatcher starts a batcher. Close does not close the sink.
func NewBatcher(sink Sink, opt BatcherOptions) *Batcher {
	if opt.Rows <= 0 {
		opt.Rows = 10_000
	}
	if opt.Queue <= 0 {
		opt.Queue = 8 << 20
	}
	ctx, cancel := context.WithCancel(context.Background())
	b := &Batcher{
		sink: sink, opt: opt, cancel: cancel,
		done: make(chan struct{}), wake: make(chan struct{}, 1), closing: make(chan struct{}),
		index: make(map[string]int),
	}
	b.room.L = &b.mu
	go b.run(ctx)
	return b
}

// Finding takes a version of a finding. As all that take rows, it returns the
// error of the write that failed for good, after which nothing is taken any
// more.
func (b *Batcher) Finding(f detect.Finding) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i, ok := b.index[f.ID]; ok && b.err == nil {
		b.stats.Merged++
		if b.pending.Findings[i].Version < f.Version {
			b.pending.Findings[i] = f
		}
		return nil
	}
	size := 512 + len(f.Title) + len(f.DedupeKey) + len(f.Host) + len(f.Method) + len(f.Path) + len(f.Principal)
	for i := range f.Evidence {
		size += 64 + len(f.Evidence[i].Value.String())
	}
	if ok, err := b.admit(size); !ok {
		return err
	}
	b.index[f.ID] = len(b.pending.Findings)
	b.pending.Findings = append(b.pending.Findings, f)
	b.added()
	return nil
}

// Occurrence takes a state of what happened within a minute.
func (b *Batcher) Occurrence(o detect.Occurrence) error {
	return add(b, &b.pending.Occurrences, o, 256+len(o.Host))
}

// AuthEvent takes a login attempt.
func (b *Batcher) AuthEvent(e detect.AuthEvent) error {
	return add(b, &b.pending.AuthEvents, e, 256+len(e.Host)+len(e.Method)+len(e.Path)+len(e.Principal))
}

// Endpoint takes a row of the ledger of endpoints.
func (b *Batcher) Endpoint(e detect.Endpoint) error {
	return add(b, &b.pending.Endpoints, e, 512+len(e.Host)+len(e.Path))
}

// Use takes a row of the ledger of credentials.
func (b *Batcher) Use(u detect.Use) error {
	return add(b, &b.pending.Credentials, u, 384+len(u.Principal)+24*len(u.Clients)+64*len(u.Hosts))
}

// IssuerKey takes a row of the ledger of issuers.
func (b *Batcher) IssuerKey(k detect.IssuerKey) error {
	return add(b, &b.pending.Issuers, k, 384+len(k.Issuer)+len(k.Host)+len(k.Kid))
}

// Heartbeat takes a sign of life.
func (b *Batcher) Heartbeat(h Heartbeat) error {
	return add(b, &b.pending.Heartbeats, h, 256+64*len(h.Counters))
}

// add takes a row of about so many bytes.
func add[T any](b *Batcher, rows *[]T, row T, size int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ok, err := b.admit(size); !ok {
		return err
	}
	*rows = append(*rows, row)
	b.added()
	return nil
}

// admit makes room for a row. It is called with the lock held.
func (b *Batcher) admit(size int) (ok bool, err error) {
	for b.err == nil && b.bytes > 0 && b.bytes+size > b.opt.Queue {
		if !b.opt.Wait || b.hurry {
			b.stats.Lost++
			return false, nil
		}
		b.room.Wait()
	}
	if b.err != nil {
		b.stats.Lost++
		return false, b.err
	}
	b.bytes += size
	return true, nil
}

// added wakes the writer where it may wait for the row.
func (b *Batcher) added() {
	if n := b.pending.Len(); n == 1 && b.opt.Every > 0 || b.full(n) {
		b.wakeUp()
	}
}

// full reports whether the n rows that wait are worth a write.
func (b *Batcher) full(n int) bool { return n >= b.opt.Rows || b.bytes >= b.opt.Queue/2 }

func (b *Batcher) wakeUp() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Hurry ends all waiting for room, now and later: the run is to end.
func (b *Batcher) Hurry() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hurry = true
	b.room.Broadcast()
}

// Close writes what is waiting and ends the batcher. It returns the error of
// the last write, if what it was to write is lost. When ctx is done, a write
// that has not ended is given up.
func (b *Batcher) Close(ctx context.Context) error {
	close(b.closing)
	stop := context.AfterFunc(ctx, b.cancel)
	<-b.done
	stop()
	b.cancel()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// Stats may be called at any time.
func (b *Batcher) Stats() BatcherStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.Waiting = uint64(b.pending.Len() + b.writing)
	return s
}

func (b *Batcher) run(ctx context.Context) {
	defer close(b.done)
	for last := false; !last; {
		last = b.gather()
		block := b.take()
		n := block.Len()
		if n == 0 {
			continue
		}
		stored, err := b.write(ctx, block)
		if err == nil {
			b.announce(0)
		}
		b.mu.Lock()
		b.writing = 0
		b.stats.Stored += uint64(stored)
		b.stats.Lost += uint64(n - stored)
		if err != nil {
			b.err = err
			b.stats.Lost += uint64(b.pending.Len())
			b.pending, b.bytes = Rows{}, 0
			clear(b.index)
			last = true
		}
		b.room.Broadcast()
		b.mu.Unlock()
	}
}

// gather waits until a block is to be written, and reports whether it is the
// last.
func (b *Batcher) gather() (last bool) {
	var due <-chan time.Time
	for {
		b.mu.Lock()
		n := b.pending.Len()
		full := b.full(n)
		b.mu.Unlock()
		if full {
			return false
		}
		var again <-chan time.Time
		if n > 0 && b.opt.Every > 0 {
			if due == nil {
				due = time.After(b.opt.Every)
			}
			b.announce(n)
			again = time.After(announceEvery)
		}
		select {
		case <-b.closing:
			return true
		case <-due:
			return false
		case <-b.wake:
		case <-again:
		}
	}
}

// announceEvery is how often a sink that wants to know is told what waits.
const announceEvery = 100 * time.Millisecond

// announce tells the sink how many rows wait, so that it is known what a
// process that is killed has lost.
func (b *Batcher) announce(rows int) {
	if a, ok := b.sink.(interface{ Announce(rows int) }); ok && rows != b.announced {
		b.announced = rows
		a.Announce(rows)
	}
}

func (b *Batcher) take() *Block {
	b.mu.Lock()
	defer b.mu.Unlock()
	block := &Block{Rows: b.pending}
	b.pending, b.bytes, b.writing = Rows{}, 0, block.Len()
	clear(b.index)
	b.room.Broadcast()
	return block
}

// write writes a block, again and again where that is wanted, and reports how
// many of its rows were stored. What finds no room is written in halves, so that
// neither a block nor what is left of a disk is too small for the other; a row
// that is too large by itself is lost.
func (b *Batcher) write(ctx context.Context, block *Block) (stored int, err error) {
	for again := (backOff{}); ; {
		err := b.sink.Write(ctx, block)
		if err == nil {
			return block.Len(), nil
		}
		full := errors.Is(err, syscall.ENOSPC) // what is being sent makes room
		large := errors.Is(err, errLarge)
		if n := block.Len(); n > 1 && (full || large) {
			first, others := block.cut(n / 2)
			if stored, err = b.write(ctx, &Block{Rows: first}); err == nil {
				n, err = b.write(ctx, &Block{Rows: others})
				stored += n
			}
			return stored, err
		}
		b.mu.Lock()
		b.stats.Failures++
		b.mu.Unlock()
		if large {
			b.failed(err)
			return 0, nil
		}
		closing := false
		select {
		case <-b.closing: // this was the last attempt, but on a full disk
			if closing = true; !full {
				return 0, err
			}
		default:
		}
		if !b.opt.Retry || errors.Is(err, ErrPoison) {
			return 0, err
		}
		b.failed(err)
		end := b.closing // one attempt more
		pause := again.pause()
		if closing {
			end, pause = nil, 50*time.Millisecond
		}
		select {
		case <-time.After(pause):
		case <-end:
		case <-ctx.Done():
			return 0, fmt.Errorf("%w; nobody waits for it any longer: %w", err, ctx.Err())
		}
	}
}

func (b *Batcher) failed(err error) {
	if b.opt.Failed != nil {
		b.opt.Failed(err)
	}
}

// backOff gives the pauses between attempts: each about twice the one before,
// from half a second to half a minute. A quarter of each is chance, so that
// sensors which lost the same server do not come back to it at once.
type backOff struct{ next time.Duration }

const (
	firstPause = 500 * time.Millisecond
	lastPause  = 30 * time.Second
)

func (b *backOff) pause() time.Duration {
	b.next = min(max(2*b.next, firstPause), lastPause)
	return b.next - rand.N(b.next/4)
}
