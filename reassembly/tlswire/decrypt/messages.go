package decrypt

// Handshake messages that say something here (RFC 8446, section 4; RFC 5246,
// section 7.4).
const (
	helloRequest        = 0
	newSessionTicket    = 4
	endOfEarlyData      = 5
	encryptedExtensions = 8
	serverHelloDone     = 14
	clientKeyExchange   = 16
	finished            = 20
	keyUpdate           = 24
)

// messages finds the handshake messages in what a direction sends of that
// content type.
type messages struct {
	head [4]byte
	have int    // bytes of head
	left int    // bytes of the message to come
	body []byte // what is there of it, if it is wanted
	// all are the messages so far, where the master secret may depend on them,
	// whole if not cut.
	all     []byte
	cut     bool
	stopped bool // the rest does not belong to them
}

// lose notes that bytes are missing.
func (m *messages) lose() { *m = messages{cut: true} }

// wanted says which messages are looked into.
func wanted(kind byte) bool {
	switch kind {
	case newSessionTicket, encryptedExtensions, clientKeyExchange:
		return true
	}
	return false
}

// feed takes the next bytes and calls f for each message that ends in them, with
// a body if it is one that is looked into. most bounds what is kept. It gives
// how many messages were too long to be.
func (m *messages) feed(b []byte, most int, transcribe bool, f func(kind byte, body []byte)) (over uint64) {
	for len(b) > 0 {
		if m.have < len(m.head) {
			n := copy(m.head[m.have:], b)
			b = b[n:]
			if m.have += n; m.have < len(m.head) {
				return over
			}
			m.left = int(m.head[1])<<16 | int(m.head[2])<<8 | int(m.head[3])
			m.body = nil
			if transcribe && m.head[0] != helloRequest {
				m.transcribe(m.head[:], most)
			}
			if wanted(m.head[0]) && m.left > most {
				over++
				m.head[0] = helloRequest // none that is looked into
			}
		}
		part := b[:min(m.left, len(b))]
		b = b[len(part):]
		m.left -= len(part)
		if transcribe && m.head[0] != helloRequest {
			m.transcribe(part, most)
		}
		if wanted(m.head[0]) {
			m.body = append(m.body, part...)
		}
		if m.left == 0 {
			m.have = 0
			f(m.head[0], m.body)
			m.body = nil
		}
	}
	return over
}

// transcribe keeps bytes for the hash of the session (RFC 7627, section 3).
func (m *messages) transcribe(b []byte, most int) {
	switch {
	case m.stopped || m.cut:
	case len(m.all)+len(b) > most:
		m.all, m.cut = nil, true
	default:
		m.all = append(m.all, b...)
	}
}
