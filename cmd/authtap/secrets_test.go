package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/reassembly/reassemblytest"
	"github.com/authtap/authtap/reassembly/tlswire/secret"
)

// overTLS is a capture of an attack inside TLS, and what opens it.
type overTLS struct {
	pcap, keylog, key []byte
}

// attackOverTLS has a client with a token that nobody signed talk to a server
// that takes it, over TLS up to a version.
var attackOverTLS = func() func(t *testing.T, version uint16) overTLS {
	var mu sync.Mutex
	made := map[uint16]overTLS{}
	return func(t *testing.T, version uint16) overTLS {
		mu.Lock()
		defer mu.Unlock()
		if _, ok := made[version]; !ok {
			made[version] = makeAttack(t, version)
		}
		return made[version]
	}
}()

func makeAttack(t *testing.T, version uint16) (o overTLS) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "shop.example"}, DNSNames: []string{"shop.example"},
		NotBefore: time.Unix(1_700_000_000, 0), NotAfter: time.Unix(1_900_000_000, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	o.key = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)})
	server := &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: k}}, MaxVersion: version,
		CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256},
	}
	var log bytes.Buffer
	client := &tls.Config{InsecureSkipVerify: true, MaxVersion: version, KeyLogWriter: &log, CipherSuites: server.CipherSuites}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		c := tls.Server(conn, server)
		in := bufio.NewReader(c)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			status, body := "200 OK", `{"id":1,"total":"9.90"}`
			if r.Header.Get("Authorization") == "" {
				status, body = "401 Unauthorized", `{"error":"no token"}`
			}
			fmt.Fprintf(c, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
		}
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	script.WriteString("conn a 203.0.113.9:50000 198.51.100.1:443\n")
	c := tls.Client(scribe{conn, &script}, client)
	in := bufio.NewReader(c)
	token := func(header, signature string) string {
		b := base64.RawURLEncoding
		return b.EncodeToString([]byte(header)) + "." + b.EncodeToString([]byte(`{"sub":"carol"}`)) + "." + signature
	}
	for i, token := range []string{
		token(`{"alg":"RS256"}`, strings.Repeat("A", 342)), token(`{"alg":"RS256"}`, strings.Repeat("A", 342)), "", "", token(`{"alg":"none"}`, ""),
	} {
		fmt.Fprintf(c, "GET /orders/%d HTTP/1.1\r\nHost: shop.example\r\n", i)
		if token != "" {
			fmt.Fprintf(c, "Authorization: Bearer %s\r\n", token)
		}
		io.WriteString(c, "\r\n")
		r, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, r.Body)
		script.WriteString("time +1s\n")
	}
	c.Close()
	script.WriteString("fin\n")
	o.keylog = log.Bytes()

	d, err := reassemblytest.Parse("tls", script.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := pcapfile.NewWriter(&b, capture.LinkEthernet, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range d.Packets() {
		packet := p.Capture(uint64(i + 1))
		if err := w.Write(&packet); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	o.pcap = b.Bytes()
	return o
}

// scribe writes what a client writes and reads as a dialogue.
type scribe struct {
	net.Conn
	script *strings.Builder
}

func (s scribe) note(who string, b []byte) {
	s.script.WriteString(who + " \"")
	for _, c := range b {
		fmt.Fprintf(s.script, "\\x%02x", c)
	}
	s.script.WriteString("\"\n\n")
}

func (s scribe) Write(b []byte) (int, error) {
	s.note(">>", b)
	return s.Conn.Write(b)
}

func (s scribe) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if n > 0 {
		s.note("<<", b[:n])
	}
	return n, err
}

// pcapng gives the packets of a capture as pcapng, behind the secrets.
func (o *overTLS) pcapng() []byte {
	le := binary.LittleEndian
	block := func(kind uint32, body []byte) (b []byte) {
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
		n := uint32(12 + len(body))
		b = le.AppendUint32(le.AppendUint32(b, kind), n)
		return le.AppendUint32(append(b, body...), n)
	}
	u32 := func(b []byte, vs ...uint32) []byte {
		for _, v := range vs {
			b = le.AppendUint32(b, v)
		}
		return b
	}
	out := block(0x0a0d0d0a, u32(nil, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff))
	out = append(out, block(1, append(u32(nil, 1, 0), 9, 0, 1, 0, 9, 0, 0, 0))...) // Ethernet, nanoseconds
	out = append(out, block(10, append(u32(nil, 0x544c534b, uint32(len(o.keylog))), o.keylog...))...)
	source, err := pcapfile.Open([]string{"-"}, pcapfile.Options{Stdin: bytes.NewReader(o.pcap)})
	if err != nil {
		panic(err)
	}
	defer source.Close()
	var p capture.Packet
	for source.Next(&p) == nil {
		head := u32(nil, 0, uint32(p.Time>>32), uint32(p.Time), uint32(len(p.Data)), uint32(p.Length))
		out = append(out, block(6, append(head, p.Data...))...)
	}
	return out
}

// secretsOf gives what must not be seen anywhere.
func (o *overTLS) secretsOf() (all []string) {
	for line := range strings.Lines(string(o.keylog)) {
		if f := strings.Fields(line); len(f) == 3 {
			b, _ := hex.DecodeString(f[2])
			all = append(all, f[2][:24], base64.StdEncoding.EncodeToString(b)[:20], fmt.Sprint(b[:8]), string(b[:12]))
		}
	}
	return append(all, strings.Split(string(o.key), "\n")[3][:24])
}

func TestDecrypting(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, b []byte, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, mode); err != nil {
			t.Fatal(err)
		}
		os.Chmod(path, mode)
		return path
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		o := attackOverTLS(t, version)
		pcap, pcapng := file("in.pcap", o.pcap, 0o600), file("in.pcapng", o.pcapng(), 0o600)
		keylog, open := file("keys.log", o.keylog, 0o600), file("open.log", o.keylog, 0o644)
		cut := file("cut.log", bytes.TrimSpace(o.keylog), 0o600)
		key, openKey := file("key.pem", o.key, 0o600), file("open.pem", o.key, 0o640)
		rsa := version == tls.VersionTLS12
		folder := filepath.Join(dir, "folder")
		os.Mkdir(folder, 0o700)
		file("folder/a.log", []byte("# none\n"), 0o600)
		file("folder/b.log", o.keylog, 0o600)
		const exchanges, findings = 5, "jwt_alg_none"
		for _, c := range []struct {
			name   string
			args   []string
			opened bool
			says   string
		}{
			{"nothing", []string{pcap}, false, ""},
			{"a key log", []string{"--tls-keylog", keylog, pcap}, true, "1 TLS connections decrypted"},
			{"a folder of them", []string{"--tls-keylog", folder, pcap}, true, ""},
			{"one whose last line does not end", []string{"--tls-keylog", cut, pcap}, true, ""},
			{"one that others may read", []string{"--tls-keylog", open, pcap}, true, "others may read the key log " + open},
			{"several shards", []string{"--tls-keylog", keylog, "--shards", "4", pcap}, true, ""},
			{"the server's key", []string{"--tls-key", key, pcap}, rsa, ""},
			{"one that others may read", []string{"--tls-key", openKey, pcap}, rsa, "others may read the TLS key in " + openKey},
			{"secrets in the capture", []string{pcapng}, true, ""},
			{"little room", []string{"--tls-keylog", keylog, "--limits", "tls-secrets=1", pcap}, rsa, ""},
		} {
			t.Run(tls.VersionName(version)+", "+c.name, func(t *testing.T) {
				out, stderr, code := run(t, append([]string{"exchanges"}, c.args...)...)
				if n := strings.Count(out, `"tls":"decrypted"`); code != exitDone || c.opened && n != exchanges || !c.opened && out != "" {
					t.Errorf("exit code %d, %d exchanges\n%s%s", code, n, out, stderr)
				}
				if c.says != "" && !strings.Contains(stderr, c.says) {
					t.Errorf("not said: %s", stderr)
				}
				found, stderr2, code := run(t, append([]string{"replay", "--store", "none", "--key-file", testKey(t)}, c.args...)...)
				if code != exitDone || strings.Contains(found, findings) != c.opened || strings.Contains(found, "cleartext_credential") {
					t.Errorf("exit code %d\n%s%s", code, found, stderr2)
				}
				for _, s := range o.secretsOf() {
					if strings.Contains(out+stderr+found+stderr2, s) {
						t.Errorf("a secret is told: %q", s)
					}
				}
			})
		}
	}
	pcap := filepath.Join(dir, "in.pcap")
	for _, c := range []struct {
		name, says string
		args       []string
	}{
		{"a key log that is missing", "no such file", []string{"--tls-keylog", filepath.Join(dir, "none"), pcap}},
		{"a key that is missing", "no such file", []string{"--tls-key", filepath.Join(dir, "none"), pcap}},
		{"a key that is none", "no private key", []string{"--tls-key", pcap, pcap}},
		{"a device for a key log", "neither a file nor a folder", []string{"--tls-keylog", os.DevNull, pcap}},
	} {
		if _, stderr, code := run(t, append([]string{"exchanges"}, c.args...)...); code != exitError || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: exit code %d, %s", c.name, code, stderr)
		}
	}
}

// Live, a key log is read on as it grows, and what is wrong with it told once.
func TestKeyLogIsReadOn(t *testing.T) {
	o := attackOverTLS(t, tls.VersionTLS13)
	path := filepath.Join(t.TempDir(), "keys.log")
	var stderr safeBuffer
	p := &program{stderr: &stderr}
	store := newSecrets(&config.Settings{}, true)
	logs := secret.NewFiles(store, []string{path})
	defer logs.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.readOn(ctx, logs)
	}()
	waitFor := func(what string, done func() bool) {
		t.Helper()
		for i := 0; !done(); i++ {
			if i == 12_000 {
				t.Fatalf("waiting for %s: %s", what, stderr.String())
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	waitFor("the file is missed", func() bool { return strings.Contains(stderr.String(), "cannot read the key log") })
	half := bytes.IndexByte(o.keylog, '\n') + 1
	begun := path + ".begun" // which others may read, whatever the umask, before it is found
	if err := errors.Join(os.WriteFile(begun, o.keylog[:half+10], 0o644), os.Chmod(begun, 0o644), os.Rename(begun, path)); err != nil {
		t.Fatal(err)
	}
	waitFor("the first line", func() bool { return store.Stats().Secrets == 1 })
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.Write(o.keylog[half+10:])
	waitFor("the others", func() bool { return store.Stats().Secrets >= 4 })
	cancel()
	<-ended
	if text := stderr.String(); strings.Count(text, "cannot read") != 1 || strings.Count(text, "others may read") != 1 {
		t.Errorf("%s", text)
	}
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
