// Package relay steps over what relays say before the protocol proper, and is
// asked for by identify like any other protocol: SOCKS 4, 4a and 5 (RFC 1928,
// RFC 1929), and the PROXY protocol of load balancers, versions 1 and 2
// (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt). What follows is
// looked at anew.
//
// Whom the PROXY protocol names as the client goes into reassembly.Start; who
// believes it is not decided here.
//
// Contract: a Shard makes the parsers of the connections that one goroutine
// looks after. A parser holds at most 600 bytes of each direction. What has a gap
// is handed on as it is, what does not fit the protocol is nobody's.
package relay

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/identify"
)

// Stats counts connections by what they began with.
type Stats struct {
	SOCKS, PROXY uint64
	// Malformed ones did not go on as they began.
	Malformed uint64
}

// Shard makes parsers. It and they are used by one goroutine.
type Shard struct{ stats Stats }

// Stats gives the counts so far.
func (s *Shard) Stats() Stats { return s.stats }

// Protocol is the row in the table of protocols.
func (s *Shard) Protocol() identify.Protocol {
	return identify.Protocol{Name: "relay", Client: Like, Server: notMine, New: s.new, FromStart: true}
}

func notMine([]byte) identify.Confidence { return identify.NotMine }

const (
	proxy1    = "PROXY "
	proxy2    = "\r\n\r\n\x00\r\nQUIT\n"
	proxyLine = 107 // bytes of a line of version 1, at most
	proxyMost = 52  // bytes of a header of version 2 that are read: up to IPv6 addresses and ports
	most      = 600 // bytes of any message that are held
)

// Like says whether bytes begin with what a client says to a relay, or a relay
// to a server.
func Like(b []byte) identify.Confidence {
	for _, start := range []string{proxy1 + "TCP", proxy1 + "UNKNOWN", proxy2} {
		n := min(len(b), len(start))
		switch {
		case string(b[:n]) != start[:n]:
		case n == len(start):
			return identify.Certain
		default:
			return identify.Unsure
		}
	}
	switch b[0] {
	case 4:
		return likeSOCKS4(b)
	case 5:
		return likeSOCKS5(b)
	}
	return identify.NotMine
}

// likeSOCKS4 looks for a request to connect or bind.
func likeSOCKS4(b []byte) identify.Confidence {
	switch n, _ := socks4(nil, b); {
	case n < 0 || len(b) > n && n > 0: // the client waits for the answer
		return identify.NotMine
	case n == 0:
		return identify.Unsure
	}
	return identify.Certain
}

// likeSOCKS5 looks for a client's list of methods.
func likeSOCKS5(b []byte) identify.Confidence {
	if len(b) < 2 {
		return identify.Unsure
	}
	n := 2 + int(b[1])
	if n == 2 || len(b) > n {
		return identify.NotMine
	}
	for i, method := range b[2:] {
		if 0x0a <= method && method < 0x80 || method == 0xff || bytes.IndexByte(b[2:2+i], method) >= 0 {
			return identify.NotMine // not assigned, or there twice
		}
	}
	if len(b) < n {
		return identify.Unsure
	}
	return identify.Certain
}

func (s *Shard) new(start *reassembly.Start, rest reassembly.Parser) reassembly.Parser {
	return &conn{shard: s, start: start, rest: rest}
}

type conn struct {
	shard *Shard
	start *reassembly.Start
	rest  reassembly.Parser
	begun bool
	// foreign: it is another protocol after all.
	foreign bool
	half    [2]half
}

// half is one direction.
type half struct {
	next message // nil: the protocol proper comes
	held []byte  // what is there of that message
	skip int     // bytes of the last one that are not there yet
}

// message looks at a message of which b is the beginning. It gives its length
// and what comes behind it; 0 asks for more bytes, and less than 0 is for what
// is no such message.
type message func(p *conn, b []byte) (n int, next message)

// Feed takes the next bytes, or a gap, of one direction.
func (p *conn) Feed(c *reassembly.Chunk) {
	h, b := &p.half[c.Dir], c.Bytes
	switch {
	case p.foreign:
		return
	case c.Gap > 0:
		p.shard.stats.Malformed++
		p.rest.Feed(c)
		return
	case !p.begun && len(b) > 0:
		p.begin(c)
	}
	n := min(h.skip, len(b))
	h.skip -= n
	b = b[n:]
	if len(h.held) > 0 {
		b = append(h.held, b...)
		h.held = nil
	}
	for h.next != nil && len(b) > 0 {
		n, next := h.next(p, b)
		switch {
		case n == 0 && len(b) <= most:
			h.held = bytes.Clone(b)
			return
		case n <= 0:
			p.shard.stats.Malformed++
			p.foreign = true
			return
		default:
			h.next = next
			h.skip = max(n-len(b), 0)
			b = b[min(n, len(b)):]
		}
	}
	if len(b) > 0 {
		left := *c
		left.Bytes, left.Seq = b, c.Seq+uint32(len(c.Bytes)-len(b))
		p.rest.Feed(&left)
	}
}

// End needs no answer: behind what a relay says nothing came.
func (p *conn) End(reassembly.Direction, reassembly.End, reassembly.Origin) {}

// begin finds out which protocol it is, from what its client says first.
func (p *conn) begin(c *reassembly.Chunk) {
	p.begun = true
	client, server := &p.half[c.Dir], &p.half[c.Dir.Reverse()]
	st := &p.shard.stats
	switch c.Bytes[0] {
	case 4:
		st.SOCKS++
		client.next, server.next = socks4, reply4
	case 5:
		st.SOCKS++
		client.next, server.next = greeting, choice
	case proxy1[0]:
		st.PROXY++
		client.next = line
	default:
		st.PROXY++
		client.next = header
	}
}

// socks4 is a request of SOCKS 4: version, command, port, address, a name that
// ends with NUL, and with 4a another one where the address is 0.0.0.x.
func socks4(_ *conn, b []byte) (int, message) {
	switch {
	case len(b) > 1 && b[1] != 1 && b[1] != 2:
		return -1, nil
	case len(b) < 8:
		return 0, nil
	}
	n, names := 8, 1
	if b[4] == 0 && b[5] == 0 && b[6] == 0 && b[7] != 0 {
		names = 2
	}
	for range names {
		i := bytes.IndexByte(b[n:], 0)
		switch {
		case i > 255 || i < 0 && len(b)-n > 255:
			return -1, nil
		case i < 0:
			return 0, nil
		}
		n += i + 1
	}
	return n, nil
}

// reply4 is the answer to it.
func reply4(_ *conn, b []byte) (int, message) {
	if b[0] != 0 {
		return -1, nil
	}
	return 8, nil
}

// greeting is a client's list of methods (RFC 1928, section 3).
func greeting(_ *conn, b []byte) (int, message) {
	if len(b) < 2 {
		return 0, nil
	}
	return 2 + int(b[1]), request
}

// choice is the server's. Of the methods only none and name with password go on
// in the clear.
func choice(_ *conn, b []byte) (int, message) {
	switch {
	case b[0] != 5:
		return -1, nil
	case len(b) < 2:
		return 0, nil
	}
	switch b[1] {
	case 0:
		return 2, address
	case 2:
		return 2, status
	case 0xff: // it takes none of them
		return 2, nil
	}
	return -1, nil
}

// request follows the list of methods, or name and password (RFC 1929, section
// 2) do, and then the request.
func request(p *conn, b []byte) (int, message) {
	if b[0] != 1 {
		return address(p, b)
	}
	if len(b) < 2 || len(b) < 3+int(b[1]) {
		return 0, nil
	}
	return 3 + int(b[1]) + int(b[2+int(b[1])]), address
}

// status says whether name and password are good.
func status(_ *conn, b []byte) (int, message) {
	if b[0] != 1 {
		return -1, nil
	}
	return 2, address
}

// address is a request, or the reply to it: both have the same form (RFC 1928,
// sections 4 and 6).
func address(_ *conn, b []byte) (int, message) {
	switch {
	case b[0] != 5:
		return -1, nil
	case len(b) < 5:
		return 0, nil
	}
	switch b[3] {
	case 1:
		return 10, nil
	case 3:
		return 7 + int(b[4]), nil
	case 4:
		return 22, nil
	}
	return -1, nil
}

// line is the header of the PROXY protocol, version 1: PROXY TCP4 SOURCE
// DESTINATION PORT PORT.
func line(p *conn, b []byte) (int, message) {
	end := bytes.IndexByte(b[:min(len(b), proxyLine)], '\n')
	switch {
	case end < 0 && len(b) >= proxyLine:
		return -1, nil
	case end < 0:
		return 0, nil
	}
	if f := bytes.Fields(b[:end]); len(f) == 6 {
		if a, err := netip.ParseAddr(string(f[2])); err == nil {
			p.start.Relayed = a.Unmap()
		}
	}
	return end + 1, nil
}

// header is that of version 2: its magic, version and command, family, length,
// addresses and ports, and more that is not read.
func header(p *conn, b []byte) (int, message) {
	if len(b) < 16 {
		return 0, nil
	}
	n := 16 + int(binary.BigEndian.Uint16(b[14:]))
	switch {
	case b[12]>>4 != 2:
		return -1, nil
	case len(b) < min(n, proxyMost):
		return 0, nil
	case b[12]&0xf != 1: // the relay speaks for itself
	case b[13]>>4 == 1 && n >= 28:
		p.start.Relayed = netip.AddrFrom4([4]byte(b[16:20]))
	case b[13]>>4 == 2 && n >= proxyMost:
		p.start.Relayed = netip.AddrFrom16([16]byte(b[16:32])).Unmap()
	}
	return n, nil
}
