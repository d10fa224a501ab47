package http2

// structsKept is how many structs of a kind are kept for reuse.
const structsKept = 1024

// crowded reports whether streams have to go. Tables and header blocks stay
// longer: without them much of what follows is not known.
func (s *Shard) crowded() bool { return s.pool.Held() >= s.limits.HeldBytes/4*3 }

func (s *Shard) freeLive(l *live) {
	if cap(l.ids) <= 64 {
		*l = live{ids: l.ids[:0], streams: l.streams[:0]}
		s.lives.Keep(l, structsKept)
	}
}

func (s *Shard) freeStream(st *stream) {
	for i := range st.part {
		st.part[i].body.Drop(&s.pool)
	}
	s.pool.Charge(-st.cost)
	*st = stream{}
	s.streams.Keep(st, structsKept)
}

// charge notes that a stream got bigger.
func (s *Shard) charge(st *stream, n int) {
	st.cost += n
	s.pool.Charge(n)
}
