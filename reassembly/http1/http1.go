// Package http1 parses conversations in HTTP/1.0 and HTTP/1.1 (RFC 9110, RFC
// 9112) and gives the exchanges in them: requests with the responses that
// provably are theirs.
//
// Contract: a Shard makes the parsers of the conversations that one goroutine
// looks after, and holds what they share: limits, counters, buffers, decoders.
// A parser takes its bytes as they come and can stop at any of them. A head
// that comes in one chunk is parsed where it lies; otherwise it is put together
// in a buffer of the shard. Between messages a conversation costs 64 bytes; a
// chunk that completes neither a head nor a body allocates nothing. Exchanges
// own their memory.
//
// # Bodies
//
// Transfer and content codings are undone: chunked, gzip, deflate, br, zstd,
// up to three on top of each other. A coded body is collected, up to
// Limits.EncodedBytes, and decoded when it is over, so that there is one
// decoder a shard and not one a conversation. Body.Length is the decoded
// length. What goes beyond Limits.EncodedBytes is not decoded, and decoding
// ends at Limits.DecodedBytes; then Length is what was decoded and the message
// is Cut. A coded body with a gap is decoded up to it. Where nothing can be
// decoded the message is Undecoded, with the bytes and the length as they were
// sent. Bytes that need neither be kept nor decoded are stepped over.
//
// # Pairing
//
// While both directions are known from their first byte on, the n-th request
// is answered by the n-th final response, as long as each response
// acknowledges some of its request. A gap within content of known length does
// not change that. Any other gap, a beginning in mid-stream, or whatever else
// breaks the count leaves the acknowledgement numbers as the only proof, for
// good: see conn.proves. What is not proved to belong together is given apart,
// marked Unpaired. The proof is that of a client which does not pipeline, and
// ends when the conversation shows one that does. A client whose pipelining
// lies entirely in gaps, or before the capture, cannot be told from one that
// waits.
//
// After a gap a direction is taken up again at the next chunk that begins with
// a request or status line.
//
// # What it does not do
//
// It does not judge: framing that can be read in several ways is read as RFC
// 9112 says and marked Malformed. It does not look at what follows CONNECT or
// an upgrade: that goes to who was named to Switch, or to the parser given to
// New.
package http1

import (
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/content"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/identify"
)

// Limits bounds what the parsers of a shard take in. A zero field takes its
// default. What goes beyond is counted in Stats.
type Limits struct {
	// HeaderBytes is the longest head, and the longest trailer (default 64
	// KiB). A longer one is cut there, and the direction taken up again later.
	HeaderBytes int
	// HeaderLines is how many header lines of a message are kept (default
	// 512). Those beyond still count for the framing.
	HeaderLines int
	// BodyBytes is how much of a decoded body is kept (default 64 KiB).
	BodyBytes int
	// EncodedBytes is how much of a coded body is collected for decoding
	// (default 1 MiB).
	EncodedBytes int
	// DecodedBytes is how far a body is decoded to know its length (default 8
	// MiB).
	DecodedBytes int
	// Pending is how many messages of a conversation wait for their
	// counterparts (default 1000); beyond, the oldest is given unpaired.
	Pending int
	// HeldBytes bounds what all parsers of the shard hold together: messages
	// under way, and those that wait (default 64 MiB). From half of it on no
	// more of bodies is kept; when it is met, heads that come in pieces are
	// given up, and no request waits for its response but the last of each
	// conversation.
	HeldBytes int
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		v *int
		d int
	}{
		{&l.HeaderBytes, 64 << 10}, {&l.HeaderLines, 512}, {&l.BodyBytes, 64 << 10},
		{&l.EncodedBytes, 1 << 20}, {&l.DecodedBytes, 8 << 20}, {&l.Pending, 1000}, {&l.HeldBytes, 64 << 20},
	} {
		if *f.v <= 0 {
			*f.v = f.d
		}
	}
	return l
}

// Stats counts what the parsers of a shard did.
type Stats struct {
	// Requests and final Responses whose first line was seen; Interim
	// responses (1xx), which are not kept.
	Requests, Responses, Interim uint64
	// Paired exchanges, and how many of them by acknowledgement numbers.
	Paired, Proved uint64
	// Unanswered requests and Orphaned responses were given unpaired; the
	// Unsolicited among them acknowledge nothing of the request that waited.
	Unanswered, Orphaned, Unsolicited uint64
	// Upgrades are connections that left HTTP; Opaque bytes came after that,
	// where nobody else took them.
	Upgrades, Opaque uint64
	// Malformed messages.
	Malformed uint64
	// Skipped bytes belong to no message; Lost counts how often a direction
	// lost its step, Resumed how often it was taken up at a first line.
	Skipped, Lost, Resumed uint64

	// Bodies that met a limit.
	content.Stats
	// HeadsOver were longer than HeaderBytes, LinesOver had more lines than
	// HeaderLines. PendingOver messages were given unpaired for Pending.
	HeadsOver, LinesOver, PendingOver uint64
	// Because of HeldBytes, HeadsRefused heads were given up, and WaitsRefused
	// requests given unpaired.
	HeadsRefused, WaitsRefused uint64
	// Held bytes as of now.
	Held int
}

// Shard makes parsers. It and they are used by one goroutine.
type Shard struct {
	limits Limits
	emit   func(*exchange.Exchange)
	stats  Stats
	pool   content.Pool
	next   map[string]Successor
	lives  reassembly.Spares[live]
	slots  reassembly.Spares[slot]

	exchanges *exchange.Pool
}

// NewShard makes a Shard whose parsers hand each exchange to emit when it is
// over. Order.Packet is the packet that ended it, Order.Index is left to the
// caller.
func NewShard(limits Limits, emit func(*exchange.Exchange)) *Shard {
	l := limits.withDefaults()
	return &Shard{limits: l, emit: emit, exchanges: new(exchange.Pool), pool: content.NewPool(content.Limits{
		BodyBytes: l.BodyBytes, EncodedBytes: l.EncodedBytes, DecodedBytes: l.DecodedBytes, HeldBytes: l.HeldBytes,
	})}
}

// Stats gives the counts so far.
func (s *Shard) Stats() Stats {
	st := s.stats
	st.Stats = s.pool.Stats()
	st.Held = s.pool.Held()
	return st
}

// Exchanges makes the shard's exchanges come from a pool that others use, too.
func (s *Shard) Exchanges(p *exchange.Pool) { s.exchanges = p }

// Protocol is the shard's row in the table of protocols.
func (s *Shard) Protocol() identify.Protocol {
	return identify.Protocol{Name: "http1", Client: LikeRequest, Server: LikeResponse, New: s.New}
}

// Successor makes the parser of a connection after the response that switches
// to another protocol. client is the direction of the client, x the exchange
// with that response. It may take the exchange, to give it with another
// response; it has none then.
type Successor func(start *reassembly.Start, client reassembly.Direction, x *exchange.Exchange) (p reassembly.Parser, takes bool)

// Switch names who parses what follows an upgrade to a protocol, whose name is
// in lower case (RFC 9110, section 7.8).
func (s *Shard) Switch(protocol string, f Successor) {
	if s.next == nil {
		s.next = map[string]Successor{}
	}
	s.next[protocol] = f
}

// New makes the parser of one conversation. The parser keeps start, which must
// not change. When the connection leaves HTTP, the rest of the chunk goes to
// rest, and all that follows should; what comes here nevertheless, or without
// rest, is counted.
func (s *Shard) New(start *reassembly.Start, rest reassembly.Parser) reassembly.Parser {
	p := &conn{shard: s, start: start, rest: rest}
	if start.Handshake {
		p.client = start.Client
		p.flags = rolesKnown | clientInStep | serverInStep
		p.turn = turnSilent
	} else {
		p.idle = [2]state{lost, lost}
	}
	return p
}
