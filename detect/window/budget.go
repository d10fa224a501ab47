package window

// Budget bounds the memory of several Sets together: what one does not need
// another may have. Of all their keys the lightest, and among those the one that
// had no event for longest, makes room. It belongs to the goroutine of its Sets.
type Budget struct {
	limit, bytes uint64
	sets         []*Set
}

// NewBudget makes one. Under about 1 MiB for each Set there is little left for
// keys.
func NewBudget(bytes uint64) *Budget { return &Budget{limit: bytes} }

// Bytes (an estimate) are those taken as of now, Limit those that may be.
func (b *Budget) Bytes() uint64 { return b.bytes }

// Limit gives the bound.
func (b *Budget) Limit() uint64 { return b.limit }

// fit evicts until the budget is kept. The key that an event is being added to
// is in no list.
func (b *Budget) fit() {
	for b.bytes > b.limit {
		of, n := b.lightest()
		if n == nil {
			return
		}
		of.drop(n)
	}
}

func (b *Budget) lightest() (of *Set, lightest *entry) {
	for w := range weights {
		for _, s := range b.sets {
			if n := s.lists[w].first; n != nil && (lightest == nil || n.last < lightest.last) {
				of, lightest = s, n
			}
		}
		if lightest != nil {
			break
		}
	}
	return of, lightest
}

// ghosts remember, in four bytes each, how many failures keys had that were
// evicted. A key that comes back is heavier by them, though they count no more:
// so an attack that is slow stays among many keys that fail once. Two keys that
// fall together are one ghost, which makes a light key heavier than it is.
type ghosts []uint32

// maxGhosts bounds them; there are no more than keys.
const maxGhosts = 1 << 18

// add remembers a key; it gives the bytes that the ghosts took for it.
func (g *ghosts) add(n *entry, keys int) (bytes uint64) {
	if *g == nil {
		size := 1
		for size < min(keys, maxGhosts) {
			size *= 2
		}
		*g = make(ghosts, size)
		bytes = uint64(4 * size)
	}
	at, tag := g.place(n.digest)
	(*g)[at] = tag | uint32(min(n.failures()+uint64(n.missed), 255))
	return bytes
}

// had gives the failures that a key had when it was evicted, and forgets it.
func (g *ghosts) had(d digest) uint8 {
	if *g == nil {
		return 0
	}
	at, tag := g.place(d)
	ghost := (*g)[at]
	if ghost&^255 != tag {
		return 0
	}
	(*g)[at] = 0
	return uint8(ghost)
}

// place gives a key's place, and its tag: the upper 24 bits of a ghost.
func (g *ghosts) place(d digest) (at int, tag uint32) {
	at = int(d[0]) | int(d[1])<<8 | int(d[2])<<16
	return at & (len(*g) - 1), uint32(d[4])<<24 | uint32(d[5])<<16 | uint32(d[6])<<8
}
