package endpoint

import (
	"math/bits"
	"slices"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/credential"
)

// Memory is how long an endpoint remembers.
const Memory = 7 * 24 * time.Hour

// Presented says what a request carried, as the oracle counts it.
type Presented uint8

// A request with no credential; with none, but with cookies of which nothing
// is known; with a bad one (flawed, whatever it is checked against); with one
// that looks good.
const (
	None Presented = iota
	Maybe
	Bad
	Good
	presentations
)

// Endpoint is what is known of one method and operation of one path template of
// one host.
type Endpoint struct {
	method, operation string
	overflow          bool
	pin               *Pin
	spec              *Spec
	// into is set when the endpoint was merged into another.
	into *Endpoint
	// version grows whenever something was learned that may change a judgement.
	version uint64

	first, last capture.Time
	day         int64 // of the newest count, in days since 1970
	counts      [memoryDays]dayCount
	sum         dayCount // of counts

	// shapes of the answers that had success, by what the request carried.
	shapes   [presentations]recent[uint64]
	codes    recent[uint32] // codes of answers to good credentials
	types    recent[uint32] // media types of answers to good credentials
	places   recent[uint32] // locations of redirects that answered good credentials
	filtered recent[uint32] // media types of 403s to who had no good credential
	alone    []kindCount    // by the set of kinds that a request carried
	says401  capture.Time   // when who has no good credential last got 401 here
	// refused: when who had no good credential was last refused otherwise than
	// by 401 or 403.
	refused capture.Time

	login *loginMemory
}

const memoryDays = 8 // seven whole days and the one that began

type dayCount [presentations][3]uint32 // by Outcome

type kindCount struct {
	set              uint64
	success, refused capture.Time
}

// resolve follows merges.
func (e *Endpoint) resolve() *Endpoint {
	for e.into != nil {
		e = e.into
	}
	return e
}

// Canonical is the endpoint that this one was merged into, or itself.
func (e *Endpoint) Canonical() *Endpoint { return e.resolve() }

// Operation is what tells the endpoint from others of the same method and path.
func (e *Endpoint) Operation() string { return e.resolve().operation }

// Version grows whenever something was learned that may change a judgement.
func (e *Endpoint) Version() uint64 { return e.resolve().version }

// Kinds is the set of the access credentials of a request, by kind and place,
// as a sum of hashes. Cookies of which nothing is known may be credentials too:
// otherCookies stands for all of them.
func Kinds(creds []credential.Credential, except *credential.Credential, otherCookies bool) (set uint64, n int, parts [4]uint64) {
	if otherCookies {
		set, n, parts[0] = anyCookie, 1, anyCookie
	}
	for i := range creds {
		c := &creds[i]
		if !c.Access() || except != nil && c.ID == except.ID && c.Place == except.Place {
			continue
		}
		h := kindHash(c)
		if slices.Contains(parts[:min(n, len(parts))], h) {
			continue
		}
		if n < len(parts) {
			parts[n] = h
		}
		set += h
		n++
	}
	return set, n, parts
}

// anyCookie stands for the cookies of which nothing is known.
var anyCookie = mix(hash64("cookie")) | 1

func kindHash(c *credential.Credential) uint64 {
	return mix(hash64(c.Place.Name)*31+uint64(c.Place.Part)<<8+uint64(c.Kind)) | 1
}

func (e *Endpoint) count(p Presented, o Outcome) uint32 { return e.sum[p][o] }

// advance makes the day of now the newest and forgets days that are too old.
func (e *Endpoint) advance(now capture.Time) (slot int, ok bool) {
	day := int64(now) / int64(24*time.Hour)
	if e.day == 0 {
		e.day = day
	}
	for e.day < day {
		if day-e.day > memoryDays {
			e.day = day - memoryDays
		}
		e.day++
		old := &e.counts[e.day%memoryDays]
		for p := range old {
			for o, n := range old[p] {
				e.sum[p][o] -= n
			}
		}
		*old = dayCount{}
	}
	return int(((day % memoryDays) + memoryDays) % memoryDays), e.day-day < memoryDays
}

// add counts n on a day.
func (e *Endpoint) add(slot int, p Presented, o Outcome, n uint32) uint32 {
	c := &e.counts[slot][p][o]
	n = min(n, 1<<28-min(*c, 1<<28))
	*c += n
	e.sum[p][o] += n
	return *c
}

// Learn adds one exchange to what is known. Requests whose credential a
// detector suspects are not to be given here: they are no evidence. Nor is an
// answer from a cache, which the server did not give to this request.
func (e *Endpoint) Learn(a *Answer, creds []credential.Credential, otherCookies bool, now capture.Time) {
	e = e.resolve()
	if e.overflow || a.Status == 0 || a.Marks&(Damaged|Cached) != 0 {
		return
	}
	p, o := PresentedBy(creds, otherCookies), e.Outcome(a, now)
	slot, ok := e.advance(now)
	if !ok {
		return
	}
	if e.first == 0 {
		e.first = now
	}
	e.last = max(e.last, now)
	if n := e.add(slot, p, o, 1); n <= 4 || bits.OnesCount32(n) == 1 {
		e.version++ // a threshold may have been crossed
	}
	switch o {
	case Refusal:
		if a.Status == 401 {
			e.lately(&e.says401, now)
		}
		switch {
		case p == Good:
		case a.Status == 403:
			if e.filtered.add(a.Type, now) {
				e.version++
			}
		case a.Status != 401:
			e.lately(&e.refused, now)
		}
	case Success:
		new := e.shapes[p].add(a.Shape, now)
		if p == Good {
			if a.Type != 0 {
				new = e.types.add(a.Type, now) || new
			}
			if a.Code != 0 {
				new = e.codes.add(a.Code, now) || new
			}
			if a.Location != 0 {
				new = e.places.add(a.Location, now) || new
			}
		}
		if new {
			e.version++
		}
	}
	if o != Unclear && (p == Good || p == Maybe) {
		set, _, _ := Kinds(creds, nil, otherCookies)
		e.learnAlone(set, o, now)
	}
}

// lately notes when something was last seen.
func (e *Endpoint) lately(at *capture.Time, now capture.Time) {
	if !within(*at, now) {
		e.version++
	}
	*at = max(*at, now)
}

// wasRefused gives a new endpoint the 401 that was seen before it was known.
func (e *Endpoint) wasRefused(p Presented, at capture.Time) {
	slot, _ := e.advance(at)
	e.add(slot, p, Refusal, 1)
	e.says401, e.first = at, at
}

// PresentedBy says what the request of these credentials carried.
func PresentedBy(creds []credential.Credential, otherCookies bool) Presented {
	p := None
	if otherCookies {
		p = Maybe
	}
	for i := range creds {
		if creds[i].Access() {
			if creds[i].Flaw != 0 {
				return Bad
			}
			p = Good
		}
	}
	return p
}

// learnAlone notes what came of requests with only these kinds. A new set takes
// the place of the one that was seen longest ago.
func (e *Endpoint) learnAlone(set uint64, o Outcome, now capture.Time) {
	var k *kindCount
	for i := range e.alone {
		if e.alone[i].set == set {
			k = &e.alone[i]
		}
	}
	if k == nil {
		if len(e.alone) < maxRecent {
			e.alone = append(e.alone, kindCount{})
			k = &e.alone[len(e.alone)-1]
		} else {
			k = &e.alone[0]
			for i := range e.alone {
				if a := &e.alone[i]; max(a.success, a.refused) < max(k.success, k.refused) {
					k = a
				}
			}
		}
		*k = kindCount{set: set}
	}
	if o == Success {
		e.lately(&k.success, now)
	} else {
		e.lately(&k.refused, now)
	}
}

// absorb adds what is known of another endpoint, which from then on is this
// one.
func (e *Endpoint) absorb(o *Endpoint) {
	if e == o {
		return
	}
	e.advance(capture.Time(o.day * int64(24*time.Hour)))
	for i := range o.counts {
		day := o.day - int64(i)
		if e.day-day >= memoryDays || day < 0 {
			continue
		}
		slot := day % memoryDays
		for p := range o.counts[slot] {
			for k, n := range o.counts[slot][p] {
				e.add(int(slot), Presented(p), Outcome(k), n)
			}
		}
	}
	if o.first != 0 && (e.first == 0 || o.first < e.first) {
		e.first = o.first
	}
	e.last = max(e.last, o.last)
	for p := range e.shapes {
		merge(&e.shapes[p], o.shapes[p])
	}
	merge(&e.codes, o.codes)
	merge(&e.types, o.types)
	merge(&e.places, o.places)
	merge(&e.filtered, o.filtered)
	for _, k := range o.alone {
		if k.success > 0 {
			e.learnAlone(k.set, Success, k.success)
		}
		if k.refused > 0 {
			e.learnAlone(k.set, Refusal, k.refused)
		}
	}
	e.says401, e.refused = max(e.says401, o.says401), max(e.refused, o.refused)
	if e.login == nil {
		e.login = o.login
	} else if o.login != nil {
		e.login.absorb(o.login)
	}
	e.version += o.version + 1
	*o = Endpoint{method: o.method, operation: o.operation, into: e}
}
