package pcapfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
)

// build puts a file together, field by field.
type build struct {
	order binary.AppendByteOrder
	b     []byte
}

func little() *build { return &build{order: binary.LittleEndian} }
func big() *build    { return &build{order: binary.BigEndian} }

func (f *build) u16(vs ...uint16) *build {
	for _, v := range vs {
		f.b = f.order.AppendUint16(f.b, v)
	}
	return f
}

func (f *build) u32(vs ...uint32) *build {
	for _, v := range vs {
		f.b = f.order.AppendUint32(f.b, v)
	}
	return f
}

func (f *build) raw(b ...byte) *build {
	f.b = append(f.b, b...)
	return f
}

// pcap is the header of a pcap file.
func (f *build) pcap(magic, snap, link uint32) *build {
	return f.u32(magic).u16(2, 4).u32(0, 0, snap, link)
}

// record is a record of a pcap file that holds all of its packet.
func (f *build) record(seconds, fraction uint32, data string) *build {
	n := uint32(len(data))
	return f.u32(seconds, fraction, n, n).raw([]byte(data)...)
}

// block is a pcapng block; body fills it in.
func (f *build) block(kind uint32, body func(*build)) *build {
	inner := &build{order: f.order}
	body(inner)
	for len(inner.b)%4 != 0 {
		inner.raw(0)
	}
	n := uint32(12 + len(inner.b))
	return f.u32(kind, n).raw(inner.b...).u32(n)
}

func (f *build) section() *build {
	return f.block(0x0a0d0d0a, func(b *build) { b.u32(0x1a2b3c4d).u16(1, 0).u32(0xffffffff, 0xffffffff) })
}

func (f *build) iface(link uint16, snap uint32, options ...byte) *build {
	return f.block(1, func(b *build) { b.u16(link, 0).u32(snap).raw(options...) })
}

func (f *build) enhanced(iface uint32, stamp uint64, data string) *build {
	return f.block(6, func(b *build) {
		b.u32(iface, uint32(stamp>>32), uint32(stamp), uint32(len(data)), uint32(len(data))).raw([]byte(data)...)
	})
}

// tester is what a *testing.T and a *rapid.T have in common.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// got is a packet as the tests compare it.
type got struct {
	Input  int
	Number uint64
	Time   capture.Time
	Link   capture.LinkType
	Data   string
	Length int
}

// drain reads a source to its end. Errors of damage are kept, any other fails
// the test.
func drain(t tester, s *pcapfile.Source) (packets []got, damage []*pcapfile.DamageError) {
	t.Helper()
	defer s.Close()
	for {
		var p capture.Packet
		switch err := s.Next(&p); {
		case err == nil:
			packets = append(packets, got{p.Input, p.Number, p.Time, p.Link, string(p.Data), p.Length})
		case err == io.EOF:
			var last capture.Packet
			if err := s.Next(&last); err != io.EOF {
				t.Errorf("after the end, Next gives %v", err)
			}
			if st := s.Stats(); st.Packets != uint64(len(packets)) {
				t.Errorf("Stats count %d packets, Next gave %d", st.Packets, len(packets))
			}
			return packets, damage
		default:
			var d *pcapfile.DamageError
			if !errors.As(err, &d) || !errors.Is(err, capture.ErrDamaged) {
				t.Fatalf("Next: %v", err)
			}
			damage = append(damage, d)
		}
	}
}

// read reads one file from memory.
func read(t tester, file []byte) ([]got, []*pcapfile.DamageError) {
	t.Helper()
	s, err := pcapfile.Open([]string{"-"}, pcapfile.Options{Stdin: bytes.NewReader(file)})
	if err != nil {
		t.Fatal(err)
	}
	return drain(t, s)
}

func write(t tester, dir, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func zstded(b []byte) []byte {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	return w.EncodeAll(b, nil)
}
