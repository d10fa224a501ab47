//go:build linux && cgo

package afpacket

import (
	"encoding/binary"
	"unsafe"

	"github.com/google/gopacket"
	"github.com/google/gopacket/afpacket"
	"golang.org/x/sys/unix"
)

// vlanTag gives the VLAN tag that the kernel took out of a packet: its
// EtherType, priority and VLAN id.
//
// gopacket tells the id only, and would put it back as an 802.1Q tag without
// priority, with an allocation for each packet. The rest stands in the kernel's
// header, which lies before the packet in the ring. Where it is not, the packet
// gets what gopacket tells.
func vlanTag(data []byte, info *gopacket.CaptureInfo) (tag [4]byte) {
	// include/uapi/linux/if_packet.h and tpacket_rcv in net/packet/af_packet.c:
	// the header and the address are followed by room for a link layer of 16
	// bytes, all of that aligned to 16; the Ethernet header ends there.
	const mac = (unix.SizeofTpacket3Hdr+unix.SizeofSockaddrLinklayer+16+15)&^15 - 14
	h := (*unix.Tpacket3Hdr)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(data)), -mac))
	if h.Mac == mac && int(h.Snaplen) == len(data) && int(h.Len) == info.Length && h.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		binary.BigEndian.PutUint16(tag[:], h.Hv1.Vlan_tpid)
		binary.BigEndian.PutUint16(tag[2:], uint16(h.Hv1.Vlan_tci))
		return tag
	}
	binary.BigEndian.PutUint16(tag[:], unix.ETH_P_8021Q)
	for _, a := range info.AncillaryData {
		if v, ok := a.(afpacket.AncillaryVLAN); ok {
			binary.BigEndian.PutUint16(tag[2:], uint16(v.VLAN))
		}
	}
	return tag
}
