package http1

// What a shard keeps for reuse, and how it counts what it lends.
const (
	bufferBytes   = 4 << 10  // a new buffer
	bufferMost    = 64 << 10 // a larger one is not kept
	buffersKept   = 64
	structsKept   = 1024
	exchangeBytes = 512 // what an Exchange costs besides its strings and bodies
	fieldBytes    = 32
)

// crowded reports whether no more of bodies is to be kept, full whether
// nothing is that can be done without.
func (s *Shard) crowded() bool { return s.held >= s.limits.HeldBytes/2 }
func (s *Shard) full() bool    { return s.held >= s.limits.HeldBytes }

// put appends to a buffer that the shard lent, or lends one when buf is nil.
func (s *Shard) put(buf, b []byte) []byte {
	if n := len(buf) + len(b); n > cap(buf) {
		old := buf
		buf = append(s.lend(max(n, 2*cap(old))), old...)
		s.release(old)
	}
	return append(buf, b...)
}

// lend gives an empty buffer for n bytes.
func (s *Shard) lend(n int) []byte {
	var buf []byte
	if last := len(s.buffers) - 1; last >= 0 && cap(s.buffers[last]) >= n {
		buf = s.buffers[last]
		s.buffers = s.buffers[:last]
	} else {
		buf = make([]byte, 0, max(n, bufferBytes))
	}
	s.held += cap(buf)
	return buf
}

// release takes a buffer back.
func (s *Shard) release(buf []byte) {
	s.held -= cap(buf)
	if buf != nil && cap(buf) <= bufferMost && len(s.buffers) < buffersKept {
		s.buffers = append(s.buffers, buf[:0])
	}
}

func (s *Shard) newLive() *live {
	if n := len(s.lives); n > 0 {
		l := s.lives[n-1]
		s.lives = s.lives[:n-1]
		return l
	}
	return new(live)
}

func (s *Shard) freeLive(l *live) {
	if len(s.lives) < structsKept && cap(l.requests)+cap(l.responses) <= 64 {
		*l = live{requests: l.requests[:0], responses: l.responses[:0]}
		s.lives = append(s.lives, l)
	}
}

func (s *Shard) newSlot() *slot {
	if n := len(s.slots); n > 0 {
		t := s.slots[n-1]
		s.slots = s.slots[:n-1]
		return t
	}
	return new(slot)
}

func (s *Shard) freeSlot(t *slot) {
	s.held -= t.cost
	*t = slot{}
	if len(s.slots) < structsKept {
		s.slots = append(s.slots, t)
	}
}

// charge notes that an exchange that waits got bigger.
func (s *Shard) charge(t *slot, n int) {
	t.cost += n
	s.held += n
}
