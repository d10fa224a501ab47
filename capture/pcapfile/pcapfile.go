// Package pcapfile reads capture files, and writes them.
//
// It reads pcap (micro- and nanoseconds, both byte orders, also the variant
// with longer record headers that patched Linux systems once wrote) and pcapng
// (several sections and interfaces, every time resolution), plain or compressed
// with gzip or zstd, once or nested, all told apart by their first bytes.
// Inputs are files, folders (recursively, the captures in them), patterns and
// standard input; several are merged by packet time.
//
// Contract: a Source is used by one goroutine, but Stats and Close may be
// called from any. Packet.Data aliases a buffer of the source until the next
// Next. A packet's length is checked against capture.MaxPacket before memory
// is taken for it, so an input that is being read holds one buffer of at most
// MaxPacket and a little and, where it is compressed, a decompressor with a
// window of at most 32 MiB a layer; an input before its first packet and after
// its last holds nothing. At most Options.OpenFiles regular files are open at
// a time: beyond that, the one that was not read for longest is closed and
// opened again when it is read on, which costs a little time and nothing else.
//
// What it does not do: look into a packet, repair a damaged file, or seek a
// place to go on behind the damage. What follows the damage in that input is
// left out, and the error says where it begins.
package pcapfile

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync/atomic"

	"github.com/authtap/authtap/capture"
)

// Options of Open. The zero value is ready for use.
type Options struct {
	// Stdin is what the argument "-" reads; os.Stdin when nil.
	Stdin io.Reader
	// OpenFiles is how many regular files are open at a time; 256 when 0.
	OpenFiles int
	// TLSKeys is called by Open and Next with the lines of the key logs that
	// captures in pcapng hold (Decryption Secrets Blocks), before the packets
	// behind them are given; it may get the same ones twice. They are valid
	// during the call. nil: they are passed over.
	TLSKeys func(lines []byte)
}

// DamageError ends an input that is damaged or cut off, or that can no longer
// be read. It wraps capture.ErrDamaged and Cause.
type DamageError struct {
	File string
	// Offset, in the decompressed data, is where the record begins that is
	// not whole or, when reading or decompressing failed, where the data ends.
	Offset int64
	Cause  error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s: %v at byte %d: %v", e.File, capture.ErrDamaged, e.Offset, e.Cause)
}

func (e *DamageError) Unwrap() []error { return []error{capture.ErrDamaged, e.Cause} }

// Source reads the packets of its inputs, merged by time; it implements
// capture.Source. The order within an input is never changed: the input whose
// next packet has the smallest time goes first, and among equals the one that
// was named first.
type Source struct {
	names  []string
	others []string // no captures, passed over
	total  uint64

	keys  func(lines []byte)
	heads queue
	spare [][]byte // buffers that inputs have left
	size  int      // of a new one
	files *handles

	done                 chan struct{} // closed by Close
	closing              atomic.Bool
	packets, bytes, read atomic.Uint64
}

// A buffer starts with 256 KiB, which stays in a core's cache between the
// kernel's filling and our reading, and with less where many inputs may be
// open at once.
const (
	largestStart  = 256 << 10
	smallestStart = 32 << 10
	startInAll    = 16 << 20
)

// Open opens the captures that args name: files, folders, patterns (where no
// file has that name) and "-". A folder stands for the captures in and below
// it, by name, a pattern for those among its matches; see Others. An argument
// that names no capture is an error. Every input is looked at, but held open only from its
// first packet to its last; standard input and pipes are held from here on, and
// Open waits for their first bytes.
func Open(args []string, opt Options) (*Source, error) {
	if len(args) == 0 {
		return nil, errors.New("no capture named: give files, folders, or - for standard input")
	}
	if opt.Stdin == nil {
		opt.Stdin = os.Stdin
	}
	if opt.OpenFiles <= 0 {
		opt.OpenFiles = 256
	}
	s := &Source{files: &handles{max: opt.OpenFiles}, done: make(chan struct{}), keys: opt.TLSKeys}
	if err := s.addAll(args, opt.Stdin); err != nil {
		s.Close()
		return nil, err
	}
	s.size = min(largestStart, max(smallestStart, startInAll/len(s.names)))
	return s, nil
}

func (s *Source) addAll(args []string, stdin io.Reader) error {
	totalKnown, stdinUsed := true, false
	buf := make([]byte, 4<<10)
	for _, arg := range args {
		if arg == "-" {
			if stdinUsed {
				return errors.New("-: standard input can be read only once")
			}
			stdinUsed, totalKnown = true, false
			if err := s.addStream(arg, &pump{r: stdin, done: s.done, read: &s.read}); err != nil {
				return err
			}
			continue
		}
		paths, found, err := expand(arg)
		if err != nil {
			return err
		}
		before := len(s.names)
		for _, path := range paths {
			file, err := s.files.file(path)
			if err != nil {
				return err
			}
			if !file.regular {
				totalKnown = false
				file.read = &s.read
				err = s.addStream(path, file)
			} else {
				err = s.addFile(path, file, buf)
			}
			if found && errors.As(err, new(*foreignError)) {
				s.others = append(s.others, path)
				continue
			}
			if err != nil {
				return err
			}
			s.total += uint64(file.size)
		}
		if len(s.names) == before {
			return fmt.Errorf("%s: no capture here; %s", arg, readable)
		}
	}
	if !totalKnown {
		s.total = 0
	}
	return nil
}

// addStream adds an input that can be read only once. Its first packet is left
// to Next, so that Open does not wait for it; its format is not, so that Open
// can say what is wrong with it.
func (s *Source) addStream(name string, from origin) error {
	in := &input{name: name, index: len(s.names), from: from, keys: s.keys}
	if err := in.begin(make([]byte, largestStart)); err != nil {
		return err
	}
	s.names = append(s.names, name)
	s.heads.push(head{in: in, time: math.MinInt64})
	return nil
}

// addFile adds a regular file with the time of its first packet, and lets go
// of it until that packet's turn.
func (s *Source) addFile(name string, from *file, buf []byte) error {
	in := &input{name: name, index: len(s.names), from: from, keys: s.keys}
	if err := in.begin(buf); err != nil {
		in.end()
		return err
	}
	s.names = append(s.names, name)
	err := in.next()
	first := in.packet.Time
	in.end()
	from.read = &s.read
	if err == io.EOF {
		from.finish()
		return nil
	}
	if err != nil {
		first = math.MinInt64 // Next meets the same damage
	}
	s.heads.push(head{in: in, time: first})
	return nil
}

// Next implements capture.Source. A *DamageError ends one input: all packets
// before it were given, and further calls go on with the other inputs.
func (s *Source) Next(p *capture.Packet) error {
	for len(s.heads) > 0 && !s.closing.Load() {
		first := &s.heads[0]
		if first.ready {
			*p = first.in.packet
			first.ready = false
			s.packets.Add(1)
			s.bytes.Add(uint64(len(p.Data)))
			return nil
		}
		if err := s.advance(first); err != nil && !s.closing.Load() {
			return err
		}
	}
	return io.EOF
}

// advance reads the next packet of the input at the front and puts the input
// where it then belongs; at its end it is taken out.
func (s *Source) advance(first *head) error {
	in := first.in
	if in.format == nil {
		if err := in.begin(s.buffer()); err != nil {
			// It was a capture when Open looked.
			in.format = failed{err}
		}
	}
	err := in.next()
	if err == nil {
		first.time, first.ready = in.packet.Time, true
		s.heads.fix()
		return nil
	}
	s.heads.pop()
	s.spare = append(s.spare, in.end())
	in.from.finish()
	if err == io.EOF {
		return nil
	}
	return err
}

func (s *Source) buffer() []byte {
	if n := len(s.spare); n > 0 {
		b := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return b
	}
	return make([]byte, s.size)
}

// Inputs implements capture.Source: the paths, "-" for standard input.
func (s *Source) Inputs() []string { return s.names }

// Others names the files in folders, and the matches of patterns, that are no
// captures and were passed over.
func (s *Source) Others() []string { return s.others }

// Stats implements capture.Source. What is left out of a damaged file counts
// as read.
func (s *Source) Stats() capture.Stats {
	return capture.Stats{
		Packets:       s.packets.Load(),
		Bytes:         s.bytes.Load(),
		BytesRead:     s.read.Load(),
		BytesExpected: s.total,
	}
}

// Close implements capture.Source. A read of standard input that is under way
// when it is called is left to end by itself.
func (s *Source) Close() error {
	if !s.closing.Swap(true) {
		close(s.done)
		s.files.closeAll()
	}
	return nil
}
