package pipeline

import (
	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly/decode"
)

// Stats counts what was done, from the source to the parsers.
type Stats struct {
	Source capture.Stats
	Decode decode.Stats
	// Backward packets were older than the one before them in the same input;
	// Leaps were more than a day ahead of the clock.
	Backward, Leaps uint64
	Streams         StreamStats
}

// StreamStats counts what the shards did.
type StreamStats struct {
	Exchanges uint64
}

func (s *StreamStats) add(t *StreamStats) {
	s.Exchanges += t.Exchanges
}
