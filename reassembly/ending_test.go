package reassembly_test

import (
	"testing"

	"github.com/authtap/authtap/reassembly"
)

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
