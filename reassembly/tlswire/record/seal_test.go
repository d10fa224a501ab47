package record

import (
	"crypto/cipher"
	"encoding/binary"
	"testing"
)

// sealer protects what an opener with the client's keys opens: the other way
// round, for tests.
type sealer struct {
	opener  Opener
	version uint16
	seq     uint64
	iv      [16]byte
}

// newSealer makes one from zeros; the traffic secret in TLS 1.3 has those of
// its suite's length.
func newSealer(s Suite, version uint16, etm bool) *sealer {
	x := &sealer{version: version}
	if s.TLS13 {
		x.opener, x.version = s.Opener13(make([]byte, s.SecretLength())), TLS12
		return x
	}
	x.opener, _ = s.Openers(version, make([]byte, MasterLength), &Randoms{}, etm)
	if c, ok := x.opener.(*cbc); ok {
		x.iv = c.iv
	}
	return x
}

func (x *sealer) header(kind uint8, n int) []byte {
	h := binary.BigEndian.AppendUint64(nil, x.seq)
	h = append(h, kind)
	h = binary.BigEndian.AppendUint16(h, x.version)
	return binary.BigEndian.AppendUint16(h, uint16(n))
}

func (x *sealer) seal(kind uint8, content []byte) (fragment []byte) {
	defer func() { x.seq++ }()
	switch o := x.opener.(type) {
	case *aead:
		nonce := o.iv
		if o.explicit > 0 {
			binary.BigEndian.PutUint64(nonce[4:], x.seq+77)
			return append(nonce[4:12:12], o.aead.Seal(nil, nonce[:], content, x.header(kind, len(content)))...)
		}
		binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^x.seq)
		if !o.tls13 {
			return o.aead.Seal(nil, nonce[:], content, x.header(kind, len(content)))
		}
		inner := append(append([]byte{}, content...), kind)
		n := len(inner) + o.aead.Overhead()
		return o.aead.Seal(nil, nonce[:], inner, []byte{23, 3, 3, byte(n >> 8), byte(n)})
	case *stream:
		b := append(append([]byte{}, content...), x.mac(&o.macer, kind, content)...)
		if o.cipher != nil {
			o.cipher.XORKeyStream(b, b)
		}
		return b
	case *cbc:
		b := append([]byte{}, content...)
		if !o.etm {
			b = append(b, x.mac(&o.macer, kind, content)...)
		}
		size := o.block.BlockSize()
		pad := size - 1 - len(b)%size
		for range pad + 1 {
			b = append(b, byte(pad))
		}
		cipher.NewCBCEncrypter(o.block, x.iv[:size]).CryptBlocks(b, b)
		if o.chained {
			copy(x.iv[:], b[len(b)-size:])
		} else {
			b = append(append([]byte{}, x.iv[:size]...), b...)
		}
		if o.etm {
			b = append(b, x.mac(&o.macer, kind, b)...)
		}
		return b
	}
	panic("unknown opener")
}

func (x *sealer) mac(m *macer, kind uint8, content []byte) []byte {
	m.mac.Reset()
	m.mac.Write(x.header(kind, len(content)))
	m.mac.Write(content)
	return m.mac.Sum(nil)
}

// Every suite opens what is sealed, wherever it comes within reach, and nothing
// else.
func TestSealed(t *testing.T) {
	for id, s := range allSuites() {
		versions := []uint16{TLS10, TLS11, TLS12}
		if s.TLS13 {
			versions = []uint16{TLS13}
		} else if s.bulk.aead() {
			versions = []uint16{TLS12}
		}
		for _, v := range versions {
			for _, etm := range []bool{false, true} {
				seal := newSealer(s, v, etm)
				open := newSealer(s, v, etm).opener
				lost := open.Lose() // from the beginning on
				for i := range 10 {
					content := make([]byte, i*7)
					fragment := seal.seal(Alert, content)
					r := Record{Type: Alert, Version: seal.version, Fragment: fragment}
					if s.TLS13 {
						r.Type = ApplicationData
					}
					if i < 3 || i == 4 {
						continue // lost
					}
					if !lost {
						if _, ok := open.Open(nil, &r, 0, 64); ok {
							t.Fatalf("%04x: opened after the end", id)
						}
						continue
					}
					if _, ok := newSealer(s, v, etm).opener.Open(nil, &r, 0, i); ok && s.bulk != null {
						t.Fatalf("%04x: record %d is opened out of reach", id, i)
					}
					o, ok := open.Open(nil, &r, 0, 64)
					if c, chained := open.(*cbc); chained && c.chained && (i == 3 || i == 5) {
						if i == 5 {
							// Its IV is that of the lost one; Lose was not called.
							continue
						}
						if ok {
							t.Fatalf("%04x: opened without an IV", id)
						}
						continue
					}
					if !ok || o.Type != Alert || o.Seq != uint64(i) || len(o.Content) != len(content) {
						t.Fatalf("%04x in %04x: record %d gives %+v, %v", id, v, i, o, ok)
					}
				}
			}
		}
	}
}

// FuzzOpen opens anything, with keys of any suite.
func FuzzOpen(f *testing.F) {
	for _, id := range []uint16{0x1301, 0x1305, 0x002f, 0x0005, 0x0002, 0xc02f, 0xc09c, 0xcca8, 0x000a} {
		s, _ := SuiteOf(id)
		f.Add(id, uint8(2), false, newSealer(s, TLS12, false).seal(ApplicationData, []byte("hello")))
	}
	f.Fuzz(func(t *testing.T, id uint16, version uint8, etm bool, fragment []byte) {
		s, ok := SuiteOf(id)
		if !ok {
			return
		}
		v := TLS10 + uint16(version%3)
		before := string(fragment)
		seal := newSealer(s, v, etm)
		open := newSealer(s, v, etm).opener
		var buf [64]byte
		r := Record{Type: ApplicationData, Version: seal.version, Fragment: fragment}
		o, ok := open.Open(buf[:0], &r, 0, 2)
		if string(fragment) != before {
			t.Fatal("the fragment was changed")
		}
		if ok && (len(o.Content) > MaxContent || len(o.Content) > len(fragment) || o.Seq > 1) {
			t.Fatalf("%d bytes, number %d", len(o.Content), o.Seq)
		}
		open.Lose()
		open.Open(nil, &r, 5, 3)
		if len(fragment) <= MaxContent-256 && s.bulk != rc4Stream {
			again := newSealer(s, v, etm)
			kept := newSealer(s, v, etm).opener
			sealed := again.seal(ApplicationData, fragment)
			r.Fragment = sealed
			o, ok := kept.Open(nil, &r, 0, 1)
			if !ok || string(o.Content) != before {
				t.Fatalf("%04x: what was sealed is not opened", id)
			}
		}
	})
}

// BenchmarkOpen opens records of 16 KiB; beside each is its cipher alone, or
// what does the same work.
func BenchmarkOpen(b *testing.B) {
	content := make([]byte, MaxContent)
	buf := make([]byte, 0, MaxFragment)
	for _, c := range []struct {
		name    string
		id      uint16
		version uint16
	}{
		{"TLS13/AES128-GCM", 0x1301, TLS13}, {"TLS13/AES256-GCM", 0x1302, TLS13}, {"TLS13/ChaCha20", 0x1303, TLS13},
		{"TLS12/AES128-GCM", 0xc02f, TLS12}, {"TLS12/AES128-CCM", 0xc09c, TLS12},
		{"TLS12/AES128-CBC-SHA", 0x002f, TLS12}, {"TLS12/AES256-CBC-SHA256", 0x003d, TLS12},
		{"TLS12/RC4-SHA", 0x0005, TLS12}, {"TLS12/3DES-SHA", 0x000a, TLS12},
	} {
		s, _ := SuiteOf(c.id)
		b.Run(c.name+"/record", func(b *testing.B) {
			sealed := newSealer(s, c.version, false).seal(ApplicationData, content)
			open := newSealer(s, c.version, false)
			r := Record{Type: ApplicationData, Version: open.version, Fragment: sealed}
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := open.opener.Open(buf, &r, 0, 1); !ok && s.bulk != rc4Stream {
					b.Fatal("not opened")
				}
			}
		})
		b.Run(c.name+"/cipher", func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			switch o := newSealer(s, c.version, false).opener.(type) {
			case *aead:
				sealed := o.aead.Seal(nil, o.iv[:], content, nil)
				for b.Loop() {
					o.aead.Open(buf[:0], o.iv[:], sealed, nil)
				}
			case *stream:
				for b.Loop() {
					o.cipher.XORKeyStream(buf[:len(content)], content)
					o.mac.Reset()
					o.mac.Write(content)
					o.mac.Sum(o.sum[:0])
				}
			case *cbc:
				mode := cipher.NewCBCDecrypter(o.block, o.iv[:o.block.BlockSize()])
				for b.Loop() {
					mode.CryptBlocks(buf[:len(content)], content)
					o.mac.Reset()
					o.mac.Write(content)
					o.mac.Sum(o.sum[:0])
				}
			}
		})
	}
}
