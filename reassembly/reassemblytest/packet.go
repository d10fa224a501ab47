package reassemblytest

import (
	"encoding/binary"
	"net/netip"

	"github.com/authtap/authtap/capture"
)

// Packet is one captured Ethernet frame.
type Packet struct {
	Time capture.Time
	// Data is what was captured, Length how long the frame was on the wire.
	Data   []byte
	Length int
	// Conn is the connection's name in the script, FromServer its direction.
	Conn       string
	FromServer bool

	inner  []byte   // the frame before it was put into tunnels
	others [][]byte // captured behind Data
}

// Capture gives the packet as a capture source would, as packet number of
// input 0.
func (p *Packet) Capture(number uint64) capture.Packet {
	return capture.Packet{
		Time: p.Time, Data: p.Data, Length: p.Length, Link: capture.LinkEthernet, Number: number,
	}
}

// TCP flags (RFC 9293, section 3.1).
const (
	fin = 1 << iota
	syn
	rst
	psh
	ack
)

const ethernetMin = 60 // the shortest frame without its checksum; shorter ones are padded

// segment is what a frame is built from.
type segment struct {
	src, dst netip.AddrPort
	vlan     []uint16
	flags    uint8
	seq, ack uint32
	window   uint16
	id       uint16 // IPv4 identification
	options  []byte // TCP options, a multiple of four bytes
	payload  []byte
}

// frame builds an Ethernet frame with right lengths and checksums.
func (s *segment) frame(fromServer bool) []byte {
	client, server := [6]byte{2, 0, 0, 0, 0, 1}, [6]byte{2, 0, 0, 0, 0, 2}
	if fromServer {
		client, server = server, client
	}
	b := make([]byte, 0, 14+8+40+60+len(s.payload))
	b = append(b, server[:]...)
	b = append(b, client[:]...)
	for i, id := range s.vlan {
		tpid := uint16(0x8100)
		if i < len(s.vlan)-1 {
			tpid = 0x88a8 // IEEE 802.1ad: all but the innermost tag
		}
		b = binary.BigEndian.AppendUint16(b, tpid)
		b = binary.BigEndian.AppendUint16(b, id)
	}
	tcpLen := 20 + len(s.options) + len(s.payload)
	ip := 0
	if s.src.Addr().Is4() {
		b = append(b, 0x08, 0x00)
		ip = len(b)
		b = append(b, 0x45, 0) // RFC 791, section 3.1
		b = binary.BigEndian.AppendUint16(b, uint16(20+tcpLen))
		b = binary.BigEndian.AppendUint16(b, s.id)
		b = append(b, 0x40, 0, 64, 6, 0, 0) // don't fragment, TTL, TCP
	} else {
		b = append(b, 0x86, 0xdd)
		ip = len(b)
		b = append(b, 0x60, 0, 0, 0) // RFC 8200, section 3
		b = binary.BigEndian.AppendUint16(b, uint16(tcpLen))
		b = append(b, 6, 64)
	}
	b = append(b, s.src.Addr().AsSlice()...)
	b = append(b, s.dst.Addr().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, s.src.Port())
	b = binary.BigEndian.AppendUint16(b, s.dst.Port())
	b = binary.BigEndian.AppendUint32(b, s.seq)
	b = binary.BigEndian.AppendUint32(b, s.ack)
	b = append(b, byte(5+len(s.options)/4)<<4, s.flags)
	b = binary.BigEndian.AppendUint16(b, s.window)
	b = append(b, 0, 0, 0, 0) // checksum, urgent pointer
	b = append(b, s.options...)
	b = append(b, s.payload...)
	checksum(b, ip)
	for len(b) < ethernetMin {
		b = append(b, 0)
	}
	return b
}

// checksum fills in the checksums of an unpadded frame whose IP header is at
// offset ip.
func checksum(b []byte, ip int) {
	var addrs []byte
	tcp := ip + 40
	if b[ip]>>4 == 4 {
		tcp = ip + 20
		b[ip+10], b[ip+11] = 0, 0
		binary.BigEndian.PutUint16(b[ip+10:], ^fold(sum(0, b[ip:tcp])))
		addrs = b[ip+12 : ip+20]
	} else {
		addrs = b[ip+8 : ip+40]
	}
	b[tcp+16], b[tcp+17] = 0, 0
	// The pseudo header: addresses, protocol, length.
	s := sum(uint64(6)+uint64(len(b)-tcp), addrs)
	binary.BigEndian.PutUint16(b[tcp+16:], ^fold(sum(s, b[tcp:])))
}

func sum(s uint64, b []byte) uint64 {
	for ; len(b) > 1; b = b[2:] {
		s += uint64(b[0])<<8 | uint64(b[1])
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

func fold(s uint64) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// layout finds the headers of a frame made here; ok is false when it was cut
// within them, or they are those of a tunnel or of a fragment. payload ends
// before the padding, or where it was cut.
func layout(b []byte) (ip, tcp, payload, end int, ok bool) {
	ip = 14
	for ip <= len(b) && (b[ip-2] == 0x81 || b[ip-2] == 0x88 && b[ip-1] == 0xa8) {
		ip += 4
	}
	if ip+40 > len(b) {
		return 0, 0, 0, 0, false
	}
	const fragment = 0x3fff
	switch {
	case b[ip-2] == 0x08 && b[ip+9] == 6 && binary.BigEndian.Uint16(b[ip+6:])&fragment == 0:
		tcp = ip + 20
		end = ip + int(binary.BigEndian.Uint16(b[ip+2:]))
	case b[ip-2] != 0x86:
		return 0, 0, 0, 0, false
	default:
		tcp = ip + 40
		end = tcp + int(binary.BigEndian.Uint16(b[ip+4:]))
	}
	if tcp+20 > len(b) {
		return 0, 0, 0, 0, false
	}
	payload = tcp + int(b[tcp+12]>>4)*4
	if payload > len(b) {
		return 0, 0, 0, 0, false
	}
	return ip, tcp, payload, min(end, len(b)), true
}
