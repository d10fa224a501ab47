package endpoint

import (
	"slices"
	"strings"

	"github.com/authtap/authtap/detect/credential"
)

// Declared is an endpoint that somebody told of before it was seen: in the
// configuration or in an OpenAPI document. It does not change once a Map has it.
type Declared struct {
	// Hosts that it is of: names, with a port or for every port, "*.example.com",
	// or "*". Empty is every host.
	Hosts []string
	// Method is empty for every method. Path is a template: a segment with a
	// brace in it stands for any one segment.
	Method, Path string
	// Pin is what the configuration says, Spec what a document does; nil for
	// nothing.
	Pin  *Pin
	Spec *Spec
}

// Spec is what an OpenAPI document says of an operation.
type Spec struct {
	// Document is the name that the document goes by.
	Document string
	// Security are the alternatives, each of schemes that are all needed; one
	// without schemes is for those who have nothing. Secured says that the
	// document says anything of it.
	Security [][]Scheme
	Secured  bool
	// Deprecated says that nobody should use it any more.
	Deprecated bool
}

// Scheme is a way to authenticate that a document declares.
type Scheme struct {
	Name string
	// Kinds of credentials that it means, Place where they stand: its Part is
	// zero where that is not said. Neither is there of a client's certificate,
	// which is not seen.
	Kinds []credential.Kind
	Place credential.Place
}

// Anonymous reports whether the document says that nobody needs a credential.
func (s *Spec) Anonymous() bool {
	return !s.Secured || len(s.Security) == 0 || slices.ContainsFunc(s.Security, func(all []Scheme) bool { return len(all) == 0 })
}

// Hidden reports whether the document asks for something that is not seen in an
// exchange.
func (s *Spec) Hidden() bool {
	return slices.ContainsFunc(s.Security, func(all []Scheme) bool {
		return slices.ContainsFunc(all, func(c Scheme) bool { return len(c.Kinds) == 0 })
	})
}

// Allows reports whether a credential is one of those that the document
// declares.
func (s *Spec) Allows(c *credential.Credential) bool {
	for _, all := range s.Security {
		for i := range all {
			if all[i].fits(c) {
				return true
			}
		}
	}
	return false
}

func (s *Scheme) fits(c *credential.Credential) bool {
	if s.Place.Part != 0 && (c.Place.Part != s.Place.Part || !strings.EqualFold(c.Place.Name, s.Place.Name)) {
		return false
	}
	return slices.Contains(s.Kinds, c.Kind)
}

// Declarations are declared endpoints, to be found by what a request asks for.
type Declarations struct{ groups []*declarations }

// Declare makes them of a list.
func Declare(list []*Declared) *Declarations { return &Declarations{declare(list)} }

// Find gives the first that is of a request, nil where there is none.
func (d *Declarations) Find(host, method, path string) *Declared {
	for _, g := range d.groups {
		if !g.forHost(host) {
			continue
		}
		for _, e := range g.of(path) {
			if e.Method == "" || e.Method == method {
				return e
			}
		}
	}
	return nil
}

// declarations are those of the same hosts, by path.
type declarations struct {
	hosts []string
	root  pathTree
	// documents are those whose paths these are, and what their paths have in
	// common.
	documents []document
}

type document struct{ name, base string }

type pathTree struct {
	literal  map[string]*pathTree
	variable *pathTree
	here     []*Declared // in the order in which they were declared
}

// declare makes the trees.
func declare(list []*Declared) []*declarations {
	var groups []*declarations
	for _, d := range list {
		i := slices.IndexFunc(groups, func(g *declarations) bool { return slices.Equal(g.hosts, d.Hosts) })
		if i < 0 {
			i = len(groups)
			groups = append(groups, &declarations{hosts: d.Hosts})
		}
		g := groups[i]
		t := &g.root
		for rest := trimSlash(d.Path); ; {
			seg, next, more := cutSegment(rest)
			t = t.grow(seg)
			if rest = next; !more {
				break
			}
		}
		t.here = append(t.here, d)
		if d.Spec != nil {
			g.cover(d)
		}
	}
	return groups
}

// cover notes what the paths of a document have in common.
func (g *declarations) cover(d *Declared) {
	i := slices.IndexFunc(g.documents, func(o document) bool { return o.name == d.Spec.Document })
	if i < 0 {
		g.documents = append(g.documents, document{d.Spec.Document, d.Path})
		return
	}
	o := &g.documents[i]
	for !strings.HasPrefix(d.Path, o.base) {
		o.base = o.base[:len(o.base)-1]
	}
	o.base = o.base[:strings.LastIndexByte(o.base, '/')+1]
}

func (t *pathTree) grow(seg string) *pathTree {
	if strings.IndexByte(seg, '{') >= 0 {
		if t.variable == nil {
			t.variable = &pathTree{}
		}
		return t.variable
	}
	if t.literal == nil {
		t.literal = make(map[string]*pathTree)
	}
	if t.literal[seg] == nil {
		t.literal[seg] = &pathTree{}
	}
	return t.literal[seg]
}

// match finds what is declared of a path: names before what stands for any
// segment. steps bound the search.
func (t *pathTree) match(path string, steps *int) []*Declared {
	if *steps--; *steps < 0 {
		return nil
	}
	seg, rest, more := cutSegment(path)
	for _, next := range [...]*pathTree{t.literal[seg], t.variable} {
		switch {
		case next == nil || next == t.variable && seg == "":
		case !more:
			if len(next.here) > 0 {
				return next.here
			}
		default:
			if d := next.match(rest, steps); d != nil {
				return d
			}
		}
	}
	return nil
}

// of gives what is declared of a path on these hosts.
func (g *declarations) of(path string) []*Declared {
	steps := 4 * maxSegments
	return g.root.match(trimSlash(path), &steps)
}

func trimSlash(path string) string {
	if len(path) > 1 && path[len(path)-1] == '/' {
		return path[:len(path)-1]
	}
	return path
}

// forHost reports whether they are of a host.
func (g *declarations) forHost(host string) bool { return HostMatches(g.hosts, host) }

// HostMatches reports whether a host is among patterns as Declared.Hosts has
// them.
func HostMatches(patterns []string, host string) bool {
	if len(patterns) == 0 {
		return true
	}
	name := host
	if i := strings.LastIndexByte(host, ':'); i > 0 && strings.IndexByte(host[i:], ']') < 0 {
		name = host[:i]
	}
	return slices.ContainsFunc(patterns, func(p string) bool {
		switch {
		case p == "*":
			return true
		case strings.HasPrefix(p, "*."):
			return len(name) > len(p)-1 && strings.EqualFold(name[len(name)-len(p)+1:], p[1:])
		}
		return strings.EqualFold(p, host) || strings.EqualFold(p, name)
	})
}

// Spec is what a document says of the endpoint, nil where none describes it.
func (e *Endpoint) Spec() *Spec { return e.resolve().spec }

// Redeclare puts other declarations in force. What was learned of paths that
// are declared before and after stays, what was learned of others is forgotten.
func (m *Map) Redeclare(list []*Declared) {
	m.declared = declare(list)
	for name, h := range m.hosts {
		before := make(map[string]*node)
		for _, n := range h.declared {
			before[n.template] = n
		}
		h.declarations, h.declared = nil, nil
		for _, g := range m.declared {
			if g.forHost(name) {
				h.declarations = append(h.declarations, g)
			}
		}
		for _, d := range list {
			n := before[d.Path]
			if n == nil || !HostMatches(d.Hosts, name) {
				continue
			}
			found, ds := h.find(d.Path)
			if found == nil || found == n {
				continue
			}
			h.declared[ds[0]] = n
			for _, e := range n.endpoints {
				e.told(ds)
			}
			delete(before, d.Path)
		}
		for _, n := range before {
			m.stats.Endpoints -= len(n.endpoints)
		}
	}
}

// told takes over what is declared.
func (e *Endpoint) told(ds []*Declared) {
	e.pin, e.spec = nil, nil
	for _, d := range ds {
		if d.Method != "" && d.Method != e.method {
			continue
		}
		if e.pin == nil {
			e.pin = d.Pin
		}
		if e.spec == nil {
			e.spec = d.Spec
		}
	}
	e.version++
}
