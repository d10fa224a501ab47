package pipeline_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
	"github.com/authtap/authtap/cmd/authtap/internal/pipeline"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/decode"
	"github.com/authtap/authtap/reassembly/exchange"
)

// pace lets the rings of a capture advance together, as the kernel does: each
// gives a packet only when the others are not further behind than their lead.
type pace struct {
	mu    sync.Mutex
	moved sync.Cond
	next  []capture.Time // of each ring; the end of time when it is over
}

// ring is a source that gives some packets of a capture.
type ring struct {
	*pace
	index   int
	lead    time.Duration // that it may have over the others
	packets []capture.Packet
	read    int
}

func (r *ring) Next(p *capture.Packet) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := capture.Time(math.MaxInt64)
	if r.read < len(r.packets) {
		at = r.packets[r.read].Time
	}
	r.next[r.index] = at
	r.moved.Broadcast()
	if r.read == len(r.packets) {
		return io.EOF
	}
	for slices.Min(r.next) < at.Add(-r.lead) {
		r.moved.Wait()
	}
	*p = r.packets[r.read]
	r.read++
	return nil
}

func (r *ring) Inputs() []string     { return []string{"test"} }
func (r *ring) Stats() capture.Stats { return capture.Stats{Packets: uint64(r.read)} }
func (r *ring) Close() error         { return nil }

// rings makes sources of packets, which pick tells the ring of.
func rings(packets []capture.Packet, leads []time.Duration, pick func(i int, p *capture.Packet) int) (sources []capture.Source) {
	c := &pace{next: make([]capture.Time, len(leads))}
	c.moved.L = &c.mu
	var all []*ring
	for i, lead := range leads {
		c.next[i] = math.MinInt64
		r := &ring{pace: c, index: i, lead: lead}
		all = append(all, r)
		sources = append(sources, r)
	}
	for i := range packets {
		r := all[pick(i, &packets[i])]
		r.packets = append(r.packets, packets[i])
	}
	for i, r := range all {
		if len(r.packets) > 0 {
			c.next[i] = r.packets[0].Time
		}
	}
	return sources
}

// direction tells the direction of a packet.
func direction() func(i int, p *capture.Packet) int {
	var d decode.Decoder
	return func(_ int, p *capture.Packet) int {
		var seg reassembly.Segment
		if d.Decode(p, &seg) != decode.Segment {
			return 0
		}
		return int(seg.Dir)
	}
}

// file reads a capture.
func file(t *testing.T, path string) (packets []capture.Packet) {
	t.Helper()
	s, err := pcapfile.Open([]string{path}, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for {
		var p capture.Packet
		if err := s.Next(&p); err == io.EOF {
			return packets
		} else if err != nil {
			t.Fatal(err)
		}
		p.Data = slices.Clone(p.Data)
		packets = append(packets, p)
	}
}

// exchanges runs packets of HTTP and gives the exchanges, sorted.
func exchanges(t *testing.T, sources []capture.Source, shards int) ([]string, pipeline.Stats) {
	t.Helper()
	var lines []string
	stats, err := pipeline.Run(context.Background(), pipeline.Options[string]{
		Sources: sources, Live: true, Shards: shards,
		NewStreams: pipeline.StreamsOf(pipeline.Limits{}),
		NewInspect: func() pipeline.Inspect[string] {
			return pipeline.Inspect[string]{Exchange: func(x *exchange.Exchange) string {
				return fmt.Sprint(x.Client, x.Server, x.Request.Method, x.Request.Target, x.Response.Status,
					x.Request.Body.Length, x.Response.Body.Length, x.Names())
			}}
		},
		Take:   func(s string) { lines = append(lines, s) },
		Mark:   func(pipeline.Mark) error { return nil },
		Failed: func(err error) { t.Error(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines, stats
}

// The two directions of conversations through different rings give the same
// exchanges as one ring does, also where one of them is behind.
func TestDirectionsThroughRings(t *testing.T) {
	cases, err := filepath.Glob("../../../../testdata/pcaps/*/in.pcap")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	for _, path := range cases {
		packets := file(t, path)
		slices.SortStableFunc(packets, func(a, b capture.Packet) int { return cmp.Compare(a.Time, b.Time) })
		one, _ := exchanges(t, rings(packets, []time.Duration{0}, func(int, *capture.Packet) int { return 0 }), 2)
		for _, leads := range [][]time.Duration{{0, 0}, {0, 200 * time.Millisecond}, {200 * time.Millisecond, 0}} {
			two, _ := exchanges(t, rings(packets, leads, direction()), 2)
			if !slices.Equal(one, two) {
				bad := 0
				for i := range min(len(one), len(two)) {
					if one[i] != two[i] {
						bad++
					}
				}
				t.Errorf("%s, leads %v: %d differ, %d vs %d", filepath.Base(filepath.Dir(path)), leads, bad, len(one), len(two))
				if os.Getenv("SHOW") != "" {
					t.Logf("one:\n%s\ntwo:\n%s", strings.Join(one, "\n"), strings.Join(two, "\n"))
				}
			}
		}
	}
}
