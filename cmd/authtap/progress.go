package main

import (
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/authtap/authtap/capture"
)

// bar shows how far a source has been read, from a goroutine of its own.
// Without a terminal it does nothing.
type bar struct {
	shown         *progressbar.ProgressBar
	stop, stopped chan struct{}
}

// progress starts the bar of a task that reads files.
func (p *program) progress(t *task) *bar {
	total := t.sources[0].Stats().BytesExpected
	if p.stderrWidth == 0 || t.taps != nil || total == 0 {
		return &bar{}
	}
	b := &bar{
		stop: make(chan struct{}), stopped: make(chan struct{}),
		shown: progressbar.NewOptions64(int64(total),
			progressbar.OptionSetWriter(p.stderr),
			progressbar.OptionSetDescription("reading"),
			progressbar.OptionShowBytes(true),
			progressbar.OptionSetWidth(min(30, p.stderrWidth/3)),
			progressbar.OptionSetPredictTime(true),
		),
	}
	go b.run(t.sources[0])
	return b
}

func (b *bar) run(source capture.Source) {
	defer close(b.stopped)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case <-tick.C:
			b.shown.Set64(int64(source.Stats().BytesRead))
		}
	}
}

// clear takes the bar away until it moves on, so that something can be said.
func (b *bar) clear() {
	if b.shown != nil {
		b.shown.Clear()
	}
}

// close takes the bar away for good.
func (b *bar) close() {
	if b.shown == nil {
		return
	}
	close(b.stop)
	<-b.stopped
	b.shown.Clear()
}
