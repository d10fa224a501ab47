package identify_test

import (
	"testing"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/identify"
)

// sure is a parser that may know who the client is.
type sure struct {
	client reassembly.Direction
	known  bool
	rest   reassembly.Parser
}

func (s *sure) Feed(k *reassembly.Chunk) {
	if n := len(k.Bytes); n > 5 && s.rest != nil {
		left := *k
		left.Bytes = k.Bytes[5:]
		s.rest.Feed(&left)
	}
}
func (s *sure) End(reassembly.Direction, reassembly.End, reassembly.Origin) {}
func (s *sure) Client() (reassembly.Direction, bool)                        { return s.client, s.known }

func TestSeen(t *testing.T) {
	a, b := reassembly.Addr{15: 1}, reassembly.Addr{15: 2}
	key, _ := reassembly.NewFlowKey(reassembly.Network{}, a, b, 8080, 443)
	even, _ := reassembly.NewFlowKey(reassembly.Network{}, a, b, 8080, 8080)
	open := func(client reassembly.Direction) reassembly.Start {
		return reassembly.Start{Key: key, Client: client, Handshake: true}
	}
	type chunk = reassembly.Chunk
	hello, foreign := &chunk{Bytes: []byte("hello")}, &chunk{Bytes: []byte("foreign")}
	for _, c := range []struct {
		name   string
		start  reassembly.Start
		parser sure
		chunks []*chunk
		want   identify.Seen
	}{
		{"the one who did not open it", open(reassembly.AtoB), sure{}, []*chunk{foreign},
			identify.Seen{Server: key.Sender(reassembly.BtoA), Bytes: 7}},
		{"likewise, the other way round", open(reassembly.BtoA), sure{}, []*chunk{hello, foreign},
			identify.Seen{Server: key.Sender(reassembly.AtoB), Bytes: 12}},
		{"the parser knows better", open(reassembly.BtoA), sure{reassembly.AtoB, true, nil}, []*chunk{hello},
			identify.Seen{Server: key.Sender(reassembly.BtoA), Bytes: 5}},
		{"the lower port", reassembly.Start{Key: key}, sure{}, []*chunk{foreign, {Gap: 1 << 33}, {Dir: reassembly.BtoA, Gap: 1}},
			identify.Seen{Server: key.Sender(reassembly.BtoA), Bytes: 7, Missing: 1<<33 + 1}},
		{"no lower port", reassembly.Start{Key: even}, sure{}, []*chunk{foreign},
			identify.Seen{Server: even.Sender(reassembly.BtoA), Bytes: 7}},
		{"the parser knows in mid-stream", reassembly.Start{Key: key}, sure{reassembly.BtoA, true, nil}, []*chunk{foreign, hello},
			identify.Seen{Server: key.Sender(reassembly.AtoB), Bytes: 12}},
		{"TLS", open(reassembly.AtoB), sure{}, []*chunk{{Bytes: []byte("\x16\x03\x01\x02\x00")}, hello},
			identify.Seen{Server: key.Sender(reassembly.BtoA), Bytes: 10, TLS: true}},
		{"TLS behind another protocol", open(reassembly.AtoB), sure{}, []*chunk{hello, {Bytes: []byte("hello\x16\x03\x01\x02\x00")}},
			identify.Seen{Server: key.Sender(reassembly.BtoA), Bytes: 15, TLS: true}},
		{"nothing", open(reassembly.AtoB), sure{}, nil, identify.Seen{Server: key.Sender(reassembly.BtoA)}},
	} {
		table := identify.New(identify.Limits{}, identify.Protocol{
			Name: "hello", Client: like("hello"), Server: like("welcome"),
			New: func(_ *reassembly.Start, rest reassembly.Parser) reassembly.Parser {
				p := c.parser
				p.rest = rest
				return &p
			},
		})
		p := table.New(c.start)
		for _, k := range c.chunks {
			p.Feed(k)
		}
		p.End(reassembly.AtoB, reassembly.EndShutdown, reassembly.Origin{})
		p.End(reassembly.BtoA, reassembly.EndShutdown, reassembly.Origin{})
		if got := identify.SeenOf(p); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	if got := identify.SeenOf(nil); got != (identify.Seen{}) {
		t.Errorf("of nobody's parser: %+v", got)
	}
}
