// Command authlab makes captures, and holds authtap to what others see in
// captures.
//
//	authlab pcap DIALOGUE OUT         makes a capture of a dialogue (the language
//	                                  is that of packages reassemblytest and
//	                                  detecttest)
//	authlab truth FOLDER [AUTHTAP]    compares the exchanges that authtap
//	                                  rebuilds with tshark's view of a folder
//	                                  of captures
//
// It is a tool for the development of authtap and not installed with it.
package main

import (
	"fmt"
	"os"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
	"github.com/authtap/authtap/detect/detecttest"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

func main() {
	args := os.Args[1:]
	var err error
	switch {
	case len(args) == 3 && args[0] == "pcap":
		err = writeCapture(args[1], args[2])
	case (len(args) == 2 || len(args) == 3) && args[0] == "truth":
		program := "bin/authtap"
		if len(args) == 3 {
			program = args[2]
		}
		err = compareAll(os.Stdout, args[1], program)
	default:
		fmt.Fprint(os.Stderr, "usage: authlab pcap DIALOGUE OUT\n       authlab truth FOLDER [AUTHTAP]\n")
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "authlab:", err)
		os.Exit(1)
	}
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
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer f.Close()
	w, err := pcapfile.NewWriter(f, capture.LinkEthernet, 0)
	if err != nil {
		return err
	}
	for i, p := range d.Packets() {
		packet := p.Capture(uint64(i + 1))
		if err := w.Write(&packet); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}
