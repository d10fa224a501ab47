package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/authtap/authtap/store/trigger"
)

// actWithin bounds the work of triggers on what is queued at the end of a run.
const actWithin = 30 * time.Second

// triggers act upon findings.
type triggers struct {
	*trigger.Triggers
	p *program
}

func (p *program) newTriggers(rules []trigger.Rule, proxies []netip.Prefix) (*triggers, error) {
	tell := p.troubles("trigger")
	t, err := trigger.New(sparing(rules, proxies), trigger.Options{
		Version: buildVersion(), Failed: func(rule string, err error) { tell(fmt.Errorf("%s: %w", rule, err)) },
	})
	return &triggers{t, p}, err
}

// sparing has trusted proxies never blocked: many come by one.
func sparing(rules []trigger.Rule, proxies []netip.Prefix) []trigger.Rule {
	rules = slices.Clone(rules)
	for i := range rules {
		if b := rules[i].Block; b != nil {
			with := *b
			with.Allow = slices.Concat(b.Allow, proxies)
			rules[i].Block = &with
		}
	}
	return rules
}

func (t *triggers) replace(rules []trigger.Rule, proxies []netip.Prefix) error {
	return t.Replace(sparing(rules, proxies))
}

// close works off what is queued. What cannot be done in time is told.
func (t *triggers) close() {
	ctx, cancel := context.WithTimeout(context.Background(), actWithin)
	defer cancel()
	if err := t.Close(ctx); err != nil {
		t.p.warn("%v", err)
	}
}
