//go:debug cryptocustomrand=1

// Command authlab makes captures, and holds authtap to what others see in
// captures and to what it must bear.
//
//	authlab pcap DIALOGUE OUT         makes a capture of a dialogue (the language
//	                                  is that of packages reassemblytest and
//	                                  detecttest)
//	authlab lab FOLDER                plays the scenarios of the laboratory
//	                                  (package scenario) and writes their
//	                                  captures, their TLS secrets and what
//	                                  really happened in them
//	authlab score [-v] [-only PREFIX] [-seed N] [AUTHTAP]
//	                                  plays them, shows their captures to
//	                                  authtap, whole and damaged, and tells what
//	                                  it found, missed and said wrongly; -v
//	                                  prints what damage changed, too; another
//	                                  seed is another run of each
//	authlab truth [-v] FOLDER [AUTHTAP]
//	                                  compares what authtap rebuilds with
//	                                  tshark's view of a folder of captures; -v
//	                                  prints each thing that is missing
//	authlab damage [-seeds N] FOLDER [AUTHTAP]
//	                                  replays the captures of a folder, and
//	                                  damaged copies of them, and looks for
//	                                  crashes, hangs and too much memory
//	authlab load [-rate N] [-for 3s] [-engine NAME] CAPTURE [AUTHTAP]
//	                                  sends the packets of a capture, again and
//	                                  again, to authtap sniff in a network
//	                                  namespace (as root), and tells what it
//	                                  lost and what it cost
//
// It is a tool for the development of authtap and not installed with it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/authtap/authtap/detect/detecttest"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

const usage = `usage: authlab pcap DIALOGUE OUT
       authlab lab FOLDER
       authlab score [-v] [-only PREFIX] [-seed N] [AUTHTAP]
       authlab truth [-v] FOLDER [AUTHTAP]
       authlab damage [-seeds N] FOLDER [AUTHTAP]
       authlab load [-rate N] [-for 3s] [-engine afpacket|libpcap] CAPTURE [AUTHTAP]
`

// errUsage ends a run that was called wrongly.
var errUsage = errors.New("wrong arguments")

func main() {
	err := run(os.Stdout, os.Args[1:])
	if errors.Is(err, errUsage) {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "authlab:", err)
		os.Exit(1)
	}
}

// run runs a command.
func run(w io.Writer, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	command, args := args[0], args[1:]
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	seeds, each := 10, false
	l := load{rate: 200_000, span: 3 * time.Second}
	engine, prefix, seed := "", "", uint64(0)
	switch command {
	case "load":
		flags.IntVar(&l.rate, "rate", l.rate, "")
		flags.DurationVar(&l.span, "for", l.span, "")
		flags.StringVar(&engine, "engine", engine, "")
	case "score":
		flags.StringVar(&prefix, "only", prefix, "")
		flags.Uint64Var(&seed, "seed", seed, "")
		flags.BoolVar(&each, "v", each, "")
	case "damage":
		flags.IntVar(&seeds, "seeds", seeds, "")
	case "truth":
		flags.BoolVar(&each, "v", each, "")
	}
	if flags.Parse(args) != nil {
		return errUsage
	}
	args = flags.Args()
	program := "bin/authtap"
	if len(args) == 2 {
		program = args[1]
	}
	switch {
	case command == "pcap" && len(args) == 2:
		return writeCapture(args[0], args[1])
	case command == "lab" && len(args) == 1:
		return writeLab(w, args[0])
	case command == "score" && len(args) <= 1:
		if len(args) == 1 {
			program = args[0]
		}
		return scoreAll(w, prefix, program, seed, each)
	case command == "truth" && (len(args) == 1 || len(args) == 2):
		return compareAll(w, args[0], program, each)
	case command == "damage" && (len(args) == 1 || len(args) == 2) && seeds >= 0:
		return damageAll(w, args[0], program, seeds)
	case command == "load" && (len(args) == 1 || len(args) == 2) && l.rate >= 0:
		l.program, l.engines = program, []string{engine}
		if engine == "" {
			l.engines = []string{"libpcap", "afpacket"}
		}
		return loadAll(w, args[0], l)
	}
	return errUsage
}

// writeCapture plays the dialogue in a file and writes its packets.
func writeCapture(script, out string) error {
	text, err := os.ReadFile(script)
	if err != nil {
		return err
	}
	d, err := reassemblytest.Parse(script, string(text), detecttest.Funcs())
	if err != nil {
		return err
	}
	return writePackets(out, d.Packets())
}
