package exchange

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/reassembly"
)

// Handshake is the beginning of a TLS connection, as far as it was sent in the
// clear. It owns its memory and does not change after its parser has handed it
// over; certificates may be shared by several handshakes. Its size is bounded
// by what the parser reads of a handshake.
type Handshake struct {
	// Order is where in the run the handshake was over, one way or another.
	Order reassembly.Order
	// Origin is the packet that the ClientHello began in (the ServerHello,
	// where there is no ClientHello).
	Origin reassembly.Origin
	// End is the packet time at which the handshake was over.
	End capture.Time
	// Client sent the ClientHello, Server answered.
	Client, Server netip.AddrPort
	Net            reassembly.Network
	// Tunnels are those that the conversation came in.
	Tunnels reassembly.Tunnels

	// StartTLS is the protocol in which the connection began and asked for TLS
	// ("smtp", "postgres"), "" where TLS was spoken from the start.
	StartTLS string

	ClientHello ClientHello
	ServerHello ServerHello
	// Retry says that the server asked for another ClientHello (RFC 8446,
	// section 4.1.4). ClientHello is then the first one.
	Retry      bool
	Resumption Resumption
	// Certificates of the server, the leaf first, and how many of them could
	// not be read. There are none where the session was resumed and, in TLS
	// 1.3, where the connection was not opened.
	Certificates        []*Certificate
	DamagedCertificates int
	// CertificateRequested says that the server asked the client for its
	// certificate, in the clear.
	CertificateRequested bool
	// Group of the key exchange (ECDHE up to TLS 1.2 and key shares), 0 where
	// it is not known.
	Group uint16
	// Alerts of the handshake, at most a few.
	Alerts  []Alert
	Outcome Outcome
	// Damage: HeadGap is bytes missing in the handshake, Cut one that ends
	// early or at a limit.
	Damage Damage
	// Flags are Midstream and Unpaired (one of the hellos is missing).
	Flags Flags
	// Opaque says that what comes after is encrypted and nobody opens it.
	Opaque bool
}

// ClientHello is what a client offered (RFC 8446, section 4.1.2). Lists stand
// in the order in which they were sent, GREASE (RFC 8701) included.
type ClientHello struct {
	// Present says that its beginning was seen; where not, everything else is
	// zero. Cut says that its end was not: what follows is then what was seen.
	Present, Cut bool
	// Legacy is the version field, which since TLS 1.3 says little.
	Legacy     Version
	Suites     []uint16
	Extensions []uint16
	// Versions of the extension supported_versions.
	Versions            []Version
	Groups              []uint16
	PointFormats        []uint8
	SignatureAlgorithms []uint16
	ServerName          string
	ALPN                []string
	// Ticket and PSK say that resumption was offered that way, EarlyData that
	// data follow at once, EncryptedHello that ServerName may not be the true
	// one (RFC 9849).
	Ticket, PSK, EarlyData, EncryptedHello bool
	// SSLv2 says that it came in the format of that version.
	SSLv2 bool
	// JA3 is the MD5 of the fingerprint of that name in hex, JA4 that one. Both
	// are empty where the hello is damaged.
	JA3, JA4 string
}

// ServerHello is what a server chose (RFC 8446, section 4.1.3).
type ServerHello struct {
	// Present and Cut as in a ClientHello.
	Present, Cut bool
	// Legacy is the version field, Version what was negotiated, 0 where what was
	// seen leaves that open.
	Legacy, Version Version
	// Suite is 0 where the hello was cut before it; no server chooses that one
	// (TLS_NULL_WITH_NULL_NULL).
	Suite      uint16
	Extensions []uint16
	// ALPN is the protocol selected, where that was told in the clear.
	ALPN string
	// ExtendedMasterSecret is RFC 7627, EncryptThenMAC RFC 7366.
	ExtendedMasterSecret, EncryptThenMAC bool
	// JA3S is the MD5 of the fingerprint of that name, empty where the hello is
	// damaged.
	JA3S string
}

// Version is a version of SSL or TLS as it is sent.
type Version uint16

// The versions.
const (
	SSL20 Version = 0x0002
	SSL30 Version = 0x0300
	TLS10 Version = 0x0301
	TLS11 Version = 0x0302
	TLS12 Version = 0x0303
	TLS13 Version = 0x0304
)

// Is13 reports whether the version is TLS 1.3 or one of its drafts (those that
// were in use have the numbers 0x7fNN, and 0xfbNN).
func (v Version) Is13() bool { return v == TLS13 || v>>8 == 0x7f || v>>8 == 0xfb }

// String gives the name as it stands in the output: "TLS 1.2".
func (v Version) String() string {
	switch {
	case v == SSL20:
		return "SSL 2.0"
	case v == SSL30:
		return "SSL 3.0"
	case TLS10 <= v && v <= TLS13:
		return "TLS 1." + string(rune('0'+v-TLS10))
	case v>>8 == 0x7f:
		return fmt.Sprintf("TLS 1.3 draft %d", v&0xff)
	}
	return fmt.Sprintf("0x%04x", uint16(v))
}

// Resumption says how an earlier session was taken up again.
type Resumption uint8

// The ways: by session id or ticket up to TLS 1.2 (RFC 5246, RFC 5077), by
// pre-shared key in TLS 1.3, where a key from elsewhere looks the same.
const (
	NotResumed Resumption = iota
	BySessionID
	ByTicket
	ByPSK
)

// String gives the name as it stands in the output.
func (r Resumption) String() string {
	return [...]string{"", "session_id", "ticket", "psk"}[r]
}

// Outcome says how a handshake ended.
type Outcome uint8

// The outcomes. A handshake is Established when both sides showed that they
// accept it, as far as that can be seen from outside; Refused when an alert
// ended it, Closed when the connection ended before, without an alert; else
// Unfinished: the capture, or what of it is readable, ends before.
const (
	Unfinished Outcome = iota
	Established
	Refused
	Closed
)

// String gives the name as it stands in the output.
func (o Outcome) String() string {
	return [...]string{"unfinished", "established", "refused", "closed"}[o]
}

// Alert is one alert (RFC 8446, section 6).
type Alert struct {
	FromServer bool
	// Level and Description are zero when Encrypted.
	Level, Description uint8
	Encrypted          bool
}

// String gives the alert's name in the registry of IANA, "encrypted", or its
// number.
func (a Alert) String() string {
	if a.Encrypted {
		return "encrypted"
	}
	if name, ok := alerts[a.Description]; ok {
		return name
	}
	return fmt.Sprint(a.Description)
}

var alerts = map[uint8]string{
	0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 21: "decryption_failed", 22: "record_overflow",
	30: "decompression_failure", 40: "handshake_failure", 41: "no_certificate", 42: "bad_certificate",
	43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown",
	47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error", 51: "decrypt_error",
	60: "export_restriction", 70: "protocol_version", 71: "insufficient_security", 80: "internal_error",
	86: "inappropriate_fallback", 90: "user_canceled", 100: "no_renegotiation", 109: "missing_extension",
	110: "unsupported_extension", 111: "certificate_unobtainable", 112: "unrecognized_name",
	113: "bad_certificate_status_response", 114: "bad_certificate_hash_value", 115: "unknown_psk_identity",
	116: "certificate_required", 120: "no_application_protocol", 121: "ech_required",
}

// Certificate is the summary of an X.509 certificate (RFC 5280).
type Certificate struct {
	// Fingerprint is the SHA-256 of the certificate.
	Fingerprint [sha256.Size]byte
	// Subject and Issuer as in RFC 4514, cut to a length; CommonName likewise.
	Subject, Issuer, CommonName string
	// Names are the DNS names and IP addresses that it is for; NamesCut says
	// that there are more. URIs is how many URIs it is for (SPIFFE).
	Names    []string
	NamesCut bool
	URIs     int
	// NotBefore and NotAfter in Unix seconds: they may lie beyond what a
	// capture.Time holds.
	NotBefore, NotAfter int64
	// Key is "RSA", "ECDSA", "Ed25519", "DSA" or "", KeyBits its length.
	Key     string
	KeyBits int
	// Signature is the signature algorithm, "SHA256-RSA".
	Signature string
	// SelfSigned: subject and issuer, and their keys as far as they are named,
	// are the same. CA: it may sign others.
	SelfSigned, CA bool
}

// FingerprintHex gives the fingerprint as tools print it.
func (c *Certificate) FingerprintHex() string { return hex.EncodeToString(c.Fingerprint[:]) }

// Names gives the handshake's marks as the output has them, sorted.
func (h *Handshake) Names() []string {
	var names []string
	add := func(on bool, name string) {
		if on {
			names = append(names, name)
		}
	}
	add(h.Damage&Conflicting != 0, "conflict")
	add(h.Damage&(HeadGap|BodyGap) != 0, "gap")
	add(h.Damage&Malformed != 0, "malformed")
	add(h.Flags&Midstream != 0, "midstream")
	add(h.Damage&Cut != 0, "truncated")
	add(h.Outcome == Unfinished, "unfinished")
	add(h.Flags&Unpaired != 0, "unpaired")
	return names
}
