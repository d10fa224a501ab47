package pcapfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
)

// handles bounds how many regular files are open. One that has to give way is
// opened again at its next read. Streams cannot be, and do not count.
type handles struct {
	max int

	mu     sync.Mutex
	open   []*file // the one that was not read for longest first
	stream []*file
	closed bool
}

// file is the origin of an input that has a path.
type file struct {
	path    string
	files   *handles
	info    os.FileInfo
	regular bool
	size    int64 // 0 for streams

	handle  *os.File // guarded by handles.mu
	at      int64
	read    *atomic.Uint64 // nil while it is only looked at
	counted int64          // its share of read
}

// file looks at the file of that path. What is not a regular file, a pipe for
// one, is opened at once, since it can be opened only once.
func (h *handles) file(path string) (*file, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, explain(path, err)
	}
	f := &file{path: path, files: h, info: info, regular: info.Mode().IsRegular()}
	if f.regular {
		f.size = info.Size()
		return f, nil
	}
	if f.handle, err = os.Open(path); err != nil {
		return nil, explain(path, err)
	}
	h.mu.Lock()
	h.stream = append(h.stream, f)
	h.mu.Unlock()
	return f, nil
}

// acquire gives the file's handle and makes it the last to give way.
func (h *handles) acquire(f *file) (*os.File, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, os.ErrClosed
	}
	if f.handle == nil {
		if !f.regular {
			return nil, os.ErrClosed
		}
		if len(h.open) >= h.max {
			h.release(h.open[0])
		}
		handle, err := os.Open(f.path)
		if err != nil {
			return nil, explain(f.path, err)
		}
		if info, err := handle.Stat(); err != nil || !os.SameFile(info, f.info) {
			handle.Close()
			return nil, errors.Join(errors.New("the file was replaced while it was read"), err)
		}
		f.handle = handle
		h.open = append(h.open, f)
		return handle, nil
	}
	if last := len(h.open) - 1; f.regular && h.open[last] != f {
		i := slices.Index(h.open, f)
		copy(h.open[i:], h.open[i+1:])
		h.open[last] = f
	}
	return f.handle, nil
}

// release closes the file's handle. The caller holds mu.
func (h *handles) release(f *file) {
	if f.handle == nil {
		return
	}
	f.handle.Close() // read only: nothing is lost where it fails
	f.handle = nil
	list := &h.open
	if !f.regular {
		list = &h.stream
	}
	if i := slices.Index(*list, f); i >= 0 {
		*list = slices.Delete(*list, i, i+1)
	}
}

func (h *handles) closeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, list := range [][]*file{slices.Clone(h.open), slices.Clone(h.stream)} {
		for _, f := range list {
			h.release(f)
		}
	}
}

func (f *file) Read(b []byte) (n int, err error) {
	handle, err := f.files.acquire(f)
	if err != nil {
		return 0, err
	}
	if f.regular {
		n, err = handle.ReadAt(b, f.at)
	} else {
		n, err = handle.Read(b)
	}
	f.at += int64(n)
	f.count(f.at)
	return n, err
}

// count counts the bytes up to an offset as read.
func (f *file) count(to int64) {
	if f.read != nil && to > f.counted {
		f.read.Add(uint64(to - f.counted))
		f.counted = to
	}
}

func (f *file) close() {
	f.files.mu.Lock()
	defer f.files.mu.Unlock()
	f.files.release(f)
	f.at = 0
}

func (f *file) finish() { f.count(f.size) }

// pump is the origin of standard input. Its reads are made by a goroutine, so
// that Close can end a Next that waits for them: a read of a descriptor that
// was handed down cannot be interrupted without changing it for others.
type pump struct {
	r    io.Reader
	done <-chan struct{}
	read *atomic.Uint64

	filled chan chunk
	empty  chan []byte
	now    chunk
	buf    []byte // of now, to be filled again
}

type chunk struct {
	b   []byte
	err error
}

func (p *pump) Read(b []byte) (int, error) {
	if p.filled == nil {
		p.filled, p.empty = make(chan chunk), make(chan []byte, 2)
		p.empty <- make([]byte, 64<<10)
		p.empty <- make([]byte, 64<<10)
		go p.run()
	}
	if len(p.now.b) == 0 {
		if p.now.err != nil {
			return 0, p.now.err
		}
		if p.buf != nil {
			p.empty <- p.buf
			p.buf = nil
		}
		select {
		case p.now = <-p.filled:
			p.buf = p.now.b[:cap(p.now.b)]
		case <-p.done:
			return 0, os.ErrClosed
		}
	}
	n := copy(b, p.now.b)
	p.now.b = p.now.b[n:]
	p.read.Add(uint64(n))
	if n == 0 {
		return 0, p.now.err
	}
	return n, nil
}

func (p *pump) run() {
	for {
		var b []byte
		select {
		case b = <-p.empty:
		case <-p.done:
			return
		}
		n, err := p.r.Read(b)
		select {
		case p.filled <- chunk{b[:n], err}:
		case <-p.done:
			return
		}
		if err != nil {
			return
		}
	}
}

func (p *pump) close()  {}
func (p *pump) finish() {}

// explain words why a path cannot be read, and what to do.
func explain(path string, err error) error {
	var cause *os.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s: %w; check the path", path, err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%s: %w; give this user the right to read it", path, err)
	}
	return fmt.Errorf("%s: %w", path, err)
}
