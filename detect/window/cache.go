package window

import (
	"time"

	"github.com/authtap/authtap/capture"
)

// Cache remembers values by key for a while: the least recently used makes
// room for a new one, and what nobody used for its time to live is gone.
type Cache[K comparable, V any] struct {
	limit int
	ttl   time.Duration
	index map[K]int32
	// slots[0] is the head of a ring in the order of use, the oldest first.
	slots []slot[K, V]
	free  int32
	stats CacheStats
}

type slot[K comparable, V any] struct {
	prev, next int32
	used       capture.Time
	key        K
	value      V
}

// CacheStats counts what a Cache lost since the start: Evicted made room for
// others, Expired were older than the time to live.
type CacheStats struct{ Evicted, Expired uint64 }

// NewCache makes a Cache of at most limit entries (at least one), which live
// ttl after their last use, or for ever where ttl is 0.
func NewCache[K comparable, V any](limit int, ttl time.Duration) *Cache[K, V] {
	return &Cache[K, V]{
		limit: max(limit, 1), ttl: ttl,
		index: map[K]int32{}, slots: make([]slot[K, V], 1),
	}
}

// Len is how many entries there are, expired ones included until they are met.
func (c *Cache[K, V]) Len() int { return len(c.index) }

// Stats may be called between other calls.
func (c *Cache[K, V]) Stats() CacheStats { return c.stats }

// Evicted is how many entries made room for others.
func (c *Cache[K, V]) Evicted() uint64 { return c.stats.Evicted }

// Get gives the value of a key, nil where there is none, and uses it. The
// pointer is valid until the next call of a method.
func (c *Cache[K, V]) Get(k K, now capture.Time) *V {
	i, ok := c.index[k]
	if !ok {
		return nil
	}
	if c.expired(i, now) {
		c.remove(i)
		c.stats.Expired++
		return nil
	}
	c.use(i, now)
	return &c.slots[i].value
}

// At gives the value of a key, and uses it; where there is none, a zero value
// is put in its place and created is true. The pointer is valid until the next
// call of a method.
func (c *Cache[K, V]) At(k K, now capture.Time) (v *V, created bool) {
	if v := c.Get(k, now); v != nil {
		return v, false
	}
	if oldest := c.slots[0].next; len(c.index) > 0 && c.expired(oldest, now) {
		c.remove(oldest)
		c.stats.Expired++
	} else if len(c.index) >= c.limit {
		c.remove(oldest)
		c.stats.Evicted++
	}
	i := c.free
	if i != 0 {
		c.free = c.slots[i].next
	} else {
		i = int32(len(c.slots))
		c.slots = append(c.slots, slot[K, V]{})
	}
	s := &c.slots[i]
	s.key, s.used, s.prev, s.next = k, now, i, i
	c.index[k] = i
	c.use(i, now)
	return &c.slots[i].value, true
}

// AtUntouched is At, but that a value that is there is not used by it: it lives
// its time from when it was made.
func (c *Cache[K, V]) AtUntouched(k K, now capture.Time) (v *V, created bool) {
	if i, ok := c.index[k]; ok && !c.expired(i, now) {
		return &c.slots[i].value, false
	}
	return c.At(k, now)
}

// Each calls f with every entry, expired ones included, the least recently used
// first. f must not call other methods.
func (c *Cache[K, V]) Each(f func(k K, v *V)) {
	for i := c.slots[0].next; i != 0; i = c.slots[i].next {
		f(c.slots[i].key, &c.slots[i].value)
	}
}

// Oldest gives the least recently used entry, which is the next to make room;
// nil where there is none. The pointer is valid until the next call of a method.
func (c *Cache[K, V]) Oldest() (k K, v *V) {
	i := c.slots[0].next
	if i == 0 {
		return k, nil
	}
	return c.slots[i].key, &c.slots[i].value
}

// Delete forgets a key.
func (c *Cache[K, V]) Delete(k K) {
	if i, ok := c.index[k]; ok {
		c.remove(i)
	}
}

func (c *Cache[K, V]) expired(i int32, now capture.Time) bool {
	return c.ttl > 0 && c.slots[i].used.Add(c.ttl) < now
}

// use puts a slot at the end of the ring.
func (c *Cache[K, V]) use(i int32, now capture.Time) {
	s := &c.slots[i]
	s.used = max(s.used, now)
	c.slots[s.prev].next, c.slots[s.next].prev = s.next, s.prev
	last := c.slots[0].prev
	s.prev, s.next = last, 0
	c.slots[last].next, c.slots[0].prev = i, i
}

func (c *Cache[K, V]) remove(i int32) {
	s := &c.slots[i]
	c.slots[s.prev].next, c.slots[s.next].prev = s.next, s.prev
	delete(c.index, s.key)
	*s = slot[K, V]{next: c.free}
	c.free = i
}
