package secret

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// ParseKeys reads the RSA private keys of a PEM file (PKCS #1 and PKCS #8).
// Certificates beside them are passed over.
func ParseKeys(text []byte) ([]*rsa.PrivateKey, error) {
	var keys []*rsa.PrivateKey
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		var key any
		var err error
		switch {
		case block.Headers["DEK-Info"] != "" || block.Type == "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("the key is encrypted")
		case block.Type == "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case block.Type == "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case block.Type == "EC PRIVATE KEY":
			key = nil
		default:
			continue
		}
		if err != nil {
			return nil, errors.New("a key cannot be read") // the cause may quote it
		}
		k, ok := key.(*rsa.PrivateKey)
		switch {
		case !ok:
			return nil, errors.New("a key is not of RSA; connections with other keys need a key log")
		case k.N.BitLen() < 1024:
			return nil, fmt.Errorf("a key has %d bits, and less than 1024 are not used", k.N.BitLen())
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.New("there is no private key in PEM form")
	}
	return keys, nil
}

// AddKey takes the key of a server.
func (s *Store) AddKey(k *rsa.PrivateKey) {
	s.mu.Lock()
	s.keys = append(s.keys, k)
	s.stats.Keys++
	s.mu.Unlock()
	s.changed(0)
}

// premasterLength is that of the secret that a client sends under the server's
// key (RFC 5246, section 7.4.7.1).
const premasterLength = 48

// Premaster gives the premaster secret that an encrypted form holds, as known at
// the packet at: that of a key log's line, or what one of the keys decrypts it
// to. It begins with a version of the protocol, which hardly any wrong key gives.
func (s *Store) Premaster(encrypted []byte, at uint64) (p Secret, ok bool) {
	if len(encrypted) < 8 {
		return p, false
	}
	if p, ok = s.find(idOf(premaster, encrypted[:8]), at); ok {
		return p, true
	}
	s.mu.RLock()
	keys := s.keys
	s.mu.RUnlock()
	for _, k := range keys {
		if k.Size() != len(encrypted) {
			continue
		}
		//lint:ignore SA1019 what a listener finds out nobody learns, so it is no oracle
		b, err := rsa.DecryptPKCS1v15(nil, k, encrypted)
		if err == nil && len(b) == premasterLength && b[0] == 3 {
			p, ok = Of(b), true
		}
		clear(b)
		if ok {
			return p, true
		}
	}
	return p, false
}

// A Resumption is what a later connection may take up a session of TLS 1.2 by.
type Resumption struct{ SessionID, Ticket []byte }

// Learn remembers the master secret of a session, from the packet since on.
func (s *Store) Learn(r Resumption, master Secret, since uint64) {
	if s.limits.Forgetful {
		return
	}
	if n := len(r.SessionID); 0 < n && n <= 32 {
		s.add(idOf(session, r.SessionID), master.Bytes(), since)
	}
	if len(r.Ticket) > 0 {
		h := sha256.Sum256(r.Ticket)
		s.add(idOf(ticket, h[:]), master.Bytes(), since)
	}
}

// Resumed gives the master secret of a session that is taken up, as known at
// the packet at.
func (s *Store) Resumed(r Resumption, at uint64) (Secret, bool) {
	if len(r.Ticket) > 0 {
		h := sha256.Sum256(r.Ticket)
		if m, ok := s.find(idOf(ticket, h[:]), at); ok {
			return m, true
		}
	}
	if n := len(r.SessionID); 0 < n && n <= 32 {
		return s.find(idOf(session, r.SessionID), at)
	}
	return Secret{}, false
}
