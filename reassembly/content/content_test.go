package content_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/content"
	"github.com/authtap/authtap/reassembly/exchange"
)

func zipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, s)
	z.Close()
	return b.String()
}

// A body comes in pieces and gaps, and all that it held is given back.
func TestBody(t *testing.T) {
	limits := content.Limits{BodyBytes: 10, EncodedBytes: 100, DecodedBytes: 1000, HeldBytes: 1 << 20}
	long := strings.Repeat("x", 500)
	for _, c := range []struct {
		name    string
		codings []string
		pieces  []string // "-7" is a gap of 7, "-" one that nobody can count
		tail    string
		sent    exchange.Damage
		want    string
		length  int64
		damage  exchange.Damage
		stats   content.Stats
	}{
		{"nothing", nil, nil, "", 0, "", 0, 0, content.Stats{}},
		{"pieces", nil, []string{"ab", "cd"}, "e", 0, "abcde", 5, 0, content.Stats{}},
		{"only a tail", nil, nil, "abc", 0, "abc", 3, 0, content.Stats{}},
		{"longer than is kept", nil, []string{"0123456"}, "789abc", 0, "0123456789", 13, 0, content.Stats{Clipped: 1}},
		{"a gap", nil, []string{"ab", "-7"}, "cd", exchange.BodyGap, "ab", 11, 0, content.Stats{Clipped: 1}},
		{"a gap of unknown size", nil, []string{"ab", "-"}, "cd", exchange.BodyGap, "ab", 4, 0, content.Stats{Clipped: 1}},
		{"coded", []string{"gzip"}, []string{zipped("hello")}, "", 0, "hello", 5, 0, content.Stats{}},
		{"coded twice", []string{"gzip", "identity", "x-gzip"}, nil, zipped(zipped("hello")), 0, "hello", 5, 0, content.Stats{}},
		{"coded, and long", []string{"gzip"}, nil, zipped(long), 0, "xxxxxxxxxx", 500, 0, content.Stats{Clipped: 1}},
		{"longer than is decoded", []string{"gzip"}, nil, zipped(long + long + long), 0, "xxxxxxxxxx", 1000, exchange.Cut, content.Stats{Clipped: 1, DecodedOver: 1}},
		{"not as it says", []string{"gzip"}, nil, "hello", 0, "hello", 5, exchange.Undecoded, content.Stats{Undecoded: 1}},
		{"not known", []string{"gzip", "lzma"}, nil, "hello", 0, "hello", 5, exchange.Undecoded, content.Stats{Undecoded: 1}},
		{"too many", []string{"gzip", "gzip", "br", "br"}, nil, "hello", 0, "hello", 5, exchange.Undecoded, content.Stats{Undecoded: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool := content.NewPool(limits)
			var b content.Body
			for _, name := range c.codings {
				b.Codings.Add(name)
			}
			for _, s := range c.pieces {
				switch s {
				case "-7":
					b.Gap(7)
				case "-":
					b.Gap(reassembly.UnknownGap)
				default:
					b.Add(&pool, []byte(s))
				}
			}
			got, damage := b.Finish(&pool, []byte(c.tail), c.sent)
			if string(got.Bytes) != c.want || got.Length != c.length || damage != c.damage {
				t.Errorf("%q of %d, damage %b; want %q of %d, %b", got.Bytes, got.Length, damage, c.want, c.length, c.damage)
			}
			if st := pool.Stats(); st != c.stats {
				t.Errorf("%+v, want %+v", st, c.stats)
			}
			if b.Drop(&pool); pool.Held() != 0 {
				t.Errorf("%d bytes are held", pool.Held())
			}
		})
	}
}

// From half of the budget on no more of bodies is kept.
func TestCrowded(t *testing.T) {
	pool := content.NewPool(content.Limits{BodyBytes: 1 << 20, HeldBytes: 10 << 10})
	var a, b content.Body
	a.Add(&pool, make([]byte, 5<<10))
	if !pool.Crowded() || pool.Full() {
		t.Fatalf("%d bytes are held", pool.Held())
	}
	b.Add(&pool, []byte("refused"))
	if got, _ := b.Finish(&pool, nil, 0); got.Bytes != nil || got.Length != 7 || pool.Stats().Refused != 1 {
		t.Errorf("%+v, %+v", got, pool.Stats())
	}
	pool.Charge(5 << 10)
	if !pool.Full() {
		t.Error("not full")
	}
	a.Drop(&pool)
	pool.Charge(-5 << 10)
	if pool.Held() != 0 {
		t.Errorf("%d bytes are held", pool.Held())
	}
}

// What is given back is lent again.
func TestPutAllocatesNothing(t *testing.T) {
	pool := content.NewPool(content.Limits{HeldBytes: 1 << 20})
	data := make([]byte, 3000)
	if n := testing.AllocsPerRun(100, func() { pool.Release(pool.Put(nil, data)) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
