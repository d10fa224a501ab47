package tlswire

import (
	"bytes"
	"crypto/dsa" //lint:ignore SA1019 certificates have such keys
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"

	"github.com/authtap/authtap/reassembly/exchange"
)

const (
	certificatesKnown = 512 // summaries that a shard remembers
	nameBytes         = 256 // the longest name that is kept
	namesKept         = 100
)

// certificates remembers the summaries of those that were met last, by their
// SHA-256: servers show the same ones again and again.
type certificates map[[sha256.Size]byte]*exchange.Certificate

// summary gives what is known of a certificate, or nil where it cannot be read.
func (s *Shard) summary(der []byte) *exchange.Certificate {
	id := sha256.Sum256(der)
	if x, ok := s.known[id]; ok {
		return x
	}
	var x *exchange.Certificate
	if parsed, err := x509.ParseCertificate(der); err == nil {
		x = summarize(parsed)
		x.Fingerprint = id
	}
	if len(s.known) >= certificatesKnown {
		clear(s.known)
	}
	if s.known == nil {
		s.known = make(certificates)
	}
	s.known[id] = x
	return x
}

func summarize(p *x509.Certificate) *exchange.Certificate {
	x := &exchange.Certificate{
		Subject: clip(p.Subject.String()), Issuer: clip(p.Issuer.String()), CommonName: clip(p.Subject.CommonName),
		URIs: len(p.URIs), NotBefore: p.NotBefore.Unix(), NotAfter: p.NotAfter.Unix(),
		CA: p.IsCA,
		// RFC 5280, section 4.2.1.1: the key identifiers of a self-signed
		// certificate are the same where they are there.
		SelfSigned: bytes.Equal(p.RawSubject, p.RawIssuer) &&
			(len(p.AuthorityKeyId) == 0 || len(p.SubjectKeyId) == 0 || bytes.Equal(p.AuthorityKeyId, p.SubjectKeyId)),
	}
	if p.SignatureAlgorithm != x509.UnknownSignatureAlgorithm {
		x.Signature = p.SignatureAlgorithm.String()
	}
	for _, n := range p.DNSNames {
		x.NamesCut = x.NamesCut || len(x.Names) >= namesKept || len(n) > nameBytes
		if len(x.Names) < namesKept && len(n) <= nameBytes {
			x.Names = append(x.Names, n)
		}
	}
	for _, ip := range p.IPAddresses {
		x.NamesCut = x.NamesCut || len(x.Names) >= namesKept
		if len(x.Names) < namesKept {
			x.Names = append(x.Names, ip.String())
		}
	}
	switch k := p.PublicKey.(type) {
	case *rsa.PublicKey:
		x.Key, x.KeyBits = "RSA", k.N.BitLen()
	case *ecdsa.PublicKey:
		x.Key, x.KeyBits = "ECDSA", k.Curve.Params().BitSize
	case ed25519.PublicKey:
		x.Key, x.KeyBits = "Ed25519", 256
	case *dsa.PublicKey:
		x.Key, x.KeyBits = "DSA", k.P.BitLen()
	}
	return x
}

// clip bounds a name that is shown only.
func clip(s string) string {
	if len(s) > nameBytes {
		return s[:nameBytes] + "…"
	}
	return s
}

// certificates reads the server's list (RFC 5246, section 7.4.2; RFC 8446,
// section 4.4.2).
func (c *conn) certificates(body []byte, is13 bool) {
	x, st := c.underway(), &c.shard.stats
	r := reader{b: body}
	if is13 {
		r.vector(1) // certificate_request_context
	}
	list := r.vector(3)
	for len(list.b) > 0 && !list.bad {
		der := list.vector(3)
		if is13 {
			extensions := list.vector(2)
			der.bad = der.bad || extensions.bad
		}
		if list.bad || der.bad {
			list.bad = true
			break
		}
		if len(x.Certificates)+x.DamagedCertificates >= c.shard.limits.Certificates {
			st.CertificatesOver++
			break
		}
		if s := c.shard.summary(der.b); s != nil {
			st.Certificates++
			x.Certificates = append(x.Certificates, s)
		} else {
			st.DamagedCertificates++
			x.DamagedCertificates++
		}
	}
	if r.bad || list.bad {
		c.malformed()
	}
}
