package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
	"github.com/authtap/authtap/detect/detecttest"
	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// update says to write captures, findings and the README's table as they are
// now. Package detecttest brings the flag.
func update() bool { return flag.Lookup("update").Value.String() == "true" }

// cases gives the folders of testdata/pcaps.
func cases(t testing.TB) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join("..", "..", "testdata", "pcaps", "*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	return dirs
}

// testKey makes credentials' ids the same on every machine.
func testKey(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("authtap: the key of all tests..."), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs a command line in this process, in a pipe, and gives what it wrote.
func run(t testing.TB, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errout bytes.Buffer
	p := program{
		stdin: strings.NewReader(""), stdout: &out, stderr: &errout,
		environ: func(string) (string, bool) { return "", false },
	}
	code = p.run(t.Context(), args)
	return out.String(), errout.String(), code
}

// Each case's capture is what its dialogue makes, and gives the findings that
// it wants.
func TestCases(t *testing.T) {
	key := testKey(t)
	for _, dir := range cases(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Chdir(dir)
			made := capturedDialogue(t, "dialogue.txt")
			if update() {
				write(t, "in.pcap", made)
			}
			if !bytes.Equal(made, read(t, "in.pcap")) {
				t.Error("in.pcap is not what dialogue.txt makes: -update writes it")
			}
			got, stderr, code := run(t, "replay", "--store", "none", "--key-file", key, "in.pcap")
			if code != exitDone {
				t.Fatalf("exit code %d\n%s", code, stderr)
			}
			if update() {
				write(t, "want.jsonl", []byte(got))
			}
			want := strings.Split(string(read(t, "want.jsonl")), "\n")
			if diff := cmp.Diff(want, strings.Split(got, "\n")); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if len(read(t, "README.md")) == 0 {
				t.Error("README.md does not say what the case is about")
			}
		})
	}
}

// Twice the same, and the same for any number of shards: findings, exchanges
// and statistics.
func TestSameBytes(t *testing.T) {
	key := testKey(t)
	inputs := cases(t)
	for i := range inputs {
		inputs[i] = filepath.Join(inputs[i], "in.pcap")
	}
	for _, command := range [][]string{
		{"replay", "--store", "none", "--key-file", key},
		{"exchanges"},
	} {
		// Each on its own, and all merged by time.
		for _, files := range append(each(inputs), inputs) {
			first := ""
			for _, shards := range []int{1, 1, 2, 3, 7} {
				args := append(append([]string{}, command...), "--shards", fmt.Sprint(shards))
				stdout, stderr, code := run(t, append(args, files...)...)
				if code != exitDone {
					t.Fatalf("%v %v: exit code %d\n%s", args, files, code, stderr)
				}
				if all := stdout + stderr; first == "" {
					first = all
				} else if all != first {
					t.Errorf("%v %v differ (-one shard +this):\n%s", args, files, cmp.Diff(strings.Split(first, "\n"), strings.Split(all, "\n")))
				}
			}
		}
	}
}

func each(list []string) (lists [][]string) {
	for _, s := range list {
		lists = append(lists, []string{s})
	}
	return lists
}

// packetsOf plays a dialogue.
func packetsOf(t testing.TB, path string) []reassemblytest.Packet {
	t.Helper()
	d, err := reassemblytest.Parse(path, string(read(t, path)), detecttest.Funcs())
	if err != nil {
		t.Fatal(err)
	}
	return d.Packets()
}

// capturedDialogue gives the capture file of a dialogue.
func capturedDialogue(t testing.TB, path string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := pcapfile.NewWriter(&b, capture.LinkEthernet, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range packetsOf(t, path) {
		packet := p.Capture(uint64(i + 1))
		if err := w.Write(&packet); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
