package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/cmd/authtap/internal/pipeline"
)

// Budgets for memory where none is set.
const (
	budgetLive  config.Size = 512 << 20
	budgetFiles config.Size = 192 << 20
)

// budget gives the budget for memory.
func budget(s *config.Settings, live bool) config.Size {
	switch {
	case s.Memory > 0:
		return s.Memory
	case live:
		return budgetLive
	}
	return budgetFiles
}

// shards gives the number of shards: as many as there are cores. The source
// and the correlator take less than one between them, and where that is not
// so the scheduler shares. A replay that decrypts has one: what a shard learns
// of TLS sessions helps the others, and when is to be the same in each run.
func shards(s *config.Settings, live bool) int {
	switch {
	case s.Shards > 0:
		return s.Shards
	case !live && opensTLS(s):
		return 1
	}
	return runtime.GOMAXPROCS(0)
}

// useMemory tells the runtime how much it may take. A fifth of the budget is
// left to what the runtime does not count, such as the program's own text.
// What comes and goes fills all of the heap before the collector runs, and is
// found faster on huge pages.
func useMemory(b config.Size) {
	limit := int64(b) / 5 * 4
	hugePages(int(min(limit, mostHuge)))
	debug.SetMemoryLimit(limit)
}

// mostHuge bounds the part of the heap that huge pages are asked for.
const mostHuge = 256 << 20

// task is what the commands that read traffic have in common.
type task struct {
	settings config.Settings
	sources  []capture.Source
	// taps are what the sources capture with; nil for files.
	taps []tap
	// bodies says that bodies are looked at.
	bodies bool
	// judged and delivered add to the statistics what stands behind the
	// pipeline: what the correlator owns, and what anybody may ask at any time.
	// nil: nothing does.
	judged, delivered func(*statistics)
	// beat takes the statistics at the beginning and every minute; nil for
	// none.
	beat func(*statistics)
	// coverage prints what was seen of each server; nil tells of it where much
	// was lost.
	coverage func(*pipeline.Stats) error
}

// runPipeline runs a task with what opt says of shards and correlator. It
// tells damage as it is met and the statistics at the end.
func runPipeline[R any](ctx context.Context, p *program, t task, opt pipeline.Options[R]) error {
	live := t.taps != nil
	memory := budget(&t.settings, live)
	useMemory(memory)
	usr1 := make(chan os.Signal, 1)
	signal.Notify(usr1, syscall.SIGUSR1)
	defer signal.Stop(usr1)
	if live {
		p.say("listening on %s", strings.Join(t.sources[0].Inputs(), ", "))
	}

	secrets, stop, err := p.tlsSecrets(&t)
	if err != nil {
		return err
	}
	defer stop()
	bar := p.progress(&t)
	failed := false
	opt.Sources, opt.Live, opt.Shards = t.sources, live, shards(&t.settings, live)
	opt.Filter = t.settings.InnerFilter.Filter
	opt.Decode = decoding(&t.settings, memory, len(t.sources))
	opt.NewStreams = pipeline.StreamsOf(limits(&t.settings, memory, t.bodies, opt.Shards), secrets)
	opt.Failed = func(err error) {
		failed = true
		bar.clear()
		p.warn("%v", err)
	}
	if live {
		dropped, mark := drops{taps: t.taps, say: p.warn}, opt.Mark
		opt.Mark = func(m pipeline.Mark) error {
			dropped.at(m.Clock)
			return mark(m)
		}
	}
	// all completes what the pipeline counted; the correlator's goroutine calls
	// it.
	all := func(stats pipeline.Stats) *statistics {
		s := &statistics{Stats: stats}
		if secrets != nil {
			known := secrets.Stats()
			s.Secrets = &known
		}
		if t.judged != nil {
			t.judged(s)
		}
		if t.delivered != nil {
			t.delivered(s)
		}
		return s
	}
	asked := newAsked(t.delivered)
	if t.settings.Listen != "" {
		server, err := p.listen(ctx, string(t.settings.Listen), asked)
		if err != nil {
			return err
		}
		defer server.Close()
	}
	var say atomic.Bool
	var beats <-chan time.Time
	begun := t.beat == nil
	if t.beat != nil {
		ticker := time.NewTicker(heartbeatEvery)
		defer ticker.Stop()
		beats = ticker.C
	}
	var beat atomic.Bool
	opt.Report = func() bool {
		if !begun {
			begun = true
			beat.Store(true)
		}
		select {
		case <-usr1:
			say.Store(true)
		case <-beats:
			beat.Store(true)
		default:
		}
		return say.Load() || beat.Load() || asked.wanted()
	}
	report := func(s *statistics) {
		p.statistics(s, t.taps, t.coverage == nil)
	}
	opt.Reported = func(stats pipeline.Stats) {
		s := all(stats)
		if beat.Swap(false) {
			t.beat(s)
		}
		if say.Swap(false) {
			report(s)
		}
		asked.answer(s)
	}
	stats, err := pipeline.Run(ctx, opt)
	bar.close()
	report(all(stats))
	if err == nil && t.coverage != nil {
		err = t.coverage(&stats)
	}
	if err == nil && failed {
		err = errTold
	}
	if err != nil && !errors.Is(err, errTold) {
		err = fmt.Errorf("after %d packets: %w", stats.Source.Packets, err)
	}
	return err
}
