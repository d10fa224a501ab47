// Package suite knows the cipher suites of TLS: what they are made of, and
// what of that is weak.
//
// Contract: pure data, made once; everything may be used from any goroutine.
//
// Weaknesses are those of the suite itself. What a suite becomes by the version
// or the extensions that it is used with (encrypt-then-MAC, groups) is not said
// here.
package suite

import (
	"fmt"
	"strconv"
	"strings"
)

// Suite is one cipher suite.
type Suite struct {
	ID uint16
	// Name is the registry's.
	Name string
	// KeyExchange is "RSA", "DH", "DHE", "ECDH", "ECDHE", "PSK", "DHE_PSK",
	// "RSA_PSK", "ECDHE_PSK", "KRB5", "SRP", "ECCPWD", "GOST", "NULL", or "" in
	// TLS 1.3, where it is not the suite's. Authentication is "RSA", "DSS",
	// "ECDSA", "PSK", "KRB5", "SRP", "PWD", "GOST", "anon", "NULL" or "".
	KeyExchange, Authentication string
	// Cipher is "AES_128_GCM", "RC4_128", "3DES_EDE_CBC", "NULL"…; KeyBits is the
	// length of its key, or what export rules left of it.
	Cipher  string
	KeyBits int
	// MAC is "MD5", "SHA1", "SHA256", "SHA384", or "" for AEAD, where the cipher
	// does that work.
	MAC  string
	AEAD bool
	// Hash is that of the key schedule where the name gives it, "SHA256",
	// "SHA384" or "SM3"; "" is the version's own: MD5 with SHA-1 up to TLS 1.1,
	// SHA-256 in TLS 1.2.
	Hash string
	// TLS13 says that it is used from TLS 1.3 on, and only there.
	TLS13 bool
	// Export says that it was weakened for export.
	Export bool
}

// Weakness is one reason not to use a suite.
type Weakness uint8

// The weaknesses, worst first.
const (
	// NullCipher: nothing is encrypted.
	NullCipher Weakness = iota
	// Anonymous: nobody knows who the server is.
	Anonymous
	// Export: keys of 40 or 56 bits.
	Export
	// SingleDES: a key of 56 bits.
	SingleDES
	// RC4: RFC 7465 forbids it.
	RC4
	// SmallBlock: 3DES, IDEA and RC2 have blocks of 64 bits (CVE-2016-2183).
	SmallBlock
	// StaticKey: the key exchange rests on the server's lasting key, so whoever
	// gets that opens all that was recorded (RFC 9325, section 4.1).
	StaticKey
	// CBCSHA1: CBC with SHA-1 as MAC.
	CBCSHA1
)

// String gives the weakness in a few words.
func (w Weakness) String() string {
	return [...]string{
		"no encryption", "anonymous", "export", "DES", "RC4", "64-bit blocks", "no forward secrecy", "CBC with SHA-1",
	}[w]
}

// Weaknesses gives what is weak of the suite, worst first.
func (s *Suite) Weaknesses() []Weakness {
	var list []Weakness
	add := func(on bool, w Weakness) {
		if on {
			list = append(list, w)
		}
	}
	cbc := strings.Contains(s.Cipher, "_CBC")
	add(s.Cipher == "NULL", NullCipher)
	add(s.Authentication == "anon" || s.Authentication == "NULL", Anonymous)
	add(s.Export, Export)
	add(!s.Export && s.Cipher == "DES_CBC", SingleDES)
	add(strings.HasPrefix(s.Cipher, "RC4"), RC4)
	add(!s.Export && (strings.HasPrefix(s.Cipher, "3DES") || strings.HasPrefix(s.Cipher, "IDEA")), SmallBlock)
	add(s.Authentication != "anon" && (s.KeyExchange == "RSA" || s.KeyExchange == "DH" || s.KeyExchange == "ECDH"), StaticKey)
	add(cbc && s.MAC == "SHA1", CBCSHA1)
	return list
}

// Lookup gives the suite of that number.
func Lookup(id uint16) (Suite, bool) {
	s, ok := table[id]
	return s, ok
}

// Name gives the name of a suite, or its number where it has none: "0xcc13".
func Name(id uint16) string {
	if s, ok := table[id]; ok {
		return s.Name
	}
	return fmt.Sprintf("0x%04x", id)
}

// All calls f with every suite, in no order.
func All(f func(Suite)) {
	for _, s := range table {
		f(s)
	}
}

var table = func() map[uint16]Suite {
	t := make(map[uint16]Suite, 400)
	for line := range strings.Lines(strings.TrimSpace(rows)) {
		f := strings.Fields(line)
		first, err := strconv.ParseUint(f[0], 16, 16)
		if err != nil {
			panic(err) // a mistake in rows
		}
		id := uint16(first)
		for kx := range strings.SplitSeq(f[1], ",") {
			for cipher := range strings.SplitSeq(f[2], ",") {
				t[id] = parse(id, kx, cipher)
				id++
			}
		}
	}
	return t
}()

// parse reads a suite from the two halves of its name.
func parse(id uint16, kx, cipher string) Suite {
	s := Suite{ID: id, Name: "TLS_" + kx + "_WITH_" + cipher}
	if kx == "-" {
		s.Name, s.TLS13 = "TLS_"+cipher, true
	} else {
		s.keyExchange(kx)
	}
	// SSL 3.0's names of export ciphers have the length of the key in the end.
	cipher = strings.Replace(strings.Replace(cipher, "DES_CBC_40", "DES40_CBC", 1), "RC2_CBC_40", "RC2_40_CBC", 1)
	s.Cipher = cipher
	if i := strings.LastIndexByte(cipher, '_'); i >= 0 {
		switch h := cipher[i+1:]; h {
		case "NULL", "MD5", "SHA", "SHA256", "SHA384", "SM3":
			s.Cipher, s.MAC, s.Hash = cipher[:i], h, h
		}
	}
	if s.MAC == "SHA" {
		s.MAC = "SHA1"
	}
	switch s.Hash {
	case "NULL", "MD5", "SHA": // not the key schedule's
		s.Hash = ""
	}
	switch { // RFC 9150: a MAC, and no cipher
	case s.Cipher == "SHA256" || s.Cipher == "SHA384":
		s.Cipher, s.MAC = "NULL", s.Cipher
	case strings.HasPrefix(s.Cipher, "KUZNYECHIK"), strings.HasPrefix(s.Cipher, "MAGMA"), strings.HasPrefix(s.Cipher, "28147"):
		s.TLS13 = strings.Contains(s.Cipher, "_MGM_")
		s.AEAD, s.MAC = s.TLS13, ""
	case s.Cipher == "CHACHA20_POLY1305", strings.Contains(s.Cipher, "_GCM"), strings.Contains(s.Cipher, "_CCM"), strings.HasPrefix(s.Cipher, "AEGIS"):
		s.AEAD, s.MAC = true, ""
	}
	s.KeyBits = keyBits(s.Cipher)
	return s
}

// keyExchange reads the first half of a name.
func (s *Suite) keyExchange(kx string) {
	kx, s.Export = strings.CutSuffix(kx, "_EXPORT")
	switch kx {
	case "NULL":
		s.KeyExchange, s.Authentication = "NULL", "NULL"
	case "RSA", "PSK", "KRB5":
		s.KeyExchange, s.Authentication = kx, kx
	case "DHE_PSK", "RSA_PSK", "ECDHE_PSK":
		s.KeyExchange, s.Authentication = kx, "PSK"
	case "PSK_DHE": // the registry's name of two suites
		s.KeyExchange, s.Authentication = "DHE_PSK", "PSK"
	case "SRP_SHA":
		s.KeyExchange, s.Authentication = "SRP", "SRP"
	case "SRP_SHA_RSA", "SRP_SHA_DSS":
		s.KeyExchange, s.Authentication = "SRP", kx[len("SRP_SHA_"):]
	case "ECCPWD":
		s.KeyExchange, s.Authentication = kx, "PWD"
	case "GOSTR341112_256":
		s.KeyExchange, s.Authentication = "GOST", "GOST"
	default: // DHE_RSA, ECDH_anon and the like
		s.KeyExchange, s.Authentication, _ = strings.Cut(kx, "_")
	}
}

// keyBits reads the length of a cipher's key from its name.
func keyBits(cipher string) int {
	switch {
	case cipher == "NULL":
		return 0
	case strings.Contains(cipher, "40"):
		return 40
	case strings.HasPrefix(cipher, "3DES"):
		return 168
	case strings.HasPrefix(cipher, "DES"):
		return 56
	case strings.Contains(cipher, "128"), strings.HasPrefix(cipher, "IDEA"), strings.HasPrefix(cipher, "SEED"), strings.HasPrefix(cipher, "SM4"):
		return 128
	}
	return 256 // AES_256 and its like, ChaCha20, AEGIS_256, GOST's
}

// GroupName gives the name of a group for the key exchange (IANA, "TLS
// Supported Groups"), or its number where it is none of the common ones.
func GroupName(id uint16) string {
	if s, ok := groups[id]; ok {
		return s
	}
	return fmt.Sprintf("0x%04x", id)
}

var groups = map[uint16]string{
	19: "secp192r1", 21: "secp224r1", 22: "secp256k1", 23: "secp256r1", 24: "secp384r1", 25: "secp521r1",
	26: "brainpoolP256r1", 27: "brainpoolP384r1", 28: "brainpoolP512r1", 29: "x25519", 30: "x448",
	31: "brainpoolP256r1tls13", 32: "brainpoolP384r1tls13", 33: "brainpoolP512r1tls13", 41: "curveSM2",
	256: "ffdhe2048", 257: "ffdhe3072", 258: "ffdhe4096", 259: "ffdhe6144", 260: "ffdhe8192",
	512: "MLKEM512", 513: "MLKEM768", 514: "MLKEM1024",
	4587: "SecP256r1MLKEM768", 4588: "X25519MLKEM768", 4589: "SecP384r1MLKEM1024",
}
