// Package memo remembers what was made of bytes that came before: answers and
// errors are given again and again, and to read one costs several times what it
// takes to see that it is the same.
//
// Contract: a Table belongs to one goroutine, keeps none of the bytes, and is
// of fixed size: what came first makes room. Bytes are known by a hash of 64
// bits whose seed is another in each run, so that nobody can make two that
// meet; that one of a billion is taken for another by chance happens once in a
// million runs.
package memo

import "hash/maphash"

// Sum stands for bytes within this run of the program, 0 for none.
type Sum uint64

var seed = maphash.MakeSeed()

// SumOf gives the Sum of bytes.
func SumOf(b []byte) Sum {
	if len(b) == 0 {
		return 0
	}
	return Sum(maphash.Bytes(seed, b) | 1)
}

// A Table has sets of four places, so that those that fall together seldom drive
// each other out.
const (
	sets   = 1 << 11 // a power of two
	places = 4
)

// Table holds a V of bytes that were seen. Its zero value is not ready.
type Table[V any] struct {
	sets [][places]place[V]
	none V // of what has no sum
}

type place[V any] struct {
	sum  Sum // 0: nothing is here
	made V
}

// New makes a Table.
func New[V any]() *Table[V] { return &Table[V]{sets: make([][places]place[V], sets)} }

// Of gives what was made of the bytes of that sum before. Where that is not
// known, known is false and made is the zero value, to be filled in. It is valid
// until the next call.
func (t *Table[V]) Of(s Sum) (made *V, known bool) {
	if s == 0 {
		t.none = *new(V)
		return &t.none, false
	}
	set := &t.sets[s>>1%sets]
	for i := range set {
		if set[i].sum == s {
			return &set[i].made, true
		}
	}
	copy(set[1:], set[:]) // the one that came first makes room
	set[0] = place[V]{sum: s}
	return &set[0].made, false
}
