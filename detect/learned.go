package detect

import "github.com/authtap/authtap/capture"

// Save gives what is known of endpoints at a time (endpoint.Map.Save).
func (e *Engine) Save(now capture.Time) []byte { return e.endpoints.Save(now) }

// Load adds what Save gave, before the first exchange. On an error nothing is
// added.
func (e *Engine) Load(b []byte) error { return e.endpoints.Load(b) }

// Clock is the packet time of the latest mark.
func (e *Engine) Clock() capture.Time { return e.clock }
