package pipeline

import (
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
)

func TestClock(t *testing.T) {
	const day = capture.Time(24 * time.Hour)
	at := func(n int, times ...capture.Time) (all []capture.Time) {
		for range n {
			all = append(all, times...)
		}
		return all
	}
	for _, c := range []struct {
		name            string
		times           []capture.Time
		want            capture.Time
		backward, leaps uint64
	}{
		{"the largest time", []capture.Time{5, 9, 7}, 9, 1, 0},
		{"a day is no leap", []capture.Time{5, 5 + day}, 5 + day, 0, 0},
		{"99 packets do not agree enough", append([]capture.Time{5}, at(99, 6+day)...), 5, 0, 99},
		{"100 do", append([]capture.Time{5}, at(100, 6+day)...), 6 + day, 0, 100},
		{"100 that are not in a row do not", append([]capture.Time{5}, at(100, 7+day, 6)...), 6, 100, 100},
		{"100 that do not agree with each other do not", append([]capture.Time{5}, at(50, 6+day, 6+5*day)...), 5, 49, 100},
		{"after a leap the clock goes on from there", append(append([]capture.Time{5}, at(100, 6+day)...), 9, 2*day), 2 * day, 1, 100},
		{"the end of time", []capture.Time{-1 << 63, 1<<63 - 1}, -1 << 63, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var k clock
			for _, at := range c.times {
				k.packet(0, at)
			}
			if k.now != c.want || k.backward != c.backward || k.leaps != c.leaps {
				t.Errorf("clock %d, %d backward, %d leaps; want %d, %d, %d", k.now, k.backward, k.leaps, c.want, c.backward, c.leaps)
			}
		})
	}
}

// Inputs that interleave run backwards only when one of them does.
func TestClockByInput(t *testing.T) {
	var k clock
	k.packet(0, 10)
	k.packet(1, 5)
	k.packet(1, 6)
	k.packet(0, 11)
	if k.backward != 0 || k.now != 11 {
		t.Errorf("clock %d, %d backward", k.now, k.backward)
	}
}

func TestSecond(t *testing.T) {
	for _, c := range []struct{ in, want capture.Time }{{0, 0}, {999_999_999, 0}, {1_000_000_000, 1_000_000_000}, {-1, -1_000_000_000}} {
		if got := second(c.in); got != c.want {
			t.Errorf("%d: %d, want %d", c.in, got, c.want)
		}
	}
}
