package reassembly_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// strict is a parser that fails the test when it is not fed as it should be.
type strict struct {
	t     *testing.T
	begun [2]bool
	next  [2]uint32
	ended [2]bool
	total *uint64
}

func (p *strict) Feed(c *reassembly.Chunk) {
	switch {
	case p.ended[c.Dir]:
		p.t.Fatal("a direction goes on after its end")
	case p.begun[c.Dir] && c.Seq != p.next[c.Dir]:
		p.t.Fatalf("a chunk at %d, expected at %d", c.Seq, p.next[c.Dir])
	case len(c.Bytes) > 0 && c.Gap > 0, len(c.Bytes) == 0 && c.Gap == 0 && !c.Conflict:
		p.t.Fatalf("%+v", c)
	}
	p.begun[c.Dir] = true
	p.next[c.Dir] = c.Seq + uint32(len(c.Bytes)) + uint32(c.Gap)
	*p.total += uint64(len(c.Bytes)) + c.Gap
}

func (p *strict) End(d reassembly.Direction, _ reassembly.End, _ reassembly.Origin) {
	if p.ended[d] {
		p.t.Fatal("a direction ends twice")
	}
	p.ended[d] = true
}

// fuzzed is how many input bytes make one segment.
const fuzzed = 8

func fuzzSegment(b []byte, s *reassembly.Segment) (tick bool, after time.Duration) {
	// Conversations are few and numbers close, so that they meet each other;
	// the second one stands at the wrap.
	i := b[0] >> 1 & 1
	s.Key.SetEnds(0, uint64(i), 0, 2, 1, 2)
	s.Key.Net = reassembly.Network{VLAN: [2]uint16{uint16(b[5] >> 5)}, ID: uint32(b[1] >> 6)}
	s.Dir = reassembly.Direction(b[0] & 1)
	s.Flags = b[1] & 0x3f
	base := [2]uint32{1000, 0xfffffff0}[i]
	spread := uint(b[0]>>2&3) * 7 // how far numbers may be off
	s.Seq = base + uint32(int32(int8(b[2]))<<spread)
	s.Ack = base + uint32(int32(int8(b[3]))<<spread)
	s.Payload = make([]byte, b[4]&0x3f)
	for j := range s.Payload {
		s.Payload[j] = b[5] & 1
	}
	s.Cut = uint32(b[4] >> 6)
	s.Window = binary.LittleEndian.Uint16(b[6:])
	s.WindowScale = b[5] >> 1 & 15
	return b[0]>>4 == 0, time.Duration(b[0]>>5) * 80 * time.Millisecond
}

func FuzzAssembler(f *testing.F) {
	f.Add([]byte{
		0, 2, 10, 0, 0, 0, 1, 1, 1, 18, 10, 11, 0, 0, 1, 1, 0, 16, 11, 11, 0, 0, 1, 1,
		0, 24, 20, 11, 9, 1, 1, 1, 0, 24, 11, 11, 9, 0, 1, 1, 1, 24, 11, 29, 70, 0, 1, 1, 0xa0, 17, 40, 17, 0, 0, 1, 1,
	})
	f.Add([]byte{2, 24, 0, 0, 63, 0, 1, 1, 2, 24, 20, 0, 63, 1, 1, 1, 0xe3, 24, 0, 63, 63, 0, 1, 1, 3, 20, 63, 0, 0, 0, 1, 1})
	f.Add([]byte{ // two SYNs, their answers, and data, in two VLANs
		0, 2, 10, 0, 0, 0, 1, 1, 0, 2, 10, 0, 0, 0x20, 1, 1, 1, 18, 10, 11, 0, 0, 1, 1, 1, 18, 10, 11, 0, 0x20, 1, 1,
		0, 24, 11, 11, 9, 0x20, 1, 1, 0, 24, 11, 11, 9, 0, 1, 1, 1, 24, 11, 20, 9, 0x40, 1, 1,
	})
	f.Fuzz(func(t *testing.T, b []byte) {
		var total uint64
		l := reassembly.Limits{Flows: 1, StreamBytes: 2000, TotalBytes: 20_000}
		if len(b)%2 == 0 {
			l.Flows = 10
		}
		a := reassembly.New(l, func(reassembly.Start) reassembly.Parser {
			return &strict{t: t, total: &total}
		})
		now := reassemblytest.Start
		var s reassembly.Segment
		for ; len(b) >= fuzzed; b = b[fuzzed:] {
			tick, after := fuzzSegment(b, &s)
			now = now.Add(after)
			s.Origin.Order++
			s.Origin.Time = now
			a.Segment(&s)
			if tick {
				a.Tick(now, s.Origin)
			}
			st := a.Stats()
			if st.Known > l.Flows || st.Buffered > 2*l.StreamBytes*l.Flows || st.Buffered+st.Kept > l.TotalBytes {
				t.Fatalf("%+v", st)
			}
		}
		a.Shutdown(s.Origin)
		st := a.Stats()
		if st.Known != 0 || st.Buffered != 0 || st.Kept != 0 {
			t.Fatalf("left over: %+v", st)
		}
		for _, n := range st.Ended {
			st.Conversations -= n
		}
		if st.Conversations != 0 {
			t.Fatalf("%d conversations began and did not end: %+v", int64(st.Conversations), st)
		}
		if st.Delivered+st.Gap != total {
			t.Fatalf("%d bytes handed on, counted %+v", total, st)
		}
	})
}
