package tlswire

import (
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
)

// Open makes the opener of a connection, or gives nil: then nobody opens it,
// and it costs nothing more once its handshake is over. It is called when the
// first record of a connection has begun, or when the connection is met in
// mid-stream. start does not change.
type Open func(start *reassembly.Start) Opener

// Opener gets all records of a connection, for who has its secrets. It is used
// by the goroutine of the shard. One that has a method Opened() bool says there
// whether it has opened anything, when the connection is over.
type Opener interface {
	// Hello is called whenever a hello was read, before the record that ends it
	// is given: once or twice for the client (the second one after a
	// HelloRetryRequest) and once for the server (a HelloRetryRequest sets Retry
	// and is not the server's hello). h is valid during the call.
	Hello(h *Hello)
	// Record takes the next record of a direction, in order. It gives back the
	// handshake messages that it found in there, if the record was encrypted
	// and of that content (only certificates are of interest; they are read
	// before the next call), and whether it wants the records that follow.
	// Once it does not, neither Record nor Gap is called any more.
	Record(r *Record) (handshake []byte, more bool)
	// Gap says that bytes of a direction are missing, and that records may be
	// missing with them: see Record.Gap. It is called when the gap is met,
	// Record.Gap is set in the record behind it.
	Gap(d reassembly.Direction, n uint64, at reassembly.Origin)
	// End ends a direction, as a Parser's. It is called in any case.
	End(d reassembly.Direction, why reassembly.End, at reassembly.Origin)
}

// Record is one record (RFC 8446, section 5.1).
type Record struct {
	Dir reassembly.Direction
	// FromClient and FromServer: both are false while no hello was seen.
	FromClient, FromServer bool
	// Header as it was sent; Type and Version are in there.
	Header  [5]byte
	Type    uint8
	Version uint16
	// Body is the fragment as it was sent, mostly encrypted. It is valid during
	// the call.
	Body []byte
	// Lost says that some of Body's bytes are missing: it is nil then, and the
	// header tells its length. The next record of this direction is known to
	// be the next one.
	Lost bool
	// Gap is how many bytes are missing before the record, so that not even
	// the number of records in between is known.
	Gap uint64
	// Seq is the sequence number of the header's first byte. Ack is the
	// acknowledgement number of the segment that held it, valid when HasAck;
	// Origin is its packet. Last is the packet that ended the record.
	Seq, Ack     uint32
	HasAck       bool
	Conflict     bool
	Origin, Last reassembly.Origin
}

// The types of records (RFC 8446, section 5.1).
const (
	TypeChangeCipherSpec = 20
	TypeAlert            = 21
	TypeHandshake        = 22
	TypeApplicationData  = 23
	TypeHeartbeat        = 24
)

// Hello is what both hellos said, as far as they were read.
type Hello struct {
	// Client and Server say which of them were read.
	Client, Server bool
	// ClientDir is the direction of the client.
	ClientDir                  reassembly.Direction
	ClientRandom, ServerRandom [32]byte
	// ClientSession and ServerSession are the session ids, Ticket what the
	// client sent in the extension session_ticket.
	ClientSession, ServerSession, Ticket []byte
	// Retry says that there was a HelloRetryRequest, EarlyData that the client
	// sends data at once, PSK that the server took a pre-shared key.
	Retry, EarlyData, PSK bool
	// What the server chose.
	Version              exchange.Version
	Suite                uint16
	Compression          uint8
	ExtendedMasterSecret bool
	EncryptThenMAC       bool
	TruncatedHMAC        bool
	ALPN                 string
	ServerName           string
}
