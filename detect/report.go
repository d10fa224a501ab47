package detect

import (
	"slices"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/endpoint"
)

// report makes a finding of a report, or adds it to the one that is open.
func (e *Engine) report(p *Pass, r Report) {
	if r.Key == "" {
		e.stats.Unkeyed++
		r.Key = Key(p.Host(), p.Endpoint())
	}
	d := p.detector
	p.showing.reported()
	judged := d.Attempt && !r.Posture && r.Verdict == 0
	if judged && !r.ByLogin && !d.Genuine {
		e.suspect = true
	}
	if p.off {
		return
	}
	now := p.Now()
	key := recordKey{d.Name, r.Key}
	rec := e.open[key]
	if rec != nil && now.Sub(rec.last) > Closed {
		e.close(rec)
		rec = nil
	}
	before := Verdict(0)
	if rec == nil {
		rec = newRecord(p, &r, key)
		e.open[key] = rec
		if len(e.open) > e.options.MaxFindings {
			e.stats.Evicted++
			e.close(e.order.Front().Value.(*record))
		}
		rec.place = e.order.PushBack(rec)
	} else {
		before = rec.verdict
		rec.add(p, &r)
		e.order.MoveToBack(rec.place)
	}
	e.happen(rec, now)
	switch {
	case judged || r.ByLogin || r.Posture && len(r.Only) > 0:
		if rec.keep(p, &r) {
			e.byEnd[p.endpoint.Canonical()] = append(e.byEnd[p.endpoint.Canonical()], rec)
		}
		rec.judge(now)
	case r.Verdict != 0:
		rec.verdict = max(rec.verdict, r.Verdict)
	default:
		// What the server itself shows needs no verdict any more.
		rec.verdict, rec.observed, rec.only = Observed, true, nil
	}
	if rec.verdict > before {
		rec.describe(p, &r)
	}
	e.tell(rec, before)
}

// tell emits a finding when it is new, when its verdict or severity changed,
// and else with growing distance: whenever its count has doubled.
func (e *Engine) tell(r *record, before Verdict) {
	if !r.due() {
		return
	}
	if r.verdict != before || r.severity() != r.toldSeverity || r.told == 0 || r.count >= 2*r.told || r.released() {
		e.emit(r)
	}
}

func (e *Engine) emit(r *record) {
	f := r.finding(e.options.Sensor)
	if s := e.suppressed(r, &f); s != nil {
		r.suppressed, r.until, r.suppressedFor = true, s.Until, r.several
		r.told, r.toldVersion, r.toldSeverity = r.count, r.version, r.severity()
		if e.options.Suppress != nil {
			e.options.Suppress(f, s)
		}
		return
	}
	if r.told == 0 || r.suppressed {
		e.stats.Findings++
	}
	r.suppressed = false
	r.told, r.toldVersion, r.toldSeverity = r.count, r.version, r.severity()
	e.stats.Versions++
	if e.options.Emit != nil {
		e.options.Emit(f)
	}
	e.occurred(r)
}

// close tells the last version of a finding and forgets it.
func (e *Engine) close(r *record) {
	if r.due() && r.version != r.toldVersion {
		e.emit(r)
	}
	e.occurred(r)
	delete(e.open, r.key)
	e.order.Remove(r.place)
	for _, t := range r.attempts {
		end := t.endpoint.Canonical()
		if rest := slices.DeleteFunc(e.byEnd[end], func(o *record) bool { return o == r }); len(rest) > 0 {
			e.byEnd[end] = rest
		} else {
			delete(e.byEnd, end)
		}
	}
}

// rejudge looks again at the open findings of an endpoint of which something
// was learned.
func (e *Engine) rejudge(end *endpoint.Endpoint, now capture.Time) {
	for _, r := range e.byEnd[end.Canonical()] {
		before := r.verdict
		r.judge(now)
		if r.verdict != before {
			r.version++
			e.tell(r, before)
		}
	}
}

// reindex follows endpoints that were merged.
func (e *Engine) reindex() {
	clear(e.attemptKeys)
	if e.ledgers != nil {
		e.ledgers.merged()
	}
	old := e.byEnd
	e.byEnd = make(map[*endpoint.Endpoint][]*record, len(old))
	for front := e.order.Front(); front != nil; front = front.Next() {
		r := front.Value.(*record)
		for _, t := range r.attempts {
			end := t.endpoint.Canonical()
			if !slices.Contains(e.byEnd[end], r) {
				e.byEnd[end] = append(e.byEnd[end], r)
			}
		}
	}
}
