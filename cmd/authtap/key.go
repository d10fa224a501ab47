package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const keySize = 32

var errNoKey = errors.New("is no key")

// key gives the deployment key: that of the file named by the user; else of
// `key` in $STATE_DIRECTORY or $XDG_STATE_HOME/authtap. A file that is missing
// is made. Where none can be, the key is good for this run only, which is
// said; but a file that the user named must be one that holds.
func (p *program) key(named string) (key [keySize]byte, err error) {
	path := named
	if path == "" {
		path = p.stateFile("key")
	}
	if path != "" {
		if key, err = readKey(path); errors.Is(err, fs.ErrNotExist) {
			key, err = makeKey(path)
		}
		if err == nil {
			if info, err := os.Stat(path); err == nil && info.Mode()&0o077 != 0 && info.Mode().IsRegular() {
				p.warn("others may read the key in %s: chmod 600 %s", path, path)
			}
			return key, nil
		}
		if named != "" || errors.Is(err, errNoKey) {
			return key, err
		}
		p.warn("%v", err)
	}
	p.warn("the ids of credentials are good for this run only; --key-file FILE keeps them")
	rand.Read(key[:]) // never fails
	return key, nil
}

// stateFile gives the path of a file that outlives the run, "" where there is
// no place for one.
func (p *program) stateFile(name string) string {
	if dir, _ := p.environ("STATE_DIRECTORY"); dir != "" {
		return filepath.Join(filepath.SplitList(dir)[0], name)
	}
	dir, _ := p.environ("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) { // as its specification asks
		home, _ := p.environ("HOME")
		if !filepath.IsAbs(home) {
			return ""
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "authtap", name)
}

func readKey(path string) (key [keySize]byte, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return key, fmt.Errorf("cannot read the key: %w", err)
	}
	if len(b) != keySize {
		return key, fmt.Errorf("%s %w: it holds %d bytes instead of %d; remove it, or name another file with --key-file", path, errNoKey, len(b), keySize)
	}
	return [keySize]byte(b), nil
}

// makeKey writes a new key to a file that is missing. Of several processes
// that do so at the same time one wins, and all get its key.
func makeKey(path string) (key [keySize]byte, err error) {
	fail := func(err error) ([keySize]byte, error) { return key, fmt.Errorf("cannot make a key: %w", err) }
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail(err)
	}
	f, err := os.CreateTemp(dir, ".key-") // mode 0600
	if err != nil {
		return fail(err)
	}
	defer os.Remove(f.Name())
	rand.Read(key[:])
	_, err = f.Write(key[:])
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fail(err)
	}
	if err := os.Link(f.Name(), path); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return readKey(path)
		}
		return fail(err)
	}
	return key, nil
}
