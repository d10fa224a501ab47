package reassembly_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// wire plays segments written as text into an Assembler:
//
//	> SA 100 300 "data"   flags, sequence and acknowledgement number, payload;
//	                      options: cut=N, win=N, scale=N (the shift), vlan=N, id=N
//	                      (of the overlay network)
//	after 250ms           moves the clock; each segment moves it by 1 ms
//	tick                  the packet clock at this time
//	shutdown
type wire struct {
	*reassembly.Assembler
	trace reassemblytest.Trace
	now   capture.Time
	at    reassembly.Origin
}

func newWire(l reassembly.Limits) *wire {
	w := &wire{now: reassemblytest.Start}
	w.Assembler = reassembly.New(l, w.trace.New)
	w.Tick(w.now, w.at)
	return w
}

var (
	clientAddr = reassembly.Addr{10: 0xff, 11: 0xff, 12: 10, 15: 1}
	serverAddr = reassembly.Addr{10: 0xff, 11: 0xff, 12: 10, 15: 2}
)

func (w *wire) play(t *testing.T, script string) {
	t.Helper()
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		verb, rest, _ := strings.Cut(line, " ")
		switch verb {
		case "", "#":
		case "after":
			d, err := time.ParseDuration(rest)
			if err != nil {
				t.Fatal(err)
			}
			w.now = w.now.Add(d)
		case "tick":
			w.Tick(w.now, w.at)
		case "shutdown":
			w.Shutdown(w.at)
		case ">", "<":
			w.send(t, verb, rest)
		default:
			t.Fatalf("%q?", line)
		}
	}
}

func (w *wire) send(t *testing.T, mark, line string) {
	t.Helper()
	s := reassembly.Segment{Window: 0xffff}
	src, dst, from, to := clientAddr, serverAddr, uint16(40000), uint16(80)
	if mark == "<" {
		src, dst, from, to = dst, src, to, from
	}
	var net reassembly.Network
	for i, f := range strings.Fields(line) {
		key, value, _ := strings.Cut(f, "=")
		n, err := strconv.ParseUint(value, 10, 32)
		if value == "" {
			n, err = strconv.ParseUint(key, 10, 32)
		}
		switch {
		case i == 0:
			for _, c := range f {
				s.Flags |= 1 << strings.IndexRune("FSRPAU", c)
			}
			err = nil
		case strings.HasPrefix(f, `"`):
			var p string
			p, err = strconv.Unquote(f)
			s.Payload = []byte(p)
		case value == "" && i == 1:
			s.Seq = uint32(n)
		case value == "" && i == 2:
			s.Ack = uint32(n)
		case key == "vlan":
			net.VLAN[0] = uint16(n) + 1
		case key == "id":
			net.ID, net.Kind = uint32(n), uint8(reassembly.VXLAN)
		case key == "cut":
			s.Cut = uint32(n)
		case key == "win":
			s.Window = uint16(n)
		case key == "scale":
			s.WindowScale = uint8(n) + 1
		default:
			err = fmt.Errorf("%q?", f)
		}
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	s.Key, s.Dir = reassembly.NewFlowKey(net, src, dst, from, to)
	w.at.Order++
	w.at.Number++
	w.at.Time = w.now
	s.Origin = w.at
	w.Segment(&s)
	for i := range s.Payload { // who keeps the payload is found out
		s.Payload[i] = '#'
	}
	w.now = w.now.Add(time.Millisecond)
}

const (
	handshake = `
		> S 99
		< SA 299 100
		> A 100 300
	`
	started = "start handshake=true"
	picked  = "start handshake=false"
)

type wireCase struct {
	name, script string
	want         []string
	stats        func(s *reassembly.Stats) bool
}

func runWire(t *testing.T, cases []wireCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWire(reassembly.Limits{})
			w.play(t, c.script)
			if got, want := w.trace.String(), strings.Join(c.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if s := w.Stats(); c.stats != nil && !c.stats(&s) {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestBeginning(t *testing.T) {
	runWire(t, []wireCase{
		{"nothing but an acknowledgement", `> A 100 300`, nil, func(s *reassembly.Stats) bool { return s.Stray == 1 && s.Known == 0 }},
		{"a FIN", `> FA 100 300`, nil, func(s *reassembly.Stats) bool { return s.Stray == 1 && s.Known == 0 }},
		{"a reset", `> R 100 0 "data"`, nil, func(s *reassembly.Stats) bool { return s.Stray == 1 && s.Known == 0 }},
		{"a probe of one byte", `> A 99 300 "x"`, nil, func(s *reassembly.Stats) bool { return s.Stray == 1 && s.Known == 0 }},
		{"no data, no parser", handshake + `
			> FA 100 300
			< FA 300 101
			> A 101 301
			`, nil, func(s *reassembly.Stats) bool { return s.HalfOpen == 1 && s.Ended[reassembly.EndFIN] == 1 }},
		{"one exchange", handshake + `
			> PA 100 300 "hello"
			< PA 300 105 "world"
			> FA 105 305
			< FA 305 106
			> A 106 306
			`, []string{started, `> "hello"`, `< "world"`, "> fin", "< fin"},
			func(s *reassembly.Stats) bool {
				return s.Conversations == 1 && s.Late == 1 && s.Stray == 0 && s.Known == 1 && s.Kept == 0
			}},
		{"one byte with PSH", `> PA 100 300 "x"`, []string{picked, `> "x"`}, nil},
		{"SYN-ACK first", `
			< SA 299 100
			> S 99
			> A 100 300
			> PA 100 300 "a"
			< PA 300 101 "b"
			`, []string{started, `> "a"`, `< "b"`},
			func(s *reassembly.Stats) bool { return s.Conversations == 1 && s.Retransmitted == 0 }},
		{"SYN-ACK lost", `
			> S 99
			> A 100 300
			> PA 100 300 "a"
			< PA 302 101 "c"
			< PA 300 101 "bb"
			`, []string{started, `> "a"`, `< "bbc"`}, nil},
		{"data before SYN-ACK and acknowledgement", `
			> S 99
			< PA 302 102 "c"
			< SA 299 100
			> PA 100 300 "a"
			`, []string{picked, `< "c"`, `> "a"`}, nil},
		{"the second request before the SYN-ACK", `
			> S 99
			> PA 102 303 "b"
			< SA 299 100
			> A 100 300
			> PA 100 300 "aa"
			< PA 300 102 "one"
			< PA 303 103 "two"
			`, []string{started, `> "aab"`, `< "onetwo"`}, func(s *reassembly.Stats) bool { return s.Retransmitted == 0 }},
		{"the second request before the first, the SYN-ACK lost", `
			> S 99
			> PA 102 303 "b"
			< PA 300 102 "one"
			> PA 100 300 "aa"
			< PA 303 103 "two"
			`, []string{picked, `< "one"`, `> "aab"`, `< "two"`}, func(s *reassembly.Stats) bool { return s.Retransmitted == 0 }},
		{"the second request before the first acknowledgement", `
			> S 99
			> PA 102 303 "b"
			> A 100 300
			> PA 100 300 "aa"
			< PA 300 102 "one"
			`, []string{started, `> "aab"`, `< "one"`}, nil},
		{"SYN lost", `
			< SA 299 100
			> A 100 300
			< PA 300 100 "b"
			`, []string{started, `< "b"`}, nil},
		{"SYN after the data", `
			> PA 100 300 "a"
			> S 99
			> PA 101 300 "b"
			`, []string{picked, `> "ab"`}, func(s *reassembly.Stats) bool { return s.Conversations == 1 && s.BadSYN == 0 }},
		{"data before the SYN-ACK", `
			> S 99
			> A 100 300 "a"
			< SA 299 100
			< A 300 101 "b"
			`, []string{started, `> "a"`, `< "b"`}, func(s *reassembly.Stats) bool { return s.Conversations == 1 }},
		{"data on SYN and SYN-ACK", `
			> S 99 0 "early"
			< SA 299 105 "bird"
			> A 105 304
			> A 105 304 "x"
			`, []string{started, `> "early"`, `< "bird"`, `> "x"`}, nil},
		{"data on SYN refused", `
			> S 99 0 "early"
			< SA 299 100
			> A 100 300 "earlybird"
			`, []string{started, `> "earlybird"`}, func(s *reassembly.Stats) bool { return s.Conflicts == 0 }},
		{"both open", `
			> S 99
			< S 299
			> SA 99 300
			< SA 299 100
			> A 100 300 "a"
			< A 300 101 "b"
			`, []string{started, `> "a"`, `< "b"`}, func(s *reassembly.Stats) bool { return s.Conversations == 1 }},
		{"another number of the server", `
			> S 99
			< SA 299 100
			< SA 999 100
			> A 100 1000 "a"
			< A 1000 101 "b"
			`, []string{started, `> "a"`, `< "b"`}, func(s *reassembly.Stats) bool { return s.Conversations == 1 }},
		{"another number of the server, but data are waiting", `
			> S 99
			< SA 299 100
			< A 303 100 "d"
			< SA 999 100
			< A 300 100 "abc"
			`, []string{started, `< "abcd"`}, func(s *reassembly.Stats) bool { return s.BadSYN == 1 }},
		{"SYN twice", `
			> S 99
			> S 99
			< SA 299 100
			< SA 299 100
			> A 100 300 "a"
			`, []string{started, `> "a"`}, func(s *reassembly.Stats) bool { return s.Conversations == 1 && s.Retransmitted == 2 }},
		{"mid-stream", `
			> PA 100 300 "a"
			< PA 300 101 "b"
			< PA 298 101 "ol"
			`, []string{picked, `> "a"`, `< "b"`},
			func(s *reassembly.Stats) bool { return s.Midstream == 1 && s.Retransmitted == 1 && s.Conflicts == 0 }},
		{"mid-stream behind the other side", `
			> PA 100 300 "a"
			< PA 305 101 "f"
			> A 101 306
			after 300ms
			> A 101 306
			`, []string{picked, `> "a"`, `< gap 5`, `< "f"`}, nil},
		{"wrap", `
			> S 4294967290
			< SA 4294967295 4294967291
			> A 4294967291 0 "0123456789"
			< A 0 5 "ab"
			> A 5 2 "c"
			`, []string{started, `> "0123456789"`, `< "ab"`, `> "c"`}, nil},
	})
}

func TestOrder(t *testing.T) {
	runWire(t, []wireCase{
		{"reversed", handshake + `
			> A 104 300 "ef"
			> A 102 300 "cd"
			> A 100 300 "ab"
			`, []string{started, `> "abcdef"`},
			func(s *reassembly.Stats) bool { return s.OutOfOrder == 2 && s.Buffered == 0 && s.Delivered == 6 }},
		{"retransmitted", handshake + `
			> A 100 300 "abcd"
			after 20ms
			> A 100 300 "abcd"
			> A 102 300 "cdef"
			`, []string{started, `> "abcdef"`},
			func(s *reassembly.Stats) bool { return s.Retransmitted == 1 && s.Duplicate == 0 && s.Conflicts == 0 }},
		{"captured twice", handshake + `
			> A 100 300 "abcd"
			> A 100 300 "abcd"
			< A 300 104 "x"
			< A 300 104 "x"
			`, []string{started, `> "abcd"`, `< "x"`},
			func(s *reassembly.Stats) bool { return s.Retransmitted == 0 && s.Duplicate == 2 }},
		{"the first bytes win", handshake + `
			> A 102 300 "CD"
			> A 101 300 "bxxe"
			> A 100 300 "a"
			`, []string{started, `> "ab"`, `> "CD" conflict`, `> "e"`},
			func(s *reassembly.Stats) bool { return s.Conflicts == 1 }},
		{"the first bytes win over those in order", handshake + `
			> A 102 300 "CD"
			> A 100 300 "abxxe"
			`, []string{started, `> "ab"`, `> "CD" conflict`, `> "e"`},
			func(s *reassembly.Stats) bool { return s.Conflicts == 1 }},
		{"other bytes after those handed on", handshake + `
			> A 100 300 "abcd"
			> A 102 300 "xyef"
			`, []string{started, `> "abcd"`, "> conflict", `> "ef"`},
			func(s *reassembly.Stats) bool { return s.Conflicts == 1 && s.Unverified == 0 }},
		{"other bytes after the acknowledgement", handshake + `
			> A 100 300 "abcd"
			< A 300 104
			> A 100 300 "wxyz"
			`, []string{started, `> "abcd"`},
			func(s *reassembly.Stats) bool { return s.Conflicts == 0 && s.Unverified == 0 && s.Retransmitted == 1 }},
		{"the same held twice", handshake + `
			> A 102 300 "cd"
			> A 102 300 "cd"
			> A 100 300 "ab"
			`, []string{started, `> "abcd"`},
			func(s *reassembly.Stats) bool { return s.OutOfOrder == 1 && s.Retransmitted == 1 }},
		{"over several pieces", handshake + `
			> A 101 300 "b"
			> A 103 300 "d"
			> A 105 300 "f"
			> A 100 300 "abcdefg"
			`, []string{started, `> "abcdefg"`}, func(s *reassembly.Stats) bool { return s.Conflicts == 0 && s.Buffered == 0 }},
		{"keep-alives", handshake + `
			> A 100 300 "ab"
			< A 300 102
			> A 101 300
			> A 101 300 "?"
			< A 299 102
			`, []string{started, `> "ab"`}, func(s *reassembly.Stats) bool { return s.KeepAlives == 3 && s.Conflicts == 0 }},
		{"urgent", handshake + `> UPA 100 300 "ab"`, []string{started, `> "ab"`}, nil},
		{"far ahead", handshake + `> A 1500000000 300 "ab"`, nil,
			func(s *reassembly.Stats) bool { return s.Implausible == 1 && s.Buffered == 0 }},
	})
}
