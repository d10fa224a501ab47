package tlswire

import (
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
)

// Messages of SSL 2.0 and the length of what both hellos begin with (RFC 6101,
// appendix E; RFC 5246, appendix E.2).
const (
	ssl2ClientHello = 1
	ssl2MasterKey   = 2
	ssl2ServerHello = 4

	ssl2Fixed       = 9
	ssl2ServerFixed = 11
	// ssl2Most is the longest hello that is read.
	ssl2Most = 16 << 10
)

// ssl2Lengths reports whether the lengths in a ClientHello, header included,
// add up.
func ssl2Lengths(b []byte) bool {
	n := int(be16(b) & 0x7fff)
	suites, session, challenge := int(be16(b[5:])), int(be16(b[7:])), int(be16(b[9:]))
	return n <= ssl2Most && n == ssl2Fixed+suites+session+challenge && suites > 0 && suites%3 == 0 &&
		(session == 0 || session == 16 || session == 32) && 16 <= challenge && challenge <= 32
}

// ssl2 puts a record of SSL 2.0 together and gives what is left of b.
func (c *conn) ssl2(h *half, k *reassembly.Chunk, b []byte) []byte {
	m := &h.messages
	if h.origin.Order == 0 {
		h.origin = k.Origin
	}
	if m.have < 2 {
		n := copy(m.head[m.have:2], b)
		m.have += uint8(n)
		if b = b[n:]; m.have < 2 {
			return b
		}
		m.left = int(be16(m.head[:]) & 0x7fff)
		if m.head[0]&0x80 == 0 || m.left == 0 || m.left > ssl2Most || c.live.marks&(finished|ssl2Keys) != 0 {
			// Padded records are encrypted ones.
			c.afterSSL2(h, k)
			return b
		}
	}
	n := min(m.left, len(b))
	body := b[:n]
	m.left -= n
	if m.left > 0 || m.buf != nil {
		var room bool
		if m.buf, room = c.shard.put(m.buf, body); !room {
			c.lose(h)
			return b[n:]
		}
		body = m.buf
	}
	if m.left == 0 {
		m.have = 0
		c.ssl2Message(h, k, body)
		c.shard.release(m.buf)
		m.buf = nil
	}
	return b[n:]
}

// ssl2Message looks at a whole message.
func (c *conn) ssl2Message(h *half, k *reassembly.Chunk, body []byte) {
	switch {
	case body[0] == ssl2ClientHello && !c.live.hello.Client && c.role(k.Dir):
		h.state = inRecords // a server that knows better goes on in TLS
		c.ssl2Client(h, body)
	case body[0] == ssl2ServerHello && !c.live.hello.Server && c.role(k.Dir.Reverse()):
		c.live.half[c.client].state = inSSL2
		c.ssl2Server(body)
	case body[0] == ssl2MasterKey && c.live.hello.Server:
		c.live.marks |= ssl2Keys
	default:
		c.afterSSL2(h, k)
	}
}

// afterSSL2 ends the reading where encryption begins.
func (c *conn) afterSSL2(h *half, k *reassembly.Chunk) {
	how := exchange.Unfinished
	if c.live.marks&ssl2Keys != 0 && k.Dir != c.client {
		how = exchange.Established
	} else if c.live.hand != nil && c.live.marks&ssl2Keys == 0 {
		c.malformed()
	}
	h.sealed = true
	c.lose(h)
	c.over(k.Origin, how)
}

func (c *conn) ssl2Client(h *half, body []byte) {
	x, hello := c.underway(), &c.live.hello
	r := reader{b: body[1:]}
	m := exchange.ClientHello{Present: true, SSLv2: true, Legacy: exchange.Version(r.number(2))}
	suites, session, challenge := r.number(2), r.number(2), r.number(2)
	list := reader{b: r.take(suites)}
	for len(list.b) >= 3 {
		if kind := list.number(3); kind < 1<<16 { // the others are those of SSL 2.0 itself
			m.Suites = append(m.Suites, uint16(kind))
		}
	}
	hello.ClientSession = append([]byte(nil), r.take(session)...)
	random := r.take(challenge)
	if r.bad || len(random) > 32 || m.Legacy == 0 {
		c.malformed()
	} else {
		copy(hello.ClientRandom[32-len(random):], random) // RFC 5246, appendix E.2
		m.JA3, m.JA4 = ja3(&m), ja4(&m)
	}
	hello.Client = true
	h.hellos++
	x.ClientHello = m
	c.shard.stats.ClientHellos++
	c.tell()
}

func (c *conn) ssl2Server(body []byte) {
	x, hello := c.underway(), &c.live.hello
	r := reader{b: body[1:]}
	r.take(2) // whether the session is known, and the kind of certificate
	version := exchange.Version(r.number(2))
	der, suites, id := r.number(2), r.number(2), r.number(2)
	leaf := r.take(der)
	r.take(suites)
	r.take(id)
	if r.bad {
		c.malformed()
	} else if der > 0 {
		if s := c.shard.summary(leaf); s != nil {
			c.shard.stats.Certificates++
			x.Certificates = append(x.Certificates, s)
		} else {
			c.shard.stats.DamagedCertificates++
			x.DamagedCertificates++
		}
	}
	hello.Server, hello.Version = true, version
	x.ServerHello = exchange.ServerHello{Present: true, Legacy: version, Version: version}
	c.shard.stats.ServerHellos++
	c.tell()
}
