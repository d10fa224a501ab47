package http2

import (
	"math"

	"github.com/authtap/authtap/reassembly/content"
	"github.com/authtap/authtap/reassembly/exchange"
)

// firstTable is the size of a dynamic table that nothing was said about (RFC
// 9113, section 6.5.2).
const firstTable = 4096

// table is the dynamic table of the header blocks that one side sends (RFC
// 7541, section 2.3).
//
// Where a block, or part of one, was lost, what the table held before is not
// known any more, and it is partial: it holds what was added since. Those are
// its newest entries, and their indices are certain, whatever is behind them.
// It may keep some that the sender has evicted, since it may not know how large
// the sender's table is; of those a sender who keeps to the protocol does not
// speak.
type table struct {
	entries []entry // a ring
	newest  int     // its newest entry, if n > 0
	n       int
	size    uint32 // of the entries (RFC 7541, section 4.1)
	max     uint32 // of size (section 4.2)
	allowed uint32 // for max, by the side that reads the blocks
	partial bool
	shrunk  bool // allowed fell below max: the next block must begin with a new max
}

// entry is a field; of a nameless one, which was added with a name that is not
// known, only the value. A bad one has characters that no field may have.
type entry struct {
	exchange.Field
	nameless, bad bool
}

func (e *entry) size() uint32 { return uint32(len(e.Name)+len(e.Value)) + 32 }

// at gives the entry with an index, counted from the newest.
func (t *table) at(i int) *entry {
	return &t.entries[(t.newest-i+len(t.entries))%len(t.entries)]
}

// add adds an entry as the newest and evicts what is over (section 4.4). limit
// is how large the table is kept, whatever the sender does.
func (t *table) add(e entry, limit uint32, p *content.Pool) {
	size := e.size()
	most := min(t.max, limit)
	for t.n > 0 && t.size+size > most {
		t.partial = t.partial || t.size+size <= t.max
		t.evict(p)
	}
	if size > most {
		t.partial = t.partial || size <= t.max
		return
	}
	if t.n == len(t.entries) {
		grown := make([]entry, max(8, 2*t.n))
		for i := range t.n {
			grown[t.n-1-i] = *t.at(i)
		}
		t.entries, t.newest = grown, t.n-1
		if t.n == 0 {
			t.newest = 0
		}
	}
	if t.n > 0 {
		t.newest = (t.newest + 1) % len(t.entries)
	}
	t.entries[t.newest] = e
	t.n++
	t.size += size
	p.Charge(int(size))
}

// evict drops the oldest entry.
func (t *table) evict(p *content.Pool) {
	e := t.at(t.n - 1)
	size := e.size()
	*e = entry{}
	t.n--
	t.size -= size
	p.Charge(-int(size))
}

// resize sets the size that the sender said its table has.
func (t *table) resize(n, limit uint32, p *content.Pool) {
	t.max = n
	t.shrunk = false
	for t.n > 0 && t.size > min(n, limit) {
		t.partial = t.partial || t.size <= n
		t.evict(p)
	}
	if n == 0 {
		t.partial = false // nothing is in there, for certain
	}
}

// allow takes what the side that reads the blocks said, and the sender
// acknowledged, of the table's size.
func (t *table) allow(n uint32) {
	t.allowed = n
	if t.partial { // max may be more than the sender uses
		t.max = min(t.max, n)
		return
	}
	t.shrunk = t.max > n
}

// lose forgets everything.
func (t *table) lose(p *content.Pool) {
	p.Charge(-int(t.size))
	// Its size may have been changed too: up to what was allowed.
	most := max(t.max, firstTable)
	if t.allowed != math.MaxUint32 {
		most = max(most, t.allowed)
	}
	*t = table{max: most, allowed: t.allowed, partial: true}
}

// block is what is read from a header block. Its slices are used again for the
// next one.
type block struct {
	fields  []exchange.Field
	unknown int  // fields that are left out: their index leads to what is not known
	over    int  // fields that are left out for the limits
	broken  bool // the block is no HPACK from some place on
	bad     bool // a field has characters that none may have

	bytes   int // of names and values
	text    []byte
	pending []literal
}

// literal is a field whose value, and perhaps name, is in text.
type literal struct {
	field           int
	from, mid, upTo int
	named           bool // the name is not in text
}

// reader reads header blocks, for all connections of a shard.
type reader struct {
	block
	pool    *content.Pool
	lines   int    // how many fields are kept of a block
	most    int    // and how many bytes of names and values
	limit   uint32 // how large a table is kept
	lost    uint64 // tables that became unknown,
	refused uint64 // those of them for want of memory
	static  entry  // what index gives for the static table
}

// read reads a block (RFC 7541, section 3.1) with the table of who sent it. Of
// one that is cut the rest is missing. Behind what is broken or cut the table
// is not known.
func (r *reader) read(t *table, b []byte, cut bool) *block {
	r.block = block{fields: r.fields[:0], text: r.text[:0], pending: r.pending[:0]}
	if t.shrunk && len(b) > 0 && b[0]&0xe0 != 0x20 {
		r.broken = true // RFC 7541, section 4.2
	}
	for first := true; len(b) > 0 && !r.broken; {
		rest, ok := r.field(t, b, first)
		if !ok {
			r.broken = r.broken || !cut
			break
		}
		first = first && b[0]&0xe0 == 0x20
		b = rest
	}
	if len(r.pending) > 0 {
		text := string(r.text)
		for _, l := range r.pending {
			f := &r.fields[l.field]
			if !l.named {
				f.Name = text[l.from:l.mid]
			}
			f.Value = text[l.mid:l.upTo]
		}
	}
	switch {
	case cut || r.broken:
		r.lose(t)
	case t.n > 0 && r.pool.Full():
		r.refused++
		r.lose(t)
	}
	return &r.block
}

// lose notes that what a table holds is not known any more.
func (r *reader) lose(t *table) {
	r.lost++
	t.lose(r.pool)
}

// field reads one representation (section 6). It is not ok where the block ends
// within it, or it is broken.
func (r *reader) field(t *table, b []byte, first bool) (rest []byte, ok bool) {
	switch {
	case b[0]&0x80 != 0: // section 6.1
		i, rest, ok := r.integer(b, 7)
		if !ok {
			return nil, false
		}
		e, ok := r.index(t, i)
		switch {
		case e != nil && !e.nameless:
			r.keep(e)
		case ok:
			r.unknown++
		}
		return rest, ok
	case b[0]&0xe0 == 0x20: // section 6.3
		n, rest, ok := r.integer(b, 5)
		if !ok {
			return nil, false
		}
		if n > t.allowed || !first && t.n > 0 {
			r.broken = true
			return nil, false
		}
		t.resize(n, r.limit, r.pool)
		return rest, true
	case b[0]&0xc0 == 0x40: // section 6.2.1
		return r.literal(t, b, 6, true)
	}
	return r.literal(t, b, 4, false) // sections 6.2.2 and 6.2.3
}

// literal reads a field whose name's index has so many bits in the first byte.
func (r *reader) literal(t *table, b []byte, prefix int, indexed bool) (rest []byte, ok bool) {
	i, b, ok := r.integer(b, prefix)
	if !ok {
		return nil, false
	}
	var e entry
	from := len(r.text)
	if i > 0 {
		known, ok := r.index(t, i)
		switch {
		case known != nil && !known.nameless:
			e.Name, e.bad = known.Name, known.bad
		case ok:
			e.nameless = true
		default:
			return nil, false
		}
	} else {
		if b, ok = r.string(b); !ok {
			return nil, false
		}
		e.bad = !isName(r.text[from:])
	}
	mid := len(r.text)
	if b, ok = r.string(b); !ok {
		return nil, false
	}
	e.bad = e.bad || !isValue(r.text[mid:])
	switch {
	case indexed:
		// An entry outlives the block, so it has its own memory.
		if i == 0 {
			text := string(r.text[from:])
			e.Name, e.Value = text[:mid-from], text[mid-from:]
		} else {
			e.Value = string(r.text[mid:])
		}
		t.add(e, r.limit, r.pool)
		if !e.nameless {
			r.keep(&e)
		}
	case !e.nameless:
		r.bytes += len(r.text) - from
		if r.keep(&e) {
			r.pending = append(r.pending, literal{len(r.fields) - 1, from, mid, len(r.text), i > 0})
			return b, true
		}
	}
	if e.nameless {
		r.unknown++
	}
	r.text = r.text[:from]
	return b, true
}

// isName reports whether a name has only characters that one may have (RFC
// 9113, section 8.2.1): no upper case.
func isName(b []byte) bool {
	for i, c := range b {
		if c <= ' ' || c >= 0x7f || 'A' <= c && c <= 'Z' || c == ':' && i > 0 {
			return false
		}
	}
	return len(b) > 0
}

// isValue is the same for a value.
func isValue(b []byte) bool {
	for _, c := range b {
		if c == 0 || c == '\r' || c == '\n' {
			return false
		}
	}
	return true
}

// keep keeps a field within the limits.
func (r *reader) keep(e *entry) bool {
	r.bytes += len(e.Name) + len(e.Value)
	if len(r.fields) >= r.lines || r.bytes > r.most {
		r.over++
		return false
	}
	r.bad = r.bad || e.bad
	r.fields = append(r.fields, e.Field)
	return true
}

// index gives the field with an index (section 2.3.3): none, and ok, where it
// is not known.
func (r *reader) index(t *table, i uint32) (e *entry, ok bool) {
	switch {
	case i == 0:
	case i < uint32(len(static)):
		r.static = entry{Field: static[i]}
		return &r.static, true
	case i-uint32(len(static)) < uint32(t.n):
		return t.at(int(i - uint32(len(static)))), true
	case t.partial:
		return nil, true
	}
	r.broken = true
	return nil, false
}

// integer reads an integer (section 5.1), of which so many bits are in the
// first byte.
func (r *reader) integer(b []byte, prefix int) (n uint32, rest []byte, ok bool) {
	most := byte(1<<prefix - 1)
	if n := b[0] & most; n < most {
		return uint32(n), b[1:], true
	}
	sum := uint64(most)
	for i := 1; i < len(b); i++ {
		shift := 7 * (i - 1)
		bits := uint64(b[i] & 0x7f)
		if bits != 0 && shift > 28 || shift > 56 {
			break
		}
		if sum += bits << shift; sum > math.MaxInt32 {
			break
		}
		if b[i] < 0x80 {
			return uint32(sum), b[i+1:], true
		}
		if i == len(b)-1 {
			return 0, nil, false // it goes on behind the end
		}
	}
	r.broken = r.broken || len(b) > 1
	return 0, nil, false
}

// string appends a string (section 5.2) to the text.
func (r *reader) string(b []byte) (rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, false
	}
	coded := b[0]&0x80 != 0
	n, b, ok := r.integer(b, 7)
	if !ok || uint64(n) > uint64(len(b)) {
		return nil, false
	}
	if coded {
		r.text, ok = appendHuffman(r.text, b[:n])
		r.broken = r.broken || !ok
	} else {
		r.text = append(r.text, b[:n]...)
	}
	return b[n:], ok
}
