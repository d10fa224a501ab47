package tlswire

import (
	"slices"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
)

// marks say how far a handshake is.
type marks uint8

const (
	finished    marks = 1 << iota // it is over
	wholeServer                   // ServerHelloDone: the session is a new one
	serverKeys                    // the server encrypts
	done                          // shifted by who: 0 client, 1 server. Finished was seen
	_
	ssl2Keys // CLIENT-MASTER-KEY of SSL 2.0 was seen
)

// enough is how much encrypted data of one side says that a handshake must
// have come to its end, even where the other side's part in it is not seen.
const enough = 64 << 10

// The handshake messages that are read (RFC 8446, section 4; RFC 5246, section
// 7.4).
const (
	clientHello        = 1
	serverHello        = 2
	helloRetryRequest  = 6 // drafts of TLS 1.3
	certificate        = 11
	serverKeyExchange  = 12
	certificateRequest = 13
	serverHelloDone    = 14
)

// messages puts the handshake messages of a direction together.
type messages struct {
	head   [4]byte
	have   uint8  // bytes of head that are there
	left   int    // bytes of the message to come
	keep   bool   // it is wanted
	buf    []byte // it, as far as it is there
	read   int    // bytes of all messages so far
	over   bool   // no more are read, unless a record begins with a hello
	probe  bool   // head is of the record at hand, which may
	origin reassembly.Origin
}

// underway gives the handshake that is being read, a new one where there is
// none; nil when it is over.
func (c *conn) underway() *exchange.Handshake {
	l := c.live
	if l.hand == nil && l.marks&finished == 0 {
		l.hand = new(exchange.Handshake)
	}
	return l.hand
}

// piece looks at a part of a record's body.
func (c *conn) piece(h *half, k *reassembly.Chunk, p piece) {
	if c.live.marks&finished != 0 {
		c.rid()
		return
	}
	switch h.cut.kind() {
	case TypeHandshake:
		if !c.sealed(h) {
			c.messages(h, p)
		} else if p.last {
			c.finishedBy(k.Dir, k.Origin)
		}
	case TypeChangeCipherSpec:
		if p.last {
			c.changeCipher(h, k.Dir)
		}
	case TypeAlert:
		c.alert(h, k, p)
	case TypeApplicationData:
		if p.first {
			c.data(h, k)
		}
	}
}

// sealed reports whether handshake messages of this direction are encrypted. In
// TLS 1.3 those that are come as application data, and ChangeCipherSpec means
// nothing (RFC 8446, appendix D.4).
func (c *conn) sealed(h *half) bool {
	return h.sealed && !c.live.hello.Retry && !c.live.hello.Version.Is13()
}

// quiet reports whether a direction has sent all that it sends in the clear.
func (c *conn) quiet(h *half) bool {
	l := c.live
	if l.hello.Version.Is13() {
		return l.hello.Server && (l.hello.Client || c.is(rolesKnown) && h != &l.half[c.client])
	}
	return h.sealed
}

// missing notes that bytes of a direction are missing.
func (c *conn) missing(h *half) {
	l := c.live
	if l.marks&finished != 0 || c.quiet(h) {
		return
	}
	if l.hand != nil || c.start.Handshake { // else nothing says that there is one
		c.underway().Damage |= exchange.HeadGap
	}
	c.drop(h)
}

// drop ends the reading of messages of a direction. What is there of a hello is
// read: the beginning tells versions and cipher suites, of the server what was
// chosen.
func (c *conn) drop(h *half) {
	m := &h.messages
	buf := m.buf
	m.buf, m.have, m.over, m.probe = nil, 0, true, false
	if len(buf) > 0 && (m.head[0] == clientHello || m.head[0] == serverHello) {
		c.message(h, m.head[0], buf, false)
	}
	c.shard.release(buf)
}

// messages takes in a part of what a direction says in the clear.
func (c *conn) messages(h *half, p piece) {
	m := &h.messages
	b := p.body
	if m.over && p.first {
		m.have, m.probe = 0, h.hellos == 0
	}
	for len(b) > 0 && (!m.over || m.probe) {
		if m.have < 4 {
			n := copy(m.head[m.have:], b)
			m.have += uint8(n)
			b = b[n:]
			if m.have < 4 {
				return
			}
			m.left = be24(m.head[1:])
			if m.probe {
				// Behind a gap only a hello that its record holds is one.
				m.probe = false
				if m.head[0] != clientHello && m.head[0] != serverHello || m.left+4 > int(h.cut.length()) {
					return
				}
				m.over = false
			}
			if m.read += 4 + m.left; m.read > c.shard.limits.HandshakeBytes {
				c.shard.stats.HandshakesOver++
				c.underway().Damage |= exchange.Cut
				c.drop(h)
				return
			}
			switch m.head[0] {
			case clientHello, serverHello, helloRetryRequest, certificate, serverKeyExchange:
				m.keep = true
			default:
				m.keep = false
			}
		}
		n := min(m.left, len(b))
		body := b[:n]
		b = b[n:]
		m.left -= n
		if m.keep && (m.left > 0 || m.buf != nil) {
			var room bool
			if m.buf, room = c.shard.put(m.buf, body); !room {
				c.underway().Damage |= exchange.HeadGap
				c.drop(h)
				return
			}
			body = m.buf
		}
		if m.left == 0 {
			m.have = 0
			c.message(h, m.head[0], body, true)
			c.shard.release(m.buf)
			m.buf = nil
		}
	}
}

// message looks at a message, or the beginning of a hello. A body that is not
// wanted is not there.
func (c *conn) message(h *half, kind uint8, body []byte, whole bool) {
	l := c.live
	d := reassembly.AtoB
	if h == &l.half[reassembly.BtoA] {
		d = reassembly.BtoA
	}
	server := c.is(rolesKnown) && d != c.client
	switch kind {
	case clientHello, serverHello, helloRetryRequest:
		switch {
		case !isHello(body):
			c.malformed()
		case c.shard.held+len(body) > c.shard.limits.HeldBytes:
			c.shard.stats.Refusals++
			c.underway().Damage |= exchange.HeadGap
		case kind == clientHello && c.role(d):
			c.clientHello(h, body, whole)
		case kind != clientHello && c.role(d.Reverse()):
			h.hellos++
			c.serverHello(h, body, kind == helloRetryRequest, whole)
		}
	case certificate:
		if server && l.hello.Server {
			c.certificates(body, false)
		}
	case serverKeyExchange:
		// RFC 8422, section 5.4: a named curve.
		if server && len(body) >= 3 && body[0] == 3 && l.hand != nil {
			l.hand.Group = be16(body[1:])
		}
	case certificateRequest:
		if server && l.hand != nil {
			l.hand.CertificateRequested = true
		}
	case serverHelloDone:
		if server {
			l.marks |= wholeServer
		}
	}
}

// inside reads handshake messages that an opener found, in which only the
// server's certificates are of interest.
func (c *conn) inside(d reassembly.Direction, b []byte) {
	if !c.is(rolesKnown) || d == c.client {
		return
	}
	for len(b) >= 4 {
		n := be24(b[1:])
		if n > len(b)-4 {
			return
		}
		if b[0] == certificate && len(c.live.hand.Certificates) == 0 {
			c.certificates(b[4:4+n], c.live.hello.Version.Is13())
		}
		b = b[4+n:]
	}
}

// role takes d for the client's direction, unless the other is known to be.
func (c *conn) role(d reassembly.Direction) bool {
	if !c.is(rolesKnown) {
		c.client = d
		c.flags |= rolesKnown
		c.live.hello.ClientDir = d
	}
	if c.client != d {
		c.underway().Damage |= exchange.Malformed
		c.shard.stats.Malformed++
	}
	return c.client == d
}

// malformed notes that a message breaks off or has lengths that do not fit.
func (c *conn) malformed() {
	c.shard.stats.Malformed++
	c.underway().Damage |= exchange.Malformed
}

// who is 0 for the client and 1 for the server, where roles are known.
func (c *conn) who(d reassembly.Direction) uint8 {
	if d == c.client {
		return 0
	}
	return 1
}

// changeCipher notes that a direction is encrypted from here on.
func (c *conn) changeCipher(h *half, d reassembly.Direction) {
	h.sealed = true
	l := c.live
	if l.hand == nil || !c.is(rolesKnown) || c.who(d) == 0 || !l.hello.Server || l.hello.Version.Is13() {
		return
	}
	l.marks |= serverKeys
	// RFC 5246, section 7.3; RFC 5077, section 3.1: an abbreviated handshake.
	if l.marks&wholeServer == 0 && len(l.hand.Certificates) == 0 && l.hand.Damage&exchange.HeadGap == 0 {
		l.hand.Resumption = exchange.BySessionID
		if len(l.hello.Ticket) > 0 {
			l.hand.Resumption = exchange.ByTicket
		}
	}
}

// finishedBy takes the encrypted message that is a direction's last one. The
// server's is the last one of all, but in an abbreviated handshake.
func (c *conn) finishedBy(d reassembly.Direction, at reassembly.Origin) {
	l := c.live
	if l.hand == nil || !c.is(rolesKnown) {
		return
	}
	l.marks |= done << c.who(d)
	if l.marks&(done<<1) != 0 && l.marks&(done|wholeServer) != 0 {
		c.over(at, exchange.Established)
	}
}

// data takes the beginning of a record of application data.
func (c *conn) data(h *half, k *reassembly.Chunk) {
	l := c.live
	if l.hand == nil || !c.is(rolesKnown) { // in mid-stream
		if l.hand == nil || l.hand.Damage&exchange.HeadGap != 0 || !c.start.Handshake {
			c.over(k.Origin, exchange.Unfinished)
		}
		return
	}
	h.encrypted += int(h.cut.length())
	fromClient := k.Dir == c.client
	switch {
	case h.encrypted > enough:
		c.over(k.Origin, exchange.Established)
	case !l.hello.Server || l.hello.Version == 0:
		// Early data, or the server's part is late, not captured, or cut.
	case !l.hello.Version.Is13():
		if !h.sealed && l.hand.Damage&exchange.HeadGap == 0 {
			c.malformed()
			c.over(k.Origin, exchange.Unfinished)
			return
		}
		c.over(k.Origin, exchange.Established)
	case fromClient:
		c.clientData13(h, k.Origin)
	}
}

// clientData13 takes the first encrypted record that the client sends behind
// the ServerHello of TLS 1.3: an alert is told by its length (RFC 8446,
// sections 5.2 and 6), EndOfEarlyData and early data are passed over, all else
// begins with what the client sends when it accepts the server.
func (c *conn) clientData13(h *half, at reassembly.Origin) {
	tag := 16
	if c.live.hello.Suite == 0x1305 { // TLS_AES_128_CCM_8_SHA256
		tag = 8
	}
	const kind = 1 // the true type, behind the content
	switch n := int(h.cut.length()) - kind - tag; {
	case n == 2 && h.gapped: // it may as well be the last of what it sends
		c.over(at, exchange.Unfinished)
	case n == 2:
		c.live.hand.Alerts = append(c.live.hand.Alerts, exchange.Alert{Encrypted: true})
		c.over(at, exchange.Refused)
	case n <= 0, c.live.hello.EarlyData && (n == 4 || !c.live.hello.PSK):
	default:
		c.over(at, exchange.Established)
	}
}

// alertsKept of a handshake.
const alertsKept = 8

// Descriptions of alerts that do not end a handshake by themselves (RFC 8446,
// section 6.1; RFC 5246, section 7.2.2; RFC 6066, section 3).
const (
	closeNotify      = 0
	userCanceled     = 90
	noRenegotiation  = 100
	unrecognizedName = 112
)

// alert takes a part of an alert (RFC 8446, section 6).
func (c *conn) alert(h *half, k *reassembly.Chunk, p piece) {
	l := c.live
	if l.hand == nil { // in mid-stream
		c.over(k.Origin, exchange.Unfinished)
		return
	}
	if p.first && len(p.body) > 0 {
		h.level = p.body[0]
	}
	if !p.last || len(l.hand.Alerts) >= alertsKept {
		return
	}
	a := exchange.Alert{FromServer: c.is(rolesKnown) && c.who(k.Dir) == 1}
	if c.sealed(h) || h.cut.length() != 2 || len(p.body) == 0 {
		a.Encrypted = true
	} else {
		a.Level, a.Description = h.level, p.body[len(p.body)-1]
	}
	l.hand.Alerts = append(l.hand.Alerts, a)
	if a.Level == 2 || l.hello.Version.Is13() && isError(a) {
		c.over(k.Origin, exchange.Refused)
	}
}

func isError(a exchange.Alert) bool {
	if a.Encrypted || a.Level == 2 {
		return true
	}
	switch a.Description {
	case closeNotify, userCanceled, noRenegotiation, unrecognizedName:
		return false
	}
	return true
}

// over hands the handshake on, if there is anything to be told.
func (c *conn) over(at reassembly.Origin, how exchange.Outcome) {
	l := c.live
	for d := range l.half {
		c.drop(&l.half[d])
	}
	l.marks |= finished
	x, st := l.hand, &c.shard.stats
	l.hand = nil
	c.shard.held -= l.cost
	l.cost = 0
	if x != nil && (x.ClientHello.Present || x.ServerHello.Present) {
		if how != exchange.Established && slices.ContainsFunc(x.Alerts, func(a exchange.Alert) bool {
			// An encrypted one may be a close_notify, if the handshake may have come
			// to its end unseen.
			seen := x.ClientHello.Present && x.ServerHello.Present && x.Damage&exchange.HeadGap == 0
			return isError(a) && (seen || !a.Encrypted)
		}) {
			how = exchange.Refused
		}
		x.Outcome, x.StartTLS = how, l.behind.String()
		x.Order.Packet, x.End = at.Order, at.Time
		x.Client, x.Server, x.Net = c.start.Key.Sender(c.client), c.start.Key.Receiver(c.client), c.start.Key.Net
		x.Tunnels = c.start.Tunnels
		from := c.client
		if !x.ClientHello.Present {
			from = from.Reverse()
		}
		x.Origin = l.half[from].origin
		if !c.start.Handshake {
			x.Flags |= exchange.Midstream
		}
		if how != exchange.Refused && x.ClientHello.Present != x.ServerHello.Present {
			x.Flags |= exchange.Unpaired
		}
		x.Opaque = how == exchange.Established && c.opener == nil
		st.Handshakes++
		*[...]*uint64{&st.Unfinished, &st.Established, &st.Refused, &st.Closed}[how]++
		c.shard.emit(x)
	} else if x != nil {
		st.Unreadable++
	}
	c.rid()
}
