package reassembly_test

import (
	"testing"

	"github.com/authtap/authtap/reassembly"
)

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
