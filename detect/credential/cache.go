package credential

// cache keeps what values turned out to be, in two generations: when the
// younger is full the older is let go, so that what is in use stays, and both
// entries and bytes are bounded.
type cache struct {
	young, old     map[cacheKey]*Credential
	bytes          int
	entries, limit int // of one generation
}

type cacheKey struct {
	kind  Kind
	value string
}

func newCache(entries, bytes int) cache {
	return cache{young: map[cacheKey]*Credential{}, entries: max(entries/2, 1), limit: bytes / 2}
}

func (c *cache) get(k Kind, value string) *Credential {
	key := cacheKey{k, value}
	if v := c.young[key]; v != nil {
		return v
	}
	v := c.old[key]
	if v != nil {
		c.put(k, *v.valueOr(&value), v)
	}
	return v
}

// valueOr gives the credential's own copy of its value, which owns its memory,
// where it keeps the value as sent.
func (c *Credential) valueOr(v *string) *string {
	if c.value != nil && *c.value == *v {
		return c.value
	}
	own := string([]byte(*v))
	return &own
}

// put gives how many generations it let go, 0 or 1.
func (c *cache) put(k Kind, value string, v *Credential) (turned uint64) {
	size := 256 + 2*len(value)
	if v.JWT != nil {
		size += 1024 + 3*len(value)
	}
	if size > c.limit {
		return 0
	}
	if len(c.young) >= c.entries || c.bytes+size > c.limit {
		c.old, c.young, c.bytes = c.young, make(map[cacheKey]*Credential, len(c.young)), 0
		turned = 1
	}
	c.young[cacheKey{k, value}] = v
	c.bytes += size
	return turned
}
