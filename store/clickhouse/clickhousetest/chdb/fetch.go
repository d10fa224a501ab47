// Package chdb is ClickHouse as a library: it fetches the engine and calls it
// without cgo. It exists for tests; the sensor never links it.
//
// Contract: Fetch gives the path of a library whose package had the pinned
// checksum; any number of processes may call it at the same time. An Engine
// serialises its queries and may be called from any goroutine; a process can
// have one. Results are held in memory as a whole.
//
// It speaks no network protocol (that is clickhoused's part), and it knows one
// platform, Linux on x86-64 with glibc.
package chdb

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// The npm package that holds the library, pinned.
const (
	npmPackage  = "@chdb/lib-linux-x64-gnu@26.7.3-stable.1"
	integrity   = "sha512-XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw=="
	packedSize  = 177_817_999
	libraryName = "libchdb.so"
	librarySize = 566_330_096
	folderName  = "chdb-26.7.3-stable.1"
)

// CacheVariable names the environment variable with the folder for what tests
// fetch and build.
const CacheVariable = "AUTHTAP_TEST_CACHE"

// Cache gives that folder: $AUTHTAP_TEST_CACHE, else authtap-test in the
// user's cache folder.
func Cache() (string, error) {
	if dir := os.Getenv(CacheVariable); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w; set %s", err, CacheVariable)
	}
	return filepath.Join(dir, "authtap-test"), nil
}

// Progress is told how far Fetch is: the step's name and bytes done of total.
// It is called from other goroutines than Fetch's, but one at a time.
type Progress func(step string, done, total int64)

// Fetch gives the path of the library, after fetching it with npm where the
// cache does not have it yet (178 MB to load, 566 MB unpacked). progress may be
// nil.
func Fetch(ctx context.Context, progress Progress) (string, error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return "", fmt.Errorf("there is no ClickHouse library for %s/%s, only for linux/amd64", runtime.GOOS, runtime.GOARCH)
	}
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	library := filepath.Join(cache, folderName, libraryName)
	if present(library) {
		return library, nil
	}
	if progress == nil {
		progress = func(string, int64, int64) {}
	}
	unlock, err := Lock(cache, folderName)
	if err != nil {
		return "", err
	}
	defer unlock()
	if present(library) { // somebody else was first
		return library, nil
	}
	work, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	packed, err := download(ctx, work, progress)
	if err != nil {
		return "", err
	}
	if err := verify(packed, integrity); err != nil {
		return "", err
	}
	unpacked := filepath.Join(work, libraryName)
	if err := unpack(packed, unpacked, progress); err != nil {
		return "", fmt.Errorf("unpacking %s: %w", npmPackage, err)
	}
	if err := os.MkdirAll(filepath.Dir(library), 0o755); err != nil {
		return "", err
	}
	return library, os.Rename(unpacked, library)
}

// present says whether the library is there. It gets its name only when it is
// complete and was verified, so the size is enough.
func present(library string) bool {
	info, err := os.Stat(library)
	return err == nil && info.Size() == librarySize
}

// Lock takes the lock called name in folder dir, which it makes when need be,
// and waits while another process has it.
func Lock(dir, name string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil // closing gives the lock up
}

// download has npm load the package into folder work and gives the path of the
// tarball. npm says nothing of its progress; the size of its own cache, which
// is put into work, does.
func download(ctx context.Context, work string, progress Progress) (string, error) {
	out := filepath.Join(work, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		return "", err
	}
	var stderr strings.Builder
	npm := exec.CommandContext(ctx, "npm", "pack", npmPackage,
		"--cache", filepath.Join(work, "npm"), "--pack-destination", out,
		"--fetch-retry-mintimeout", "1000", "--fetch-retry-maxtimeout", "5000")
	npm.Dir, npm.Stderr = work, &stderr
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				progress("loading "+npmPackage, min(size(work), packedSize), packedSize)
			case <-stop:
				return
			}
		}
	}()
	err := npm.Run()
	close(stop)
	<-stopped
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("npm, which fetches %s, is not installed", npmPackage)
	case err != nil:
		return "", fmt.Errorf("npm pack %s: %w\n%s", npmPackage, err, strings.TrimSpace(stderr.String()))
	}
	tarballs, err := filepath.Glob(filepath.Join(out, "*.tgz"))
	if err != nil || len(tarballs) != 1 {
		return "", fmt.Errorf("npm pack %s left %d tarballs", npmPackage, len(tarballs))
	}
	return tarballs[0], nil
}

// size gives the bytes of the files below dir, as far as they can be seen
// while npm makes and removes them.
func size(dir string) (n int64) {
	// The walk's own error is always nil: the function passes over all others.
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}

// verify compares a file with its checksum in the form of npm.
func verify(file, want string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha512.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := "sha512-" + base64.StdEncoding.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("%s is not the package that was pinned: it has the checksum %s, not %s", npmPackage, got, want)
	}
	return nil
}

// unpack writes the library in the tarball to file to.
func unpack(tarball, to string, progress Progress) error {
	f, err := os.Open(tarball)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for archive := tar.NewReader(z); ; {
		h, err := archive.Next()
		if err == io.EOF {
			return fmt.Errorf("it holds no %s", libraryName)
		}
		if err != nil {
			return err
		}
		if h.Name != "package/"+libraryName {
			continue
		}
		if h.Size != librarySize {
			return fmt.Errorf("%s has %d bytes, not %d", libraryName, h.Size, librarySize)
		}
		library, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
		if err != nil {
			return err
		}
		_, err = io.Copy(&counted{w: library, progress: progress}, archive)
		return errors.Join(err, library.Close())
	}
}

// counted reports what is written.
type counted struct {
	w        io.Writer
	n        int64
	progress Progress
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.progress("unpacking "+libraryName, c.n, librarySize)
	return n, err
}
