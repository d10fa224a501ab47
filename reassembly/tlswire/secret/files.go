package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxFiles is how many files of a folder are followed.
const maxFiles = 256

// Files follows key logs: files, and folders of them. It is used by one
// goroutine.
type Files struct {
	store *Store
	paths []string
	open  map[string]*logFile
	// Loose are the files that others than their owner may read, each told
	// once.
	told   map[string]bool
	buffer []byte
}

// logFile is a file that is followed. It stays open, so that what is written to
// it until it is replaced is read.
type logFile struct {
	file   *os.File
	offset int64 // behind the last whole line
	long   bool  // a line is longer than the buffer, and passed over
}

// NewFiles follows the files and folders that paths name, for a Store.
func NewFiles(s *Store, paths []string) *Files {
	return &Files{
		store: s, paths: paths, open: map[string]*logFile{}, told: map[string]bool{},
		buffer: make([]byte, 64<<10),
	}
}

// Read reads what is new: lines that were added to a file, all of a file that is
// there anew or has become shorter. Lines must end, but where last is set. It
// goes on behind an error, and gives all of them.
func (f *Files) Read(last bool) error {
	var errs []error
	for _, path := range f.paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			errs = append(errs, err)
			f.drop(path)
		case info.IsDir():
			errs = append(errs, f.folder(path, last))
		default:
			errs = append(errs, f.follow(path, info, last))
		}
	}
	return errors.Join(errs...)
}

// Close lets go of the files.
func (f *Files) Close() {
	for path := range f.open {
		f.drop(path)
	}
}

// Loose names files that others than their owner may read, each once.
func (f *Files) Loose() []string {
	var names []string
	for path, l := range f.open {
		info, err := l.file.Stat()
		if err == nil && info.Mode().Perm()&0o077 != 0 && !f.told[path] {
			f.told[path] = true
			names = append(names, path)
		}
	}
	return names
}

func (f *Files) drop(path string) {
	if l := f.open[path]; l != nil {
		l.file.Close()
		delete(f.open, path)
	}
}

// folder follows the files of a folder, but hidden ones.
func (f *Files) folder(path string, last bool) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	var errs []error
	n := 0
	there := map[string]bool{}
	for _, e := range entries {
		name := filepath.Join(path, e.Name())
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if n++; n > maxFiles {
			errs = append(errs, fmt.Errorf("%s: only %d files of a folder are read", path, maxFiles))
			break
		}
		there[name] = true
		errs = append(errs, f.follow(name, info, last))
	}
	for name := range f.open {
		if filepath.Dir(name) == filepath.Clean(path) && !there[name] {
			f.drop(name)
		}
	}
	return errors.Join(errs...)
}

// follow reads what is new in a file.
func (f *Files) follow(path string, now fs.FileInfo, last bool) error {
	if !now.Mode().IsRegular() {
		return fmt.Errorf("%s: is neither a file nor a folder", path)
	}
	if l := f.open[path]; l != nil {
		err := f.read(l, last)
		then, statErr := l.file.Stat()
		if err == nil && statErr == nil && os.SameFile(then, now) && then.Size() >= l.offset {
			return nil
		}
		f.drop(path)
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	l := &logFile{file: file}
	f.open[path] = l
	return f.read(l, last)
}

// read reads whole lines from where it stands.
func (f *Files) read(l *logFile, last bool) error {
	for {
		n, err := l.file.ReadAt(f.buffer, l.offset)
		if err != nil && err != io.EOF {
			return err
		}
		b := f.buffer[:n]
		end := bytes.LastIndexByte(b, '\n') + 1
		switch {
		case end == 0 && n == len(f.buffer):
			l.long = true // no line of a key log is so long
			l.offset += int64(n)
			continue
		case end == 0 && last:
			end = n
		case end == 0:
			return nil
		}
		lines := b[:end]
		if l.long {
			l.long = false
			_, lines, _ = bytes.Cut(lines, []byte{'\n'})
		}
		f.store.AddLines(lines, 0)
		clear(b)
		l.offset += int64(end)
		if n == 0 {
			return nil
		}
	}
}
