package tlswire

import (
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/identify"
)

// Limits bounds what the parsers of a shard take in. A zero field takes its
// default. What goes beyond is counted in Stats.
type Limits struct {
	// HandshakeBytes is how much of a handshake is read in each direction
	// (default 128 KiB).
	HandshakeBytes int
	// Certificates is how many of a handshake are read (default 10).
	Certificates int
	// HeldBytes bounds what all parsers of the shard hold together: handshakes
	// under way, 2 KiB and their hellos each, and records that come in pieces
	// (default 16 MiB). When it is met, what comes in pieces is given up as if
	// there were a gap, and connections that begin are not read.
	HeldBytes int
}

func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		v *int
		d int
	}{
		{&l.HandshakeBytes, 128 << 10}, {&l.Certificates, 10}, {&l.HeldBytes, 16 << 20},
	} {
		if *f.v <= 0 {
			*f.v = f.d
		}
	}
	return l
}

// Stats counts what the parsers of a shard did.
type Stats struct {
	// Connections that were met, how many of them in Midstream, and Handshakes
	// that were given.
	Connections, Midstream, Handshakes uint64
	// ClientHellos and ServerHellos that were read; Retried handshakes.
	ClientHellos, ServerHellos, Retried uint64
	// Handshakes by their outcome.
	Unfinished, Established, Refused, Closed uint64
	// Opaque bytes are those of connections that nobody opens, after the
	// handshake or where there was none; Opened bytes went to an opener.
	Opaque, Opened uint64
	// Malformed messages; Skipped bytes stand between no two records; Lost
	// counts how often a direction lost its step, Resumed how often it was
	// taken up at a record.
	Malformed, Skipped, Lost, Resumed uint64
	// Unreadable handshakes are those of which neither hello could be read; they
	// are not given.
	Unreadable uint64
	// Foreign connections did not answer in TLS.
	Foreign  uint64
	StartTLS StartTLS
	// Certificates that were read, DamagedCertificates that could not be.
	Certificates, DamagedCertificates uint64
	// HandshakesOver were longer than HandshakeBytes, CertificatesOver had more
	// than Certificates. Refusals are connections, messages or records given up
	// because of HeldBytes.
	HandshakesOver, CertificatesOver, Refusals uint64
	// Held bytes as of now.
	Held int
}

// Shard makes parsers. It and they are used by one goroutine.
type Shard struct {
	limits Limits
	emit   func(*exchange.Handshake)
	open   Open
	stats  Stats
	known  certificates

	held    int
	buffers [][]byte
	lives   reassembly.Spares[live]
}

// NewShard makes a Shard whose parsers hand each handshake to emit when it is
// over. Order.Packet is the packet that ended it, Order.Index is left to the
// caller. open makes the openers; nil opens nothing.
func NewShard(limits Limits, emit func(*exchange.Handshake), open Open) *Shard {
	return &Shard{limits: limits.withDefaults(), emit: emit, open: open}
}

// Stats gives the counts so far.
func (s *Shard) Stats() Stats {
	st := s.stats
	st.Held = s.held
	return st
}

// Protocol is the shard's row in the table of protocols.
func (s *Shard) Protocol() identify.Protocol {
	return identify.Protocol{Name: "tls", Client: LikeTLS, Server: LikeTLS, New: s.New}
}

// New makes the parser of one conversation. The parser keeps start, which must
// not change. When the server does not answer in TLS, what it says goes to
// rest.
func (s *Shard) New(start *reassembly.Start, rest reassembly.Parser) reassembly.Parser {
	s.stats.Connections++
	if !start.Handshake {
		s.stats.Midstream++
	}
	c := &conn{shard: s, start: start, rest: rest, live: s.newLive()}
	if s.open != nil && c.live != nil {
		if c.opener = s.open(start); c.opener != nil {
			c.flags |= opened
		}
	}
	return c
}

// What a shard keeps for reuse.
const (
	bufferBytes = 4 << 10
	bufferMost  = 32 << 10 // a larger one is not kept
	buffersKept = 64
	livesKept   = 256
	liveBytes   = 2 << 10 // what a handshake under way costs besides its hellos
)

// put appends to a buffer that the shard lent, or lends one when buf is nil. It
// reports whether there was room for it.
func (s *Shard) put(buf, b []byte) ([]byte, bool) {
	if n := len(buf) + len(b); n > cap(buf) {
		size := max(n, 2*cap(buf), bufferBytes)
		if s.held+size > s.limits.HeldBytes {
			s.stats.Refusals++
			return buf, false
		}
		old := buf
		buf = append(s.lend(size), old...)
		s.release(old)
	}
	return append(buf, b...), true
}

// lend gives an empty buffer for n bytes.
func (s *Shard) lend(n int) []byte {
	var buf []byte
	if last := len(s.buffers) - 1; last >= 0 && cap(s.buffers[last]) >= n {
		buf = s.buffers[last]
		s.buffers = s.buffers[:last]
	} else {
		buf = make([]byte, 0, n)
	}
	s.held += cap(buf)
	return buf
}

// release takes a buffer back.
func (s *Shard) release(buf []byte) {
	s.held -= cap(buf)
	if buf != nil && cap(buf) <= bufferMost && len(s.buffers) < buffersKept {
		s.buffers = append(s.buffers, buf[:0])
	}
}

// newLive gives what a connection needs that is read, nil where there is no
// room for it.
func (s *Shard) newLive() *live {
	if s.held+liveBytes > s.limits.HeldBytes {
		s.stats.Refusals++
		return nil
	}
	s.held += liveBytes
	return s.lives.Take()
}

func (s *Shard) freeLive(l *live) {
	s.held -= liveBytes + l.cost
	for d := range l.half {
		s.release(l.half[d].messages.buf)
		s.release(l.half[d].gather.buf)
	}
	*l = live{}
	s.lives.Keep(l, livesKept)
}
