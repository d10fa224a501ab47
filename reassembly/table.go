package reassembly

import (
	"math/bits"
	"math/rand/v2"
	"slices"
)

// table finds conversations by key. The conversations lie in pages, so that
// they keep their place and name each other by number; the index is open
// addressing with linear probing over (hash, number) pairs. Per conversation
// this is half of what a map of pointers takes, and a packet of a conversation
// that fell out of the cache costs two misses.
//
// The hash has a random seed, since whoever sends the traffic chooses the
// keys. Nothing that can be seen depends on the order in the table.
type table struct {
	pages []*[pageSize]conversation
	free  uint32 // first of the unused conversations, linked by next
	count int
	// crowded is how many of them stand by the hash of their network, too.
	crowded int
	slots   []uint64 // hash<<32 | number, 0 is empty
	seed    [3]uint64
}

const (
	pageBits = 8
	pageSize = 1 << pageBits
)

func newTable() table {
	t := table{slots: make([]uint64, 64)}
	for i := range t.seed {
		t.seed[i] = rand.Uint64() | 1
	}
	return t
}

// at gives the conversation with this number; 0 is none.
func (t *table) at(id uint32) *conversation {
	return &t.pages[(id-1)>>pageBits][(id-1)&(pageSize-1)]
}

// hash is that of the ends. Conversations between the same ends in different
// networks stand together, up to maxNetworks of them; spread gives the hash of
// those beyond, of which an attacker could make many.
func (t *table) hash(k *FlowKey) uint32 {
	h := mix(be64(k.AddrA[:8])^t.seed[0], be64(k.AddrA[8:])^t.seed[1])
	h = mix(be64(k.AddrB[:8])^h, be64(k.AddrB[8:])^t.seed[2])
	return uint32(mix(h, uint64(k.PortA)<<16^uint64(k.PortB)^t.seed[0]))
}

func (t *table) spread(hash uint32, n *Network) uint32 {
	return uint32(mix(uint64(n.VLAN[0])<<48^uint64(n.VLAN[1])<<32^uint64(n.ID)^t.seed[1],
		uint64(n.Kind)<<32^uint64(hash)^t.seed[2]))
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func (k *FlowKey) sameEnds(o *FlowKey) bool {
	return be64(k.AddrA[8:]) == be64(o.AddrA[8:]) && be64(k.AddrB[8:]) == be64(o.AddrB[8:]) &&
		k.PortA == o.PortA && k.PortB == o.PortB &&
		be64(k.AddrA[:8]) == be64(o.AddrA[:8]) && be64(k.AddrB[:8]) == be64(o.AddrB[:8])
}

// find looks for a key, of which hash is given. What it finds may be an alias.
func (t *table) find(k *FlowKey, hash uint32) (uint32, *conversation) {
	id, c := t.probe(k, hash)
	if c == nil && t.crowded > 0 {
		return t.probe(k, t.spread(hash, &k.Net))
	}
	return id, c
}

func (t *table) probe(k *FlowKey, hash uint32) (uint32, *conversation) {
	mask := uint32(len(t.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := t.slots[i]
		if s == 0 {
			return 0, nil
		}
		if uint32(s>>32) == hash {
			if c := t.at(uint32(s)); c.key.sameEnds(k) && c.key.Net == k.Net {
				return uint32(s), c
			}
		}
	}
}

// maxNetworks is how many conversations between the same ends stand together,
// aliases included.
const maxNetworks = 8

// together appends those between the ends of a key, in whatever network, in
// the order of their numbers.
func (t *table) together(k *FlowKey, hash uint32, ids []uint32) []uint32 {
	mask := uint32(len(t.slots) - 1)
	for i := hash & mask; t.slots[i] != 0; i = (i + 1) & mask {
		if uint32(t.slots[i]>>32) != hash {
			continue
		}
		id := uint32(t.slots[i])
		if c := t.at(id); !c.is(crowded) && c.key.sameEnds(k) {
			ids = append(ids, id)
		}
	}
	if len(ids) > 1 {
		slices.Sort(ids)
	}
	return ids
}

// add takes in a key that is not there yet.
func (t *table) add(k *FlowKey, hash uint32) (uint32, *conversation) {
	if t.free == 0 {
		t.pages = append(t.pages, new([pageSize]conversation))
		first := uint32(len(t.pages)-1)<<pageBits + 1
		for i := range uint32(pageSize - 1) {
			t.at(first + i).next = first + i + 1
		}
		t.free = first
	}
	t.count++
	if t.count*4 > len(t.slots)*3 {
		t.grow()
	}
	var room [maxNetworks]uint32
	full := len(t.together(k, hash, room[:0])) == maxNetworks
	id := t.free
	c := t.at(id)
	t.free = c.next
	*c = conversation{key: *k}
	if full {
		c.marks = crowded
		t.crowded++
		hash = t.spread(hash, &k.Net)
	}
	t.put(uint64(hash)<<32 | uint64(id))
	return id, c
}

func (t *table) put(s uint64) {
	mask := uint32(len(t.slots) - 1)
	i := uint32(s>>32) & mask
	for t.slots[i] != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = s
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]uint64, 2*len(old))
	for _, s := range old {
		if s != 0 {
			t.put(s)
		}
	}
}

// remove takes out a conversation that is there; hash is that of its ends.
func (t *table) remove(id, hash uint32) {
	c := t.at(id)
	if c.is(crowded) {
		t.crowded--
		hash = t.spread(hash, &c.key.Net)
	}
	mask := uint32(len(t.slots) - 1)
	i := hash & mask
	for uint32(t.slots[i]) != id {
		i = (i + 1) & mask
	}
	// Close the gap, so that no search ends before what it looks for.
	for j := i; ; {
		j = (j + 1) & mask
		s := t.slots[j]
		if s == 0 {
			break
		}
		if home := uint32(s>>32) & mask; (j-home)&mask >= (j-i)&mask {
			t.slots[i], i = s, j
		}
	}
	t.slots[i] = 0
	*c = conversation{next: t.free}
	t.free = id
	t.count--
}

// list is a list of conversations, the one longest untouched first.
type list struct {
	first, last uint32
	count       int
}

func (t *table) push(l *list, id uint32) {
	c := t.at(id)
	c.prev, c.next = l.last, 0
	if l.last == 0 {
		l.first = id
	} else {
		t.at(l.last).next = id
	}
	l.last = id
	l.count++
}

func (t *table) unlink(l *list, id uint32) {
	c := t.at(id)
	if c.prev == 0 {
		l.first = c.next
	} else {
		t.at(c.prev).next = c.next
	}
	if c.next == 0 {
		l.last = c.prev
	} else {
		t.at(c.next).prev = c.prev
	}
	l.count--
}
