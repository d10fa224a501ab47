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

// A request with no credential, with a bad one (flawed, whatever it is checked
// against), with one that looks good.
const (
	None Presented = iota
	Bad
	Good
	presentations
)

// Endpoint is what is known of one method of one path template of one host.
type Endpoint struct {
	method   string
	overflow bool
	// into is set when the endpoint was merged into another.
	into *Endpoint
	// version grows whenever something was learned that may change a judgement.
	version uint64

	day    int64 // of the newest count, in days since 1970
	counts [memoryDays]dayCount

	good      recent[uint64] // shapes of answers to good credentials
	anonymous recent[uint64] // shapes of answers to requests without any
	codes     recent[uint32] // codes of answers to good credentials
	types     recent[uint32] // media types of answers to good credentials
	places    recent[uint32] // locations of redirects that answered good credentials
	alone     []kindCount    // by the set of kinds that a request carried
	filtered  recent[uint32] // media types of 403s to who had no good credential
	says401   bool           // who has no good credential is known to get 401 here
	// refused: who had no good credential was refused otherwise than by 403.
	refused bool

	login *loginMemory
}

const memoryDays = 8 // seven whole days and the one that began

type dayCount [presentations][3]uint32 // by Outcome

type kindCount struct {
	set              uint64
	success, refused bool
	last             capture.Time
}

// recent is a small bounded set of values with the time each was last seen.
type recent[T comparable] []seen[T]

type seen[T comparable] struct {
	value T
	last  capture.Time
}

// maxRecent bounds each such set; a new value takes the place of the oldest.
const maxRecent = 32

// add reports whether the value is new.
func (r *recent[T]) add(v T, now capture.Time) bool {
	oldest := 0
	for i := range *r {
		if (*r)[i].value == v {
			fresh := now.Sub((*r)[i].last) <= Memory
			(*r)[i].last = max(now, (*r)[i].last)
			return !fresh
		}
		if (*r)[i].last < (*r)[oldest].last {
			oldest = i
		}
	}
	if len(*r) < maxRecent {
		*r = append(*r, seen[T]{v, now})
	} else {
		(*r)[oldest] = seen[T]{v, now}
	}
	return true
}

func (r recent[T]) has(v T, now capture.Time) bool {
	for i := range r {
		if r[i].value == v {
			return now.Sub(r[i].last) <= Memory
		}
	}
	return false
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

// Outcome says what an answer means on this endpoint (ARCHITECTURE.md,
// section 4).
func (e *Endpoint) Outcome(a *Answer, now capture.Time) Outcome {
	e = e.resolve()
	s := a.Status
	switch {
	case s == 0:
		return Unclear
	case s == 401 || s == 407:
		return Refusal
	case s == 403:
		if a.Marks&Probe == 0 && e.says401 {
			return Unclear
		}
		return Refusal
	case a.Marks&Probe != 0:
		return Unclear
	case s == 400:
		if e.says401 {
			return Unclear
		}
		return Refusal
	case s == 101:
		return Success
	case s >= 200 && s < 300:
		if a.Marks&(Soft|LoginForm) != 0 || a.Code != 0 && e.otherCode(a, now) {
			return Refusal
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

// otherCode reports whether an answer's code is unlike those of authenticated
// answers, of which enough are known to tell.
func (e *Endpoint) otherCode(a *Answer, now capture.Time) bool {
	return len(e.codes) > 0 && e.count(Good, Success) >= 3 && !e.codes.has(a.Code, now) && !e.good.has(a.Shape, now)
}

func (e *Endpoint) count(p Presented, o Outcome) (n uint32) {
	for i := range e.counts {
		n += e.counts[i][p][o]
	}
	return n
}

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
		e.counts[e.day%memoryDays] = dayCount{}
	}
	return int(((day % memoryDays) + memoryDays) % memoryDays), e.day-day < memoryDays
}

// Learn adds one exchange to what is known. Requests whose credential a
// detector suspects are not to be given here: they are no evidence.
func (e *Endpoint) Learn(a *Answer, creds []credential.Credential, otherCookies bool, now capture.Time) {
	e = e.resolve()
	if e.overflow || a.Status == 0 || a.Marks&Damaged != 0 {
		return
	}
	p, o := presented(creds), e.Outcome(a, now)
	slot, ok := e.advance(now)
	if !ok {
		return
	}
	c := &e.counts[slot][p][o]
	if *c < 1<<31 {
		*c++
	}
	if *c <= 4 || bits.OnesCount32(*c) == 1 {
		e.version++ // a threshold may have been crossed
	}
	switch o {
	case Refusal:
		if a.Status == 401 && !e.says401 {
			e.says401 = true
			e.version++
		}
		switch {
		case p == Good:
		case a.Status == 403:
			if e.filtered.add(a.Type, now) {
				e.version++
			}
		case !e.refused:
			e.refused = true
			e.version++
		}
	case Success:
		if a.Marks&Cached != 0 {
			return
		}
		switch p {
		case Good:
			new := e.good.add(a.Shape, now)
			if a.Type != 0 {
				new = e.types.add(a.Type, now) || new
			}
			if a.Code != 0 {
				new = e.codes.add(a.Code, now) || new
			}
			if a.Location != 0 {
				new = e.places.add(a.Location, now) || new
			}
			if new {
				e.version++
			}
		case None:
			if e.anonymous.add(a.Shape, now) {
				e.version++
			}
		}
	}
	if o != Unclear && (p == Good || p == None && otherCookies) {
		set, _, _ := Kinds(creds, nil, otherCookies)
		e.learnAlone(set, o, now)
	}
}

// wasRefused gives a new endpoint the 401 that was seen before it was known.
func (e *Endpoint) wasRefused(p Presented, at capture.Time) {
	slot, _ := e.advance(at)
	e.counts[slot][p][Refusal]++
	e.says401 = true
	e.refused = e.refused || p != Good
}

// presented says what the request of these credentials carried.
func presented(creds []credential.Credential) Presented {
	p := None
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

func (e *Endpoint) learnAlone(set uint64, o Outcome, now capture.Time) {
	var k *kindCount
	for i := range e.alone {
		if e.alone[i].set == set {
			k = &e.alone[i]
		}
	}
	if k == nil {
		if len(e.alone) >= maxRecent {
			return
		}
		e.alone = append(e.alone, kindCount{set: set})
		k = &e.alone[len(e.alone)-1]
	}
	k.last = now
	if o == Success && !k.success || o == Refusal && !k.refused {
		k.success = k.success || o == Success
		k.refused = k.refused || o == Refusal
		e.version++
	}
}

// Discriminates reports whether the endpoint is known to let in who has a good
// credential, at least three times, and to refuse who has none or a bad one.
func (e *Endpoint) Discriminates(now capture.Time) bool {
	e = e.resolve()
	if e.overflow {
		return false
	}
	if _, ok := e.advance(now); !ok || e.count(Good, Success) < 3 {
		return false
	}
	// A credential that looks good and got 401 was a bad one.
	if e.says401 || e.refused {
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

// open reports whether the endpoint answers everybody.
func (e *Endpoint) open(now capture.Time) bool {
	n := e.count(None, Success)
	return n >= 3 && n > e.count(None, Refusal) && e.sharesShape(now)
}

// sharesShape reports whether a request without any credential got what those
// with a good one get, or whether nobody with a good one was seen at all.
func (e *Endpoint) sharesShape(now capture.Time) bool {
	if len(e.good) == 0 {
		return len(e.anonymous) > 0
	}
	for i := range e.anonymous {
		if now.Sub(e.anonymous[i].last) <= Memory && e.good.has(e.anonymous[i].value, now) {
			return true
		}
	}
	return false
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
}

// Judge says whether an attempt was accepted, by what is known now
// (CATALOGUE.md, 1.4).
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
	if a.Status >= 300 && a.Status < 400 && // (d)
		(a.Status == 301 || a.Status == 308 || !e.places.has(a.Location, now)) {
		return Unknown
	}
	sure := e.Discriminates(now)
	if t.OtherKinds > 0 { // (a)
		seen, suffices := e.others(t, now)
		if suffices {
			return Unknown
		}
		sure = sure && seen
	}
	if sure && a.Marks&Midstream == 0 && !e.sharesShape(now) && e.good.has(a.Shape, now) {
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
			if k := &e.alone[i]; k.set == set && now.Sub(k.last) <= Memory {
				suffices = suffices || k.success
				seen = seen || set == t.Others
			}
		}
	}
	return seen, suffices
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
		from, to := &o.counts[day%memoryDays], &e.counts[day%memoryDays]
		for p := range to {
			for k := range to[p] {
				to[p][k] += from[p][k]
			}
		}
	}
	merge(&e.good, o.good)
	merge(&e.anonymous, o.anonymous)
	merge(&e.codes, o.codes)
	merge(&e.types, o.types)
	merge(&e.places, o.places)
	for _, k := range o.alone {
		if k.success {
			e.learnAlone(k.set, Success, k.last)
		}
		if k.refused {
			e.learnAlone(k.set, Refusal, k.last)
		}
	}
	merge(&e.filtered, o.filtered)
	e.says401 = e.says401 || o.says401
	e.refused = e.refused || o.refused
	if e.login == nil {
		e.login = o.login
	}
	e.version += o.version + 1
	*o = Endpoint{method: o.method, into: e}
}

func merge[T comparable](to *recent[T], from recent[T]) {
	for _, v := range from {
		to.add(v.value, v.last)
	}
}
