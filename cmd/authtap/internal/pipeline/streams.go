package pipeline

import (
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/coverage"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/http1"
	"github.com/authtap/authtap/reassembly/http2"
	"github.com/authtap/authtap/reassembly/identify"
	"github.com/authtap/authtap/reassembly/relay"
	"github.com/authtap/authtap/reassembly/tlswire"
	"github.com/authtap/authtap/reassembly/tlswire/decrypt"
	"github.com/authtap/authtap/reassembly/tlswire/secret"
	"github.com/authtap/authtap/reassembly/websocket"
)

// Limits of what a shard keeps.
type Limits struct {
	Reassembly reassembly.Limits
	HTTP1      http1.Limits
	HTTP2      http2.Limits
	TLS        tlswire.Limits
	Decrypt    decrypt.Limits
}

// StreamStats counts what the shards did.
type StreamStats struct {
	// Exchanges that were handed on.
	Exchanges  uint64
	Reassembly reassembly.Stats
	Identify   identify.Stats
	HTTP1      http1.Stats
	HTTP2      http2.Stats
	WebSocket  websocket.Stats
	Relay      relay.Stats
	TLS        tlswire.Stats
	Decrypt    decrypt.Stats
	// Credentials of what was inspected.
	Credentials credential.Stats
}

// StreamsOf gives what a shard works with: an Assembler, and the parsers of
// the protocols that there are. TLS is decrypted with what secrets holds; nil
// is as good as an empty store.
func StreamsOf(l Limits, secrets *secret.Store) func(Emit) Streams {
	return func(emit Emit) Streams {
		s := new(streams)
		exchanged := func(x *exchange.Exchange) {
			s.coverage.Exchange(x)
			emit.Exchange(x)
		}
		s.http1 = http1.NewShard(l.HTTP1, exchanged)
		s.http2 = http2.NewShard(l.HTTP2, exchanged)
		s.http1.Exchanges(&s.exchanges)
		s.http2.Exchanges(&s.exchanges)
		s.http2.WebSockets(s.websocket.New)
		s.http1.Switch("h2c", func(start *reassembly.Start, client reassembly.Direction, x *exchange.Exchange) (reassembly.Parser, bool) {
			return s.http2.Upgrade(start, client, x, x.Request.Header.Get("HTTP2-Settings")), true
		})
		s.http1.Switch("websocket", func(start *reassembly.Start, client reassembly.Direction, _ *exchange.Exchange) (reassembly.Parser, bool) {
			return s.websocket.New(start, client), false
		})
		s.decrypt = decrypt.NewShard(l.Decrypt, secrets, func(start reassembly.Start) reassembly.Parser { return s.table.New(start) })
		s.tls = tlswire.NewShard(l.TLS, emit.Handshake, func(start *reassembly.Start) tlswire.Opener {
			if secrets == nil || !secrets.Any(s.packet) {
				return nil
			}
			return s.decrypt.Open(start)
		})
		s.table = identify.New(identify.Limits{}, s.http1.Protocol(), s.http2.Protocol(), s.tls.Protocol(), s.tls.Plain(), s.relay.Protocol())
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
	http2     *http2.Shard
	websocket websocket.Shard
	relay     relay.Shard
	tls       *tlswire.Shard
	decrypt   *decrypt.Shard
	packet    uint64 // that is being looked at
	coverage  coverage.Table
	exchanges exchange.Pool
}

func (s *streams) Segment(seg *reassembly.Segment) {
	s.packet = seg.Origin.Order
	s.assembler.Segment(seg)
}

func (s *streams) Reuse(x *exchange.Exchange) { s.exchanges.Put(x) }

func (s *streams) Tick(at reassembly.Origin) {
	s.packet = at.Order
	s.assembler.Tick(at.Time, at)
	s.decrypt.Tick(at)
}

func (s *streams) Close(at reassembly.Origin) {
	s.packet = at.Order
	s.assembler.Shutdown(at)
	s.decrypt.Close(at)
}

func (s *streams) Coverage() *coverage.Table { return &s.coverage }

func (s *streams) Stats() StreamStats {
	return StreamStats{
		Reassembly: s.assembler.Stats(), Identify: s.table.Stats(),
		HTTP1: s.http1.Stats(), HTTP2: s.http2.Stats(), WebSocket: s.websocket.Stats(), Relay: s.relay.Stats(), TLS: s.tls.Stats(), Decrypt: s.decrypt.Stats(),
	}
}
