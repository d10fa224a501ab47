package pipeline

import (
	"errors"
	"io"
	"sync/atomic"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/decode"
)

// reader is what a source's goroutine runs: it reads, decodes and fills rounds.
// Its clock and its count of packets are its own; the sequence makes those of
// the run of them.
type reader[R any] struct {
	opt      *Options[R]
	source   capture.Source
	stop     *atomic.Bool
	sequence *sequence[R]
	round    *round[R] // the one being filled
	decoder  decode.Decoder
	clock    clock
	second   capture.Time // that the clock has come to, once it runs
	running  bool
	packets  uint64 // of this source
	filtered uint64 // segments that the filter left out

	// The sequence's, under its lock: packets in rounds that were sent, and
	// what was counted when the reader last came by.
	sent  uint64
	stats ReaderStats
}

// read reads until the source ends or stop is set. The last round is sent in
// any case.
func (s *reader[R]) read() {
	var p capture.Packet
	var seg reassembly.Segment
	for !s.stop.Load() {
		if err := s.source.Next(&p); err == nil {
			s.clock.packet(p.Input, p.Time)
			s.tick()
			s.packets++
			if s.decoder.Decode(&p, &seg) == decode.Segment {
				s.add(&seg, p.Time)
			}
			if s.full(p.Time) {
				s.end()
			}
		} else if errors.Is(err, capture.ErrQuiet) {
			s.clock.quiet(p.Time)
			s.tick()
			s.end()
		} else if errors.Is(err, io.EOF) {
			break
		} else {
			s.sequence.failed(err)
		}
	}
	s.sequence.last(s)
}

// add puts a segment into the round, if the filter lets it through.
func (s *reader[R]) add(seg *reassembly.Segment, at capture.Time) {
	if s.opt.Filter != nil && !s.opt.Filter(&seg.Key) {
		s.filtered++
		return
	}
	r := s.round
	if r.size == 0 {
		r.first = at
	}
	i := 0
	if len(r.parts) > 1 {
		i = int(seg.Key.Hash() % uint32(len(r.parts)))
	}
	r.parts[i].add(seg)
	r.size++
	r.bytes += len(seg.Payload)
}

// full says whether the round is to end, at the time of a packet.
func (s *reader[R]) full(at capture.Time) bool {
	r := s.round
	return r.size >= roundSegments || r.bytes >= roundBytes ||
		s.opt.Live && r.size > 0 && at.Sub(r.first) >= MaxDelay
}

// tick ends the round where the clock has come to another second, before the
// packet that brought it there.
func (s *reader[R]) tick() {
	if !s.clock.started {
		return
	}
	now := second(s.clock.now)
	switch {
	case !s.running:
		s.sequence.begin(s.clock.now)
	case now != s.second:
		s.end()
	}
	s.second, s.running = now, true
}

// end sends the round, if it is of use to anybody, and takes an empty one.
func (s *reader[R]) end() {
	if s.sequence.send(s) {
		s.round = <-s.sequence.free
	}
}
