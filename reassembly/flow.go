package reassembly

import (
	"cmp"
	"encoding/binary"
	"net/netip"

	"github.com/authtap/authtap/capture"
)

// Addr is an IP address of either family, IPv4 in its IPv6-mapped form, so
// that one type serves both.
type Addr [16]byte

// IP gives the address in its own family.
func (a Addr) IP() netip.Addr { return netip.AddrFrom16(a).Unmap() }

// Network is what separates equal addresses from each other: which VLAN, and
// which overlay network. Never what differs by direction.
type Network struct {
	// VLAN holds the outer and the inner VLAN id plus one of the innermost
	// frame; 0 is untagged.
	VLAN [2]uint16
	// ID is the innermost overlay's network (VNI, virtual subnet or GRE key)
	// and Kind tells the Tunnel that it is of; 0 is none.
	ID   uint32
	Kind uint8
}

// FlowKey names a TCP conversation, the same for both of its directions: the
// end with the lower address, then port, stands first.
type FlowKey struct {
	Net          Network
	AddrA, AddrB Addr
	PortA, PortB uint16
}

// Direction says who sent: AtoB is from the key's first end to its second.
type Direction uint8

// The two directions of a conversation.
const (
	AtoB Direction = 0
	BtoA Direction = 1
)

// Reverse gives the other direction.
func (d Direction) Reverse() Direction { return d ^ 1 }

// NewFlowKey makes the key of a packet from src to dst and says which
// direction that packet belongs to.
func NewFlowKey(n Network, src, dst Addr, srcPort, dstPort uint16) (FlowKey, Direction) {
	k := FlowKey{Net: n}
	d := k.SetEnds(be64(src[:8]), be64(src[8:]), be64(dst[:8]), be64(dst[8:]), srcPort, dstPort)
	return k, d
}

// SetEnds fills in the ends of the key, all but the network, and says which
// direction a packet from src to dst belongs to. The addresses come as halves
// in registers: this is on the path of every packet, where copies of arrays
// that were just written cost more than all of the decoding.
func (k *FlowKey) SetEnds(srcHi, srcLo, dstHi, dstLo uint64, srcPort, dstPort uint16) Direction {
	d := AtoB
	if srcHi > dstHi || srcHi == dstHi && (srcLo > dstLo || srcLo == dstLo && srcPort > dstPort) {
		srcHi, srcLo, srcPort, dstHi, dstLo, dstPort = dstHi, dstLo, dstPort, srcHi, srcLo, srcPort
		d = BtoA
	}
	binary.BigEndian.PutUint64(k.AddrA[:8], srcHi)
	binary.BigEndian.PutUint64(k.AddrA[8:], srcLo)
	binary.BigEndian.PutUint64(k.AddrB[:8], dstHi)
	binary.BigEndian.PutUint64(k.AddrB[8:], dstLo)
	k.PortA, k.PortB = srcPort, dstPort
	return d
}

func be64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

// Sender and Receiver give the ends of one direction.
func (k *FlowKey) Sender(d Direction) netip.AddrPort {
	if d == AtoB {
		return netip.AddrPortFrom(k.AddrA.IP(), k.PortA)
	}
	return netip.AddrPortFrom(k.AddrB.IP(), k.PortB)
}

// Receiver gives the end that direction d sends to.
func (k *FlowKey) Receiver(d Direction) netip.AddrPort { return k.Sender(d.Reverse()) }

// Hash spreads flows over shards: symmetric by construction of the key, and
// with a fixed seed, so that a run can be repeated. The network is left out,
// so that a conversation that was mirrored in two of them comes to one shard.
func (k *FlowKey) Hash() uint32 {
	h := uint64(0x9e3779b97f4a7c15)
	mix := func(v uint64) {
		h ^= v
		h *= 0xff51afd7ed558ccd
		h ^= h >> 32
	}
	mix(be64(k.AddrA[:8]) ^ be64(k.AddrB[:8])<<1)
	mix(be64(k.AddrA[8:]))
	mix(be64(k.AddrB[8:]))
	mix(uint64(k.PortA)<<16 | uint64(k.PortB))
	return uint32(h ^ h>>29)
}

// Order is a place in the run: the number of a packet in the merged input
// (from 1), and what came of it. Everything that leaves a shard carries one,
// and the correlator takes things in this order, so that the number of shards
// is never seen in the output.
type Order struct {
	Packet uint64
	Index  uint64
}

// Compare orders by packet, then index.
func (o Order) Compare(p Order) int {
	if c := cmp.Compare(o.Packet, p.Packet); c != 0 {
		return c
	}
	return cmp.Compare(o.Index, p.Index)
}

// Origin says which packet something began with.
type Origin struct {
	// Order is the packet's number in the merged input, from 1.
	Order uint64
	// Number is its number within its file or interface, from 1.
	Number uint64
	// Input is the index of that file or interface.
	Input uint32
	// Time is the packet's time.
	Time capture.Time
}
