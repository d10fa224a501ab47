// Package secret keeps what opens TLS connections: the lines of NSS key logs
// (https://www.ietf.org/archive/id/draft-ietf-tls-keylogfile-05.html) and RSA
// keys of servers.
//
// Contract: a Store is safe for use by several goroutines. It keeps at most
// Limits.Entries secrets, about 200 bytes each; when it is full the oldest one
// makes room, and Stats counts it. Secrets stay in memory: nothing in here
// prints them, whatever the verb, and no error holds any.
//
// A secret is known from a place in the run on, the number of a packet: who asks
// for an earlier place does not get it. So it does not matter to a replay that
// a file is read ahead of those who ask.
//
// What it does not do: look at the clock, or decide when a file is read again.
package secret

import (
	"crypto/rsa"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
)

// Limits bounds a Store. A zero field takes its default.
type Limits struct {
	// Entries is how many secrets are kept (default 100 000). A connection in
	// TLS 1.2 has one, in TLS 1.3 four or five.
	Entries int
	// Forgetful Stores do not Learn. With several goroutines it depends on
	// their pace what is learned when.
	Forgetful bool
}

// Stats counts what a Store was given.
type Stats struct {
	// Secrets that were taken in, and how many were Evicted for want of room.
	Secrets, Evicted uint64
	// Ignored lines are of no use here, Malformed ones are none of a key log.
	Ignored, Malformed uint64
	// Keys of servers.
	Keys uint64
}

// Label says what a secret is for.
type Label uint8

// The labels. Master is of TLS 1.2 and before, the others are traffic secrets
// of TLS 1.3; they are known by the client's random.
const (
	Master Label = iota
	ClientEarly
	ClientHandshake
	ServerHandshake
	ClientTraffic
	ServerTraffic
	premaster // by the first bytes of its encrypted form
	session   // a master secret by session id
	ticket    // likewise by the hash of a ticket
)

// maxSecret is the length of the longest secret: a master secret, or one of
// SHA-384.
const maxSecret = 48

// Secret is one secret. It does not print.
type Secret struct {
	n uint8
	b [maxSecret]byte
}

// Of makes a Secret of bytes that are not longer than a master secret.
func Of(b []byte) (s Secret) {
	s.n = uint8(copy(s.b[:], b))
	return s
}

// Bytes gives the secret, which must not leave what opens connections.
func (s *Secret) Bytes() []byte { return s.b[:s.n] }

// Format implements fmt.Formatter for all verbs.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, "secret") }

// id is what a secret is found by.
type id struct {
	label Label
	n     uint8
	by    [32]byte
}

func idOf(l Label, by []byte) (i id) {
	i.label = l
	i.n = uint8(copy(i.by[:], by))
	return i
}

type entry struct {
	secret Secret
	since  uint64
}

// Store keeps secrets.
type Store struct {
	limits  Limits
	version atomic.Uint64
	first   atomic.Uint64 // from where on something is known, or expected

	mu      sync.RWMutex
	entries map[id]entry
	order   []id // as they came, from next on when it is full
	next    int
	keys    []*rsa.PrivateKey
	stats   Stats
}

// NewStore makes a Store.
func NewStore(l Limits) *Store {
	if l.Entries <= 0 {
		l.Entries = 100_000
	}
	s := &Store{limits: l, entries: map[id]entry{}}
	s.first.Store(math.MaxUint64)
	return s
}

// Format implements fmt.Formatter for all verbs.
func (s *Store) Format(f fmt.State, _ rune) { io.WriteString(f, "secret.Store") }

// Stats gives the counts so far.
func (s *Store) Stats() Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.stats
}

// Version changes whenever a secret comes in: who did not find one need not ask
// again before.
func (s *Store) Version() uint64 { return s.version.Load() }

// Expect says that secrets may come at any time.
func (s *Store) Expect() { s.first.Store(0) }

// Any reports whether there is a secret at the packet at, or one is expected.
func (s *Store) Any(at uint64) bool { return s.first.Load() <= at }

// Find gives the secret of the connection with a client's random, as known at
// the packet at.
func (s *Store) Find(l Label, random *[32]byte, at uint64) (Secret, bool) {
	return s.find(idOf(l, random[:]), at)
}

func (s *Store) find(i id, at uint64) (Secret, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok := s.entries[i]
	if !ok || e.since > at {
		return Secret{}, false
	}
	return e.secret, true
}

// add takes a secret in.
func (s *Store) add(i id, secret []byte, since uint64) {
	e := entry{Of(secret), since}
	s.mu.Lock()
	old, ok := s.entries[i]
	switch {
	case ok && old.secret == e.secret:
		s.mu.Unlock()
		return
	case ok:
	case len(s.order) < s.limits.Entries:
		s.order = append(s.order, i)
	default:
		delete(s.entries, s.order[s.next])
		s.order[s.next] = i
		s.next = (s.next + 1) % len(s.order)
		s.stats.Evicted++
	}
	s.entries[i] = e
	s.stats.Secrets++
	s.mu.Unlock()
	s.changed(since)
}

func (s *Store) changed(since uint64) {
	for {
		first := s.first.Load()
		if first <= since || s.first.CompareAndSwap(first, since) {
			break
		}
	}
	s.version.Add(1)
}
