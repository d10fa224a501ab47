package pcapfile_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
)

// FuzzReader: whatever a file holds, reading it ends without a panic, within
// its memory, with packets within their limit and at most one error of damage.
func FuzzReader(f *testing.F) {
	pcap := little().pcap(nano, 0, 1).record(1, 0, "data").record(2, 0, "more data").b
	ng := slices.Concat(
		little().section().iface(1, 4, 9, 0, 1, 0, 9, 0, 0, 0, 14, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0).
			enhanced(0, 5, "data").block(3, func(b *build) { b.u32(9).raw(1, 2, 3, 4) }).b,
		big().section().block(0xbad, func(b *build) { b.u32(1) }).iface(276, 0, 9, 0, 1, 0, 0x8a, 0, 0, 0).
			block(2, func(b *build) { b.u16(0, 0).u32(0, 5, 4, 6).raw(1, 2, 3, 4) }).b)
	for _, seed := range [][]byte{
		pcap, ng, gzipped(pcap), zstded(ng), gzipped(zstded(pcap)),
		big().pcap(patched, 0, 1).u32(1, 2, 1, 1, 0, 0).raw(1).b,
		little().pcap(micro, 0xffffffff, 1).u32(1, 2, 0x40000000, 1).b,
		append(slices.Clone(pcap), 1, 2, 3),
		ng[:len(ng)-3],
		little().section().secrets(tlsKeys, 3, "k1\n").iface(1, 0).enhanced(0, 1, "a").b,
		big().section().secrets(tlsKeys, 99, "k1\n").b,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		s, err := pcapfile.Open([]string{"-"}, pcapfile.Options{
			Stdin: bytes.NewReader(file),
			TLSKeys: func(lines []byte) {
				if len(lines) == 0 || len(lines) > 64<<10 {
					t.Fatalf("%d bytes of a key log", len(lines))
				}
			},
		})
		if err != nil {
			return
		}
		defer s.Close()
		var p capture.Packet
		packets, damage := uint64(0), 0
		for {
			err := s.Next(&p)
			if n := s.Memory(); n > pcapfile.MaxWindow {
				t.Fatalf("buffers of %d bytes", n)
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				if damage++; damage > 1 || !errors.Is(err, capture.ErrDamaged) {
					t.Fatalf("error %d: %v", damage, err)
				}
				continue
			}
			packets++
			if len(p.Data) > capture.MaxPacket || p.Length < len(p.Data) || p.Number != packets || p.Input != 0 {
				t.Fatalf("packet %d: %d bytes of %d, number %d of input %d", packets, len(p.Data), p.Length, p.Number, p.Input)
			}
		}
		if st := s.Stats(); st.Packets != packets || st.BytesRead > uint64(len(file)) {
			t.Fatalf("%d packets and %d bytes counted, %d and at most %d there", st.Packets, st.BytesRead, packets, len(file))
		}
	})
}
