package record

import "crypto"

// Suite is a cipher suite: how it protects records, and how its keys are made.
type Suite struct {
	bulk bulk
	// mac is the hash of the HMAC of a suite that is not AEAD, hash that of the
	// PRF of TLS 1.2 and of the key schedule of TLS 1.3.
	mac, hash crypto.Hash
	// RSA says that the client sends the premaster secret under the server's
	// RSA key (RFC 5246, section 7.4.7.1).
	RSA bool
	// TLS13 suites are not for earlier versions, nor others for TLS 1.3.
	TLS13 bool
}

// bulk is a cipher.
type bulk uint8

const (
	null bulk = iota
	rc4Stream
	desCBC
	tripleDES
	aes128CBC
	aes256CBC
	aes128GCM
	aes256GCM
	aes128CCM
	aes256CCM
	aes128CCM8
	aes256CCM8
	chacha20
)

// aead reports whether the cipher authenticates by itself.
func (b bulk) aead() bool { return b >= aes128GCM }

// keyLength is that of the cipher's key, in bytes.
func (b bulk) keyLength() int {
	switch b {
	case rc4Stream, aes128CBC, aes128GCM, aes128CCM, aes128CCM8:
		return 16
	case desCBC:
		return 8
	case tripleDES:
		return 24
	case aes256CBC, aes256GCM, aes256CCM, aes256CCM8, chacha20:
		return 32
	}
	return 0
}

// fixedIV is how much of an IV or nonce the key block of TLS 1.2 holds for the
// cipher (RFC 5288, section 3; RFC 6655, section 3; RFC 7905, section 2).
func (b bulk) fixedIV() int {
	switch {
	case b == chacha20:
		return 12
	case b.aead():
		return 4
	}
	return 0
}

// SuiteOf gives a suite by its number in the IANA registry "TLS Cipher
// Suites". ok is false for those that are not opened.
func SuiteOf(id uint16) (s Suite, ok bool) {
	s, ok = suites[id]
	return s, ok
}

// suites are those of the registry with the ciphers above. Which key exchange
// and signature a suite has does not matter to its records.
var suites = func() map[uint16]Suite {
	m := make(map[uint16]Suite)
	add := func(b bulk, mac, hash crypto.Hash, ids ...uint16) {
		for _, id := range ids {
			m[id] = Suite{bulk: b, mac: mac, hash: hash, TLS13: id>>8 == 0x13}
		}
	}
	const (
		md5    = crypto.MD5
		sha1   = crypto.SHA1
		sha256 = crypto.SHA256
		sha384 = crypto.SHA384
	)
	add(null, md5, sha256, 0x0001)
	add(null, sha1, sha256, 0x0002, 0x002c, 0x002d, 0x002e, 0xc001, 0xc006, 0xc00b, 0xc010, 0xc015, 0xc039)
	add(null, sha256, sha256, 0x003b, 0x00b0, 0x00b4, 0x00b8, 0xc03a)
	add(null, sha384, sha384, 0x00b1, 0x00b5, 0x00b9, 0xc03b)
	add(rc4Stream, md5, sha256, 0x0004, 0x0018)
	add(rc4Stream, sha1, sha256, 0x0005, 0x008a, 0x008e, 0x0092, 0xc002, 0xc007, 0xc00c, 0xc011, 0xc016, 0xc033)
	add(desCBC, sha1, sha256, 0x0009, 0x000c, 0x000f, 0x0012, 0x0015, 0x001a)
	add(tripleDES, sha1, sha256, 0x000a, 0x000d, 0x0010, 0x0013, 0x0016, 0x001b, 0x008b, 0x008f, 0x0093,
		0xc003, 0xc008, 0xc00d, 0xc012, 0xc017, 0xc01a, 0xc01b, 0xc01c, 0xc034)
	add(aes128CBC, sha1, sha256, 0x002f, 0x0030, 0x0031, 0x0032, 0x0033, 0x0034, 0x008c, 0x0090, 0x0094,
		0xc004, 0xc009, 0xc00e, 0xc013, 0xc018, 0xc01d, 0xc01e, 0xc01f, 0xc035)
	add(aes256CBC, sha1, sha256, 0x0035, 0x0036, 0x0037, 0x0038, 0x0039, 0x003a, 0x008d, 0x0091, 0x0095,
		0xc005, 0xc00a, 0xc00f, 0xc014, 0xc019, 0xc020, 0xc021, 0xc022, 0xc036)
	add(aes128CBC, sha256, sha256, 0x003c, 0x003e, 0x003f, 0x0040, 0x0067, 0x006c, 0x00ae, 0x00b2, 0x00b6,
		0xc023, 0xc025, 0xc027, 0xc029, 0xc037)
	add(aes256CBC, sha256, sha256, 0x003d, 0x0068, 0x0069, 0x006a, 0x006b, 0x006d)
	add(aes256CBC, sha384, sha384, 0x00af, 0x00b3, 0x00b7, 0xc024, 0xc026, 0xc028, 0xc02a, 0xc038)
	add(aes128GCM, 0, sha256, 0x009c, 0x009e, 0x00a0, 0x00a2, 0x00a4, 0x00a6, 0x00a8, 0x00aa, 0x00ac,
		0xc02b, 0xc02d, 0xc02f, 0xc031, 0xd001, 0x1301)
	add(aes256GCM, 0, sha384, 0x009d, 0x009f, 0x00a1, 0x00a3, 0x00a5, 0x00a7, 0x00a9, 0x00ab, 0x00ad,
		0xc02c, 0xc02e, 0xc030, 0xc032, 0xd002, 0x1302)
	add(chacha20, 0, sha256, 0xcca8, 0xcca9, 0xccaa, 0xccab, 0xccac, 0xccad, 0xccae, 0x1303)
	add(aes128CCM, 0, sha256, 0xc09c, 0xc09e, 0xc0a4, 0xc0a6, 0xc0ac, 0xd005, 0x1304)
	add(aes256CCM, 0, sha256, 0xc09d, 0xc09f, 0xc0a5, 0xc0a7, 0xc0ad)
	add(aes128CCM8, 0, sha256, 0xc0a0, 0xc0a2, 0xc0a8, 0xc0aa, 0xc0ae, 0xd003, 0x1305)
	add(aes256CCM8, 0, sha256, 0xc0a1, 0xc0a3, 0xc0a9, 0xc0ab, 0xc0af)
	for _, id := range []uint16{
		0x0001, 0x0002, 0x0004, 0x0005, 0x0009, 0x000a, 0x002f, 0x0035, 0x003b, 0x003c, 0x003d, 0x009c, 0x009d,
		0xc09c, 0xc09d, 0xc0a0, 0xc0a1,
	} {
		s := m[id]
		s.RSA = true
		m[id] = s
	}
	return m
}()
