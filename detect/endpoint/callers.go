package endpoint

import (
	"slices"

	"github.com/authtap/authtap/capture"
)

// LikeGood reports whether an answer has a shape that answers to good
// credentials have.
func (e *Endpoint) LikeGood(a *Answer, now capture.Time) bool {
	return a.Marks&(Damaged|Cached) == 0 && e.resolve().likeGood(a.Shape, now)
}

// LetsIn reports whether a good credential is known to have had success.
func (e *Endpoint) LetsIn(now capture.Time) bool {
	e = e.resolve()
	e.advance(now)
	return e.letIn() > 0
}

// Callers counts requests of the last seven days: those without a credential
// that had success, those that were refused, and all with one. Those with nothing
// but a cookie that may be one are none of them.
func (e *Endpoint) Callers(now capture.Time) (anonymous, refused, others uint32) {
	e = e.resolve()
	e.advance(now)
	anonymous, refused = e.sum[None][Success], e.sum[None][Refusal]
	for o := range e.sum[Good] {
		others += e.sum[Good][o] + e.sum[Bad][o]
	}
	return anonymous, refused, others
}

// Elsewhere counts the requests with a good credential that had success at a
// method and path of whatever host, and reports whether none had success
// without one. Of self, own of those without are left out.
func (m *Map) Elsewhere(self *Endpoint, method, path string, own uint32, now capture.Time) (n uint32, always bool) {
	always = true
	for _, h := range m.hosts {
		for _, e := range h.at(path) {
			if e = e.resolve(); e.method != method {
				continue
			}
			e.advance(now)
			n += e.letIn()
			anonymous := e.sum[None][Success]
			if e == self.resolve() {
				anonymous -= min(anonymous, own)
			} else if e.letIn() == 0 {
				continue // another that is not asked with credentials either
			}
			always = always && anonymous == 0
		}
	}
	return n, always
}

// at gives the endpoints that are known of a path.
func (h *host) at(path string) []*Endpoint {
	var list []*Endpoint
	for _, g := range h.declarations {
		for _, d := range g.of(path) {
			if n := h.declared[d]; n != nil {
				list = append(list, n.endpoints...)
			}
		}
	}
	if n := h.root.walk(path, 0); n != nil && len(list) == 0 {
		list = slices.Clone(n.endpoints)
	}
	return list
}
