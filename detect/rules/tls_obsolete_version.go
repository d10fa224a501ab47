package rules

import (
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "tls_obsolete_version",
	Title: "A server speaks an obsolete version of TLS",
	Doc: `A handshake came to its end in SSL or in a version of TLS before 1.2. Reported once for each server and version.

TLS 1.0 and 1.1 rest on MD5 and SHA-1 and on CBC ciphers that several attacks take apart; no browser speaks them any more, and no standard for payment or health data allows them. SSL 3.0 lets who is on the way read what is repeated often, such as a token in a header.

It is what the server chose that counts, not what either side offered. A client that speaks nothing better is the reason as a rule: an old library, a device, a scanner that tries what the server would take. TLS for mail and databases that is asked for within the connection (STARTTLS) is left out.

Allow TLS 1.2 and 1.3 only. Where clients would be lost by that, find them by their address and JA3 first: authtap exchanges --tls lists both.`,
	Severity: detect.Medium, Confidence: detect.Certain,
	CWE: []int{327}, OWASP: []string{"API8:2023"}, ASVS: []string{"12.1.1"}, RFC: []string{"RFC 8996", "RFC 7568"},
	Handshake: func(p *detect.Pass, h *exchange.Handshake) {
		v := h.ServerHello.Version
		if !agreed(h) || v >= exchange.TLS12 {
			return
		}
		r := detect.Report{Key: detect.Key(h.Server.String(), v.String()), Evidence: negotiated(p, h)}
		if v < exchange.TLS10 {
			r.Severity = detect.Critical
			r.Title = "A server speaks SSL"
		}
		p.Report(r)
	},
})
