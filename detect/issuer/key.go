package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math"
	"math/big"
	"strings"
)

// ID is a key's thumbprint (RFC 7638, section 3), of a key that has none the
// hash of what was published.
type ID [sha256.Size]byte

// Key is a key that somebody published. It is immutable.
type Key struct {
	ID ID
	// Kid, Alg and Use as published; "" where they are not.
	Kid, Alg, Use string
	// Type is "RSA", "EC", "OKP" or "oct" (RFC 7518, section 6.1), Curve that
	// of EC and OKP.
	Type, Curve string
	// Bits is the size of an RSA modulus, of a curve's field or of a symmetric
	// key; 0 where it is not known.
	Bits int
	// Exponent of an RSA key; the largest int64 where it is larger.
	Exponent int64
	// Secret says that what is published can sign: a private or symmetric key.
	Secret bool

	public crypto.PublicKey
	text   string // as published, where that is a JWK
	// required members of the JWK, which the thumbprint is made of.
	required string
	cert     []byte // DER
}

// Public is what golang-jwt verifies with, nil for keys that it does not know:
// *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey.
func (k *Key) Public() crypto.PublicKey { return k.public }

// The bounds of a key as published.
const (
	maxKid     = 256
	maxModulus = 16384 / 8
)

// jwk is a JSON Web Key (RFC 7517, section 4; RFC 7518, section 6).
type jwk struct {
	Kty, Kid, Alg, Use, Crv string
	N, E, X, Y, K, D        string
	X5c                     []string
}

// ParseJWK reads a JSON Web Key; nil where it is none.
func ParseJWK(text string) *Key {
	var j jwk
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		// A kid that is a number is no reason to know nothing of the key.
		var loose map[string]any
		if json.Unmarshal([]byte(text), &loose) != nil {
			return nil
		}
		for name, p := range map[string]*string{
			"kty": &j.Kty, "crv": &j.Crv, "n": &j.N, "e": &j.E, "x": &j.X, "y": &j.Y, "k": &j.K, "d": &j.D, "alg": &j.Alg, "use": &j.Use,
		} {
			*p, _ = loose[name].(string)
		}
	}
	k := &Key{Kid: cut(j.Kid), Alg: cut(j.Alg), Use: cut(j.Use), Type: j.Kty, Curve: cut(j.Crv), Secret: j.D != "" || j.K != ""}
	switch j.Kty {
	case "RSA":
		n, e := number(j.N), number(j.E)
		if n == nil || e == nil {
			return nil
		}
		k.rsa(n, e)
	case "EC":
		x, y := number(j.X), number(j.Y)
		if x == nil || y == nil {
			return nil
		}
		k.ec(j.Crv, x, y)
	case "OKP":
		x := base64URL(j.X)
		if len(x) == 0 {
			return nil
		}
		k.okp(j.Crv, x)
	case "oct":
		secret := base64URL(j.K)
		if len(secret) == 0 {
			return nil
		}
		k.Bits = 8 * len(secret)
		k.ID = sha256.Sum256([]byte("oct " + k.Kid)) // and nothing of the key
		return k
	default:
		return nil
	}
	if k.ID == (ID{}) {
		k.ID = sha256.Sum256([]byte(j.Kty + j.Crv + j.N + j.X + j.Y))
	}
	if !k.Secret {
		k.text = text
	}
	if len(j.X5c) > 0 {
		if der, err := base64.StdEncoding.DecodeString(j.X5c[0]); err == nil {
			k.cert = der
		}
	}
	return k
}

// ParseCertificate reads a certificate in base64 of DER (RFC 7515, section
// 4.1.6); nil where it is none.
func ParseCertificate(text string) *Key {
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return certificate(der)
}

func certificate(der []byte) *Key {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil
	}
	k := fromPublic(c.PublicKey)
	if k != nil {
		k.cert = der
	}
	return k
}

// parsePEM reads a block; nil where it holds no public key.
func parsePEM(b *pem.Block) *Key {
	var k *Key
	switch b.Type {
	case "CERTIFICATE":
		k = certificate(b.Bytes)
	case "PUBLIC KEY":
		k = parseSPKI(b.Bytes)
	case "RSA PUBLIC KEY":
		if p, err := x509.ParsePKCS1PublicKey(b.Bytes); err == nil {
			k = fromPublic(p)
		}
	}
	return k
}

func parseSPKI(der []byte) *Key {
	p, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil
	}
	return fromPublic(p)
}

func fromPublic(public any) *Key {
	k := &Key{}
	switch p := public.(type) {
	case *rsa.PublicKey:
		k.Type = "RSA"
		k.rsa(p.N, big.NewInt(int64(p.E)))
	case *ecdsa.PublicKey:
		k.Type, k.Curve = "EC", p.Curve.Params().Name
		point, err := p.Bytes()
		if err != nil {
			return nil
		}
		half := (len(point) - 1) / 2
		k.ec(k.Curve, new(big.Int).SetBytes(point[1:1+half]), new(big.Int).SetBytes(point[1+half:]))
	case ed25519.PublicKey:
		k.Type, k.Curve = "OKP", "Ed25519"
		k.okp(k.Curve, p)
	default:
		return nil
	}
	return k
}

func (k *Key) rsa(n, e *big.Int) {
	k.Bits, k.Exponent = n.BitLen(), math.MaxInt64
	k.thumbprint(`{"e":"` + encode(e.Bytes()) + `","kty":"RSA","n":"` + encode(n.Bytes()) + `"}`)
	if e.IsInt64() {
		k.Exponent = e.Int64()
	}
	if k.Exponent > 1 && k.Exponent < math.MaxInt32 && k.Bits > 0 {
		k.public = &rsa.PublicKey{N: n, E: int(k.Exponent)}
	}
}

// curveBits are the sizes of curves' fields.
var curveBits = map[string]int{
	"P-192": 192, "P-224": 224, "P-256": 256, "P-384": 384, "P-521": 521, "secp256k1": 256, "P-256K": 256,
	"secp160r1": 160, "secp192k1": 192, "secp224k1": 224, "Ed25519": 256, "Ed448": 448, "X25519": 256, "X448": 448,
}

func (k *Key) ec(crv string, x, y *big.Int) {
	k.Bits = curveBits[crv]
	var curve elliptic.Curve
	switch crv {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	case "P-521":
		curve = elliptic.P521()
	default:
		return
	}
	size := (k.Bits + 7) / 8
	if x.BitLen() > 8*size || y.BitLen() > 8*size {
		return
	}
	point := make([]byte, 1+2*size) // SEC 1, section 2.3.3
	point[0] = 4
	x.FillBytes(point[1 : 1+size])
	y.FillBytes(point[1+size:])
	k.thumbprint(`{"crv":"` + crv + `","kty":"EC","x":"` + encode(point[1:1+size]) + `","y":"` + encode(point[1+size:]) + `"}`)
	if p, err := ecdsa.ParseUncompressedPublicKey(curve, point); err == nil { // else it is not on the curve
		k.public = p
	}
}

func (k *Key) okp(crv string, x []byte) {
	k.Bits = curveBits[crv]
	k.thumbprint(`{"crv":"` + crv + `","kty":"OKP","x":"` + encode(x) + `"}`)
	if crv == "Ed25519" && len(x) == ed25519.PublicKeySize {
		k.public = ed25519.PublicKey(x)
	}
}

func (k *Key) thumbprint(required string) { // RFC 7638, section 3
	k.required, k.ID = required, sha256.Sum256([]byte(required))
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// base64URL decodes what others might, padding and the other alphabet too.
func base64URL(s string) []byte {
	if len(s) > 2*maxModulus {
		return nil
	}
	s = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(s, "="))
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}

func number(s string) *big.Int {
	b := base64URL(s)
	if len(b) == 0 || len(b) > maxModulus+1 {
		return nil
	}
	return new(big.Int).SetBytes(b)
}

func cut(s string) string {
	if len(s) > maxKid {
		return strings.Clone(s[:maxKid])
	}
	return s
}
