package endpoint

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/authtap/authtap/capture"
)

// What a Map knows can be kept and loaded again: a line that names format and
// version, then hosts, templates and endpoints as numbers and strings, at the
// end a SHA-256 of all before it. The same knowledge is the same bytes.

// encoding is the first line. Its number grows with every change of the format,
// and of what a hash in it is made of.
const encoding = "authtap learned 1\n"

// MaxEncoded is the largest encoding that is read.
const MaxEncoded = 64 << 20

// ErrEncoding is what Load's errors wrap.
var ErrEncoding = errors.New("is not what was learned")

// Save gives what is known at a time, without what has been forgotten by then.
func (m *Map) Save(now capture.Time) []byte {
	w := writer{b: []byte(encoding)}
	hosts := slices.Sorted(maps.Keys(m.hosts))
	nodes := make(map[string][]*node, len(hosts))
	for _, name := range hosts {
		h := m.hosts[name]
		list := h.root.leaves(nil)
		for _, n := range h.declared {
			list = append(list, n)
		}
		list = slices.DeleteFunc(list, func(n *node) bool {
			return !slices.ContainsFunc(n.endpoints, func(e *Endpoint) bool { return within(e.last, now) })
		})
		slices.SortFunc(list, func(a, b *node) int { return strings.Compare(a.template, b.template) })
		nodes[name] = list
	}
	hosts = slices.DeleteFunc(hosts, func(name string) bool { return len(nodes[name]) == 0 })
	w.uint(uint64(len(hosts)))
	for _, name := range hosts {
		w.string(name)
		w.uint(uint64(len(nodes[name])))
		for _, n := range nodes[name] {
			w.string(n.template)
			list := slices.DeleteFunc(slices.Clone(n.endpoints), func(e *Endpoint) bool { return !within(e.last, now) })
			slices.SortFunc(list, func(a, b *Endpoint) int {
				return cmp.Or(strings.Compare(a.method, b.method), strings.Compare(a.operation, b.operation))
			})
			w.uint(uint64(len(list)))
			for _, e := range list {
				w.string(e.method)
				w.string(e.operation)
				w.endpoint(e, now)
			}
		}
	}
	sum := sha256.Sum256(w.b)
	return append(w.b, sum[:]...)
}

// leaves gives the nodes below n that have a template.
func (n *node) leaves(list []*node) []*node {
	if n.template != "" {
		list = append(list, n)
	}
	for _, c := range n.literal {
		list = c.leaves(list)
	}
	for _, c := range n.variable {
		if c != nil {
			list = c.leaves(list)
		}
	}
	return list
}

// Load adds what was saved to what is known, within the Map's bounds. On an
// error nothing is added.
func (m *Map) Load(b []byte) error {
	fail := func(why string) error { return fmt.Errorf("%w: %s", ErrEncoding, why) }
	head, _, _ := strings.Cut(encoding, " learned ")
	switch {
	case len(b) > MaxEncoded:
		return fail(fmt.Sprintf("it is larger than %d MiB", MaxEncoded>>20))
	case !strings.HasPrefix(string(b[:min(len(b), len(encoding))]), head+" learned "):
		return fail("it begins otherwise")
	case !strings.HasPrefix(string(b[:min(len(b), len(encoding))]), encoding):
		return fail("another version of authtap made it")
	case len(b) < len(encoding)+sha256.Size:
		return fail("its end is missing")
	}
	text, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if got := sha256.Sum256(text); string(got[:]) != string(sum) {
		return fail("its checksum is wrong: it was damaged")
	}
	// Read once to see that it is whole, then again into the Map.
	for _, to := range []*Map{nil, m} {
		r := reader{b: text[len(encoding):]}
		r.hosts(to)
		if r.bad || len(r.b) > 0 {
			return fail("it cannot be read")
		}
	}
	return nil
}

type writer struct{ b []byte }

func (w *writer) uint(n uint64)       { w.b = binary.AppendUvarint(w.b, n) }
func (w *writer) time(t capture.Time) { w.b = binary.AppendVarint(w.b, int64(t)) }

func (w *writer) string(s string) {
	w.uint(uint64(len(s)))
	w.b = append(w.b, s...)
}

func (w *writer) endpoint(e *Endpoint, now capture.Time) {
	w.time(e.first)
	w.time(e.last)
	w.time(capture.Time(e.day))
	for i := range e.counts {
		for p := range e.counts[i] {
			for _, n := range e.counts[i][p] {
				w.uint(uint64(n))
			}
		}
	}
	for p := range e.shapes {
		writeRecent(w, e.shapes[p], now)
	}
	for _, r := range e.small() {
		writeRecent(w, *r, now)
	}
	alone := slices.Clone(e.alone)
	slices.SortFunc(alone, func(a, b kindCount) int { return cmp.Compare(a.set, b.set) })
	w.uint(uint64(len(alone)))
	for _, k := range alone {
		w.uint(k.set)
		w.time(k.success)
		w.time(k.refused)
	}
	w.time(e.says401)
	w.time(e.refused)
	if e.login == nil {
		w.uint(0)
		return
	}
	w.uint(1)
	w.uint(e.login.failures)
	w.uint(e.login.successes)
	for _, r := range e.login.small() {
		writeRecent(w, *r, now)
	}
	for _, r := range e.login.large() {
		writeRecent(w, *r, now)
	}
}

// small and large are the sets of an endpoint and its login besides the shapes.
func (e *Endpoint) small() [4]*recent[uint32] {
	return [...]*recent[uint32]{&e.codes, &e.types, &e.places, &e.filtered}
}

func (m *loginMemory) small() [2]*recent[uint32] {
	return [...]*recent[uint32]{&m.failureCookies, &m.failurePlaces}
}

func (m *loginMemory) large() [3]*recent[uint64] {
	return [...]*recent[uint64]{&m.successShapes, &m.failureShapes, &m.failureAnswers}
}

func writeRecent[T uint32 | uint64](w *writer, r recent[T], now capture.Time) {
	r = slices.Clone(r)
	r = slices.DeleteFunc(r, func(s seen[T]) bool { return now.Sub(s.last) > Memory })
	slices.SortFunc(r, func(a, b seen[T]) int { return cmp.Compare(a.value, b.value) })
	w.uint(uint64(len(r)))
	for _, s := range r {
		w.uint(uint64(s.value))
		w.time(s.last)
		w.uint(uint64(s.n))
	}
}

// lastDay is that of the last time there is.
const lastDay = math.MaxInt64 / int64(24*time.Hour)

type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) time() capture.Time {
	n, size := binary.Varint(r.b)
	if size <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[size:]
	return capture.Time(n)
}

// count reads how many follow, which take at least a byte each.
func (r *reader) count() int {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

func (r *reader) string() string {
	n := r.count()
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

// hosts reads all, and adds it to m where that is not nil.
func (r *reader) hosts(m *Map) {
	for range r.count() {
		name := r.string()
		for range r.count() {
			template := r.string()
			for range r.count() {
				e := &Endpoint{method: r.string(), operation: r.string()}
				r.endpoint(e)
				if r.bad {
					return
				}
				if m != nil {
					m.restore(name, template, e)
				}
			}
		}
	}
}

func (r *reader) endpoint(e *Endpoint) {
	e.first, e.last = r.time(), r.time()
	e.day = int64(r.time())
	for i := range e.counts {
		for p := range e.counts[i] {
			for o := range e.counts[i][p] {
				n := uint32(min(r.uint(), 1<<28))
				e.counts[i][p][o] = n
				e.sum[p][o] += n
			}
		}
	}
	if e.day < 0 || e.day > lastDay { // no time is in it
		e.day, e.counts, e.sum = 0, [memoryDays]dayCount{}, dayCount{}
	}
	for p := range e.shapes {
		readRecent(r, &e.shapes[p])
	}
	for _, s := range e.small() {
		readRecent(r, s)
	}
	for range r.count() {
		if k := (kindCount{r.uint(), r.time(), r.time()}); len(e.alone) < maxRecent {
			e.alone = append(e.alone, k)
		}
	}
	e.says401, e.refused = r.time(), r.time()
	if r.uint() == 0 {
		return
	}
	e.login = &loginMemory{failures: r.uint(), successes: r.uint()}
	for _, s := range e.login.small() {
		readRecent(r, s)
	}
	for _, s := range e.login.large() {
		readRecent(r, s)
	}
}

func readRecent[T uint32 | uint64](r *reader, to *recent[T]) {
	for range r.count() {
		s := seen[T]{T(r.uint()), r.time(), uint32(min(r.uint(), 1<<30))}
		if len(*to) < maxRecent {
			*to = append(*to, s)
		}
	}
}

// restore puts an endpoint in its place, as far as there is room.
func (m *Map) restore(hostName, template string, e *Endpoint) {
	h := m.host(hostName)
	if h == nil {
		m.stats.HostsFull++
		return
	}
	n, ds := h.find(template)
	if n == nil {
		var hits uint32
		for p := range e.sum {
			for _, c := range e.sum[p] {
				hits += c
			}
		}
		if n = m.addTemplate(h, template, min(hits, 1<<20)); n == nil {
			m.stats.TemplatesFull++
			return
		}
	}
	at, _ := m.endpoint(h, n, ds, &Request{Host: hostName, Method: e.method, Path: template, Operation: e.operation})
	if at != m.none {
		at.absorb(e)
		m.stats.Restored++
	}
}

// addTemplate makes the nodes of a template as find would meet them; nil where
// there is no room.
func (m *Map) addTemplate(h *host, template string, hits uint32) *node {
	if strings.Count(template, "/") > maxSegments || len(template) > 2048 || h.templates >= m.o.Templates {
		return nil
	}
	n, name := &h.root, ""
	for rest := template; ; {
		seg, next, more := cutSegment(rest)
		p := noPlaceholder
		if strings.IndexByte(seg, '{') >= 0 {
			if p = placeholder(slices.Index(placeholderNames[:], seg)); p >= placeholders {
				p = anySegment // of a document that is there no more
			}
		} else if n.literal[seg] == nil && len(n.literal) >= m.o.Distinct {
			p = anySegment
		}
		if p == noPlaceholder {
			if n.literal == nil {
				n.literal = make(map[string]*node)
			}
			if n.literal[seg] == nil {
				n.literal[strings.Clone(seg)] = &node{}
			}
			n, name = n.literal[seg], name+"/"+seg
		} else {
			if n.variable[p] == nil {
				n.variable[p] = &node{}
			}
			n, name = n.variable[p], name+"/"+placeholderNames[p]
		}
		n.hits += hits
		if rest = next; !more {
			break
		}
	}
	if n.template == "" {
		n.template = name
		h.templates++
		m.stats.Templates++
	}
	return n
}
