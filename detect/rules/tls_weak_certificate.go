package rules

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/reassembly/exchange"
)

var _ = register(detect.Detector{
	Name:  "tls_weak_certificate",
	Title: "A certificate that clients should refuse",
	Doc: `A client finished a handshake with a server whose certificate is expired or not valid yet, has an RSA key of less than 2048 bits, is signed with SHA-1 or MD5, is self-signed though the server is public, or is not for the name that the client asked for. Reported once for each server, certificate and reason.

A client that takes such a certificate checks too little, and takes an attacker's as well: whoever is on the way can read and change what it sends. Weak keys and signatures can be forged.

Certificates are seen up to TLS 1.2; in TLS 1.3 they are encrypted. Clients that know the certificate itself (pinning) may take a self-signed one safely; on private addresses and names nothing is said of it, nor of a certificate that names no host at all but a workload (SPIFFE). A sensor whose clock is wrong sees certificates expire. What was refused with an alert is not told.

Renew the certificate, automatically if possible, with a key of at least 2048 bits (or ECDSA) and all names that clients use. Find out why clients take it: look for switched-off verification.`,
	Severity: detect.Medium, Confidence: detect.Certain,
	CWE: []int{295, 298, 326}, OWASP: []string{"API8:2023"}, ASVS: []string{"12.2.2"}, RFC: []string{"RFC 5280 §4.1.2.5", "RFC 9525 §6"},
	Options: []detect.Option{
		{Name: "tolerance", Default: 10 * time.Minute, Doc: "how far the clocks of sensor and issuer may be apart"},
		{Name: "rsa_bits", Default: 2048, Doc: "the shortest RSA key that is not weak"},
	},
	Handshake: func(p *detect.Pass, h *exchange.Handshake) {
		if !agreed(h) || len(h.Certificates) == 0 {
			return
		}
		leaf := h.Certificates[0]
		report := func(reason, title string, more ...detect.Fact) {
			p.Report(detect.Report{
				Key:      detect.Key(h.Server.String(), reason, hex.EncodeToString(leaf.Fingerprint[:8])),
				Title:    title,
				Evidence: append(negotiated(p, h, fact(p, "subject", leaf.Subject), fact(p, "issuer", leaf.Issuer)), more...),
			})
		}
		now, tolerance := int64(p.Now())/int64(time.Second), int64(p.Options().Duration("tolerance")/time.Second)
		if now > leaf.NotAfter+tolerance {
			report("expired", "A server shows an expired certificate", fact(p, "not_after", day(leaf.NotAfter)))
		}
		if now < leaf.NotBefore-tolerance {
			report("not_yet_valid", "A server shows a certificate that is not valid yet", fact(p, "not_before", day(leaf.NotBefore)))
		}
		for _, c := range h.Certificates {
			if c.Key == "RSA" && c.KeyBits < p.Options().Int("rsa_bits") {
				report("short_key", "A certificate has a short RSA key", fact(p, "bits", fmt.Sprint(c.KeyBits)), fact(p, "of", c.Subject))
				break
			}
		}
		for _, c := range h.Certificates {
			// What a certificate says of itself by its own signature counts for
			// nothing, roots that are sent along among them.
			if !c.SelfSigned && (strings.HasPrefix(c.Signature, "SHA1-") || strings.HasSuffix(c.Signature, "-SHA1") || strings.HasPrefix(c.Signature, "MD")) {
				report("weak_signature", "A certificate is signed with SHA-1 or MD5", fact(p, "signature", c.Signature), fact(p, "of", c.Subject))
				break
			}
		}
		public := isPublic(h.Server.Addr(), h.ClientHello.ServerName)
		if leaf.SelfSigned && public {
			report("self_signed", "A public server shows a self-signed certificate")
		}
		if (public || !leaf.SelfSigned) && named(leaf) && h.ClientHello.ServerName != "" && !isFor(leaf, h.ClientHello.ServerName) {
			report("other_name", "A certificate is not for the name that clients ask for", fact(p, "names", strings.Join(namesOf(leaf), ", ")))
		}
	},
})

// day gives a time in Unix seconds.
func day(seconds int64) string { return time.Unix(seconds, 0).UTC().Format(time.RFC3339) }

// named reports whether a certificate says which hosts it is for, and all of
// them are known.
func named(c *exchange.Certificate) bool {
	return !c.NamesCut && len(namesOf(c)) > 0 && (c.URIs == 0 || len(c.Names) > 0)
}

// namesOf gives the names that a certificate is for. The common name counts
// where there are no others (RFC 9525 ends that, but clients go on with it).
func namesOf(c *exchange.Certificate) []string {
	if len(c.Names) == 0 && c.CommonName != "" {
		return []string{c.CommonName}
	}
	return c.Names
}

// isFor matches a name (RFC 9525, section 6.3): a wildcard stands for one whole
// label, the first.
func isFor(c *exchange.Certificate, name string) bool {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if a, err := netip.ParseAddr(name); err == nil {
		name = a.String()
	}
	_, parent, _ := strings.Cut(name, ".")
	for _, n := range namesOf(c) {
		n = strings.TrimSuffix(strings.ToLower(n), ".")
		if n == name || parent != "" && n == "*."+parent {
			return true
		}
	}
	return false
}
