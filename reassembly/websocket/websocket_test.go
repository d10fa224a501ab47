package websocket_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/reassemblytest"
	"github.com/authtap/authtap/reassembly/websocket"
)

// frame makes a frame: of the client, with a mask.
func frame(client bool, first byte, payload string) string {
	var b bytes.Buffer
	b.WriteByte(first)
	mask := byte(0)
	if client {
		mask = 0x80
	}
	switch n := len(payload); {
	case n < 126:
		b.WriteByte(mask | byte(n))
	case n < 1<<16:
		b.Write([]byte{mask | 126, byte(n >> 8), byte(n)})
	default:
		b.Write([]byte{mask | 127, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	}
	if client {
		b.WriteString("mask")
	}
	b.WriteString(payload)
	return b.String()
}

func parser(start reassembly.Start) (reassembly.Parser, func() string) {
	var s websocket.Shard
	return s.New(&start, start.Client), func() string { return fmt.Sprintf("%+v", s.Stats()) }
}

func TestFrames(t *testing.T) {
	long, huge := strings.Repeat("x", 300), strings.Repeat("y", 70000)
	for _, c := range []struct {
		name           string
		client, server string
		want           string
	}{
		{"nothing", "", "", "Client:{Messages:0 Control:0 Bytes:0 Malformed:0 Lost:0} Server:{Messages:0 Control:0 Bytes:0 Malformed:0 Lost:0}"},
		{"messages", frame(true, 0x81, "hello") + frame(true, 0x82, long), frame(false, 0x81, huge) + frame(false, 0x81, ""),
			"Client:{Messages:2 Control:0 Bytes:305 Malformed:0 Lost:0} Server:{Messages:2 Control:0 Bytes:70000 Malformed:0 Lost:0}"},
		{"a message in pieces, a ping between", frame(true, 0x01, "a") + frame(true, 0x89, "p") + frame(true, 0x00, "b") + frame(true, 0x80, "c"), "",
			"Client:{Messages:1 Control:1 Bytes:4 Malformed:0 Lost:0} Server:{Messages:0 Control:0 Bytes:0 Malformed:0 Lost:0}"},
		{"compressed", frame(true, 0xc1, "abc"), "", "Client:{Messages:1 Control:0 Bytes:3 Malformed:0 Lost:0} Server:{Messages:0 Control:0 Bytes:0 Malformed:0 Lost:0}"},
		{"no mask of the client, one of the server", frame(false, 0x81, "abc"), frame(true, 0x81, "abc"),
			"Client:{Messages:0 Control:0 Bytes:0 Malformed:1 Lost:3} Server:{Messages:0 Control:0 Bytes:0 Malformed:1 Lost:3}"},
		{"it goes on without a beginning", frame(true, 0x80, "abc"), frame(false, 0x01, "a") + frame(false, 0x81, "bcd"),
			"Client:{Messages:0 Control:0 Bytes:0 Malformed:1 Lost:3} Server:{Messages:1 Control:0 Bytes:1 Malformed:1 Lost:3}"},
		{"a control frame too long, or in pieces", frame(true, 0x89, long), frame(false, 0x09, "abc"),
			"Client:{Messages:0 Control:0 Bytes:0 Malformed:1 Lost:300} Server:{Messages:0 Control:0 Bytes:0 Malformed:1 Lost:3}"},
		{"an impossible length", "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xffmaskabc", "\x83\x03abc",
			"Client:{Messages:0 Control:0 Bytes:0 Malformed:1 Lost:3} Server:{Messages:0 Control:0 Bytes:0 Malformed:1 Lost:3}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			turns := []reassemblytest.Turn{{Text: c.client}, {Server: true, Text: c.server}}
			if got := reassemblytest.Splits(t, turns, parser); got != "{Connections:1 "+c.want+"}" {
				t.Error(got)
			}
		})
	}
}

// Within a frame a gap does no harm.
func TestGaps(t *testing.T) {
	turns := []reassemblytest.Turn{{Text: frame(true, 0x81, "hello") + frame(true, 0x82, "world") + frame(true, 0x82, "!")}}
	reassemblytest.Gaps(t, turns, parser, []int{1, 3, 5, 9}, func(l reassemblytest.Lost, got string) {
		within := l.At%11 >= 6 && l.At%11+l.Bytes <= 11 && l.At < 22
		whole := strings.Contains(got, "Messages:3 Control:0 Bytes:11 Malformed:0 Lost:0")
		if within != whole && l.At+l.Bytes < 29 {
			t.Errorf("%+v: %s", l, got)
		}
	})
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte(frame(true, 0x81, "hello")), []byte(frame(false, 0x02, "a")+frame(false, 0x80, "b")), uint8(3))
	f.Fuzz(func(t *testing.T, up, down []byte, gap uint8) {
		var s websocket.Shard
		p := s.New(nil, reassembly.AtoB)
		for d, b := range [][]byte{up, down} {
			n := min(int(gap), len(b))
			p.Feed(&reassembly.Chunk{Dir: reassembly.Direction(d), Bytes: b[:n]})
			p.Feed(&reassembly.Chunk{Dir: reassembly.Direction(d), Gap: uint64(gap)})
			p.Feed(&reassembly.Chunk{Dir: reassembly.Direction(d), Bytes: b[n:]})
			p.End(reassembly.Direction(d), reassembly.EndFIN, reassembly.Origin{})
		}
		if st := s.Stats(); st.Client.Malformed > 1 || st.Server.Malformed > 1 || st.Client.Messages > uint64(len(up)) || st.Client.Lost > uint64(len(up)) {
			t.Fatalf("%+v", st)
		}
	})
}

func BenchmarkMessage(b *testing.B) {
	var s websocket.Shard
	p := s.New(nil, reassembly.AtoB)
	c := &reassembly.Chunk{Bytes: []byte(frame(true, 0x82, strings.Repeat("x", 1000)))}
	b.SetBytes(int64(len(c.Bytes)))
	b.ReportAllocs()
	for b.Loop() {
		p.Feed(c)
	}
}
