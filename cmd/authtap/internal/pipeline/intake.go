package pipeline

import (
	"sync"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/coverage"
	"github.com/authtap/authtap/reassembly/decode"
)

// intake reads a source and decodes its packets.
type intake struct {
	source   capture.Source
	filter   func(*reassembly.FlowKey) bool
	decoder  *decode.Decoder
	filtered uint64 // segments that the filter left out

	mu   sync.Mutex
	quic coverage.Table // packets of QUIC
}

// next reads the next packet, and says whether it holds a segment that is to be
// looked at.
func (in *intake) next(p *capture.Packet, seg *reassembly.Segment) (bool, error) {
	if err := in.source.Next(p); err != nil {
		return false, err
	}
	found := in.decoder.Decode(p, seg)
	if found == decode.QUIC && (in.filter == nil || in.filter(&seg.Key)) {
		in.mu.Lock()
		in.quic.QUIC(decode.QUICServer(seg))
		in.mu.Unlock()
	}
	if found != decode.Segment {
		return false, nil
	}
	if in.filter != nil && !in.filter(&seg.Key) {
		in.filtered++
		return false, nil
	}
	return true, nil
}

// cover adds what was seen but is not rebuilt. It may be called meanwhile.
func (in *intake) cover(t *coverage.Table) {
	in.mu.Lock()
	defer in.mu.Unlock()
	t.Add(&in.quic)
}

func (in *intake) stats() ReaderStats {
	return ReaderStats{Source: in.source.Stats(), Decode: in.decoder.Stats(), Filtered: in.filtered}
}
