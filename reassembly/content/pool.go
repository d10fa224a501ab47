// Package content undoes the content and transfer codings of HTTP messages,
// and lends the memory in which they, and all else that is under way, are put
// together.
//
// Contract: a Pool belongs to the parsers of one goroutine and is what they
// share: limits, counters, buffers, decoders, and the one count of what they
// hold. A coded body is collected, up to Limits.EncodedBytes, and decoded when
// it is over, so that there is one decoder a pool and not one a conversation.
// Bytes that need neither be kept nor decoded are counted and stepped over.
//
// What a message's length is, and when it ends, is its protocol's affair.
package content

// Limits bounds what is taken in. There are no defaults here.
type Limits struct {
	// BodyBytes is how much of a decoded body is kept.
	BodyBytes int
	// EncodedBytes is how much of a coded body is collected for decoding.
	EncodedBytes int
	// DecodedBytes is how far a body is decoded to know its length.
	DecodedBytes int
	// HeldBytes bounds what is held together. From half of it on no more of
	// bodies is kept.
	HeldBytes int
}

// Stats counts the bodies that met a limit.
type Stats struct {
	// Bodies of which not all is kept (Clipped), that are too long to be
	// decoded (EncodedOver) or when decoded (DecodedOver), and that could not
	// be decoded.
	Clipped, EncodedOver, DecodedOver, Undecoded uint64
	// Refused bodies, of which no more was kept because of HeldBytes.
	Refused uint64
}

// What a pool keeps for reuse.
const (
	bufferBytes = 4 << 10  // a new buffer
	bufferMost  = 64 << 10 // a larger one is not kept
	buffersKept = 64
)

// Pool lends memory and decoders, and counts what it lends.
type Pool struct {
	limits   Limits
	stats    Stats
	decoders decoders
	held     int
	buffers  [][]byte
}

// NewPool makes a pool.
func NewPool(l Limits) Pool { return Pool{limits: l} }

// Stats gives the counts so far.
func (p *Pool) Stats() Stats { return p.stats }

// Held is how many bytes are lent and charged as of now.
func (p *Pool) Held() int { return p.held }

// Crowded reports whether no more of bodies is to be kept.
func (p *Pool) Crowded() bool { return p.held >= p.limits.HeldBytes/2 }

// Full reports whether nothing is to be kept that can be done without.
func (p *Pool) Full() bool { return p.held >= p.limits.HeldBytes }

// Charge notes that n more bytes are held elsewhere; less, if n is negative.
func (p *Pool) Charge(n int) { p.held += n }

// Put appends to a buffer that the pool lent, or lends one when buf is nil.
func (p *Pool) Put(buf, b []byte) []byte {
	if n := len(buf) + len(b); n > cap(buf) {
		old := buf
		buf = append(p.lend(max(n, 2*cap(old))), old...)
		p.Release(old)
	}
	return append(buf, b...)
}

// lend gives an empty buffer for n bytes.
func (p *Pool) lend(n int) []byte {
	var buf []byte
	if last := len(p.buffers) - 1; last >= 0 && cap(p.buffers[last]) >= n {
		buf = p.buffers[last]
		p.buffers = p.buffers[:last]
	} else {
		buf = make([]byte, 0, max(n, bufferBytes))
	}
	p.held += cap(buf)
	return buf
}

// Release takes a buffer back.
func (p *Pool) Release(buf []byte) {
	p.held -= cap(buf)
	if buf != nil && cap(buf) <= bufferMost && len(p.buffers) < buffersKept {
		p.buffers = append(p.buffers, buf[:0])
	}
}
