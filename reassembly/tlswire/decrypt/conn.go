package decrypt

import (
	"fmt"
	"io"
	"slices"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/tlswire"
	"github.com/authtap/authtap/reassembly/tlswire/record"
	"github.com/authtap/authtap/reassembly/tlswire/secret"
)

// conn opens one connection; it is a tlswire.Opener.
type conn struct {
	shard *Shard
	start *reassembly.Start
	inner reassembly.Parser // from the first content on
	over  bool              // nothing is opened any more
	done  [2]bool           // by direction: it has ended
	left  bool              // it is not among those that are followed
	// listed says that the connection is in the shard's list.
	listed, counted, decrypted bool

	hello tlswire.Hello // as far as it was told, with memory of its own
	suite record.Suite  // once the server has chosen
	early early
	side  [2]side // by direction

	// Of the handshake up to TLS 1.2: what the client sent under the server's
	// RSA key, the server's ticket, and the master secret. full says that no
	// session is taken up.
	exchanged []byte
	ticket    []byte
	master    secret.Secret
	full      bool
	keyed     bool // both sides' next openers are there

	// disordered says that the directions no longer wait for each other.
	disordered bool

	queue   []item
	held    int
	asked   uint64 // the store's version when it had no answer
	waiting bool   // for the store
}

// Format implements fmt.Formatter for all verbs: there are secrets in here.
func (c *conn) Format(f fmt.State, _ rune) { io.WriteString(f, "decrypt.conn") }

// early is what became of a client's early data (RFC 8446, section 4.2.10).
type early uint8

const (
	noEarly early = iota // or not known yet
	earlyTaken
	earlyRefused
)

// side is one direction.
type side struct {
	opener record.Opener // nil: in the clear
	next   record.Opener // what comes after ChangeCipherSpec, up to TLS 1.2
	stage  stage
	secret secret.Secret // the traffic secret of opener, TLS 1.3
	seq    uint64        // of the next record
	opened bool          // opener has opened a record
	lossy  bool          // records may be missing before the next one
	missed bool          // content may be missing that was not told yet
	passed bool          // it is: the next sequence number does not tell
	broken bool          // nothing more can be opened
	ended  bool          // the inner conversation knows of its end
	failed int           // records in a row
	sent   uint32        // bytes of content so far
	end    uint32        // the sequence number behind the last record, when known
	known  bool
	hand   messages
}

// stage is where a direction stands: in what keys it sends.
type stage uint8

const (
	inClear stage = iota
	inEarly
	inHandshake
	inTraffic // of TLS 1.3, or anything encrypted before it
)

// verdict is what came of a record.
type verdict uint8

const (
	taken    verdict = iota
	noSecret         // it waits for the store
	noPeer           // it waits for what the other side says
)

// item is what waits: a record, a gap or an end.
type item struct {
	kind   uint8
	dir    reassembly.Direction
	record tlswire.Record
	why    reassembly.End
	at     reassembly.Origin
}

const (
	isRecord = iota
	isGap
	isEnd
	isGone // it was taken
)

// itemBytes is what an item costs besides its record's body.
const itemBytes = 192

func (c *conn) client() reassembly.Direction { return c.hello.ClientDir }

// Hello implements tlswire.Opener.
func (c *conn) Hello(h *tlswire.Hello) {
	if c.over {
		return
	}
	if !c.counted {
		c.counted = true
		c.shard.stats.Connections++
	}
	server := h.Server && !c.hello.Server
	offered := c.hello.EarlyData || h.EarlyData // the second hello does not
	c.hello = *h
	c.hello.EarlyData = offered
	c.hello.ClientSession = slices.Clone(h.ClientSession)
	c.hello.ServerSession = slices.Clone(h.ServerSession)
	c.hello.Ticket = slices.Clone(h.Ticket)
	if h.Retry {
		c.early = earlyRefused // RFC 8446, section 4.1.2
	}
	if server {
		c.chosen()
	}
}

// chosen takes note of what the server chose.
func (c *conn) chosen() {
	h := &c.hello
	suite, ok := record.SuiteOf(h.Suite)
	tls13 := h.Version == record.TLS13
	if !ok || h.Version < record.TLS10 || h.Version > record.TLS13 || suite.TLS13 != tls13 || h.Compression != 0 || h.TruncatedHMAC {
		c.stop(&c.shard.stats.Unsupported)
		return
	}
	c.suite = suite
	if tls13 {
		c.side[c.client()].stage = inHandshake
		if h.EarlyData && !h.Retry {
			c.side[c.client()].stage = inEarly
		}
		c.side[c.client().Reverse()].stage = inHandshake
	}
	if !c.transcribes() {
		c.side[0].hand.all, c.side[1].hand.all = nil, nil
	}
}

func (c *conn) tls13() bool { return c.suite.TLS13 }

// Record implements tlswire.Opener.
func (c *conn) Record(r *tlswire.Record) (handshake []byte, more bool) {
	if c.over {
		return nil, false
	}
	if len(c.queue) == 0 {
		buf := c.shard.lend()
		v, handshake := c.take(r, buf)
		c.shard.release(buf) // it is read before it is lent again
		if v == taken {
			return handshake, !c.over
		}
	}
	kept := *r
	kept.Body = slices.Clone(r.Body)
	c.enqueue(item{kind: isRecord, dir: r.Dir, record: kept, at: r.Origin})
	if !c.over && (!c.waiting || c.asked != c.shard.secrets.Version() || c.clear(r)) {
		c.pump(r.Last)
	}
	return nil, !c.over
}

// Gap implements tlswire.Opener.
func (c *conn) Gap(d reassembly.Direction, _ uint64, at reassembly.Origin) {
	switch {
	case c.over:
	case len(c.queue) > 0:
		c.enqueue(item{kind: isGap, dir: d, at: at})
	default:
		c.gap(d)
	}
}

// End implements tlswire.Opener.
func (c *conn) End(d reassembly.Direction, why reassembly.End, at reassembly.Origin) {
	switch {
	case len(c.queue) > 0:
		c.enqueue(item{kind: isEnd, dir: d, why: why, at: at})
	default:
		c.finish(d, why, at)
	}
}

// Opened reports whether anything was opened, for tlswire.
func (c *conn) Opened() bool { return c.decrypted }

// finish ends a direction.
func (c *conn) finish(d reassembly.Direction, why reassembly.End, at reassembly.Origin) {
	c.end(d, why, at)
	if c.done[d] = true; c.done[d.Reverse()] {
		c.leave()
	}
}

// leave takes the connection out of those that are followed.
func (c *conn) leave() {
	if !c.left {
		c.left = true
		c.shard.stats.Followed--
	}
}

// enqueue lets something wait.
func (c *conn) enqueue(i item) {
	s := c.shard
	n := itemBytes + len(i.record.Body)
	if c.over {
		return
	}
	if c.held+n > s.limits.FlowBytes {
		s.stats.FlowOver++
		c.giveUp(&s.stats.Secretless, i.at)
		return
	}
	c.queue = append(c.queue, i)
	c.held += n
	c.list()
	s.charge(n, i.at)
}

func (c *conn) list() {
	if !c.listed {
		c.listed = true
		c.shard.waiting = append(c.shard.waiting, c)
	}
}

// retry asks the store again.
func (c *conn) retry(at reassembly.Origin) {
	if !c.waiting || c.asked != c.shard.secrets.Version() {
		c.pump(at)
	}
}

// pump takes what waits as far as it goes. Content leaves in the order in which
// its records came; what is in the clear may overtake what waits for a secret,
// since it may lead to one.
func (c *conn) pump(at reassembly.Origin) {
again:
	c.waiting = false
	c.asked = c.shard.secrets.Version()
	var blocked [2]bool
	for i := range c.queue {
		q := &c.queue[i]
		if q.kind == isGone {
			continue
		}
		if blocked[q.dir] || c.waiting && !(q.kind == isRecord && c.clear(&q.record)) {
			blocked[q.dir] = true
			continue
		}
		before := c.progress()
		v := c.takeItem(q, at)
		if c.over {
			return
		}
		if v != taken {
			c.waiting = c.waiting || v == noSecret
			blocked[q.dir] = true
			continue
		}
		n := itemBytes + len(q.record.Body)
		c.held -= n
		c.shard.stats.Held -= n
		*q = item{kind: isGone}
		if (blocked[0] || blocked[1]) && c.progress() != before {
			goto again
		}
	}
	c.queue = slices.DeleteFunc(c.queue, func(i item) bool { return i.kind == isGone })
	if len(c.queue) == 0 {
		c.queue = nil
	}
}

// progress changes with what others may wait for.
type progress struct {
	early     early
	exchanged int
	keyed     bool
	lossy     [2]bool
	end       [2]uint32
}

func (c *conn) progress() progress {
	return progress{
		c.early, len(c.exchanged), c.keyed,
		[2]bool{c.side[0].lossy, c.side[1].lossy}, [2]uint32{c.side[0].end, c.side[1].end},
	}
}

// takeItem takes something out of the queue.
func (c *conn) takeItem(q *item, at reassembly.Origin) verdict {
	switch q.kind {
	case isGap:
		c.gap(q.dir)
	case isEnd:
		c.finish(q.dir, q.why, q.at)
	default:
		buf := c.shard.lend()
		defer c.shard.release(buf)
		// A secret that came later than the record counts from now on.
		now := q.record
		now.Last.Order = at.Order
		v, _ := c.take(&now, buf)
		return v
	}
	return taken
}

// giveUp ends all opening, what was opened included.
func (c *conn) giveUp(count *uint64, at reassembly.Origin) {
	c.stop(count)
	c.forsake(at)
}

// stop ends all opening and lets go of what waits. The connection is counted as
// what it came to, unless it gave content before.
func (c *conn) stop(count *uint64) {
	c.over = true
	if !c.decrypted {
		*count++
	}
	c.shard.stats.Held -= c.held
	c.queue, c.held = nil, 0
	c.side[0].opener, c.side[1].opener = nil, nil
	c.leave()
}

// gap notes that bytes of a direction are missing.
func (c *conn) gap(d reassembly.Direction) {
	s := &c.side[d]
	s.lose()
	s.hand.lose()
}

// lose notes that bytes are missing, with records in them.
func (s *side) lose() {
	s.lossy, s.missed = true, true
	if s.opener != nil && !s.opener.Lose() {
		s.broken, s.passed = true, true
	}
}

// end tells the inner conversation that nothing more comes of a direction.
func (c *conn) end(d reassembly.Direction, why reassembly.End, at reassembly.Origin) {
	if c.inner == nil || c.side[d].ended {
		return
	}
	c.tellGap(d, at)
	c.side[d].ended = true
	c.inner.End(d, why, at)
}

// tellGap tells the inner conversation that content is missing.
func (c *conn) tellGap(d reassembly.Direction, at reassembly.Origin) {
	s := &c.side[d]
	if !s.missed || s.ended {
		return
	}
	s.missed, s.passed = false, false
	c.innerFeed(&reassembly.Chunk{Dir: d, Gap: reassembly.UnknownGap, Seq: s.sent, Origin: at})
}

// innerFeed hands a chunk to the inner conversation.
func (c *conn) innerFeed(k *reassembly.Chunk) {
	if c.inner == nil {
		// Both sides are known from their first byte on: the hellos were.
		start := *c.start
		start.Client, start.Handshake, start.Decrypted = c.client(), true, true
		c.inner = c.shard.inner(start)
	}
	c.inner.Feed(k)
}

// forsake ends the inner conversation, of which nothing more will be known.
func (c *conn) forsake(at reassembly.Origin) {
	if c.inner == nil {
		return
	}
	for d := range c.side {
		c.side[d].missed = true
		c.end(reassembly.Direction(d), reassembly.EndEvicted, at)
	}
}
