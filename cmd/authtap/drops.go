package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/authtap/authtap/capture"
)

// tap is a source of a live capture: an interface, or a ring of one.
type tap interface {
	capture.Source
	capture.Stopper
	Name() string
}

// drops tells of packets that the kernel dropped while they are being lost, not
// more often than dropsEvery.
type drops struct {
	taps  []tap
	told  []uint64 // of each, what was told
	begun bool
	again capture.Time // when the next may be told
	say   func(format string, args ...any)
}

const dropsEvery = 10 * time.Second

// at tells what was dropped since it told last, at a time of the clock.
func (d *drops) at(now capture.Time) {
	if d.begun && now < d.again {
		return
	}
	if d.told == nil {
		d.told = make([]uint64, len(d.taps))
	}
	var total uint64
	var where []string
	for i, tap := range d.taps {
		dropped := tap.Stats().KernelDropped
		if n := dropped - d.told[i]; n > 0 {
			total += n
			where = append(where, fmt.Sprintf("%d of %s", n, tap.Name()))
			d.told[i] = dropped
		}
	}
	if total > 0 {
		d.begun, d.again = true, now.Add(dropsEvery)
		d.say("the kernel dropped %d packets, which nobody has seen: %s; a larger --buffer or a filter may help", total, strings.Join(where, ", "))
	}
}
