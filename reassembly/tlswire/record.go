package tlswire

import "github.com/authtap/authtap/reassembly"

const (
	headerBytes = 5
	// maxBody is the longest fragment (RFC 5246, section 6.2.3; TLS 1.3 allows
	// less).
	maxBody = 1<<14 + 2048
)

// cutter cuts the bytes of one direction into records, wherever they are cut
// themselves. Its zero value stands at the beginning of a record.
type cutter struct {
	header [headerBytes]byte
	have   uint8  // bytes of the header that are there
	begun  bool   // a piece of this record was given
	left   uint16 // bytes of the body to come
}

// piece is a part of a record's body.
type piece struct {
	body []byte
	// first and last piece of its record; an empty record is one piece.
	first, last bool
}

// step says what next found.
type step uint8

const (
	needMore step = iota // all bytes were taken, no piece came of them
	gotPiece
	noRecord // the header that ends here cannot be one
)

// next takes the next piece off b and says how many bytes it took.
func (c *cutter) next(b []byte) (p piece, n int, s step) {
	if c.have < headerBytes {
		n = copy(c.header[c.have:], b)
		c.have += uint8(n)
		if c.have < headerBytes {
			return p, n, needMore
		}
		if !isHeader(c.header[:]) {
			return p, n, noRecord
		}
		c.left, c.begun = c.length(), false
	}
	m := min(int(c.left), len(b)-n)
	if m == 0 && c.left > 0 {
		return p, n, needMore
	}
	p = piece{body: b[n : n+m], first: !c.begun}
	c.begun = true
	c.left -= uint16(m)
	if c.left == 0 {
		p.last, c.have = true, 0
	}
	return p, n + m, gotPiece
}

// miss steps over n missing bytes and reports whether they lie within the body
// of the record at hand, so that the next one's place is known. ended says that
// the record ends with them.
func (c *cutter) miss(n uint64) (within, ended bool) {
	if c.have < headerBytes || n > uint64(c.left) {
		return false, false
	}
	c.left -= uint16(n)
	c.begun = true
	if c.left == 0 {
		c.have = 0
		return true, true
	}
	return true, false
}

func (c *cutter) kind() uint8     { return c.header[0] }
func (c *cutter) version() uint16 { return be16(c.header[1:]) }
func (c *cutter) length() uint16  { return be16(c.header[3:]) }

// between reports whether the cutter stands between two records.
func (c *cutter) between() bool { return c.have == 0 }

// isHeader reports whether b begins with a possible header. Only handshake and
// alert records, and those of application data, which may be padding, say
// something when they are empty; OpenSSL sends empty ones of the latter kind
// on purpose.
func isHeader(b []byte) bool {
	n := be16(b[3:])
	return TypeChangeCipherSpec <= b[0] && b[0] <= TypeHeartbeat && b[1] == 3 && b[2] <= 4 &&
		n <= maxBody && (n > 0 || b[0] == TypeApplicationData)
}

// resync gives the place of the first record in bytes behind a gap, or -1. A
// header within them is believed when it is of the version given, and what
// follows its record, as far as it is at hand, begins with one, too.
func resync(b []byte, version uint16) int {
	for i := 0; i+headerBytes <= len(b); i++ {
		if b[i+1] != 3 || !isHeader(b[i:]) || version != 0 && be16(b[i+1:]) != version {
			continue
		}
		next := i + headerBytes + int(be16(b[i+3:]))
		if next+headerBytes > len(b) || isHeader(b[next:]) {
			return i
		}
	}
	return -1
}

func be16(b []byte) uint16 { return uint16(b[0])<<8 | uint16(b[1]) }
func be24(b []byte) int    { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

// gather puts records together for an opener. One belongs to each direction.
type gather struct {
	record Record
	buf    []byte // the body so far, when it comes in pieces
	bad    bool   // bytes of the record at hand are missing
	has    bool   // record holds where the record at hand began
	// next is the sequence number behind the last record, when placed; jump
	// says that the next one does not begin there.
	next         uint32
	placed, jump bool
}

// begin notes where a record begins: at the byte seq, of a chunk.
func (g *gather) begin(k *reassembly.Chunk, seq uint32) {
	g.record = Record{Dir: k.Dir, Seq: seq, Ack: k.Ack, HasAck: k.HasAck, Conflict: k.Conflict, Origin: k.Origin}
	if g.placed && g.jump {
		g.record.Gap = uint64(seq - g.next)
	}
	g.bad, g.has, g.jump = false, true, false
	g.next, g.placed = seq, true
}
