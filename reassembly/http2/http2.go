// Package http2 parses conversations in HTTP/2 (RFC 9113, RFC 7541) and gives
// the exchanges in them: requests with the responses on the same stream.
//
// Contract: a Shard makes the parsers of the conversations that one goroutine
// looks after, and holds what they share: limits, counters, buffers, decoders.
// A parser takes its bytes as they come and can stop at any of them. A header
// block that comes in one chunk is read where it lies; DATA frames are stepped
// through and cost no memory but what is kept of bodies, for which see package
// content. A conversation without open streams costs about 200 bytes and the
// two dynamic tables of HPACK, as far as they are filled. Exchanges own their
// memory; fields that came from a table share it with others.
//
// A request is :method and :path, or :authority where there is no path (to
// CONNECT); :authority stands in its header as Host, the other pseudo-header
// fields do not. Cookie fields are joined to one (RFC 9113, section 8.2.3).
// What a server promises is a request, its response that of the promised
// stream.
//
// # What was lost
//
// Streams are paired by their numbers, so a loss never pairs wrongly; it hides.
// A gap within the payload of a frame leaves the direction in step. Behind any
// other one, and in mid-stream, the direction is taken up again at a chunk that
// begins with a chain of plausible frames; this might be the content of
// somebody's body, so what is read from there on is marked as Midstream, for
// good.
//
// A lost header block takes the dynamic table of its direction with it. Then
// literal fields, static entries and what was added since are still read; a
// field whose index leads to anything else is left out, and the message has
// HeadGap.
//
// # What it does not do
//
// It does not look into tunnels: what is in the DATA frames of a stream that
// CONNECT has opened is counted, or, of a WebSocket, given to the parser that
// was made for it. It does not keep to flow control, priorities or the limits
// that the sides set each other.
package http2

import (
	"encoding/base64"
	"strings"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/content"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/identify"
)

// Limits bounds what the parsers of a shard take in. A zero field takes its
// default. What goes beyond is counted in Stats.
type Limits struct {
	// HeaderBytes is the longest header block, and how many bytes of names and
	// values a message has (default 64 KiB).
	HeaderBytes int
	// HeaderLines is how many fields of a message are kept (default 512).
	HeaderLines int
	// Continuations is how many CONTINUATION frames a header block may have
	// (default 64).
	Continuations int
	// TableBytes is how much of a dynamic table is kept, as RFC 7541, section
	// 4.1, counts it (default 64 KiB).
	TableBytes int
	// Settings is how many SETTINGS frames may wait for their acknowledgement
	// (default 16).
	Settings int
	// Streams of a conversation that are open at a time (default 1000); beyond,
	// the oldest is given as it is.
	Streams int
	// BodyBytes is how much of a decoded body is kept (default 64 KiB).
	BodyBytes int
	// EncodedBytes is how much of a coded body is collected for decoding
	// (default 1 MiB).
	EncodedBytes int
	// DecodedBytes is how far a body is decoded to know its length (default 8
	// MiB).
	DecodedBytes int
	// HeldBytes bounds what all parsers of the shard hold together: streams,
	// bodies, header blocks, tables (default 32 MiB). From half of it on no more
	// of bodies is kept; from three quarters on, a new stream takes the place of
	// the oldest of its conversation; when it is met, tables that are used are
	// forgotten, and blocks that come in pieces are given up.
	HeldBytes int
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		v *int
		d int
	}{
		{&l.HeaderBytes, 64 << 10}, {&l.HeaderLines, 512}, {&l.Continuations, 64}, {&l.TableBytes, 64 << 10}, {&l.Settings, 16},
		{&l.Streams, 1000}, {&l.BodyBytes, 64 << 10}, {&l.EncodedBytes, 1 << 20}, {&l.DecodedBytes, 8 << 20}, {&l.HeldBytes, 32 << 20},
	} {
		if *f.v <= 0 {
			*f.v = f.d
		}
	}
	return l
}

// Stats counts what the parsers of a shard did.
type Stats struct {
	// Frames whose header was read.
	Frames uint64
	// Requests, and the Promised ones among them; final Responses; Interim
	// responses (1xx), which are not kept.
	Requests, Promised, Responses, Interim uint64
	// Paired exchanges, and requests (Unanswered) and responses (Orphaned) that
	// were given unpaired. Headless streams had neither.
	Paired, Unanswered, Orphaned, Headless uint64
	// Resets are RST_STREAM frames, Goaways GOAWAY ones.
	Resets, Goaways uint64
	// Late frames with headers or data are on streams that are over.
	Late uint64
	// Despaired streams were given since nothing came on them for a minute or
	// two after a loss that may have been their end.
	Despaired uint64
	// Tunnels are streams that became one, Tunnelled the bytes in them.
	Tunnels, Tunnelled uint64
	// Malformed messages, and frames and blocks that are against the protocol.
	Malformed uint64
	// Skipped bytes belong to no frame that is known; Lost counts how often a
	// direction lost its step, Resumed how often it was taken up again.
	Skipped, Lost, Resumed uint64
	// TablesLost counts how often a dynamic table became unknown, FieldsUnknown
	// the fields that were left out for it.
	TablesLost, FieldsUnknown uint64

	// HeadsOver blocks were longer than HeaderBytes or had more frames than
	// Continuations. FieldsOver messages had more fields than HeaderLines or
	// longer ones than HeaderBytes. SettingsOver frames were not remembered for
	// Settings, StreamsOver streams given before their end for Streams.
	HeadsOver, FieldsOver, SettingsOver, StreamsOver uint64
	// Because of HeldBytes, TablesRefused tables were forgotten, HeadsRefused
	// blocks given up, and StreamsRefused streams given before their end.
	TablesRefused, HeadsRefused, StreamsRefused uint64
	// Bodies that met a limit.
	content.Stats
	// Held bytes as of now.
	Held int
}

// Shard makes parsers. It and they are used by one goroutine.
type Shard struct {
	limits  Limits
	emit    func(*exchange.Exchange)
	tunnel  func(*reassembly.Start, reassembly.Direction) reassembly.Parser
	stats   Stats
	pool    content.Pool
	reader  reader
	streams reassembly.Spares[stream]
	lives   reassembly.Spares[live]
	works   reassembly.Spares[work]

	exchanges *exchange.Pool
}

// NewShard makes a Shard whose parsers hand each exchange to emit when it is
// over. Order.Packet is the packet that ended it, Order.Index is left to the
// caller.
func NewShard(limits Limits, emit func(*exchange.Exchange)) *Shard {
	l := limits.withDefaults()
	s := &Shard{limits: l, emit: emit, exchanges: new(exchange.Pool)}
	s.pool = content.NewPool(content.Limits{BodyBytes: l.BodyBytes, EncodedBytes: l.EncodedBytes, DecodedBytes: l.DecodedBytes, HeldBytes: l.HeldBytes})
	s.reader = reader{pool: &s.pool, lines: l.HeaderLines, most: l.HeaderBytes, limit: uint32(l.TableBytes)}
	return s
}

// Exchanges makes the shard's exchanges come from a pool that others use, too.
func (s *Shard) Exchanges(p *exchange.Pool) { s.exchanges = p }

// WebSockets sets what makes the parsers of WebSockets that extended CONNECT
// opens (RFC 8441), given the client's direction.
func (s *Shard) WebSockets(f func(*reassembly.Start, reassembly.Direction) reassembly.Parser) {
	s.tunnel = f
}

// Stats gives the counts so far.
func (s *Shard) Stats() Stats {
	st := s.stats
	st.TablesLost, st.TablesRefused = s.reader.lost, s.reader.refused
	st.Stats = s.pool.Stats()
	st.Held = s.pool.Held()
	return st
}

// Protocol is the shard's row in the table of protocols.
func (s *Shard) Protocol() identify.Protocol {
	return identify.Protocol{
		Name: "http2", Client: LikeClient, Server: LikeServer,
		New: func(start *reassembly.Start, _ reassembly.Parser) reassembly.Parser { return s.New(start) },
	}
}

// New makes the parser of one conversation. The parser keeps start, which must
// not change. Nothing follows HTTP/2 on a connection.
func (s *Shard) New(start *reassembly.Start) reassembly.Parser {
	p := &conn{shard: s, start: start}
	if start.Handshake {
		p.client = start.Client
	} else {
		p.half[0].state, p.half[1].state = lost, lost
	}
	return p
}

// Upgrade makes the parser of a connection that was upgraded to HTTP/2 (RFC
// 7540, section 3.2). The request that asked for it becomes that of stream 1,
// and its exchange, which is without a response and from now on the parser's,
// is given with the response on that stream. settings is the request's
// HTTP2-Settings field.
func (s *Shard) Upgrade(start *reassembly.Start, client reassembly.Direction, x *exchange.Exchange, settings string) reassembly.Parser {
	p := &conn{shard: s, start: start, client: client, flags: roles, last: 1, sure: 1}
	st := p.newStream(1, x.Origin)
	st.x = x
	x.Protocol = exchange.HTTP2
	st.part[request].head, st.part[request].done = true, true
	s.charge(st, len(x.Request.Body.Bytes)+len(x.Request.Header)*fieldBytes)
	// Section 3.2.1: that the server switches acknowledges them.
	if b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(settings, "=")); err == nil {
		if n := tableSize(b); n != unchanged {
			p.allow(&p.half[client.Reverse()], n)
		}
	}
	return p
}
