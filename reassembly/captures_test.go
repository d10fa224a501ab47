package reassembly_test

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/decode"
)

const captures = "../../shared/captures/files"

// TestCaptures takes captures that nobody here wrote through one Assembler and
// through three that share the flows: every direction must be contiguous and
// end once, and what each conversation gave must be the same.
func TestCaptures(t *testing.T) {
	files, _ := filepath.Glob(captures + "/*/*")
	if len(files) == 0 {
		t.Skip("no captures beside the checkout")
	}
	var bytes uint64
	for _, file := range files {
		one, stats := streamsOf(t, file, 1)
		three, _ := streamsOf(t, file, 3)
		if !slices.Equal(one, three) {
			t.Errorf("%s: %d streams, and other ones when shared out", file, len(one))
		}
		bytes += stats.Delivered
		if os.Getenv("VERBOSE") != "" {
			t.Logf("%s: %+v", file, stats)
		}
	}
	if bytes == 0 {
		t.Error("not one byte was delivered")
	}
}

// listener checks the order of one conversation's chunks and digests them.
type listener struct {
	t     *testing.T
	file  string
	key   reassembly.FlowKey
	begun [2]bool
	next  [2]uint32
	ended [2]bool
	print func(format string, args ...any)
}

func (l *listener) Feed(c *reassembly.Chunk) {
	if l.ended[c.Dir] {
		l.t.Errorf("%s: %v goes on after its end", l.file, l.key.Sender(c.Dir))
	}
	if l.begun[c.Dir] && c.Seq != l.next[c.Dir] {
		l.t.Errorf("%s: %v: a chunk at %d, expected at %d", l.file, l.key.Sender(c.Dir), c.Seq, l.next[c.Dir])
	}
	l.begun[c.Dir] = true
	l.next[c.Dir] = c.Seq + uint32(len(c.Bytes)) + uint32(c.Gap)
	l.print("%d %d %x %d %v %d\n", c.Dir, c.Seq, c.Bytes, c.Gap, c.Conflict, c.Origin.Order)
}

func (l *listener) End(d reassembly.Direction, why reassembly.End, at reassembly.Origin) {
	if l.ended[d] {
		l.t.Errorf("%s: %v ends twice", l.file, l.key.Sender(d))
	}
	l.ended[d] = true
	l.print("%d end %d %d\n", d, why, at.Order)
}

// streamsOf gives the digests of all conversations of a capture, sorted.
func streamsOf(t *testing.T, file string, shards int) ([]string, reassembly.Stats) {
	src, err := pcapfile.Open([]string{file}, pcapfile.Options{})
	if err != nil {
		return nil, reassembly.Stats{} // no capture
	}
	defer src.Close()
	var digests []func() string
	all := make([]*reassembly.Assembler, shards)
	for i := range all {
		all[i] = reassembly.New(reassembly.Limits{}, func(s reassembly.Start) reassembly.Parser {
			h := fnv.New64a()
			digests = append(digests, func() string {
				return fmt.Sprintf("%v %v %x", s.Key.Sender(0), s.Key.Sender(1), h.Sum64())
			})
			return &listener{t: t, file: file, key: s.Key, print: func(format string, args ...any) {
				fmt.Fprintf(h, format, args...)
			}}
		})
	}
	var d decode.Decoder
	var p capture.Packet
	var seg reassembly.Segment
	var last reassembly.Origin
	var clock capture.Time
	for {
		err := src.Next(&p)
		if err == io.EOF {
			break
		}
		if err != nil {
			if !errors.Is(err, capture.ErrDamaged) {
				t.Fatal(err)
			}
			continue
		}
		r := d.Decode(&p, &seg)
		if second := p.Time - p.Time%capture.Time(time.Second); second > clock {
			clock = second
			for _, a := range all {
				a.Tick(clock, last)
			}
		}
		if r == decode.Segment {
			last = seg.Origin
			all[seg.Key.Hash()%uint32(shards)].Segment(&seg)
		}
	}
	for _, a := range all {
		a.Shutdown(last)
	}
	var out []string
	for _, f := range digests {
		out = append(out, f())
	}
	slices.Sort(out)
	return out, all[0].Stats()
}
