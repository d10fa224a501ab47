package http2_test

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	h2 "github.com/authtap/authtap/reassembly/http2"
	"github.com/authtap/authtap/reassembly/reassemblytest"
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

// wire makes the bytes of two sides from steps, each a frame or a few:
//
//	>hello            the client's preface and SETTINGS; <hello the server's SETTINGS
//	>ack              an acknowledgement of SETTINGS; >table 100 and so on sets that
//	>1 GET /a x=1     HEADERS of a request; <1 200 x=1 of a response
//	>1 +x=1           HEADERS without more than fields: a trailer
//	>1 :abc           DATA
//	<1 promise 2 GET /b
//	<1 reset, <goaway 1, <ping, <window
//
// A step that ends with a blank and a full stop has END_STREAM. x=1 is indexed,
// x!1 is not.
type wire struct {
	sides [2]*side
	split int // header blocks go on after so many bytes
	pad   int // bytes of padding
}

type side struct {
	buf   bytes.Buffer
	frame *http2.Framer
	block bytes.Buffer
	hpack *hpack.Encoder
}

func newWire() *wire {
	w := new(wire)
	for i := range w.sides {
		s := new(side)
		s.frame, s.hpack = http2.NewFramer(&s.buf, nil), hpack.NewEncoder(&s.block)
		s.frame.AllowIllegalWrites = true
		w.sides[i] = s
	}
	return w
}

// bytes gives the bytes of a step, and who sends them.
func (w *wire) bytes(step string) (reassembly.Direction, []byte) {
	d := toServer
	if step[0] == '<' {
		d = toClient
	}
	s := w.sides[d]
	s.buf.Reset()
	text, end := strings.CutSuffix(step[1:], " .")
	word := strings.Split(text, " ")
	number := func(i int) uint32 {
		n, err := strconv.Atoi(word[i])
		if err != nil {
			panic(step)
		}
		return uint32(n)
	}
	switch word[0] {
	case "hello":
		if d == toServer {
			s.buf.WriteString(http2.ClientPreface)
		}
		s.frame.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 100})
	case "table":
		s.frame.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: number(1)})
	case "size": // of its own table, from here on
		s.hpack.SetMaxDynamicTableSizeLimit(number(1))
		s.hpack.SetMaxDynamicTableSize(number(1))
	case "ack":
		s.frame.WriteSettingsAck()
	case "goaway":
		s.frame.WriteGoAway(number(1), http2.ErrCodeNo, []byte("bye"))
	case "ping":
		s.frame.WritePing(false, [8]byte{})
	case "window":
		s.frame.WriteWindowUpdate(0, 1000)
	case "priority":
		s.frame.WritePriority(number(1), http2.PriorityParam{Weight: 7})
	case "raw":
		fmt.Sscanf(word[1], "%x", &word[1])
		s.buf.WriteString(word[1])
	default:
		id := number(0)
		switch rest := word[1:]; {
		case rest[0] == "reset":
			s.frame.WriteRSTStream(id, http2.ErrCodeCancel)
		case rest[0] == "promise":
			s.fields(rest[2:])
			s.frame.WritePushPromise(http2.PushPromiseParam{StreamID: id, PromiseID: number(2), BlockFragment: s.block.Bytes(), EndHeaders: true, PadLength: uint8(w.pad)})
		case strings.HasPrefix(rest[0], ":"):
			_, data, _ := strings.Cut(text, ":")
			if w.pad > 0 {
				s.frame.WriteDataPadded(id, end, []byte(data), make([]byte, w.pad))
			} else {
				s.frame.WriteData(id, end, []byte(data))
			}
		default:
			s.fields(rest)
			b := s.block.Bytes()
			n := len(b)
			if w.split > 0 {
				n = min(n, w.split)
			}
			s.frame.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b[:n], EndStream: end, EndHeaders: n == len(b), PadLength: uint8(w.pad)})
			for b = b[n:]; len(b) > 0; b = b[n:] {
				n = min(len(b), w.split)
				s.frame.WriteContinuation(id, n == len(b), b[:n])
			}
		}
	}
	return d, bytes.Clone(s.buf.Bytes())
}

// fields codes a header block.
func (s *side) fields(words []string) {
	s.block.Reset()
	add := func(name, value string, sensitive bool) {
		s.hpack.WriteField(hpack.HeaderField{Name: name, Value: value, Sensitive: sensitive})
	}
	switch first := words[0]; {
	case first == "+":
	case first[0] == '+':
		words = append([]string{""}, append([]string{first[1:]}, words[1:]...)...)
	case len(first) == 3 && first[0] <= '9':
		add(":status", first, false)
	case first != "-":
		add(":method", first, false)
		if first == "CONNECT" {
			add(":authority", words[1], false)
		} else {
			add(":scheme", "http", false)
			add(":path", words[1], false)
		}
		words = words[1:]
	}
	for _, f := range words[1:] {
		name, value, plain := strings.Cut(f, "!")
		if !plain {
			name, value, _ = strings.Cut(f[1:], "=")
			name = f[:1] + name
		}
		add(name, strings.ReplaceAll(value, "_", " "), plain)
	}
}

// talk feeds a parser with steps, each a chunk. One with ~ before it is
// missing, ~7> is missing but for its first 7 bytes, 7~> its first 7 bytes are.
// !> says that the last bytes came twice, and ]> is a FIN.
type talk struct {
	*wire
	parser reassembly.Parser
	ended  [2]bool
	packet uint64
}

// newTalk begins a conversation of which the exchanges go to got.
func newTalk(l h2.Limits, got *[]string) (*h2.Shard, *talk) {
	s := h2.NewShard(l, func(x *exchange.Exchange) { *got = append(*got, describe(x)) })
	return s, &talk{wire: newWire(), parser: s.New(start(true))}
}

func (t *talk) origin() reassembly.Origin {
	t.packet++
	return reassembly.Origin{Order: t.packet, Number: t.packet, Time: capture.Time(t.packet)}
}

func (t *talk) step(s string) {
	i := strings.IndexAny(s, "<>")
	how := s[:i]
	if how == "]" || how == "!" {
		d := reassembly.Direction(strings.IndexByte("><", s[i]))
		if how == "]" {
			t.end(d, reassembly.EndFIN)
		} else {
			t.parser.Feed(&reassembly.Chunk{Dir: d, Conflict: true, Origin: t.origin()})
		}
		return
	}
	d, b := t.bytes(s[i:])
	feed := func(b []byte) {
		k := reassembly.Chunk{Dir: d, Bytes: b, Origin: t.origin()}
		t.parser.Feed(&k)
		clear(b) // parsers may not keep it
	}
	gap := func(n int) {
		t.parser.Feed(&reassembly.Chunk{Dir: d, Gap: uint64(n), Origin: t.origin()})
	}
	before, after, lost := strings.Cut(how, "~")
	switch {
	case !lost:
		if len(b) > 0 {
			feed(b)
		}
	case before != "":
		n, _ := strconv.Atoi(before)
		gap(n)
		feed(b[n:])
	case after != "":
		n, _ := strconv.Atoi(after)
		feed(b[:n])
		gap(len(b) - n)
	default:
		gap(len(b))
	}
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
	for _, f := range m.Header {
		fmt.Fprintf(b, " %s=%s", f.Name, f.Value)
	}
	switch n := m.Body.Length; {
	case n == int64(len(m.Body.Bytes)) && n > 0:
		fmt.Fprintf(b, " %q", m.Body.Bytes)
	case n > 0:
		fmt.Fprintf(b, " %.20q/%d", m.Body.Bytes, n)
	}
	for _, f := range m.Trailer {
		fmt.Fprintf(b, " +%s=%s", f.Name, f.Value)
	}
}

// played gives the exchanges of a conversation.
func played(l h2.Limits, handshake bool, steps ...string) ([]string, h2.Stats) {
	var got []string
	s, t := newTalk(l, &got)
	t.parser = s.New(start(handshake))
	for _, step := range steps {
		t.step(step)
	}
	t.shutdown()
	return got, s.Stats()
}

// turns gives what the sides of a conversation in which nothing is lost say.
func turns(w *wire, steps []string) []reassemblytest.Turn {
	var all []reassemblytest.Turn
	for _, s := range steps {
		if d, b := w.bytes(s); len(b) > 0 {
			all = append(all, reassemblytest.Turn{Server: d == toClient, Text: string(b)})
		}
	}
	return all
}

// parser is what reassemblytest calls a Factory.
func parser(t testing.TB, l h2.Limits) reassemblytest.Factory {
	return func(s reassembly.Start) (reassembly.Parser, func() string) {
		var got []string
		shard := h2.NewShard(l, func(x *exchange.Exchange) { got = append(got, describe(x)) })
		return shard.New(&s), func() string {
			if held := shard.Stats().Held; held != 0 {
				t.Errorf("%d bytes are still held", held)
			}
			return strings.Join(got, "\n")
		}
	}
}

type playCase struct {
	name  string
	steps []string
	want  []string
}

// hello begins a conversation.
var hello = []string{">hello", "<hello", ">ack", "<ack"}

func play(t *testing.T, handshake bool, cases []playCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, stats := played(h2.Limits{}, handshake, c.steps...)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if stats.Held != 0 {
				t.Errorf("%d bytes are still held", stats.Held)
			}
			for _, s := range c.steps {
				if s[0] != '<' && s[0] != '>' {
					return
				}
			}
			if handshake {
				want := strings.Join(c.want, "\n")
				for _, w := range []struct{ split, pad int }{{0, 0}, {3, 0}, {0, 2}, {1, 255}} {
					wire := newWire()
					wire.split, wire.pad = w.split, w.pad
					if got := reassemblytest.Splits(t, turns(wire, c.steps), parser(t, h2.Limits{})); got != want {
						t.Errorf("cut after %d, %d padded:\ngot  %s\nwant %s", w.split, w.pad, got, want)
					}
				}
			}
		})
	}
}
