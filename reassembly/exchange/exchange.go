// Package exchange holds what the parsers of application protocols make:
// requests with the responses that answered them. It is pure data, the same
// for HTTP/1 and HTTP/2.
//
// Contract: an Exchange owns its memory, its bodies' bytes apart, and does not
// change after its parser has handed it over; everybody behind may read it from
// any goroutine. The bodies' bytes are lent, valid until the function that was
// given the exchange returns: most exchanges are looked at once, and their
// bodies are most of what they hold. Whoever keeps one lets go of the bytes, or
// calls Own. Where a Pool takes exchanges back, who is behind the parser says
// which of them nobody holds any more; strings out of them may be kept by all.
// An exchange's size is bounded by the parser's limits (header bytes, body bytes
// kept). Damage is a field, never an error: what was lost, cut or contradicted
// is marked on the message that it touched, and what could not be proved to
// belong together is not put together.
//
// Raw credentials live in here and nowhere behind detect/credential.
package exchange

import (
	"bytes"
	"net/netip"
	"strings"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
)

// Exchange is a request and its response. Either may be missing.
type Exchange struct {
	// Order is where in the run the exchange ended; exchanges leave a run in
	// this order.
	Order reassembly.Order
	// Origin is the packet that the request began in (the response, where
	// there is no request).
	Origin reassembly.Origin
	// End is the packet time at which the exchange was over.
	End capture.Time
	// Client sent the request, Server the response.
	Client, Server netip.AddrPort
	// Relayed is whom a relay in the client's place says it asks for (the PROXY
	// protocol); the zero address where it does not say.
	Relayed netip.Addr
	Net     reassembly.Network
	// Tunnels are those that the conversation came in.
	Tunnels  reassembly.Tunnels
	Protocol Protocol
	TLS      TLS
	Flags    Flags

	Request  Message
	Response Message
}

// Message is one HTTP message. Its strings share one allocation.
type Message struct {
	// Present says that the message's first line was seen. Everything else is
	// zero where it was not.
	Present bool
	// Damage says what is wrong with it.
	Damage Damage
	// Start is the packet time of its first byte.
	Start capture.Time

	// Method and Target of a request, as sent (RFC 9112, section 3). In
	// HTTP/2, Target is :path, and :authority stands in Header as Host.
	Method, Target string
	// Status of a response, 100 to 599 as a rule, as sent.
	Status int

	// Header fields in the order in which they were sent, repeated ones
	// repeated. Names as sent. Trailer likewise.
	Header  Header
	Trailer Header
	Body    Body
}

// Body is the content of a message, transfer and content codings undone.
type Body struct {
	// Bytes is the beginning of the content, up to the parser's limit. They
	// are lent: see the package's contract.
	Bytes []byte
	// Length is the length of the content in bytes, as far as it was seen, gaps
	// whose size is known included; Bytes may hold less of it.
	Length int64
}

// Damage marks what a message lacks.
type Damage uint8

// The marks.
const (
	// HeadGap: bytes are missing within the first line or the header.
	HeadGap Damage = 1 << iota
	// BodyGap: bytes are missing within the body.
	BodyGap
	// Cut: the message ends before its own end: by the end of the connection
	// or of the capture, or at a limit.
	Cut
	// Conflicting: some of its bytes were sent twice with different content.
	Conflicting
	// Malformed: it breaks the protocol in a way that leaves more than one
	// reading (several lengths, bad chunking, impossible header lines).
	Malformed
	// Undecoded: the content coding is unknown or broken; Bytes holds the
	// content as it was sent.
	Undecoded
)

// Whole reports whether every byte of the message was seen and understood.
// A body longer than what is kept of it is whole.
func (d Damage) Whole() bool { return d&^Undecoded == 0 }

// Flags are marks of the exchange as a whole; Names gives them their names in
// the output.
type Flags uint16

// The marks.
const (
	// Unpaired: there is no response that is provably this request's, or no
	// request for this response.
	Unpaired Flags = 1 << iota
	// Midstream: the beginning of the connection was not captured, or where
	// frames begin was found again behind a gap.
	Midstream
	// Pipelined: the request was sent before the previous one was answered.
	Pipelined
	// AfterGap: bytes were lost on this connection before the exchange ended;
	// it was paired by acknowledgement numbers, or by its stream.
	AfterGap
	// Upgraded: the connection left HTTP with this exchange.
	Upgraded
)

// Names gives the exchange's marks, those of its messages included, as the
// output has them, sorted.
func (x *Exchange) Names() []string {
	var names []string
	add := func(on bool, name string) {
		if on {
			names = append(names, name)
		}
	}
	d := x.Request.Damage | x.Response.Damage
	add(x.Flags&AfterGap != 0, "after_gap")
	add(d&Conflicting != 0, "conflict")
	add(d&(HeadGap|BodyGap) != 0, "gap")
	add(d&Malformed != 0, "malformed")
	add(x.Flags&Midstream != 0, "midstream")
	add(x.Flags&Pipelined != 0, "pipelined")
	add(d&Cut != 0, "truncated")
	add(d&Undecoded != 0, "undecoded")
	add(x.Flags&Unpaired != 0, "unpaired")
	add(x.Flags&Upgraded != 0, "upgraded")
	return names
}

// Protocol is the version of HTTP that the exchange was made in.
type Protocol uint8

// The protocols.
const (
	HTTP10 Protocol = iota + 1
	HTTP11
	HTTP2
)

// String gives the name as it stands in the output.
func (p Protocol) String() string {
	switch p {
	case HTTP10:
		return "http/1.0"
	case HTTP11:
		return "http/1.1"
	case HTTP2:
		return "h2"
	}
	return ""
}

// TLS says how the exchange was protected on the wire that was watched.
type TLS uint8

// What the output calls them: none, decrypted.
const (
	Plain TLS = iota
	Decrypted
)

// String gives the name as it stands in the output.
func (t TLS) String() string {
	if t == Decrypted {
		return "decrypted"
	}
	return "none"
}

// Own copies the bytes of the bodies, for who keeps the exchange with them.
func (x *Exchange) Own() *Exchange {
	x.Request.Body.Bytes = bytes.Clone(x.Request.Body.Bytes)
	x.Response.Body.Bytes = bytes.Clone(x.Response.Body.Bytes)
	return x
}

// Field is one header line.
type Field struct{ Name, Value string }

// Header is an ordered list of header lines.
type Header []Field

// Get gives the value of the first line with that name, in any case, or "".
func (h Header) Get(name string) string {
	for i := range h {
		if len(h[i].Name) == len(name) && strings.EqualFold(h[i].Name, name) {
			return h[i].Value
		}
	}
	return ""
}

// Has reports whether a line with that name is there.
func (h Header) Has(name string) bool {
	for i := range h {
		if len(h[i].Name) == len(name) && strings.EqualFold(h[i].Name, name) {
			return true
		}
	}
	return false
}

// Each calls f with the value of every line with that name, in order.
func (h Header) Each(name string, f func(value string)) {
	for i := range h {
		if len(h[i].Name) == len(name) && strings.EqualFold(h[i].Name, name) {
			f(h[i].Value)
		}
	}
}

// Host is the request's Host (or :authority) as sent, in lower case; of an
// absolute target without one, the target's, without a user's name and
// password.
func (x *Exchange) Host() string {
	h := x.Request.Header.Get("Host")
	if h == "" && x.Request.Method != "CONNECT" {
		h, _, _ = absolute(x.Request.Target)
		h = h[strings.LastIndexByte(h, '@')+1:]
	}
	return strings.ToLower(h)
}

// PathQuery splits the request's target. An absolute target is cut to its
// path; CONNECT's and "*" stay as sent. Neither part is decoded.
func (x *Exchange) PathQuery() (path, query string) {
	t := x.Request.Target
	if x.Request.Method != "CONNECT" {
		if _, rest, ok := absolute(t); ok {
			t = rest
		}
	}
	path, query, _ = strings.Cut(t, "?")
	return path, query
}

// absolute cuts a target in absolute form (RFC 9112, section 3.2.2) in two:
// whom it leads to, and what to.
func absolute(target string) (authority, rest string, ok bool) {
	scheme, rest, ok := strings.Cut(target, "://")
	if !ok || strings.ContainsAny(scheme, "/?") {
		return "", "", false
	}
	i := strings.IndexAny(rest, "/?")
	switch {
	case i < 0:
		return rest, "/", true
	case rest[i] == '?':
		return rest[:i], "/" + rest[i:], true
	}
	return rest[:i], rest[i:], true
}
