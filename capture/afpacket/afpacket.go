//go:build linux && cgo

package afpacket

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/gopacket/afpacket"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/authtap/authtap/capture"
)

// Options of Open. All but Promiscuous and BPF have to be set.
type Options struct {
	// Rings that the interface's packets are spread over.
	Rings int
	// BPF is a filter in tcpdump's language; everything when empty.
	BPF string
	// Promiscuous asks for all packets on the wire, not the machine's own only.
	Promiscuous bool
	// SnapLen is how many bytes of a packet are kept.
	SnapLen int
	// BufferBytes of all rings together.
	BufferBytes int
	// Poll is how long Read waits for a packet, and how late the kernel may
	// deliver one; at least a millisecond.
	Poll time.Duration
}

const (
	// blockBytes has room for the longest packet, but for a few bytes.
	blockBytes = capture.MaxPacket
	// leastBlocks a ring. However little is in it, the kernel fills a block for
	// no longer than Options.Poll: when the program does not get to run for
	// this many of them, packets are dropped.
	leastBlocks = 8
)

// Ring is one of an interface's rings.
type Ring struct {
	packets *afpacket.TPacket
	card    *card
	first   bool // of the interface's: it counts for the interface
	link    capture.LinkType
	snap    int
	poll    time.Duration
	down    bool // as far as Read knows
	// Packets from before the filter was set are left out; stale says that no
	// later one has come yet.
	began capture.Time
	stale bool
}

// Open begins to capture from an interface. Errors wrap unix.ENODEV where there
// is no such interface, unix.ENETDOWN where it is down, and unix.EPERM where the
// rights are missing.
func Open(name string, opt Options) (rings []*Ring, err error) {
	card, err := openCard(name, opt.Promiscuous)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			for _, r := range rings {
				r.packets.Close()
			}
			card.close()
			rings = nil
		}
	}()
	link, err := card.linkType()
	if err != nil {
		return nil, err
	}
	filter, err := compile(name, opt.BPF, opt.SnapLen, card.loopback)
	if err != nil {
		return nil, err
	}
	// A group is known by a number, to all programs that capture from the
	// interface: one taken at random is not theirs.
	group := uint16(rand.Uint32())
	blocks := max(leastBlocks, opt.BufferBytes/opt.Rings/blockBytes)
	for range opt.Rings {
		p, err := afpacket.NewTPacket(
			afpacket.OptInterface(name), afpacket.TPacketVersion3,
			afpacket.OptBlockSize(blockBytes), afpacket.OptNumBlocks(blocks),
			afpacket.OptBlockTimeout(opt.Poll),
			afpacket.OptPollTimeout(opt.Poll),
		)
		if err != nil {
			return rings, fmt.Errorf("a ring of %d bytes: %w", blocks*blockBytes, err)
		}
		rings = append(rings, &Ring{packets: p, card: card, link: link, snap: opt.SnapLen, poll: opt.Poll, stale: true})
		// A ring gets packets from its making on, all of them as long as it is
		// in no group. Nothing is let in until all are.
		if err = p.SetBPF([]bpf.RawInstruction{{Op: unix.BPF_RET | unix.BPF_K}}); err == nil && opt.Rings > 1 {
			err = p.SetFanout(afpacket.FanoutHash, group)
		}
		if err != nil {
			return rings, err
		}
	}
	card.rings.Store(int32(len(rings)))
	rings[0].first = true
	began := capture.TimeOf(time.Now())
	for _, r := range rings {
		r.began = began
		if err := r.packets.SetBPF(filter); err != nil {
			return rings, fmt.Errorf("the filter %q: %w", opt.BPF, err)
		}
	}
	return rings, nil
}

// Read fills Time, Length and, from the beginning of its memory, Data. It
// returns capture.ErrQuiet when no packet came for Options.Poll, and, from an
// interface's first ring, an error that wraps unix.ENETDOWN when the interface
// goes down. When it is up again, packets come again. Any other error is the
// interface's end.
func (r *Ring) Read(p *capture.Packet) error {
	for {
		data, info, err := r.packets.ZeroCopyReadPacketData()
		switch err {
		case nil:
		case afpacket.ErrTimeout:
			return capture.ErrQuiet
		case afpacket.ErrPoll:
			return r.broken()
		default:
			return err
		}
		p.Time = capture.TimeOf(info.Timestamp)
		if r.stale && p.Time < r.began {
			continue
		}
		r.stale = false
		p.Length = max(info.Length, len(data))
		if len(info.AncillaryData) == 0 || r.link != capture.LinkEthernet || len(data) < addresses {
			p.Data = append(p.Data[:0], data...)
			return nil
		}
		// The kernel takes the outermost VLAN tag out of each packet.
		tag := vlanTag(data, &info)
		p.Length += len(tag)
		p.Data = append(append(append(p.Data[:0], data[:addresses]...), tag[:]...), data[addresses:]...)
		p.Data = p.Data[:min(len(p.Data), r.snap)]
		return nil
	}
}

// broken says what an error of the ring means. It stays with the ring for good:
// once the interface was down, nothing wakes the reader up any more.
func (r *Ring) broken() error {
	up, err := r.card.up()
	if err != nil {
		return err
	}
	was := r.down
	r.down = !up
	if r.down && !was && r.first {
		return fmt.Errorf("%w; capturing goes on when the interface is up again", unix.ENETDOWN)
	}
	time.Sleep(r.poll)
	return capture.ErrQuiet
}

// addresses is the length of an Ethernet header's addresses, behind which tags
// stand.
const addresses = 12

// Link gives the type of the packets.
func (r *Ring) Link() capture.LinkType { return r.link }

// Drops counts since Open, modulo 2^32, what the kernel dropped because this
// ring was full, and, for the first ring of an interface, what the interface
// itself dropped.
func (r *Ring) Drops() (kernel, iface uint32, err error) {
	_, st, err := r.packets.SocketStats() // they accumulate there
	if err != nil {
		return 0, 0, err
	}
	if r.first {
		iface = r.card.drops()
	}
	return uint32(st.Drops()), iface, nil
}

// Close ends the capture; what is on its way is lost.
func (r *Ring) Close() {
	r.packets.Close()
	if r.card.rings.Add(-1) == 0 {
		r.card.close()
	}
}
