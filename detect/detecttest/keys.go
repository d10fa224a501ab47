package detecttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// The RSA keys protect nothing, and neither do the others, which are made of
// small numbers.
var (
	//go:embed rsa.pem
	rsaKey []byte
	//go:embed rsa_other.pem
	rsaOther []byte
	//go:embed rsa_short.pem
	rsaShort []byte
)

// keys by the first letters of an algorithm and a name.
var keys = func() map[string]crypto.Signer {
	m := map[string]crypto.Signer{}
	for name, text := range map[string][]byte{"": rsaKey, "other": rsaOther, "short": rsaShort} {
		block, _ := pem.Decode(text)
		r, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			panic(err)
		}
		m["RS"+name] = r.(*rsa.PrivateKey)
	}
	for name, n := range map[string]byte{"": 1, "other": 2} {
		b := make([]byte, 32)
		b[31] = n
		e, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), b)
		if err != nil {
			panic(err)
		}
		m["ES"+name], m["Ed"+name] = e, ed25519.NewKeyFromSeed(b)
	}
	return m
}()

func keyOf(alg, name string) (crypto.Signer, error) {
	if len(alg) >= 2 {
		if k := keys[alg[:2]+name]; k != nil {
			return k, nil
		}
	}
	return nil, fmt.Errorf("no key %q of %q here", name, alg)
}

// Token signs a token; the algorithms, and the secrets that mean something, are
// those of the function jwt in scripts.
func Token(header map[string]any, alg, secret string, claims map[string]any) (string, error) {
	h := map[string]any{}
	maps.Copy(h, header)
	if alg != "" {
		h["alg"] = alg
	}
	input, err := signingInput(h, claims)
	if err != nil {
		return "", err
	}
	signature, err := sign(alg, secret, input)
	return input + "." + base64.RawURLEncoding.EncodeToString(signature), err
}

func signingInput(header, claims map[string]any) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	c, err := json.Marshal(claims)
	return base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(c), err
}

func sign(alg, secret, input string) ([]byte, error) {
	if alg == "" || strings.EqualFold(strings.TrimSpace(alg), "none") {
		return nil, nil
	}
	method := jwt.GetSigningMethod(alg)
	if method == nil || strings.HasPrefix(alg, "PS") {
		return nil, fmt.Errorf("jwt: no algorithm %q here", alg)
	}
	if strings.HasPrefix(alg, "HS") {
		return method.Sign(input, []byte(secret))
	}
	if secret != "other" && secret != "short" {
		secret = "" // one of an HMAC, in a script that tries several algorithms
	}
	key, err := keyOf(alg, secret)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(alg, "ES") {
		return method.Sign(input, key)
	}
	// Without a source of randomness it is deterministic, RFC 6979.
	sum := sha256.Sum256([]byte(input))
	der, err := key.(*ecdsa.PrivateKey).Sign(nil, sum[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var s struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &s); err != nil {
		return nil, err
	}
	return fixed(s.R, s.S), nil
}

// fixed is an ECDSA signature in the form of RFC 7518, section 3.4.
func fixed(r, s *big.Int) []byte {
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signature
}

// withNonce signs with a number that should have been random. The key is the
// number one, so s = (hash + r)/k.
func withNonce(k int64, claims map[string]any) (string, error) {
	input, err := signingInput(map[string]any{"alg": "ES256", "kid": "e1", "typ": "JWT"}, claims)
	if err != nil {
		return "", err
	}
	nonce, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), big.NewInt(k).FillBytes(make([]byte, 32)))
	if err != nil {
		return "", err
	}
	point, err := nonce.PublicKey.Bytes()
	if err != nil {
		return "", err
	}
	n := elliptic.P256().Params().N
	r := new(big.Int).Mod(new(big.Int).SetBytes(point[1:33]), n)
	sum := sha256.Sum256([]byte(input))
	s := new(big.Int).Add(new(big.Int).SetBytes(sum[:]), r)
	s.Mul(s, new(big.Int).ModInverse(big.NewInt(k), n)).Mod(s, n)
	return input + "." + base64.RawURLEncoding.EncodeToString(fixed(r, s)), nil
}

// PublicJWK is a public key as an object, under a name unless that is empty.
func PublicJWK(alg, name, kid string) (map[string]any, error) {
	key, err := keyOf(alg, name)
	if err != nil {
		return nil, err
	}
	part := base64.RawURLEncoding.EncodeToString
	m := map[string]any{"use": "sig", "alg": alg}
	if kid != "" {
		m["kid"] = kid
	}
	switch p := key.Public().(type) {
	case *rsa.PublicKey:
		m["kty"], m["n"], m["e"] = "RSA", part(p.N.Bytes()), part(big.NewInt(int64(p.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := p.Bytes()
		if err != nil {
			return nil, err
		}
		m["kty"], m["crv"], m["x"], m["y"] = "EC", "P-256", part(point[1:33]), part(point[33:])
	case ed25519.PublicKey:
		m["kty"], m["crv"], m["x"] = "OKP", "Ed25519", part(p)
	}
	return m, nil
}

func thumbprint(alg, name string) (string, error) { // RFC 7638, section 3
	text, err := PublicText("jwk", alg, name)
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:]), err
}

// Certificate is a certificate, as it stands in x5c, that the key made for itself, the same each
// time.
func Certificate(alg, name string) ([]string, error) {
	der, err := selfSigned(alg, name)
	return []string{base64.StdEncoding.EncodeToString(der)}, err
}

func selfSigned(alg, name string) ([]byte, error) {
	key, err := keyOf(alg, name)
	if err != nil {
		return nil, err
	}
	if alg[:2] == "ES" {
		return nil, fmt.Errorf("a certificate of %s differs each time", alg)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Unix(1767225600, 0), NotAfter: time.Unix(1893456000, 0),
	}
	return x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
}

// PublicText gives a public key as "pem", "der", "base64" (of DER), "pkcs1" (PEM),
// "pkcs1der", "certificate" (PEM), "jwk" (the required members), or "n" (the modulus); "-bare" behind
// the name leaves out the last newline.
func PublicText(form, alg, name string) (string, error) {
	key, err := keyOf(alg, name)
	if err != nil {
		return "", err
	}
	block := func(kind string, der []byte, err error) (string, error) {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})), err
	}
	form, bare := strings.CutSuffix(form, "-bare")
	text := ""
	switch r, isRSA := key.Public().(*rsa.PublicKey); {
	case form == "pem" || form == "der" || form == "base64":
		var der []byte
		der, err = x509.MarshalPKIXPublicKey(key.Public())
		switch form {
		case "pem":
			text, err = block("PUBLIC KEY", der, err)
		case "der":
			text = string(der)
		case "base64":
			text = base64.StdEncoding.EncodeToString(der)
		}
	case form == "certificate":
		var der []byte
		der, err = selfSigned(alg, name)
		text, err = block("CERTIFICATE", der, err)
	case form == "jwk":
		var m map[string]any
		var b []byte
		if m, err = PublicJWK(alg, name, ""); err == nil {
			delete(m, "use")
			delete(m, "alg")
			b, err = json.Marshal(m)
		}
		text = string(b)
	case form == "pkcs1" && isRSA:
		text, err = block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(r), nil)
	case form == "pkcs1der" && isRSA:
		text = string(x509.MarshalPKCS1PublicKey(r))
	case form == "n" && isRSA:
		text = string(r.N.Bytes())
	default:
		err = fmt.Errorf("no form %q of a public key of %s", form, alg)
	}
	if bare {
		text = strings.TrimSuffix(text, "\n")
	}
	return text, err
}
