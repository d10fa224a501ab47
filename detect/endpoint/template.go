package endpoint

import (
	"net/netip"
	"strings"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/credential"
)

// Options bound what is learned.
type Options struct {
	// Hosts, and Templates of each host, that are learned at most; what comes
	// beyond is judged as an endpoint of which nothing is known.
	Hosts, Templates int
	// Distinct values of a path segment under the same prefix, from which on
	// the segment is taken for a variable.
	Distinct int
}

// Defaults of Options.
const (
	DefaultHosts     = 1000
	DefaultTemplates = 5000
	DefaultDistinct  = 50
)

// Stats count what was learned and what met a bound.
type Stats struct {
	Hosts, Templates, Endpoints int
	// HostsFull and TemplatesFull count exchanges that got no endpoint of
	// their own because a bound was met.
	HostsFull, TemplatesFull uint64
	// Collapsed counts segments that were found to be variable.
	Collapsed uint64
}

// Map knows all endpoints, by host, path template and method. It belongs to
// one goroutine. Paths become templates by the form of their segments and by
// their variety (CATALOGUE.md, 1.5).
type Map struct {
	o     Options
	hosts map[string]*host
	// none stands for all endpoints that are not learned.
	none  *Endpoint
	stats Stats
}

type host struct {
	root      node
	templates int
	// candidates are paths that one client asked for and that were not
	// answered with success, by the hash of the path. A scan fills it and
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

// maxCandidates bounds the paths a host that wait for a second client; when it
// is reached they are forgotten.
const maxCandidates = 4096

type node struct {
	template string
	// hits counts the exchanges that came by: a name that is asked for again
	// and again is part of the API, one of many that came once is a value.
	hits     uint32
	literal  map[string]*node
	variable [placeholders]*node
	methods  []*Endpoint
}

// NewMap makes an empty map; zero options take their defaults.
func NewMap(o Options) *Map {
	if o.Hosts == 0 {
		o.Hosts = DefaultHosts
	}
	if o.Templates == 0 {
		o.Templates = DefaultTemplates
	}
	if o.Distinct == 0 {
		o.Distinct = DefaultDistinct
	}
	return &Map{o: o, hosts: make(map[string]*host), none: &Endpoint{overflow: true}}
}

// Stats gives the counters.
func (m *Map) Stats() Stats { return m.stats }

// None is the endpoint of which nothing is ever known.
func (m *Map) None() *Endpoint { return m.none }

// Find gives the endpoint of a request and its path's template, and learns
// them: a template is made by an answer of 2xx or 3xx or by a second client.
// What is not learned yet gets an endpoint that never discriminates, and a
// template from the form of its segments alone.
func (m *Map) Find(hostName, method, path string, client netip.Addr, status uint16, now capture.Time) (*Endpoint, string) {
	h := m.hosts[hostName]
	if h == nil {
		if len(m.hosts) >= m.o.Hosts || len(hostName) > 256 {
			m.stats.HostsFull++
			return m.none, formTemplate(path)
		}
		h = &host{}
		m.hosts[strings.Clone(hostName)] = h
		m.stats.Hosts++
	}
	n := h.root.find(path)
	if n == nil {
		if !h.known(path, client, status) {
			return m.none, formTemplate(path)
		}
		if h.templates >= m.o.Templates {
			m.stats.TemplatesFull++
			return m.none, formTemplate(path)
		}
		n = m.add(h, path)
		if n == nil {
			return m.none, formTemplate(path)
		}
	}
	for _, e := range n.methods {
		if e.method == method {
			return e, n.template
		}
	}
	if len(n.methods) >= maxMethods {
		m.stats.TemplatesFull++
		return m.none, n.template
	}
	e := &Endpoint{method: strings.Clone(method)}
	if c := h.candidates[hash64(path)]; c.method == hash32(method) {
		e.wasRefused(c.presented, c.refused)
	}
	n.methods = append(n.methods, e)
	m.stats.Endpoints++
	return e, n.template
}

// maxMethods bounds the methods of one template: beyond it they are made up.
const maxMethods = 16

// known reports whether a path has earned a template.
func (h *host) known(path string, client netip.Addr, status uint16) bool {
	if status >= 200 && status < 400 {
		return true
	}
	k := hash64(path)
	first, seen := h.candidates[k]
	if seen {
		return first.client != client
	}
	if h.candidates == nil || len(h.candidates) >= maxCandidates {
		h.candidates = make(map[uint64]candidate)
	}
	h.candidates[k] = candidate{client: client}
	return false
}

// Remember notes the refusal of a request whose endpoint is none yet. Requests
// whose credential a detector suspects are not to be given here.
func (m *Map) Remember(hostName, method, path string, a *Answer, creds []credential.Credential, now capture.Time) {
	if a.Status != 401 || a.Marks&Damaged != 0 {
		return
	}
	h := m.hosts[hostName]
	if h == nil {
		return
	}
	if c, ok := h.candidates[hash64(path)]; ok {
		c.method, c.presented, c.refused = hash32(method), presented(creds), now
		h.candidates[hash64(path)] = c
	}
}

// find walks the path without allocating.
func (n *node) find(path string) *node {
	for rest := path; ; {
		seg, next, more := cutSegment(rest)
		child := n.child(seg)
		if child == nil {
			return nil
		}
		child.hits++
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
		m.stats.TemplatesFull++
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
	for _, e := range b.methods {
		var into *Endpoint
		for _, o := range a.methods {
			if o.method == e.method {
				into = o
			}
		}
		if into == nil {
			a.methods = append(a.methods, e)
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
