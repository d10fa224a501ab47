package record

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hkdf"
	"crypto/hmac"
	_ "crypto/md5"
	"crypto/rc4"
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/binary"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"
)

// MasterLength is that of a master secret up to TLS 1.2.
const MasterLength = 48

// Randoms are those of the hellos of a connection.
type Randoms struct{ Client, Server [32]byte }

// Master makes the master secret of a premaster secret (RFC 5246, section 8.1;
// RFC 2246, section 8.1).
func (s Suite) Master(version uint16, premaster []byte, r *Randoms) []byte {
	return s.prf(version, premaster, "master secret", append(r.Client[:], r.Server[:]...), MasterLength)
}

// ExtendedMaster makes it of the premaster secret and the handshake messages up
// to the ClientKeyExchange (RFC 7627, section 4).
func (s Suite) ExtendedMaster(version uint16, premaster []byte, messages ...[]byte) []byte {
	var session []byte
	hashes := []crypto.Hash{crypto.MD5, crypto.SHA1}
	if version >= TLS12 {
		hashes = []crypto.Hash{s.hash}
	}
	for _, h := range hashes {
		d := h.New()
		for _, m := range messages {
			d.Write(m)
		}
		session = d.Sum(session)
	}
	return s.prf(version, premaster, "extended master secret", session, MasterLength)
}

// prf is the pseudorandom function (RFC 5246, section 5), before TLS 1.2 of
// both MD5 and SHA-1 (RFC 2246, section 5).
func (s Suite) prf(version uint16, secret []byte, label string, seed []byte, n int) []byte {
	out := make([]byte, n)
	seed = append([]byte(label), seed...)
	if version >= TLS12 {
		expand(out, s.hash, secret, seed)
		return out
	}
	half := (len(secret) + 1) / 2
	expand(out, crypto.MD5, secret[:half], seed)
	expand(out, crypto.SHA1, secret[len(secret)-half:], seed)
	return out
}

// expand adds P_hash to out.
func expand(out []byte, h crypto.Hash, secret, seed []byte) {
	mac := hmac.New(h.New, secret)
	mac.Write(seed)
	a := mac.Sum(nil)
	for len(out) > 0 {
		mac.Reset()
		mac.Write(a)
		mac.Write(seed)
		block := mac.Sum(nil)
		n := min(len(out), len(block))
		for i := range n {
			out[i] ^= block[i]
		}
		out = out[n:]
		mac.Reset()
		mac.Write(a)
		a = mac.Sum(nil)
	}
}

// Openers makes those of client and server up to TLS 1.2 from the master secret
// (RFC 5246, section 6.3). etm says that encrypt-then-MAC was agreed (RFC
// 7366). The secret must be MasterLength long.
func (s Suite) Openers(version uint16, master []byte, r *Randoms, etm bool) (client, server Opener) {
	mac, key, iv := 0, s.bulk.keyLength(), s.bulk.fixedIV()
	if !s.bulk.aead() {
		mac = s.mac.Size()
	}
	chained := version < TLS11 && s.blockSize() > 0
	if chained {
		iv = s.blockSize() // RFC 2246, section 6.3
	}
	block := s.prf(version, master, "key expansion", append(r.Server[:], r.Client[:]...), 2*(mac+key+iv))
	next := func(n int) []byte {
		b := block[:n:n]
		block = block[n:]
		return b
	}
	clientMAC, serverMAC := next(mac), next(mac)
	clientKey, serverKey := next(key), next(key)
	clientIV, serverIV := next(iv), next(iv)
	one := func(mac, key, iv []byte) Opener {
		if s.bulk.aead() {
			return &aead{aead: s.aead(key), iv: [12]byte(append(iv, make([]byte, 12-len(iv))...)), explicit: 12 - len(iv)}
		}
		m := macer{mac: hmac.New(s.mac.New, mac), version: version}
		switch s.bulk {
		case null:
			return &stream{macer: m}
		case rc4Stream:
			c, _ := rc4.NewCipher(key) // fails for other lengths only
			return &stream{macer: m, cipher: c}
		}
		c := &cbc{macer: m, block: s.block(key), etm: etm, chained: chained}
		copy(c.iv[:], iv)
		c.ivKnown = chained
		return c
	}
	return one(clientMAC, clientKey, clientIV), one(serverMAC, serverKey, serverIV)
}

func (s Suite) blockSize() int {
	switch s.bulk {
	case desCBC, tripleDES:
		return des.BlockSize
	case aes128CBC, aes256CBC:
		return aes.BlockSize
	}
	return 0
}

// block gives the block cipher. Its key has the right length, so there is no
// error.
func (s Suite) block(key []byte) (c cipher.Block) {
	switch s.bulk {
	case desCBC:
		c, _ = des.NewCipher(key)
	case tripleDES:
		c, _ = des.NewTripleDESCipher(key)
	default:
		c, _ = aes.NewCipher(key)
	}
	return c
}

// aead gives the cipher of an AEAD suite, likewise.
func (s Suite) aead(key []byte) (c cipher.AEAD) {
	switch s.bulk {
	case chacha20:
		c, _ = chacha20poly1305.New(key)
	case aes128GCM, aes256GCM:
		c, _ = cipher.NewGCM(s.block(key))
	case aes128CCM8, aes256CCM8:
		c = newCCM(s.block(key), 12, 8)
	default:
		c = newCCM(s.block(key), 12, 16)
	}
	return c
}

// SecretLength is that of the traffic secrets of a suite of TLS 1.3.
func (s Suite) SecretLength() int { return s.hash.Size() }

// Opener13 makes the opener of a traffic secret of TLS 1.3 (RFC 8446, section
// 7.3), which must be SecretLength long.
func (s Suite) Opener13(secret []byte) Opener {
	key := s.expandLabel(secret, "key", s.bulk.keyLength())
	iv := s.expandLabel(secret, "iv", 12)
	return &aead{aead: s.aead(key), iv: [12]byte(iv), tls13: true}
}

// Next gives the traffic secret after a KeyUpdate (RFC 8446, section 7.2).
func (s Suite) Next(secret []byte) []byte {
	return s.expandLabel(secret, "traffic upd", s.hash.Size())
}

// expandLabel is HKDF-Expand-Label with an empty context (RFC 8446, section
// 7.1).
func (s Suite) expandLabel(secret []byte, label string, n int) []byte {
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(info, byte(len("tls13 ")+len(label)))
	info = append(info, "tls13 "+label...)
	info = append(info, 0)
	out, err := hkdf.Expand(func() hash.Hash { return s.hash.New() }, secret, string(info), n)
	if err != nil {
		panic("record: " + err.Error()) // only for lengths that no suite has
	}
	return out
}
