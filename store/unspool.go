package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// spooled is a block taken off the spool.
type spooled struct {
	Block
	segment *segment
	start   int64 // where it begins, and the next one
	end     int64
	rows    uint64 // in the block, also where it does not decode
	payload []byte
}

// Next gives the oldest block that is not acknowledged, and waits for one where
// there is none. It gives io.EOF after Finish, and the context's error when
// that is done. ErrPoison says that the block is not to be read: it is to be
// put aside.
func (s *Spool) Next(ctx context.Context) (*spooled, error) {
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changed.Broadcast()
	})
	defer stop()
	for {
		seg, f, start, size, err := s.oldest(ctx)
		if err != nil {
			return nil, err
		}
		b := &spooled{segment: seg, start: start}
		b.payload, b.rows, b.end, err = readRecord(f, start, size)
		if err == nil {
			b.Token = seg.token(start)
			if b.Rows, err = decode(b.payload); err != nil {
				return b, fmt.Errorf("%w: %w", ErrPoison, err)
			}
			return b, nil
		}
		s.mu.Lock()
		if len(s.segments) > 0 && s.segments[0] == seg {
			if !errors.Is(err, errTorn) {
				s.mu.Unlock()
				return nil, fmt.Errorf("spool %s: %w", s.opt.Dir, err)
			}
			// It was whole when it was written or taken over. What is left of
			// the segment is not to be read.
			s.stats.Torn += uint64(seg.size - seg.done)
			s.stats.Dropped += seg.rows
			seg.done, seg.blocks, seg.rows = seg.size, 0, 0
			s.seal()
			s.shed()
		}
		s.mu.Unlock() // else it made room for others meanwhile
	}
}

// oldest gives the segment that holds the next block, open, where that begins,
// and how far the segment reaches.
func (s *Spool) oldest(ctx context.Context) (seg *segment, f file, start, size int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.segments) == 0 || s.segments[0].blocks == 0 {
		if err := ctx.Err(); err != nil {
			return nil, nil, 0, 0, err
		}
		if s.closed {
			return nil, nil, 0, 0, io.EOF
		}
		s.changed.Wait()
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, 0, 0, err
	}
	seg = s.segments[0]
	seg.pass()
	if seg.file == nil {
		f, err := s.opt.open(seg.path, os.O_RDONLY)
		if err != nil {
			return nil, nil, 0, 0, fmt.Errorf("spool %s: %w", s.opt.Dir, err)
		}
		seg.file = f
	}
	return seg, seg.file, seg.done, seg.size, nil
}

// Done acknowledges a block that Next gave.
func (s *Spool) Done(b *spooled) error {
	s.mu.Lock()
	if len(s.segments) > 0 && s.segments[0] == b.segment { // else it made room for others
		seg := b.segment
		seg.done = b.end
		seg.blocks--
		seg.rows -= min(seg.rows, b.rows)
		s.shed()
	}
	s.mu.Unlock()
	return s.writePosition(false)
}

// Quarantine puts rows of a block that Next gave into a file of their own, a
// segment as any, and acknowledges the block; where there are none, the whole
// block as it is, which may not be readable. All such files take a quarter of the
// spool at most; the oldest make room.
func (s *Spool) Quarantine(b *spooled, rows *Rows) (path string, err error) {
	seg := segment{number: b.segment.number}
	payload, n := b.payload, b.rows
	if rows.Len() > 0 {
		payload, n = encode(nil, rows), uint64(rows.Len())
	}
	text := append(append(seg.newHeader(), make([]byte, recordHead)...), payload...)
	putHead(text[headerSize:], uint32(n))
	size := int64(len(text))
	path = filepath.Join(s.opt.Dir, fmt.Sprintf("%s%016d-%d%s", quarantinePlace, seg.number, b.start, suffix))
	s.mu.Lock()
	var aside int64
	for _, q := range s.quarantined {
		aside += q.size
	}
	for len(s.quarantined) > 0 && aside+size > s.opt.Max/4 {
		aside -= s.quarantined[0].size
		s.stats.QuarantineDropped++
		_ = os.Remove(s.quarantined[0].path) // gone already, or the next start counts it again
		s.quarantined = slices.Delete(s.quarantined, 0, 1)
	}
	s.mu.Unlock()
	f, err := s.opt.open(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR)
	if err != nil {
		return "", fmt.Errorf("spool %s: %w", s.opt.Dir, err)
	}
	_, err = f.WriteAt(text, 0)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("spool %s: %w", s.opt.Dir, err), os.Remove(path))
	}
	s.mu.Lock()
	s.quarantined = append(s.quarantined, quarantined{path, size})
	s.stats.QuarantinedBlocks++
	s.stats.Quarantined += n
	s.mu.Unlock()
	return path, s.Done(b)
}
