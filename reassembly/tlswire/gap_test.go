package tlswire_test

import (
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/reassemblytest"
	"github.com/authtap/authtap/reassembly/tlswire"
)

// withGap feeds turns, a chunk each, with a run of bytes told as missing.
func withGap(turns []reassemblytest.Turn, l reassemblytest.Lost, s *tlswire.Shard) {
	key, _ := reassembly.NewFlowKey(reassembly.Network{}, reassembly.Addr{15: 1}, reassembly.Addr{15: 2}, 40000, 443)
	p := s.New(&reassembly.Start{Key: key, Client: reassembly.AtoB, Handshake: true}, nil)
	var at reassembly.Origin
	var sent [2]int
	for _, turn := range turns {
		d := reassembly.Direction(side(turn.Server))
		for b := []byte(turn.Text); len(b) > 0; {
			at.Order++
			at.Time += 1000
			k := reassembly.Chunk{Dir: d, Seq: uint32(sent[d]), Origin: at}
			n := len(b)
			if lost := turn.Server == l.Server; lost && sent[d]+n > l.At && sent[d] < l.At+l.Bytes {
				if sent[d] < l.At {
					n = l.At - sent[d]
				} else {
					n = min(n, l.At+l.Bytes-sent[d])
					k.Gap = uint64(n)
				}
			}
			if k.Gap == 0 {
				k.Bytes = b[:n]
			}
			p.Feed(&k)
			b, sent[d] = b[n:], sent[d]+n
		}
	}
	p.End(reassembly.AtoB, reassembly.EndFIN, at)
	p.End(reassembly.BtoA, reassembly.EndFIN, at)
}
