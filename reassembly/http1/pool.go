package http1

// How many structs of a kind a shard keeps for reuse, and how it counts what it
// lends.
const (
	structsKept   = 1024
	exchangeBytes = 512 // what an Exchange costs besides its strings and bodies
	fieldBytes    = 32
	mostBody      = 4 << 10 // of a request, that is kept with its slot
)

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
	s.pool.Charge(-t.cost)
	body := t.body[:0]
	if cap(body) > mostBody {
		body = nil
	}
	*t = slot{body: body}
	if len(s.slots) < structsKept {
		s.slots = append(s.slots, t)
	}
}

// charge notes that an exchange that waits got bigger.
func (s *Shard) charge(t *slot, n int) {
	t.cost += n
	s.pool.Charge(n)
}
