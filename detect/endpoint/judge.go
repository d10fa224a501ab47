package endpoint

import "github.com/authtap/authtap/capture"

// Outcome says what an answer means on this endpoint (docs/verdicts.md).
func (e *Endpoint) Outcome(a *Answer, now capture.Time) Outcome {
	e = e.resolve()
	s := a.Status
	if s == 0 {
		return Unclear
	}
	if e.pin != nil {
		if o, decided := e.pin.outcome(a); decided {
			return o
		}
	}
	switch {
	case s == 401 || s == 407:
		return Refusal
	case s == 403:
		if a.Marks&Probe == 0 && within(e.says401, now) {
			return Unclear
		}
		return Refusal
	case a.Marks&Probe != 0:
		return Unclear
	case s == 400:
		if within(e.says401, now) {
			return Unclear
		}
		return Refusal
	case s == 101:
		return Success
	case s >= 200 && s < 300:
		if a.Marks&(Soft|LoginForm) != 0 {
			return Refusal
		}
		if a.Code != 0 {
			if o := e.byCode(a, now); o != Success {
				return o
			}
		}
		if a.Marks&Uncertain != 0 {
			return Unclear
		}
		return Success
	case s == 304:
		return Unclear
	case s >= 300 && s < 400:
		if a.Marks&ToLogin != 0 {
			return Refusal
		}
		return Success
	}
	return Unclear
}

// byCode judges an answer by its code, where enough of those to good
// credentials are known to tell. One that is unlike theirs in an answer of
// another shape is a failure. In one of the same shape a number may still be
// one, unless such numbers are known to vary; other words are taken for data.
func (e *Endpoint) byCode(a *Answer, now capture.Time) Outcome {
	if len(e.codes) == 0 || e.count(Good, Success) < 3 || e.codes.has(a.Code, now) {
		return Success
	}
	switch {
	case !e.shapes[Good].has(a.Shape, now):
		return Refusal
	case a.Code&numericCode != 0 && e.codes.size(now) == 1:
		return Unclear
	}
	return Success
}

// Discriminates reports whether the endpoint is known to let in who has a good
// credential, at least three times, and to refuse who has none or a bad one.
func (e *Endpoint) Discriminates(now capture.Time) bool {
	e = e.resolve()
	if e.overflow {
		return false
	}
	if e.pin != nil && e.pin.Requires != Learned {
		return e.pin.Requires == Required
	}
	if _, ok := e.advance(now); !ok || e.letIn() < 3 {
		return false
	}
	// A credential that looks good and got 401 was a bad one.
	if within(e.says401, now) || within(e.refused, now) {
		return true
	}
	// A 403 may be of a filter in front, which answers in another media type
	// than the API.
	for _, f := range e.filtered {
		if now.Sub(f.last) <= Memory && (f.value == 0 || e.types.has(f.value, now)) {
			return true
		}
	}
	return false
}

// necessary reports whether cookies of which nothing is known open the endpoint:
// who has them is let in, and who has nothing is not.
func (e *Endpoint) necessary() bool {
	return e.sum[Maybe][Success] > 0 && e.sum[None][Refusal] > 0 && e.sum[None][Success] == 0
}

// letIn is how many requests with a credential had success.
func (e *Endpoint) letIn() uint32 {
	n := e.sum[Good][Success]
	if e.necessary() {
		n += e.sum[Maybe][Success]
	}
	return n
}

// likeGood reports whether a shape is one of answers to good credentials.
func (e *Endpoint) likeGood(shape uint64, now capture.Time) bool {
	return e.shapes[Good].has(shape, now) || e.necessary() && e.shapes[Maybe].has(shape, now)
}

// anonymous counts the requests without any credential that got what those with
// a good one get; all that had success where nobody with a good one was seen.
// Cookies of which nothing is known are none, unless they are necessary.
func (e *Endpoint) anonymous(now capture.Time) (n uint32) {
	cookies := !e.necessary()
	for _, p := range [...]Presented{None, Maybe} {
		if p == Maybe && !cookies {
			break
		}
		for i := range e.shapes[p] {
			if s := &e.shapes[p][i]; now.Sub(s.last) <= Memory && (e.letIn() == 0 || e.likeGood(s.value, now)) {
				n += s.n
			}
		}
	}
	return n
}

// open reports whether the endpoint answers everybody.
func (e *Endpoint) open(now capture.Time) bool {
	if e.pin != nil && e.pin.Requires != Learned {
		return e.pin.Requires == Nothing
	}
	answered, refused := e.sum[None][Success], e.sum[None][Refusal]
	if !e.necessary() {
		answered += e.sum[Maybe][Success]
		refused += e.sum[Maybe][Refusal]
	}
	return answered >= 3 && answered > refused && e.anonymous(now) >= 3
}

// Attempt is what a judgement rests on: an answer, and the other credentials
// that the request carried.
type Attempt struct {
	Answer Answer
	// Others is the set of the other access credentials, OtherKinds how many
	// kinds, Parts their hashes.
	Others     uint64
	OtherKinds int
	Parts      [4]uint64
	// Claim: it presents no credential, but says something of itself. Where
	// nobody is known to be refused, its success shows nothing.
	Claim bool
}

// Judge says whether an attempt was accepted, by what is known now (the
// letters are those of docs/verdicts.md).
func (e *Endpoint) Judge(t *Attempt, now capture.Time) Verdict {
	e = e.resolve()
	a := &t.Answer
	switch e.Outcome(a, now) {
	case Refusal:
		return Rejected
	case Unclear:
		return Unknown
	}
	e.advance(now)
	if a.Marks&(Damaged|Cached) != 0 || e.open(now) { // (e), (c), (b)
		return Unknown
	}
	pinned := a.Marks&PinnedSuccess != 0 && e.pin != nil
	if a.Status >= 300 && a.Status < 400 && !pinned && // (d)
		(a.Status == 301 || a.Status == 308 || !e.places.has(a.Location, now)) {
		return Unknown
	}
	sure := e.Discriminates(now)
	if t.Claim && !sure {
		return Unknown
	}
	if t.OtherKinds > 0 { // (a)
		seen, suffices := e.others(t, now)
		if suffices {
			return Unknown
		}
		sure = sure && seen
	}
	if sure && a.Marks&Midstream == 0 && e.anonymous(now) == 0 && (pinned || e.likeGood(a.Shape, now)) {
		return Accepted
	}
	return LikelyAccepted
}

// others looks up whether requests with only the other credentials, or with a
// part of them, were seen, and whether one had success.
func (e *Endpoint) others(t *Attempt, now capture.Time) (seen, suffices bool) {
	n := min(t.OtherKinds, len(t.Parts))
	for subset := 1; subset < 1<<n; subset++ {
		var set uint64
		for i := range n {
			if subset>>i&1 == 1 {
				set += t.Parts[i]
			}
		}
		if t.OtherKinds > len(t.Parts) && subset == 1<<n-1 {
			set = t.Others
		}
		for i := range e.alone {
			if k := &e.alone[i]; k.set == set {
				suffices = suffices || within(k.success, now)
				seen = seen || set == t.Others && (within(k.success, now) || within(k.refused, now))
			}
		}
	}
	return seen, suffices
}
