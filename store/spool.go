package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// SpoolOptions say where a spool is and how much it may hold. Zero fields take
// their defaults.
type SpoolOptions struct {
	// Dir is its folder, which is made when need be. It belongs to one process
	// at a time.
	Dir string
	// Max bounds the bytes of its files. Default 1 GiB.
	Max int64
	// Wait makes Write wait for room where the spool is full; without it the
	// oldest segment makes room, and its rows are lost, which is counted.
	Wait bool

	// open is for tests.
	open func(path string, flag int) (file, error)
}

// SpoolStats counts since OpenSpool, but for Waiting and Bytes, which are as of
// now.
type SpoolStats struct {
	// Waiting rows are not acknowledged yet; Bytes are on the disk, those in
	// quarantine included.
	Waiting uint64
	Bytes   int64
	// Dropped rows made room for others. Those of a block that was under way
	// may have arrived.
	Dropped uint64
	// Quarantined rows, of so many blocks, are not taken by the store and lie in
	// files of their own.
	QuarantinedBlocks, Quarantined uint64
	// QuarantineDropped files of such blocks made room for others.
	QuarantineDropped uint64
	// Unclosed is 1 when the run before was killed. Torn bytes were of a write
	// that had not ended then, or are damaged; Unsynced rows waited for one, as far as that was
	// announced.
	Unclosed, Torn, Unsynced uint64
}

// Spool is a queue of blocks on the disk, between a Batcher, which writes to
// it as to any sink, and a Sender, which takes blocks off it. When Write
// returns, the block is synced to the disk. A block leaves the spool when it is
// acknowledged (Done) or put aside (Quarantine); until then it is given again,
// over restarts, under the same token.
//
// Write and Close belong to one goroutine, Next, Done and Quarantine to
// another; Stats may be called from any and does not wait for the disk.
type Spool struct {
	opt      SpoolOptions
	lock     *os.File
	position *os.File
	pending  *os.File
	// segmentSize is how large a segment is before the next is begun. What was
	// acknowledged makes room by whole segments, so that they are small parts
	// of the whole.
	segmentSize int64

	mu       sync.Mutex
	changed  sync.Cond
	segments []*segment // the oldest first
	// tail is the last of segments while it may be written to.
	tail        *segment
	next        uint64 // number of the next segment
	closed      bool
	stats       SpoolStats
	quarantined []quarantined
}

// quarantined is a file of a block that was put aside.
type quarantined struct {
	path string
	size int64
}

const (
	suffix          = ".spool"
	quarantinePlace = "quarantine-"
)

// OpenSpool opens a spool, and takes over what the process before left in it.
func OpenSpool(o SpoolOptions) (*Spool, error) {
	if o.Max <= 0 {
		o.Max = 1 << 30
	}
	if o.open == nil {
		o.open = openFile
	}
	s := &Spool{opt: o, segmentSize: min(max(o.Max/16, 4<<10), 16<<20)}
	s.changed.L = &s.mu
	if err := s.load(); err != nil {
		s.release()
		return nil, fmt.Errorf("spool %s: %w", o.Dir, err)
	}
	return s, nil
}

func (s *Spool) load() error {
	if err := os.MkdirAll(s.opt.Dir, 0o700); err != nil {
		return err
	}
	var err error
	if s.lock, err = os.OpenFile(filepath.Join(s.opt.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return err
	}
	if err := syscall.Flock(int(s.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return errors.New("another authtap uses it: name another folder for one of them with --spool")
		}
		return err
	}
	entries, err := os.ReadDir(s.opt.Dir) // in the order of names, and so of numbers
	if err != nil {
		return err
	}
	number, done, err := s.readPosition()
	if err != nil {
		return err
	}
	if err := s.readPending(); err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(s.opt.Dir, e.Name())
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if strings.HasPrefix(name, quarantinePlace) {
			s.quarantined = append(s.quarantined, quarantined{path, info.Size()})
			continue
		}
		n, err := strconv.ParseUint(name, 10, 64)
		if err != nil {
			continue
		}
		s.next = n + 1
		seg := &segment{number: n, path: path}
		if n < number { // acknowledged, but not removed any more
			err = os.Remove(path)
		} else {
			at := int64(-1)
			if n == number {
				at = done
			}
			err = s.takeOver(seg, info.Size(), at)
		}
		if err != nil {
			return err
		}
	}
	s.next = max(s.next, number)
	return s.writePosition(false)
}

// takeOver reads a segment that another process wrote, and cuts off what it
// did not finish.
func (s *Spool) takeOver(seg *segment, length, done int64) error {
	f, err := s.opt.open(seg.path, os.O_RDWR)
	if err != nil {
		return err
	}
	err = seg.scan(f, length, done)
	if errors.Is(err, errTorn) {
		s.stats.Torn += uint64(length)
		return errors.Join(f.Close(), os.Remove(seg.path))
	}
	s.stats.Torn += uint64(seg.lost())
	if err == nil && seg.size < length {
		s.stats.Torn += uint64(length - seg.size)
		err = f.Truncate(seg.size)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if seg.blocks == 0 {
		return os.Remove(seg.path)
	}
	s.segments = append(s.segments, seg)
	return nil
}

// positionSize: number of the segment (8), offset in it (8), whether the spool
// was closed (8), checksum (4).
const positionSize = 28

// readPosition says up to where blocks were acknowledged. The file is written
// in place and not synced: where it is damaged or old, blocks are given again,
// under their tokens.
func (s *Spool) readPosition() (number uint64, done int64, err error) {
	s.position, err = os.OpenFile(filepath.Join(s.opt.Dir, "position"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return 0, 0, err
	}
	b := make([]byte, positionSize)
	n, err := s.position.ReadAt(b, 0)
	if err != nil && err != io.EOF {
		return 0, 0, err
	}
	if n == 0 {
		return 0, 0, nil // new
	}
	number, done, closed, _ := parsePosition(b[:n])
	if !closed {
		s.stats.Unclosed = 1
	}
	return number, done, nil
}

// parsePosition reads what writePosition wrote.
func parsePosition(b []byte) (number uint64, done int64, closed, ok bool) {
	if len(b) < positionSize || crc32.Checksum(b[:24], castagnoli) != binary.LittleEndian.Uint32(b[24:]) {
		return 0, 0, false, false
	}
	number, done = binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint64(b[8:]))
	return number, done, binary.LittleEndian.Uint64(b[16:]) != 0, true
}

// writePosition notes what was acknowledged.
func (s *Spool) writePosition(closed bool) error {
	s.mu.Lock()
	number, done := s.next, int64(0)
	if len(s.segments) > 0 {
		number, done = s.segments[0].number, s.segments[0].done
	}
	s.mu.Unlock()
	b := make([]byte, 0, positionSize)
	b = binary.LittleEndian.AppendUint64(b, number)
	b = binary.LittleEndian.AppendUint64(b, uint64(done))
	var flag uint64
	if closed {
		flag = 1
	}
	b = binary.LittleEndian.AppendUint64(b, flag)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	_, err := s.position.WriteAt(b, 0)
	return err
}

// readPending reads how many rows waited when the process before was killed:
// their number (8) and its checksum (4), written in place and not synced, which
// outlives a process, though not always a power cut.
func (s *Spool) readPending() (err error) {
	s.pending, err = os.OpenFile(filepath.Join(s.opt.Dir, "pending"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	b := make([]byte, 12)
	if n, err := s.pending.ReadAt(b, 0); err != nil && err != io.EOF {
		return err
	} else if n == len(b) && s.stats.Unclosed > 0 && crc32.Checksum(b[:8], castagnoli) == binary.LittleEndian.Uint32(b[8:]) {
		s.stats.Unsynced = binary.LittleEndian.Uint64(b)
	}
	s.Announce(0)
	return nil
}

// Announce notes how many rows wait to be written: should the process be
// killed, the next one counts them as Unsynced. It belongs to the goroutine of
// Write.
func (s *Spool) Announce(rows int) {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 12), uint64(rows))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	_, _ = s.pending.WriteAt(b, 0) // it is only a number for the next start
}

// Write appends a block and syncs it. It implements Sink; the block's token is
// not kept, the spool gives it one of its own.
func (s *Spool) Write(ctx context.Context, b *Block) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.Len() == 0 {
		return nil
	}
	record, err := appendRecord(nil, &b.Rows)
	if n := int64(len(record)); err == nil && n > s.opt.Max/4 {
		err = fmt.Errorf("%w: %d bytes of at most %d, a quarter of the spool", errLarge, n, s.opt.Max/4)
	}
	if err != nil {
		return fmt.Errorf("spool %s: %w", s.opt.Dir, err)
	}
	err = s.append(ctx, record, uint64(b.Len()))
	// Without the file, whose name is another at each attempt: who tells errors
	// is to know them again.
	if file := (*fs.PathError)(nil); errors.As(err, &file) {
		err = fmt.Errorf("%s: %w", file.Op, file.Err)
	}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("spool %s: %w; make room on that disk", s.opt.Dir, err)
	case err != nil:
		return fmt.Errorf("spool %s: %w", s.opt.Dir, err)
	}
	return nil
}

func (s *Spool) append(ctx context.Context, record []byte, rows uint64) error {
	n := int64(len(record))
	tail, err := s.makeRoom(ctx, n+headerSize)
	if err == nil && tail == nil {
		tail, err = s.begin()
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	f, at := tail.file, tail.size
	s.mu.Unlock()
	if f == nil {
		return errors.New("the segment was given up by its reader")
	}
	_, err = f.WriteAt(record, at)
	if err == nil {
		err = f.Sync()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tail != tail {
		return errors.Join(errors.New("the segment was given up by its reader"), err)
	}
	if err != nil {
		// What an unfinished write or sync left is not to be relied on: the
		// segment ends before it, and the next write begins another.
		_ = f.Truncate(at) // or the next start cuts it off
		s.seal()
		if n := len(s.segments); n > 1 && s.segments[n-1] == tail && tail.size == headerSize {
			_ = os.Remove(tail.path) // or it is removed in its turn
			s.segments = s.segments[:n-1]
		}
		return err
	}
	tail.size += n
	tail.blocks++
	tail.rows += rows
	if tail.size >= s.segmentSize {
		s.seal()
	}
	s.changed.Broadcast()
	return nil
}

// begin makes a new segment and the spool's tail of it.
func (s *Spool) begin() (*segment, error) {
	seg := &segment{number: s.next, path: filepath.Join(s.opt.Dir, fmt.Sprintf("%016d%s", s.next, suffix)), size: headerSize, done: headerSize}
	f, err := s.opt.open(seg.path, os.O_CREATE|os.O_EXCL|os.O_RDWR)
	if err != nil {
		return nil, err
	}
	seg.file = f
	if _, err = f.WriteAt(seg.newHeader(), 0); err == nil {
		err = syncFolder(s.opt.Dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(seg.path))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	s.tail = seg
	s.segments = append(s.segments, seg)
	return seg, nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// seal ends writing to the tail. It is called with the lock held.
func (s *Spool) seal() {
	if s.tail == nil {
		return
	}
	if s.tail != s.segments[0] { // the reader's, which closes it
		_ = s.tail.file.Close() // it was synced
		s.tail.file = nil
	}
	s.tail = nil
	s.shed()
}

// shed removes the oldest segments as far as they are acknowledged. It is
// called with the lock held.
func (s *Spool) shed() {
	for len(s.segments) > 0 && s.segments[0] != s.tail && s.segments[0].done >= s.segments[0].size {
		s.remove()
	}
}

// remove removes the oldest segment.
func (s *Spool) remove() {
	seg := s.segments[0]
	if seg.file != nil {
		_ = seg.file.Close() // nothing of it is wanted any more
		seg.file = nil
	}
	_ = os.Remove(seg.path) // or the next start does
	s.segments = slices.Delete(s.segments, 0, 1)
	s.changed.Broadcast()
}

// bytes gives the size of all files. It is called with the lock held.
func (s *Spool) bytes() (n int64) {
	for _, seg := range s.segments {
		n += seg.size
	}
	for _, q := range s.quarantined {
		n += q.size
	}
	return n
}

// makeRoom sees to it that n bytes more are within the bound. It gives the
// tail, nil where there is none.
func (s *Spool) makeRoom(ctx context.Context, n int64) (*segment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changed.Broadcast()
	})
	defer stop()
	for len(s.segments) > 0 && s.bytes()+n > s.opt.Max {
		s.seal() // so that it can go, too
		if len(s.segments) == 0 {
			break
		}
		if !s.opt.Wait {
			s.stats.Dropped += s.segments[0].rows
			s.remove()
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("it is full (%d bytes): %w", s.opt.Max, err)
		}
		s.changed.Wait()
	}
	return s.tail, nil
}

// Stats may be called at any time.
func (s *Spool) Stats() SpoolStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Bytes = s.bytes()
	for _, seg := range s.segments {
		st.Waiting += seg.rows
	}
	return st
}

// Finish says that nothing more will be written: once everything is
// acknowledged, Next gives io.EOF.
func (s *Spool) Finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.changed.Broadcast()
}

// Close ends the spool, after Finish and the Sender. What is left in it waits
// for the next start.
func (s *Spool) Close() error {
	s.Finish()
	s.mu.Lock()
	s.seal()
	s.mu.Unlock()
	err := s.writePosition(true)
	return errors.Join(err, s.release())
}

func (s *Spool) release() (err error) {
	for _, seg := range s.segments {
		if seg.file != nil {
			err = errors.Join(err, seg.file.Close())
		}
	}
	for _, f := range []*os.File{s.position, s.pending, s.lock} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	if errors.Is(err, fs.ErrClosed) {
		return nil
	}
	return err
}
