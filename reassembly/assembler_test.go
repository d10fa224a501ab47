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

func TestHoles(t *testing.T) {
	runWire(t, []wireCase{
		{"not acknowledged", handshake + `
			> A 103 300 "de"
			after 10s
			tick
			> A 105 300 "f"
			`, nil, func(s *reassembly.Stats) bool { return s.Gap == 0 && s.Buffered > 0 }},
		{"acknowledged, but just now", handshake + `
			> A 103 300 "de"
			< A 300 105
			after 150ms
			< A 300 105
			`, nil, nil},
		{"acknowledged", handshake + `
			> A 103 300 "de"
			< A 300 105
			after 200ms
			< A 300 105
			`, []string{started, "> gap 3", `> "de"`},
			func(s *reassembly.Stats) bool { return s.Gap == 3 && s.Delivered == 2 && s.HolesAcknowledged == 1 }},
		{"acknowledged before the data", handshake + `
			< A 300 105
			> A 103 300 "de"
			> A 100 300 "abc"
			`, []string{started, `> "abcde"`}, nil},
		{"given up by the tick", handshake + `
			> A 103 300 "de"
			< A 300 105
			after 1s
			tick
			`, []string{started, "> gap 3", `> "de"`}, nil},
		{"two holes, one acknowledged", handshake + `
			> A 101 300 "b"
			> A 103 300 "d"
			< A 300 102
			after 1s
			tick
			`, []string{started, "> gap 1", `> "b"`}, func(s *reassembly.Stats) bool { return s.Buffered > 0 }},
		{"filled in time", handshake + `
			> A 103 300 "de"
			< A 300 105
			after 150ms
			> A 100 300 "abc"
			`, []string{started, `> "abcde"`}, nil},
		{"filled in part", handshake + `
			> A 104 300 "e"
			> A 102 300 "c"
			< A 300 105
			> A 100 300 "a"
			after 300ms
			> A 105 300 "f"
			`, []string{started, `> "a"`, "> gap 1", `> "c"`, "> gap 1", `> "ef"`}, nil},
		{"late data after the gap", handshake + `
			> A 103 300 "de"
			< A 300 105
			after 1s
			tick
			> A 100 300 "abc"
			`, []string{started, "> gap 3", `> "de"`}, func(s *reassembly.Stats) bool { return s.Retransmitted == 1 }},
		{"all of a response lost", handshake + `
			> A 100 300 "a"
			> A 101 310 "b"
			after 1s
			tick
			< A 310 102 "next"
			after 1s
			tick
			`, []string{started, `> "ab"`, "< gap 10", `< "next"`}, nil},
		{"shown by a bare segment", handshake + `
			> A 100 300 "a"
			> A 101 310
			< A 310 101
			after 300ms
			< A 310 101
			`, []string{started, `> "a"`, "< gap 10"}, nil},
		{"an acknowledgement of what was never sent", handshake + `
			> A 100 5300 "a"
			after 1s
			tick
			< A 300 101 "real"
			> A 101 304
			`, []string{started, `> "a"`, `< "real"`}, func(s *reassembly.Stats) bool { return s.Gap == 0 }},
		{"an acknowledgement far off", handshake + `
			> A 100 300 "a"
			> A 101 90000000
			shutdown
			`, []string{started, `> "a"`, "> shutdown", "< shutdown"},
			func(s *reassembly.Stats) bool { return s.BadAck == 1 && s.Gap == 0 }},
		{"one direction only", `
			> S 99
			> A 100 300
			> A 100 300 "a"
			> A 101 400 "b"
			after 1s
			tick
			> A 102 500 "c"
			> FA 103 501
			shutdown
			`, []string{started, `> "ab"`, "< gap 100", `> "c"`, "> fin", "< gap 101", "< shutdown"},
			func(s *reassembly.Stats) bool { return s.OneSided == 1 }},
		{"far ahead, and nobody acknowledges it", handshake + `
			> A 100 300 "a"
			< A 300 101
			> A 200000000 300 "forged"
			shutdown
			`, []string{started, `> "a"`, "> shutdown", "< shutdown"},
			func(s *reassembly.Stats) bool { return s.Implausible == 1 && s.Gap == 0 && s.Buffered == 0 }},
		{"far ahead, and acknowledged", handshake + `
			> A 100 300 "a"
			> A 200000000 300 "b"
			< A 300 101
			> A 16777316 300 "c"
			< A 300 16777317
			> A 16777317 300 "d"
			shutdown
			`, []string{started, `> "a"`, "> gap 16777215", `> "cd"`, "> shutdown", "< shutdown"},
			func(s *reassembly.Stats) bool { return s.Implausible == 1 && s.Gap == 16777215 }},
		{"nobody to acknowledge", `
			> S 99
			> A 103 300 "de"
			after 900ms
			> A 105 300 "f"
			after 200ms
			> A 106 300 "g"
			> FA 110 300
			after 1s
			tick
			`, []string{picked, "> gap 3", `> "defg"`, "> gap 3", "> fin"}, nil},
		{"held before the holes that are acknowledged", handshake + `
			> A 106 300 "g"
			< A 300 103
			> A 104 300 "e"
			> A 102 300 "c"
			< A 300 107
			> A 101 300 "b"
			after 1s
			tick
			`, []string{started, "> gap 1", `> "bc"`, "> gap 1", `> "e"`, "> gap 1", `> "g"`}, nil},
		{"two pieces, acknowledged one by one", handshake + `
			> A 103 300 "d"
			< A 300 104
			> A 106 300 "g"
			> A 100 300 "abc"
			< A 300 107
			after 300ms
			tick
			`, []string{started, `> "abcd"`, "> gap 2", `> "g"`}, nil},
		{"one number more may be a FIN", handshake + `
			> A 103 300
			> A 100 300 "ab"
			< A 300 103
			after 1s
			tick
			> A 103 300
			after 1s
			tick
			shutdown
			`, []string{started, `> "ab"`, "> shutdown", "< shutdown"}, nil},
		{"one direction only, much of it", `
			> S 99
			> A 100 300 "a"
			> A 101 10000000
			> A 101 20000000
			> A 101 30000000
			after 1s
			tick
			`, []string{started, `> "a"`, "< gap 29999700"}, func(s *reassembly.Stats) bool { return s.BadAck == 0 }},
		{"cut by the snap length", handshake + `
			> A 100 300 "ab" cut=3
			> A 105 300 "f"
			`, []string{started, `> "ab"`, "> gap 3", `> "f"`}, func(s *reassembly.Stats) bool { return s.Gap == 3 }},
		{"cut and out of order", handshake + `
			> A 105 300 "f" cut=2
			> A 108 300 "i"
			> A 100 300 "ab" cut=3
			`, []string{started, `> "ab"`, "> gap 3", `> "f"`, "> gap 2", `> "i"`}, nil},
		{"cut, but held already", handshake + `
			> A 103 300 "d"
			> A 100 300 "ab" cut=4
			`, []string{started, `> "ab"`, "> gap 1", `> "d"`, "> gap 2"}, nil},
		{"all cut", handshake + `
			> A 100 300 cut=4
			> FA 104 300
			`, []string{started, "> gap 4", "> fin"}, nil},
		{"cut bytes come again", handshake + `
			> A 100 300 "ab" cut=4
			> A 100 300 "abcdefgh" cut=2
			`, []string{started, `> "ab"`, "> gap 4", `> "gh"`, "> gap 2"}, nil},
		{"more cut than old", handshake + `
			> A 100 300 "abcd"
			> A 102 300 "c" cut=5
			`, []string{started, `> "abcd"`, "> gap 4"}, nil},
		{"at the end", handshake + `
			> A 103 300 "de"
			< A 300 110
			shutdown
			`, []string{started, "> gap 3", `> "de"`, "> gap 5", "> shutdown", "< shutdown"},
			func(s *reassembly.Stats) bool { return s.HolesEnd == 2 && s.Buffered == 0 && s.Known == 0 }},
	})
}

func TestEnding(t *testing.T) {
	exchange := handshake + `
		> PA 100 300 "hello"
		< PA 300 105 "world"
	`
	said := []string{started, `> "hello"`, `< "world"`}
	with := func(more ...string) []string { return append(said[:len(said):len(said)], more...) }
	runWire(t, []wireCase{
		{"FIN of one side", exchange + `
			> FA 105 305
			< A 305 106 "more"
			`, with("> fin", `< "more"`), nil},
		{"data behind the FIN", exchange + `
			> FA 105 305
			> A 106 305 "late"
			> A 105 305 "late"
			`, with("> fin"), func(s *reassembly.Stats) bool { return s.Late == 2 }},
		{"FIN twice", exchange + `
			> FA 105 305
			> FA 105 305
			`, with("> fin"), func(s *reassembly.Stats) bool { return s.Retransmitted == 1 }},
		{"FIN before the data", exchange + `
			> FA 107 305
			> A 105 305 "ab"
			`, with(`> "ab"`, "> fin"), nil},
		{"FIN with data, behind a hole", exchange + `
			> FA 107 305 "cd"
			after 1s
			tick
			< A 305 110
			after 1s
			tick
			`, with("> gap 2", `> "cd"`, "> fin"), nil},
		{"FIN behind a lost segment", exchange + `
			> FA 107 305
			> A 108 305
			< A 305 108
			after 1s
			tick
			`, with("> gap 2", "> fin"), nil},
		{"bare segment, then its FIN", exchange + `
			> A 108 305
			> FA 107 305
			< A 305 108
			after 1s
			tick
			`, with("> gap 2", "> fin"), nil},
		{"FIN out of the window", exchange + `
			> FA 9000105 305
			shutdown
			`, with("> shutdown", "< shutdown"), func(s *reassembly.Stats) bool { return s.BadFIN == 1 && s.Gap == 0 }},
		{"FIN that data contradict", exchange + `
			> FA 107 305
			> A 105 305 "abcd"
			> FA 109 305
			`, with(`> "abcd"`, "> fin"), nil},
		{"data behind a FIN that waits", exchange + `
			> FA 107 305
			> A 109 305 "zz"
			> A 105 305 "ab"
			`, with(`> "ab"`, "> fin"), func(s *reassembly.Stats) bool { return s.Late == 1 && s.Buffered == 0 }},
		{"the other FIN lost", exchange + `
			> FA 105 305
			> A 106 306
			after 1s
			tick
			`, with("> fin", "< fin"), func(s *reassembly.Stats) bool { return s.Ended[reassembly.EndFIN] == 1 }},
		{"the first FIN lost", exchange + `
			> A 105 306
			> FA 105 306
			< A 306 106
			after 1s
			tick
			`, with("> fin", "< fin"), func(s *reassembly.Stats) bool { return s.Ended[reassembly.EndFIN] == 1 }},
		{"what seemed to be the other FIN was a byte", exchange + `
			> FA 105 305
			> A 106 306
			> A 106 307
			shutdown
			`, with("> fin", "< gap 2", "< shutdown"), nil},
		{"FIN acknowledged before it is seen", exchange + `
			> FA 105 305
			> A 106 306
			< FA 305 106
			`, with("> fin", "< fin"), nil},
		{"FIN of a silent side", `
			> S 99
			< SA 299 100
			< FA 300 100
			> A 100 301 "a"
			`, []string{started, "< fin", `> "a"`}, nil},
		{"reset", exchange + `
			< RA 305 105
			> A 105 305 "late"
			`, with("> reset", "< reset"), func(s *reassembly.Stats) bool { return s.Ended[reassembly.EndReset] == 1 && s.Late == 1 }},
		{"reset without ACK", exchange + `> R 105`, with("> reset", "< reset"), nil},
		{"reset in the window", exchange + `> R 5000`, with("> reset", "< reset"), nil},
		{"reset behind the window", exchange + `> R 5000000`, with(), func(s *reassembly.Stats) bool { return s.BadReset == 1 }},
		{"reset before the window", exchange + `> R 104`, with(), func(s *reassembly.Stats) bool { return s.BadReset == 1 }},
		{"reset in a scaled window", `
			> S 99 scale=7
			< SA 299 100 scale=7
			> A 100 300 "a"
			< A 300 101 win=65535
			> R 8000000
			`, []string{started, `> "a"`, "> reset", "< reset"}, nil},
		{"reset beyond a window unknown", `
			> PA 100 300 cut=60000
			> PA 60100 300 cut=60000
			> PA 120100 300 cut=60000
			> R 180100
			`, []string{picked, "> gap 60000", "> gap 60000", "> gap 60000", "> reset", "< reset"}, nil},
		{"reset after a hole", exchange + `
			> A 107 305 "cd"
			> R 109
			`, with("> gap 2", `> "cd"`, "> reset", "< reset"), nil},
		{"reset after one FIN", exchange + `
			> FA 105 305
			< R 305
			`, with("> fin", "< reset"), nil},
		{"reset answers the SYN", `
			> S 99
			< RA 0 100
			> S 99
			< RA 0 100
			`, nil, func(s *reassembly.Stats) bool {
			return s.Conversations == 2 && s.Ended[reassembly.EndReset] == 2 && s.HalfOpen == 2
		}},
		{"reset answers no SYN", `
			> S 99
			< RA 0 500
			> R 5000000
			`, nil, func(s *reassembly.Stats) bool { return s.BadReset == 2 }},
		{"idle", exchange + `
			> A 107 305 "cd"
			after 299s
			tick
			after 2s
			tick
			`, with("> gap 2", `> "cd"`, "> idle", "< idle"),
			func(s *reassembly.Stats) bool {
				return s.Known == 0 && s.Buffered == 0 && s.Ended[reassembly.EndIdle] == 1
			}},
		{"not idle", exchange + `
			after 299s
			tick
			> A 105 305 "x"
			after 299s
			tick
			`, with(`> "x"`), nil},
		{"half open", `
			> S 99
			after 31s
			tick
			> A 100 300
			`, nil, func(s *reassembly.Stats) bool { return s.Known == 0 && s.HalfOpen == 1 && s.Stray == 1 }},
		{"closed", exchange + `
			> R 105
			after 11s
			tick
			`, with("> reset", "< reset"), func(s *reassembly.Stats) bool { return s.Known == 0 }},
		{"clock runs back", exchange + `
			after 100s
			tick
			> A 105 305 "x"
			after -50s
			tick
			after 260s
			tick
			`, with(`> "x"`), nil},
	})
}

func TestReuse(t *testing.T) {
	closed := handshake + `
		> A 100 300 "1"
		> FA 101 300
		< FA 300 102
	`
	first := []string{started, `> "1"`, "> fin", "< fin"}
	with := func(more ...string) []string { return append(first[:len(first):len(first)], more...) }
	open := handshake + `
		> A 100 300 "1"
		< A 300 101
	`
	cut := []string{started, `> "1"`, "> reuse", "< reuse"}
	runWire(t, []wireCase{
		{"the last acknowledgement", closed + `
			> A 102 301
			> S 5000
			< SA 7000 5001
			> A 5001 7001 "2"
			`, with(started, `> "2"`), func(s *reassembly.Stats) bool { return s.Conversations == 2 }},
		{"the same numbers", closed + closed, with(with()...), nil},
		{"late retransmission", closed + `> A 100 300 "1"`, first, func(s *reassembly.Stats) bool { return s.Late == 1 }},
		{"late SYN-ACK", closed + `< SA 299 100`, first, func(s *reassembly.Stats) bool { return s.Late == 1 }},
		{"without the SYN", closed + `
			< SA 7000 5001
			> A 5001 7001 "2"
			`, with(started, `> "2"`), nil},
		{"without a handshake", closed + `
			> PA 900005001 7001 "2"
			`, with(picked, `> "2"`), nil},
		{"behind the FIN", closed + `> PA 103 301 "2"`, with(picked, `> "2"`), nil},
		{"after a reset, on its way", handshake + `
			> A 100 300 "1"
			> R 101
			< A 300 101 "2"
			< A 301 101 "3"
			`, []string{started, `> "1"`, "> reset", "< reset"}, func(s *reassembly.Stats) bool { return s.Late == 2 }},
		{"while open", open + `
			> S 5000
			< SA 7000 5001
			> A 5001 7001 "2"
			`, append(cut[:4:4], started, `> "2"`), func(s *reassembly.Stats) bool { return s.Ended[reassembly.EndReuse] == 1 }},
		{"while open, with scaled windows", open + `
			> S 5000 scale=7
			< SA 900007000 5001 scale=7
			> A 5001 900007001 "2"
			< A 900007001 5002
			> R 4000000
			`, append(cut[:4:4], started, `> "2"`, "> reset", "< reset"), nil},
		{"while open, one side captured", `
			> S 99
			> A 100 300
			> A 100 300 "1"
			> S 5000
			> A 5001 7001
			> A 5001 7001 "2"
			`, append(cut[:4:4], started, `> "2"`), nil},
		{"while open, SYN lost", open + `
			< SA 7000 5001
			> A 5001 7001 "2"
			`, append(cut[:4:4], started, `> "2"`), nil},
		{"while open, data on the SYN", open + `> S 5000 0 "2"`, append(cut[:4:4], started, `> "2"`), nil},
		{"while closing", handshake + `
			> A 100 300 "1"
			> FA 101 300
			> S 5000
			`, []string{started, `> "1"`, "> fin", "< reuse"}, nil},
		{"while half open", `
			> S 99
			> S 5000
			< SA 7000 5001
			> A 5001 7001 "2"
			`, []string{started, `> "2"`},
			func(s *reassembly.Stats) bool { return s.Conversations == 2 && s.HalfOpen == 1 && s.BadSYN == 0 }},
		{"a SYN that nobody answers", open + `
			> S 5000
			> A 101 300 "still"
			`, []string{started, `> "1still"`}, func(s *reassembly.Stats) bool { return s.Conversations == 1 && s.BadSYN == 1 }},
		{"a SYN-ACK of the client", open + `
			> SA 5000 7000
			> A 101 300 "still"
			`, []string{started, `> "1still"`}, func(s *reassembly.Stats) bool { return s.Conversations == 1 && s.BadSYN == 1 }},
		{"a SYN-ACK with another number", open + `
			< A 300 101 "x"
			< SA 7000 100
			< A 301 101 "y"
			`, []string{started, `> "1"`, `< "xy"`}, func(s *reassembly.Stats) bool { return s.Conversations == 1 && s.BadSYN == 1 }},
		{"neither SYN captured", open + `
			> A 800000000 900000000 "2"
			< A 900000000 800000001 "3"
			> A 800000001 900000001 "4"
			`, append(cut[:4:4], picked, `< "3"`, `> "4"`), func(s *reassembly.Stats) bool { return s.Implausible == 1 }},
		{"a forgery", open + `
			> A 800000000 900000000 "2"
			> A 101 300 "still"
			> A 700000000 900000000 "2"
			`, []string{started, `> "1still"`}, func(s *reassembly.Stats) bool { return s.Implausible == 2 && s.Conversations == 1 }},
	})
}

// TestReusedPorts: one client takes the same port for every exchange. The last
// acknowledgement of a connection must not pass for the beginning of the next:
// whoever believes it has the directions swapped from there on, and loses a
// quarter of all requests.
func TestReusedPorts(t *testing.T) {
	d, err := reassemblytest.Parse("reuse", `
{{range seq 1 300}}
conn c 10.0.0.1:40000 10.0.0.2:80
>> "request {{.}}"
<< "response {{.}}"
fin
time +{{.}}ms
{{end}}`, nil)
	if err != nil {
		t.Fatal(err)
	}
	var trace reassemblytest.Trace
	stats := reassemblytest.Run(d.Packets(), reassembly.Limits{}, trace.New)
	var want []string
	for i := range 300 {
		want = append(want, started, fmt.Sprintf(`> "request %d"`, i+1), fmt.Sprintf(`< "response %d"`, i+1), "> fin", "< fin")
	}
	if got := trace.String(); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s", got)
	}
	if stats.Conversations != 300 || stats.Midstream != 0 || stats.Late != 300 {
		t.Errorf("%+v", stats)
	}
}
