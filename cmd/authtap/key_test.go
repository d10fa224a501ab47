package main

import (
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Programs that begin at the same time agree on the key.
func TestKeyIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "key")
	keys := make([][keySize]byte, 20)
	var all sync.WaitGroup
	for i := range keys {
		all.Go(func() {
			p := program{stderr: io.Discard, environ: os.LookupEnv}
			var err error
			if keys[i], err = p.key(path); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, k := range keys {
		if k != keys[0] || k == [keySize]byte{} {
			t.Fatalf("%x, %x", k, keys[0])
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".key-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
