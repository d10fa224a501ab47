package tlswire

import (
	"crypto/sha256"

	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/tlswire/suite"
)

// reader reads the fields of a message. One that is not all there gives what
// there is of it, as a number zero, and makes the reader bad.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) {
		n, r.bad = len(r.b), true
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) number(bytes int) (n int) {
	for _, c := range r.take(bytes) {
		n = n<<8 | int(c)
	}
	if r.bad {
		return 0
	}
	return n
}

// vector reads what has its length before it, in that many bytes (RFC 8446,
// section 3.4).
func (r *reader) vector(lengthBytes int) reader {
	b := r.take(r.number(lengthBytes))
	return reader{b: b, bad: r.bad}
}

// numbers reads the rest as 16-bit numbers.
func numbers[T ~uint16](r *reader) []T {
	if len(r.b)%2 != 0 {
		r.bad = true
	}
	if len(r.b) < 2 {
		return nil
	}
	list := make([]T, 0, len(r.b)/2)
	for ; len(r.b) >= 2; r.b = r.b[2:] {
		list = append(list, T(be16(r.b)))
	}
	return list
}

// The extensions that are read, by their numbers in the registry of IANA.
const (
	extServerName           = 0
	extGroups               = 10
	extPointFormats         = 11
	extSignatureAlgorithms  = 13
	extALPN                 = 16
	extEncryptThenMAC       = 22
	extExtendedMasterSecret = 23
	extTruncatedHMAC        = 4
	extTicket               = 35
	extPSK                  = 41
	extEarlyData            = 42
	extVersions             = 43
	extKeyShare             = 51
	extEncryptedHello       = 0xfe0d
)

// retryRandom marks a ServerHello as a HelloRetryRequest (RFC 8446, section
// 4.1.3).
var retryRandom = sha256.Sum256([]byte("HelloRetryRequest"))

// isHello reports whether a message can be a hello: it begins with a version.
func isHello(body []byte) bool {
	return len(body) >= 2 && (body[0] == 3 && body[1] <= 4 || body[0] == 0x7f)
}

// clientHello reads a ClientHello (RFC 8446, section 4.1.2), the whole or the
// beginning of it.
func (c *conn) clientHello(h *half, body []byte, whole bool) {
	x, hello := c.underway(), &c.live.hello
	again := hello.Client
	r := reader{b: body}
	m := exchange.ClientHello{Present: true, Cut: !whole, Legacy: exchange.Version(r.number(2))}
	random := r.take(32)
	session := r.vector(1)
	suites := r.vector(2)
	m.Suites = numbers[uint16](&suites)
	compressions := r.vector(1)
	bad := r.bad || session.bad || suites.bad || compressions.bad || len(session.b) > 32
	hello.Ticket = nil
	if len(r.b) > 0 {
		extensions := r.vector(2)
		bad = bad || r.bad || extensions.bad
		for len(extensions.b) > 0 && !bad {
			kind := extensions.number(2)
			e := extensions.vector(2)
			if bad = extensions.bad; bad {
				break
			}
			m.Extensions = append(m.Extensions, uint16(kind))
			bad = c.clientExtension(&m, kind, e)
		}
	}
	switch {
	case !whole:
	case bad:
		c.malformed()
	default:
		m.JA3, m.JA4 = ja3(&m), ja4(&m)
	}
	hello.Client = len(random) == 32
	copy(hello.ClientRandom[:], random)
	hello.ClientSession = append([]byte(nil), session.b...)
	hello.EarlyData, hello.ServerName = m.EarlyData, m.ServerName
	if !again {
		c.live.cost += len(body)
		c.shard.held += len(body)
		x.ClientHello = m
		c.shard.stats.ClientHellos++
	} else if !hello.Retry || h.hellos > 1 {
		c.malformed()
	}
	h.hellos++
	c.tell()
}

// clientExtension reads one extension and reports whether it is malformed.
func (c *conn) clientExtension(m *exchange.ClientHello, kind int, e reader) bool {
	list := func() reader { l := e.vector(2); return l }
	var l reader
	switch kind {
	case extServerName: // RFC 6066, section 3
		for l = list(); len(l.b) > 0 && !l.bad; {
			kind := l.number(1)
			name := l.vector(2)
			l.bad = l.bad || name.bad
			if kind == 0 && m.ServerName == "" {
				m.ServerName = string(name.b)
			}
		}
	case extGroups: // RFC 8422, section 5.1.1
		l = list()
		m.Groups = numbers[uint16](&l)
	case extPointFormats: // section 5.1.2
		l = e.vector(1)
		m.PointFormats = append([]uint8(nil), l.b...)
	case extSignatureAlgorithms:
		l = list()
		m.SignatureAlgorithms = numbers[uint16](&l)
	case extALPN: // RFC 7301, section 3.1
		for l = list(); len(l.b) > 0 && !l.bad; {
			name := l.vector(1)
			l.bad = l.bad || name.bad
			m.ALPN = append(m.ALPN, string(name.b))
		}
	case extVersions: // RFC 8446, section 4.2.1
		l = e.vector(1)
		m.Versions = numbers[exchange.Version](&l)
	case extTicket: // RFC 5077, section 3.2
		m.Ticket = len(e.b) > 0
		c.live.hello.Ticket = append([]byte(nil), e.b...)
	case extPSK:
		m.PSK = true
	case extEarlyData:
		m.EarlyData = true
	case extEncryptedHello:
		m.EncryptedHello = true
	}
	return e.bad || l.bad
}

// serverHello reads a ServerHello or a HelloRetryRequest (RFC 8446, sections
// 4.1.3 and 4.1.4). In drafts of TLS 1.3 up to 21 there are no session id and
// no compression, and a HelloRetryRequest is a message of its own, which has
// no random and up to draft 18 no cipher suite either.
func (c *conn) serverHello(h *half, body []byte, retry, whole bool) {
	x, hello := c.underway(), &c.live.hello
	if hello.Server {
		c.malformed()
		return
	}
	r := reader{b: body}
	m := exchange.ServerHello{Present: true, Cut: !whole, Legacy: exchange.Version(r.number(2))}
	m.Version = m.Legacy
	old := m.Legacy>>8 == 0x7f
	var random []byte
	var session reader
	if !retry {
		random = r.take(32)
		retry = string(random) == string(retryRandom[:])
		if !old {
			session = r.vector(1)
		}
	}
	if h.messages.head[0] == serverHello || m.Legacy > 0x7f12 {
		m.Suite = uint16(r.number(2))
	}
	chosen := !r.bad && !session.bad
	if !old {
		hello.Compression = uint8(r.number(1))
	}
	bad := r.bad || session.bad || len(session.b) > 32
	var psk, truncated bool
	if len(r.b) > 0 && !bad {
		extensions := r.vector(2)
		bad = r.bad
		for len(extensions.b) > 0 && !bad {
			kind := extensions.number(2)
			e := extensions.vector(2)
			if bad = extensions.bad; bad {
				break
			}
			m.Extensions = append(m.Extensions, uint16(kind))
			switch kind {
			case extVersions:
				m.Version = exchange.Version(e.number(2))
			case extKeyShare:
				x.Group = uint16(e.number(2))
			case extALPN:
				l := e.vector(2)
				name := l.vector(1)
				m.ALPN = string(name.b)
				e.bad = e.bad || l.bad || name.bad
			case extExtendedMasterSecret:
				m.ExtendedMasterSecret = true
			case extEncryptThenMAC:
				m.EncryptThenMAC = true
			case extTruncatedHMAC:
				truncated = true
			case extPSK:
				psk = true
			}
			bad = e.bad
		}
	}
	if whole && bad {
		c.malformed()
	}
	if !whole && m.Version == exchange.TLS12 {
		// The extension that says so may be missing, but no suite is of both.
		if s, known := suite.Lookup(m.Suite); !known || !chosen {
			m.Version = 0
		} else if s.TLS13 {
			m.Version = exchange.TLS13
		}
	}
	hello.Suite, hello.Version = m.Suite, m.Version
	if retry {
		if hello.Retry {
			c.malformed() // RFC 8446, section 4.1.4: at most one
		} else {
			c.shard.stats.Retried++
		}
		hello.Retry, x.Retry = true, true
		c.tell()
		return
	}
	if whole && !bad {
		m.JA3S = ja3s(&m)
	}
	c.shard.stats.ServerHellos++
	c.live.cost += len(body)
	c.shard.held += len(body)
	x.ServerHello = m
	if psk {
		x.Resumption = exchange.ByPSK
	}
	hello.Server = true
	copy(hello.ServerRandom[:], random)
	hello.ServerSession = append([]byte(nil), session.b...)
	hello.PSK, hello.TruncatedHMAC = psk, truncated
	hello.ExtendedMasterSecret, hello.EncryptThenMAC, hello.ALPN = m.ExtendedMasterSecret, m.EncryptThenMAC, m.ALPN
	c.tell()
}

// tell tells the opener what the hellos said.
func (c *conn) tell() {
	if c.opener != nil {
		c.opener.Hello(&c.live.hello)
	}
}
