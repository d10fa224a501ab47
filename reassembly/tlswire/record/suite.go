package record

import (
	"crypto"

	"github.com/authtap/authtap/reassembly/tlswire/suite"
)

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

// ciphers are those that are opened, by the names that the registry has.
var ciphers = map[string]bulk{
	"NULL": null, "RC4_128": rc4Stream, "DES_CBC": desCBC, "3DES_EDE_CBC": tripleDES,
	"AES_128_CBC": aes128CBC, "AES_256_CBC": aes256CBC, "AES_128_GCM": aes128GCM, "AES_256_GCM": aes256GCM,
	"AES_128_CCM": aes128CCM, "AES_256_CCM": aes256CCM, "AES_128_CCM_8": aes128CCM8, "AES_256_CCM_8": aes256CCM8,
	"CHACHA20_POLY1305": chacha20,
}

// hashes by name; "" is what TLS 1.2 takes where the suite says nothing (RFC
// 5246, section 5).
var hashes = map[string]crypto.Hash{
	"MD5": crypto.MD5, "SHA1": crypto.SHA1, "SHA256": crypto.SHA256, "SHA384": crypto.SHA384, "": crypto.SHA256,
}

// SuiteOf gives a suite by its number in the IANA registry "TLS Cipher
// Suites". ok is false for those that are not opened.
func SuiteOf(id uint16) (s Suite, ok bool) {
	named, ok := suite.Lookup(id)
	if !ok || named.Export {
		return s, false
	}
	if s.bulk, ok = ciphers[named.Cipher]; !ok {
		return s, false
	}
	if s.hash, ok = hashes[named.Hash]; !ok {
		return s, false
	}
	if !named.AEAD {
		if s.mac, ok = hashes[named.MAC]; !ok || named.MAC == "" || named.TLS13 { // RFC 9150
			return s, false
		}
	}
	s.RSA, s.TLS13 = named.KeyExchange == "RSA", named.TLS13
	return s, true
}
