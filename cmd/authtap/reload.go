package main

import (
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/custom"
)

// change is another configuration, on its way to all that change with it.
type change struct {
	settings config.Settings
	options  detect.Options
	rules    *custom.Set
}

// reloads reads the configuration again whenever there is a SIGHUP. What is
// wrong with it is told, and leaves the one so far in force.
type reloads struct {
	p             *program
	now           config.Settings // in force, or on the way
	read          func() (config.Settings, error)
	options       func(*config.Settings) (detect.Options, *custom.Set, error)
	pending       atomic.Pointer[change]
	done, refused atomic.Uint64
}

// reloadStats count reloads: those that are in force, and those with a mistake.
type reloadStats struct{ Done, Refused uint64 }

// watch begins to reload until stop is called.
func (r *reloads) watch() (stop func()) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-hup:
				r.reload()
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(hup)
		close(done)
		<-ended
	}
}

func (r *reloads) reload() {
	next, err := r.read()
	if err != nil {
		r.refuse(err)
		return
	}
	settings, restart := r.now.Reloaded(&next)
	options, rules, err := r.options(&settings)
	if err == nil {
		_, err = detect.NewEngine(options) // whether it can be
	}
	if err != nil {
		r.refuse(err)
		return
	}
	if len(restart) > 0 {
		r.p.warn("only a new start changes %s", strings.Join(restart, ", "))
	}
	r.now = settings
	r.pending.Store(&change{settings, options, rules})
}

func (r *reloads) refuse(err error) {
	r.refused.Add(1)
	r.p.warn("the configuration stays as it is: %v", err)
}

// take gives a change that waits; nil for none. The pipeline asks it before
// each mark.
func (r *reloads) take() any {
	if r.pending.Load() == nil {
		return nil
	}
	return r.pending.Swap(nil)
}
