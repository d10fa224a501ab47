package http2

// structsKept is how many structs of a kind are kept for reuse.
const structsKept = 1024

// crowded reports whether streams have to go. Tables and header blocks stay
// longer: without them much of what follows is not known.
func (s *Shard) crowded() bool { return s.pool.Held() >= s.limits.HeldBytes/4*3 }

func (s *Shard) newLive() *live {
	if n := len(s.lives); n > 0 {
		l := s.lives[n-1]
		s.lives = s.lives[:n-1]
		return l
	}
	return new(live)
}

func (s *Shard) freeLive(l *live) {
	if len(s.lives) < structsKept && cap(l.ids) <= 64 {
		*l = live{ids: l.ids[:0], streams: l.streams[:0]}
		s.lives = append(s.lives, l)
	}
}

func (s *Shard) newStream() *stream {
	if n := len(s.streams); n > 0 {
		st := s.streams[n-1]
		s.streams = s.streams[:n-1]
		return st
	}
	return new(stream)
}

func (s *Shard) freeStream(st *stream) {
	for i := range st.part {
		st.part[i].body.Drop(&s.pool)
	}
	s.pool.Charge(-st.cost)
	*st = stream{}
	if len(s.streams) < structsKept {
		s.streams = append(s.streams, st)
	}
}

// charge notes that a stream got bigger.
func (s *Shard) charge(st *stream, n int) {
	st.cost += n
	s.pool.Charge(n)
}

func (s *Shard) newWork() *work {
	if n := len(s.works); n > 0 {
		w := s.works[n-1]
		s.works = s.works[:n-1]
		return w
	}
	return new(work)
}

func (s *Shard) freeWork(w *work) {
	*w = work{}
	if len(s.works) < structsKept {
		s.works = append(s.works, w)
	}
}
