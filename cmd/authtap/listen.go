package main

import (
	"context"
	"errors"
	"sync"

	"github.com/authtap/authtap/cmd/authtap/internal/metrics"
)

// listen answers questions after metrics and health while a run lasts.
func (p *program) listen(ctx context.Context, address string, a *asked) (*metrics.Server, error) {
	server, err := metrics.Listen(address, metrics.Options{
		Version: buildVersion(), Statistics: a.ask,
		Ready: func() error {
			if ctx.Err() != nil {
				return errors.New("the run is ending")
			}
			return nil
		},
	})
	if err == nil {
		p.say("metrics are at http://%s/metrics", server.Addr())
	}
	return server, err
}

// asked hands the statistics, which the correlator makes, to whoever asks for
// them.
type asked struct {
	delivered func(*statistics) // nil: nothing is delivered
	mu        sync.Mutex
	last      *statistics
	waiting   chan struct{} // closed by the next answer; nil: nobody waits
}

func newAsked(delivered func(*statistics)) *asked { return &asked{delivered: delivered} }

// ask gives the statistics as of now, or when ctx is done before somebody makes
// them, the last ones, with what can be asked at any time.
func (a *asked) ask(ctx context.Context) (any, bool) {
	a.mu.Lock()
	if a.waiting == nil {
		a.waiting = make(chan struct{})
	}
	answered := a.waiting
	a.mu.Unlock()
	now := false
	select {
	case <-answered:
		now = true
	case <-ctx.Done():
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s := new(statistics)
	if a.last != nil {
		*s = *a.last
	}
	if a.delivered != nil {
		a.delivered(s)
	}
	return s, now
}

// wanted reports whether somebody waits.
func (a *asked) wanted() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.waiting != nil
}

// answer gives statistics to all who wait.
func (a *asked) answer(s *statistics) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = s
	if a.waiting != nil {
		close(a.waiting)
		a.waiting = nil
	}
}
