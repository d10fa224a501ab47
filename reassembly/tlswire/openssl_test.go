package tlswire_test

import (
	"bufio"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/reassemblytest"
	"github.com/authtap/authtap/reassembly/tlswire"
	"github.com/authtap/authtap/reassembly/tlswire/suite"
)

// Handshakes of OpenSSL with itself: what crypto/tls does not have.
func TestOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed(t, key, nil)}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...)
	file := filepath.Join(dir, "server.pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		version, cipher string
		want            exchange.Version
		suite           string
		etm             bool
	}{
		{"-tls1", "ECDHE-RSA-AES128-SHA", exchange.TLS10, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", true},
		{"-tls1_1", "AES256-SHA", exchange.TLS11, "TLS_RSA_WITH_AES_256_CBC_SHA", true},
		{"-tls1_2", "ECDHE-RSA-CHACHA20-POLY1305", exchange.TLS12, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", false},
		{"-tls1_2", "DHE-RSA-AES256-CCM8", exchange.TLS12, "TLS_DHE_RSA_WITH_AES_256_CCM_8", false},
		{"-tls1_2", "CAMELLIA128-SHA256", exchange.TLS12, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA256", true},
		{"-tls1_2", "NULL-SHA256", exchange.TLS12, "TLS_RSA_WITH_NULL_SHA256", true},
		{"-tls1_2", "ADH-AES128-GCM-SHA256", exchange.TLS12, "TLS_DH_anon_WITH_AES_128_GCM_SHA256", false},
		{"-tls1_3", "", exchange.TLS13, "TLS_AES_256_GCM_SHA384", false},
	} {
		t.Run(c.version[1:]+" "+c.cipher, func(t *testing.T) {
			turns := openssl(t, file, c.version, c.cipher)
			h := read(t, turns)
			s := h.ServerHello
			if s.Version != c.want || suite.Name(s.Suite) != c.suite || s.EncryptThenMAC != c.etm || h.Outcome != exchange.Established ||
				h.ClientHello.ServerName != "api.test" || h.Damage != 0 || h.ClientHello.JA3 == "" {
				t.Errorf("%+v", h)
			}
			certificates := 1
			if c.want == exchange.TLS13 || strings.HasPrefix(c.cipher, "ADH") {
				certificates = 0
			}
			if len(h.Certificates) != certificates || certificates > 0 && (h.Certificates[0].Key != "RSA" || h.Certificates[0].KeyBits != 2048) {
				t.Errorf("%+v", h.Certificates)
			}
			reassemblytest.Splits(t, turns, factory(tlswire.Limits{}))
			gaps(t, turns, h)
		})
	}
}

// openssl gives what a client and a server say to each other.
func openssl(t *testing.T, file, version, cipher string) []reassemblytest.Turn {
	t.Helper()
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer front.Close()
	ciphers := []string{version}
	if cipher != "" {
		ciphers = append(ciphers, "-cipher", cipher+":@SECLEVEL=0")
	}
	server := exec.Command("openssl", append([]string{"s_server", "-accept", "127.0.0.1:0", "-cert", file, "-key", file, "-naccept", "1", "-rev"}, ciphers...)...)
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer server.Wait()
	defer server.Process.Kill()
	behind, lines := "", bufio.NewScanner(out)
	for behind == "" && lines.Scan() {
		if addr, ok := strings.CutPrefix(lines.Text(), "ACCEPT "); ok {
			behind = addr
		}
	}
	if behind == "" {
		t.Skip("openssl s_server does not take ", ciphers)
	}
	go io.Copy(io.Discard, out)

	var w wire
	done := make(chan struct{})
	go func() {
		defer close(done)
		a, err := front.Accept()
		if err != nil {
			return
		}
		b, err := net.Dial("tcp", behind)
		if err != nil {
			a.Close()
			return
		}
		var both sync.WaitGroup
		both.Go(func() { io.Copy(tapped{b, &w, false}, only{a}); b.(*net.TCPConn).CloseWrite() })
		both.Go(func() { io.Copy(tapped{a, &w, true}, only{b}); a.(*net.TCPConn).CloseWrite() })
		both.Wait()
		a.Close()
		b.Close()
	}()
	client := exec.Command("openssl", append([]string{"s_client", "-connect", front.Addr().String(), "-servername", "api.test", "-quiet"}, ciphers...)...)
	in, err := client.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(in, "hello\n")
	fmt.Fscan(answer, new(string))
	client.Process.Kill()
	client.Wait()
	server.Process.Kill()
	<-done
	return w.turns
}

// only hides what lets io.Copy go round the tap.
type only struct{ io.Reader }
