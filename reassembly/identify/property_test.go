package identify_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/identify"
)

// streams is a parser that holds what it is fed against what was said.
type streams struct {
	fatalf func(string, ...any)
	said   *[2][]byte // from number 1000 on; 0 where the capture has nothing
	pos    [2]int
	ended  [2]bool
}

func (s *streams) Feed(k *reassembly.Chunk) {
	d := k.Dir
	at := int(k.Seq - 1000)
	switch {
	case s.ended[d]:
		s.fatalf("direction %d goes on after its end", d)
	case at != s.pos[d]:
		s.fatalf("direction %d: %d bytes and a gap of %d at %d, expected at %d", d, len(k.Bytes), k.Gap, at, s.pos[d])
	case k.Gap > 0 && len(k.Bytes) > 0:
		s.fatalf("direction %d: bytes and a gap", d)
	case string(k.Bytes) != string(s.said[d][at:at+len(k.Bytes)]):
		s.fatalf("direction %d: %q at %d, said was %q", d, k.Bytes, at, s.said[d][at:])
	}
	s.pos[d] += len(k.Bytes) + int(k.Gap)
}

func (s *streams) End(d reassembly.Direction, _ reassembly.End, _ reassembly.Origin) {
	if s.ended[d] {
		s.fatalf("direction %d ends twice", d)
	}
	s.ended[d] = true
}

// However it is cut, and wherever bytes are missing: a parser gets both
// directions whole, in order and once, what nobody gets being a gap, and the
// end of each. What is not known holds little.
func TestNothingIsLostOnTheWay(t *testing.T) {
	identified, late := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		var said [2][]byte
		var parser *streams
		limits := identify.Limits{HeldBytes: rapid.IntRange(1, 12).Draw(t, "held"), Tries: rapid.IntRange(1, 8).Draw(t, "tries")}
		table := identify.New(limits, identify.Protocol{
			Name: "hello", Client: like("hello"), Server: like("welcome"),
			New: func(*reassembly.Start, reassembly.Parser) reassembly.Parser {
				if parser != nil {
					t.Fatalf("a second parser")
				}
				parser = &streams{fatalf: t.Fatalf, said: &said}
				return parser
			},
		})
		p := table.New(reassembly.Start{Handshake: rapid.Bool().Draw(t, "handshake")})
		var ended [2]bool
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			d := reassembly.Direction(rapid.IntRange(0, 1).Draw(t, "direction"))
			if ended[d] {
				continue
			}
			k := reassembly.Chunk{Dir: d, Seq: 1000 + uint32(len(said[d]))}
			switch kind := rapid.IntRange(0, 9).Draw(t, "kind"); kind {
			case 0:
				ended[d] = true
				p.End(d, reassembly.EndFIN, reassembly.Origin{})
				continue
			case 1, 2:
				k.Gap = rapid.Uint64Range(1, 20).Draw(t, "gap")
				said[d] = append(said[d], make([]byte, k.Gap)...)
			default:
				text := rapid.SampledFrom([]string{"hello", "he", "l", "lo", "welcome", "wel", "come", "x", "\x16\x03\x01", "a longer text"}).Draw(t, "text")
				k.Bytes = []byte(text)
				said[d] = append(said[d], text...)
			}
			p.Feed(&k)
			clear(k.Bytes) // they were lent
		}
		for d := range ended {
			if !ended[d] {
				p.End(reassembly.Direction(d), reassembly.EndShutdown, reassembly.Origin{})
			}
		}
		stats := table.Stats()
		if n := stats.Identified + stats.TLS + stats.Unknown; n != 1 || stats.GivenUp > stats.Unknown {
			t.Fatalf("a conversation is counted %d times: %+v", n, stats)
		}
		seen := identify.SeenOf(p)
		total := 0
		for d := range said {
			total += len(said[d])
		}
		if int(seen.Bytes+seen.Missing) != total {
			t.Fatalf("%+v of %d", seen, total)
		}
		if parser == nil {
			return
		}
		identified++
		late += int(stats.Late)
		for d := range said {
			if parser.pos[d] != len(said[d]) || !parser.ended[d] {
				t.Fatalf("direction %d: %d of %d bytes, ended %v", d, parser.pos[d], len(said[d]), parser.ended[d])
			}
		}
	})
	if !t.Failed() && (identified == 0 || late == 0) {
		t.Errorf("%d identified, %d of them late", identified, late)
	}
}
