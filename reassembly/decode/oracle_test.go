package decode_test

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/decode"
)

const captures = "../../../shared/captures/files"

// TestOracle holds the decoder to what gopacket sees in captures that nobody
// here wrote: wherever gopacket finds TCP, the same segment must come out; and
// where it finds no TCP, none, unless it knows less of tunnels, or gave up with
// an error that costs no segment here.
func TestOracle(t *testing.T) {
	if _, err := os.Stat(captures); err != nil {
		t.Skip("no captures beside the checkout")
	}
	same, files := 0, 0
	names, err := filepath.Glob(captures + "/*/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		n := compareFile(t, name)
		if n > 0 {
			files++
		}
		same += n
	}
	if same == 0 {
		t.Fatal("not one segment was compared")
	}
	t.Logf("%d segments of %d files are the same", same, files)
}

func compareFile(t *testing.T, path string) (same int) {
	src, err := pcapfile.Open([]string{path}, pcapfile.Options{})
	if err != nil {
		return 0 // no capture
	}
	defer src.Close()
	var d decode.Decoder
	var p capture.Packet
	for {
		err := src.Next(&p)
		if err == io.EOF {
			return same
		}
		if errors.Is(err, capture.ErrDamaged) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var seg reassembly.Segment
		reason := d.Decode(&p, &seg)
		want, ok := oracle(p.Data, layers.LinkType(p.Link))
		switch {
		case !ok || want == nil && seg.Tunnels != 0:
			continue
		case want == nil && reason == decode.Segment:
			t.Errorf("%s: packet %d: a segment where gopacket sees none", path, p.Number)
		case want == nil:
			continue
		case reason != decode.Segment:
			t.Errorf("%s: packet %d: %v where gopacket sees %+v", path, p.Number, reason, *want)
		case describe(&seg) != *want:
			t.Errorf("%s: packet %d:\ngot  %+v\nwant %+v", path, p.Number, describe(&seg), *want)
		default:
			same++
		}
	}
}

// segmentSeen is what both sides must agree on.
type segmentSeen struct {
	src, dst netip.AddrPort
	vlan     string
	seq, ack uint32
	flags    uint8
	window   uint16
	scale    uint8
	payload  string
}

func describe(s *reassembly.Segment) segmentSeen {
	return segmentSeen{
		src: s.Key.Sender(s.Dir), dst: s.Key.Receiver(s.Dir), vlan: fmt.Sprint(s.Key.Net.VLAN),
		seq: s.Seq, ack: s.Ack, flags: s.Flags, window: s.Window, scale: s.WindowScale,
		payload: string(s.Payload),
	}
}

// oracle gives what gopacket sees: a segment, nil for none, or not ok where it
// cannot tell (a tunnel, a fragment, an error of its own).
func oracle(data []byte, link layers.LinkType) (seen *segmentSeen, ok bool) {
	defer func() {
		if recover() != nil { // some of its decoders panic on short input
			seen, ok = nil, false
		}
	}()
	switch capture.LinkType(link) {
	case capture.LinkRaw12, capture.LinkRaw14, capture.LinkIPv4, capture.LinkIPv6:
		link = layers.LinkTypeRaw
	}
	p := gopacket.NewPacket(data, link, gopacket.DecodeOptions{NoCopy: true, SkipDecodeRecovery: true})
	var s segmentSeen
	var vlan [2]uint16
	tags, last := 0, false
	for _, l := range p.Layers() {
		last = false
		switch l := l.(type) {
		case *layers.LinuxSLL, *layers.Loopback, *layers.LLC, *layers.SNAP,
			*layers.IPv6HopByHop, *layers.IPv6Routing, *layers.IPv6Destination, *layers.IPSecAH,
			*layers.MPLS, *layers.PPPoE, *layers.PPP, *layers.GRE, *layers.ERSPANII, *layers.VXLAN,
			*layers.Geneve, *layers.GTPv1U:
		case *layers.UDP:
			last = true
			continue
		case *layers.Ethernet:
			vlan, tags = [2]uint16{}, 0
		case *layers.Dot1Q:
			if l.VLANIdentifier != 0 && tags < 2 {
				vlan[tags] = l.VLANIdentifier + 1
				tags++
			}
		case *layers.IPv4:
			s.src, s.dst = addr(l.SrcIP), addr(l.DstIP)
			if l.Flags&layers.IPv4MoreFragments != 0 || l.FragOffset != 0 {
				return nil, false
			}
		case *layers.IPv6:
			s.src, s.dst = addr(l.SrcIP), addr(l.DstIP)
		case *layers.TCP:
			if len(l.Contents) < int(l.DataOffset)*4 { // a header longer than the datagram
				return nil, false
			}
			s.src = netip.AddrPortFrom(s.src.Addr(), uint16(l.SrcPort))
			s.dst = netip.AddrPortFrom(s.dst.Addr(), uint16(l.DstPort))
			s.vlan = fmt.Sprint(vlan)
			s.seq, s.ack, s.window = l.Seq, l.Ack, l.Window
			for i, on := range []bool{l.FIN, l.SYN, l.RST, l.PSH, l.ACK, l.URG} {
				if on {
					s.flags |= 1 << i
				}
			}
			for _, o := range l.Options {
				if l.SYN && o.OptionType == layers.TCPOptionKindWindowScale && len(o.OptionData) == 1 {
					s.scale = min(o.OptionData[0], 14) + 1
				}
			}
			s.payload = string(l.Payload)
			return &s, true
		case *layers.ARP, *layers.ICMPv4, *layers.ICMPv6, *layers.SCTP:
			return nil, true
		default:
			return nil, false
		}
	}
	return nil, last
}

func addr(ip []byte) netip.AddrPort {
	a, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(a.Unmap(), 0)
}
