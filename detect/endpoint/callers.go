package endpoint

import "github.com/authtap/authtap/capture"

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
