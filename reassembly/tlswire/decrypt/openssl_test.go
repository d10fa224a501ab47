package decrypt_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authtap/authtap/reassembly/tlswire/decrypt"
)

// openssl is a server of OpenSSL; with -rev it gives lines back reversed.
type openssl struct {
	dir  string
	addr string
	said *syncBuffer
}

// listens starts openssl s_server.
func listens(t *testing.T, identity string, args ...string) *openssl {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	o := &openssl{dir: t.TempDir(), said: new(syncBuffer)}
	cert := identities()[identity]
	var key []byte
	var err error
	if k, ok := cert.PrivateKey.(*ecdsa.PrivateKey); ok {
		key, err = x509.MarshalPKCS8PrivateKey(k)
	} else {
		key, err = x509.MarshalPKCS8PrivateKey(rsaKey())
	}
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(o.dir, "server.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("openssl", append([]string{"s_server", "-accept", "127.0.0.1:0", "-cert", file}, args...)...)
	if _, err = cmd.StdinPipe(); err != nil { // it ends with its standard input
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if addr, ok := strings.CutPrefix(lines.Text(), "ACCEPT "); ok {
			o.addr = addr
			break
		}
	}
	if o.addr == "" {
		t.Skip("openssl s_server does not take ", args)
	}
	go io.Copy(o.said, out)
	return o
}

// talk connects openssl s_client through a wire, has it say lines, and gives
// what went over the wire, and the key log. It waits for what comes of each.
func (o *openssl) talk(t *testing.T, args []string, says ...string) (turns []turn, log []byte) {
	t.Helper()
	var w wire
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var copying sync.WaitGroup
	copying.Go(func() {
		a, err := l.Accept()
		if err != nil {
			return
		}
		b, err := net.Dial("tcp", o.addr)
		if err != nil {
			t.Error(err)
			return
		}
		// What one end writes arrives at the other through the wire.
		copying.Go(func() { io.Copy(tapped{b, &w, false}, a); b.(*net.TCPConn).CloseWrite() })
		io.Copy(tapped{a, &w, true}, b)
		a.Close()
		b.Close()
	})
	keys := filepath.Join(o.dir, "keys")
	os.Remove(keys)
	cmd := exec.Command("openssl", append([]string{"s_client", "-connect", l.Addr().String(), "-keylogfile", keys, "-nocommands"}, args...)...)
	if len(args) > 0 && args[0] == "commands" {
		cmd.Args = append(cmd.Args[:len(cmd.Args)-len(args)-1], args[1:]...)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out syncBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for _, line := range says {
		before := w.len()
		answered := func() bool {
			switch {
			case line == "k" || line == "K": // which the server answers with what it says next
				return w.len() > before
			case strings.Contains(out.String(), "\n"+reverse(line)+"\n"):
				return true
			case !strings.Contains(o.said.String(), "\n"+line+"\n"):
				return false
			}
			// A server that only listens. The client may have to take a ticket yet.
			i := slices.Index(args, "-sess_out")
			if i < 0 {
				return true
			}
			session, _ := os.ReadFile(args[i+1])
			return bytes.Contains(session, []byte("-----END"))
		}
		io.WriteString(in, line+"\n")
		for !answered() && len(ended) == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	in.Close()
	if err := <-ended; err != nil && w.len() < 4 {
		t.Skipf("openssl s_client does not take %v: %s", args, out.String())
	}
	copying.Wait()
	log, _ = os.ReadFile(keys)
	return w.turns, log
}

func (w *wire) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.turns)
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func reverse(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

// reversed checks that a conversation was read whole.
func reversed(t *testing.T, tap *tap, says ...string) {
	t.Helper()
	text := tap.end()
	got := content(text)
	client, server := strings.Join(says, "\n")+"\n", ""
	for _, s := range says {
		server += reverse(s) + "\n"
	}
	if got[0] != client || got[1] != server || strings.Contains(text, "gap") || tap.Stats().Unopened > 0 {
		t.Errorf("%s\n%+v", text, tap.Stats())
	}
}

// The suites that crypto/tls does not have, and others, which here have
// encrypt-then-MAC where it applies.
func TestOpenSSLSuites(t *testing.T) {
	for _, c := range []struct {
		identity, version, suite string
		key                      bool // the server's key is enough
	}{
		{"rsa", "-tls1_2", "AES128-CCM", true},
		{"rsa", "-tls1_2", "AES256-CCM", true},
		{"rsa", "-tls1_2", "AES128-CCM8", true},
		{"rsa", "-tls1_2", "DHE-RSA-AES256-CCM8", false},
		{"ecdsa", "-tls1_2", "ECDHE-ECDSA-AES128-CCM", false},
		{"ecdsa", "-tls1_2", "ECDHE-ECDSA-AES256-CCM8", false},
		{"rsa", "-tls1_2", "DHE-RSA-CHACHA20-POLY1305", false},
		{"rsa", "-tls1_2", "AES128-SHA256", true},
		{"rsa", "-tls1_2", "AES256-SHA256", true},
		{"rsa", "-tls1_2", "ECDHE-RSA-AES256-SHA384", false},
		{"rsa", "-tls1_2", "ADH-AES128-SHA256", false},
		{"rsa", "-tls1_2", "AES256-SHA", true},
		{"rsa", "-tls1_1", "AES256-SHA", true},
		{"rsa", "-tls1", "AES128-SHA", true},
		{"rsa", "-tls1", "ECDHE-RSA-AES256-SHA", false},
		{"rsa", "-tls1_2", "DES-CBC3-SHA", true},
		{"rsa", "-tls1_2", "RC4-MD5", true},
		{"rsa", "-tls1_2", "NULL-SHA256", true},
		{"rsa", "-tls1_2", "NULL-MD5", true},
		{"rsa", "-tls1", "NULL-SHA", true},
	} {
		t.Run(c.version+" "+c.suite, func(t *testing.T) {
			o := listens(t, c.identity, "-rev", "-cipher", c.suite+":@SECLEVEL=0")
			turns, log := o.talk(t, []string{c.version, "-cipher", c.suite + ":@SECLEVEL=0"}, "one", "two and a half", "three")
			if len(turns) < 6 {
				t.Skip("openssl does not have this suite")
			}
			tap := newTap(decrypt.Limits{}, log)
			tap.play(turns, 1460)
			reversed(t, tap, "one", "two and a half", "three")
			if !c.key {
				return
			}
			tap = newTap(decrypt.Limits{}, nil)
			tap.store.AddKey(rsaKey())
			tap.play(turns, 100)
			reversed(t, tap, "one", "two and a half", "three")
		})
	}
}

func TestOpenSSL13(t *testing.T) {
	for _, c := range []struct {
		name           string
		client, server []string
		says           []string
		updates        uint64
	}{
		{"GCM 128", []string{"-ciphersuites", "TLS_AES_128_GCM_SHA256"}, nil, []string{"one", "two"}, 0},
		{"GCM 256", []string{"-ciphersuites", "TLS_AES_256_GCM_SHA384"}, nil, []string{"one", "two"}, 0},
		{"ChaCha", []string{"-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"}, nil, []string{"one", "two"}, 0},
		{"CCM", []string{"-ciphersuites", "TLS_AES_128_CCM_SHA256"}, nil, []string{"one", "two"}, 0},
		{"CCM 8", []string{"-ciphersuites", "TLS_AES_128_CCM_8_SHA256"}, nil, []string{"one", "two"}, 0},
		{"HelloRetryRequest", []string{"-groups", "X448:P-256"}, []string{"-groups", "P-256"}, []string{"one", "two"}, 0},
		{"without compatibility", []string{"-no_middlebox"}, []string{"-no_middlebox"}, []string{"one", "two"}, 0},
		{"padding", []string{"-record_padding", "512"}, []string{"-record_padding", "100"}, []string{"one", "two"}, 0},
		{"KeyUpdate of both", []string{"commands"}, nil, []string{"one", "K", "two", "K", "K", "three"}, 6},
		{"KeyUpdate of the client", []string{"commands"}, nil, []string{"one", "k", "two", "k", "three"}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := listens(t, "ecdsa", append([]string{"-rev", "-ciphersuites", "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256"}, c.server...)...)
			turns, log := o.talk(t, append(c.client, "-tls1_3"), c.says...)
			tap := newTap(decrypt.Limits{}, log)
			tap.play(turns, 1460)
			var said []string
			for _, s := range c.says {
				if s != "k" && s != "K" {
					said = append(said, s)
				}
			}
			reversed(t, tap, said...)
			if s := tap.Stats(); s.KeyUpdates != c.updates {
				t.Errorf("%d updates of keys, want %d", s.KeyUpdates, c.updates)
			}
			if c.name == "HelloRetryRequest" && !tap.handshakes[0].Retry {
				t.Error("there was no HelloRetryRequest")
			}
		})
	}
}

// Sessions that are taken up, by id and by ticket.
func TestOpenSSLResumption(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
	}{
		{"by id", []string{"-tls1_2", "-no_ticket", "-cipher", "AES128-SHA256"}},
		{"by ticket", []string{"-tls1_2", "-cipher", "AES128-SHA256"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := listens(t, "rsa", "-rev", "-cipher", "ALL")
			session := filepath.Join(o.dir, "session")
			first, _ := o.talk(t, append(c.args, "-sess_out", session), "one")
			second, log := o.talk(t, append(c.args, "-sess_in", session), "two")
			tap := newTap(decrypt.Limits{}, nil)
			tap.store.AddKey(rsaKey())
			tap.play(first, 1460)
			reversed(t, tap, "one")
			tap.inner = inner{}
			tap.connect()
			tap.play(second, 1460)
			reversed(t, tap, "two")
			if h := tap.handshakes; len(h) != 2 || h[1].Resumption == 0 {
				t.Errorf("%s: the session was not taken up", c.name)
			}
			tap = newTap(decrypt.Limits{}, log)
			tap.play(second, 1460)
			reversed(t, tap, "two")
		})
	}
}

// Early data, taken, refused, and with a HelloRetryRequest.
func TestOpenSSLEarlyData(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   []string
		taken  bool
		refuse bool
	}{
		{"taken", nil, true, false},
		{"refused", nil, false, true},
		{"with a HelloRetryRequest", []string{"-groups", "X448:P-256"}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := listens(t, "ecdsa", "-early_data", "-groups", "X25519:P-256")
			session, early := filepath.Join(o.dir, "session"), filepath.Join(o.dir, "early")
			if err := os.WriteFile(early, []byte("early\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			o.talk(t, []string{"-tls1_3", "-sess_out", session}, "one")
			if c.refuse {
				// The server takes a session up, and its early data once.
				o.talk(t, []string{"-tls1_3", "-sess_in", session, "-early_data", early}, "again")
			}
			turns, log := o.talk(t, append(c.args, "-tls1_3", "-sess_in", session, "-early_data", early), "two")
			if !bytes.Contains(log, []byte("CLIENT_EARLY_TRAFFIC_SECRET")) {
				t.Skip("openssl sent no early data")
			}
			want := "two\n"
			if c.taken {
				want = "early\ntwo\n"
			}
			for _, log := range [][]byte{log, withoutEarly(log)} {
				tap := newTap(decrypt.Limits{}, log)
				tap.play(turns, 1460)
				text := tap.end()
				if !bytes.Contains(log, []byte("CLIENT_EARLY")) && c.taken {
					if got := content(text)[0]; got != "two\n" || !strings.HasPrefix(text, "client gap") {
						t.Errorf("without the secret: %q", text)
					}
					continue
				}
				if got := content(text)[0]; got != want || strings.Contains(text, "gap") {
					t.Errorf("%q\n%+v", text, tap.Stats())
				}
				if s := tap.Stats(); (s.EarlyRejected > 0) == c.taken || s.Unopened > 0 {
					t.Errorf("%+v", s)
				}
			}
		})
	}
}

func withoutEarly(log []byte) (out []byte) {
	for line := range bytes.Lines(log) {
		if !bytes.HasPrefix(line, []byte("CLIENT_EARLY")) {
			out = append(out, line...)
		}
	}
	return out
}
