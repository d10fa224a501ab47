package tlswire_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/reassemblytest"
	"github.com/authtap/authtap/reassembly/tlswire"
)

// clients and servers of crypto/tls, by what is to come of them.
type meeting struct {
	name           string
	client, server func(*tls.Config)
	// again: what counts is the second connection.
	again bool
	check func(t *testing.T, h *exchange.Handshake)
}

var meetings = []meeting{
	{name: "TLS 1.3", check: func(t *testing.T, h *exchange.Handshake) {
		c, s := h.ClientHello, h.ServerHello
		if s.Version != exchange.TLS13 || s.Legacy != exchange.TLS12 || s.Suite>>8 != 0x13 || h.Group == 0 || h.Outcome != exchange.Established || !h.Opaque {
			t.Errorf("%+v", h)
		}
		if c.ServerName != "api.test" || !slices.Equal(c.ALPN, []string{"h2", "http/1.1"}) || s.ALPN != "" || len(h.Certificates) != 0 {
			t.Errorf("%+v", h)
		}
		if !slices.Contains(c.Versions, exchange.TLS13) || len(c.Groups) == 0 || len(c.SignatureAlgorithms) == 0 || !slices.Equal(c.PointFormats, []uint8{0}) {
			t.Errorf("%+v", c)
		}
		if len(c.JA3) != 32 || len(s.JA3S) != 32 || !strings.HasPrefix(c.JA4, "t13d13") || len(c.JA4) != 36 {
			t.Errorf("fingerprints %q %q %q", c.JA3, s.JA3S, c.JA4)
		}
	}},
	{name: "TLS 1.2", client: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, check: func(t *testing.T, h *exchange.Handshake) {
		s := h.ServerHello
		if s.Version != exchange.TLS12 || s.ALPN != "h2" || h.Outcome != exchange.Established || h.Group == 0 || !s.ExtendedMasterSecret || h.Resumption != exchange.NotResumed {
			t.Errorf("%+v", h)
		}
		if len(h.Certificates) != 1 || h.DamagedCertificates != 0 {
			t.Fatalf("%+v", h)
		}
		c := h.Certificates[0]
		if c.Subject != "CN=api.test" || c.Issuer != "CN=api.test" || c.Key != "ECDSA" || c.KeyBits != 256 || c.Signature != "ECDSA-SHA256" ||
			!slices.Equal(c.Names, []string{"api.test"}) || c.NotBefore != 1_700_000_000 || c.NotAfter != 1_900_000_000 || !c.SelfSigned || c.CA {
			t.Errorf("%+v", *c)
		}
	}},
	{name: "TLS 1.1", client: func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
		server: func(c *tls.Config) { c.MinVersion = tls.VersionTLS10 }, check: func(t *testing.T, h *exchange.Handshake) {
			if h.ServerHello.Version != exchange.TLS11 || h.ClientHello.Legacy != exchange.TLS11 || h.Outcome != exchange.Established {
				t.Errorf("%+v", h)
			}
		}},
	{name: "HelloRetryRequest", client: func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP384} },
		server: func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP384} }, check: func(t *testing.T, h *exchange.Handshake) {
			if !h.Retry || h.Group != uint16(tls.CurveP384) || h.Outcome != exchange.Established || h.ServerHello.Version != exchange.TLS13 || h.Damage != 0 {
				t.Errorf("%+v", h)
			}
		}},
	{name: "a ticket of TLS 1.2", client: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, again: true, check: func(t *testing.T, h *exchange.Handshake) {
		if h.Resumption != exchange.ByTicket || !h.ClientHello.Ticket || len(h.Certificates) != 0 || h.Outcome != exchange.Established {
			t.Errorf("%+v", h)
		}
	}},
	{name: "a ticket of TLS 1.3", again: true, check: func(t *testing.T, h *exchange.Handshake) {
		if h.Resumption != exchange.ByPSK || !h.ClientHello.PSK || h.Outcome != exchange.Established {
			t.Errorf("%+v", h)
		}
	}},
	{name: "the client refuses in TLS 1.2", client: func(c *tls.Config) { c.MaxVersion, c.InsecureSkipVerify = tls.VersionTLS12, false }, check: func(t *testing.T, h *exchange.Handshake) {
		if h.Outcome != exchange.Refused || len(h.Alerts) != 1 || h.Alerts[0].FromServer || h.Alerts[0].String() != "bad_certificate" || h.Opaque {
			t.Errorf("%+v", h)
		}
	}},
	{name: "the client refuses in TLS 1.3", client: func(c *tls.Config) { c.InsecureSkipVerify = false }, check: func(t *testing.T, h *exchange.Handshake) {
		if h.Outcome != exchange.Refused || len(h.Alerts) != 1 || !h.Alerts[0].Encrypted || h.Alerts[0].String() != "encrypted" {
			t.Errorf("%+v", h)
		}
	}},
	{name: "the server refuses", client: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, server: func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 },
		check: func(t *testing.T, h *exchange.Handshake) {
			if h.Outcome != exchange.Refused || h.ServerHello.Present || len(h.Alerts) != 1 || !h.Alerts[0].FromServer || h.Alerts[0].String() != "protocol_version" || h.Flags != 0 {
				t.Errorf("%+v", h)
			}
		}},
	{name: "the server wants a certificate", client: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, server: func(c *tls.Config) { c.ClientAuth = tls.RequestClientCert },
		check: func(t *testing.T, h *exchange.Handshake) {
			if !h.CertificateRequested || h.Outcome != exchange.Established || len(h.Certificates) != 1 {
				t.Errorf("%+v", h)
			}
		}},
	{name: "a certificate that cannot be read", client: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, server: func(c *tls.Config) {
		c.Certificates[0].Certificate = append(c.Certificates[0].Certificate, []byte("no certificate"))
	}, check: func(t *testing.T, h *exchange.Handshake) {
		// Go's client refuses it, too.
		if len(h.Certificates) != 1 || h.DamagedCertificates != 1 || h.Outcome != exchange.Refused {
			t.Errorf("%+v", h)
		}
	}},
}

// hold has a meeting take place and gives what went over the wire.
func (m *meeting) hold(t testing.TB) []reassemblytest.Turn {
	client := &tls.Config{
		ServerName: "api.test", InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"},
		ClientSessionCache: tls.NewLRUClientSessionCache(1), RootCAs: x509.NewCertPool(),
	}
	if !m.again {
		client.ClientSessionCache = nil
	}
	server := &tls.Config{Certificates: []tls.Certificate{identity(t)}, NextProtos: []string{"h2"}}
	for f, c := range map[*func(*tls.Config)]*tls.Config{&m.client: client, &m.server: server} {
		if *f != nil {
			(*f)(c)
		}
	}
	turns := talk(t, client, server)
	if m.again {
		turns = talk(t, client, server)
	}
	return turns
}

// Real clients and servers, whole, cut anywhere, and with gaps.
func TestMeetings(t *testing.T) {
	for i := range meetings {
		m := &meetings[i]
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			turns := m.hold(t)
			h := read(t, turns)
			if h.Damage != 0 || h.Flags != 0 {
				t.Errorf("damage %v, flags %v", h.Damage, h.Flags)
			}
			m.check(t, h)
			reassemblytest.Splits(t, turns, factory(tlswire.Limits{}))
			gaps(t, turns, h)
		})
	}
}

// gaps holds a parser to saying nothing that the whole does not say, whatever
// is missing.
func gaps(t *testing.T, turns []reassemblytest.Turn, whole *exchange.Handshake) {
	t.Helper()
	for _, size := range []int{1, 7, 100, 1400} {
		var sent [2]int
		for _, turn := range turns {
			sent[side(turn.Server)] += len(turn.Text)
		}
		for s := range sent {
			for at := 0; at+size <= sent[s]; at += 1 + sent[s]/300 {
				l := reassemblytest.Lost{Server: s == 1, At: at, Bytes: size}
				k := newKeep(tlswire.Limits{}, nil)
				withGap(turns, l, k.shard)
				if held := k.shard.Stats().Held; held != 0 {
					t.Fatalf("%+v: %d bytes held", l, held)
				}
				for _, h := range k.list {
					if wrong := contradicts(h, whole); wrong != "" {
						t.Fatalf("%+v: %s\ngot  %+v\nwhole %+v", l, wrong, h, whole)
					}
				}
			}
		}
	}
}

func side(server bool) int {
	if server {
		return 1
	}
	return 0
}

// contradicts says in what a damaged handshake differs from the whole one,
// where it does not merely know less.
func contradicts(h, whole *exchange.Handshake) string {
	c, w := &h.ClientHello, &whole.ClientHello
	s, v := &h.ServerHello, &whole.ServerHello
	switch {
	case c.Present && c.Legacy != w.Legacy, c.ServerName != "" && c.ServerName != w.ServerName,
		c.JA3 != "" && c.JA3 != w.JA3, c.JA4 != "" && c.JA4 != w.JA4, len(c.Suites) > len(w.Suites):
		return "the client's hello"
	case s.Present && s.Version != 0 && s.Version != v.Version, s.Suite != 0 && s.Suite != v.Suite, s.JA3S != "" && s.JA3S != v.JA3S:
		return "the server's hello"
	case h.Client != whole.Client || h.Server != whole.Server:
		return "who is who"
	case h.Outcome == exchange.Established && whole.Outcome != exchange.Established:
		return "the outcome"
	case h.Outcome == exchange.Refused && whole.Outcome != exchange.Refused:
		return "the outcome"
	case h.Resumption != exchange.NotResumed && whole.Resumption == exchange.NotResumed:
		return "resumption"
	case len(h.Certificates) > len(whole.Certificates):
		return "certificates"
	}
	return ""
}

// One side alone tells what it can.
func TestOneSided(t *testing.T) {
	m := &meetings[1] // TLS 1.2
	turns := m.hold(t)
	of := func(server bool) (list []reassemblytest.Turn) {
		for _, turn := range turns {
			if turn.Server == server {
				list = append(list, turn)
			}
		}
		return list
	}
	h := read(t, of(false))
	if !h.ClientHello.Present || h.ServerHello.Present || h.Flags != exchange.Unpaired || h.Client.Port() != 40000 || h.Outcome == exchange.Established {
		t.Errorf("the client's: %+v", h)
	}
	h = read(t, of(true))
	if h.ClientHello.Present || !h.ServerHello.Present || h.Flags != exchange.Unpaired || h.Server.Port() != 443 || len(h.Certificates) != 1 ||
		h.Outcome != exchange.Established || h.Origin.Order != 1 {
		t.Errorf("the server's: %+v", h)
	}
}

// Messages in as many records as they have bytes, and all in one.
func TestFragments(t *testing.T) {
	turns := meetings[1].hold(t)
	want := read(t, turns)
	var small, one []reassemblytest.Turn
	for _, turn := range turns {
		var records [][]byte
		for b := []byte(turn.Text); len(b) > 0; {
			n := 5 + int(b[3])<<8 + int(b[4])
			records = append(records, b[:n])
			b = b[n:]
		}
		var text, joined []byte
		flush := func() {
			if len(joined) > 0 {
				text = append(text, 22, 3, 3, byte(len(joined)>>8), byte(len(joined)))
				text = append(text, joined...)
				joined = nil
			}
		}
		sealed := false
		var cut []byte
		for _, r := range records {
			sealed = sealed || r[0] == 20
			if r[0] != 22 || sealed {
				flush()
				text, cut = append(text, r...), append(cut, r...)
				continue
			}
			joined = append(joined, r[5:]...)
			for _, c := range r[5:] {
				cut = append(cut, 22, r[1], r[2], 0, 1, c)
			}
		}
		flush()
		small = append(small, reassemblytest.Turn{Server: turn.Server, Text: string(cut)})
		one = append(one, reassemblytest.Turn{Server: turn.Server, Text: string(text)})
	}
	for name, turns := range map[string][]reassemblytest.Turn{"small": small, "one": one} {
		h := read(t, turns)
		if h.ClientHello.JA3 != want.ClientHello.JA3 || h.ServerHello.JA3S != want.ServerHello.JA3S || len(h.Certificates) != 1 ||
			h.Outcome != exchange.Established || h.Damage != 0 {
			t.Errorf("%s: %+v", name, h)
		}
	}
	if !bytes.Equal(append([]byte(nil), small[0].Text...)[:6], []byte{22, 3, 1, 0, 1, 1}) {
		t.Error("the records are not small")
	}
}
