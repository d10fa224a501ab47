package record

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

// ccm is the counter mode with CBC-MAC of RFC 3610 for short messages, with a
// nonce of 12 bytes in TLS (RFC 6655), which leaves three for the length.
type ccm struct {
	block cipher.Block
	nonce int
	tag   int
	// Scratch, so that nothing is allocated for a record.
	mac     [aes.BlockSize]byte
	counter [aes.BlockSize]byte
	pad     [aes.BlockSize]byte
}

// maxCCM bounds a message: its blocks are counted with two bytes.
const maxCCM = 1<<16 - 1

func newCCM(block cipher.Block, nonce, tag int) *ccm {
	return &ccm{block: block, nonce: nonce, tag: tag}
}

func (c *ccm) NonceSize() int { return c.nonce }
func (c *ccm) Overhead() int  { return c.tag }

var errCCM = errors.New("record: message authentication failed")

// Open implements cipher.AEAD.
func (c *ccm) Open(dst, nonce, sealed, data []byte) ([]byte, error) {
	n := len(sealed) - c.tag
	if n < 0 || n > maxCCM || len(nonce) != c.nonce {
		return nil, errCCM
	}
	start := len(dst)
	dst = append(dst, sealed[:n]...)
	content := dst[start:]
	c.begin(nonce)
	tag := c.pad // what hides the tag
	c.crypt(content)
	c.authenticate(nonce, content, data)
	subtle.XORBytes(tag[:], tag[:], c.mac[:])
	if subtle.ConstantTimeCompare(tag[:c.tag], sealed[n:]) != 1 {
		clear(content)
		return nil, errCCM
	}
	return dst, nil
}

// Seal implements cipher.AEAD.
func (c *ccm) Seal(dst, nonce, content, data []byte) []byte {
	start := len(dst)
	c.authenticate(nonce, content, data)
	dst = append(dst, content...)
	c.begin(nonce)
	tag := c.pad
	c.crypt(dst[start:])
	subtle.XORBytes(tag[:], tag[:], c.mac[:])
	return append(dst, tag[:c.tag]...)
}

// begin sets the counter to its first value and makes the block of it (RFC
// 3610, section 2.3).
func (c *ccm) begin(nonce []byte) {
	c.counter = [aes.BlockSize]byte{0: byte(14 - c.nonce)} // bytes of the length, less one
	copy(c.counter[1:], nonce)
	c.block.Encrypt(c.pad[:], c.counter[:])
}

// crypt encrypts or decrypts b with the blocks that follow.
func (c *ccm) crypt(b []byte) {
	for i := uint16(1); len(b) > 0; i++ {
		binary.BigEndian.PutUint16(c.counter[14:], i)
		c.block.Encrypt(c.pad[:], c.counter[:])
		n := subtle.XORBytes(b, b, c.pad[:])
		b = b[n:]
	}
}

// authenticate makes the CBC-MAC (RFC 3610, section 2.2). data must be shorter
// than 65280 bytes.
func (c *ccm) authenticate(nonce, content, data []byte) {
	c.mac = [aes.BlockSize]byte{0: byte(c.tag-2)/2<<3 | byte(14-c.nonce)}
	if len(data) > 0 {
		c.mac[0] |= 1 << 6
	}
	copy(c.mac[1:], nonce)
	binary.BigEndian.PutUint16(c.mac[14:], uint16(len(content)))
	c.block.Encrypt(c.mac[:], c.mac[:])
	if len(data) > 0 {
		c.mac[0] ^= byte(len(data) >> 8)
		c.mac[1] ^= byte(len(data))
		n := subtle.XORBytes(c.mac[2:], c.mac[2:], data)
		c.block.Encrypt(c.mac[:], c.mac[:])
		c.absorb(data[n:])
	}
	c.absorb(content)
}

func (c *ccm) absorb(b []byte) {
	for len(b) > 0 {
		n := subtle.XORBytes(c.mac[:], c.mac[:], b)
		c.block.Encrypt(c.mac[:], c.mac[:])
		b = b[n:]
	}
}
