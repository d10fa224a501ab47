package pipeline_test

import (
	"slices"
	"testing"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/pipeline"
	"github.com/authtap/authtap/reassembly"
)

// quic gives an IPv4 packet with the beginning of a QUIC connection, from
// 10.0.0.9 to 10.1.1.2.
func quic() []byte {
	payload := []byte{0xc3, 0, 0, 0, 1, 4, 'a', 'b', 'c', 'd', 0, 0, 0x40}
	b := []byte{0x45, 0, 0, 28 + 13, 0, 0, 0, 0, 0, 17, 0, 0, 10, 0, 0, 9, 10, 1, 1, 2, 0xc3, 0x50, 443 >> 8, 443 & 0xff, 0, 8 + 13, 0, 0}
	return append(b, payload...)
}

// Packets of QUIC are told, by server, from one source and from several.
func TestQUICIsCovered(t *testing.T) {
	packets := []capture.Packet{{Time: 1e12, Data: tcp(1, 1)}, {Time: 1e12 + 1, Data: quic()}, {Time: 1e12 + 2, Data: quic()}}
	count := func(change func(*pipeline.Options[string])) (n uint64) {
		_, stats, err := run(packets, 2, change)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range stats.Coverage.Rows() {
			if n += r.QUIC; r.QUIC > 0 && r.Server.String() != "10.1.1.2:443" {
				t.Errorf("QUIC of %v", r.Server)
			}
		}
		return n
	}
	got := []uint64{
		count(nil),
		count(func(o *pipeline.Options[string]) {
			o.Sources = []capture.Source{&source{packets: packets}, &source{packets: packets}}
		}),
		count(func(o *pipeline.Options[string]) {
			o.Filter = func(k *reassembly.FlowKey) bool { return k.PortA != 443 && k.PortB != 443 }
		}),
	}
	if !slices.Equal(got, []uint64{2, 4, 0}) {
		t.Errorf("%d packets of QUIC, want 2, 4 of two sources, and none that the filter leaves out", got)
	}
}
