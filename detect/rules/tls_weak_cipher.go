package rules

import (
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/tlswire/suite"
)

// weakness says how much one matters, and what a finding of it is called.
type weakness struct {
	severity detect.Severity
	title    string
}

var weaknesses = map[suite.Weakness]weakness{
	suite.NullCipher: {detect.High, "TLS that encrypts nothing"},
	suite.Anonymous:  {detect.High, "TLS without knowing who the server is"},
	suite.Export:     {detect.High, "TLS with a cipher weakened for export"},
	suite.SingleDES:  {detect.High, "TLS with DES"},
	suite.RC4:        {detect.Medium, "TLS with RC4"},
	suite.SmallBlock: {detect.Medium, "TLS with a cipher of 64-bit blocks"},
	suite.StaticKey:  {detect.Low, "TLS without forward secrecy"},
	suite.CBCSHA1:    {detect.Info, "TLS with CBC and SHA-1"},
}

var _ = register(detect.Detector{
	Name:  "tls_weak_cipher",
	Title: "TLS with a weak cipher suite",
	Doc: `A handshake came to its end with a cipher suite that has a known weakness. Reported once for each server and suite, as severe as the worst of the weaknesses: nothing is encrypted, nobody knows who the server is, keys of 40 or 56 bits (High), RC4, blocks of 64 bits (Medium), no forward secrecy (Low), CBC with SHA-1 (Info).

Where the cipher gives way, tokens and passwords are read on the way. Without forward secrecy, everything that was recorded is read by who gets hold of the server's key some day.

It is what the server chose that counts, not what was offered. Of two that both sides know, some servers choose the client's first; the suite then says as much about the client. A suite that rests on CBC is not told of where encrypt-then-MAC was agreed on. Suites with pre-shared keys alone are left out: they are for devices, and their keys are not a server's. TLS behind STARTTLS is left out.

Allow suites with ECDHE and an AEAD cipher only, in the server's own order; TLS 1.3 has no others.`,
	Severity: detect.High, Confidence: detect.Certain,
	CWE: []int{327}, OWASP: []string{"API8:2023"}, ASVS: []string{"12.1.2"}, RFC: []string{"RFC 9325 §4.1", "RFC 7465"},
	Handshake: func(p *detect.Pass, h *exchange.Handshake) {
		s, known := suite.Lookup(h.ServerHello.Suite)
		unseen := h.ServerHello.Suite == 0 && h.ServerHello.Cut
		if !agreed(h) || !known || unseen || h.ServerHello.Version < exchange.SSL30 {
			return
		}
		var worst weakness
		var words []string
		for _, w := range s.Weaknesses() {
			if w == suite.CBCSHA1 && h.ServerHello.EncryptThenMAC {
				continue
			}
			if words == nil {
				worst = weaknesses[w]
			}
			words = append(words, w.String())
		}
		if words == nil {
			return
		}
		p.Report(detect.Report{
			Key: detect.Key(h.Server.String(), s.Name), Severity: worst.severity, Title: worst.title,
			Evidence: negotiated(p, h, detect.Fact{Name: "cipher", Value: credential.CipherSuite(s.ID)}, fact(p, "weakness", strings.Join(words, ", "))),
		})
	},
})
