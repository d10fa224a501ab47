package http2

import (
	"encoding/binary"
	"slices"
)

// huffmanBits are the lengths of the codes of the octets, and of the end of
// the string (RFC 7541, appendix B). The code is canonical: shorter codes come
// first, and those of one length in the order of their symbols, so the lengths
// say all.
var huffmanBits = [257]uint8{
	13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
	28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
	6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
	5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
	13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
	7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
	15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
	6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
	20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
	24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
	22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
	21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
	26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
	19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
	20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
	26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
	30,
}

const (
	// shortBits is how many bits are looked up at once: most pairs of what is
	// common in header fields.
	shortBits = 12
	longBits  = 30
)

// pair is what bits begin with: one symbol or two, and how long their codes
// are. It is 0 where the first code is longer than shortBits.
type pair uint32

func (p pair) first() byte    { return byte(p) }
func (p pair) second() byte   { return byte(p >> 8) }
func (p pair) firstBits() int { return int(p >> 16 & 0x0f) }
func (p pair) bits() int      { return int(p >> 20 & 0x0f) }
func (p pair) symbols() int   { return int(p >> 24) }

// huffman decodes. For the codes longer than shortBits it has, by their length,
// the first code, at the top of 32 bits, and its place in symbols.
var huffman = func() (t struct {
	short   [1 << shortBits]pair
	first   [longBits + 2]uint64
	place   [longBits + 2]int
	symbols [257]uint16
}) {
	code, n := uint64(0), 0
	for bits := 1; bits <= longBits; bits++ {
		t.first[bits], t.place[bits] = code<<(32-bits), n
		for symbol, b := range huffmanBits {
			if int(b) != bits {
				continue
			}
			t.symbols[n] = uint16(symbol)
			n++
			if bits <= shortBits {
				for i := range 1 << (shortBits - bits) {
					t.short[int(code)<<(shortBits-bits)|i] = pair(symbol | bits<<16 | bits<<20 | 1<<24)
				}
			}
			code++
		}
		code <<= 1
	}
	t.first[longBits+1] = 1 << 32
	one := t.short
	for i, p := range one {
		if p == 0 {
			continue
		}
		next := one[i<<p.bits()&(1<<shortBits-1)]
		if both := p.bits() + next.bits(); next != 0 && both <= shortBits {
			t.short[i] = pair(int(p.first()) | int(next.first())<<8 | p.bits()<<16 | both<<20 | 2<<24)
		}
	}
	return t
}()

// long decodes a code that is longer than shortBits, at the top of 32 bits.
func long(top uint64) (symbol uint16, bits int) {
	bits = shortBits + 1
	for top >= huffman.first[bits+1] {
		bits++
	}
	return huffman.symbols[huffman.place[bits]+int((top-huffman.first[bits])>>(32-bits))], bits
}

// appendHuffman appends what src decodes to (RFC 7541, section 5.2).
func appendHuffman(dst, src []byte) ([]byte, bool) {
	at := len(dst)
	dst = slices.Grow(dst, len(src)*8/5+2) // the shortest code has 5 bits
	out := dst[:cap(dst)]
	var bits uint64 // those not decoded, at the top; n of them, and perhaps more
	n := 0
	for len(src) >= 8 {
		bits |= binary.BigEndian.Uint64(src) >> n
		more := (63 - n) >> 3
		src = src[more:]
		n += 8 * more
		p := huffman.short[bits>>(64-shortBits)]
		if p == 0 {
			symbol, l := long(bits >> 32)
			if symbol > 0xff {
				return dst, false
			}
			out[at] = byte(symbol)
			at++
			bits <<= l
			n -= l
			continue
		}
		for p != 0 && n >= shortBits {
			out[at], out[at+1] = p.first(), p.second()
			at += p.symbols()
			bits <<= p.bits()
			n -= p.bits()
			p = huffman.short[bits>>(64-shortBits)]
		}
	}
	bits &= ^(^uint64(0) >> n)
	for {
		for ; len(src) > 0 && n <= 56; src = src[1:] {
			bits |= uint64(src[0]) << (56 - n)
			n += 8
		}
		p := huffman.short[bits>>(64-shortBits)]
		symbol, l := uint16(p.first()), p.firstBits()
		if p == 0 {
			symbol, l = long(bits >> 32)
		}
		if l > n { // the end, with less than a byte of ones behind it
			return out[:at], n < 8 && bits == ^uint64(0)<<(64-n)
		}
		if symbol > 0xff {
			return dst, false
		}
		out[at] = byte(symbol)
		at++
		bits <<= l
		n -= l
	}
}
