package endpoint

import "github.com/authtap/authtap/capture"

// recent is a small bounded set of values, with the time each was last seen
// and how often.
type recent[T comparable] []seen[T]

type seen[T comparable] struct {
	value T
	last  capture.Time
	n     uint32
}

// maxRecent bounds each such set; a new value takes the place of the oldest.
const maxRecent = 32

// add reports whether the value is new.
func (r *recent[T]) add(v T, now capture.Time) bool { return r.addN(v, now, 1) }

func (r *recent[T]) addN(v T, now capture.Time, n uint32) bool {
	oldest := 0
	for i := range *r {
		s := &(*r)[i]
		if s.value == v {
			fresh := now.Sub(s.last) <= Memory
			if !fresh {
				s.n = 0
			}
			s.n += min(n, 1<<30-min(s.n, 1<<30))
			s.last = max(now, s.last)
			return !fresh
		}
		if s.last < (*r)[oldest].last {
			oldest = i
		}
	}
	if len(*r) < maxRecent {
		*r = append(*r, seen[T]{v, now, n})
	} else {
		(*r)[oldest] = seen[T]{v, now, n}
	}
	return true
}

func (r recent[T]) has(v T, now capture.Time) bool {
	for i := range r {
		if r[i].value == v {
			return now.Sub(r[i].last) <= Memory
		}
	}
	return false
}

// size is how many values were seen within Memory.
func (r recent[T]) size(now capture.Time) (n int) {
	for i := range r {
		if now.Sub(r[i].last) <= Memory {
			n++
		}
	}
	return n
}

func merge[T comparable](to *recent[T], from recent[T]) {
	for _, v := range from {
		to.addN(v.value, v.last, v.n)
	}
}

// within reports whether something was seen, and not longer ago than Memory.
func within(last, now capture.Time) bool { return last != 0 && now.Sub(last) <= Memory }
