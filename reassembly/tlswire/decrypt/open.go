package decrypt

import (
	"slices"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/tlswire"
	"github.com/authtap/authtap/reassembly/tlswire/record"
	"github.com/authtap/authtap/reassembly/tlswire/secret"
)

// take takes a record in. Where it does not it changes nothing that matters.
// handshake is what an encrypted record holds of that type, in buf.
func (c *conn) take(r *tlswire.Record, buf []byte) (v verdict, handshake []byte) {
	if c.hasty(r) {
		return noPeer, nil
	}
	v, handshake = c.takeNow(r, buf)
	if v == taken {
		s := &c.side[r.Dir]
		s.end, s.known = r.Seq+record.HeaderLength+uint32(r.Header[3])<<8+uint32(r.Header[4]), true
		if peer := &c.side[r.Dir.Reverse()]; !peer.known && r.HasAck {
			peer.end, peer.known = r.Ack, true // where it will begin
		}
	}
	return v, handshake
}

// hasty reports whether a record was captured before others that its sender had
// already: the two directions need not come in their order. Content has no
// acknowledgement numbers by which it could be put right later.
func (c *conn) hasty(r *tlswire.Record) bool {
	peer := &c.side[r.Dir.Reverse()]
	return r.HasAck && peer.known && !peer.lossy && !peer.ended && !c.disordered && int32(r.Ack-peer.end) > 0
}

func (c *conn) takeNow(r *tlswire.Record, buf []byte) (v verdict, handshake []byte) {
	s := &c.side[r.Dir]
	if r.Gap > 0 {
		s.lose()
	}
	switch {
	case s.broken:
		c.tellGap(r.Dir, r.Origin)
	case !c.hello.Client && c.hello.Server && !c.side[r.Dir.Reverse()].lossy && !c.disordered:
		return noPeer, nil // the server's hello was captured first
	case !c.hello.Client:
		// Without a client's random nothing can be found.
		if r.Type != record.Handshake || s.lossy {
			c.stop(&c.shard.stats.Damaged)
			break
		}
		c.plain(r)
	case c.clear(r):
		c.plain(r)
	case !c.hello.Server:
		return c.beforeServer(r), nil
	case c.tls13():
		return c.take13(r, buf)
	default:
		return c.take12(r, buf)
	}
	return taken, nil
}

// clear reports whether a record is certainly sent in the clear.
func (c *conn) clear(r *tlswire.Record) bool {
	s := &c.side[r.Dir]
	switch {
	case r.Type == record.ApplicationData:
		return false
	case c.tls13() || c.hello.Retry:
		return true // RFC 8446, section 5.2: all that is encrypted is of that type
	case !c.hello.Server:
		// What ChangeCipherSpec means the server's hello tells.
		return r.Type != record.ChangeCipherSpec && s.opener == nil && !s.lossy
	}
	return s.stage == inClear && (!s.lossy || r.Type == record.ChangeCipherSpec)
}

// beforeServer says what to do with what cannot be understood before the
// server's hello: early data, and records that were captured too early.
func (c *conn) beforeServer(r *tlswire.Record) verdict {
	switch {
	case r.Dir != c.client() || c.side[r.Dir.Reverse()].lossy:
		c.stop(&c.shard.stats.Damaged) // the hello is lost
		return taken
	case r.Type == record.ApplicationData && c.early == earlyRefused:
		c.shard.stats.EarlyRejected++
		return taken
	}
	return noPeer
}

// plain takes in a record that is sent in the clear.
func (c *conn) plain(r *tlswire.Record) {
	s := &c.side[r.Dir]
	switch {
	case r.Lost:
		s.hand.lose()
	case r.Type == record.Handshake:
		c.messages(s, r, r.Body)
	case r.Type == record.ChangeCipherSpec && c.hello.Server && !c.tls13(): // in TLS 1.3 it means nothing
		s.turn(inTraffic)
		s.lossy, s.missed = false, false // nothing that was missing was content
	}
}

// turn goes on to another stage, with other keys, which messages do not span.
// The transcript of what was in the clear may still be needed.
func (s *side) turn(to stage) {
	if s.stage == inClear {
		s.hand.have, s.hand.left, s.hand.body = 0, 0, nil
	} else {
		s.hand = messages{}
	}
	s.stage, s.opener, s.seq, s.opened = to, nil, 0, false
}

// messages looks at handshake messages.
func (c *conn) messages(s *side, r *tlswire.Record, b []byte) {
	transcribe := s.opener == nil && c.transcribes()
	c.shard.stats.MessagesOver += s.hand.feed(b, c.shard.limits.MessageBytes, transcribe, func(kind byte, body []byte) {
		if c.tls13() {
			c.message13(s, r, kind, body)
		} else {
			c.message12(s, r, kind, body)
		}
	})
}

// open opens a record, whatever sequence number it has after a gap.
func (c *conn) open(s *side, r *tlswire.Record, buf []byte) (record.Opened, bool) {
	tries := 1
	if s.lossy {
		tries = Bridge
	}
	in := record.Record{Type: r.Type, Version: r.Version, Fragment: r.Body}
	return s.opener.Open(buf, &in, s.seq, tries)
}

// lost takes in that one record could not be captured whole. That it held no
// content is believed of its type, for which nobody vouches, only while the end
// of the handshake is due.
func (c *conn) lost(s *side, r *tlswire.Record) {
	s.lose()
	s.hand.lose()
	s.passed = s.passed || s.stage != inHandshake && (s.opened || r.Type == record.ApplicationData)
	s.seq++
	c.shard.stats.Bridged++
}

// unopened takes in that a record does not authenticate, though all of it is
// there.
func (c *conn) unopened(s *side, r *tlswire.Record) {
	c.shard.stats.Unopened++
	if !s.opened && !s.lossy {
		c.stop(&c.shard.stats.Failed)
		return
	}
	s.lossy, s.missed, s.passed = true, true, true
	s.hand.lose()
	if s.failed++; s.failed >= mostFailed {
		s.broken = true
		c.shard.stats.Broken++
		c.tellGap(r.Dir, r.Origin)
	}
}

// opened takes in what was in a record.
func (c *conn) opened(s *side, r *tlswire.Record, o record.Opened) (handshake []byte) {
	st := &c.shard.stats
	st.Records++
	st.Bridged += o.Seq - s.seq
	if o.Seq == s.seq && !s.passed {
		s.missed = false // nothing was
	}
	s.seq, s.lossy, s.failed = o.Seq+1, false, 0
	if !s.opened {
		s.opened = true
		c.learn(r)
	}
	switch o.Type {
	case record.ApplicationData:
		c.content(s, r, o.Content)
	case record.Handshake:
		c.messages(s, r, o.Content)
		return o.Content
	case record.Alert:
		// RFC 8446, section 6.1: close_notify, and nothing after it.
		if len(o.Content) == 2 && o.Content[1] == 0 && c.inner != nil {
			c.end(r.Dir, reassembly.EndFIN, r.Origin)
		}
	case record.ChangeCipherSpec:
		if !c.tls13() {
			st.Renegotiated++
			c.stop(&st.Unsupported)
			c.forsake(r.Origin)
		}
	}
	return nil
}

// content hands content on.
func (c *conn) content(s *side, r *tlswire.Record, b []byte) {
	if !c.decrypted {
		c.decrypted = true
		c.shard.stats.Decrypted++
	}
	c.tellGap(r.Dir, r.Origin)
	if len(b) == 0 || s.ended {
		return
	}
	c.shard.stats.Bytes += uint64(len(b))
	k := reassembly.Chunk{Dir: r.Dir, Bytes: b, Seq: s.sent, Conflict: r.Conflict, Origin: r.Origin}
	s.sent += uint32(len(b))
	c.innerFeed(&k)
}

// learn remembers the master secret, when it has opened a record, for who takes
// the session up again: not everybody logs it once more then.
func (c *conn) learn(r *tlswire.Record) {
	if len(c.master.Bytes()) == 0 || !c.side[0].opened && !c.side[1].opened {
		return
	}
	c.shard.secrets.Learn(secret.Resumption{SessionID: c.hello.ServerSession, Ticket: c.ticket}, c.master, r.Last.Order)
	c.ticket = nil
}

// transcribes reports whether the master secret may depend on the messages of
// the handshake.
func (c *conn) transcribes() bool {
	return !c.hello.Server || c.suite.RSA && c.hello.ExtendedMasterSecret
}

// message12 takes in what a handshake message changes up to TLS 1.2.
func (c *conn) message12(s *side, r *tlswire.Record, kind byte, body []byte) {
	if !c.hello.Client || s.opener != nil {
		return
	}
	switch client := r.Dir == c.client(); {
	case kind == serverHelloDone && !client:
		s.hand.stopped, c.full = true, true
	case kind == clientKeyExchange && client:
		s.hand.stopped, c.full = true, true
		// RFC 5246, section 7.4.7.1: with its length.
		if c.suite.RSA && len(body) > 2 && int(body[0])<<8|int(body[1]) == len(body)-2 {
			c.exchanged = body[2:]
		}
	case kind == newSessionTicket && !client && len(body) > 6: // RFC 5077, section 3.3
		c.ticket = slices.Clone(body[6:])
		c.learn(r)
	}
}

// take12 takes in a record that is encrypted up to TLS 1.2, or that stands
// behind a gap and may be.
func (c *conn) take12(r *tlswire.Record, buf []byte) (verdict, []byte) {
	s := &c.side[r.Dir]
	doubt := s.stage == inClear && r.Type != record.ApplicationData
	if s.opener == nil && !c.keyed && !c.keys12(r) {
		if !doubt {
			return noSecret, nil
		}
		c.plain(r)
		return taken, nil
	}
	switch {
	case s.opener != nil:
	case doubt && r.Lost:
		c.plain(r)
		return taken, nil
	default:
		was := *s
		s.turn(inTraffic)
		s.opener = s.next
		if s.lossy {
			s.lose()
		}
		if !doubt {
			break
		}
		if o, ok := c.open(s, r, buf); ok && !s.broken {
			return taken, c.opened(s, r, o)
		}
		*s, c.keyed = was, false // the opener is used up
		c.plain(r)
		return taken, nil
	}
	if r.Lost {
		c.lost(s, r)
		return taken, nil
	}
	o, ok := c.open(s, r, buf)
	if !ok {
		c.unopened(s, r)
		return taken, nil
	}
	return taken, c.opened(s, r, o)
}

// keys12 makes the openers of both sides, if their secret is known.
func (c *conn) keys12(r *tlswire.Record) bool {
	if len(c.master.Bytes()) == 0 && !c.findMaster(r.Last.Order) {
		return false
	}
	h := &c.hello
	randoms := record.Randoms{Client: h.ClientRandom, Server: h.ServerRandom}
	client, server := c.suite.Openers(uint16(h.Version), c.master.Bytes(), &randoms, h.EncryptThenMAC)
	c.side[c.client()].next, c.side[c.client().Reverse()].next = client, server
	c.keyed = true
	return true
}

// findMaster finds the master secret, as known at the packet at.
func (c *conn) findMaster(at uint64) bool {
	h := &c.hello
	m, ok := c.shard.secrets.Find(secret.Master, &h.ClientRandom, at)
	if !ok && c.exchanged != nil {
		m, ok = c.fromPremaster(at)
	}
	if !ok && !c.full {
		// The server agrees to a session by its id; a ticket it takes without a
		// word.
		by := secret.Resumption{Ticket: h.Ticket}
		if slices.Equal(h.ServerSession, h.ClientSession) {
			by.SessionID = h.ServerSession
		}
		m, ok = c.shard.secrets.Resumed(by, at)
	}
	if ok {
		c.master = m
		c.side[0].hand.all, c.side[1].hand.all = nil, nil
	}
	return ok
}

// fromPremaster makes the master secret of what the client sent.
func (c *conn) fromPremaster(at uint64) (m secret.Secret, ok bool) {
	h := &c.hello
	client, server := &c.side[c.client()].hand, &c.side[c.client().Reverse()].hand
	if h.ExtendedMasterSecret && (client.cut || server.cut || len(client.all) < 4) {
		return m, false
	}
	p, ok := c.shard.secrets.Premaster(c.exchanged, at)
	if !ok {
		return m, false
	}
	var b []byte
	if h.ExtendedMasterSecret {
		// The client's hello, the server's messages, the client's others.
		all := client.all
		n := min(len(all), 4+(int(all[1])<<16|int(all[2])<<8|int(all[3])))
		b = c.suite.ExtendedMaster(uint16(h.Version), p.Bytes(), all[:n], server.all, all[n:])
	} else {
		b = c.suite.Master(uint16(h.Version), p.Bytes(), &record.Randoms{Client: h.ClientRandom, Server: h.ServerRandom})
	}
	m = secret.Of(b)
	clear(b)
	return m, true
}
