package endpoint

// Need says what an endpoint is known to require without having been seen to.
type Need uint8

// Learned leaves it to what is seen; Required says that the endpoint lets in
// nobody without a good credential, Nothing that it is open to all.
const (
	Learned Need = iota
	Required
	Nothing
)

// Pin is what the configuration says of an endpoint. Whether an answer is a
// pinned success or failure stands in its Marks.
//
// Where Success is pinned, what is neither one nor a failure is unclear, and a
// success needs no learned shape or place to be an accepted one; where only
// Failure is, what is none is judged as if there were no pin. Failure outranks
// success. Of an endpoint that is pinned as Required it is not asked whether it
// discriminates; all else that `accepted` requires (docs/verdicts.md, a, b,
// c and e) is required of it too.
type Pin struct {
	Requires         Need
	Success, Failure bool // which of the two is pinned
}

// outcome says what an answer means by what is pinned.
func (p *Pin) outcome(a *Answer) (o Outcome, decided bool) {
	switch {
	case !p.Success && !p.Failure:
	case p.Failure && a.Marks&PinnedFailure != 0:
		return Refusal, true
	case p.Success && a.Marks&PinnedSuccess != 0:
		return Success, true
	case p.Success:
		return Unclear, true
	}
	return 0, false
}
