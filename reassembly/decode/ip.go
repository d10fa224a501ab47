package decode

import (
	"encoding/binary"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/decode/fragment"
)

// mapped stands before an IPv4 address in IPv6 form (RFC 4291, section 2.5.5.2).
const mapped = 0xffff << 32

// ipv4 reads the header of RFC 791, section 3.1.
func (w *walk) ipv4() (protocol, Reason) {
	b := w.rest
	if len(b) < 20 {
		return 0, TruncatedIP
	}
	header := int(b[0]&15) * 4
	if b[0]>>4 != 4 || header < 20 {
		return 0, BadIPv4
	}
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total != 0 && total < header {
		return 0, BadIPv4
	}
	if len(b) < header {
		return 0, TruncatedIP
	}
	w.srcHi, w.srcLo = 0, mapped|uint64(binary.BigEndian.Uint32(b[12:]))
	w.dstHi, w.dstLo = 0, mapped|uint64(binary.BigEndian.Uint32(b[16:]))
	w.rest = b[header:]
	if total != 0 {
		w.trim(total - header)
	}
	// More fragments, or an offset.
	if f := binary.BigEndian.Uint16(b[6:]); f&0x3fff != 0 {
		return w.fragment(fragment.Key{ID: uint32(binary.BigEndian.Uint16(b[4:])), Protocol: b[9]}, fragment.Fragment{
			Offset: int(f&0x1fff) * 8, More: f&0x2000 != 0, Next: b[9],
		})
	}
	return isIP | protocol(b[9]), Segment
}

// fragment hands a part of a datagram, which w.rest holds, to those that wait,
// and goes on in the datagram when it is whole.
func (w *walk) fragment(k fragment.Key, f fragment.Fragment) (protocol, Reason) {
	k.Net = *w.net
	k.SrcHi, k.SrcLo, k.DstHi, k.DstLo = w.srcHi, w.srcLo, w.dstHi, w.dstLo
	f.Data, f.Cut = w.rest, w.cut
	whole, outcome := w.decoder.fragments.Add(&k, f, w.decoder.now)
	switch outcome {
	case fragment.Held:
		return 0, Fragment
	case fragment.Rejected:
		return 0, BadFragment
	}
	w.rest, w.cut = whole.Data, whole.Cut
	return isIP | protocol(whole.Next), Segment
}

// ipInIP opens IP in IP (RFC 2003, RFC 4213, RFC 2473).
func (w *walk) ipInIP(inner protocol) (protocol, Reason) {
	if inner == ipIPv4 {
		return etherIPv4, w.open(reassembly.IPinIP)
	}
	if w.srcHi == 0 && w.srcLo>>32 == mapped>>32 {
		return etherIPv6, w.open(reassembly.SixInFour)
	}
	return etherIPv6, w.open(reassembly.IPinIP)
}

// ipv6 reads the header of RFC 8200, section 3. A payload length of 0 stands
// before jumbo payloads (RFC 2675) and in packets still to be cut.
func (w *walk) ipv6() (protocol, Reason) {
	b := w.rest
	if len(b) < 40 {
		return 0, TruncatedIP
	}
	if b[0]>>4 != 6 {
		return 0, BadIPv6
	}
	w.srcHi, w.srcLo = binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])
	w.dstHi, w.dstLo = binary.BigEndian.Uint64(b[24:]), binary.BigEndian.Uint64(b[32:])
	w.rest = b[40:]
	if n := int(binary.BigEndian.Uint16(b[4:])); n != 0 {
		w.trim(n)
	}
	return isIP | protocol(b[6]), Segment
}

// trim ends the walk's bytes where the datagram ends: what comes after is
// padding, what is missing was cut.
func (w *walk) trim(n int) {
	if n <= len(w.rest) {
		w.rest, w.cut = w.rest[:n], 0
		return
	}
	w.cut = n - len(w.rest)
}

// extension skips a header between IP and its payload.
func (w *walk) extension(this protocol) (protocol, Reason) {
	b := w.rest
	if len(b) < 8 {
		if len(b)+w.cut < 8 {
			return 0, BadExtension
		}
		return 0, TruncatedIP
	}
	n := int(b[1])*8 + 8 // RFC 8200, section 4.3 and others
	switch this {
	case ipFragment:
		// Section 4.5. Nothing before it and nothing after it: an "atomic"
		// fragment, which is a whole datagram (RFC 6946).
		if f := binary.BigEndian.Uint16(b[2:]); f&0xfff9 != 0 {
			w.rest = b[8:]
			return w.fragment(fragment.Key{ID: binary.BigEndian.Uint32(b[4:]), V6: true}, fragment.Fragment{
				Offset: int(f &^ 7), More: f&1 != 0, Next: b[0],
			})
		}
		n = 8
	case ipAH:
		n = int(b[1])*4 + 8 // RFC 4302, section 2.2
	}
	if n > len(b) {
		if n > len(b)+w.cut {
			return 0, BadExtension
		}
		return 0, TruncatedIP
	}
	w.rest = b[n:]
	return isIP | protocol(b[0]), Segment
}
