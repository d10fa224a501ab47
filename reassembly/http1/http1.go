// Package http1 parses conversations in HTTP/1.0 and HTTP/1.1 (RFC 9110, RFC
// 9112) and gives the exchanges in them: requests with the responses that
// provably are theirs.
//
// Contract: a Shard makes the parsers of the conversations of one goroutine and
// holds what they share: limits, counters, decoders. Parsers take bytes as they
// come and may be stopped at any. Between messages a conversation costs its
// small struct alone; a chunk that completes no message allocates nothing but
// what is kept of its body. Everything kept is bounded by Limits, and every
// bound met is counted in Stats. Exchanges own their memory.
//
// Pairing. While both directions are known from their first byte on, the n-th
// request is answered by the n-th final response that acknowledges some of it.
// A gap within content whose length is known does not change that. Any other
// gap, or a beginning in mid-stream, leaves the acknowledgement numbers as the
// only proof, for good: the response begins where the client had read to when
// it sent the request, and acknowledges the request's last byte
// (ARCHITECTURE.md, section 4); and a client that was seen to pipeline proves
// nothing. What is not proved to belong together is given apart, marked
// Unpaired. After a gap, a direction is taken up again at the next chunk that
// begins with a request or status line.
//
// It does not judge: framing that can be read in several ways is read as RFC
// 9112 says and marked Malformed. What follows CONNECT or an upgrade is
// counted, not read.
package http1

import (
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/identify"
)

// Limits bounds what the parsers of a shard take in. A zero field takes its
// default.
type Limits struct {
	// HeaderBytes is the longest head, and the longest trailer (64 KiB). A
	// longer one is given up, and the direction taken up again later.
	HeaderBytes int
	// BodyBytes is how much of a decoded body is kept (64 KiB).
	BodyBytes int
	// EncodedBytes is how much of a coded body is collected for decoding (1 MiB).
	EncodedBytes int
	// DecodedBytes is how far a body is decoded to know its length (8 MiB).
	DecodedBytes int
	// Pending is how many requests of a conversation wait for a response
	// (1000); beyond, the oldest is given unpaired.
	Pending int
	// HeldBytes bounds what all parsers of the shard collect of heads and
	// bodies together (64 MiB); beyond, bodies are not kept.
	HeldBytes int
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		v *int
		d int
	}{
		{&l.HeaderBytes, 64 << 10}, {&l.BodyBytes, 64 << 10}, {&l.EncodedBytes, 1 << 20},
		{&l.DecodedBytes, 8 << 20}, {&l.Pending, 1000}, {&l.HeldBytes, 64 << 20},
	} {
		if *f.v <= 0 {
			*f.v = f.d
		}
	}
	return l
}

// Stats counts what the parsers of a shard did.
type Stats struct {
	// Requests and final Responses whose head was read; Interim ones (1xx).
	Requests, Responses, Interim uint64
	// Paired exchanges, and how many of them by acknowledgement numbers.
	Paired, Proved uint64
	// Unanswered requests and Orphaned responses were given apart.
	Unanswered, Orphaned uint64
	// Upgrades are connections that left HTTP; Opaque bytes came after that.
	Upgrades, Opaque uint64
	Malformed        uint64
	// Skipped bytes belong to no message; Lost counts how often a direction
	// lost its step, Resumed how often it was taken up again.
	Skipped, Lost, Resumed uint64
	// HeadsOver were longer than HeaderBytes, EncodedOver bodies than
	// EncodedBytes, DecodedOver than DecodedBytes; Clipped bodies are kept in
	// part, Refused ones not at all for HeldBytes; PendingOver requests were
	// given up waiting for Pending. Undecoded bodies have an unknown or broken
	// coding.
	HeadsOver, EncodedOver, DecodedOver, Clipped, Refused, PendingOver, Undecoded uint64
	// Held bytes as of now.
	Held int
}

// Shard makes the parsers of one goroutine.
type Shard struct {
	limits Limits
	emit   func(*exchange.Exchange)
	stats  Stats
	codecs codecs
	// Structs for reuse: at most spares of each.
	messages []*message
	waits    []*waiting
}

// spares bounds what a shard keeps for reuse.
const spares = 1024

func (s *Shard) newMessage() *message {
	if n := len(s.messages); n > 0 {
		m := s.messages[n-1]
		s.messages = s.messages[:n-1]
		return m
	}
	return new(message)
}

func (s *Shard) newWaiting() *waiting {
	if n := len(s.waits); n > 0 {
		w := s.waits[n-1]
		s.waits = s.waits[:n-1]
		return w
	}
	return new(waiting)
}

// free takes back what an exchange was made of. What the exchange owns is let
// go, the buffer for heads is kept.
func (s *Shard) free(w *waiting) {
	for _, m := range [2]*message{w.req, w.resp} {
		if m != nil && len(s.messages) < spares {
			*m = message{}
			s.messages = append(s.messages, m)
		}
	}
	if len(s.waits) < spares {
		*w = waiting{}
		s.waits = append(s.waits, w)
	}
}

// NewShard makes a Shard whose parsers hand each exchange to emit when it is
// over. Order.Packet is the packet that ended it; Order.Index is the caller's.
func NewShard(limits Limits, emit func(*exchange.Exchange)) *Shard {
	return &Shard{limits: limits.withDefaults(), emit: emit}
}

// Stats gives the counts so far.
func (s *Shard) Stats() Stats { return s.stats }

// Protocol is the shard's row in the table of protocols.
func (s *Shard) Protocol() identify.Protocol {
	return identify.Protocol{Name: "http1", Client: LikeRequest, Server: LikeResponse, New: s.New}
}

// New makes the parser of one conversation, which keeps start.
func (s *Shard) New(start *reassembly.Start) reassembly.Parser {
	c := &conn{shard: s, start: start}
	if start.Handshake {
		c.client = start.Client
		c.flags = rolesKnown | inStep
	} else {
		c.half[0].state, c.half[1].state = lost, lost
		c.flags = midstream
	}
	return c
}
