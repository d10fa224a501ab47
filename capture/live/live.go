// Package live captures from network interfaces: with a filter, in promiscuous
// mode, with the counters of what the kernel and the interfaces dropped. It
// never sends anything. There are two engines, libpcap and, on Linux, the rings
// of package afpacket.
//
// Contract: Open gives a Source for each interface, or for each ring of it,
// all of the same inputs. A Source is used by one goroutine, but Stats and Close
// may be called from any. Packet.Data belongs to the source until the next Next;
// it is a copy, made once, so that Close cannot take the memory away from
// whoever still reads it. Memory: the kernel's buffer of Options.BufferBytes an
// interface, and a packet a source. When the buffer is full the kernel drops,
// and counts.
//
// What it does not do: verify checksums, which a sending host leaves to its
// network card, or merge sources by time.
//
// It needs cgo and libpcap. Built without cgo, Open and Interfaces give an
// error that says so.
package live

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/authtap/authtap/capture"
)

// Engine is what captures.
type Engine string

// The engines.
const (
	// AFPacket spreads an interface's packets over rings.
	AFPacket Engine = "afpacket"
	// Libpcap captures from everything, with a source an interface.
	Libpcap Engine = "libpcap"
)

// Options of Open.
type Options struct {
	// Interfaces to capture from, at least one. "any" stands for all that the
	// machine has, without promiscuous mode, through libpcap only.
	Interfaces []string
	// Engine is Libpcap when empty.
	Engine Engine
	// Rings of each interface, of AFPacket; 1 when 0.
	Rings int
	// BPF is a filter in tcpdump's language; everything when empty.
	BPF string
	// Promiscuous asks for all packets on the wire, not the machine's own only.
	Promiscuous bool
	// SnapLen is how many bytes of a packet are kept; capture.MaxPacket when 0
	// and at most.
	SnapLen int
	// BufferBytes of the kernel's buffer an interface; 16 MiB when 0.
	BufferBytes int
	// Poll is how long Next waits for a packet before it says ErrQuiet, how
	// late the kernel may deliver one, and about how long Close may take;
	// 20 ms when 0. Where there are several sources, they wait for each other so
	// long.
	Poll time.Duration
	// Immediate has libpcap deliver each packet when it arrives, at the price
	// of waking up for each.
	Immediate bool
}

func (o *Options) setDefaults() {
	if o.Engine == "" {
		o.Engine = Libpcap
	}
	if o.Rings <= 0 {
		o.Rings = 1
	}
	if o.SnapLen <= 0 || o.SnapLen > capture.MaxPacket {
		o.SnapLen = capture.MaxPacket
	}
	if o.BufferBytes <= 0 {
		o.BufferBytes = 16 << 20
	}
	if o.Poll <= 0 {
		o.Poll = 20 * time.Millisecond
	}
}

// Interface is one that can be captured from.
type Interface struct {
	Name, Description string
	Addresses         []netip.Addr
	Up, Loopback      bool
}

// device is an interface that is being captured from, or a ring of one. It is
// used by one goroutine at a time.
type device interface {
	// Read fills Time, Length and, from the beginning of its memory, Data. It
	// returns capture.ErrQuiet when there was no packet for Options.Poll, and
	// an error that wraps syscall.ENETDOWN when the interface goes down but may
	// come up again; any other error is the interface's end.
	Read(p *capture.Packet) error
	Link() capture.LinkType
	// Drops counts since the device was opened, modulo 2^32.
	Drops() (kernel, iface uint32, err error)
	Close()
}

// Open begins to capture. Where the rights for it are missing, the error says
// which and how to give them.
func Open(opt Options) (sources []*Source, err error) {
	opt.setDefaults()
	if len(opt.Interfaces) == 0 {
		return nil, errors.New("no interface named; authtap sniff -D lists them")
	}
	inputs := slices.Clone(opt.Interfaces)
	for i, name := range inputs {
		devices, err := openDevices(name, &opt)
		if err != nil {
			for _, s := range sources {
				s.Close()
			}
			return nil, err
		}
		sources = append(sources, newSources(inputs, i, devices, opt.Poll)...)
	}
	return sources, nil
}

// newSources gives the sources of an interface.
func newSources(inputs []string, input int, devices []device, poll time.Duration) (sources []*Source) {
	number := new(atomic.Uint64)
	for i, dev := range devices {
		s := &Source{name: inputs[input], inputs: inputs, input: input, number: number, link: dev.Link(), poll: poll, dev: dev}
		if len(devices) > 1 {
			s.name = fmt.Sprintf("%s ring %d", s.name, i)
		}
		sources = append(sources, s)
	}
	return sources
}

// Source captures from an interface, or from a ring of one; it implements
// capture.Source.
type Source struct {
	name   string
	inputs []string
	input  int
	number *atomic.Uint64 // of packets, over the interface's sources
	link   capture.LinkType
	poll   time.Duration

	// mu keeps Close from taking the device away while it is read.
	mu                    sync.Mutex
	dev                   device // nil when closed
	buf                   []byte
	counted               capture.Time // when the device's counters were read
	lastKernel, lastIface uint32

	stopped        atomic.Pointer[time.Time]
	closing        atomic.Bool
	packets, bytes atomic.Uint64
	kernel, iface  atomic.Uint64
}

var (
	_ capture.Source  = (*Source)(nil)
	_ capture.Stopper = (*Source)(nil)
)

// Name gives the interface's name and, where it has several, the ring.
func (s *Source) Name() string { return s.name }

const (
	countEvery = 100 * time.Millisecond
	// drainAtMost is how long after Stop Next goes on, whatever the packets'
	// times say.
	drainAtMost = 5 * time.Second
)

// Next implements capture.Source. An error other than io.EOF and ErrQuiet names
// the interface; it ends the source, but where the interface only went down.
func (s *Source) Next(p *capture.Packet) error {
	if s.closing.Load() {
		return io.EOF // Close gets the lock
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dev == nil {
		return io.EOF
	}
	*p = capture.Packet{Data: s.buf}
	switch err := s.dev.Read(p); {
	case err == nil:
		s.buf = p.Data
		if s.drained(p.Time) {
			s.end()
			return io.EOF
		}
	case err == capture.ErrQuiet:
		s.count()
		// A packet that was stamped in the last two intervals may still be in
		// the kernel's buffer; timers must not overtake it.
		*p = capture.Packet{Time: capture.TimeOf(time.Now().Add(-2 * s.poll))}
		if s.drained(p.Time) {
			s.end()
			return io.EOF
		}
		return err
	default:
		if !errors.Is(err, syscall.ENETDOWN) {
			s.end()
		}
		*p = capture.Packet{}
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if d := p.Time.Sub(s.counted); d < 0 || d > countEvery {
		s.count()
		s.counted = p.Time
	}
	p.Input, p.Link, p.Number = s.input, s.link, s.number.Add(1)
	s.packets.Add(1)
	s.bytes.Add(uint64(len(p.Data)))
	return nil
}

// drained says whether what comes at a time has come after Stop.
func (s *Source) drained(at capture.Time) bool {
	stopped := s.stopped.Load()
	return stopped != nil && (at > capture.TimeOf(*stopped) || time.Since(*stopped) > drainAtMost)
}

// count adds what the device's counters grew by; they have 32 bits. Those that
// cannot be read, of an interface that is gone, have not grown. The caller
// holds mu.
func (s *Source) count() {
	kernel, iface, err := s.dev.Drops()
	if err != nil {
		return
	}
	s.kernel.Add(uint64(kernel - s.lastKernel))
	s.iface.Add(uint64(iface - s.lastIface))
	s.lastKernel, s.lastIface = kernel, iface
}

// Inputs implements capture.Source: all interfaces that Open was given, as
// they were named.
func (s *Source) Inputs() []string { return s.inputs }

// Stats implements capture.Source. The drop counters are up to 100 ms old.
func (s *Source) Stats() capture.Stats {
	return capture.Stats{
		Packets: s.packets.Load(), Bytes: s.bytes.Load(),
		KernelDropped: s.kernel.Load(), InterfaceDropped: s.iface.Load(),
	}
}

// Stop implements capture.Stopper: what the kernel's buffer holds by now is
// still given.
func (s *Source) Stop() {
	now := time.Now()
	s.stopped.CompareAndSwap(nil, &now)
}

// Close implements capture.Source. It takes about Options.Poll at most.
func (s *Source) Close() error {
	s.closing.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dev != nil {
		s.end()
	}
	return nil
}

// end closes the device. The caller holds mu.
func (s *Source) end() {
	s.count()
	s.dev.Close()
	s.dev = nil
}
