package detecttest

import (
	"bytes"
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/decode"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/http1"
	"github.com/authtap/authtap/reassembly/identify"
	"github.com/authtap/authtap/reassembly/reassemblytest"
	"github.com/authtap/authtap/reassembly/tlswire"
)

// secrets are read once: making them takes a while.
var secrets = sync.OnceValue(func() *credential.Secrets {
	s, err := credential.NewSecrets(nil)
	if err != nil {
		panic(err)
	}
	return s
})

// Replay takes packets the whole way, with the built-in weak secrets unless o
// has others, and gives the last version of each finding, ordered as authtap
// replay prints them. Options.Emit is not used.
func Replay(packets []reassemblytest.Packet, o detect.Options) ([]detect.Finding, error) {
	findings, _, err := replay(packets, o)
	return findings, err
}

// Learned does the same and gives what is then known of endpoints.
func Learned(packets []reassemblytest.Packet, o detect.Options) ([]byte, error) {
	_, engine, err := replay(packets, o)
	if err != nil {
		return nil, err
	}
	return engine.Save(engine.Clock()), nil
}

// Stats does the same and gives the engine's statistics.
func Stats(packets []reassemblytest.Packet, o detect.Options) (detect.Stats, error) {
	_, engine, err := replay(packets, o)
	if err != nil {
		return detect.Stats{}, err
	}
	return engine.Stats(), nil
}

func replay(packets []reassemblytest.Packet, o detect.Options) ([]detect.Finding, *detect.Engine, error) {
	last := map[string]detect.Finding{}
	o.Emit = func(f detect.Finding) { last[f.ID] = f }
	if o.Secrets == nil {
		o.Secrets = secrets()
	}
	engine, err := detect.NewEngine(o)
	if err != nil {
		return nil, nil, err
	}
	inspector := detect.NewInspector(o)
	var order reassembly.Order
	emit := func(x *exchange.Exchange) {
		x.Order = order
		order.Index++
		bodies := [...]*exchange.Body{&x.Request.Body, &x.Response.Body}
		for _, b := range bodies {
			b.Bytes = bytes.Clone(b.Bytes)
		}
		ins := inspector.Inspect(x)
		for _, b := range bodies { // they were lent
			for i := range b.Bytes {
				b.Bytes[i] = '~'
			}
		}
		engine.Exchange(ins)
		// Nobody but the engine may hold on to an exchange.
		if inspector.Done(ins) != nil {
			*x = exchange.Exchange{Request: spoilt, Response: spoilt}
		}
	}
	shard := http1.NewShard(http1.Limits{}, emit)
	tls := tlswire.NewShard(tlswire.Limits{}, func(h *exchange.Handshake) {
		h.Order = order
		order.Index++
		engine.Exchange(inspector.InspectHandshake(h))
	}, nil)
	table := identify.New(identify.Limits{}, shard.Protocol(), tls.Protocol(), tls.Plain())
	assembler := reassembly.New(reassembly.Limits{}, table.New)

	var (
		decoder decode.Decoder
		segment reassembly.Segment
		clock   capture.Time
		at      reassembly.Origin
	)
	for i := range packets {
		p := packets[i].Capture(uint64(i + 1))
		why := decoder.Decode(&p, &segment)
		at = reassembly.Origin{Order: uint64(i + 1), Number: p.Number, Time: p.Time}
		order = reassembly.Order{Packet: at.Order}
		if t := p.Time - p.Time%capture.Time(time.Second); t > clock {
			clock = t
			assembler.Tick(clock, at)
			engine.Mark(clock)
		}
		if why == decode.Segment {
			assembler.Segment(&segment)
		}
	}
	assembler.Shutdown(at)
	engine.Mark(at.Time)
	engine.Close()

	findings := make([]detect.Finding, 0, len(last))
	for _, f := range last {
		findings = append(findings, f)
	}
	slices.SortFunc(findings, func(a, b detect.Finding) int {
		return cmp.Or(cmp.Compare(a.FirstSeen, b.FirstSeen), cmp.Compare(a.ID, b.ID))
	})
	return findings, engine, nil
}

// spoilt is what a message becomes when it is over.
var spoilt = exchange.Message{Method: "SPOILT", Target: "/spoilt", Header: exchange.Header{{Name: "Spoilt", Value: "spoilt"}}}
