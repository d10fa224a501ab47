package pipeline

import (
	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/decode"
)

// intake reads a source and decodes its packets.
type intake struct {
	source   capture.Source
	filter   func(*reassembly.FlowKey) bool
	decoder  *decode.Decoder
	filtered uint64 // segments that the filter left out
}

// next reads the next packet, and says whether it holds a segment that is to be
// looked at.
func (in *intake) next(p *capture.Packet, seg *reassembly.Segment) (bool, error) {
	if err := in.source.Next(p); err != nil {
		return false, err
	}
	if in.decoder.Decode(p, seg) != decode.Segment {
		return false, nil
	}
	if in.filter != nil && !in.filter(&seg.Key) {
		in.filtered++
		return false, nil
	}
	return true, nil
}

func (in *intake) stats() ReaderStats {
	return ReaderStats{Source: in.source.Stats(), Decode: in.decoder.Stats(), Filtered: in.filtered}
}
