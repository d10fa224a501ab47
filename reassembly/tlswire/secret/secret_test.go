package secret_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/authtap/authtap/reassembly/tlswire/secret"
)

func random(b byte) *[32]byte { return (*[32]byte)(bytes.Repeat([]byte{b}, 32)) }

func hexOf(b byte, n int) string { return strings.Repeat(hex.EncodeToString([]byte{b}), n) }

func master(random, value byte) string {
	return "CLIENT_RANDOM " + hexOf(random, 32) + " " + hexOf(value, 48) + "\n"
}

// has checks what a store knows of a connection.
func has(t *testing.T, s *secret.Store, l secret.Label, r byte, want string) {
	t.Helper()
	x, ok := s.Find(l, random(r), 1<<60)
	if got := hex.EncodeToString(x.Bytes()); got != want || ok != (want != "") {
		t.Errorf("label %d of %02x: %q, %v, want %q", l, r, got, ok, want)
	}
}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		name, line         string
		ignored, malformed uint64
	}{
		{"empty", "", 0, 0},
		{"a comment", "# CLIENT_RANDOM", 0, 0},
		{"an exporter's secret", "EXPORTER_SECRET " + hexOf(1, 32) + " " + hexOf(2, 32), 1, 0},
		{"another one", "QUIC_CLIENT_TRAFFIC_SECRET_0 x y", 1, 0},
		{"words", "hello world", 0, 1},
		{"a label alone", "CLIENT_RANDOM", 0, 1},
		{"without a secret", "CLIENT_RANDOM " + hexOf(1, 32), 0, 1},
		{"a short random", "CLIENT_RANDOM " + hexOf(1, 31) + " " + hexOf(2, 48), 0, 1},
		{"a long random", "CLIENT_RANDOM " + hexOf(1, 33) + " " + hexOf(2, 48), 0, 1},
		{"a short secret", "CLIENT_RANDOM " + hexOf(1, 32) + " " + hexOf(2, 47), 0, 1},
		{"a long secret", "CLIENT_RANDOM " + hexOf(1, 32) + " " + hexOf(2, 49), 0, 1},
		{"a secret of TLS 1.3 cut short", "SERVER_TRAFFIC_SECRET_0 " + hexOf(1, 32) + " " + hexOf(2, 40), 0, 1},
		{"an odd digit", "CLIENT_RANDOM " + hexOf(1, 32) + " " + hexOf(2, 47) + "0", 0, 1},
		{"no hex", "CLIENT_RANDOM " + hexOf(1, 32) + " " + strings.Repeat("zz", 48), 0, 1},
		{"more behind", "CLIENT_RANDOM " + hexOf(1, 32) + " " + hexOf(2, 48) + " x", 0, 1},
		{"a short RSA line", "RSA " + hexOf(1, 7) + " " + hexOf(2, 48), 0, 1},
		{"a session without an id", "RSA Session-ID: Master-Key:" + hexOf(2, 48), 0, 1},
		{"a long line", "CLIENT_RANDOM " + strings.Repeat("0", 10_000), 0, 1},
	} {
		s := secret.NewStore(secret.Limits{})
		s.AddLines([]byte(c.line+"\n"+c.line), 0)
		if st := s.Stats(); st.Secrets != 0 || st.Ignored != 2*c.ignored || st.Malformed != 2*c.malformed {
			t.Errorf("%s: %+v", c.name, st)
		}
		if s.Any(1 << 60) {
			t.Errorf("%s: there is a secret", c.name)
		}
	}

	s := secret.NewStore(secret.Limits{})
	s.AddLines([]byte("# of a client\r\n"+
		"CLIENT_RANDOM "+strings.ToUpper(hexOf(0xab, 32))+" "+strings.ToUpper(hexOf(0xcd, 48))+"\r\n"+
		"  CLIENT_HANDSHAKE_TRAFFIC_SECRET "+hexOf(1, 32)+" "+hexOf(2, 32)+"  \n"+
		"SERVER_HANDSHAKE_TRAFFIC_SECRET "+hexOf(1, 32)+" "+hexOf(3, 48)+"\n"+
		"CLIENT_TRAFFIC_SECRET_0 "+hexOf(1, 32)+" "+hexOf(4, 32)+"\n"+
		"SERVER_TRAFFIC_SECRET_0 "+hexOf(1, 32)+" "+hexOf(5, 32)+"\n"+
		"RSA "+hexOf(7, 8)+" "+hexOf(8, 48)+"\n"+
		"RSA Session-ID:"+hexOf(9, 32)+" Master-Key:"+hexOf(10, 48)+"\n"+
		"CLIENT_EARLY_TRAFFIC_SECRET "+hexOf(1, 32)+" "+hexOf(6, 32)), 0)
	has(t, s, secret.Master, 0xab, hexOf(0xcd, 48))
	has(t, s, secret.ClientHandshake, 1, hexOf(2, 32))
	has(t, s, secret.ServerHandshake, 1, hexOf(3, 48))
	has(t, s, secret.ClientTraffic, 1, hexOf(4, 32))
	has(t, s, secret.ServerTraffic, 1, hexOf(5, 32))
	has(t, s, secret.ClientEarly, 1, hexOf(6, 32))
	has(t, s, secret.Master, 1, "")
	if p, ok := s.Premaster(append(bytes.Repeat([]byte{7}, 8), 1, 2, 3), 0); !ok || hex.EncodeToString(p.Bytes()) != hexOf(8, 48) {
		t.Error("the premaster secret of a line is not found")
	}
	if m, ok := s.Resumed(secret.Resumption{SessionID: bytes.Repeat([]byte{9}, 32)}, 0); !ok || hex.EncodeToString(m.Bytes()) != hexOf(10, 48) {
		t.Error("the session of a line is not found")
	}
	if st := s.Stats(); st.Secrets != 8 || st.Malformed != 0 {
		t.Errorf("%+v", st)
	}
}

// A secret counts from its packet on, and the same one again changes nothing.
func TestSince(t *testing.T) {
	s := secret.NewStore(secret.Limits{})
	if s.Any(1 << 60) {
		t.Error("an empty store has something")
	}
	s.AddLines([]byte(master(1, 2)), 10)
	v := s.Version()
	s.AddLines([]byte(master(1, 2)), 20)
	if s.Version() != v || s.Stats().Secrets != 1 {
		t.Error("the same secret is news")
	}
	for at, want := range map[uint64]bool{9: false, 10: true, 11: true} {
		if _, ok := s.Find(secret.Master, random(1), at); ok != want || s.Any(at) != want {
			t.Errorf("at packet %d: %v, %v", at, ok, s.Any(at))
		}
	}
	s.AddLines([]byte(master(1, 3)), 20) // another one takes its place
	if _, ok := s.Find(secret.Master, random(1), 15); ok || s.Version() == v {
		t.Error("another secret for the same connection is no news")
	}
	s.Expect()
	if !s.Any(0) {
		t.Error("secrets are expected")
	}
}

// When it is full the oldest makes room, over and over.
func TestFull(t *testing.T) {
	s := secret.NewStore(secret.Limits{Entries: 3})
	for i := range byte(10) {
		s.AddLines([]byte(master(i, i+100)), 0)
		for j := range i + 1 {
			want := ""
			if j+3 > i {
				want = hexOf(j+100, 48)
			}
			has(t, s, secret.Master, j, want)
		}
	}
	if st := s.Stats(); st.Secrets != 10 || st.Evicted != 7 {
		t.Errorf("%+v", st)
	}
}

func TestForgetful(t *testing.T) {
	for _, forgetful := range []bool{false, true} {
		s := secret.NewStore(secret.Limits{Forgetful: forgetful})
		s.Learn(secret.Resumption{SessionID: []byte{1}, Ticket: []byte("ticket")}, secret.Of([]byte("m")), 5)
		for _, r := range []secret.Resumption{{SessionID: []byte{1}}, {Ticket: []byte("ticket")}, {SessionID: []byte{2}, Ticket: []byte("ticket")}} {
			if _, ok := s.Resumed(r, 5); ok == forgetful {
				t.Errorf("forgetful %v: %v for %v", forgetful, ok, r)
			}
			if _, ok := s.Resumed(r, 4); ok {
				t.Error("known too early")
			}
		}
		for _, r := range []secret.Resumption{{}, {SessionID: []byte{2}}, {SessionID: make([]byte, 33)}, {Ticket: []byte("other")}} {
			if _, ok := s.Resumed(r, 5); ok {
				t.Errorf("found by %v", r)
			}
		}
	}
}

func keyPEM(t *testing.T, kind string, key any) string {
	t.Helper()
	var der []byte
	var err error
	if kind == "RSA PRIVATE KEY" {
		der = x509.MarshalPKCS1PrivateKey(key.(*rsa.PrivateKey))
	} else if der, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func TestKeys(t *testing.T) {
	elliptic, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1, pkcs8 := keyPEM(t, "RSA PRIVATE KEY", rsaKey()), keyPEM(t, "PRIVATE KEY", rsaKey())
	for _, c := range []struct {
		name, text string
		keys       int
		err        string
	}{
		{"nothing", "", 0, "no private key"},
		{"no PEM", "hello", 0, "no private key"},
		{"a certificate alone", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 0, "no private key"},
		{"PKCS #1", pkcs1, 1, ""},
		{"PKCS #8", pkcs8, 1, ""},
		{"several, with a certificate", pkcs1 + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + pkcs8, 2, ""},
		{"an elliptic curve", keyPEM(t, "PRIVATE KEY", elliptic), 0, "not of RSA"},
		{"an elliptic curve, by its name", "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", 0, "not of RSA"},
		{"an encrypted one", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", 0, "encrypted"},
		{"an encrypted one of old", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", 0, "encrypted"},
		{"a damaged one", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n", 0, "cannot be read"},
	} {
		keys, err := secret.ParseKeys([]byte(c.text))
		if len(keys) != c.keys || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %d keys, %v", c.name, len(keys), err)
		}
	}
}

func TestPremaster(t *testing.T) {
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	longer, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	seal := func(p []byte) []byte {
		//lint:ignore SA1019 it is what TLS has
		b, err := rsa.EncryptPKCS1v15(rand.Reader, &rsaKey().PublicKey, p)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	want := append([]byte{3, 3}, make([]byte, 46)...)
	s := secret.NewStore(secret.Limits{})
	if _, ok := s.Premaster(seal(want), 0); ok {
		t.Error("found without a key")
	}
	for _, k := range []*rsa.PrivateKey{other, longer} {
		s.AddKey(k)
	}
	if _, ok := s.Premaster(seal(want), 0); ok {
		t.Error("found with the keys of others")
	}
	s.AddKey(rsaKey())
	if p, ok := s.Premaster(seal(want), 0); !ok || !bytes.Equal(p.Bytes(), want) {
		t.Error("not found")
	}
	for _, bad := range [][]byte{seal(want[:47]), seal(append(want, 0)), seal(make([]byte, 48)), seal(want)[:255], {}, make([]byte, 256)} {
		if _, ok := s.Premaster(bad, 0); ok {
			t.Errorf("found in %d bytes", len(bad))
		}
	}
}

// However it is printed, no secret is seen.
func TestNothingIsPrinted(t *testing.T) {
	s := secret.NewStore(secret.Limits{})
	s.AddLines([]byte(master(1, 0x5a)), 0)
	s.AddKey(rsaKey())
	m, _ := s.Find(secret.Master, random(1), 0)
	hidden := []string{hexOf(0x5a, 4), "90 90 90", "0x5a, 0x5a", "ZZZZ", rsaKey().D.String()[:20], fmt.Sprintf("%x", rsaKey().D.Bytes())[:20]}
	for _, v := range []any{s, m, &m, []secret.Secret{m}, struct{ S secret.Secret }{m}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c", "%U", "%b"} {
			text := fmt.Sprintf(verb, v)
			for _, h := range hidden {
				if strings.Contains(strings.ToLower(text), strings.ToLower(h)) {
					t.Errorf("%s of %T shows it: %.100s", verb, v, text)
				}
			}
		}
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys")
	write := func(name, text string, flag int) {
		t.Helper()
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|flag, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	s := secret.NewStore(secret.Limits{})
	f := secret.NewFiles(s, []string{path})
	defer f.Close()
	read := func() {
		t.Helper()
		if err := f.Read(false); err != nil {
			t.Error(err)
		}
	}
	if err := f.Read(false); !os.IsNotExist(unjoin(err)) {
		t.Errorf("a file that is missing: %v", err)
	}
	write("keys", master(1, 11)+master(2, 12)[:70], 0)
	read()
	has(t, s, secret.Master, 1, hexOf(11, 48))
	has(t, s, secret.Master, 2, "")
	write("keys", master(2, 12)[70:], os.O_APPEND) // the rest of the line
	read()
	has(t, s, secret.Master, 2, hexOf(12, 48))

	// Shortened and written anew.
	write("keys", "", os.O_TRUNC)
	read()
	write("keys", master(3, 13), 0)
	read()
	has(t, s, secret.Master, 3, hexOf(13, 48))

	// Replaced: what the old one got last is not missed.
	write("keys", master(4, 14), os.O_APPEND)
	if err := os.Rename(path, filepath.Join(dir, "old")); err != nil {
		t.Fatal(err)
	}
	write("keys", master(5, 15), 0)
	read()
	has(t, s, secret.Master, 4, hexOf(14, 48))
	has(t, s, secret.Master, 5, hexOf(15, 48))

	// Gone and back.
	os.Remove(path)
	if err := f.Read(false); err == nil {
		t.Error("a file that is gone is no error")
	}
	write("keys", master(6, 16), 0)
	read()
	has(t, s, secret.Master, 6, hexOf(16, 48))

	// A long line, and lines behind it.
	write("keys", strings.Repeat("x", 300_000)+"\n"+master(7, 17), os.O_APPEND)
	read()
	has(t, s, secret.Master, 7, hexOf(17, 48))

	// The last line does not end.
	write("keys", strings.TrimSpace(master(8, 18)), os.O_APPEND)
	read()
	has(t, s, secret.Master, 8, "")
	if err := f.Read(true); err != nil {
		t.Error(err)
	}
	has(t, s, secret.Master, 8, hexOf(18, 48))
}

func unjoin(err error) error {
	if j, ok := err.(interface{ Unwrap() []error }); ok && len(j.Unwrap()) == 1 {
		return j.Unwrap()[0]
	}
	return err
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"a", "b", ".hidden"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(master(byte(i), 10)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	os.Mkdir(filepath.Join(dir, "folder"), 0o700)
	os.Chmod(filepath.Join(dir, "b"), 0o644)
	s := secret.NewStore(secret.Limits{})
	f := secret.NewFiles(s, []string{dir})
	defer f.Close()
	for range 2 {
		if err := f.Read(false); err != nil {
			t.Fatal(err)
		}
	}
	has(t, s, secret.Master, 0, hexOf(10, 48))
	has(t, s, secret.Master, 1, hexOf(10, 48))
	has(t, s, secret.Master, 2, "")
	if loose := f.Loose(); len(loose) != 1 || filepath.Base(loose[0]) != "b" {
		t.Errorf("loose: %q", loose)
	}
	if loose := f.Loose(); len(loose) != 0 {
		t.Errorf("told again: %q", loose)
	}
	os.Remove(filepath.Join(dir, "a"))
	os.WriteFile(filepath.Join(dir, "c"), []byte(master(3, 10)), 0o600)
	if err := f.Read(false); err != nil {
		t.Fatal(err)
	}
	has(t, s, secret.Master, 3, hexOf(10, 48))
	for i := range 300 {
		os.WriteFile(filepath.Join(dir, fmt.Sprintf("z%03d", i)), nil, 0o600)
	}
	if err := f.Read(false); err == nil || !strings.Contains(err.Error(), "only 256 files") {
		t.Errorf("300 files: %v", err)
	}
}

// Neither devices nor pipes are waited for.
func TestNoFile(t *testing.T) {
	f := secret.NewFiles(secret.NewStore(secret.Limits{}), []string{os.DevNull})
	if err := f.Read(true); err == nil {
		t.Error("a device is read")
	}
}

// A Store may be asked and told at the same time.
func TestAtTheSameTime(t *testing.T) {
	s := secret.NewStore(secret.Limits{Entries: 50})
	var w sync.WaitGroup
	for i := range byte(4) {
		w.Go(func() {
			for j := range byte(100) {
				s.AddLines([]byte(master(j, i)), uint64(j))
				s.Find(secret.Master, random(j), uint64(i))
				s.Any(uint64(j))
				s.Version()
				s.Stats()
			}
		})
	}
	w.Wait()
}

func FuzzLines(f *testing.F) {
	f.Add([]byte(master(1, 2)))
	f.Add([]byte("RSA Session-ID:00 Master-Key:" + hexOf(1, 48) + "\n# x\nSERVER_TRAFFIC_SECRET_0 " + hexOf(1, 32) + " " + hexOf(2, 48)))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := string(b)
		s := secret.NewStore(secret.Limits{Entries: 2})
		s.AddLines(b, 0)
		if string(b) != before {
			t.Fatal("the lines were changed")
		}
		st := s.Stats()
		if n := uint64(bytes.Count(b, []byte("\n")) + 1); st.Secrets+st.Ignored+st.Malformed > n || st.Evicted > st.Secrets {
			t.Fatalf("%+v of %d lines", st, n)
		}
		secret.ParseKeys(b)
	})
}
