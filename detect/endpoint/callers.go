package endpoint

import "github.com/authtap/authtap/capture"

// LikeGood reports whether an answer has a shape that answers to good
// credentials have.
func (e *Endpoint) LikeGood(a *Answer, now capture.Time) bool {
	return a.Marks&(Damaged|Cached) == 0 && e.resolve().good.has(a.Shape, now)
}

// LetsIn reports whether a good credential is known to have had success.
func (e *Endpoint) LetsIn(now capture.Time) bool {
	e = e.resolve()
	e.advance(now)
	return e.count(Good, Success) > 0
}

// Callers counts requests of the last seven days: those without a credential
// that had success, those that were refused, and all with one.
func (e *Endpoint) Callers(now capture.Time) (anonymous, refused, others uint32) {
	e = e.resolve()
	e.advance(now)
	for i := range e.counts {
		c := &e.counts[i]
		anonymous += c[None][Success]
		refused += c[None][Refusal]
		for o := range c[Good] {
			others += c[Good][o] + c[Bad][o]
		}
	}
	return anonymous, refused, others
}
