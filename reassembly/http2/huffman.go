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
	// shortBits is how many bits are looked up at once. All that is common in
	// header fields has shorter codes.
	shortBits = 10
	longBits  = 30
)

// huffman decodes: short has the symbol (times 16) and the length of the code
// that bits begin with, 0 where it is longer. For those, from a length on the
// first code, at the top of 32 bits, and its place in symbols.
var huffman = func() (t struct {
	short   [1 << shortBits]uint16
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
					t.short[int(code)<<(shortBits-bits)|i] = uint16(symbol<<4 | bits)
				}
			}
			code++
		}
		code <<= 1
	}
	t.first[longBits+1] = 1 << 32
	return t
}()

// appendHuffman appends what src decodes to (RFC 7541, section 5.2).
func appendHuffman(dst, src []byte) ([]byte, bool) {
	dst = slices.Grow(dst, len(src)*8/5)
	var bits uint64 // those not decoded, at the top; n of them
	n := 0
	for {
		if n <= 32 {
			if len(src) >= 4 {
				bits |= uint64(binary.BigEndian.Uint32(src)) << (32 - n)
				src = src[4:]
				n += 32
			} else {
				for ; len(src) > 0; src = src[1:] {
					bits |= uint64(src[0]) << (56 - n)
					n += 8
				}
			}
		}
		e := huffman.short[bits>>(64-shortBits)]
		symbol, l := e>>4, int(e&15)
		if e == 0 {
			top := bits >> 32
			for l = shortBits + 1; top >= huffman.first[l+1]; l++ {
			}
			symbol = huffman.symbols[huffman.place[l]+int((top-huffman.first[l])>>(32-l))]
		}
		if l > n { // the end, with less than a byte of ones behind it
			return dst, n < 8 && bits == ^uint64(0)<<(64-n)
		}
		if symbol > 0xff {
			return dst, false
		}
		dst = append(dst, byte(symbol))
		bits <<= l
		n -= l
	}
}
