package detect

import "strings"

// Place is a host, an endpoint, or one at the other, as a user names them.
// What is empty is any.
type Place struct {
	// Host is the host's name in lower case, without a default port, or *.
	// before the name of a domain: every host below it.
	Host string
	// Endpoint is a method and a path template ("POST /login", "GET
	// /users/{id}"), or a template alone, which any method goes with. A * at its
	// end stands for whatever comes there.
	Endpoint string
}

// Matches reports whether an exchange, or a finding, is of the place.
func (l *Place) Matches(host, method, template string) bool {
	return l.Host == "" && l.Endpoint == "" || l.hasHost(host) && l.hasEndpoint(method, template)
}

func (l *Place) hasHost(host string) bool {
	if domain, ok := strings.CutPrefix(l.Host, "*"); ok {
		return len(host) > len(domain) && strings.HasSuffix(host, domain)
	}
	return l.Host == "" || l.Host == host
}

func (l *Place) hasEndpoint(method, template string) bool {
	want := l.Endpoint
	if want == "" {
		return true
	}
	if want[0] != '/' {
		var verb string
		if verb, want, _ = strings.Cut(want, " "); verb != method {
			return false
		}
	}
	if begin, ok := strings.CutSuffix(want, "*"); ok {
		return strings.HasPrefix(template, begin)
	}
	return want == template
}

// String gives the place as a user reads it.
func (l *Place) String() string {
	switch {
	case l.Host == "" && l.Endpoint == "":
		return "everywhere"
	case l.Endpoint == "":
		return l.Host
	case l.Host == "":
		return l.Endpoint
	}
	return l.Endpoint + " of " + l.Host
}

// Override replaces options of a detector at a place, or switches it off or on
// again there. Of several for the same place the later ones win.
type Override struct {
	Place  Place
	Switch Switch
	Values Values
}

// Switch says whether a detector is on.
type Switch uint8

// Where a detector is Off, what it reports is dropped. It goes on looking: what
// it suspects still teaches the endpoints nothing, and windows that detectors
// share are fed.
const (
	Unchanged Switch = iota
	On
	Off
)

// maxOverrides of one detector.
const maxOverrides = 64

// at gives the options in force at the place of a pass.
func (r *running) at(p *Pass) (v Values, off bool) {
	if r.overrides == nil {
		return r.values, false
	}
	var which uint64
	for i := range r.overrides {
		o := &r.overrides[i]
		if o.Place.Matches(p.ins.Host, p.ins.Exchange.Request.Method, p.template) {
			which |= 1 << i
			if o.Switch != Unchanged {
				off = o.Switch == Off
			}
		}
	}
	if which == 0 {
		return r.values, false
	}
	v = r.merged[which]
	if v == nil {
		v = make(Values, len(r.values))
		for name, value := range r.values {
			v[name] = value
		}
		for i := range r.overrides {
			if which&(1<<i) != 0 {
				for name, value := range r.overrides[i].Values {
					v[name] = value
				}
			}
		}
		r.merged[which] = v
	}
	return v, off
}
