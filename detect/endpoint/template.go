package endpoint

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/credential"
)

// Options bound what is learned.
type Options struct {
	// Hosts, Templates of each host and Endpoints in all, that are learned at
	// most; what comes beyond is judged as an endpoint of which nothing is known.
	Hosts, Templates, Endpoints int
	// Distinct values of a path segment under the same prefix, from which on
	// the segment is taken for a variable.
	Distinct int
	// Declared endpoints, the most important first.
	Declared []*Declared
}

// Defaults of Options.
const (
	DefaultHosts     = 1000
	DefaultTemplates = 5000
	DefaultEndpoints = 50_000
	DefaultDistinct  = 50
)

// Stats count what was learned and what met a bound.
type Stats struct {
	Hosts, Templates, Endpoints int
	// Described are endpoints that a document describes.
	Described int
	// Restored are endpoints that were loaded.
	Restored int
	// HostsFull, TemplatesFull and OperationsFull count exchanges that got no
	// endpoint of their own because a bound was met, CandidatesForgotten paths
	// that waited for a second client.
	HostsFull, TemplatesFull, OperationsFull, CandidatesForgotten uint64
	// Collapsed counts segments that were found to be variable.
	Collapsed uint64
}

// Map knows all endpoints, by host, path template, method and operation. It
// belongs to one goroutine. Paths become templates by the form of their
// segments and by their variety, unless they are declared.
type Map struct {
	o        Options
	declared []*declarations
	hosts    map[string]*host
	// waiting is how many candidates all hosts have.
	waiting int
	// none stands for all endpoints that are not learned.
	none  *Endpoint
	stats Stats
}

type host struct {
	root      node
	templates int
	// declarations for this host, and the nodes of those that were met.
	declarations []*declarations
	declared     map[*Declared]*node
	// candidates are paths that one client asked for and that were not
	// answered with success, by the path's form. A scan fills it and
	// leaves nothing else behind.
	candidates map[uint64]candidate
}

// candidate is a path that has no template yet: who asked for it first, and
// the last 401 to that. A client that is refused and then gets in is how most
// endpoints are first seen.
type candidate struct {
	client    netip.Addr
	method    uint32 // that was refused, 0 for none
	presented Presented
	refused   capture.Time
}

// maxCandidates bounds the paths a host that wait for a second client,
// maxWaiting those of all hosts; when one is reached they are forgotten.
const (
	maxCandidates = 4096
	maxWaiting    = 65_536
)

type node struct {
	template string
	// hits counts the exchanges that came by: a name that is asked for again
	// and again is part of the API, one of many that came once is a value.
	hits      uint32
	literal   map[string]*node
	variable  [placeholders]*node
	endpoints []*Endpoint
}

// NewMap makes an empty map; zero options take their defaults.
func NewMap(o Options) *Map {
	set := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	set(&o.Hosts, DefaultHosts)
	set(&o.Templates, DefaultTemplates)
	set(&o.Endpoints, DefaultEndpoints)
	set(&o.Distinct, DefaultDistinct)
	return &Map{o: o, declared: declare(o.Declared), hosts: make(map[string]*host), none: &Endpoint{overflow: true}}
}

// Stats gives the counters.
func (m *Map) Stats() Stats { return m.stats }

// None is the endpoint of which nothing is ever known.
func (m *Map) None() *Endpoint { return m.none }

// Request is what an endpoint is found by.
type Request struct {
	Host, Method, Path string
	// Operation within the path and method, "" where there is none.
	Operation string
	Client    netip.Addr
	// Status of the answer.
	Status uint16
}

// Find gives the endpoint of a request and its path's template, and learns
// them: a template is made by an answer of 2xx or 3xx or by a second client.
// What is not learned yet gets an endpoint that never discriminates, and a
// template from the form of its segments alone.
func (m *Map) Find(r *Request, now capture.Time) (*Endpoint, string) {
	h := m.host(r.Host)
	if h == nil {
		m.stats.HostsFull++
		return m.none, formTemplate(r.Path)
	}
	if n, ds := h.find(r.Path); n != nil {
		return m.endpoint(h, n, ds, r)
	}
	n := h.root.find(r.Path)
	if n == nil {
		if !m.known(h, r) {
			return m.none, formTemplate(r.Path)
		}
		if h.templates < m.o.Templates {
			n = m.add(h, r.Path)
		}
		if n == nil {
			m.stats.TemplatesFull++
			return m.none, formTemplate(r.Path)
		}
	}
	return m.endpoint(h, n, nil, r)
}

// host gives that of a name, made where it is missing; nil where there are too
// many. Those of which no path has a template make room then.
func (m *Map) host(name string) *host {
	h := m.hosts[name]
	if h != nil {
		return h
	}
	if len(name) > 256 {
		return nil
	}
	if len(m.hosts) >= m.o.Hosts {
		for other, h := range m.hosts {
			if h.templates == 0 && len(h.declared) == 0 {
				m.waiting -= len(h.candidates)
				delete(m.hosts, other)
				m.stats.Hosts--
			}
		}
		if len(m.hosts) >= m.o.Hosts {
			return nil
		}
	}
	h = &host{}
	for _, d := range m.declared {
		if d.forHost(name) {
			h.declarations = append(h.declarations, d)
		}
	}
	m.hosts[strings.Clone(name)] = h
	m.stats.Hosts++
	return h
}

// find gives the node of a path that is declared.
func (h *host) find(path string) (*node, []*Declared) {
	for _, g := range h.declarations {
		ds := g.of(path)
		if ds == nil {
			continue
		}
		n := h.declared[ds[0]]
		if n == nil {
			n = &node{template: ds[0].Path}
			if h.declared == nil {
				h.declared = make(map[*Declared]*node)
			}
			h.declared[ds[0]] = n
		}
		return n, ds
	}
	return nil, nil
}

// endpoint gives that of a method and operation.
func (m *Map) endpoint(h *host, n *node, ds []*Declared, r *Request) (*Endpoint, string) {
	operations := 0
	for _, e := range n.endpoints {
		if e.method == r.Method {
			if e.operation == r.Operation {
				return e, n.template
			}
			operations++
		}
	}
	switch {
	case operations == 0 && n.methods() >= maxMethods || m.stats.Endpoints >= m.o.Endpoints:
		m.stats.TemplatesFull++
		return m.none, n.template
	case operations >= maxOperations || len(r.Operation) > 128:
		m.stats.OperationsFull++
		return m.none, n.template
	}
	e := &Endpoint{method: strings.Clone(r.Method), operation: strings.Clone(r.Operation)}
	if ds != nil {
		e.told(ds)
		if e.spec != nil {
			m.stats.Described++
		}
	}
	if c := h.candidates[form(r.Path)]; c.method == hash32(r.Method) {
		e.wasRefused(c.presented, c.refused)
	}
	n.endpoints = append(n.endpoints, e)
	m.stats.Endpoints++
	return e, n.template
}

// methods is how many different ones a path has.
func (n *node) methods() (count int) {
	for i, e := range n.endpoints {
		if !slices.ContainsFunc(n.endpoints[:i], func(o *Endpoint) bool { return o.method == e.method }) {
			count++
		}
	}
	return count
}

// Covered reports whether a document describes where a path is, though perhaps
// not the path itself.
func (m *Map) Covered(hostName, path string) (document string, ok bool) {
	h := m.hosts[hostName]
	if h == nil {
		return "", false
	}
	for _, g := range h.declarations {
		for _, d := range g.documents {
			if strings.HasPrefix(path, d.base) {
				return d.name, true
			}
		}
	}
	return "", false
}

// maxMethods bounds the methods of one template, maxOperations the operations
// of one of them: beyond it they are made up.
const (
	maxMethods    = 16
	maxOperations = 256
)

// known reports whether a path has earned a template.
func (m *Map) known(h *host, r *Request) bool {
	if r.Status >= 200 && r.Status < 400 {
		return true
	}
	k := form(r.Path)
	first, seen := h.candidates[k]
	if seen {
		return first.client != r.Client
	}
	if m.waiting >= maxWaiting {
		m.stats.CandidatesForgotten += uint64(m.waiting)
		for _, o := range m.hosts {
			o.candidates = nil
		}
		m.waiting = 0
	}
	if len(h.candidates) >= maxCandidates {
		m.stats.CandidatesForgotten += uint64(len(h.candidates))
		m.waiting -= len(h.candidates)
		h.candidates = nil
	}
	if h.candidates == nil {
		h.candidates = make(map[uint64]candidate)
	}
	h.candidates[k] = candidate{client: r.Client}
	m.waiting++
	return false
}

// form is what two paths have in common that differ in their values only.
func form(path string) uint64 { return hash64(formTemplate(path)) }

// Remember notes the refusal of a request whose endpoint is none yet. Requests
// whose credential a detector suspects are not to be given here.
func (m *Map) Remember(r *Request, a *Answer, creds []credential.Credential, otherCookies bool, now capture.Time) {
	if a.Status != 401 || a.Marks&Damaged != 0 {
		return
	}
	h := m.hosts[r.Host]
	if h == nil {
		return
	}
	if c, ok := h.candidates[form(r.Path)]; ok {
		c.method, c.presented, c.refused = hash32(r.Method), PresentedBy(creds, otherCookies), now
		h.candidates[form(r.Path)] = c
	}
}

// find walks the path without allocating, and counts it as a request.
func (n *node) find(path string) *node { return n.walk(path, 1) }

func (n *node) walk(path string, hits uint32) *node {
	for rest := path; ; {
		seg, next, more := cutSegment(rest)
		child := n.child(seg)
		if child == nil {
			return nil
		}
		child.hits += hits
		n, rest = child, next
		if !more {
			if n.template == "" {
				return nil
			}
			return n
		}
	}
}

func (n *node) child(seg string) *node {
	if p := classify(seg); p != noPlaceholder {
		return n.variable[p]
	}
	if c := n.literal[seg]; c != nil {
		return c
	}
	return n.variable[anySegment]
}

// maxSegments bounds the depth of a template; deeper paths are not learned.
const maxSegments = 32

// add makes the nodes of a path; nil where it is too deep.
func (m *Map) add(h *host, path string) *node {
	if strings.Count(path, "/") > maxSegments || len(path) > 2048 {
		return nil
	}
	n := &h.root
	for rest := path; ; {
		seg, next, more := cutSegment(rest)
		child := n.child(seg)
		if child == nil {
			child = &node{}
			if p := classify(seg); p != noPlaceholder {
				n.variable[p] = child
			} else {
				if len(n.literal) >= m.o.Distinct { // child gave no variable one
					m.collapse(h, n)
					child = n.variable[anySegment]
				} else {
					if n.literal == nil {
						n.literal = make(map[string]*node)
					}
					n.literal[strings.Clone(seg)] = child
				}
			}
		}
		n, rest = child, next
		if !more {
			break
		}
	}
	if n.template == "" {
		n.template = h.root.name(path)
		h.templates++
		m.stats.Templates++
	}
	return n
}

// familiar is how often a segment must have come by to stay a name when its
// siblings are found to be values.
const familiar = 16

// collapse makes the literal children of n one variable child, in the order of
// their names, so that what was learned of them is added up. Familiar ones
// stay: /login among the names of users.
func (m *Map) collapse(h *host, n *node) {
	all := &node{}
	for _, name := range sortedKeys(n.literal) {
		if c := n.literal[name]; c.hits < familiar {
			h.templates -= m.merge(all, c)
			delete(n.literal, name)
		}
	}
	n.variable[anySegment] = all
	m.stats.Collapsed++
	m.rename(&h.root, "")
}

// merge adds node b to node a and gives the number of templates that fell
// together.
func (m *Map) merge(a, b *node) (fewer int) {
	if b.template != "" {
		if a.template != "" {
			fewer++
			m.stats.Templates--
		}
		a.template = b.template
	}
	for _, e := range b.endpoints {
		var into *Endpoint
		for _, o := range a.endpoints {
			if o.method == e.method && o.operation == e.operation {
				into = o
			}
		}
		if into == nil {
			a.endpoints = append(a.endpoints, e)
			continue
		}
		into.absorb(e)
		m.stats.Endpoints--
	}
	for _, name := range sortedKeys(b.literal) {
		if a.literal == nil {
			a.literal = make(map[string]*node)
		}
		if have := a.literal[name]; have != nil {
			fewer += m.merge(have, b.literal[name])
		} else {
			a.literal[name] = b.literal[name]
		}
	}
	for i, v := range b.variable {
		switch {
		case v == nil:
		case a.variable[i] == nil:
			a.variable[i] = v
		default:
			fewer += m.merge(a.variable[i], v)
		}
	}
	return fewer
}

// rename gives every template below n its name anew.
func (m *Map) rename(n *node, prefix string) {
	if n.template != "" {
		n.template = prefix
	}
	for name, c := range n.literal {
		m.rename(c, prefix+"/"+name)
	}
	for i, c := range n.variable {
		if c != nil {
			m.rename(c, prefix+"/"+placeholderNames[i])
		}
	}
}

// name gives the template of a path as the tree has it.
func (n *node) name(path string) string {
	var b strings.Builder
	for rest := path; ; {
		seg, next, more := cutSegment(rest)
		b.WriteByte('/')
		switch p := classify(seg); {
		case p != noPlaceholder:
			b.WriteString(placeholderNames[p])
		case n.variable[anySegment] != nil && n.literal[seg] == nil:
			b.WriteString(placeholderNames[anySegment])
		default:
			b.WriteString(seg)
		}
		if n = n.child(seg); n == nil {
			n = &node{}
		}
		if rest = next; !more {
			return b.String()
		}
	}
}

// Form gives a path with the segments replaced that are variable by their form.
func Form(path string) string { return formTemplate(path) }

// formTemplate replaces the segments that are variable by their form.
func formTemplate(path string) string {
	if !strings.HasPrefix(path, "/") {
		return cut(path, 256) // "*", the authority of CONNECT
	}
	changed := false
	for rest := path; ; {
		seg, next, more := cutSegment(rest)
		if classify(seg) != noPlaceholder {
			changed = true
			break
		}
		if rest = next; !more {
			break
		}
	}
	if !changed {
		return cut(path, 256)
	}
	return cut((&node{}).name(path), 256)
}

func cut(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// cutSegment gives the first segment of "/a/b" and the rest "/b".
func cutSegment(path string) (seg, rest string, more bool) {
	path = strings.TrimPrefix(path, "/")
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:], true
	}
	return path, "", false
}
