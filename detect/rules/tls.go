package rules

import (
	"net/netip"
	"strings"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/reassembly/exchange"
)

// agreed reports whether client and server came to an end with a handshake of
// which the server's choice is known. One that an alert ended shows no weakness.
// Of TLS behind STARTTLS nothing is said: it is there for who can take it, mail
// for the most part, and no API.
func agreed(h *exchange.Handshake) bool {
	return h.Outcome == exchange.Established && h.ServerHello.Present && h.ServerHello.Version != 0 && h.StartTLS == ""
}

// negotiated is the evidence of what a server chose.
func negotiated(p *detect.Pass, h *exchange.Handshake, more ...detect.Fact) detect.Evidence {
	e := append(detect.Evidence{{Name: "version", Value: p.Redact(h.ServerHello.Version.String())}}, more...)
	if h.ClientHello.ServerName != "" {
		e = append(e, detect.Fact{Name: "sni", Value: p.Redact(h.ClientHello.ServerName)})
	}
	return e
}

// fact is one piece of evidence.
func fact(p *detect.Pass, name, value string) detect.Fact {
	return detect.Fact{Name: name, Value: p.Redact(value)}
}

// carrierNAT is shared by subscribers of a provider (RFC 6598).
var carrierNAT = netip.MustParsePrefix("100.64.0.0/10")

// isPublic reports whether a server is for everybody, by its address and by the
// name that it was asked for: not one that only inner name servers know (RFC
// 6761, RFC 6762, RFC 8375; "internal" is reserved for private use).
func isPublic(a netip.Addr, name string) bool {
	if !a.IsGlobalUnicast() || a.IsPrivate() || carrierNAT.Contains(a) {
		return false
	}
	if name == "" {
		return true
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	top := name[strings.LastIndexByte(name, '.')+1:]
	switch top {
	case name, "local", "internal", "localhost", "lan", "home", "corp", "intranet":
		return false
	}
	return !strings.HasSuffix(name, ".home.arpa")
}
