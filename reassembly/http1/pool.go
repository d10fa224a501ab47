package http1

// How many structs of a kind a shard keeps for reuse, and how it counts what it
// lends.
const (
	structsKept   = 1024
	exchangeBytes = 512 // what an Exchange costs besides its strings and bodies
	fieldBytes    = 32
	mostBody      = 4 << 10 // of a request, that is kept with its slot
)

func (s *Shard) freeLive(l *live) {
	if cap(l.requests)+cap(l.responses) <= 64 {
		*l = live{requests: l.requests[:0], responses: l.responses[:0]}
		s.lives.Keep(l, structsKept)
	}
}

func (s *Shard) freeSlot(t *slot) {
	s.pool.Charge(-t.cost)
	body := t.body[:0]
	if cap(body) > mostBody {
		body = nil
	}
	*t = slot{body: body}
	s.slots.Keep(t, structsKept)
}

// charge notes that an exchange that waits got bigger.
func (s *Shard) charge(t *slot, n int) {
	t.cost += n
	s.pool.Charge(n)
}
