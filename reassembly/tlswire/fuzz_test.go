package tlswire_test

import (
	"testing"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/tlswire"
)

// FuzzTLS feeds chunks, gaps, conflicts and ends in any order: the script has
// three bytes a step, and the text is cut by it. Nothing panics, memory stays
// bounded and is given back, every byte is accounted for once, and a handshake
// is given at most once.
func FuzzTLS(f *testing.F) {
	script := []byte{0, 60, 0, 1, 200, 0, 0, 255, 0, 1, 255, 0, 0, 255, 0}
	for _, turns := range [][]struct {
		Text string
	}{{{old(0)[0].Text + old(0)[1].Text}}, {{ssl2Hello}}, {{ldapRequest + old(1)[0].Text}}, {{mysqlGreeting + mysqlRequest}}} {
		f.Add(script, []byte(turns[0].Text), true)
		f.Add([]byte{0, 1, 0, 4, 9, 0, 1, 80, 0, 2, 0, 0}, []byte(turns[0].Text), false)
	}
	for i := range meetings[:6] {
		var both []byte
		for _, turn := range meetings[i].hold(f) {
			both = append(both, turn.Text...)
		}
		f.Add(script, both, i%2 == 0)
	}
	f.Fuzz(func(t *testing.T, script, text []byte, opens bool) {
		for _, plain := range []bool{false, true} {
			handed := 0
			var open tlswire.Open
			if opens {
				open = func(*reassembly.Start) tlswire.Opener { return &recorder{enough: 1 + len(script)%7} }
			}
			limits := tlswire.Limits{HandshakeBytes: 8 << 10, HeldBytes: 32 << 10}
			s := tlswire.NewShard(limits, func(h *exchange.Handshake) {
				handed++
				if !h.ClientHello.Present && !h.ServerHello.Present {
					t.Fatalf("a handshake without hellos: %+v", h)
				}
				if h.Outcome == exchange.Established && h.Order.Packet < h.Origin.Order {
					t.Fatalf("over before it began: %+v", h)
				}
			}, open)
			key, _ := reassembly.NewFlowKey(reassembly.Network{}, reassembly.Addr{15: 1}, reassembly.Addr{15: 2}, 1, 2)
			start := &reassembly.Start{Key: key, Handshake: len(script)%3 != 0}
			protocol := s.Protocol()
			if plain {
				protocol = s.Plain()
			}
			p := protocol.New(start, nil)
			var at reassembly.Origin
			var seq [2]uint32
			rest := text
			for steps := script; len(steps) >= 3 && len(rest) > 0; steps = steps[3:] {
				at.Order++
				d := reassembly.Direction(steps[0] & 1)
				n := min(len(rest), int(steps[1])+int(steps[2])<<8+1)
				k := reassembly.Chunk{Dir: d, Seq: seq[d], Origin: at}
				switch steps[0] >> 1 & 3 {
				case 2:
					k.Gap = uint64(n)
				case 3:
					k.Conflict = true
					fallthrough
				default:
					k.Bytes, rest = rest[:n:n], rest[n:]
				}
				seq[d] += uint32(n)
				p.Feed(&k)
				if held := s.Stats().Held; held < 0 || held > limits.HeldBytes {
					t.Fatalf("%d bytes held", held)
				}
			}
			at.Order++
			p.End(reassembly.AtoB, reassembly.EndReset, at)
			p.End(reassembly.BtoA, reassembly.EndReset, at)
			st := s.Stats()
			if st.Held != 0 || handed > 1 || uint64(handed) != st.Handshakes ||
				st.Handshakes != st.Unfinished+st.Established+st.Refused+st.Closed {
				t.Fatalf("%d handshakes, %+v", handed, st)
			}
		}
	})
}

// FuzzLike: an opinion never changes from no.
func FuzzLike(f *testing.F) {
	for _, b := range before {
		f.Add([]byte(b.turns[0].Text))
	}
	f.Add([]byte(ssl2Hello))
	f.Add([]byte(old(1)[0].Text))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, like := range []func([]byte) (c uint8){
			func(b []byte) uint8 { return uint8(tlswire.LikeTLS(b)) },
			func(b []byte) uint8 { return uint8(tlswire.LikePlain(b)) },
		} {
			no := false
			for n := 1; n <= min(len(b), 64); n++ {
				c := like(b[:n])
				if no && c != 0 {
					t.Fatalf("%q: %d after no", b[:n], c)
				}
				no = no || c == 0
			}
		}
	})
}
