// Package decrypt follows TLS connections of which secrets are known and gives
// what was said in them, for the protocols inside, to parsers like any other.
//
// A Shard makes the openers that package tlswire hands its records to. What is
// opened goes, in the order in which the records came, into an inner
// conversation: chunks without acknowledgement numbers, whose sequence numbers
// count the bytes that were opened. What was lost on the way is a gap of
// unknown size in there (reassembly.UnknownGap).
//
// # Secrets that come late
//
// While a secret is missing the records of a connection wait, of both
// directions, so that nothing is told out of order: for Limits.Wait of packet
// time, up to Limits.FlowBytes of a connection and Limits.TotalBytes of all;
// the connection that has waited longest makes room. The store is asked again
// when it has news, with the next record or the next Tick.
//
// A record also waits, for a second at most, where its sender had received what
// was not captured yet of the other direction: content has no acknowledgement
// numbers by which http1 could put this right.
//
// # Damage
//
// After a gap the next record is tried with the sequence numbers that follow,
// up to Bridge of them, in TLS 1.3 also under the keys that may have come
// into use. A record that does not authenticate is never given on. RC4 ends
// with the first lost record; CBC of TLS 1.0 needs one more to find its IV.
//
// Contract: a Shard and what it makes are used by one goroutine. An opener costs
// 4 to 6 KiB, its ciphers most of it; Limits.Connections bounds how many there
// are. What waits is counted in Stats.Held.
//
// What it does not do: renegotiation (the connection ends there, for us), SSL
// 3.0, compression, drafts of TLS 1.3, DTLS.
package decrypt

import (
	"time"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/tlswire"
	"github.com/authtap/authtap/reassembly/tlswire/record"
	"github.com/authtap/authtap/reassembly/tlswire/secret"
)

// Bridge is how many sequence numbers a record is tried with after a gap, and
// how many records in a row may fail before a direction is given up.
const (
	Bridge     = 64
	mostFailed = 16
)

// disorder is how long one direction waits for the other that was captured
// late, in packet time. After that it never does.
const disorder = time.Second

// Limits bounds what a Shard keeps. A zero field takes its default.
type Limits struct {
	// Connections is how many are followed at a time (default 20 000); others
	// are not opened.
	Connections int
	// Wait is how long a record waits for its secret, in packet time (default
	// 5 s).
	Wait time.Duration
	// FlowBytes is how much of a connection waits (default 1 MiB), TotalBytes
	// how much of all together (default 32 MiB).
	FlowBytes, TotalBytes int
	// MessageBytes is the longest handshake message that is looked into, and how
	// much of a handshake is kept where the master secret depends on it (default
	// 64 KiB).
	MessageBytes int
}

func (l Limits) withDefaults() Limits {
	if l.Wait <= 0 {
		l.Wait = 5 * time.Second
	}
	for _, f := range []struct {
		v *int
		d int
	}{
		{&l.Connections, 20_000}, {&l.FlowBytes, 1 << 20}, {&l.TotalBytes, 32 << 20}, {&l.MessageBytes, 64 << 10},
	} {
		if *f.v <= 0 {
			*f.v = f.d
		}
	}
	return l
}

// Stats counts what was done. A connection that is over is in one of Decrypted,
// Secretless, Failed, Unsupported and Damaged, if anything in it was encrypted.
type Stats struct {
	// Connections that were looked at; Crowded ones were not, since there were
	// too many.
	Connections, Crowded uint64
	// Decrypted ones gave content. Failed ones have a secret that opens
	// nothing. Unsupported ones use what is not opened here, Damaged ones lost
	// what is needed to open them, such as a hello. Renegotiated ones were
	// opened up to there.
	Decrypted, Failed, Unsupported, Damaged, Renegotiated uint64
	// Secretless connections were given up: the secret did not come in time
	// (Late) or before the connection's end in the capture (Ended), or there was
	// no more room for what waited, of the connection (FlowOver) or at all
	// (TotalOver).
	Secretless, Late, Ended, FlowOver, TotalOver uint64
	// Records that were opened, and Bytes of content. Bridged records were
	// missing before one that could be opened; Unopened ones did not
	// authenticate. Broken directions were given up for that.
	Records, Bytes, Bridged, Unopened, Broken uint64
	// EarlyRejected records were early data that the server did not take.
	EarlyRejected uint64
	// KeyUpdates of TLS 1.3.
	KeyUpdates uint64
	// MessagesOver were longer than MessageBytes.
	MessagesOver uint64
	// Held bytes wait, and Followed connections are not over, as of now.
	Held, Followed int
}

// Shard makes openers.
type Shard struct {
	limits  Limits
	secrets *secret.Store
	inner   func(reassembly.Start) reassembly.Parser
	stats   Stats
	waiting []*conn // those with a queue, and some without, by age
	buffers [][]byte
}

// NewShard makes a Shard that asks a Store for secrets. inner makes the parser
// of what is in a connection.
func NewShard(l Limits, secrets *secret.Store, inner func(reassembly.Start) reassembly.Parser) *Shard {
	return &Shard{limits: l.withDefaults(), secrets: secrets, inner: inner}
}

// Stats gives the counts so far.
func (s *Shard) Stats() Stats { return s.stats }

// Open makes the opener of a connection; it is a tlswire.Open.
func (s *Shard) Open(start *reassembly.Start) tlswire.Opener {
	if s.stats.Followed >= s.limits.Connections {
		s.stats.Crowded++
		return nil
	}
	s.stats.Followed++
	return &conn{shard: s, start: start}
}

// Tick asks for secrets that are missing, and gives up what has waited too
// long.
func (s *Shard) Tick(at reassembly.Origin) {
	waiting := s.waiting
	s.waiting = nil
	for _, c := range waiting {
		c.listed = false
		if len(c.queue) == 0 {
			continue
		}
		c.retry(at)
		if len(c.queue) > 0 && !c.waiting && at.Time.Sub(c.queue[0].at.Time) > disorder {
			c.disordered = true
			c.retry(at)
		}
		if len(c.queue) > 0 && at.Time.Sub(c.queue[0].at.Time) > s.limits.Wait {
			s.stats.Late++
			c.giveUp(&s.stats.Secretless, at)
		}
		c.list()
	}
}

// Close gives up what waits. Every conversation has ended before.
func (s *Shard) Close(at reassembly.Origin) {
	for _, c := range s.waiting {
		if len(c.queue) > 0 {
			c.retry(at)
		}
		if len(c.queue) > 0 {
			c.disordered = true
			c.retry(at)
		}
		if len(c.queue) > 0 {
			s.stats.Ended++
			c.giveUp(&s.stats.Secretless, at)
		}
	}
	s.waiting = nil
}

// charge counts n more bytes as held, and makes room for them.
func (s *Shard) charge(n int, at reassembly.Origin) {
	s.stats.Held += n
	for s.stats.Held > s.limits.TotalBytes && len(s.waiting) > 0 {
		c := s.waiting[0]
		s.waiting = s.waiting[1:]
		c.listed = false
		if len(c.queue) > 0 {
			s.stats.TotalOver++
			c.giveUp(&s.stats.Secretless, at)
		}
	}
}

// lend gives a buffer for the content of a record. There may be TLS inside of
// TLS, so one is not enough.
func (s *Shard) lend() []byte {
	if n := len(s.buffers); n > 0 {
		b := s.buffers[n-1]
		s.buffers = s.buffers[:n-1]
		return b
	}
	return make([]byte, 0, record.MaxFragment)
}

func (s *Shard) release(b []byte) { s.buffers = append(s.buffers, b) }
