package main

import (
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/metrics"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/store"
)

// heartbeatEvery is how often a live sensor says that it lives.
const heartbeatEvery = time.Minute

// pulse gives the function that sends a heartbeat with all counters that are
// not zero.
func (p *program) pulse(o detect.Options, d *delivery) func(*statistics) {
	started := detect.Timestamp(capture.TimeOf(time.Now()))
	// A keyed hash as any, of a name that no account has.
	key := credential.NewFinder(credential.Options{Key: o.Key}).PrincipalID("\x00fingerprint of the key").String()
	return func(s *statistics) {
		all := map[string]uint64{}
		for _, c := range metrics.Of(s) {
			if c.Number > 0 {
				all[c.Path()] = c.Number
			}
		}
		// That the queue is full is counted; a heartbeat is no reason to end.
		_ = d.batcher.Heartbeat(store.Heartbeat{
			Sensor: o.Sensor, Time: detect.Timestamp(capture.TimeOf(time.Now())), Started: started,
			Version: buildVersion(), Key: key, Counters: all,
		})
	}
}
