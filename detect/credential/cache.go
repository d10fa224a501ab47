package credential

// cache keeps what values turned out to be, in two generations: when the
// younger is full the older is let go, so that what is in use stays, and both
// entries and bytes are bounded.
type cache struct {
	young, old     generation
	bytes          int // of the younger
	entries, limit int // of one generation
}

// generation has a map for each kind: one of strings alone is much faster than
// one of strings and kinds.
type generation [kindEnd]map[string]*Credential

func (g *generation) len() (n int) {
	for _, m := range g {
		n += len(m)
	}
	return n
}

func newCache(entries, bytes int) cache {
	return cache{entries: max(entries/2, 1), limit: bytes / 2}
}

func (c *cache) get(k Kind, value string) *Credential {
	if v := c.young[k][value]; v != nil {
		return v
	}
	v := c.old[k][value]
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
	if c.young.len() >= c.entries || c.bytes+size > c.limit {
		c.old, c.young, c.bytes = c.young, generation{}, 0
		turned = 1
	}
	if c.young[k] == nil {
		c.young[k] = make(map[string]*Credential, len(c.old[k]))
	}
	c.young[k][value] = v
	c.bytes += size
	return turned
}
