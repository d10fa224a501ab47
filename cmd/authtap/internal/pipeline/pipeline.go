// Package pipeline moves packets through the program: it wires sources to the
// shards, the shards to the correlator, and ends all of them in order.
//
//	source ──rounds──▶ shard 0..n-1 ──▶ correlator
//	   ▲                                    │
//	   └──────────── empty rounds ──────────┘
//
// The source's goroutine reads and decodes packets and puts their segments,
// payload copied, into a round: a batch for each shard, ended for all of them
// by the same mark. A shard's goroutine owns conversations and parsers and
// leaves in the round what came of its batch. The correlator's goroutine takes
// the rounds as they were made and each round's results in the order (packet,
// index), so that nothing behind it sees how many shards there are. Then the
// round goes back to the source.
//
// Several sources (the rings of a live capture) are read and decoded by a
// goroutine each, and one more puts their segments into rounds, merged by time.
// Packets are numbered there.
//
// Contract: memory is bounded by the number of rounds, and of batches a source
// where there are several, and by their size, besides what shards and
// correlator keep. Everything waits for everything: a source waits for an empty
// round, and a live one loses packets in the kernel meanwhile, which it counts.
// Run returns when all goroutines have ended. Packet time alone decides what
// happens; rounds end at places that the packets decide, but for live sources.
package pipeline

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/coverage"
	"github.com/authtap/authtap/reassembly/decode"
	"github.com/authtap/authtap/reassembly/exchange"
)

// Emit takes what the parsers of a shard rebuilt, on the shard's goroutine.
type Emit struct {
	Exchange  func(*exchange.Exchange)
	Handshake func(*exchange.Handshake)
}

// Inspect makes results of what was rebuilt. Where a function is nil, nobody
// wants that.
type Inspect[R any] struct {
	Exchange  func(*exchange.Exchange) R
	Handshake func(*exchange.Handshake) R
	// Done takes a result back that Take has had, and gives the exchange that it
	// was made of to be used again; nil where something holds on to that. Where
	// the function is nil, none is used again.
	Done func(R) *exchange.Exchange
	// Change takes what Options.Change gave: what comes from then on is
	// inspected by that.
	Change func(change any)
	// Stats gives the counts so far.
	Stats func() credential.Stats
}

// Options say what to run. R is what a shard makes of an exchange or a
// handshake.
type Options[R any] struct {
	// Sources are at least one; all of them name the same inputs. Several are to
	// say capture.ErrQuiet soon where they have nothing: the others wait for it.
	Sources []capture.Source
	// Decode says what the decoder of each source does.
	Decode decode.Options
	// Live makes rounds end early, so that nothing waits longer than
	// MaxDelay of packet time for others to come.
	Live bool
	// Filter says which conversations are looked at; nil: all. It is called by
	// the sources' goroutines.
	Filter func(*reassembly.FlowKey) bool
	// Shards is at least 1.
	Shards int
	// NewStreams makes what a shard reassembles and parses with.
	NewStreams func(Emit) Streams
	// NewInspect makes the functions that a shard calls.
	NewInspect func() Inspect[R]
	// Take is called by the correlator for each result, in order, and Mark
	// behind all that came before a mark. An error of Mark ends the run.
	Take func(R)
	Mark func(Mark) error
	// Failed is called, by the goroutine that fills rounds, for each input that
	// ends with an error; reading goes on with the others.
	Failed func(error)
	// Report is asked before each mark whether Reported is to be called, by the
	// correlator, with the statistics at the mark.
	Report   func() bool
	Reported func(Stats)
	// Change is asked before each mark (nil: never) whether something changes
	// there. What it gives, a pointer, is told to each shard and, by Changed, on
	// the correlator's goroutine, behind all that came before the mark: they
	// change at the same packet.
	Change  func() any
	Changed func(change any)
}

// Streams is what a shard owns: conversations and their parsers.
type Streams interface {
	// Segment takes the next segment; its payload is valid during the call.
	Segment(*reassembly.Segment)
	// Reuse takes an exchange back that nobody holds any more.
	Reuse(*exchange.Exchange)
	// Tick lets timers fire; at is the latest packet, at the clock's time.
	Tick(at reassembly.Origin)
	// Close ends everything that is open.
	Close(at reassembly.Origin)
	// Stats counts what was done so far, and Coverage what was seen of each
	// server; the table stays the Streams' own.
	Stats() StreamStats
	Coverage() *coverage.Table
}

// Mark is the end of a round.
type Mark struct {
	// Packet is the number of packets that were read before it.
	Packet uint64
	// Clock is the packet time; a whole second when Tick is set, which says
	// that timers fire here.
	Clock capture.Time
	Tick  bool
	// Last says that the input is over.
	Last bool

	report bool
	change any // nil: none
}

// Run reads the sources to their end, or until ctx is done, and takes what was
// read through to the end in either case. It returns the statistics, and the
// error of Mark that ended the run early.
func Run[R any](ctx context.Context, opt Options[R]) (Stats, error) {
	var stop atomic.Bool
	defer context.AfterFunc(ctx, func() {
		for _, s := range opt.Sources {
			if on, ok := s.(capture.Stopper); ok {
				on.Stop()
			} else {
				s.Close()
			}
		}
	})()

	free := make(chan *round[R], rounds)
	for range rounds {
		free <- &round[R]{parts: make([]part[R], opt.Shards)}
	}
	var shards sync.WaitGroup
	inputs := make([]chan *round[R], opt.Shards)
	for i := range inputs {
		inputs[i] = make(chan *round[R], rounds)
		shards.Go(func() { shard(&opt, i, inputs[i]) })
	}
	filled := make(chan *round[R], rounds)
	c := correlator[R]{opt: &opt, stop: &stop}
	var correlated sync.WaitGroup
	correlated.Go(func() {
		for r := range filled {
			r.busy.Wait()
			c.round(r)
			r.empty()
			free <- r
		}
	})

	s := reader[R]{opt: &opt, stop: &stop, free: free, round: <-free}
	s.send = func(r *round[R]) {
		r.busy.Add(opt.Shards)
		for _, in := range inputs {
			in <- r
		}
		filled <- r
	}
	for _, source := range opt.Sources {
		s.intakes = append(s.intakes, &intake{source: source, filter: opt.Filter, decoder: decode.New(opt.Decode)})
	}
	if len(s.intakes) == 1 {
		s.read(s.intakes[0])
	} else {
		s.merge()
	}
	s.last()
	for _, in := range inputs {
		close(in)
	}
	close(filled)
	shards.Wait()
	correlated.Wait()
	return c.stats, c.err
}
