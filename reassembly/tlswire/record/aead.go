package record

import (
	"crypto/cipher"
	"encoding/binary"
)

// aead opens records of AEAD ciphers, TLS 1.2 (RFC 5246, section 6.2.3.3) and
// 1.3 (RFC 8446, section 5.2).
type aead struct {
	aead     cipher.AEAD
	iv       [12]byte
	explicit int // bytes of the nonce that stand before the ciphertext
	tls13    bool
	// What is given to the cipher stands here, where it need not be allocated.
	nonce [12]byte
	data  [13]byte
}

func (a *aead) Lose() bool { return true }

func (a *aead) Open(dst []byte, r *Record, first uint64, tries int) (o Opened, ok bool) {
	sealed := r.Fragment
	n := len(sealed) - a.explicit - a.aead.Overhead()
	if n < 0 || len(sealed) > MaxFragment {
		return o, false
	}
	a.nonce = a.iv
	copy(a.nonce[12-a.explicit:], sealed)
	sealed = sealed[a.explicit:]
	data := a.data[:13]
	if a.tls13 {
		data = data[:HeaderLength]
		data[0] = r.Type
		binary.BigEndian.PutUint16(data[1:], r.Version)
		binary.BigEndian.PutUint16(data[3:], uint16(len(r.Fragment)))
	} else {
		data[8] = r.Type
		binary.BigEndian.PutUint16(data[9:], r.Version)
		binary.BigEndian.PutUint16(data[11:], uint16(n))
	}
	for seq := first; seq < first+uint64(tries); seq++ {
		if !a.tls13 {
			binary.BigEndian.PutUint64(data, seq)
		}
		if a.explicit == 0 {
			binary.BigEndian.PutUint64(a.nonce[4:], binary.BigEndian.Uint64(a.iv[4:])^seq)
		}
		content, err := a.aead.Open(dst[:0], a.nonce[:], sealed, data)
		if err != nil {
			continue
		}
		o = Opened{Type: r.Type, Content: content, Seq: seq}
		if a.tls13 {
			// RFC 8446, section 5.4: the type is the last byte that is not zero.
			for n > 0 && content[n-1] == 0 {
				n--
			}
			if n == 0 {
				return Opened{}, false
			}
			o.Type, o.Content = content[n-1], content[:n-1]
		}
		return o, len(o.Content) <= MaxContent
	}
	return o, false
}
