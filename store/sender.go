package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// SenderOptions say what to do about failures.
type SenderOptions struct {
	// Timeout bounds one write to the sink. Default 1 minute.
	Timeout time.Duration
	// Patience is how long Close goes on while writes fail and no block is
	// taken. A write that has not failed yet is waited for. Default 5 seconds.
	Patience time.Duration
	// Failed, when set, is told each failed write; it will be tried again.
	Failed func(error)
	// Aside, when set, is told the file of rows that were put aside, and why.
	Aside func(path string, why error)
}

// SenderStats counts since NewSender.
type SenderStats struct {
	// Sent blocks and rows were acknowledged.
	Blocks, Rows uint64
	// Failures are writes that failed.
	Failures uint64
	// Preparing is 1 while the sink gets ready for blocks.
	Preparing uint64
}

// Sender takes blocks off a spool and writes them to a sink, in order, each
// until it is taken, with growing pauses between. Of one that the sink refuses
// for good, the rows that are meant are put aside. It has one block in memory.
//
// A sink with a method Prepare(context.Context) error is told before each block,
// and may take as long as it needs to be ready for it: to bring its tables up to
// date, say.
type Sender struct {
	spool   *Spool
	sink    Sink
	opt     SenderOptions
	cancel  context.CancelFunc
	done    chan struct{}
	closing chan struct{}

	mu    sync.Mutex
	stats SenderStats
	err   error // of the last write, nil when that was taken
}

// NewSender starts a sender. Close closes neither spool nor sink.
func NewSender(spool *Spool, sink Sink, opt SenderOptions) *Sender {
	if opt.Timeout <= 0 {
		opt.Timeout = time.Minute
	}
	if opt.Patience <= 0 {
		opt.Patience = 5 * time.Second
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Sender{spool: spool, sink: sink, opt: opt, cancel: cancel, done: make(chan struct{}), closing: make(chan struct{})}
	go s.run(ctx)
	return s
}

// Close sends what the spool holds until it is empty, ctx is done, or patience
// ends, and ends the sender. It returns nil when all was sent, else *Unsent.
// The spool must be finished.
func (s *Sender) Close(ctx context.Context) error {
	failed := s.Stats().Failures
	close(s.closing)
	for left := s.spool.Stats().Waiting; ; {
		select {
		case <-s.done:
		case <-ctx.Done():
			s.cancel()
		case <-time.After(s.opt.Patience):
			now := s.spool.Stats().Waiting
			if now < left || s.Stats().Failures == failed {
				left, failed = now, s.Stats().Failures
				continue
			}
			s.cancel()
		}
		break
	}
	<-s.done
	s.cancel()
	n := s.spool.Stats().Waiting
	if n == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Unsent{Rows: n, Dir: s.spool.opt.Dir, Err: s.err}
}

// Unsent says that rows stay in the spool.
type Unsent struct {
	Rows uint64
	Dir  string
	// Err is that of the last attempt, nil where there was no time for one.
	Err error
}

// Error implements error.
func (u *Unsent) Error() string {
	text := fmt.Sprintf("%d rows stay in the spool %s, and are sent at the next start", u.Rows, u.Dir)
	if u.Err != nil {
		text += ": " + u.Err.Error()
	}
	return text
}

// Unwrap gives Err.
func (u *Unsent) Unwrap() error { return u.Err }

// Stats may be called at any time.
func (s *Sender) Stats() SenderStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

func (s *Sender) run(ctx context.Context) {
	defer close(s.done)
	var again backOff
	for {
		err := s.step(ctx)
		if err == errFinished || ctx.Err() != nil {
			return
		}
		if err == nil {
			again = backOff{}
			continue
		}
		s.mu.Lock()
		s.stats.Failures++
		s.err = err
		s.mu.Unlock()
		if s.opt.Failed != nil {
			s.opt.Failed(err)
		}
		pause, closing := again.pause(), s.closing
		select {
		case <-closing: // the end does not wait for long
			pause, closing = min(pause, firstPause), nil
		default:
		}
		select {
		case <-time.After(pause):
		case <-closing:
		case <-ctx.Done():
		}
	}
}

func (s *Sender) prepare(ctx context.Context) error {
	sink, ok := s.sink.(interface{ Prepare(context.Context) error })
	if !ok {
		return nil
	}
	set := func(n uint64) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stats.Preparing = n
	}
	set(1)
	defer set(0)
	return sink.Prepare(ctx)
}

// errFinished ends a sender. A sink's error may be io.EOF, too.
var errFinished = errors.New("everything is sent")

// step sends one block, and puts aside what of it is never taken.
func (s *Sender) step(ctx context.Context) error {
	b, err := s.spool.Next(ctx)
	var refused refusal
	switch {
	case err == io.EOF:
		return errFinished
	case b == nil:
		return err
	case err != nil: // it cannot be read
		refused.why = err
	default:
		if err := s.prepare(ctx); err != nil {
			return err
		}
		if err := s.write(ctx, &b.Block, &refused); err != nil {
			return err
		}
	}
	if refused.why != nil {
		path, err := s.spool.Quarantine(b, &refused.rows)
		if err != nil {
			return errors.Join(refused.why, err)
		}
		if s.opt.Aside != nil {
			s.opt.Aside(path, refused.why)
		}
	}
	if sent := b.Len() - refused.rows.Len(); sent > 0 {
		s.mu.Lock()
		s.stats.Blocks++
		s.stats.Rows += uint64(sent)
		s.err = nil
		s.mu.Unlock()
	}
	if refused.why != nil {
		return nil
	}
	return s.spool.Done(b)
}

// refusal is what of a block the sink will never take, and why it does not take
// the first of it. tries are parts that it did not take.
type refusal struct {
	rows  Rows
	why   error
	tries int
}

// mostRefused is how many parts of a block may be refused in the search for the
// rows that are: among 10,000 it finds nine or more. What is not searched by then
// goes with them.
const mostRefused = 128

// write writes a block. One that is refused is written in halves, and theirs, so
// that the rows which are meant are alone in the end. A part has a token of its
// own, the same at each attempt.
func (s *Sender) write(ctx context.Context, b *Block, refused *refusal) error {
	// A timeout of its own: what is under way when the sender is closed gets no
	// more time than that.
	attempt, cancel := context.WithTimeout(ctx, s.opt.Timeout)
	err := s.sink.Write(attempt, b)
	cancel()
	if err == nil || !errors.Is(err, ErrPoison) {
		return err
	}
	refused.tries++
	if n := b.Len(); n > 1 && refused.tries <= mostRefused {
		first, others := b.cut(n / 2)
		if err := s.write(ctx, &Block{Rows: first, Token: b.Token + ".0"}, refused); err != nil {
			return err
		}
		return s.write(ctx, &Block{Rows: others, Token: b.Token + ".1"}, refused)
	}
	refused.rows.add(&b.Rows)
	if refused.why == nil {
		refused.why = err
	}
	return nil
}
