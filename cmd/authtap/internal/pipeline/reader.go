package pipeline

import (
	"errors"
	"io"
	"sync/atomic"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
)

// reader is what fills rounds: from a source, or from several that it merges.
type reader[R any] struct {
	opt     *Options[R]
	stop    *atomic.Bool
	send    func(*round[R])
	free    <-chan *round[R]
	round   *round[R] // the one being filled
	clock   clock
	second  capture.Time // up to which timers have fired, once the clock runs
	running bool
	packets uint64
	intakes []*intake
	// stats gives what sources and decoders have counted.
	stats func() ReaderStats
}

// read reads a source until it ends or stop is set.
func (s *reader[R]) read(in *intake) {
	s.stats = in.stats
	var p capture.Packet
	var seg reassembly.Segment
	for !s.stop.Load() {
		if found, err := in.next(&p, &seg); err == nil {
			s.clock.packet(p.Input, p.Time)
			s.tick()
			s.packets++
			if found {
				s.add(&seg)
			}
			if s.full(p.Time) {
				s.end()
			}
		} else if errors.Is(err, capture.ErrQuiet) {
			s.clock.quiet(p.Time)
			s.tick()
			s.end()
		} else if errors.Is(err, io.EOF) {
			return
		} else {
			s.opt.Failed(err)
		}
	}
}

// add puts a segment into the round.
func (s *reader[R]) add(seg *reassembly.Segment) {
	r := s.round
	if r.size == 0 {
		r.first = seg.Origin.Time
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
	if s.opt.Change != nil {
		r.mark.change = s.opt.Change()
	}
	if r.size == 0 && r.mark == (Mark{}) {
		return
	}
	r.mark.Packet = s.packets
	if !r.mark.Tick {
		r.mark.Clock = s.clock.now
	}
	if r.mark.report || r.mark.Last {
		r.stats = Stats{ReaderStats: s.stats()}
		r.stats.Backward, r.stats.Leaps = s.clock.backward, s.clock.leaps
		for _, in := range s.intakes {
			in.cover(&r.stats.Coverage)
		}
	}
	last := r.mark.Last
	s.send(r) // from here on it belongs to the others
	if !last {
		s.round = <-s.free
	}
}

// last ends the last round.
func (s *reader[R]) last() {
	s.round.mark.Last = true
	s.end()
}
