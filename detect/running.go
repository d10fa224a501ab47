package detect

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/authtap/authtap/detect/window"
)

type running struct {
	*Detector
	values Values
	state  any
	refs   []string
	// overrides of values, and what those together make that were met.
	overrides []Override
	merged    map[uint64]Values
	// content is the detector's bit of Inspection.content, 0 where it has no
	// Content.
	content uint64
}

// sharedWindow is a window and the detectors that ask it, the first of which
// feeds it.
type sharedWindow struct {
	set    *window.Set
	span   time.Duration
	askers []asker
}

type asker struct {
	detector *running
	crossed  func(*Pass, string, *window.Summary)
}

// arrange fills an engine that has no detectors yet with those of its options.
// What they keep is taken over from the engine before, if there is one.
func (e *Engine) arrange(before *Engine) error {
	o := &e.options
	known := make(map[string]bool)
	list, contents := sorted(o.Detectors), 0
	for i := range list {
		d := &list[i]
		if err := d.Validate(); err != nil {
			return err
		}
		if known[d.Name] {
			return fmt.Errorf("detector %q is there twice", d.Name)
		}
		known[d.Name] = true
		r := &running{Detector: d, values: d.Defaults(), refs: d.References()}
		if err := r.configure(o.Settings[d.Name]); err != nil {
			return err
		}
		if err := r.override(o.Overrides[d.Name]); err != nil {
			return err
		}
		if d.Content != nil {
			if contents == 64 {
				return fmt.Errorf("detector %s: more than 64 detectors ask for the content of messages", d.Name)
			}
			r.content = 1 << contents
			contents++
		}
		if d.State != nil {
			r.state = d.State(r.values)
		}
		if old := before.find(d.Name); old != nil && reflect.DeepEqual(old.values, r.values) && reflect.TypeOf(old.state) == reflect.TypeOf(r.state) {
			r.state = old.state
		}
		for _, w := range d.Windows {
			shared := e.windows[w.Name]
			if old := before.window(w.Name); shared == nil && old != nil && old.span == w.Span {
				shared = &sharedWindow{old.set, old.span, nil}
				e.windows[w.Name] = shared
			}
			if shared == nil {
				shared = &sharedWindow{window.New(window.Options{Span: w.Span, Keys: o.WindowKeys, Budget: e.budget}), w.Span, nil}
				e.windows[w.Name] = shared
			}
			if shared.span != w.Span {
				return fmt.Errorf("detector %s: its window %s spans %v, another detector's %v", d.Name, w.Name, w.Span, shared.span)
			}
			shared.askers = append(shared.askers, asker{r, w.Crossed})
		}
		e.running = append(e.running, r)
		if d.Token != nil {
			e.onTokens = append(e.onTokens, r)
		}
	}
	slices.SortStableFunc(e.onTokens, func(a, b *running) int {
		switch {
		case a.Attempt == b.Attempt:
			return 0
		case a.Attempt:
			return -1
		}
		return 1
	})
	e.suppressions = make([]Suppressed, len(o.Suppressions))
	for _, name := range slices.Concat(slices.Collect(maps.Keys(o.Settings)), slices.Collect(maps.Keys(o.Overrides))) {
		if !known[name] {
			return fmt.Errorf("settings for detector %q: there is none of that name, or it is off", name)
		}
	}
	return nil
}

// configure replaces options by settings of the same type.
func (r *running) configure(settings Values) error {
	if err := r.fits(settings); err != nil {
		return err
	}
	maps.Copy(r.values, settings)
	return nil
}

// override takes the detector's overrides.
func (r *running) override(list []Override) error {
	if len(list) > maxOverrides {
		return fmt.Errorf("detector %s has %d overrides, more than %d", r.Name, len(list), maxOverrides)
	}
	for i := range list {
		if err := r.fits(list[i].Values); err != nil {
			return err
		}
	}
	if len(list) > 0 {
		r.overrides, r.merged = list, map[uint64]Values{}
	}
	return nil
}

// fits checks the names and types of settings.
func (r *running) fits(settings Values) error {
	for name, v := range settings {
		have, ok := r.values[name]
		if !ok {
			return fmt.Errorf("detector %s has no option %q", r.Name, name)
		}
		if fmt.Sprintf("%T", have) != fmt.Sprintf("%T", v) {
			return fmt.Errorf("detector %s: option %s takes a %T, not %v", r.Name, name, have, v)
		}
	}
	return nil
}

// needing gives the detectors that an exchange with these properties is shown
// to. There are few combinations of them.
func (e *Engine) needing(has Needs) []*running {
	list, ok := e.byNeeds[has]
	if !ok {
		for _, d := range e.running {
			if d.Needs&has != 0 && d.Exchange != nil {
				list = append(list, d)
			}
		}
		e.byNeeds[has] = list
	}
	return list
}
