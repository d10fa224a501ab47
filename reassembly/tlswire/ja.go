package tlswire

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"

	"github.com/authtap/authtap/reassembly/exchange"
)

// isGrease reports the numbers that mean nothing on purpose (RFC 8701).
func isGrease(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// ja3 gives the fingerprint of a ClientHello: the MD5, in hex, of its version,
// cipher suites, extensions, groups and point formats in decimal, without
// GREASE.
func ja3(m *exchange.ClientHello) string {
	b := make([]byte, 0, 512)
	b = strconv.AppendUint(b, uint64(m.Legacy), 10)
	b = joined(append(b, ','), m.Suites)
	b = joined(append(b, ','), m.Extensions)
	b = joined(append(b, ','), m.Groups)
	b = append(b, ',')
	for i, p := range m.PointFormats {
		if i > 0 {
			b = append(b, '-')
		}
		b = strconv.AppendUint(b, uint64(p), 10)
	}
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

// ja3s gives the fingerprint of a ServerHello: version, cipher suite and
// extensions likewise.
func ja3s(m *exchange.ServerHello) string {
	b := make([]byte, 0, 128)
	b = strconv.AppendUint(b, uint64(m.Legacy), 10)
	b = strconv.AppendUint(append(b, ','), uint64(m.Suite), 10)
	b = joined(append(b, ','), m.Extensions)
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

func joined(b []byte, list []uint16) []byte {
	first := true
	for _, v := range list {
		if isGrease(v) {
			continue
		}
		if !first {
			b = append(b, '-')
		}
		first = false
		b = strconv.AppendUint(b, uint64(v), 10)
	}
	return b
}

// ja4 gives the JA4 fingerprint of a ClientHello over TCP: what can be read in
// the first part, then hashes of the sorted cipher suites and of the sorted
// extensions with the signature algorithms.
func ja4(m *exchange.ClientHello) string {
	suites := meaningful(m.Suites)
	extensions := meaningful(m.Extensions)
	name := byte('i')
	if slices.Contains(extensions, extServerName) {
		name = 'd'
	}
	b := fmt.Appendf(nil, "t%s%c%02d%02d%s_", ja4Version(m), name, min(len(suites), 99), min(len(extensions), 99), ja4ALPN(m.ALPN))
	slices.Sort(suites)
	b = append(append(b, short(hexList(nil, suites))...), '_')
	// The server's name and ALPN vary with the server, so they do not count.
	extensions = slices.DeleteFunc(extensions, func(e uint16) bool { return e == extServerName || e == extALPN })
	slices.Sort(extensions)
	list := hexList(nil, extensions)
	if algorithms := meaningful(m.SignatureAlgorithms); len(algorithms) > 0 {
		list = hexList(append(list, '_'), algorithms)
	}
	return string(append(b, short(list)...))
}

// ja4Version is the highest version offered.
func ja4Version(m *exchange.ClientHello) string {
	v := exchange.Version(0)
	for _, o := range m.Versions {
		if !isGrease(uint16(o)) {
			v = max(v, o)
		}
	}
	if v == 0 {
		v = m.Legacy
	}
	switch v {
	case exchange.TLS13:
		return "13"
	case exchange.TLS12:
		return "12"
	case exchange.TLS11:
		return "11"
	case exchange.TLS10:
		return "10"
	case exchange.SSL30:
		return "s3"
	case exchange.SSL20:
		return "s2"
	}
	return "00"
}

// ja4ALPN gives the first and last character of the first protocol, or of its
// bytes in hex where either is no letter and no digit.
func ja4ALPN(list []string) string {
	if len(list) == 0 || list[0] == "" {
		return "00"
	}
	p := list[0]
	if !alphanumeric(p[0]) || !alphanumeric(p[len(p)-1]) {
		p = hex.EncodeToString([]byte(p))
	}
	return string([]byte{p[0], p[len(p)-1]})
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func meaningful(list []uint16) []uint16 {
	return slices.DeleteFunc(slices.Clone(list), isGrease)
}

func hexList(b []byte, list []uint16) []byte {
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = hex.AppendEncode(b, []byte{byte(v >> 8), byte(v)})
	}
	return b
}

// short gives the first twelve hex digits of a list's SHA-256.
func short(list []byte) string {
	if len(list) == 0 {
		return "000000000000"
	}
	sum := sha256.Sum256(list)
	return hex.EncodeToString(sum[:6])
}
