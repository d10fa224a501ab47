package record

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"encoding/hex"
	"strings"
	"testing"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// RFC 3610, section 8, packet vectors 1 and 2.
func TestCCM(t *testing.T) {
	key := unhex("C0 C1 C2 C3 C4 C5 C6 C7 C8 C9 CA CB CC CD CE CF")
	data := unhex("00 01 02 03 04 05 06 07")
	for _, c := range []struct{ nonce, content, sealed string }{
		{
			"00 00 00 03 02 01 00 A0 A1 A2 A3 A4 A5",
			"08 09 0A 0B 0C 0D 0E 0F 10 11 12 13 14 15 16 17 18 19 1A 1B 1C 1D 1E",
			"58 8C 97 9A 61 C6 63 D2 F0 66 D0 C2 C0 F9 89 80 6D 5F 6B 61 DA C3 84 17 E8 D1 2C FD F9 26 E0",
		}, {
			"00 00 00 04 03 02 01 A0 A1 A2 A3 A4 A5",
			"08 09 0A 0B 0C 0D 0E 0F 10 11 12 13 14 15 16 17 18 19 1A 1B 1C 1D 1E 1F",
			"72 C9 1A 36 E1 35 F8 CF 29 1C A8 94 08 5C 87 E3 CC 15 C4 39 C9 E4 3A 3B A0 91 D5 6E 10 40 09 16",
		},
	} {
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		ccm := newCCM(block, 13, 8)
		sealed := unhex(c.sealed)
		if got := ccm.Seal(nil, unhex(c.nonce), unhex(c.content), data); !bytes.Equal(got, sealed) {
			t.Errorf("sealed: %x", got)
		}
		if got, err := ccm.Open([]byte("x"), unhex(c.nonce), sealed, data); err != nil || !bytes.Equal(got[1:], unhex(c.content)) {
			t.Errorf("opened: %x, %v", got, err)
		}
		for i := range sealed {
			sealed[i] ^= 0x40
			if _, err := ccm.Open(nil, unhex(c.nonce), sealed, data); err == nil {
				t.Errorf("byte %d was changed, and nobody minds", i)
			}
			sealed[i] ^= 0x40
		}
		if _, err := ccm.Open(nil, unhex(c.nonce), sealed, data[1:]); err == nil {
			t.Error("other data authenticate, too")
		}
		for _, n := range []int{0, 7} {
			if _, err := ccm.Open(nil, unhex(c.nonce), sealed[:n], data); err == nil {
				t.Errorf("%d bytes are opened", n)
			}
		}
		if _, err := ccm.Open(nil, unhex(c.nonce), make([]byte, maxCCM+9), data); err == nil {
			t.Error("a message that cannot be counted is opened")
		}
	}
}

// RFC 8448, section 3.
func TestRecordsOfTLS13(t *testing.T) {
	suite, _ := SuiteOf(0x1301)
	var content []byte
	for i := range byte(50) {
		content = append(content, i)
	}
	for _, c := range []struct {
		name, secret, record string
		kind                 uint8
		content              []byte
	}{
		{
			"the client's Finished",
			"b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21",
			`17 03 03 00 35 75 ec 4d c2 38 cc e6 0b 29 80 44 a7 1e 21 9c 56 cc 77 b0 51 7f e9 b9
			 3c 7a 4b fc 44 d8 7f 38 f8 03 38 ac 98 fc 46 de b3 84 bd 1c ae ac ab 68 67 d7 26 c4 05 46`,
			Handshake,
			unhex("14 00 00 20 a8 ec 43 6d 67 76 34 ae 52 5a c1 fc eb e1 1a 03 9e c1 76 94 fa c6 e9 85 27 b6 42 f2 ed d5 ce 61"),
		}, {
			"the client's data",
			"9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
			`17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa 66 bc ab 3f
			 2b 98 19 a8 a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 97 70 14 bd 1e 3d ea e6
			 3a ee bb 21 69 49 15 e4`,
			ApplicationData,
			content,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := unhex(c.record)
			r := Record{Type: b[0], Version: uint16(b[1])<<8 | uint16(b[2]), Fragment: b[HeaderLength:]}
			o := suite.Opener13(unhex(c.secret))
			got, ok := o.Open(nil, &r, 0, 1)
			if !ok || got.Type != c.kind || got.Seq != 0 || !bytes.Equal(got.Content, c.content) {
				t.Errorf("%+v, %v", got, ok)
			}
			if _, ok := o.Open(nil, &r, 1, 64); ok {
				t.Error("opened with other sequence numbers")
			}
			for i := range r.Fragment {
				changed := r
				changed.Fragment = bytes.Clone(r.Fragment)
				changed.Fragment[i] ^= 1
				if _, ok := o.Open(nil, &changed, 0, 64); ok {
					t.Errorf("opened with byte %d changed", i)
				}
				cut := r
				cut.Fragment = r.Fragment[:i]
				if _, ok := o.Open(nil, &cut, 0, 64); ok {
					t.Errorf("opened when cut to %d bytes", i)
				}
			}
			for _, changed := range []Record{{22, r.Version, r.Fragment}, {r.Type, 0x0301, r.Fragment}} {
				if _, ok := o.Open(nil, &changed, 0, 1); ok {
					t.Error("opened with another header")
				}
			}
		})
	}
}

// A record of TLS 1.3 without a type is none (RFC 8446, section 5.4).
func TestOnlyPadding(t *testing.T) {
	suite, _ := SuiteOf(0x1301)
	a := suite.Opener13(make([]byte, 32)).(*aead)
	for _, c := range []struct {
		inner string
		ok    bool
		kind  uint8
		text  string
	}{
		{"\x00\x00\x00", false, 0, ""},
		{"", false, 0, ""},
		{"\x17", true, 23, ""},
		{"a\x00b\x17\x00\x00", true, 23, "a\x00b"},
	} {
		header := []byte{23, 3, 3, 0, byte(len(c.inner) + 16)}
		r := Record{Type: 23, Version: 0x0303, Fragment: a.aead.Seal(nil, a.iv[:], []byte(c.inner), header)}
		o, ok := a.Open(nil, &r, 0, 1)
		if ok != c.ok || ok && (o.Type != c.kind || string(o.Content) != c.text) {
			t.Errorf("%q: %+v, %v", c.inner, o, ok)
		}
	}
}

// The vector of the IETF's TLS working group for P_SHA256, 2008.
func TestPRF(t *testing.T) {
	s := Suite{hash: crypto.SHA256}
	got := s.prf(TLS12, unhex("9bbe436ba940f017b17652849a71db35"), "test label", unhex("a0ba9f936cda311827a6f796ffd5198c"), 100)
	want := unhex(`e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa0
		22f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66`)
	if !bytes.Equal(got, want) {
		t.Errorf("%x", got)
	}
}

// TLS 1.0 chains its records; what a lost one costs is one more.
func TestChainedCBC(t *testing.T) {
	suite, _ := SuiteOf(0x002f)
	var randoms Randoms
	open, _ := suite.Openers(TLS10, make([]byte, MasterLength), &randoms, false)
	seal := newSealer(suite, TLS10, false)
	var sealed [][]byte
	for _, s := range []string{"one", "two", "three", "four"} {
		sealed = append(sealed, seal.seal(ApplicationData, []byte(s)))
	}
	try := func(i int, first uint64) string {
		o, ok := open.Open(nil, &Record{ApplicationData, TLS10, sealed[i]}, first, 64)
		if !ok {
			return "-"
		}
		return string(o.Content)
	}
	if got := try(0, 0); got != "one" {
		t.Fatalf("%q", got)
	}
	if !open.Lose() {
		t.Fatal("that is not the end")
	}
	if got := try(2, 1); got != "-" {
		t.Errorf("without its IV: %q", got)
	}
	if got := try(3, 1); got != "four" {
		t.Errorf("then: %q", got)
	}
}

// Paddings that are none.
func TestUnpad(t *testing.T) {
	for _, c := range []struct {
		in   string
		want int // -1: none
	}{
		{"ab\x00", 2}, {"a\x01\x01", 1}, {"\x02\x02\x02", 0},
		{"a\x02\x01", -1}, {"\x03\x03\x03", -1}, {"abc", -1}, {"\x00\x01\x02\x03", -1},
	} {
		got, ok := unpad([]byte(c.in))
		if ok != (c.want >= 0) || ok && len(got) != c.want {
			t.Errorf("%q: %q, %v", c.in, got, ok)
		}
	}
}

// Each suite of the table has what its cipher needs.
func TestTable(t *testing.T) {
	if n := len(allSuites()); n < 150 {
		t.Errorf("only %d suites are opened", n)
	}
	for id, s := range allSuites() {
		if s.hash == 0 || !s.bulk.aead() && s.mac == 0 || s.bulk.aead() && s.mac != 0 {
			t.Errorf("%04x: %+v", id, s)
		}
		if s.TLS13 {
			s.Opener13(make([]byte, s.SecretLength()))
			continue
		}
		for _, v := range []uint16{TLS10, TLS11, TLS12} {
			client, server := s.Openers(v, make([]byte, MasterLength), &Randoms{}, true)
			for _, o := range []Opener{client, server} {
				for n := range 70 {
					if _, ok := o.Open(nil, &Record{23, v, make([]byte, n)}, 0, 2); ok {
						t.Errorf("%04x: %d zeros are opened", id, n)
					}
				}
				if _, ok := o.Open(nil, &Record{23, v, make([]byte, MaxFragment+1)}, 0, 1); ok {
					t.Errorf("%04x: a fragment that is too long is opened", id)
				}
			}
		}
	}
	for id, c := range map[uint16]struct {
		want Suite
		ok   bool
	}{
		0x0000: {}, 0x0003: {}, 0x0008: {}, 0x0041: {}, 0x0096: {}, 0x00c6: {}, 0x1306: {}, 0xc03c: {}, 0xc0b4: {}, 0xffff: {},
		0x0001: {Suite{null, crypto.MD5, crypto.SHA256, true, false}, true},
		0x0004: {Suite{rc4Stream, crypto.MD5, crypto.SHA256, true, false}, true},
		0x0013: {Suite{tripleDES, crypto.SHA1, crypto.SHA256, false, false}, true},
		0x002f: {Suite{aes128CBC, crypto.SHA1, crypto.SHA256, true, false}, true},
		0x003d: {Suite{aes256CBC, crypto.SHA256, crypto.SHA256, true, false}, true},
		0x009d: {Suite{aes256GCM, 0, crypto.SHA384, true, false}, true},
		0x1301: {Suite{aes128GCM, 0, crypto.SHA256, false, true}, true},
		0x1305: {Suite{aes128CCM8, 0, crypto.SHA256, false, true}, true},
		0xc024: {Suite{aes256CBC, crypto.SHA384, crypto.SHA384, false, false}, true},
		0xc030: {Suite{aes256GCM, 0, crypto.SHA384, false, false}, true},
		0xc0ad: {Suite{aes256CCM, 0, crypto.SHA256, false, false}, true},
		0xcca8: {Suite{chacha20, 0, crypto.SHA256, false, false}, true},
	} {
		if s, ok := SuiteOf(id); ok != c.ok || ok && s != c.want {
			t.Errorf("%04x: %+v, %v", id, s, ok)
		}
	}
}

// allSuites are those that are opened.
func allSuites() map[uint16]Suite {
	all := map[uint16]Suite{}
	for id := range 1 << 16 {
		if s, ok := SuiteOf(uint16(id)); ok {
			all[uint16(id)] = s
		}
	}
	return all
}
