// Package record opens the protected records of TLS 1.0 to 1.3 for somebody
// who has the secrets and only listens.
//
// A Suite says how a cipher suite protects records. From a secret it makes the
// Openers of a connection, one a direction and a key, which turn fragments into
// content. Every record is authenticated: what has no valid tag or MAC under
// the sequence number that it is tried with is not opened, so that a wrong
// secret gives nothing.
//
// Contract: an Opener is used by one goroutine. It neither keeps nor changes
// the fragments that it is given; the content goes into the buffer that the
// caller lends. Opening allocates nothing but what outgrows that buffer.
//
// What it does not do: find records in a stream, follow a handshake, or know
// where secrets come from (packages decrypt and secret). SSL 3.0, compression
// and suites that nobody should have used are not known: Camellia, SEED, ARIA,
// IDEA, RC2, exported keys.
package record

// Content types (RFC 8446, section 5.1).
const (
	ChangeCipherSpec = 20
	Alert            = 21
	Handshake        = 22
	ApplicationData  = 23
)

// Versions as they stand in hellos.
const (
	TLS10 = 0x0301
	TLS11 = 0x0302
	TLS12 = 0x0303
	TLS13 = 0x0304
)

const (
	// HeaderLength is that of a record's header: type, version, length.
	HeaderLength = 5
	// MaxContent is the longest content, MaxFragment the longest fragment that
	// protects it (RFC 5246, section 6.2; what RFC 8446 allows is shorter).
	MaxContent  = 1 << 14
	MaxFragment = MaxContent + 2048
)

// Record is a record as it stands in the stream.
type Record struct {
	Type     uint8
	Version  uint16
	Fragment []byte
}

// Opener opens the records of one direction under one key.
type Opener interface {
	// Open gives the type and the content of a record, the content in dst if
	// that is large enough. The sequence numbers from first on are tried, as
	// many as tries says, and the one that fits is told. ok is false where none
	// does.
	Open(dst []byte, r *Record, first uint64, tries int) (o Opened, ok bool)
	// Lose says that records may be missing before the next one, or that one
	// was not what it should be. Where it gives false nothing can be opened any
	// more.
	Lose() bool
}

// Opened is what was in a record.
type Opened struct {
	Type    uint8
	Content []byte
	Seq     uint64
}
