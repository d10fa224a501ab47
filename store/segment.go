package store

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// A segment is a file of a spool: a header and records, each of which is a
// block. Numbers are little-endian.
//
//	header  magic (16) · id (8), random
//	record  length of the payload (4) · rows in it (4) · checksum (4) · payload
//
// The checksum is CRC-32C (RFC 3720, appendix B.4) over length, rows and
// payload. A segment ends at its last whole record; what stands behind is a
// write that was not finished. A damaged record before that is passed over.
const (
	magic      = "authtap spool 1\n"
	headerSize = int64(len(magic) + 8)
	recordHead = 12
	// maxPayload bounds what is believed of a length.
	maxPayload = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errLarge is met where a block is longer than a record may be: in two, it may
// be taken.
var errLarge = errors.New("the block is too large")

// errTorn is met where no whole record stands.
var errTorn = errors.New("no whole record")

// file is what the spool does with files; tests put failing ones in its place.
type file interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Truncate(size int64) error
	Close() error
}

// openFile opens a segment's file.
func openFile(path string, flag int) (file, error) { return os.OpenFile(path, flag, 0o600) }

// segment is one file and what is known of it.
type segment struct {
	number uint64
	id     [8]byte
	path   string
	// size is where its last whole record ends; done where the first one
	// begins that is not acknowledged.
	size, done int64
	// Not acknowledged.
	blocks, rows uint64
	// damaged says, for each record that was damaged when the segment was taken
	// over, where the next one begins.
	damaged map[int64]int64
	file    file // while it is read from or written to
}

// newHeader gives the header of a new segment.
func (s *segment) newHeader() []byte {
	rand.Read(s.id[:]) // never fails
	return append([]byte(magic), s.id[:]...)
}

// token names the block at an offset. A segment's id is chance, so that no
// other block of any sensor has it.
func (s *segment) token(offset int64) string {
	return fmt.Sprintf("%s-%d", hex.EncodeToString(s.id[:]), offset)
}

// appendRecord appends a record to b.
func appendRecord(b []byte, r *Rows) ([]byte, error) {
	start := len(b)
	b = encode(append(b, make([]byte, recordHead)...), r)
	n := len(b) - start - recordHead
	if n > maxPayload {
		return nil, fmt.Errorf("%w: %d bytes of at most %d", errLarge, n, maxPayload)
	}
	putHead(b[start:], uint32(r.Len()))
	return b, nil
}

// putHead fills in the head of a record, whose payload is there.
func putHead(record []byte, rows uint32) {
	head, payload := record[:recordHead], record[recordHead:]
	binary.LittleEndian.PutUint32(head, uint32(len(payload)))
	binary.LittleEndian.PutUint32(head[4:], rows)
	binary.LittleEndian.PutUint32(head[8:], checksum(head, payload))
}

func checksum(head, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(head[:8], castagnoli), castagnoli, payload)
}

// readRecord reads the record at an offset of a segment of which size bytes
// are looked at. errTorn says that there is none that is whole; next is where
// the one behind it would begin, 0 where that is not known.
func readRecord(r io.ReaderAt, offset, size int64) (payload []byte, rows uint64, next int64, err error) {
	var head [recordHead]byte
	if size-offset < recordHead {
		return nil, 0, 0, errTorn
	}
	if _, err := r.ReadAt(head[:], offset); err != nil {
		return nil, 0, 0, shorter(err)
	}
	n := int64(binary.LittleEndian.Uint32(head[:]))
	if n > maxPayload || n > size-offset-recordHead {
		return nil, 0, 0, errTorn
	}
	payload = make([]byte, n)
	if _, err := r.ReadAt(payload, offset+recordHead); err != nil {
		return nil, 0, 0, shorter(err)
	}
	if checksum(head[:], payload) != binary.LittleEndian.Uint32(head[8:]) {
		return nil, 0, offset + recordHead + n, errTorn
	}
	return payload, uint64(binary.LittleEndian.Uint32(head[4:])), offset + recordHead + n, nil
}

// shorter makes what a file gives that is shorter than it was said to be into
// errTorn.
func shorter(err error) error {
	if errors.Is(err, io.EOF) {
		return errTorn
	}
	return err
}

// scan reads a segment from its beginning and fills in what is known of it.
// done is what was acknowledged before; where no record begins there, it is
// none. errTorn says that there is not even a header.
func (s *segment) scan(r io.ReaderAt, length, done int64) error {
	head := make([]byte, headerSize)
	if length < headerSize {
		return errTorn
	}
	if _, err := r.ReadAt(head, 0); err != nil {
		return err
	}
	if !bytes.HasPrefix(head, []byte(magic)) {
		return errTorn
	}
	copy(s.id[:], head[len(magic):])
	s.size, s.done, s.blocks, s.rows = headerSize, headerSize, 0, 0
	s.damaged = nil
	for at := s.size; ; {
		_, rows, next, err := readRecord(r, at, length)
		switch {
		case errors.Is(err, errTorn) && next == 0:
			s.pass()
			return nil
		case errors.Is(err, errTorn): // whether it is the last one is to be seen
		case err != nil:
			return err
		default:
			if at > s.size {
				if s.damaged == nil {
					s.damaged = map[int64]int64{}
				}
				s.damaged[s.size] = at
			}
			s.size = next
			s.blocks++
			s.rows += rows
			if next == done {
				s.done, s.blocks, s.rows = done, 0, 0
			}
		}
		at = next
	}
}

// pass moves done over what is damaged.
func (s *segment) pass() {
	if next, ok := s.damaged[s.done]; ok {
		s.done = next
	}
}

// lost gives the bytes of damaged records.
func (s *segment) lost() (n int64) {
	for begin, end := range s.damaged {
		n += end - begin
	}
	return n
}
