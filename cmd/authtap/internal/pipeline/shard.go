package pipeline

import (
	"slices"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/coverage"
	"github.com/authtap/authtap/reassembly/exchange"
)

// timed marks the index of what a timer brought about. It comes behind what
// the mark's packet did, and then in the order in which requests began, which
// is the same for any number of shards.
const timed = 1 << 63

// shard is what a shard's goroutine runs.
func shard[R any](opt *Options[R], i int, rounds <-chan *round[R]) {
	var (
		p       *part[R]
		at      reassembly.Order // of the next result of the segment at hand
		timers  bool
		inspect = opt.NewInspect()
		count   uint64
	)
	order := func(began reassembly.Origin) reassembly.Order {
		if timers {
			at.Index = timed | began.Order
		}
		o := at
		at.Index++
		return o
	}
	streams := opt.NewStreams(Emit{
		Exchange: func(x *exchange.Exchange) {
			count++
			if inspect.Exchange != nil {
				x.Order = order(x.Origin)
				p.results = append(p.results, result[R]{x.Order, inspect.Exchange(x)})
			}
			x.Request.Body.Bytes, x.Response.Body.Bytes = nil, nil // they were lent
		},
		Handshake: func(h *exchange.Handshake) {
			if inspect.Handshake != nil {
				h.Order = order(h.Origin)
				p.results = append(p.results, result[R]{h.Order, inspect.Handshake(h)})
			}
		},
	})
	for r := range rounds {
		p, timers = &r.parts[i], false
		if inspect.Done != nil {
			for j := range p.results {
				if x := inspect.Done(p.results[j].value); x != nil {
					streams.Reuse(x)
				}
			}
		}
		clear(p.results)
		p.results = p.results[:0]
		for j := range p.segments {
			seg := &p.segments[j]
			at = reassembly.Order{Packet: seg.Origin.Order}
			streams.Segment(seg)
		}
		if r.mark.Tick || r.mark.Last {
			n := len(p.results)
			at.Packet, timers = r.mark.Packet, true
			origin := reassembly.Origin{Order: r.mark.Packet, Time: r.mark.Clock}
			if r.mark.Last {
				streams.Close(origin)
			} else {
				streams.Tick(origin)
			}
			slices.SortStableFunc(p.results[n:], func(a, b result[R]) int { return a.order.Compare(b.order) })
		}
		if r.mark.change != nil && inspect.Change != nil {
			inspect.Change(r.mark.change)
		}
		if r.mark.report || r.mark.Last {
			p.stats = streams.Stats()
			p.stats.Exchanges = count
			if inspect.Stats != nil {
				p.stats.Credentials = inspect.Stats()
			}
			p.coverage = coverage.Table{}
			p.coverage.Add(streams.Coverage())
		}
		r.busy.Done()
	}
}
