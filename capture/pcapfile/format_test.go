package pcapfile_test

import (
	"bytes"
	stdgzip "compress/gzip"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authtap/authtap/capture"
)

const (
	micro   = 0xa1b2c3d4
	nano    = 0xa1b23c4d
	patched = 0xa1b2cd34
)

// longest is a packet of capture.MaxPacket bytes.
var longest = strings.Repeat("x", capture.MaxPacket)

func TestFormats(t *testing.T) {
	one := func(time capture.Time, link capture.LinkType, data string) []got {
		return []got{{Number: 1, Time: time, Link: link, Data: data, Length: len(data)}}
	}
	const second = 1_000_000_000
	comment := []byte{1, 0, 3, 0, 'a', 'b', 'c', 0}
	options := func(f *build, resolution byte, offset int64) []byte {
		o := &build{order: f.order}
		o.u16(1, 3).raw('a', 'b', 'c', 0).u16(9, 1).raw(resolution, 0, 0, 0)
		if offset != 0 {
			o.u16(14, 8)
			o.b = o.order.AppendUint64(o.b, uint64(offset))
		}
		return o.u16(0, 0).b
	}
	timed := func(f *build, resolution byte, offset int64, stamp uint64) []byte {
		return f.section().iface(1, 0, options(f, resolution, offset)...).enhanced(0, stamp, "data!").b
	}
	tests := []struct {
		name string
		file []byte
		want []got
	}{
		{"no packets", little().pcap(micro, 65535, 1).b, nil},
		{"pcap microseconds", little().pcap(micro, 65535, 1).record(5, 7, "data").b, one(5*second+7000, 1, "data")},
		{"pcap microseconds big-endian", big().pcap(micro, 65535, 1).record(5, 7, "data").b, one(5*second+7000, 1, "data")},
		{"pcap nanoseconds", little().pcap(nano, 65535, 1).record(5, 7, "data").b, one(5*second+7, 1, "data")},
		{"pcap nanoseconds big-endian", big().pcap(nano, 65535, 276).record(5, 7, "data").b, one(5*second+7, 276, "data")},
		{"pcap of the year 2106", little().pcap(nano, 65535, 1).record(math.MaxUint32, 7, "data").b, one(math.MaxUint32*second+7, 1, "data")},
		{"pcap patched", little().pcap(patched, 65535, 1).
			u32(5, 7, 4, 9).u32(2).u16(8).raw(0, 0).raw([]byte("data")...).
			u32(6, 7, 2, 2).u32(2).u16(8).raw(0, 0).raw([]byte("ab")...).b,
			[]got{{0, 1, 5*second + 7000, 1, "data", 9}, {0, 2, 6*second + 7000, 1, "ab", 2}}},
		{"pcap patched big-endian", big().pcap(patched, 65535, 1).
			u32(5, 7, 4, 9).u32(2).u16(8).raw(0, 0).raw([]byte("data")...).b,
			[]got{{0, 1, 5*second + 7000, 1, "data", 9}}},
		{"pcap snap length 0", little().pcap(micro, 0, 1).record(5, 7, "data").b, one(5*second+7000, 1, "data")},
		{"pcap exceeds its snap length", little().pcap(micro, 2, 1).record(5, 7, "data").b, one(5*second+7000, 1, "data")},
		{"pcap cut by its snap length", little().pcap(micro, 4, 1).u32(5, 7, 4, 1500).raw([]byte("data")...).b,
			[]got{{0, 1, 5*second + 7000, 1, "data", 1500}}},
		{"pcap more captured than there was", little().pcap(micro, 65535, 1).u32(5, 7, 4, 3).raw([]byte("data")...).b,
			[]got{{0, 1, 5*second + 7000, 1, "data", 4}}},
		{"pcap with check sequences", little().pcap(micro, 65535, 0x24000001).record(5, 7, "data").b, one(5*second+7000, 1, "data")},
		{"pcap 2.2 with lengths swapped", little().u32(micro).u16(2, 2).u32(0, 0, 65535, 1).u32(5, 7, 9, 4).raw([]byte("data")...).b,
			[]got{{0, 1, 5*second + 7000, 1, "data", 9}}},
		{"pcap empty packet", little().pcap(micro, 65535, 1).record(5, 7, "").record(6, 0, "a").b,
			[]got{{0, 1, 5*second + 7000, 1, "", 0}, {0, 2, 6 * second, 1, "a", 1}}},
		{"pcap longest packet", little().pcap(micro, 0, 1).record(5, 7, "a").record(5, 7, longest).record(5, 7, "b").b,
			[]got{{0, 1, 5*second + 7000, 1, "a", 1}, {0, 2, 5*second + 7000, 1, longest, capture.MaxPacket}, {0, 3, 5*second + 7000, 1, "b", 1}}},

		{"pcapng", little().section().iface(1, 0).enhanced(0, 5_000_007, "data!").b, one(5*second+7000, 1, "data!")},
		{"pcapng big-endian", big().section().iface(1, 0).enhanced(0, 5_000_007, "data!").b, one(5*second+7000, 1, "data!")},
		{"pcapng longest packet", little().section().iface(1, 0).enhanced(0, 1, longest).b, one(1000, 1, longest)},
		{"pcapng nanoseconds", timed(little(), 9, 0, 5), one(5, 1, "data!")},
		{"pcapng nanoseconds big-endian with offset", timed(big(), 9, -2, 5), one(5-2*second, 1, "data!")},
		{"pcapng seconds", timed(little(), 0, 0, 5), one(5*second, 1, "data!")},
		{"pcapng picoseconds", timed(little(), 12, 3, 5_000_000_001_999), one(8*second+1, 1, "data!")},
		{"pcapng picoseconds, stamp 0, offset", timed(little(), 12, 3, 0), one(3*second, 1, "data!")},
		{"pcapng finest decimal", timed(little(), 19, 0, math.MaxUint64), one(1*second+844674407, 1, "data!")},
		{"pcapng half seconds", timed(little(), 0x81, 0, 5), one(2*second+second/2, 1, "data!")},
		{"pcapng binary 2^-10", timed(little(), 0x8a, 0, 1024*7+256), one(7*second+second/4, 1, "data!")},
		{"pcapng finest binary", timed(little(), 0xbf, 0, 3<<62), one(1*second+second/2, 1, "data!")},
		{"pcapng too late", timed(little(), 0, 0, math.MaxUint64), one(math.MaxInt64, 1, "data!")},
		{"pcapng too late by its offset", timed(little(), 6, math.MaxInt64, math.MaxUint64), one(math.MaxInt64, 1, "data!")},
		{"pcapng too early", timed(little(), 6, math.MinInt64, 5), one(math.MinInt64, 1, "data!")},
		{"pcapng offset undoes the stamp", timed(little(), 0, math.MinInt64, 1<<63+5), one(5*second, 1, "data!")},
		{"pcapng before 1970", timed(little(), 6, -10, 1_500_000), one(-8*second-second/2, 1, "data!")},
		{"pcapng sections and interfaces",
			slices.Concat(
				little().section().iface(1, 0).iface(101, 0).enhanced(1, 1, "raw").enhanced(0, 2, "eth").b,
				big().section().iface(113, 0).enhanced(0, 3, "sll").b,
				little().section().iface(276, 0).enhanced(0, 4, "sll2").b),
			[]got{{0, 1, 1000, 101, "raw", 3}, {0, 2, 2000, 1, "eth", 3}, {0, 3, 3000, 113, "sll", 3}, {0, 4, 4000, 276, "sll2", 4}}},
		{"pcapng simple packets take the time before them",
			little().section().iface(1, 4).iface(101, 0).
				block(3, func(b *build) { b.u32(2).raw('a', 'b') }).
				enhanced(1, 7, "data").
				block(3, func(b *build) { b.u32(9).raw('a', 'b', 'c', 'd') }).b,
			[]got{{0, 1, 0, 1, "ab", 2}, {0, 2, 7000, 101, "data", 4}, {0, 3, 7000, 1, "abcd", 9}}},
		{"pcapng obsolete packets",
			big().section().iface(1, 0).iface(101, 0).
				block(2, func(b *build) { b.u16(1, 77).u32(0, 5, 4, 6).raw('d', 'a', 't', 'a') }).b,
			[]got{{0, 1, 5000, 101, "data", 6}}},
		{"pcapng other blocks are skipped",
			little().section().iface(1, 0).
				block(5, func(b *build) { b.u32(0, 0, 0) }).
				block(0xbad, func(b *build) { b.raw(make([]byte, 3*capture.MaxPacket)...) }).
				block(0xbad, func(*build) {}).
				enhanced(0, 1, "a").b,
			one(1000, 1, "a")},
		{"pcapng packet with options",
			little().section().iface(1, 0).
				block(6, func(b *build) { b.u32(0, 0, 1, 1, 1).raw('a', 0, 0, 0).raw(comment...).u16(0, 0) }).
				enhanced(0, 2, "b").b,
			[]got{{0, 1, 1000, 1, "a", 1}, {0, 2, 2000, 1, "b", 1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, packing := range []struct {
				name string
				pack func([]byte) []byte
			}{
				{"plain", func(b []byte) []byte { return b }},
				{"gzip", gzipped},
				{"zstd", zstded},
				{"zstd in gzip in zstd", func(b []byte) []byte { return zstded(gzipped(zstded(b))) }},
			} {
				packets, damage := read(t, packing.pack(tt.file))
				if damage != nil {
					t.Errorf("%s: %v", packing.name, damage[0])
				}
				if diff := cmp.Diff(tt.want, packets); diff != "" {
					t.Errorf("%s: packets differ (-want +got):\n%s", packing.name, diff)
				}
			}
		})
	}
}

// TestDamage: what comes before the damage is given, then one error that says
// where.
func TestDamage(t *testing.T) {
	file := func() *build { return little().pcap(micro, 65535, 1).record(1, 0, "data") } // 24 + 20 bytes
	ng := func() *build { return little().section().iface(1, 0).enhanced(0, 1, "data") } // 28 + 20 + 36 bytes
	const end, ngEnd = 44, 84
	many := little().section()
	for range 1<<16 + 1 {
		many.iface(1, 0)
	}
	flip := func(b []byte, at int) []byte { b[at] ^= 0xff; return b }
	tests := []struct {
		name    string
		file    []byte
		packets int
		offset  int64
		cause   string
	}{
		{"only the magic", little().u32(micro).b, 0, 0, "the file header is cut off after 4 bytes"},
		{"header cut", file().b[:23], 0, 0, "the file header is cut off after 23 bytes"},
		{"version", little().u32(micro).u16(3, 0).u32(0, 0, 0, 1).b, 0, 4, "pcap version 3.0 is unknown"},
		{"record header cut", file().u32(1, 2).b, 1, end, "the record header is cut off after 8 bytes"},
		{"record cut", file().u32(1, 2, 100, 100).raw(1, 2, 3).b, 1, end, "the record of 116 bytes is cut off after 19 bytes"},
		{"longer than the limit", file().u32(1, 2, capture.MaxPacket+1, 9).b, 1, end, "a packet of 262145 bytes is announced, the limit is 262144"},
		{"4 GiB announced", file().u32(1, 2, 0xffffffff, 0xffffffff).b, 1, end, "a packet of 4294967295 bytes is announced"},

		{"section cut", little().section().b[:27], 0, 0, "the block of 28 bytes is cut off after 27 bytes"},
		{"section without byte order", flip(ng().b, 9), 0, 0, "the section header has no byte order"},
		{"section of another version", flip(ng().b, 12), 0, 0, "pcapng version 254.0 is unknown"},
		{"section too short", little().u32(0x0a0d0d0a, 12, 0x1a2b3c4d).b, 0, 0, "the block of 12 bytes is too short"},
		{"block header cut", ng().u32(6, 36).b, 1, ngEnd, "the block is cut off after 8 bytes"},
		{"block too short for a block", ng().u32(0xbad, 8, 8).b, 1, ngEnd, "a block of 8 bytes is announced"},
		{"block not of whole words", ng().u32(0xbad, 15, 0).b, 1, ngEnd, "a block of 15 bytes is announced"},
		{"unknown block cut", ng().u32(0xbad, 0xfffffffc, 0).b, 1, ngEnd, "the block of 4294967292 bytes is cut off after 12 bytes"},
		{"trailing length cut", ng().enhanced(0, 1, "data").b[:ngEnd+33], 2, ngEnd, "the block of 36 bytes is cut off after 33 bytes"},
		{"lengths disagree", flip(ng().b, ngEnd-4), 1, 48, "the block says 36 bytes at its start and 219 at its end"},
		{"packet cut", ng().enhanced(0, 1, "data").b[:ngEnd+30], 1, ngEnd, "the block of 36 bytes is cut off after 30 bytes"},
		{"packet longer than its block", ng().block(6, func(b *build) { b.u32(0, 0, 1, 5, 5).raw(1, 2, 3, 4) }).b, 1, ngEnd, "the block of 36 bytes is too short for what it holds"},
		{"packet longer than the limit", ng().block(6, func(b *build) { b.u32(0, 0, 1, capture.MaxPacket+1, 5) }).b, 1, ngEnd, "a packet of 262145 bytes is announced"},
		{"packet block too short", ng().block(6, func(b *build) { b.u32(0, 0, 1) }).b, 1, ngEnd, "too short"},
		{"packet of an unknown interface", ng().enhanced(1, 1, "data").b, 1, ngEnd, "a packet of interface 1, and 1 are described"},
		{"packet of an interface far off", ng().enhanced(0xffffffff, 1, "data").b, 1, ngEnd, "a packet of interface 4294967295"},
		{"interfaces end with their section", ng().section().enhanced(0, 1, "data").b, 1, ngEnd + 28, "a packet of interface 0, and 0 are described"},
		{"simple packet without interface", little().section().block(3, func(b *build) { b.u32(0) }).b, 0, 28, "no interface is described"},
		{"simple packet longer than its block", ng().block(3, func(b *build) { b.u32(5).raw(1, 2, 3, 4) }).b, 1, ngEnd, "too short"},
		{"interface too short", little().section().block(1, func(b *build) { b.u32(1) }).b, 0, 28, "too short"},
		{"option longer than its block", little().section().iface(1, 0, 1, 0, 9, 0, 1, 2, 3, 4).b, 0, 28, "an option of 9 bytes does not fit"},
		{"resolution of an option cut", little().section().iface(1, 0, 9, 0, 1, 0).b, 0, 28, "an option of 1 bytes does not fit"},
		{"decimal resolution too fine", little().section().iface(1, 0, 9, 0, 1, 0, 20, 0, 0, 0).b, 0, 28, "finer than 64 bits"},
		{"binary resolution too fine", little().section().iface(1, 0, 9, 0, 1, 0, 0xc0, 0, 0, 0).b, 0, 28, "finer than 64 bits"},
		{"too many interfaces", many.b, 0, 28 + 20<<16, "more than 65536 interfaces in a section"},

		{"gzip header cut", gzipped(file().b)[:5], 0, 0, "the compressed data is cut off"},
		{"gzip with a wrong sum", flip(gzipped(file().b), len(gzipped(file().b))-5), 1, end, "checksum"},
		{"gzip followed by other bytes", append(gzipped(file().b), "other bytes, of some length"...), 1, end, "reading: gzip: invalid header"},
		{"zstd damaged", append([]byte{0x28, 0xb5, 0x2f, 0xfd}, 0xff, 0xff, 0xff), 0, 0, "reading: "},
		{"zstd with a window of 64 MiB", append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 16 << 3, 24<<3 | 1, 0, 0}, file().b[:24]...), 0, 0,
			"decompressing needs more than 32 MiB of memory; use zstd -dc FILE | authtap replay -"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			packets, damage := read(t, tt.file)
			if len(packets) != tt.packets {
				t.Errorf("%d packets, want %d", len(packets), tt.packets)
			}
			if len(damage) != 1 {
				t.Fatalf("damage = %v, want one error", damage)
			}
			d := damage[0]
			if d.File != "-" || d.Offset != tt.offset {
				t.Errorf("damage in %s at %d, want - at %d", d.File, d.Offset, tt.offset)
			}
			if !strings.Contains(d.Cause.Error(), tt.cause) {
				t.Errorf("cause %q, want %q in it", d.Cause, tt.cause)
			}
			if strings.Contains(tt.cause, "cut off") && !errors.Is(d, io.ErrUnexpectedEOF) {
				t.Errorf("%v does not wrap io.ErrUnexpectedEOF", d)
			}
		})
	}
}

// TestCut cuts files at every byte: the packets that are whole are given, and
// any end but that of a record is damage. Of a compressed file it is what can
// be decompressed of the rest.
func TestCut(t *testing.T) {
	tests := []struct {
		name    string
		file    []byte
		ends    []int // where a cut is no damage
		packets []int // where a packet is complete
	}{
		{"pcap",
			little().pcap(micro, 65535, 1).record(1, 0, "data").record(2, 0, "").record(3, 0, "more data").b,
			[]int{24, 44, 60, 85}, []int{44, 60, 85}},
		{"pcapng",
			little().section().iface(1, 0, 9, 0, 1, 0, 9, 0, 0, 0).enhanced(0, 1, "data").enhanced(0, 2, "more data").b,
			[]int{28, 56, 92, 136}, []int{88, 129}},
	}
	for _, tt := range tests {
		whole, damage := read(t, tt.file)
		if damage != nil || len(whole) != len(tt.packets) {
			t.Fatal(len(whole), damage)
		}
		for n := 4; n <= len(tt.file); n++ {
			want := 0
			for _, end := range tt.packets {
				if end <= n {
					want++
				}
			}
			packets, damage := read(t, tt.file[:n])
			if !slices.Equal(packets, whole[:want]) {
				t.Errorf("%s cut to %d bytes: %d packets, want %d", tt.name, n, len(packets), want)
			}
			if isEnd := slices.Contains(tt.ends, n); isEnd && len(damage) != 0 || !isEnd && len(damage) != 1 {
				t.Errorf("%s cut to %d bytes: %v", tt.name, n, damage)
			}

			packed := gzipped(tt.file)
			packed = packed[:len(packed)*n/(len(tt.file)+1)]
			var rest []byte
			if z, err := stdgzip.NewReader(bytes.NewReader(packed)); err == nil {
				rest, _ = io.ReadAll(z)
			}
			if len(rest) < 4 {
				continue
			}
			wanted, _ := read(t, rest)
			packets, damage = read(t, packed)
			if !slices.Equal(packets, wanted) || len(damage) != 1 || damage[0].Offset != int64(len(rest)) {
				t.Errorf("%s.gz cut to %d bytes: %d packets, %v; want %d, and damage at %d",
					tt.name, len(packed), len(packets), damage, len(wanted), len(rest))
			}
		}
	}
}

// TestDamageText pins what a user reads.
func TestDamageText(t *testing.T) {
	_, damage := read(t, little().pcap(micro, 65535, 1).record(1, 0, "data").u32(1, 2).b)
	const want = "-: damaged capture at byte 44: the record header is cut off after 8 bytes: unexpected EOF"
	if len(damage) != 1 || damage[0].Error() != want {
		t.Errorf("got %v, want %s", damage, want)
	}
}
