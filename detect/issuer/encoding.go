package issuer

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"

	"github.com/authtap/authtap/detect/credential"
)

// Encoding is a form in which a public key may stand where a program expects
// the secret of an HMAC.
type Encoding struct {
	Name  credential.Redacted
	Bytes []byte
}

// Encodings gives the forms of a key that a confused program may hold, at most
// two dozen: PEM with and without its last newline, DER, a certificate, the
// JSON of the key, its bare numbers. It takes some 20 µs.
func (k *Key) Encodings() []Encoding {
	if k.public == nil {
		return nil
	}
	var list []Encoding
	add := func(name credential.Redacted, b []byte) {
		if len(b) > 0 {
			list = append(list, Encoding{name, b})
		}
	}
	armor := func(name, bare, crlf credential.Redacted, kind string, der []byte) {
		text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		add(name, text)
		add(bare, text[:len(text)-1])
		add(crlf, []byte(strings.ReplaceAll(string(text), "\n", "\r\n")))
	}
	if der, err := x509.MarshalPKIXPublicKey(k.public); err == nil {
		armor(credential.Word("PEM"), credential.Word("PEM without its last newline"), credential.Word("PEM with CRLF"), "PUBLIC KEY", der)
		add(credential.Word("DER"), der)
		add(credential.Word("base64 of DER"), []byte(base64.StdEncoding.EncodeToString(der)))
	}
	switch p := k.public.(type) {
	case *rsa.PublicKey:
		der := x509.MarshalPKCS1PublicKey(p)
		armor(credential.Word("PKCS #1 PEM"), credential.Word("PKCS #1 PEM without its last newline"), credential.Word("PKCS #1 PEM with CRLF"), "RSA PUBLIC KEY", der)
		add(credential.Word("PKCS #1 DER"), der)
		add(credential.Word("modulus"), p.N.Bytes())
		add(credential.Word("modulus in base64url"), []byte(encode(p.N.Bytes())))
	case *ecdsa.PublicKey:
		if point, err := p.Bytes(); err == nil {
			add(credential.Word("point"), point)
		}
	}
	if len(k.cert) > 0 {
		armor(credential.Word("certificate"), credential.Word("certificate without its last newline"), credential.Word("certificate with CRLF"), "CERTIFICATE", k.cert)
		add(credential.Word("certificate in DER"), k.cert)
		add(credential.Word("certificate in base64 (x5c)"), []byte(base64.StdEncoding.EncodeToString(k.cert)))
	}
	add(credential.Word("JSON of the required members"), []byte(k.required))
	if k.text != "" {
		add(credential.Word("JSON as published"), []byte(k.text))
		add(credential.Word("JSON without white space"), []byte(compact(k.text)))
	}
	return list
}

// compact takes the white space between the members of a JWK out.
func compact(s string) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' && (i == 0 || s[i-1] != '\\'):
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\n' || c == '\r' || c == '\t'):
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
