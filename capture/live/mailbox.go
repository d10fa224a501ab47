package live

import (
	"sync"

	"github.com/authtap/authtap/capture"
)

// mailbox passes packets from several readers to Next, in the order in which
// they come. It holds limit bytes, and Next as many that it has taken out; a
// reader that finds it full waits.
type mailbox struct {
	limit  int
	filled chan struct{} // has an element when something was put in

	mu     sync.Mutex
	space  sync.Cond // there is room again, or the mailbox is closed
	batch  batch
	closed bool
}

// batch is a number of packets, with their bytes one behind the other.
type batch struct {
	letters []letter
	bytes   []byte
}

// letter is a packet, whose Data is bytes[begin:end], or the end of a port.
type letter struct {
	packet     capture.Packet
	begin, end int
	err        error
}

// letterBytes is about what a letter takes besides the packet's bytes.
const letterBytes = 96

func newMailbox(limit int) *mailbox {
	m := &mailbox{limit: limit, filled: make(chan struct{}, 1)}
	m.space.L = &m.mu
	return m
}

// put copies a packet into the mailbox; false when it is closed.
func (m *mailbox) put(p *capture.Packet) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	// A packet that is larger than the limit goes in alone.
	for !m.closed && len(m.batch.letters) > 0 &&
		len(m.batch.bytes)+len(p.Data)+(len(m.batch.letters)+1)*letterBytes > m.limit {
		m.space.Wait()
	}
	if m.closed {
		return false
	}
	begin := len(m.batch.bytes)
	m.batch.bytes = append(m.batch.bytes, p.Data...)
	l := letter{packet: *p, begin: begin, end: len(m.batch.bytes)}
	l.packet.Data = nil
	m.batch.letters = append(m.batch.letters, l)
	m.signal()
	return true
}

// fail puts in that a port has ended; there is room for one of each.
func (m *mailbox) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.batch.letters = append(m.batch.letters, letter{err: err})
	m.signal()
}

// take exchanges an empty batch, whose memory is used again, for what has
// come; false when nothing has.
func (m *mailbox) take(b *batch) bool {
	b.letters, b.bytes = b.letters[:0], b.bytes[:0]
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.batch.letters) == 0 {
		return false
	}
	*b, m.batch = m.batch, *b
	m.space.Broadcast()
	return true
}

// close lets those go that wait at either end.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.space.Broadcast()
	m.signal()
}

func (m *mailbox) signal() {
	select {
	case m.filled <- struct{}{}:
	default:
	}
}
