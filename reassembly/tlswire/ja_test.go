package tlswire

import (
	"strconv"
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly/exchange"
)

// list reads numbers.
func list(t *testing.T, base int, separator, text string) (l []uint16) {
	t.Helper()
	for f := range strings.SplitSeq(text, separator) {
		if f == "" {
			continue
		}
		n, err := strconv.ParseUint(f, base, 16)
		if err != nil {
			t.Fatal(err)
		}
		l = append(l, uint16(n))
	}
	return l
}

// The examples that JA3 was published with, and the same with GREASE strewn in.
func TestJA3(t *testing.T) {
	for text, want := range map[string]string{
		"769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0":                       "ada70206e40642a3e4461f35503241d5",
		"769,4-5-10-9-100-98-3-6-19-18-99,,,":                                                        "de350869b8c85de67a350c8d186f11e6",
		"769,2570-47-53-5-10-49161-49162-49171-49172-50-56-19-4-64250,6682-0-10-11,23-24-25-14906,0": "ada70206e40642a3e4461f35503241d5",
	} {
		f := strings.Split(text, ",")
		m := exchange.ClientHello{Legacy: exchange.TLS10, Suites: list(t, 10, "-", f[1]), Extensions: list(t, 10, "-", f[2]), Groups: list(t, 10, "-", f[3])}
		for _, p := range list(t, 10, "-", f[4]) {
			m.PointFormats = append(m.PointFormats, uint8(p))
		}
		if got := ja3(&m); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// The MD5 of 769,47,65281-0-11-35-5-16.
func TestJA3S(t *testing.T) {
	m := exchange.ServerHello{Legacy: exchange.TLS10, Suite: 47, Extensions: []uint16{65281, 0, 11, 35, 5, 16}}
	if got := ja3s(&m); got != "836ce314215654b5b1f85f97c73e506f" {
		t.Errorf("%s", got)
	}
}

// Chrome 115, as JA4's authors list it for a capture of theirs: cipher suites,
// extensions and signature algorithms in the order in which they were sent.
func TestJA4(t *testing.T) {
	chrome := exchange.ClientHello{
		Legacy:              exchange.TLS12,
		Versions:            []exchange.Version{0x9a9a, exchange.TLS13, exchange.TLS12},
		Suites:              list(t, 16, ",", "4a4a,1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035"),
		Extensions:          list(t, 16, ",", "eaea,000d,0000,000a,0005,000b,002b,001b,ff01,0033,4469,002d,0023,0017,0012,0010,0015,1a1a"),
		SignatureAlgorithms: list(t, 16, ",", "0403,0804,0401,0503,0805,0501,0806,0601"),
		ALPN:                []string{"h2", "http/1.1"},
	}
	change := func(f func(*exchange.ClientHello)) exchange.ClientHello {
		m := chrome
		f(&m)
		return m
	}
	for _, c := range []struct {
		name, want string
		m          exchange.ClientHello
	}{
		{"published", "t13d1516h2_8daaf6152771_e5627efa2ab1", chrome},
		{"GREASE among the algorithms", "t13d1516h2_8daaf6152771_e5627efa2ab1", change(func(m *exchange.ClientHello) {
			m.SignatureAlgorithms = append([]uint16{0x2a2a}, m.SignatureAlgorithms...)
		})},
		{"another order", "t13d1516h2_8daaf6152771_e5627efa2ab1", change(func(m *exchange.ClientHello) {
			m.Extensions = list(t, 16, ",", "002b,4469,000b,0017,000d,0000,001b,0005,0033,ff01,0010,000a,002d,0012,0023,0015")
		})},
		{"no ALPN", "t13d151600", change(func(m *exchange.ClientHello) { m.ALPN = nil })},
		{"an ALPN of one byte", "t13d1516hh", change(func(m *exchange.ClientHello) { m.ALPN = []string{"h"} })},
		{"an ALPN that is no text", "t13d1516ad", change(func(m *exchange.ClientHello) { m.ALPN = []string{"\xab\xcd"} })},
		{"an ALPN that ends in none", "t13d151632", change(func(m *exchange.ClientHello) { m.ALPN = []string{"23\x02"} })},
		{"no name", "t13i1515h2", change(func(m *exchange.ClientHello) { m.Extensions = append(m.Extensions[:2:2], m.Extensions[3:]...) })},
		{"an older version", "t12d1516h2", change(func(m *exchange.ClientHello) { m.Versions = nil })},
		{"SSL 3.0", "ts3d1516h2", change(func(m *exchange.ClientHello) { m.Versions, m.Legacy = nil, exchange.SSL30 })},
		{"a version that nobody knows", "t00d1516h2", change(func(m *exchange.ClientHello) { m.Versions = []exchange.Version{0xfb1a} })},
		{"a hundred suites", "t13d9916h2", change(func(m *exchange.ClientHello) { m.Suites = make([]uint16, 100) })},
		{"nothing", "t00i000000_000000000000_000000000000", exchange.ClientHello{}},
	} {
		if got := ja4(&c.m); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestGrease(t *testing.T) {
	n := 0
	for v := range 1 << 16 {
		if isGrease(uint16(v)) {
			n++
		}
	}
	if n != 16 || !isGrease(0x0a0a) || !isGrease(0xfafa) || isGrease(0x0a1a) {
		t.Errorf("%d numbers are GREASE", n)
	}
}
