package chdb

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fakeNpm puts a program called npm in the path that "packs" the tarball.
func fakeNpm(t *testing.T, tarball []byte) {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "source.tgz")
	if err := os.WriteFile(source, tarball, 0o644); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\nwhile [ $# -gt 0 ]; do [ \"$1\" = --pack-destination ] && cp '" + source + "' \"$2/x.tgz\"; shift; done\n"
	if err := os.WriteFile(filepath.Join(dir, "npm"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
}

func tarball(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What is not the pinned package never gets into the cache.
func TestFetchRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		packed []byte
		want   string
	}{
		"another package": {tarball(t, map[string]string{"package/libchdb.so": "evil"}), "is not the package that was pinned"},
		"garbage":         {[]byte("garbage"), "is not the package that was pinned"},
	} {
		t.Run(name, func(t *testing.T) {
			cache := t.TempDir()
			t.Setenv(CacheVariable, cache)
			fakeNpm(t, c.packed)
			if _, err := Fetch(context.Background(), nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			left, err := os.ReadDir(cache)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range left {
				if !strings.HasSuffix(f.Name(), ".lock") {
					t.Errorf("%s was left in the cache", f.Name())
				}
			}
		})
	}
}

func TestUnpackRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		packed []byte
		want   string
	}{
		"no library":    {tarball(t, map[string]string{"package/other": "x"}), "it holds no libchdb.so"},
		"wrong size":    {tarball(t, map[string]string{"package/libchdb.so": "short"}), "has 5 bytes"},
		"not a tarball": {[]byte("garbage"), "EOF"},
	} {
		file := filepath.Join(t.TempDir(), "x.tgz")
		if err := os.WriteFile(file, c.packed, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := unpack(file, filepath.Join(t.TempDir(), "out"), nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
	}
}

func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	unlock, err := Lock(dir, "x")
	if err != nil {
		t.Fatal(err)
	}
	other, err := Lock(dir, "y") // another name does not wait
	if err != nil {
		t.Fatal(err)
	}
	other()
	f, err := os.Open(filepath.Join(dir, "x.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != syscall.EWOULDBLOCK {
		t.Errorf("taking a lock that is held: %v", err)
	}
	unlock()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Errorf("taking a lock that was given up: %v", err)
	}
}

func TestException(t *testing.T) {
	for text, want := range map[string]Exception{
		"Code: 62. DB::Exception: Syntax error: x\ny. (SYNTAX_ERROR)": {62, "DB::Exception: Syntax error: x\ny. (SYNTAX_ERROR)"},
		"out of luck":             {unknownException, "DB::Exception: out of luck"},
		"Code: 99999999999999. x": {unknownException, "DB::Exception: Code: 99999999999999. x"},
	} {
		if got := *exception(text); got != want {
			t.Errorf("%q: got %+v, want %+v", text, got, want)
		}
	}
}

func TestQuoting(t *testing.T) {
	if got, want := Identifier("a`b\\c"), "`a\\`b\\\\c`"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := Literal(`it's \`), `'it\'s \\'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
