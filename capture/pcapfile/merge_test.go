package pcapfile_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
)

// merged is the order that is asked for, told in the simplest way: always the
// input whose next packet is earliest, the first of them among equals.
func merged(inputs [][]got) (out []got) {
	inputs = slices.Clone(inputs)
	for {
		least := -1
		for i, in := range inputs {
			if len(in) > 0 && (least < 0 || in[0].Time < inputs[least][0].Time) {
				least = i
			}
		}
		if least < 0 {
			return out
		}
		out = append(out, inputs[least][0])
		inputs[least] = inputs[least][1:]
	}
}

// TestMerge: any number of inputs of all kinds, with times that also run back,
// comes out in that order, with few open files as with many.
func TestMerge(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		var args []string
		var inputs [][]got
		var stdin io.Reader
		damaged := 0
		for i := range rapid.IntRange(1, 12).Draw(t, "inputs") {
			f := little()
			kind := rapid.SampledFrom([]string{"pcap", "pcapng"}).Draw(t, "kind")
			if kind == "pcap" {
				f.pcap(micro, 0, 1)
			} else {
				f.section().iface(1, 0)
			}
			var packets []got
			for n := range rapid.IntRange(0, 6).Draw(t, "packets") {
				at := rapid.Uint32Range(0, 8).Draw(t, "time")
				data := fmt.Sprintf("%d of %d", n, i) + strings.Repeat(".", rapid.SampledFrom([]int{0, 0, 3, 9000, 70_000}).Draw(t, "size"))
				if kind == "pcap" {
					f.record(0, at, data)
				} else {
					f.enhanced(0, uint64(at), data)
				}
				packets = append(packets, got{i, uint64(n + 1), capture.Time(at) * 1000, 1, data, len(data)})
			}
			inputs = append(inputs, packets)
			if rapid.IntRange(0, 3).Draw(t, "damaged") == 0 {
				f.raw(1, 2, 3)
				damaged++
			}
			switch rapid.SampledFrom([]string{"plain", "plain", "gzip", "zstd"}).Draw(t, "packing") {
			case "gzip":
				f.b = gzipped(f.b)
			case "zstd":
				f.b = zstded(f.b)
			}
			if stdin == nil && rapid.IntRange(0, 9).Draw(t, "stdin") == 0 {
				stdin = bytes.NewReader(f.b)
				args = append(args, "-")
				continue
			}
			args = append(args, write(t, dir, fmt.Sprint(i), f.b))
		}
		limit := rapid.IntRange(1, 4).Draw(t, "open files")
		s, err := pcapfile.Open(args, pcapfile.Options{Stdin: stdin, OpenFiles: limit})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var packets []got
		for {
			var p capture.Packet
			err := s.Next(&p)
			if n := s.OpenFiles(); n > limit {
				t.Fatalf("%d files open, the limit is %d", n, limit)
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				damaged--
				continue
			}
			packets = append(packets, got{p.Input, p.Number, p.Time, p.Link, string(p.Data), p.Length})
		}
		if diff := cmp.Diff(merged(inputs), packets); diff != "" {
			t.Errorf("packets differ (-want +got):\n%.2000s", diff)
		}
		if damaged != 0 {
			t.Errorf("%d errors of damage were not given, or too many", damaged)
		}
	})
}

// TestManyFiles: of files that follow each other, as a rotating capture leaves
// them, one is open at a time, and one buffer does for all; of files that
// overlap, as many as allowed.
func TestManyFiles(t *testing.T) {
	dir := t.TempDir()
	const files, limit = 300, 16
	for _, overlap := range []bool{false, true} {
		var args []string
		for i := range files {
			f := little().pcap(micro, 0, 1)
			for n := range uint32(3) {
				at := uint32(i)*10 + n
				if overlap {
					at = n
				}
				// Longer than a buffer that starts, so that each is read in parts.
				f.record(at, 0, strings.Repeat("x", 40_000))
			}
			args = append(args, write(t, dir, fmt.Sprint(i), f.b))
		}
		s, err := pcapfile.Open(args, pcapfile.Options{OpenFiles: limit})
		if err != nil {
			t.Fatal(err)
		}
		if n := s.OpenFiles(); n != 0 {
			t.Errorf("overlap %v: %d files open before the first packet", overlap, n)
		}
		open, memory := 0, 0
		for i := range 3 * files {
			var p capture.Packet
			if err := s.Next(&p); err != nil {
				t.Fatal(err)
			}
			want := i/3*10 + i%3
			if overlap {
				want = i / files
			}
			if p.Time != capture.Time(want)*1e9 {
				t.Fatalf("overlap %v: packet %d has the time %v", overlap, i, p.Time)
			}
			open, memory = max(open, s.OpenFiles()), max(memory, s.Memory())
		}
		if err := s.Next(new(capture.Packet)); err != io.EOF {
			t.Errorf("overlap %v: at the end, Next gives %v", overlap, err)
		}
		s.Close()
		wantOpen, wantMemory := 1, pcapfile.MaxWindow
		if overlap {
			wantOpen, wantMemory = limit, files*pcapfile.MaxWindow
		}
		if open != wantOpen || memory > wantMemory {
			t.Errorf("overlap %v: %d files open, want %d; buffers of %d bytes, want at most %d", overlap, open, wantOpen, memory, wantMemory)
		}
	}
}

// TestDataValid: what a packet aliases stays as it is until the next Next,
// also when other inputs are read on to find whose turn it is.
func TestDataValid(t *testing.T) {
	dir := t.TempDir()
	var args []string
	for i := range 3 {
		f := little().pcap(micro, 0, 1)
		for n := range uint32(2000) {
			f.record(n/7, 0, strings.Repeat(string(rune('a'+i)), 100+int(n%300)))
		}
		args = append(args, write(t, dir, fmt.Sprint(i), f.b))
	}
	s, err := pcapfile.Open(args, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	count := 0
	var p capture.Packet
	for ; s.Next(&p) == nil; count++ {
		want := 100 + int((p.Number-1)%300)
		if len(p.Data) != want || bytes.Count(p.Data, []byte{byte('a' + p.Input)}) != want {
			t.Fatalf("packet %d of input %d is %.20q… of %d bytes", p.Number, p.Input, p.Data, len(p.Data))
		}
	}
	if count != 6000 {
		t.Errorf("%d packets", count)
	}
}

// TestNextAllocates: nothing, once the buffers are there.
func TestNextAllocates(t *testing.T) {
	f := little().pcap(micro, 0, 1)
	ng := little().section().iface(1, 0)
	for n := range uint32(12_000) {
		f.record(n, 0, strings.Repeat("x", 1000))
		ng.enhanced(0, uint64(n)*1_000_000, strings.Repeat("x", 1000))
	}
	dir := t.TempDir()
	s, err := pcapfile.Open([]string{write(t, dir, "a.pcap", f.b), write(t, dir, "b.pcapng", ng.b)}, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var p capture.Packet
	next := func() {
		if err := s.Next(&p); err != nil {
			t.Fatal(err)
		}
	}
	for range 2000 {
		next()
	}
	if n := testing.AllocsPerRun(20_000, next); n != 0 {
		t.Errorf("Next allocates %v times a packet", n)
	}
}
