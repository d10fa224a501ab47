package reassemblytest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// tunnel is what a connection's frames are put in.
type tunnel struct {
	kind string
	id   [2]uint32 // by the side that sends: network, key, label or endpoint
}

// tunnelKinds are those there are, with the bits of their id.
var tunnelKinds = map[string]int{
	"vxlan": 24, "geneve": 24, "nvgre": 24, "gre": 32, "erspan": 10, "ipip": 0, "gtpu": 32, "mpls": 20,
}

// parseTunnels reads "gtpu/7/8+vxlan/5", the outermost first.
func parseTunnels(s string) ([]tunnel, error) {
	var all []tunnel
	for part := range strings.SplitSeq(s, "+") {
		f := strings.Split(part, "/")
		bits, ok := tunnelKinds[f[0]]
		if !ok || len(f) > 3 {
			return nil, fmt.Errorf("%q is no tunnel", part)
		}
		t := tunnel{kind: f[0]}
		for i, id := range f[1:] {
			n, err := strconv.ParseUint(id, 10, bits)
			if err != nil || bits == 0 {
				return nil, fmt.Errorf("%q is no id for %s", id, f[0])
			}
			t.id[i] = uint32(n)
			if i == 0 {
				t.id[1] = t.id[0]
			}
		}
		all = append(all, t)
	}
	return all, nil
}

// wrap puts an Ethernet frame into the tunnel, and that into another one. Its
// ends are those of the conversation's direction.
func (t *tunnel) wrap(frame []byte, fromServer bool, id uint16) []byte {
	side := client
	if fromServer {
		side = server
	}
	n := t.id[side]
	be := binary.BigEndian
	switch t.kind {
	case "vxlan": // RFC 7348
		return outer(17, udp(4789, be.AppendUint32([]byte{8, 0, 0, 0}, n<<8), frame), side, id)
	case "geneve": // RFC 8926, with an option
		return outer(17, udp(6081, be.AppendUint32([]byte{2, 0, 0x65, 0x58}, n<<8), []byte{1, 8, 1, 1, 0, 0, 0, 1}, frame), side, id)
	case "nvgre": // RFC 7637; the last byte differs from direction to direction
		return outer(47, slices.Concat(be.AppendUint32([]byte{0x20, 0, 0x65, 0x58}, n<<8|uint32(side)), frame), side, id)
	case "gre": // RFC 2890
		return outer(47, slices.Concat(be.AppendUint32([]byte{0x20, 0, 8, 0}, n), datagram(frame)), side, id)
	case "erspan": // type II
		return outer(47, slices.Concat([]byte{0x10, 0, 0x88, 0xbe, 0, 0, 0, 0}, be.AppendUint32(nil, 1<<28|n), []byte{0, 0, 0, 0}, frame), server, id)
	case "gtpu": // 3GPP TS 29.281
		b := datagram(frame)
		return outer(17, udp(2152, be.AppendUint32(be.AppendUint16([]byte{0x30, 255}, uint16(len(b))), n), b), side, id)
	case "mpls": // RFC 3032: a label, the last one, and what lives long
		out := slices.Clone(frame[:14])
		out[12], out[13] = 0x88, 0x47
		return slices.Concat(out, be.AppendUint32(nil, n<<12|1<<8|64), frame)
	}
	return outer(4, datagram(frame), side, id) // ipip
}

// datagram gives what a frame made here carries.
func datagram(frame []byte) []byte {
	ip := 14
	for frame[ip-2] == 0x81 || frame[ip-2] == 0x88 {
		ip += 4
	}
	return frame[ip : ip+int(binary.BigEndian.Uint16(frame[ip+2:]))]
}

func udp(port uint16, payload ...[]byte) []byte {
	p := slices.Concat(payload...)
	b := binary.BigEndian.AppendUint16([]byte{0xc0, 0}, port)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(p)))
	return slices.Concat(b, []byte{0, 0}, p)
}

// outer makes a frame with an IPv4 datagram from one end of a tunnel to the
// other.
func outer(protocol byte, payload []byte, side int, id uint16) []byte {
	b := []byte{2, 0, 0, 0, 1, 2, 2, 0, 0, 0, 1, 1, 8, 0, 0x45, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(20+len(payload)))
	b = binary.BigEndian.AppendUint16(b, id)
	b = append(b, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2)
	if side == server {
		b[14+15], b[14+19] = 2, 1
	}
	binary.BigEndian.PutUint16(b[24:], ^fold(sum(0, b[14:])))
	return append(b, payload...)
}

// fragments cuts the IPv4 datagram of an untagged frame into parts of at most n
// bytes, a multiple of eight (RFC 791, section 3.2).
func fragments(frame []byte, n int) [][]byte {
	payload := frame[34 : 14+int(binary.BigEndian.Uint16(frame[16:]))]
	var all [][]byte
	for offset := 0; offset == 0 || offset < len(payload); offset += n {
		end := min(offset+n, len(payload))
		b := slices.Concat(frame[:34], payload[offset:end])
		flags := uint16(offset / 8)
		if end < len(payload) {
			flags |= 0x2000
		}
		binary.BigEndian.PutUint16(b[16:], uint16(20+end-offset))
		binary.BigEndian.PutUint16(b[20:], flags)
		b[24], b[25] = 0, 0
		binary.BigEndian.PutUint16(b[24:], ^fold(sum(0, b[14:34])))
		for len(b) < ethernetMin {
			b = append(b, 0)
		}
		all = append(all, b)
	}
	return all
}
