package main

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/pipeline"
)

// ring is a tap that drops packets.
type ring struct {
	tap
	name    string
	dropped uint64
}

func (r *ring) Name() string         { return r.name }
func (r *ring) Stats() capture.Stats { return capture.Stats{KernelDropped: r.dropped} }

// Drops are told when they happen, by ring, and not more often than every ten
// seconds; none is left out.
func TestDrops(t *testing.T) {
	one, two := &ring{name: "eth1 ring 0"}, &ring{name: "eth1 ring 1"}
	var told []string
	d := drops{taps: []tap{one, two}, say: func(format string, args ...any) {
		told = append(told, fmt.Sprintf(format, args...))
	}}
	const tail = "; a larger --buffer or a filter may help"
	for _, step := range []struct {
		at       time.Duration
		one, two uint64 // dropped since
		want     []string
	}{
		{-5 * time.Second, 0, 0, nil},
		{0, 3, 0, []string{"the kernel dropped 3 packets, which nobody has seen: 3 of eth1 ring 0" + tail}},
		{time.Second, 1, 1, nil},
		{9 * time.Second, 1, 0, nil},
		{10 * time.Second, 0, 0, []string{"the kernel dropped 3 packets, which nobody has seen: 2 of eth1 ring 0, 1 of eth1 ring 1" + tail}},
		{30 * time.Second, 0, 0, nil},
		{31 * time.Second, 0, 7, []string{"the kernel dropped 7 packets, which nobody has seen: 7 of eth1 ring 1" + tail}},
	} {
		one.dropped += step.one
		two.dropped += step.two
		told = nil
		d.at(capture.Time(step.at))
		if !slices.Equal(told, step.want) {
			t.Errorf("at %v: told %q, want %q", step.at, told, step.want)
		}
	}
}

// The statistics say which rings dropped.
func TestDropStatistics(t *testing.T) {
	for _, tt := range []struct {
		taps []tap
		want string
	}{
		{nil, "9 packets read\n"},
		{[]tap{&ring{name: "eth1", dropped: 5}}, "9 packets read\n5 packets dropped by the kernel\n"},
		{[]tap{&ring{name: "eth1"}, &ring{name: "eth2", dropped: 5}}, "9 packets read\n5 packets dropped by the kernel: 0 of eth1, 5 of eth2\n"},
	} {
		var stats pipeline.Stats
		stats.Source = capture.Stats{Packets: 9, KernelDropped: 5}
		var c counts
		c.pipeline(&stats, tt.taps)
		var out bytes.Buffer
		c.print(&out)
		if out.String() != tt.want {
			t.Errorf("%q, want %q", out.String(), tt.want)
		}
	}
}
