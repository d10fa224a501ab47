package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/authtap/authtap/detect"
)

// BatcherOptions say when a Batcher writes. Zero fields take their defaults.
type BatcherOptions struct {
	// Rows is how many findings are worth a write. Default 1,000.
	Rows int
	// Every is the longest that a finding waits for others. Zero waits for Rows
	// or for Close.
	Every time.Duration
	// Queue is the largest number of findings that wait, those not counted that
	// are being written. Default 10,000.
	Queue int
	// Retry makes the batcher outlive a failing sink, for a sensor that cannot
	// wait: a failed write is tried again, after a second at first, after half
	// a minute at last, until Close; and findings that find the queue full are
	// lost, which is counted. Without it a failure is final, and Add waits for
	// room.
	Retry bool
	// Failed, when set, is told each failed write that will be tried again.
	Failed func(error)
}

// BatcherStats counts findings, each version that reached the batcher.
type BatcherStats struct {
	// Stored were written; Merged were replaced by a later version before that.
	Stored, Merged uint64
	// Waiting are those not written yet; Lost found no room, or were not
	// written when the batcher was closed.
	Waiting, Lost uint64
	// Failures are writes that failed.
	Failures uint64
}

// Batcher stands in front of a sink and gathers findings, of which only the
// latest versions are written, in the order in which their first ones came.
//
// Add and Stats may be called from any goroutine. The sink is written to by a
// goroutine of the batcher's, which ends with Close.
type Batcher struct {
	sink    Sink
	opt     BatcherOptions
	done    chan struct{} // the goroutine has ended
	wake    chan struct{} // something changed that it may wait for
	closing chan struct{}
	cancel  context.CancelFunc

	mu      sync.Mutex
	room    sync.Cond
	pending []detect.Finding
	index   map[string]int // of an ID in pending
	writing int            // findings being written
	stats   BatcherStats
	err     error
}

// NewBatcher starts a batcher. Close does not close the sink.
func NewBatcher(sink Sink, opt BatcherOptions) *Batcher {
	if opt.Rows <= 0 {
		opt.Rows = 1000
	}
	if opt.Queue <= 0 {
		opt.Queue = 10_000
	}
	opt.Rows = min(opt.Rows, opt.Queue)
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

// Add takes a finding. Without Retry it returns the error of the write that
// failed, after which nothing is taken any more.
func (b *Batcher) Add(f detect.Finding) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if b.err != nil {
			b.stats.Lost++
			return b.err
		}
		if i, ok := b.index[f.ID]; ok {
			b.stats.Merged++
			if b.pending[i].Version < f.Version {
				b.pending[i] = f
			}
			return nil
		}
		if len(b.pending) < b.opt.Queue {
			break
		}
		if b.opt.Retry {
			b.stats.Lost++
			return nil
		}
		b.room.Wait()
	}
	b.index[f.ID] = len(b.pending)
	b.pending = append(b.pending, f)
	if n := len(b.pending); n == 1 && b.opt.Every > 0 || n == b.opt.Rows {
		b.wakeUp()
	}
	return nil
}

func (b *Batcher) wakeUp() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
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
	s.Waiting = uint64(len(b.pending) + b.writing)
	return s
}

func (b *Batcher) run(ctx context.Context) {
	defer close(b.done)
	for last := false; !last; {
		last = b.gather()
		batch := b.take()
		if len(batch) == 0 {
			continue
		}
		err := b.write(ctx, batch)
		b.mu.Lock()
		b.writing = 0
		if err == nil {
			b.stats.Stored += uint64(len(batch))
		} else {
			b.err = err
			b.stats.Lost += uint64(len(batch) + len(b.pending))
			b.pending = nil
			clear(b.index)
			last = true
		}
		b.room.Broadcast()
		b.mu.Unlock()
	}
}

// gather waits until a batch is to be written, and reports whether it is the
// last.
func (b *Batcher) gather() (last bool) {
	var due <-chan time.Time
	for {
		b.mu.Lock()
		n := len(b.pending)
		b.mu.Unlock()
		if n >= b.opt.Rows {
			return false
		}
		if n > 0 && due == nil && b.opt.Every > 0 {
			due = time.After(b.opt.Every)
		}
		select {
		case <-b.closing:
			return true
		case <-due:
			return false
		case <-b.wake:
		}
	}
}

func (b *Batcher) take() []detect.Finding {
	b.mu.Lock()
	defer b.mu.Unlock()
	batch := b.pending
	b.pending, b.writing = nil, len(batch)
	clear(b.index)
	b.room.Broadcast()
	return batch
}

const (
	firstPause = time.Second
	lastPause  = 30 * time.Second
)

// write writes a batch, again and again where that is wanted.
func (b *Batcher) write(ctx context.Context, batch []detect.Finding) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := b.sink.Write(ctx, batch)
		if err == nil {
			return nil
		}
		b.mu.Lock()
		b.stats.Failures++
		b.mu.Unlock()
		select {
		case <-b.closing: // this was the last attempt
			return err
		default:
		}
		if !b.opt.Retry {
			return err
		}
		if b.opt.Failed != nil {
			b.opt.Failed(err)
		}
		select {
		case <-time.After(pause):
		case <-b.closing: // one attempt more
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}
