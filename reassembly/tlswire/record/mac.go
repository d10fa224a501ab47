package record

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rc4"
	"encoding/binary"
	"hash"
)

// macer checks the MACs of suites that are not AEAD.
type macer struct {
	mac     hash.Hash
	version uint16
	header  [13]byte
	sum     [64]byte
}

// valid finds the sequence number with which want is the MAC of parts (RFC
// 5246, section 6.2.3.1).
func (m *macer) valid(want []byte, r *Record, first uint64, tries int, parts ...[]byte) (seq uint64, ok bool) {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	m.header[8] = r.Type
	binary.BigEndian.PutUint16(m.header[9:], r.Version)
	binary.BigEndian.PutUint16(m.header[11:], uint16(n))
	for seq = first; seq < first+uint64(tries); seq++ {
		binary.BigEndian.PutUint64(m.header[:], seq)
		m.mac.Reset()
		m.mac.Write(m.header[:])
		for _, p := range parts {
			m.mac.Write(p)
		}
		if hmac.Equal(m.mac.Sum(m.sum[:0]), want) {
			return seq, true
		}
	}
	return 0, false
}

// split cuts the MAC off the end.
func (m *macer) split(b []byte) (content, mac []byte, ok bool) {
	n := len(b) - m.mac.Size()
	if n < 0 {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// stream opens records of RC4, or those that are not encrypted (cipher nil).
type stream struct {
	macer
	cipher *rc4.Cipher
	lost   bool
}

// Lose ends RC4: where its key stream stands is not known any more.
func (s *stream) Lose() bool {
	s.lost = s.cipher != nil
	return !s.lost
}

func (s *stream) Open(dst []byte, r *Record, first uint64, tries int) (o Opened, ok bool) {
	if s.lost || len(r.Fragment) > MaxFragment {
		return o, false
	}
	b := append(dst[:0], r.Fragment...)
	if s.cipher != nil {
		s.cipher.XORKeyStream(b, b)
	}
	content, mac, ok := s.split(b)
	if !ok || len(content) > MaxContent {
		return o, false
	}
	seq, ok := s.valid(mac, r, first, tries, content)
	return Opened{Type: r.Type, Content: content, Seq: seq}, ok
}

// cbc opens records of block ciphers (RFC 5246, section 6.2.3.2).
type cbc struct {
	macer
	block cipher.Block
	etm   bool // RFC 7366
	// chained: before TLS 1.1 the IV is the last block of the record before.
	chained, ivKnown bool
	iv               [16]byte
	mode             cipher.BlockMode
	given            [16]byte // the IV of the record at hand
}

// Lose forgets the IV of TLS 1.0. The next record cannot be opened, the one
// behind it can.
func (c *cbc) Lose() bool {
	c.ivKnown = false
	return true
}

// ivSetter is what the block modes of crypto/cipher have besides their
// interface; with it no mode is allocated for each record.
type ivSetter interface{ SetIV([]byte) }

func (c *cbc) decrypt(b []byte, iv []byte) {
	if m, ok := c.mode.(ivSetter); ok {
		m.SetIV(iv)
	} else {
		c.mode = cipher.NewCBCDecrypter(c.block, iv)
	}
	c.mode.CryptBlocks(b, b)
}

func (c *cbc) Open(dst []byte, r *Record, first uint64, tries int) (o Opened, ok bool) {
	size := c.block.BlockSize()
	sealed := r.Fragment
	if len(sealed) > MaxFragment {
		return o, false
	}
	var mac []byte
	var seq uint64
	if c.etm {
		if sealed, mac, ok = c.split(sealed); !ok {
			return o, false
		}
		if seq, ok = c.valid(mac, r, first, tries, sealed); !ok {
			c.advance(sealed)
			return o, false
		}
	}
	c.given = c.iv
	if !c.chained {
		if len(sealed) < size {
			return o, false
		}
		copy(c.given[:], sealed[:size])
		sealed = sealed[size:]
	}
	if len(sealed) == 0 || len(sealed)%size != 0 {
		return o, false
	}
	known := !c.chained || c.ivKnown
	c.advance(sealed)
	if !known {
		return o, false
	}
	b := append(dst[:0], sealed...)
	c.decrypt(b, c.given[:size])
	b, ok = unpad(b)
	if !ok {
		return o, false
	}
	if !c.etm {
		if b, mac, ok = c.split(b); !ok {
			return o, false
		}
		if seq, ok = c.valid(mac, r, first, tries, b); !ok {
			return o, false
		}
	}
	return Opened{Type: r.Type, Content: b, Seq: seq}, len(b) <= MaxContent
}

// advance notes the ciphertext that was last, the next IV of TLS 1.0.
func (c *cbc) advance(sealed []byte) {
	if size := c.block.BlockSize(); c.chained && len(sealed) >= size {
		copy(c.iv[:], sealed[len(sealed)-size:])
		c.ivKnown = true
	}
}

// unpad cuts the padding off: as many bytes as the last one says, all alike,
// and itself.
func unpad(b []byte) ([]byte, bool) {
	n := int(b[len(b)-1])
	if n >= len(b) {
		return nil, false
	}
	for _, p := range b[len(b)-1-n:] {
		if int(p) != n {
			return nil, false
		}
	}
	return b[:len(b)-1-n], true
}
