package pcapfile_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket/pcapgo"
	"pgregory.net/rapid"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
)

func TestWriterRefuses(t *testing.T) {
	ok := capture.Packet{Time: 5, Data: []byte("data"), Length: 4, Link: 1}
	tests := []struct {
		name   string
		change func(*capture.Packet)
		want   string
	}{
		{"other link type", func(p *capture.Packet) { p.Link = 113 }, "a packet of link type LINUX_SLL does not fit into a pcap file of EN10MB"},
		{"before 1970", func(p *capture.Packet) { p.Time = -1 }, "a pcap file cannot hold the time 1969-12-31T23:59:59.999999Z"},
		{"after 2106", func(p *capture.Packet) { p.Time = (math.MaxUint32 + 1) * 1e9 }, "a pcap file cannot hold the time 2106-02-07T06:28:16.000000Z"},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		w, err := pcapfile.NewWriter(&out, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		p := ok
		tt.change(&p)
		if err := w.Write(&p); err == nil || err.Error() != tt.want {
			t.Errorf("%s: error %v, want %s", tt.name, err, tt.want)
		}
		// The file is as if it had not been offered.
		if err := errors.Join(w.Write(&ok), w.Flush()); err != nil {
			t.Fatal(err)
		}
		if packets, damage := read(t, out.Bytes()); len(packets) != 1 || damage != nil {
			t.Errorf("%s: %d packets, %v", tt.name, len(packets), damage)
		}
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestWriterFails(t *testing.T) {
	w, err := pcapfile.NewWriter(full{}, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := capture.Packet{Data: make([]byte, 100_000), Link: 1}
	if err := w.Write(&p); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("Write: %v", err)
	}
	if err := w.Flush(); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("Flush: %v", err)
	}
}

func TestWriterBytes(t *testing.T) {
	var out bytes.Buffer
	w, err := pcapfile.NewWriter(&out, capture.LinkSLL2, 3)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(
		w.Write(&capture.Packet{Time: 5_000_000_007, Data: []byte("data"), Length: 1500, Link: capture.LinkSLL2}),
		w.Write(&capture.Packet{Time: 5_000_000_008, Data: []byte("ab"), Link: capture.LinkSLL2}),
		w.Flush())
	if err != nil {
		t.Fatal(err)
	}
	want := little().pcap(nano, 3, 276).u32(5, 7, 3, 1500).raw('d', 'a', 't').u32(5, 8, 2, 2).raw('a', 'b').b
	if diff := cmp.Diff(want, out.Bytes()); diff != "" {
		t.Error(diff)
	}
}

// TestWriterRoundTrip: our reader and pcapgo read what was written.
func TestWriterRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		snap := rapid.SampledFrom([]int{0, 1, 100, capture.MaxPacket, capture.MaxPacket + 1}).Draw(t, "snap")
		var out bytes.Buffer
		w, err := pcapfile.NewWriter(&out, 1, snap)
		if err != nil {
			t.Fatal(err)
		}
		if snap == 0 {
			snap = capture.MaxPacket
		}
		var want []got
		for i := range rapid.IntRange(0, 20).Draw(t, "packets") {
			data := strings.Repeat("x", rapid.IntRange(0, 2000).Draw(t, "size"))
			p := capture.Packet{
				Time:   capture.Time(rapid.Int64Range(0, math.MaxUint32*1_000_000_000).Draw(t, "time")),
				Data:   []byte(data),
				Length: len(data) + rapid.IntRange(0, 9).Draw(t, "cut"),
				Link:   1,
			}
			if err := w.Write(&p); err != nil {
				t.Fatal(err)
			}
			want = append(want, got{0, uint64(i + 1), p.Time, 1, data[:min(len(data), snap)], p.Length})
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		packets, damage := read(t, out.Bytes())
		if diff := cmp.Diff(want, packets); diff != "" || damage != nil {
			t.Errorf("%v\n%s", damage, diff)
		}
		r, err := pcapgo.NewReader(&out)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range want {
			data, ci, err := r.ReadPacketData()
			if err != nil || string(data) != p.Data || ci.Length != p.Length || capture.TimeOf(ci.Timestamp) != p.Time {
				t.Errorf("pcapgo reads %d bytes of %d at %v, %v; want %d of %d at %v", len(data), ci.Length, ci.Timestamp, err, len(p.Data), p.Length, p.Time)
			}
		}
	})
}
