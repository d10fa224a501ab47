package pcapfile_test

import (
	"io"
	"strings"
	"testing"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
)

// BenchmarkNext reads a packet of a file that is like a capture of API
// traffic; opening the file once in 100,000 packets is included.
func BenchmarkNext(b *testing.B) {
	const packets = 100_000
	sizes := []int{66, 512, 66, 1514, 74, 900, 66, 300}
	data := strings.Repeat("x", 1514)
	pcap := little().pcap(nano, 0, 1)
	ng := little().section().iface(1, 0)
	for i := range packets {
		n := sizes[i%len(sizes)]
		pcap.record(uint32(i), 0, data[:n])
		ng.enhanced(0, uint64(i), data[:n])
	}
	for _, bench := range []struct {
		name string
		file []byte
	}{
		{"pcap", pcap.b},
		{"pcapng", ng.b},
		{"pcap.gz", gzipped(pcap.b)},
		{"pcap.zst", zstded(pcap.b)},
	} {
		args := []string{write(b, b.TempDir(), bench.name, bench.file)}
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(int64(len(pcap.b) / packets))
			b.ReportAllocs()
			var s *pcapfile.Source
			var p capture.Packet
			err := io.EOF
			for b.Loop() {
				if err == io.EOF {
					if s != nil {
						s.Close()
					}
					if s, err = pcapfile.Open(args, pcapfile.Options{}); err != nil {
						b.Fatal(err)
					}
				}
				err = s.Next(&p)
				if err != nil && err != io.EOF {
					b.Fatal(err)
				}
			}
			s.Close()
		})
	}
}
