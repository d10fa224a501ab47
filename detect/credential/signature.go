package credential

import (
	"bytes"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// orders are those of the curves' groups, in the length of r and s (RFC 7518,
// section 3.4; RFC 8812, section 3.2).
var orders = func() map[string][]byte {
	k, err := hex.DecodeString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141") // SEC 2, section 2.4.1
	if err != nil {
		panic(err)
	}
	return map[string][]byte{
		"ES256":  elliptic.P256().Params().N.Bytes(),
		"ES384":  elliptic.P384().Params().N.Bytes(),
		"ES512":  elliptic.P521().Params().N.Bytes(),
		"ES256K": k,
	}
}()

// ecdsa gives r and s of an ECDSA signature, without leading zeros.
func (t *Token) ecdsa() (r, s []byte, ok bool) {
	sig := t.t.signature
	n := t.minimum
	switch {
	case !strings.HasPrefix(t.Alg, "ES") || n == 0:
		return nil, nil, false
	case len(sig) == n:
		r, s = sig[:n/2], sig[n/2:]
	case t.SignatureDER:
		if r, s, ok = derIntegers(sig); !ok {
			return nil, nil, false
		}
	default:
		return nil, nil, false
	}
	return bytes.TrimLeft(r, "\x00"), bytes.TrimLeft(s, "\x00"), true
}

// Degenerate tells of a signature that no key makes: r or s of ECDSA outside
// 1 to n-1 (FIPS 186-5, section 6.4.2), an RSA number of 0 or 1, an s of EdDSA
// that is 0, or the same byte all over. Such signatures are made for verifiers
// that forget to look.
func (t *Token) Degenerate() (why Redacted, ok bool) {
	sig := t.t.signature
	if len(sig) == 0 || t.none || t.Encrypted {
		return Redacted{}, false
	}
	if r, s, ok := t.ecdsa(); ok {
		n := orders[t.Alg]
		for _, v := range [...]struct {
			name string
			b    []byte
		}{{"r", r}, {"s", s}} {
			if len(v.b) == 0 {
				return Redacted{text: v.name + " is 0"}, true
			}
			if c := bytes.Compare(v.b, n); len(v.b) > len(n) || len(v.b) == len(n) && c >= 0 {
				if c == 0 {
					return Redacted{text: v.name + " is the order of the group"}, true
				}
				return Redacted{text: v.name + " is larger than the order of the group"}, true
			}
		}
	}
	if len(sig) < t.minimum || t.minimum == 0 {
		return Redacted{}, false
	}
	if sig[0] == sig[1] && bytes.Count(sig, sig[:1]) == len(sig) {
		return Redacted{text: "all bytes are the same"}, true
	}
	switch t.Family() {
	case "RS", "PS":
		if sig[0] == 0 {
			if v := bytes.TrimLeft(sig, "\x00"); len(v) == 1 && v[0] == 1 {
				return Redacted{text: "the number is 1"}, true
			}
		}
	case "EdDSA":
		if half := sig[len(sig)/2:]; bytes.Count(half, []byte{0}) == len(half) {
			return Redacted{text: "s is 0"}, true
		}
	}
	return Redacted{}, false
}

// Nonce gives a hash of an ECDSA signature's r, which stands for the random
// number that it was made with; ok is false for other signatures.
func (t *Token) Nonce() (h [16]byte, ok bool) {
	r, s, ok := t.ecdsa()
	if !ok || len(r) == 0 || len(s) == 0 {
		return h, false
	}
	sum := sha256.Sum256(r)
	return [16]byte(sum[:16]), true
}
