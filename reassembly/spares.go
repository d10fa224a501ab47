package reassembly

// Spares are structs that wait to be used again, for what conversations need
// again and again: in its place there would be an allocation for each. The zero
// value is empty. Spares belong to one goroutine.
type Spares[T any] []*T

// Take gives one as it was kept, or a new one.
func (s *Spares[T]) Take() *T {
	last := len(*s) - 1
	if last < 0 {
		return new(T)
	}
	x := (*s)[last]
	*s = (*s)[:last]
	return x
}

// Keep takes one that nobody holds any more, where there are fewer than most.
func (s *Spares[T]) Keep(x *T, most int) {
	if len(*s) < most {
		*s = append(*s, x)
	}
}
