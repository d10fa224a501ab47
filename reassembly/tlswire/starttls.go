package tlswire

import (
	"bytes"
	"strings"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/identify"
)

// StartTLS counts connections that began in another protocol and went on in
// TLS, by that protocol.
type StartTLS struct {
	SMTP, IMAP, POP3, FTP, XMPP, LDAP, Postgres, MySQL uint64
	// Watched connections began in one of these, GivenUp ones did not ask for
	// TLS in what is read of them.
	Watched, GivenUp uint64
}

// What is kept of a line or message, and how much of a connection is looked
// at: TLS comes early, if at all.
const (
	plainLine = 48
	plainMost = 16 << 10
)

// dialect is a protocol that can go on in TLS.
type dialect uint8

const (
	noDialect dialect = iota
	smtp
	imap
	pop3
	ftp
	xmpp
	ldap
	postgres
	mysql
)

func (d dialect) String() string {
	return [...]string{"", "smtp", "imap", "pop3", "ftp", "xmpp", "ldap", "postgres", "mysql"}[d]
}

func (s *StartTLS) of(d dialect) *uint64 {
	return [...]*uint64{nil, &s.SMTP, &s.IMAP, &s.POP3, &s.FTP, &s.XMPP, &s.LDAP, &s.Postgres, &s.MySQL}[d]
}

// Plain is the row in the table of protocols for those that go on in TLS when
// they are asked to: SMTP (RFC 3207), IMAP and POP3 (RFC 2595), FTP (RFC 4217),
// XMPP (RFC 6120), LDAP (RFC 4511), PostgreSQL and MySQL. Its parsers read
// nothing but that.
func (s *Shard) Plain() identify.Protocol {
	return identify.Protocol{Name: "starttls", Client: LikePlain, Server: LikePlain, New: s.newPlain, FromStart: true}
}

// What each of them begins with. PostgreSQL's are requests for TLS and for
// GSSAPI, which may come first.
var (
	postgresTLS = []byte{0, 0, 0, 8, 4, 210, 22, 47}
	postgresGSS = []byte{0, 0, 0, 8, 4, 210, 22, 48}
	openings    = []string{"220 ", "220-", "* OK", "* PREAUTH", "+OK", string(postgresTLS), string(postgresGSS)}
)

const (
	ldapStartTLS  = "1.3.6.1.4.1.1466.20037" // RFC 4511, section 4.14.1
	mysqlTLS      = 0x0800                   // CLIENT_SSL
	mysqlGreeting = 10                       // the protocol's version
)

// LikePlain says whether bytes begin one of these protocols.
func LikePlain(b []byte) identify.Confidence {
	answer := identify.NotMine
	for _, o := range openings {
		n := min(len(b), len(o))
		if string(b[:n]) == o[:n] {
			if n == len(o) {
				return identify.Certain
			}
			answer = identify.Unsure
		}
	}
	for _, o := range []string{"<?xml", "<stream:stream"} {
		n := min(len(b), len(o))
		if string(b[:n]) == o[:n] {
			if bytes.Contains(b, []byte("<stream:stream")) {
				return identify.Certain
			}
			answer = identify.Unsure
		}
	}
	return max(answer, likeLDAP(b), likeMySQL(b))
}

// likeLDAP looks for an ExtendedRequest that asks for TLS, in a message of a
// length below 128.
func likeLDAP(b []byte) identify.Confidence {
	switch {
	case b[0] != 0x30, len(b) > 1 && b[1] >= 0x80, len(b) > 5 && b[5] != 0x77:
		return identify.NotMine
	case len(b) < 2 || len(b) < 2+int(b[1]):
		return identify.Unsure
	case !bytes.Contains(b[:2+int(b[1])], []byte(ldapStartTLS)):
		return identify.NotMine
	}
	return identify.Certain
}

// likeMySQL looks for a server's greeting: its length, number 0, the protocol's
// version, then the server's version as text.
func likeMySQL(b []byte) identify.Confidence {
	fixed := []byte{0, 0, 0, mysqlGreeting}
	switch {
	case b[0] < 40, !bytes.Equal(b[1:min(len(b), 5)], fixed[:min(len(b)-1, 4)]), len(b) > 5 && (b[5] < '0' || b[5] > '9'):
		return identify.NotMine
	case len(b) > 5:
		return identify.Certain
	}
	return identify.Unsure
}

// plain watches a connection until it goes on in TLS.
type plain struct {
	shard *Shard
	start *reassembly.Start
	tls   *conn // once it did
	over  bool  // nothing is looked at any more
	mysql bool  // the server greeted so
	seen  int
	half  [2]plainHalf
}

// plainHalf is one direction.
type plainHalf struct {
	line   [plainLine]byte // of the line or message at hand, its beginning
	n      int             // bytes of it, those that are not kept included
	binary int             // bytes of the message at hand; 0: lines
	begun  bool
	asked  dialect // what the line or message before asked for
}

func (s *Shard) newPlain(start *reassembly.Start, _ reassembly.Parser) reassembly.Parser {
	s.stats.StartTLS.Watched++
	return &plain{shard: s, start: start}
}

// Client gives the direction of the client, once there is TLS.
func (p *plain) Client() (reassembly.Direction, bool) {
	if p.tls == nil {
		return 0, false
	}
	return p.tls.Client()
}

// Opaque reports whether there is TLS that stayed encrypted.
func (p *plain) Opaque() bool { return p.tls != nil && p.tls.Opaque() }

// Feed looks for the request for TLS, and for the ClientHello behind it.
func (p *plain) Feed(k *reassembly.Chunk) {
	switch {
	case p.tls != nil:
		p.tls.Feed(k)
		return
	case p.over:
		p.shard.stats.Opaque += uint64(len(k.Bytes))
		return
	case k.Gap > 0:
		h := &p.half[k.Dir]
		h.begun = true
		h.n, h.binary = 0, 0
		return
	}
	for i := range k.Bytes {
		h := &p.half[k.Dir]
		if h.n == 0 && h.asked != noDialect {
			if k.Bytes[i] == TypeHandshake {
				p.goOn(k, i, h.asked)
				return
			}
			h.asked = noDialect // the server would not
		}
		p.take(h, k.Bytes[i])
	}
	if p.seen += len(k.Bytes); p.seen > plainMost {
		p.over = true
		p.shard.stats.StartTLS.GivenUp++
	}
}

// take takes the next byte of a direction.
func (p *plain) take(h *plainHalf, c byte) {
	if h.n < plainLine {
		h.line[h.n] = c
	}
	h.n++
	b := h.line[:min(h.n, plainLine)]
	if !h.begun && h.n == 5 {
		h.begun = true
		switch {
		case b[0] == 0 && b[3] == 8, p.mysql && b[3] == 1:
			h.binary = int(b[3])
			if p.mysql {
				h.binary = 4 + int(b[0]) + int(b[1])<<8
			}
		case b[0] == 0x30 && b[1] < 0x80:
			h.binary = 2 + int(b[1])
		case b[1] == 0 && b[2] == 0 && b[3] == 0 && b[4] == mysqlGreeting:
			p.mysql = true
			h.binary = 4 + int(b[0])
		}
	}
	switch {
	case h.binary > 0:
		if h.n >= h.binary {
			h.asked = p.binary(b)
			h.begun = h.asked != noDialect || string(b) != string(postgresGSS)
			h.n, h.binary = 0, 0
		}
	case c == '\n' || c == '>':
		h.asked = asks(strings.ToUpper(strings.TrimSpace(string(b))))
		h.begun = true
		h.n = 0
	}
}

// binary reads a message of a binary protocol.
func (p *plain) binary(b []byte) dialect {
	switch {
	case string(b) == string(postgresTLS):
		return postgres
	case p.mysql && len(b) == 36 && b[3] == 1 && (int(b[4])|int(b[5])<<8)&mysqlTLS != 0:
		return mysql
	case b[0] == 0x30 && bytes.Contains(b, []byte(ldapStartTLS)):
		return ldap
	}
	return noDialect
}

// asks reads a line.
func asks(line string) dialect {
	switch line {
	case "STARTTLS":
		return smtp
	case "STLS":
		return pop3
	case "AUTH TLS", "AUTH SSL", "AUTH TLS-C", "AUTH TLS-P":
		return ftp
	}
	if tag, ok := strings.CutSuffix(line, " STARTTLS"); ok && !strings.Contains(tag, " ") {
		return imap
	}
	if strings.HasPrefix(line, "<STARTTLS ") || line == "<STARTTLS>" || line == "<STARTTLS/>" {
		return xmpp
	}
	return noDialect
}

// goOn hands the rest to a parser of TLS.
func (p *plain) goOn(k *reassembly.Chunk, at int, d dialect) {
	*p.shard.stats.StartTLS.of(d)++
	c := p.shard.New(p.start, nil).(*conn)
	if c.live != nil {
		c.live.behind = d
	}
	p.tls = c
	left := *k
	left.Bytes, left.Seq = k.Bytes[at:], k.Seq+uint32(at)
	c.Feed(&left)
}

// End hands the end on.
func (p *plain) End(d reassembly.Direction, why reassembly.End, at reassembly.Origin) {
	if p.tls != nil {
		p.tls.End(d, why, at)
	}
}
