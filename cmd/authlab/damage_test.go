package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
)

// captureOf writes a capture of n packets of 1000 bytes that are 0.
func captureOf(t *testing.T, dir folder, n int) {
	t.Helper()
	var b bytes.Buffer
	w, err := pcapfile.NewWriter(&b, capture.LinkEthernet, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := w.Write(&capture.Packet{Time: capture.Time(i), Data: make([]byte, 1000), Length: 1000, Link: capture.LinkEthernet}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	dir.write("files/a.pcap", b.String())
}

// differing counts the packets of a copy and the bytes in them that are not 0.
func differing(t *testing.T, files []string) (packets, bytes int) {
	t.Helper()
	if len(files) != 1 {
		t.Fatalf("%d files", len(files))
	}
	s, err := pcapfile.Open(files, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var p capture.Packet
	for s.Next(&p) == nil {
		packets++
		for _, b := range p.Data {
			if b != 0 {
				bytes++
			}
		}
	}
	return packets, bytes
}

func TestVariants(t *testing.T) {
	dir := folder{t.TempDir(), t}
	captureOf(t, dir, 1000)
	l := &listed{name: "files/a.pcap"}
	for i, v := range variants {
		copies := t.TempDir()
		files, err := v.make(l, dir.path, copies, rand.New(rand.NewPCG(1, 2)))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			a, _ := os.ReadFile(l.path(dir.path))
			b, _ := os.ReadFile(files[0])
			n := 0
			for i := range a {
				if a[i] != b[i] {
					n++
				}
			}
			if len(a) != len(b) || n < len(a)/120 || n > len(a)/100+1 {
				t.Errorf("%s: %d of %d bytes", v.name, n, len(a))
			}
			continue
		}
		packets, bytes := differing(t, files)
		switch v.name {
		case "packets dropped":
			if packets < 900 || packets > 990 || bytes > 0 {
				t.Errorf("%s: %d packets, %d bytes differ", v.name, packets, bytes)
			}
		default:
			if packets != 1000 || bytes < 9000 || bytes > 10000 {
				t.Errorf("%s: %d packets, %d bytes differ", v.name, packets, bytes)
			}
		}
	}
	// What is no capture is left to the variant of the whole file.
	dir.write("files/a.pcap", "no capture")
	if files, err := variants[1].make(l, dir.path, t.TempDir(), rand.New(rand.NewPCG(1, 2))); len(files) > 0 || err != nil {
		t.Errorf("%v, %v", files, err)
	}
}

// Every capture is replayed whole and in each variant with each seed; what a
// program cannot bear is told and kept.
func TestDamageAll(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dir := folder{t.TempDir(), t}
	dir.write("inventory.tsv", "path\ttags\nfiles/a.pcap\thttp1\n")
	captureOf(t, dir, 5)
	count := filepath.Join(dir.path, "count")
	good := dir.write("good", "#!/bin/sh\necho \"$@\" >> "+count+"\nexit 1\n")
	var out strings.Builder
	if err := damageAll(&out, dir.path, good, 2); err != nil {
		t.Error(err)
	}
	if want := "1 captures, 7 runs, 0 failures; at most "; !strings.HasPrefix(out.String(), want) {
		t.Errorf("%s, want %s", out.String(), want)
	}
	lines, _ := os.ReadFile(count)
	if n := bytes.Count(lines, []byte("replay --store none --key-file ")); n != 7 {
		t.Errorf("%d runs:\n%s", n, lines)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "authlab*")); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}

	bad := dir.write("bad", "#!/bin/sh\ncase \"$*\" in */files/a.pcap) exit 0;; esac\necho 'goroutine 1 [running]' >&2\nexit 2\n")
	out.Reset()
	err := damageAll(&out, dir.path, bad, 1)
	if err == nil || !strings.Contains(err.Error(), "files/a.pcap, packets dropped, seed 0: exit status 2: goroutine 1") {
		t.Errorf("%v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "authlab*", "0-packets-dropped-0", "0.pcap")); len(left) != 1 {
		t.Error("what it was with is not kept")
	}
}
