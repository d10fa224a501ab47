package pipeline

import (
	"errors"
	"io"
	"sync/atomic"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/coverage"
	"github.com/authtap/authtap/reassembly/decode"
)

// reader is what the source's goroutine runs: it reads, decodes and fills
// rounds.
type reader[R any] struct {
	opt     *Options[R]
	stop    *atomic.Bool
	send    func(*round[R])
	free    <-chan *round[R]
	round   *round[R] // the one being filled
	decoder decode.Decoder
	// coverage counts the packets of QUIC.
	coverage coverage.Table
	clock    clock
	second   capture.Time // up to which timers have fired, once the clock runs
	running  bool
	packets  uint64
}

// read reads until the source ends or stop is set. The last round is sent in
// any case.
func (s *reader[R]) read() {
	var p capture.Packet
	var seg reassembly.Segment
	for !s.stop.Load() {
		if err := s.opt.Source.Next(&p); err == nil {
			s.clock.packet(p.Input, p.Time)
			s.tick()
			s.packets++
			switch s.decoder.Decode(&p, &seg) {
			case decode.Segment:
				s.add(&seg, p.Time)
			case decode.QUIC:
				s.coverage.QUIC(decode.QUICServer(&seg))
			}
		} else if errors.Is(err, capture.ErrQuiet) {
			s.clock.quiet(p.Time)
			s.tick()
			s.end()
		} else if errors.Is(err, io.EOF) {
			break
		} else {
			s.opt.Failed(err)
		}
	}
	s.round.mark.Last = true
	s.end()
}

// add puts a segment into the round, and ends the round when it is full.
func (s *reader[R]) add(seg *reassembly.Segment, at capture.Time) {
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
	if r.size >= roundSegments || r.bytes >= roundBytes || s.opt.Live && at.Sub(r.first) >= MaxDelay {
		s.end()
	}
}

// tick ends the round where the clock has come to another second, before the
// packet that brought it there.
func (s *reader[R]) tick() {
	if !s.clock.started {
		return
	}
	now := second(s.clock.now)
	if now != s.second && s.running {
		s.round.mark = Mark{Clock: now, Tick: true}
		s.end()
	}
	s.second, s.running = now, true
}

// end sends the round, if there is anything in it, and takes an empty one.
func (s *reader[R]) end() {
	r := s.round
	r.mark.report = s.opt.Report != nil && s.opt.Report()
	if r.size == 0 && r.mark == (Mark{}) {
		return
	}
	r.mark.Packet = s.packets
	if !r.mark.Tick {
		r.mark.Clock = s.clock.now
	}
	if r.mark.report || r.mark.Last {
		r.stats = Stats{Source: s.opt.Source.Stats(), Decode: s.decoder.Stats(), Backward: s.clock.backward, Leaps: s.clock.leaps}
		r.stats.Coverage.Add(&s.coverage)
	}
	last := r.mark.Last
	s.send(r) // from here on it belongs to the others
	if !last {
		s.round = <-s.free
	}
}
