package tlswire_test

import (
	"testing"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/tlswire"
)

// established gives a parser whose handshake is over, and the key's direction
// of the server.
func established(t testing.TB, open tlswire.Open) (reassembly.Parser, *tlswire.Shard) {
	s := tlswire.NewShard(tlswire.Limits{}, func(*exchange.Handshake) {}, open)
	var p reassembly.Parser
	feedParser(old(1), func(start *reassembly.Start) reassembly.Parser {
		p = s.New(start, nil)
		return unended{p}
	})
	if s.Stats().Established != 1 {
		t.Fatalf("%+v", s.Stats())
	}
	return p, s
}

// unended keeps the end from a parser.
type unended struct{ reassembly.Parser }

func (unended) End(reassembly.Direction, reassembly.End, reassembly.Origin) {}

// After the handshake a chunk costs an addition, and nothing is held.
func TestOpaqueCostsNothing(t *testing.T) {
	p, s := established(t, nil)
	k := reassembly.Chunk{Dir: reassembly.BtoA, Bytes: make([]byte, 1460)}
	if n := testing.AllocsPerRun(100, func() { p.Feed(&k) }); n != 0 {
		t.Errorf("%v allocations a chunk", n)
	}
	if st := s.Stats(); st.Held != 0 || st.Opaque < 100*1460 {
		t.Errorf("%+v", st)
	}
}

// BenchmarkOpaque is bulk data that nobody opens, in segments.
func BenchmarkOpaque(b *testing.B) {
	p, _ := established(b, nil)
	k := reassembly.Chunk{Dir: reassembly.BtoA, Bytes: make([]byte, 1460)}
	b.SetBytes(1460)
	b.ReportAllocs()
	for b.Loop() {
		p.Feed(&k)
	}
}

// BenchmarkRecords is the same with an opener that looks at nothing: what the
// record layer costs.
func BenchmarkRecords(b *testing.B) {
	p, _ := established(b, func(*reassembly.Start) tlswire.Opener { return nothing{} })
	text := []byte(record(23, 1, make([]byte, 1<<14)))
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	k := reassembly.Chunk{Dir: reassembly.BtoA}
	for b.Loop() {
		for rest := text; len(rest) > 0; rest = rest[len(k.Bytes):] {
			k.Bytes = rest[:min(len(rest), 1460)]
			p.Feed(&k)
			k.Seq += uint32(len(k.Bytes))
		}
	}
}

type nothing struct{}

func (nothing) Hello(*tlswire.Hello)                                        {}
func (nothing) Record(*tlswire.Record) ([]byte, bool)                       { return nil, true }
func (nothing) Gap(reassembly.Direction, uint64, reassembly.Origin)         {}
func (nothing) End(reassembly.Direction, reassembly.End, reassembly.Origin) {}

// BenchmarkHandshake is a connection of TLS 1.2 with a certificate that was met
// before.
func BenchmarkHandshake(b *testing.B) {
	turns := meetings[1].hold(b)
	s := tlswire.NewShard(tlswire.Limits{}, func(*exchange.Handshake) {}, nil)
	n := 0
	for _, turn := range turns {
		n += len(turn.Text)
	}
	b.SetBytes(int64(n))
	b.ReportAllocs()
	for b.Loop() {
		feed(turns, s)
	}
}
