package api

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"

	"github.com/authtap/authtap/detect/detecttest"
)

// publicKey is one of the laboratory's keys.
func publicKey(alg, name string) crypto.PublicKey {
	text, err := detecttest.PublicText("pem", alg, name)
	if err != nil {
		panic(err)
	}
	block, _ := pem.Decode([]byte(text))
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		panic(err)
	}
	return key
}
