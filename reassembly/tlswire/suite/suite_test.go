package suite

import (
	"crypto/tls"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestWeaknesses(t *testing.T) {
	for _, c := range []struct {
		id   uint16
		name string
		want string
	}{
		// Nothing to say against these.
		{0x1301, "TLS_AES_128_GCM_SHA256", ""},
		{0x1302, "TLS_AES_256_GCM_SHA384", ""},
		{0x1303, "TLS_CHACHA20_POLY1305_SHA256", ""},
		{0x1304, "TLS_AES_128_CCM_SHA256", ""},
		{0x1305, "TLS_AES_128_CCM_8_SHA256", ""},
		{0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", ""},
		{0xc0ac, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM", ""},
		{0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", ""},
		{0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", ""},
		{0x00a8, "TLS_PSK_WITH_AES_128_GCM_SHA256", ""},
		{0xc0aa, "TLS_PSK_DHE_WITH_AES_128_CCM_8", ""},

		{0x0000, "TLS_NULL_WITH_NULL_NULL", "no encryption, anonymous"},
		{0x0002, "TLS_RSA_WITH_NULL_SHA", "no encryption, no forward secrecy"},
		{0xc0b4, "TLS_SHA256_SHA256", "no encryption"},
		{0x0034, "TLS_DH_anon_WITH_AES_128_CBC_SHA", "anonymous, CBC with SHA-1"},
		{0xc016, "TLS_ECDH_anon_WITH_RC4_128_SHA", "anonymous, RC4"},
		{0x0003, "TLS_RSA_EXPORT_WITH_RC4_40_MD5", "export, RC4, no forward secrecy"},
		{0x0008, "TLS_RSA_EXPORT_WITH_DES40_CBC_SHA", "export, no forward secrecy, CBC with SHA-1"},
		{0x0026, "TLS_KRB5_EXPORT_WITH_DES_CBC_40_SHA", "export, CBC with SHA-1"},
		{0x0009, "TLS_RSA_WITH_DES_CBC_SHA", "DES, no forward secrecy, CBC with SHA-1"},
		{0x0004, "TLS_RSA_WITH_RC4_128_MD5", "RC4, no forward secrecy"},
		{0xc012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA", "64-bit blocks, CBC with SHA-1"},
		{0x0007, "TLS_RSA_WITH_IDEA_CBC_SHA", "64-bit blocks, no forward secrecy, CBC with SHA-1"},
		{0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256", "no forward secrecy"},
		{0xc031, "TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256", "no forward secrecy"},
		{0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "CBC with SHA-1"},
	} {
		s, ok := Lookup(c.id)
		var got []string
		for _, w := range s.Weaknesses() {
			got = append(got, w.String())
		}
		if !ok || s.Name != c.name || strings.Join(got, ", ") != c.want {
			t.Errorf("%04x: %s, %q; want %s, %q", c.id, s.Name, got, c.name, c.want)
		}
	}
}

func TestParts(t *testing.T) {
	for _, want := range []Suite{
		{0x1302, "TLS_AES_256_GCM_SHA384", "", "", "AES_256_GCM", 256, "", true, "SHA384", true, false},
		{0x1305, "TLS_AES_128_CCM_8_SHA256", "", "", "AES_128_CCM_8", 128, "", true, "SHA256", true, false},
		{0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE", "RSA", "AES_128_GCM", 128, "", true, "SHA256", false, false},
		{0xc0a0, "TLS_RSA_WITH_AES_128_CCM_8", "RSA", "RSA", "AES_128_CCM_8", 128, "", true, "", false, false},
		{0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", "ECDHE", "RSA", "AES_256_CBC", 256, "SHA384", false, "SHA384", false, false},
		{0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA", "RSA", "RSA", "AES_256_CBC", 256, "SHA1", false, "", false, false},
		{0x0014, "TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA", "DHE", "RSA", "DES40_CBC", 40, "SHA1", false, "", false, true},
		{0x0006, "TLS_RSA_EXPORT_WITH_RC2_CBC_40_MD5", "RSA", "RSA", "RC2_40_CBC", 40, "MD5", false, "", false, true},
		{0x001a, "TLS_DH_anon_WITH_DES_CBC_SHA", "DH", "anon", "DES_CBC", 56, "SHA1", false, "", false, false},
		{0x008e, "TLS_DHE_PSK_WITH_RC4_128_SHA", "DHE_PSK", "PSK", "RC4_128", 128, "SHA1", false, "", false, false},
		{0xc01c, "TLS_SRP_SHA_DSS_WITH_3DES_EDE_CBC_SHA", "SRP", "DSS", "3DES_EDE_CBC", 168, "SHA1", false, "", false, false},
		{0xccaa, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "DHE", "RSA", "CHACHA20_POLY1305", 256, "", true, "SHA256", false, false},
		{0x00c6, "TLS_SM4_GCM_SM3", "", "", "SM4_GCM", 128, "", true, "SM3", true, false},
		{0xc0b5, "TLS_SHA384_SHA384", "", "", "NULL", 0, "SHA384", false, "SHA384", true, false},
		{0xc105, "TLS_GOSTR341112_256_WITH_KUZNYECHIK_MGM_S", "GOST", "GOST", "KUZNYECHIK_MGM_S", 256, "", true, "", true, false},
		{0x0001, "TLS_RSA_WITH_NULL_MD5", "RSA", "RSA", "NULL", 0, "MD5", false, "", false, false},
	} {
		if got, _ := Lookup(want.ID); got != want {
			t.Errorf("\ngot  %+v\nwant %+v", got, want)
		}
	}
}

// The registry has 350 suites, the two signalling values aside, and every one
// is made of something.
func TestTable(t *testing.T) {
	names, n := map[string]bool{}, 0
	All(func(s Suite) {
		n++
		names[s.Name] = true
		if s.Cipher == "" || s.KeyBits == 0 != (s.Cipher == "NULL") {
			t.Errorf("%+v", s)
		}
		if s.AEAD == (s.MAC != "") && s.ID != 0 && s.KeyExchange != "GOST" {
			t.Errorf("AEAD and MAC: %+v", s)
		}
		if s.TLS13 != (s.KeyExchange == "") && s.KeyExchange != "GOST" {
			t.Errorf("of which version? %+v", s)
		}
	})
	if n != 350 || len(names) != n {
		t.Errorf("%d suites with %d names", n, len(names))
	}
	if Name(0xcc13) != "0xcc13" || Name(0x0a0a) != "0x0a0a" {
		t.Error("a name where there is none")
	}
}

// crypto/tls knows some of them, and which are of TLS 1.3.
func TestAgainstStandardLibrary(t *testing.T) {
	for _, c := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		s, ok := Lookup(c.ID)
		if !ok || s.Name != c.Name {
			t.Errorf("%04x is %s, want %s", c.ID, s.Name, c.Name)
		}
		if got, want := s.TLS13, slices.Equal(c.SupportedVersions, []uint16{tls.VersionTLS13}); got != want {
			t.Errorf("%s: of TLS 1.3: %v", c.Name, got)
		}
		if c.Insecure && len(s.Weaknesses()) == 0 && !strings.Contains(c.Name, "_CBC_SHA256") {
			t.Errorf("%s has no weakness", c.Name)
		}
	}
}

// OpenSSL tells the parts of those that it has.
func TestAgainstOpenSSL(t *testing.T) {
	out, err := exec.Command("openssl", "ciphers", "-V", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0").Output()
	if err != nil {
		t.Skip(err)
	}
	n := 0
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		var high, low uint16
		if len(f) < 9 || !strings.HasPrefix(f[2], "TLS_") {
			continue
		}
		if _, err := fmt.Sscanf(f[0], "0x%x,0x%x", &high, &low); err != nil {
			t.Fatal(err)
		}
		n++
		s, ok := Lookup(high<<8 | low)
		if !ok || s.Name != f[2] {
			t.Errorf("%s: got %s", line, s.Name)
			continue
		}
		mac := strings.TrimPrefix(f[len(f)-1], "Mac=")
		if mac != "AEAD" && mac != s.MAC || mac == "AEAD" != s.AEAD {
			t.Errorf("%s: MAC %q", strings.TrimSpace(line), s.MAC)
		}
		enc := strings.TrimPrefix(f[len(f)-2], "Enc=")
		bits := fmt.Sprintf("(%d)", s.KeyBits)
		if enc != "None" && !strings.HasSuffix(enc, bits) && !strings.HasPrefix(enc, "AESCCM8") {
			t.Errorf("%s: %d bits", strings.TrimSpace(line), s.KeyBits)
		}
	}
	if n < 50 {
		t.Errorf("only %d suites of OpenSSL were compared", n)
	}
}
