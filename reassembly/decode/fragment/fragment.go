// Package fragment puts the fragments of IP datagrams together again.
//
// A fragment that overlaps another one with more than a copy of it makes its
// datagram worthless, since receivers differ in which bytes they take: all of
// it is dropped, and what else comes of it within a second (RFC 5722, which is
// followed for IPv4, too). What comes later with the same identification is
// another datagram: a fast sender has used up its identifications in less
// (RFC 4963). So it is with one of which a part never came.
//
// Contract: a Table is used by one goroutine. Its memory is bounded by Limits;
// it runs on packet time. What Add gives is valid until the next call.
//
// It does not verify checksums.
package fragment

import (
	"bytes"
	"slices"
	"time"
	"unsafe"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
)

// Limits bounds what a Table keeps. A zero field takes its default.
type Limits struct {
	// Bytes is the budget for all that is kept. Default 4 MiB.
	Bytes int
	// Age is how long a datagram is waited for after its first fragment.
	// Default 30 s.
	Age time.Duration
}

// Stats counts what a Table has done.
type Stats struct {
	// Fragments were given in; Duplicate ones were there already.
	Fragments, Duplicate uint64
	// Whole datagrams were given out.
	Whole uint64
	// Overlapping datagrams were dropped, and Impossible fragments: those that
	// end behind the longest datagram, or contradict where it ends. Refused
	// ones came behind an overlap.
	Overlapping, Impossible, Refused uint64
	// Datagrams given up: Expired after Limits.Age, Reused because another one
	// came with the same identification, Evicted for Limits.Bytes.
	Expired, Reused, Evicted uint64
	// Held bytes at this time, as Limits.Bytes counts them.
	Held int
}

// Key tells one datagram from another (RFC 791, section 3.2; RFC 8200,
// section 4.5).
type Key struct {
	Net reassembly.Network
	// The addresses in halves.
	SrcHi, SrcLo, DstHi, DstLo uint64
	ID                         uint32
	Protocol                   uint8 // of IPv4
	V6                         bool
}

// Fragment is a part of a datagram's payload.
type Fragment struct {
	Offset int // of its first byte, in bytes
	More   bool
	// Next is the protocol of the payload; that of the part at offset 0 counts.
	Next uint8
	// Data may be cut by Cut bytes at its end.
	Data []byte
	Cut  int
}

// Datagram is a whole payload.
type Datagram struct {
	Next uint8
	// Data ends before the first byte that a snap length took off, and Cut
	// counts those that are missing from there.
	Data []byte
	Cut  int
}

// Outcome says what became of a fragment.
type Outcome uint8

// The outcomes.
const (
	Held     Outcome = iota // the datagram is not yet whole
	Whole                   // it is
	Rejected                // the fragment was dropped, and perhaps its datagram
)

const (
	longest = 1<<16 - 1
	// again is when an identification may be used again.
	again = capture.Time(time.Second)
	// What a datagram with its place in the index and a part cost.
	datagramBytes = 320
	partBytes     = int(unsafe.Sizeof(part{}))
	// Unused datagrams that are kept, and how much room with each.
	sparesKept, spareBytes = 16, 8 << 10
)

// Table holds what is not yet whole. Its zero value is ready, with the
// default limits.
type Table struct {
	limits Limits
	stats  Stats
	index  map[Key]*datagram
	// The one with the oldest first fragment, and the newest.
	first, last *datagram
	out         []byte
	spares      reassembly.Spares[datagram]
}

// datagram is one that is not yet whole.
type datagram struct {
	key        Key
	parts      []part // by offset, none of them overlapping
	data       []byte // in the order of arrival
	have       int    // bytes in the parts, cut ones included
	end        int    // of the payload, -1 while unknown
	next       uint8
	overlapped bool
	at         capture.Time // of the first fragment, or of the overlap
	charged    int          // of Limits.Bytes
	newer      *datagram
	older      *datagram
}

// part is where a fragment's bytes stand in data.
type part struct {
	offset, length int // in the payload, cut bytes included
	from, n        int // in data
}

// New makes a Table.
func New(l Limits) *Table { return &Table{limits: l} }

// Stats gives the counts so far.
func (t *Table) Stats() Stats { return t.stats }

// Add takes in a fragment that came at a time, and gives the datagram that it
// completes. A fragment may alias the datagram given before.
func (t *Table) Add(k *Key, f Fragment, at capture.Time) (Datagram, Outcome) {
	if t.index == nil {
		if t.limits.Bytes <= 0 {
			t.limits.Bytes = 4 << 20
		}
		if t.limits.Age <= 0 {
			t.limits.Age = 30 * time.Second
		}
		t.index = map[Key]*datagram{}
	}
	t.stats.Fragments++
	for t.first != nil && at.Sub(t.first.at) > t.limits.Age {
		t.stats.Expired++
		t.drop(t.first)
	}
	length := len(f.Data) + f.Cut
	if length == 0 || f.Offset+length > longest || f.More && length%8 != 0 {
		t.stats.Impossible++
		return Datagram{}, Rejected
	}
	d := t.index[*k]
	if d != nil && d.overlapped && at-d.at <= again {
		t.stats.Refused++
		return Datagram{}, Rejected
	}
	if d == nil || d.overlapped {
		d = t.begin(k, d, at)
	}
	i, how := d.place(&f, length)
	if how == overlapping || how == impossible {
		if at-d.at > again { // another datagram
			t.stats.Reused++
			d = t.begin(k, d, at)
			i = 0
		} else {
			if how == impossible {
				t.stats.Impossible++
			} else {
				t.stats.Overlapping++
			}
			t.spoil(d, at)
			return Datagram{}, Rejected
		}
	} else if how == duplicate {
		t.stats.Duplicate++
		return Datagram{}, Held
	}
	d.parts = slices.Insert(d.parts, i, part{offset: f.Offset, length: length, from: len(d.data), n: len(f.Data)})
	d.data = append(d.data, f.Data...)
	d.have += length
	t.charge(d)
	if !f.More {
		d.end = f.Offset + length
	}
	if f.Offset == 0 {
		d.next = f.Next
	}
	if d.have != d.end {
		for t.stats.Held > t.limits.Bytes && t.first != nil {
			t.stats.Evicted++
			t.drop(t.first)
		}
		return Datagram{}, Held
	}
	t.stats.Whole++
	whole := d.join(t.out[:0])
	t.out = whole.Data
	t.drop(d)
	return whole, Whole
}

// The ways in which a fragment may stand to those that are there.
const (
	fits = iota
	duplicate
	overlapping
	impossible
)

// place finds where among the parts a fragment belongs.
func (d *datagram) place(f *Fragment, length int) (int, int) {
	end := f.Offset + length
	if d.end >= 0 && (end > d.end || !f.More && end != d.end) {
		return 0, impossible
	}
	if n := len(d.parts); n > 0 && !f.More {
		if l := &d.parts[n-1]; l.offset+l.length > end {
			return 0, impossible
		}
	}
	i, found := slices.BinarySearchFunc(d.parts, f.Offset, func(p part, offset int) int { return p.offset - offset })
	if found {
		if f.More == (end == d.end) {
			return i, impossible // a copy but for what it says of the end
		}
		p := &d.parts[i]
		n := min(p.n, len(f.Data))
		if p.length == length && bytes.Equal(d.data[p.from:p.from+n], f.Data[:n]) {
			return i, duplicate
		}
		return i, overlapping
	}
	if i > 0 && d.parts[i-1].offset+d.parts[i-1].length > f.Offset || i < len(d.parts) && d.parts[i].offset < end {
		return i, overlapping
	}
	return i, fits
}

// join puts the parts together, up to the first byte that was cut.
func (d *datagram) join(b []byte) Datagram {
	for _, p := range d.parts {
		b = append(b, d.data[p.from:p.from+p.n]...)
		if p.n < p.length {
			break
		}
	}
	return Datagram{Next: d.next, Data: b, Cut: d.end - len(b)}
}

// begin starts a datagram, in the place of an old one where there is one.
func (t *Table) begin(k *Key, old *datagram, at capture.Time) *datagram {
	if old != nil {
		t.drop(old)
	}
	d := t.spares.Take()
	*d = datagram{key: *k, end: -1, at: at, parts: d.parts[:0], data: d.data[:0]}
	t.index[*k] = d
	t.push(d)
	t.charge(d)
	return d
}

// spoil drops what a datagram has, and remembers that it is worthless.
func (t *Table) spoil(d *datagram, at capture.Time) {
	d.parts, d.data, d.overlapped, d.at = nil, nil, true, at
	t.charge(d)
	t.unlink(d)
	t.push(d)
}

// drop takes a datagram out.
func (t *Table) drop(d *datagram) {
	t.stats.Held -= d.charged
	t.unlink(d)
	delete(t.index, d.key)
	if d.charged <= spareBytes {
		t.spares.Keep(d, sparesKept)
	}
}

// charge brings the account up to what a datagram takes now.
func (t *Table) charge(d *datagram) {
	n := datagramBytes + partBytes*cap(d.parts) + cap(d.data)
	t.stats.Held += n - d.charged
	d.charged = n
}

func (t *Table) push(d *datagram) {
	d.older, d.newer = t.last, nil
	if t.last == nil {
		t.first = d
	} else {
		t.last.newer = d
	}
	t.last = d
}

func (t *Table) unlink(d *datagram) {
	if d.older == nil {
		t.first = d.newer
	} else {
		d.older.newer = d.newer
	}
	if d.newer == nil {
		t.last = d.older
	} else {
		d.newer.older = d.older
	}
}
