package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{}, {"fly"}, {"pcap", "a"}, {"truth"}, {"truth", "a", "b", "c"}, {"truth", "-seeds", "1", "a"},
		{"damage"}, {"damage", "-seeds", "-1", "a"}, {"damage", "-seeds", "x", "a"},
	} {
		if err := run(io.Discard, args); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestWriteCapture(t *testing.T) {
	dir := t.TempDir()
	script, out := filepath.Join(dir, "dialogue.txt"), filepath.Join(dir, "in.pcap")
	if err := os.WriteFile(script, []byte("conn a 10.0.0.9:1000 10.0.0.2:80\n>> \"x\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(io.Discard, []string{"pcap", script, out}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(out); err != nil || info.Size() < 24+4*(16+54) {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.WriteFile(script, []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeCapture(script, out); err == nil {
		t.Error("nonsense became a capture")
	}
}
