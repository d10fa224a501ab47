package http2

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2/hpack"
	"pgregory.net/rapid"

	"github.com/authtap/authtap/reassembly/content"
	"github.com/authtap/authtap/reassembly/exchange"
)

// newReader makes a reader that keeps all.
func newReader() *reader {
	p := content.NewPool(content.Limits{HeldBytes: 1 << 30})
	return &reader{pool: &p, lines: 1 << 20, most: 1 << 30, limit: 1 << 20}
}

func newTable(max uint32) *table { return &table{max: max, allowed: max} }

func text(b *block) string {
	var s []string
	for _, f := range b.fields {
		s = append(s, f.Name+"="+f.Value)
	}
	if b.unknown > 0 {
		s = append(s, fmt.Sprintf("(%d unknown)", b.unknown))
	}
	if b.broken {
		s = append(s, "(broken)")
	}
	return strings.Join(s, " ")
}

func TestHuffman(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 2000 {
		b := make([]byte, n%70)
		for i := range b {
			if b[i] = byte(random.Uint32()); n%3 > 0 {
				b[i] = b[i]&0x3f + 0x30 // short codes
			}
		}
		got, ok := appendHuffman([]byte("x"), hpack.AppendHuffmanString(nil, string(b)))
		if !ok || string(got) != "x"+string(b) {
			t.Fatalf("%q: %q", b, got)
		}
	}
	for name, b := range map[string]string{
		"the end of the string in it": "\xff\xff\xff\xff", "a byte of padding": "\x1f\xff", "padding of zeros": "\x18\x00", "zeros": "\x20", "half a code": "\xfe",
	} {
		want, err := hpack.HuffmanDecodeToString([]byte(b))
		if got, ok := appendHuffman(nil, []byte(b)); ok != (err == nil) || ok && string(got) != want {
			t.Errorf("%s: %q %v, %v", name, got, ok, err)
		}
	}
}

// The examples of RFC 7541, appendix C.4 to C.6, and what else can be in a
// block, with one table.
func TestBlocks(t *testing.T) {
	for _, c := range []struct {
		name   string
		max    uint32
		blocks []string
		want   []string
	}{
		{"C.4", 4096, []string{"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff", "\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf"},
			[]string{":method=GET :scheme=http :path=/ :authority=www.example.com", ":method=GET :scheme=http :path=/ :authority=www.example.com cache-control=no-cache"}},
		{"C.5", 256, []string{"H\x03302X\x07privatea\x1dMon, 21 Oct 2013 20:13:21 GMTn\x17https://www.example.com", "H\x03307\xc1\xc0\xbf", "\x88\xc1\x61\x1dMon, 21 Oct 2013 20:13:22 GMT\xc0"},
			[]string{":status=302 cache-control=private date=Mon, 21 Oct 2013 20:13:21 GMT location=https://www.example.com",
				":status=307 cache-control=private date=Mon, 21 Oct 2013 20:13:21 GMT location=https://www.example.com",
				":status=200 cache-control=private date=Mon, 21 Oct 2013 20:13:22 GMT location=https://www.example.com"}},
		{"never indexed", 4096, []string{"\x10\x08password\x06secret\x0f\x08\x01x\x04\x01/", "\xbe"}, []string{"password=secret authorization=x :path=/", "(broken)"}},
		{"index 0", 4096, []string{"\x80"}, []string{"(broken)"}},
		{"beyond the table", 4096, []string{"\x40\x01a\x01b\xbe\xbf"}, []string{"a=b a=b (broken)"}},
		{"too long an integer", 4096, []string{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"}, []string{"(broken)"}},
		{"an integer with zeros", 4096, []string{"\x1f\x80\x80\x80\x00\x01a", "\x82"}, []string{"accept-charset=a", ":method=GET"}},
		{"it ends too early", 4096, []string{"\x82\x40\x05ab", "\x82"}, []string{":method=GET (broken)", ":method=GET"}},
		{"bad code", 4096, []string{"\x40\x01a\x81\x00"}, []string{"(broken)"}},
		{"a smaller table", 4096, []string{"\x40\x01a\x01b\x40\x01c\x01d", "\x3f\x03\xbe\xbf"}, []string{"a=b c=d", "c=d (broken)"}},
		{"no table", 4096, []string{"\x40\x01a\x01b", "\x20\x40\x01a\x01b\xbe"}, []string{"a=b", "a=b (broken)"}},
		{"emptied and filled", 4096, []string{"\x40\x01a\x01b", "\x20\x3f\xe1\x1f\x40\x01c\x01d\xbe"}, []string{"a=b", "c=d c=d"}},
		{"larger than is allowed", 4096, []string{"\x40\x01a\x01b", "\x3f\xe2\x1f\xbe"}, []string{"a=b", "(broken)"}},
		{"a new size behind a field", 4096, []string{"\x40\x01a\x01b\x20"}, []string{"a=b (broken)"}},
		{"an entry larger than the table", 40, []string{"\x40\x01a\x01b", "\x40\x05aaaaa\x05bbbbb\xbe"}, []string{"a=b", "aaaaa=bbbbb (broken)"}},
		{"what is unknown stays so behind a broken block", 4096, []string{"\x40\x01a\x01b", "\x80", "\xbe\x40\x01c\x01d\xbe\xbf", "\xbe\xbf\x82"},
			[]string{"a=b", "(broken)", "c=d c=d (2 unknown)", "c=d :method=GET (1 unknown)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, table := newReader(), newTable(c.max)
			var got []string
			for _, b := range c.blocks {
				got = append(got, text(r.read(table, []byte(b), false)))
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// A table of which the beginning is missing gives what was added since, under
// the names and values that are known.
func TestPartialTable(t *testing.T) {
	lost := func() *table { return &table{max: firstTable, allowed: math.MaxUint32, partial: true} }
	for _, c := range []struct {
		name   string
		blocks []string
		want   []string
	}{
		{"static and literal", []string{"\x82\x00\x01a\x01b\xbe"}, []string{":method=GET a=b (1 unknown)"}},
		{"added since", []string{"\x40\x01a\x01b\xbf\xbe", "\x40\x01c\x01d\xbe\xbf\xc0"}, []string{"a=b a=b (1 unknown)", "c=d c=d a=b (1 unknown)"}},
		{"an unknown name", []string{"\x7e\x01v", "\xbe", "\x40\x01c\x01d\xbe\xbf\xc0", "\x7f\x00\x01x", "\x0f\x2f\x01x"},
			[]string{"(1 unknown)", "(1 unknown)", "c=d c=d (2 unknown)", "(1 unknown)", "(1 unknown)"}},
		{"emptied, so nothing is unknown", []string{"\x20\x3f\xe1\x1f\x40\x01a\x01b\xbe", "\xbf"}, []string{"a=b a=b", "(broken)"}},
		{"of a size that is said", []string{"\x3f\x09\x40\x01a\x01b\x40\x01c\x01d\xbe\xbf"}, []string{"a=b c=d c=d (1 unknown)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, table := newReader(), lost()
			var got []string
			for _, b := range c.blocks {
				got = append(got, text(r.read(table, []byte(b), false)))
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if table.lose(r.pool); r.pool.Held() != 0 {
				t.Errorf("%d bytes are held", r.pool.Held())
			}
		})
	}
}

// RFC 7541, section 4.2: where less is allowed than there is, the sender says
// so first.
func TestShrunkTable(t *testing.T) {
	for block, want := range map[string]string{"\x20\x82": ":method=GET", "\x3f\x09\xbe": "a=b", "\xbe": "(broken)", "": ""} {
		r, table := newReader(), newTable(4096)
		r.read(table, []byte("\x40\x01a\x01b"), false)
		table.allow(100)
		if got := text(r.read(table, []byte(block), false)); got != want {
			t.Errorf("%q: %s", block, got)
		}
	}
}

// What is kept is bounded, and what is beyond is not known.
func TestTableBound(t *testing.T) {
	r, table := newReader(), newTable(1<<20)
	r.limit = 100
	add := func(name string) string { return "\x40\x01" + name + "\x01x" }
	if got := text(r.read(table, []byte(add("a")+add("b")+add("c")+"\xbe\xbf\xc0"), false)); got != "a=x b=x c=x c=x b=x (1 unknown)" {
		t.Error(got)
	}
	if got := text(r.read(table, []byte("\x40\x01d\x64"+strings.Repeat("x", 100)+"\xbe"), false)); !strings.HasSuffix(got, "x (1 unknown)") || table.n != 0 {
		t.Error(got)
	}
	r.lines, r.most = 2, 10
	if b := r.read(table, []byte("\x82\x82\x82"), false); len(b.fields) != 1 || b.over != 2 {
		t.Errorf("%+v", b)
	}
	r.most = 1000
	if b := r.read(table, []byte("\x82\x82\x82"), false); len(b.fields) != 2 || b.over != 1 {
		t.Errorf("%+v", b)
	}
	p := content.NewPool(content.Limits{HeldBytes: 1})
	r.pool = &p
	if r.read(newTable(4096), []byte(add("a")), false); r.refused != 1 || p.Held() != 0 {
		t.Errorf("%d tables refused, %d bytes held", r.refused, p.Held())
	}
}

// Whatever blocks are lost, a field that is read is one that was sent, in its
// place.
func TestNothingIsInvented(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)).IntN
		var wire bytes.Buffer
		e := hpack.NewEncoder(&wire)
		r, table := newReader(), newTable(4096)
		if n(2) == 0 {
			e.SetMaxDynamicTableSizeLimit(1 << 16)
			table.allow(1 << 16)
		}
		r.limit = uint32(64 + n(4096))
		read, unknown, losses := 0, 0, 0
		for range 200 {
			var sent []exchange.Field
			wire.Reset()
			if n(20) == 0 {
				e.SetMaxDynamicTableSize(uint32(n(1000)))
			}
			for range 1 + n(6) {
				f := hpack.HeaderField{Name: fmt.Sprint("n", n(8)), Value: fmt.Sprint("v", n(30)), Sensitive: n(8) == 0}
				sent = append(sent, exchange.Field{Name: f.Name, Value: f.Value})
				e.WriteField(f)
			}
			b := wire.Bytes()
			switch n(12) {
			case 0: // the block is lost, with what the other side may have said
				table.allow(math.MaxUint32)
				r.lose(table)
				losses++
				continue
			case 1: // its end is
				b = b[:n(len(b))]
				blk := r.read(table, b, true)
				if len(blk.fields)+blk.unknown > len(sent) || blk.broken {
					t.Fatalf("%s of %v", text(blk), sent)
				}
				losses++
				continue
			}
			blk := r.read(table, b, false)
			if len(blk.fields)+blk.unknown != len(sent) || blk.broken {
				t.Fatalf("%s of %v", text(blk), sent)
			}
			read += len(blk.fields)
			unknown += blk.unknown
			for _, f := range blk.fields { // a subsequence
				for len(sent) > 0 && sent[0] != f {
					sent = sent[1:]
				}
				if len(sent) == 0 {
					t.Fatalf("%v was not sent", f)
				}
			}
		}
		if losses == 0 && unknown > 0 && r.limit >= 4096 {
			t.Fatalf("%d fields unknown of %d without a loss", unknown, read)
		}
	})
}

// FuzzHPACK holds the reader to that of another implementation, over two
// blocks, and asks of a partial table that it knows no more than a whole one.
func FuzzHPACK(f *testing.F) {
	f.Add([]byte("\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"), []byte("\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf"))
	f.Add([]byte("\x20\x3f\xe1\x1f\x40\x01a\x01b"), []byte("\xbe\x7e\x01c\xbe\xbf"))
	f.Add([]byte("\x3f\x09\x40\x01a\x01b\x10\x01c\x01d"), []byte("\xff\x80\x01\x0f\x2f\x03abc"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var want []exchange.Field
		d := hpack.NewDecoder(4096, func(f hpack.HeaderField) { want = append(want, exchange.Field{Name: f.Name, Value: f.Value}) })
		r, whole := newReader(), newTable(4096)
		partial := &table{max: firstTable, allowed: math.MaxUint32, partial: true}
		for _, b := range [][]byte{first, second} {
			want = nil
			_, err := d.Write(b)
			if err == nil {
				err = d.Close()
			}
			blk := r.read(whole, b, false)
			switch {
			case err == nil && blk.broken:
				t.Fatalf("%q is broken", b)
			case err != nil && !blk.broken && !strings.Contains(err.Error(), "dynamic table size update"):
				t.Fatalf("%q: %v", b, err)
			case err == nil && !cmp.Equal(want, append([]exchange.Field(nil), blk.fields...)):
				t.Fatalf("%q: %s, want %v", b, text(blk), want)
			}
			if whole.n > 0 && (whole.size > whole.max || whole.n > int(whole.size/32)) {
				t.Fatalf("%+v", whole)
			}
			known := text(blk)
			if blk.broken {
				break
			}
			blk = r.read(partial, b, false)
			if blk.broken {
				t.Fatalf("%q is broken with a partial table", b)
			}
			for _, f := range blk.fields {
				if !strings.Contains(known, f.Name+"="+f.Value) {
					t.Fatalf("%v is not in %s", f, known)
				}
			}
			if err != nil {
				break
			}
		}
		whole.lose(r.pool)
		partial.lose(r.pool)
		if r.pool.Held() != 0 {
			t.Fatalf("%d bytes are held", r.pool.Held())
		}
	})
}

func BenchmarkHuffman(b *testing.B) {
	plain := "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9." + strings.Repeat("eyJzdWIiOiIxMjM0NTY3ODkwIiwi", 12)
	coded := hpack.AppendHuffmanString(nil, plain)
	b.Run("own", func(b *testing.B) {
		b.SetBytes(int64(len(plain)))
		buf := make([]byte, 0, 1000)
		for b.Loop() {
			buf, _ = appendHuffman(buf[:0], coded)
		}
	})
	b.Run("x/net", func(b *testing.B) {
		b.SetBytes(int64(len(plain)))
		var buf bytes.Buffer
		for b.Loop() {
			buf.Reset()
			hpack.HuffmanDecode(&buf, coded)
		}
	})
}
