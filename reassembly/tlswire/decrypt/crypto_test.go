package decrypt_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/authtap/authtap/reassembly/tlswire/decrypt"
)

// configs are all versions and suites that crypto/tls has.
func configs() map[string][2]*tls.Config {
	all := map[string][2]*tls.Config{}
	add := func(name, identity string, version uint16, suites ...uint16) {
		client := &tls.Config{MinVersion: version, MaxVersion: version, CipherSuites: suites}
		server := client.Clone()
		server.Certificates = []tls.Certificate{identities()[identity]}
		all[name] = [2]*tls.Config{client, server}
	}
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		identity := "rsa"
		if strings.Contains(s.Name, "ECDSA") {
			identity = "ecdsa"
		}
		for _, v := range s.SupportedVersions {
			if v < tls.VersionTLS13 {
				add(tls.VersionName(v)+" "+s.Name, identity, v, s.ID)
			}
		}
	}
	add("TLS 1.3", "ecdsa", tls.VersionTLS13)
	return all
}

// Every suite of crypto/tls is opened, however the bytes are cut.
func TestSuites(t *testing.T) {
	long := strings.Repeat("x", 40_000)
	for name, c := range configs() {
		t.Run(name, func(t *testing.T) {
			turns, log := talk(t, c[0], c[1], "GET", "again", long)
			for _, size := range []int{1 << 20, 1460, 97, 1} {
				tap := newTap(decrypt.Limits{}, log)
				tap.play(turns, size)
				text := tap.end()
				if got, want := content(text), [2]string{"GETagain" + long, "re: GETre: againre: " + long}; got != want {
					t.Fatalf("cut into %d: %.300q", size, text)
				}
				if strings.Contains(text, "gap") || !strings.HasSuffix(text, "end 0\n") {
					t.Fatalf("cut into %d: %.300q", size, text)
				}
				if s := tap.Stats(); s.Decrypted != 1 || s.Connections != 1 || s.Unopened != 0 || s.Held != 0 || s.Failed+s.Secretless+s.Damaged+s.Unsupported != 0 {
					t.Fatalf("%+v", s)
				}
				if h := tap.handshakes; len(h) != 1 || len(h[0].Certificates) != 1 {
					t.Fatalf("the certificate is not seen: %+v", h)
				}
			}
		})
	}
}

// RSA key exchange is opened with the server's key alone, and so are the
// sessions that are taken up later; other key exchanges are not.
func TestServerKey(t *testing.T) {
	for name, c := range configs() {
		rsa := strings.Contains(name, "TLS_RSA_")
		turns, _ := talk(t, c[0], c[1], "GET")
		tap := newTap(decrypt.Limits{}, nil)
		tap.store.AddKey(rsaKey())
		tap.play(turns, 1460)
		if got := joined(tap.end()); (got == said("GET")) != rsa || !rsa && got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestServerKeyOfAnother(t *testing.T) {
	c := configs()["TLS 1.2 TLS_RSA_WITH_AES_128_GCM_SHA256"]
	turns, _ := talk(t, c[0], c[1], "GET")
	tap := newTap(decrypt.Limits{}, nil)
	tap.store.AddKey(otherKey(t))
	tap.play(turns, 1460)
	if got := tap.end(); got != "" || tap.Stats().Secretless != 1 {
		t.Errorf("%q, %+v", got, tap.Stats())
	}
}

// A session that is taken up is opened with the key log's line for it, or with
// what the server's key told before.
func TestResumption(t *testing.T) {
	for _, name := range []string{"TLS 1.2 TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS 1.2 TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "TLS 1.3"} {
		c := configs()[name]
		c[0].ClientSessionCache = tls.NewLRUClientSessionCache(1)
		c[1].SetSessionTicketKeys([][32]byte{{1}})
		first, log1 := talk(t, c[0], c[1], "one")
		second, log2 := talk(t, c[0], c[1], "two")
		for _, key := range []bool{false, true} {
			if key && !strings.Contains(name, "TLS_RSA_") {
				continue
			}
			tap := newTap(decrypt.Limits{}, nil)
			if key {
				tap.store.AddKey(rsaKey())
			} else {
				tap.store.AddLines(append(log1, log2...), 0)
			}
			tap.play(first, 1460)
			if got := tap.end(); got != said("one") {
				t.Errorf("%s: %q", name, got)
			}
			tap.inner = inner{}
			tap.connect()
			tap.play(second, 1460)
			if got := tap.end(); got != said("two") {
				t.Errorf("%s, by key %v: %q, %+v", name, key, got, tap.Stats())
			}
			if h := tap.handshakes; len(h) != 2 || h[1].Resumption == 0 {
				t.Errorf("%s: the session was not taken up", name)
			}
		}
	}
}

// Secrets that come late open what has waited, in order.
func TestLateSecrets(t *testing.T) {
	for _, name := range []string{"TLS 1.3", "TLS 1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"} {
		c := configs()[name]
		turns, log := talk(t, c[0], c[1], "a", "b", "c")
		lines := bytes.SplitAfter(log, []byte("\n"))
		for cut := 0; cut <= len(turns); cut++ {
			tap := newTap(decrypt.Limits{}, nil)
			tap.store.Expect()
			tap.play(turns[:cut], 1460)
			for _, l := range lines { // one after the other
				tap.store.AddLines(l, 0)
				tap.later(time.Second)
			}
			tap.play(turns[cut:], 1460)
			if got := tap.end(); got != said("a", "b", "c") {
				t.Errorf("%s, secrets after %d of %d: %q", name, cut, len(turns), got)
			}
			if s := tap.Stats(); s.Held != 0 {
				t.Errorf("%d bytes are held", s.Held)
			}
		}
		// After the connection's end.
		tap := newTap(decrypt.Limits{}, nil)
		tap.store.Expect()
		tap.play(turns, 1460)
		tap.parser.End(0, 0, tap.at)
		tap.parser.End(1, 0, tap.at)
		tap.later(time.Second)
		tap.store.AddLines(log, 0)
		tap.later(time.Second)
		if got := tap.inner.b.String(); got != said("a", "b", "c") {
			t.Errorf("%s, after the end: %q", name, got)
		}
	}
}

// What waits is bounded, and counted when it is given up.
func TestWaitingIsBounded(t *testing.T) {
	c := configs()["TLS 1.3"]
	long := strings.Repeat("x", 100_000)
	turns, log := talk(t, c[0], c[1], long)
	for _, test := range []struct {
		name   string
		limits decrypt.Limits
		wait   time.Duration
		count  func(decrypt.Stats) uint64
	}{
		{"too long", decrypt.Limits{}, 6 * time.Second, func(s decrypt.Stats) uint64 { return s.Late }},
		{"too much of a connection", decrypt.Limits{FlowBytes: 50_000}, 0, func(s decrypt.Stats) uint64 { return s.FlowOver }},
		{"too much of all", decrypt.Limits{TotalBytes: 50_000}, 0, func(s decrypt.Stats) uint64 { return s.TotalOver }},
		{"the end", decrypt.Limits{}, 0, func(s decrypt.Stats) uint64 { return s.Ended }},
	} {
		t.Run(test.name, func(t *testing.T) {
			tap := newTap(test.limits, nil)
			tap.store.Expect()
			tap.play(turns, 1460)
			if test.wait > 0 {
				tap.later(test.wait)
			}
			if test.name == "the end" {
				tap.end()
			}
			tap.store.AddLines(log, 0)
			tap.later(time.Second)
			if got := tap.end(); got != "" {
				t.Errorf("%.100q", got)
			}
			if s := tap.Stats(); test.count(s) != 1 || s.Secretless != 1 || s.Held != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// The oldest connection makes room.
func TestOldestMakesRoom(t *testing.T) {
	c := configs()["TLS 1.3"]
	long := strings.Repeat("x", 20_000)
	turns, log := talk(t, c[0], c[1], long)
	other, _ := talk(t, c[0], c[1], long)
	tap := newTap(decrypt.Limits{TotalBytes: 70_000}, nil)
	tap.store.Expect()
	tap.play(other, 1460)
	tap.connect()
	tap.play(turns, 1460)
	tap.store.AddLines(log, 0)
	tap.later(time.Second)
	if got := content(tap.end())[0]; got != long {
		t.Errorf("%.100q", got)
	}
	if s := tap.Stats(); s.TotalOver != 1 || s.Decrypted != 1 || s.Held != 0 {
		t.Errorf("%+v", s)
	}
}

// Only so many connections are followed; those that end make room.
func TestTooManyConnections(t *testing.T) {
	c := configs()["TLS 1.3"]
	turns, log := talk(t, c[0], c[1], "a")
	tap := newTap(decrypt.Limits{Connections: 3}, log) // the first one
	for range 3 {
		tap.connect()
		tap.play(turns, 1460)
	}
	if s := tap.Stats(); s.Followed != 3 || s.Crowded != 1 || s.Decrypted != 2 {
		t.Errorf("%+v", s)
	}
	tap.connect()
	tap.end()
	if s := tap.Stats(); s.Followed != 3 || s.Crowded != 2 {
		t.Errorf("%+v", s)
	}
	tap = newTap(decrypt.Limits{Connections: 3}, log)
	for range 10 {
		tap.play(turns, 1460)
		tap.end()
		tap.connect()
	}
	if s := tap.Stats(); s.Followed != 1 || s.Crowded != 0 || s.Decrypted != 10 {
		t.Errorf("%+v", s)
	}
}

// A secret counts from its packet on.
func TestSecretOfALaterPacket(t *testing.T) {
	c := configs()["TLS 1.3"]
	turns, log := talk(t, c[0], c[1], "a")
	tap := newTap(decrypt.Limits{}, nil)
	tap.store.AddLines(log, 1000)
	tap.play(turns, 1460)
	tap.later(time.Second)
	if got := tap.inner.b.String(); got != "" {
		t.Errorf("before: %q", got)
	}
	tap.at.Order = 1000
	tap.store.AddLines([]byte("CLIENT_RANDOM "+strings.Repeat("00", 32)+" "+strings.Repeat("00", 48)), 0)
	tap.later(time.Second)
	if got := tap.end(); got != said("a") {
		t.Errorf("then: %q", got)
	}
}

// A wrong secret gives nothing.
func TestWrongSecret(t *testing.T) {
	for name, c := range configs() {
		turns, log := talk(t, c[0], c[1], "GET", "again")
		var wrong bytes.Buffer
		for line := range bytes.Lines(log) {
			f := bytes.Fields(line)
			fmt.Fprintf(&wrong, "%s %s %s\n", f[0], f[1], strings.Repeat("5a", len(f[2])/2))
		}
		tap := newTap(decrypt.Limits{}, wrong.Bytes())
		tap.play(turns, 1460)
		if got := tap.end(); got != "" {
			t.Errorf("%s: %q", name, got)
		}
		if s := tap.Stats(); s.Failed != 1 || s.Decrypted != 0 || s.Bytes != 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
