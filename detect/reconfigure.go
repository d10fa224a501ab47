package detect

import "errors"

// Reconfigure puts other options in force, between two calls: other detectors,
// settings and bounds. Open findings, windows, endpoints and issuers stay, and
// what a detector keeps, where its settings are the same; of a detector that is
// off, open findings are closed when their time comes. Key, Sensor and Live must
// be as they were. On an error nothing has changed.
func (e *Engine) Reconfigure(o Options) error {
	old := &e.options
	if o.Key != old.Key || o.Sensor != old.Sensor || o.Live != old.Live {
		return errors.New("key, sensor and kind of a run do not change")
	}
	next := *e
	next.options = o.complete()
	next.running, next.onTokens = nil, nil
	next.windows, next.byNeeds = make(map[string]*sharedWindow), make(map[Needs][]*running)
	if err := next.arrange(e); err != nil {
		release(next.windows, e.windows)
		return err
	}
	release(e.windows, next.windows)
	for _, r := range e.open {
		r.suppressedFor = ^r.several // its suppression is looked for again
		if now := next.find(r.detector.Name); now != nil {
			r.detector = now
		}
	}
	for i := range next.jobs {
		if now := next.find(next.jobs[i].pass.detector.Name); now != nil {
			next.jobs[i].pass.look(now)
		}
	}
	next.endpoints.Redeclare(next.options.declared())
	*e = next
	for len(e.open) > e.options.MaxFindings {
		e.stats.Evicted++
		e.close(e.order.Front().Value.(*record))
	}
	return nil
}

// release gives the memory of windows back that are not kept.
func release(windows, kept map[string]*sharedWindow) {
	for name, w := range windows {
		if k := kept[name]; k == nil || k.set != w.set {
			w.set.Close()
		}
	}
}

// find gives a detector that runs; nil where there is none.
func (e *Engine) find(name string) *running {
	if e == nil {
		return nil
	}
	for _, r := range e.running {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// window gives a window that is fed; nil where there is none.
func (e *Engine) window(name string) *sharedWindow {
	if e == nil {
		return nil
	}
	return e.windows[name]
}
