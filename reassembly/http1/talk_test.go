package http1_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/http1"
)

// The client's direction in all tests.
const (
	toServer = reassembly.AtoB
	toClient = reassembly.BtoA
)

// start is a conversation that is known from its handshake on.
func start(handshake bool) *reassembly.Start {
	key, _ := reassembly.NewFlowKey(reassembly.Network{}, reassembly.Addr{15: 1}, reassembly.Addr{15: 2}, 40000, 80)
	return &reassembly.Start{Key: key, Client: toServer, Handshake: handshake}
}

// talk feeds a parser with what two sides say, each step one chunk whose
// acknowledgement is all that the other side has sent:
//
//	>text   the client sends it       <text   the server
//	~>text  it sends it, but it is missing in the capture
//	]>      it ends with a FIN        ]<
//	!>      the last bytes came twice, differently
//	reset   the connection is reset
//	a>text  the client sends it, but it is seen only at
//	a       (likewise a<, a~> and so on)
//
// What is open at the end is ended by the end of the capture.
type talk struct {
	parser reassembly.Parser
	seq    [2]uint32
	ended  [2]bool
	packet uint64
	late   map[string]*reassembly.Chunk
}

func newTalk(p reassembly.Parser) *talk {
	return &talk{parser: p, seq: [2]uint32{1000, 4294967000}, late: map[string]*reassembly.Chunk{}}
}

func (t *talk) origin() reassembly.Origin {
	t.packet++
	return reassembly.Origin{Order: t.packet, Number: t.packet, Time: capture.Time(t.packet)}
}

func (t *talk) step(s string) {
	if s == "reset" {
		t.end(toServer, reassembly.EndReset)
		t.end(toClient, reassembly.EndReset)
		return
	}
	if k := t.late[s]; k != nil {
		k.Origin = t.origin()
		t.parser.Feed(k)
		return
	}
	i := strings.IndexAny(s, "<>")
	d, text := toServer, s[i+1:]
	if s[i] == '<' {
		d = toClient
	}
	k := reassembly.Chunk{Dir: d, Seq: t.seq[d], Origin: t.origin()}
	how := strings.TrimLeft(s[:i], "abc")
	switch how {
	case "]":
		t.end(d, reassembly.EndFIN)
		return
	case "!":
		k.Conflict = true
	case "~":
		k.Gap = uint64(len(text))
	case "":
		k.Bytes, k.Ack, k.HasAck = []byte(text), t.seq[d.Reverse()], true
	default:
		panic("step " + s)
	}
	t.seq[d] += uint32(len(text))
	if name := s[:i-len(how)]; name != "" {
		t.late[name] = &k
		return
	}
	t.parser.Feed(&k)
}

func (t *talk) end(d reassembly.Direction, why reassembly.End) {
	if !t.ended[d] {
		t.ended[d] = true
		t.parser.End(d, why, t.origin())
	}
}

func (t *talk) shutdown() {
	t.end(toServer, reassembly.EndShutdown)
	t.end(toClient, reassembly.EndShutdown)
}

// describe puts an exchange into a line.
func describe(x *exchange.Exchange) string {
	var b strings.Builder
	if m := &x.Request; m.Present {
		fmt.Fprintf(&b, "%s %s", m.Method, m.Target)
		describeMessage(&b, m)
	} else {
		b.WriteByte('-')
	}
	b.WriteString(" -> ")
	if m := &x.Response; m.Present {
		fmt.Fprint(&b, m.Status)
		describeMessage(&b, m)
	} else {
		b.WriteByte('-')
	}
	if n := x.Names(); len(n) > 0 {
		fmt.Fprintf(&b, " %v", n)
	}
	return b.String()
}

func describeMessage(b *strings.Builder, m *exchange.Message) {
	for _, h := range []exchange.Header{m.Header, m.Trailer} {
		for _, f := range h {
			if f.Name[0] == 'X' {
				fmt.Fprintf(b, " %s=%q", f.Name, f.Value)
			}
		}
	}
	switch n := m.Body.Length; {
	case n == int64(len(m.Body.Bytes)) && n > 0:
		fmt.Fprintf(b, " %q", m.Body.Bytes)
	case n > 0:
		fmt.Fprintf(b, " %.20q/%d", m.Body.Bytes, n)
	}
}

// played gives the exchanges of a conversation.
func played(l http1.Limits, handshake bool, steps ...string) ([]string, http1.Stats) {
	var got []string
	s := http1.NewShard(l, func(x *exchange.Exchange) { got = append(got, describe(x)) })
	t := newTalk(s.New(start(handshake), nil))
	for _, step := range steps {
		t.step(step)
	}
	t.shutdown()
	return got, s.Stats()
}

type playCase struct {
	name  string
	steps []string
	want  []string
}

// singly gives the steps with a chunk for each byte, if nothing is lost or late
// in them.
func singly(steps []string) (all []string, ok bool) {
	for _, s := range steps {
		switch s[0] {
		case '<', '>':
		case ']', '!', 'r':
			all = append(all, s)
			continue
		default:
			return nil, false
		}
		for i := 1; i < len(s); i++ {
			all = append(all, s[:1]+s[i:i+1])
		}
	}
	return all, true
}

// play runs cases that begin with a handshake, or in mid-stream. What is held
// must be given back in all of them. Byte by byte the same must come out, but
// for cases with a star, where it matters what a segment begins with.
func play(t *testing.T, handshake bool, cases []playCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, stats := played(http1.Limits{}, handshake, c.steps...)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if steps, ok := singly(c.steps); ok && handshake && !strings.HasSuffix(c.name, "*") {
				got, _ := played(http1.Limits{}, handshake, steps...)
				if d := cmp.Diff(c.want, got); d != "" {
					t.Errorf("byte by byte: %s", d)
				}
			}
			if stats.Held != 0 {
				t.Errorf("%d bytes are still held", stats.Held)
			}
		})
	}
}

// get and ok make messages with an X-Id.
func get(id string) string { return "GET /" + id + " HTTP/1.1\r\nHost: a\r\nX-Id: " + id + "\r\n\r\n" }

func ok(id string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nX-Id: %s\r\nContent-Length: %d\r\n\r\n%s", id, len(id), id)
}
