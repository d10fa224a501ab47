// Package memo remembers what was made of bytes that came before: answers and
// errors are given again and again, and to read one costs several times what it
// takes to see that it is the same.
//
// Contract: a Table belongs to one goroutine, keeps none of the bytes, and is
// of fixed size: what falls on the place of another takes it. Bytes are known
// by a hash of 64 bits whose seed is another in each run, so that nobody can
// make two that meet; that two of a billion do by chance happens once in two
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

// places of a Table, a power of two.
const places = 1 << 12

// Table holds a V of bytes that were seen. Its zero value is not ready.
type Table[V any] struct{ places []place[V] }

type place[V any] struct {
	sum  Sum // 0: nothing is here
	made V
}

// New makes a Table.
func New[V any]() *Table[V] { return &Table[V]{make([]place[V], places)} }

// Of gives what was made of the bytes of that sum before. Where that is not
// known, known is false and made is the zero value, to be filled in. It is valid
// until the next call.
func (t *Table[V]) Of(s Sum) (made *V, known bool) {
	p := &t.places[s>>1%places]
	if p.sum != s || s == 0 {
		*p = place[V]{sum: s}
		return &p.made, false
	}
	return &p.made, true
}
