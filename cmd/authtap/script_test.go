package main

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/authtap/authtap/capture/pcapfile"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/detecttest"
	"github.com/authtap/authtap/detect/rules"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"authtap": func() { os.Exit(Main()) }})
}

// TestScripts runs the program as a user does. The scripts' own commands:
//
//	pcap DIALOGUE OUT    makes a capture of a dialogue (packages reassemblytest, detecttest)
//	learn DIALOGUE OUT   keeps what is known of endpoints after a dialogue, as sniff does
//	gzip FILE            compresses a file to FILE.gz
//	cut FILE N           takes the last N bytes off a file
//	jsonlines FILE [N]   checks that each line is a JSON object, and their number
//	mode FILE 0600       checks a file's mode
//	serve                begins to answer HTTP on the loopback interface: $SERVER
//	get PATH             asks it for a path, again and again, until the script ends
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "state"))
			e.Setenv("HOME", e.WorkDir)
			pcaps, err := filepath.Abs(filepath.Join("..", "..", "testdata", "pcaps"))
			e.Setenv("PCAP", pcaps)
			return err
		},
		Condition: func(name string) (bool, error) {
			if name == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, errors.New("unknown condition " + name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"pcap": makeCapture, "learn": learn, "gzip": compress, "cut": cut, "jsonlines": jsonLines, "mode": mode,
			"serve": serve, "get": get,
		},
	})
}

func makeCapture(ts *testscript.TestScript, _ bool, args []string) {
	d, err := reassemblytest.Parse(args[0], ts.ReadFile(args[0]), detecttest.Funcs())
	ts.Check(err)
	f, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	defer f.Close()
	packets := d.Packets()
	first := packets[0].Capture(1)
	w, err := pcapfile.NewWriter(f, first.Link, 0)
	ts.Check(err)
	for i := range packets {
		p := packets[i].Capture(uint64(i + 1))
		ts.Check(w.Write(&p))
	}
	ts.Check(w.Flush())
}

func learn(ts *testscript.TestScript, _ bool, args []string) {
	d, err := reassemblytest.Parse(args[0], ts.ReadFile(args[0]), detecttest.Funcs())
	ts.Check(err)
	known, err := detecttest.Learned(d.Packets(), detect.Options{Detectors: rules.All()})
	ts.Check(err)
	ts.Check(replaceFile(ts.MkAbs(args[1]), known))
}

func compress(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.Create(ts.MkAbs(args[0]) + ".gz")
	ts.Check(err)
	defer f.Close()
	z := gzip.NewWriter(f)
	_, err = z.Write([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	ts.Check(z.Close())
}

func cut(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), info.Size()-n))
}

func jsonLines(ts *testscript.TestScript, neg bool, args []string) {
	n := 0
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			ts.Fatalf("line %d: %v", n+1, err)
		}
		n++
	}
	if len(args) > 1 && strconv.Itoa(n) != args[1] {
		ts.Fatalf("%d lines, want %s", n, args[1])
	}
}

func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	want, err := strconv.ParseUint(args[1], 8, 32)
	ts.Check(err)
	if info.Mode().Perm() != fs.FileMode(want) {
		ts.Fatalf("%s has mode %o", args[0], info.Mode().Perm())
	}
}

func serve(ts *testscript.TestScript, _ bool, _ []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
	}), ReadHeaderTimeout: time.Minute}
	go s.Serve(l)
	ts.Defer(func() { s.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	ts.Setenv("SERVER", l.Addr().String())
	ts.Setenv("PORT", port)
}

// get sends requests until the script is over: whoever captures them may not
// have begun yet.
func get(ts *testscript.TestScript, _ bool, args []string) {
	done := make(chan struct{})
	ended := make(chan struct{})
	url := "http://" + ts.Getenv("SERVER") + args[0]
	go func() {
		defer close(ended)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
			if r, err := client.Get(url); err == nil {
				r.Body.Close()
			}
		}
	}()
	ts.Defer(func() { close(done); <-ended })
}
