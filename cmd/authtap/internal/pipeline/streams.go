package pipeline

import (
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/coverage"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/http1"
	"github.com/authtap/authtap/reassembly/identify"
	"github.com/authtap/authtap/reassembly/tlswire"
)

// Limits of what a shard keeps.
type Limits struct {
	Reassembly reassembly.Limits
	HTTP1      http1.Limits
	TLS        tlswire.Limits
}

// StreamStats counts what the shards did.
type StreamStats struct {
	// Exchanges that were handed on.
	Exchanges  uint64
	Reassembly reassembly.Stats
	Identify   identify.Stats
	HTTP1      http1.Stats
	TLS        tlswire.Stats
}

// StreamsOf gives what a shard works with: an Assembler, and the parsers of
// the protocols that there are.
func StreamsOf(l Limits) func(Emit) Streams {
	return func(emit Emit) Streams {
		s := new(streams)
		s.http1 = http1.NewShard(l.HTTP1, func(x *exchange.Exchange) {
			s.coverage.Exchange(x)
			emit.Exchange(x)
		})
		s.tls = tlswire.NewShard(l.TLS, emit.Handshake, nil)
		s.table = identify.New(identify.Limits{}, s.http1.Protocol(), s.tls.Protocol(), s.tls.Plain())
		s.assembler = reassembly.New(l.Reassembly, s.table.New)
		s.assembler.OnClose(func(p reassembly.Parser, oneSided bool) {
			s.coverage.Conversation(identify.SeenOf(p), oneSided)
		})
		return s
	}
}

type streams struct {
	assembler *reassembly.Assembler
	table     *identify.Table
	http1     *http1.Shard
	tls       *tlswire.Shard
	coverage  coverage.Table
}

func (s *streams) Segment(seg *reassembly.Segment) { s.assembler.Segment(seg) }
func (s *streams) Tick(at reassembly.Origin)       { s.assembler.Tick(at.Time, at) }
func (s *streams) Close(at reassembly.Origin)      { s.assembler.Shutdown(at) }

func (s *streams) Coverage() *coverage.Table { return &s.coverage }

func (s *streams) Stats() StreamStats {
	return StreamStats{Reassembly: s.assembler.Stats(), Identify: s.table.Stats(), HTTP1: s.http1.Stats(), TLS: s.tls.Stats()}
}
