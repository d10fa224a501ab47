// Package live captures from network interfaces through libpcap: with a filter,
// in promiscuous mode, from one interface or several, with the counters of what
// the kernel and the interfaces dropped. It never sends anything.
//
// Contract: a Source is used by one goroutine, but Stats and Close may be
// called from any. Packet.Data belongs to the source until the next Next; it is
// a copy, made once, so that Close cannot take the memory away from whoever
// still reads it. Memory: the kernel's buffer of Options.BufferBytes an
// interface and, where there are several, two queues of Options.QueueBytes.
// When they are full the kernel drops, and counts. One interface is read by
// Next itself; several are read by a goroutine each, which Close ends, and
// their packets come in order of arrival.
//
// What it does not do: verify checksums, which a sending host leaves to its
// network card, or merge the interfaces by time; two packets on two interfaces
// may come in the other order than they were sent in.
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
	"time"

	"github.com/authtap/authtap/capture"
)

// Options of Open.
type Options struct {
	// Interfaces to capture from, at least one. "any" stands for all that the
	// machine has, without promiscuous mode.
	Interfaces []string
	// BPF is a filter in tcpdump's language; everything when empty.
	BPF string
	// Promiscuous asks for all packets on the wire, not the machine's own only.
	Promiscuous bool
	// SnapLen is how many bytes of a packet are kept; capture.MaxPacket when 0
	// and at most.
	SnapLen int
	// BufferBytes of the kernel's buffer an interface; 16 MiB when 0.
	BufferBytes int
	// QueueBytes of packets that wait for Next where there are several
	// interfaces; 4 MiB when 0.
	QueueBytes int
	// Poll is how long Next waits for a packet before it says ErrQuiet, how
	// late the kernel may deliver one, and about how long Close may take;
	// 100 ms when 0.
	Poll time.Duration
	// Immediate has each packet delivered when it arrives, at the price of
	// waking up for each.
	Immediate bool
}

func (o *Options) setDefaults() {
	if o.SnapLen <= 0 || o.SnapLen > capture.MaxPacket {
		o.SnapLen = capture.MaxPacket
	}
	if o.BufferBytes <= 0 {
		o.BufferBytes = 16 << 20
	}
	if o.QueueBytes <= 0 {
		o.QueueBytes = 4 << 20
	}
	if o.Poll <= 0 {
		o.Poll = 100 * time.Millisecond
	}
}

// Interface is one that can be captured from.
type Interface struct {
	Name, Description string
	Addresses         []netip.Addr
	Up, Loopback      bool
}

// device is an interface that is being captured from. It is used by one
// goroutine at a time.
type device interface {
	// read fills Time, Data and Length. Data is valid until the next read or
	// close. It returns capture.ErrQuiet when there was no packet for
	// Options.Poll; any other error is the interface's end.
	read(p *capture.Packet) error
	link() capture.LinkType
	// drops counts since the device was opened, modulo 2^32.
	drops() (kernel, iface uint32, err error)
	close()
}

// Source captures from interfaces; it implements capture.Source.
type Source struct {
	names []string
	ports []*port
	poll  time.Duration
	ended int // ports whose end Next has seen

	buf []byte // of the packet that Next has given, with one port

	box   *mailbox // with several ports
	batch batch    // taken out of it
	next  int      // in batch
	timer *time.Timer

	closing        atomic.Bool
	readers        sync.WaitGroup
	packets, bytes atomic.Uint64
}

var _ capture.Source = (*Source)(nil)

// Open begins to capture. Where the rights for it are missing, the error says
// which and how to give them.
func Open(opt Options) (*Source, error) {
	opt.setDefaults()
	if len(opt.Interfaces) == 0 {
		return nil, errors.New("no interface named; authtap sniff -D lists them")
	}
	var devices []device
	for _, name := range opt.Interfaces {
		dev, err := openDevice(name, &opt)
		if err != nil {
			for _, dev := range devices {
				dev.close()
			}
			return nil, err
		}
		devices = append(devices, dev)
	}
	return start(devices, opt), nil
}

// start captures from devices that are open.
func start(devices []device, opt Options) *Source {
	s := &Source{names: slices.Clone(opt.Interfaces), poll: opt.Poll}
	for i, dev := range devices {
		s.ports = append(s.ports, &port{name: opt.Interfaces[i], index: i, dev: dev, link: dev.link()})
	}
	if len(s.ports) > 1 {
		s.box = newMailbox(opt.QueueBytes)
		s.timer = time.NewTimer(opt.Poll)
		for _, port := range s.ports {
			s.readers.Go(func() { port.forward(s.box) })
		}
	}
	return s
}

// Next implements capture.Source. An error other than io.EOF and ErrQuiet ends
// one interface, which it names; the others go on.
func (s *Source) Next(p *capture.Packet) error {
	for !s.closing.Load() && s.ended < len(s.ports) {
		var err error
		if s.box == nil {
			err = s.ports[0].read(p, s.copy)
		} else {
			err = s.receive(p)
		}
		switch {
		case s.closing.Load():
			return io.EOF
		case err == nil:
			s.packets.Add(1)
			s.bytes.Add(uint64(len(p.Data)))
			return nil
		case err == capture.ErrQuiet:
			// A packet that was stamped in the last two intervals may still
			// be in the kernel's buffer; timers must not overtake it.
			*p = capture.Packet{Time: capture.TimeOf(time.Now().Add(-2 * s.poll))}
			return err
		default:
			s.ended++
			return err
		}
	}
	return io.EOF
}

func (s *Source) copy(p *capture.Packet) bool {
	s.buf = append(s.buf[:0], p.Data...)
	p.Data = s.buf
	return true
}

// receive takes the next packet out of the mailbox.
func (s *Source) receive(p *capture.Packet) error {
	for s.next == len(s.batch.letters) {
		s.next = 0
		if s.box.take(&s.batch) {
			break
		}
		s.timer.Reset(s.poll)
		select {
		case <-s.box.filled:
		case <-s.timer.C:
			return capture.ErrQuiet
		}
		if s.closing.Load() {
			return io.EOF
		}
	}
	l := &s.batch.letters[s.next]
	s.next++
	if l.err != nil {
		return l.err
	}
	*p = l.packet
	p.Data = s.batch.bytes[l.begin:l.end:l.end]
	return nil
}

// Inputs implements capture.Source: the interfaces as they were named.
func (s *Source) Inputs() []string { return s.names }

// Stats implements capture.Source. The drop counters are up to 100 ms old.
func (s *Source) Stats() capture.Stats {
	st := capture.Stats{Packets: s.packets.Load(), Bytes: s.bytes.Load()}
	for _, port := range s.ports {
		st.KernelDropped += port.kernel.Load()
		st.InterfaceDropped += port.iface.Load()
	}
	return st
}

// Close implements capture.Source. It takes at most about Options.Poll.
func (s *Source) Close() error {
	if s.closing.Swap(true) {
		return nil
	}
	if s.box != nil {
		s.box.close()
	}
	for _, port := range s.ports {
		port.close()
	}
	s.readers.Wait()
	return nil
}

// port is a device with its counters. mu keeps Close from taking the device
// away while it is read.
type port struct {
	name  string
	index int
	link  capture.LinkType

	mu                    sync.Mutex
	dev                   device // nil when closed
	number                uint64
	counted               capture.Time // when the counters were read
	lastKernel, lastIface uint32

	kernel, iface atomic.Uint64
}

const countEvery = 100 * time.Millisecond

// read reads a packet and, while the device cannot go away, has keep copy it.
func (t *port) read(p *capture.Packet, keep func(*capture.Packet) bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dev == nil {
		return io.EOF
	}
	*p = capture.Packet{}
	if err := t.dev.read(p); err != nil {
		t.count()
		if err == capture.ErrQuiet {
			return err
		}
		return fmt.Errorf("%s: %w", t.name, err)
	}
	if d := p.Time.Sub(t.counted); d < 0 || d > countEvery {
		t.count()
		t.counted = p.Time
	}
	t.number++
	p.Input, p.Link, p.Number = t.index, t.link, t.number
	if !keep(p) {
		return io.EOF
	}
	return nil
}

// count adds what the device's counters grew by; they have 32 bits. Those that
// cannot be read, of an interface that is gone, have not grown. The caller
// holds mu.
func (t *port) count() {
	kernel, iface, err := t.dev.drops()
	if err != nil {
		return
	}
	t.kernel.Add(uint64(kernel - t.lastKernel))
	t.iface.Add(uint64(iface - t.lastIface))
	t.lastKernel, t.lastIface = kernel, iface
}

// forward puts all packets of the device into the mailbox until it ends.
func (t *port) forward(box *mailbox) {
	var p capture.Packet
	for {
		switch err := t.read(&p, box.put); err {
		case nil, capture.ErrQuiet:
		default:
			box.fail(err)
			return
		}
	}
}

func (t *port) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dev != nil {
		t.count()
		t.dev.close()
		t.dev = nil
	}
}
