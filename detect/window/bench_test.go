package window

import (
	"net/netip"
	"strconv"
	"testing"
	"time"
)

// A million keys pass through a Set of the default size: every Add makes a key
// and, from the 200,000th on, evicts one.
func BenchmarkAddMillionKeys(b *testing.B) {
	keys := make([]string, 1_000_000)
	for i := range keys {
		keys[i] = "192.0.2.1|api.example.com|" + strconv.Itoa(i)
	}
	b.ReportAllocs()
	set, i := New(Options{Span: 10 * time.Minute}), 0
	for b.Loop() {
		h := uint64(i + 1)
		set.Add(keys[i%len(keys)], Event{Time: at(time.Duration(i) * time.Microsecond), Fields: [Fields]uint64{h, h, h}, Label: "user", Client: netip.IPv6Loopback()})
		i++
	}
	st := set.Stats()
	b.ReportMetric(float64(st.Bytes)/float64(st.Keys), "bytes/key")
}

// One key under attack.
func BenchmarkAddOneKey(b *testing.B) {
	b.ReportAllocs()
	set, i := New(Options{Span: 10 * time.Minute}), 0
	for b.Loop() {
		h := uint64(i + 1)
		set.Add("192.0.2.1|api.example.com", Event{Time: at(time.Duration(i) * time.Millisecond), Fields: [Fields]uint64{h % 50, h, h}, Label: "user", Client: netip.IPv6Loopback()})
		i++
	}
}

func BenchmarkCache(b *testing.B) {
	b.ReportAllocs()
	c, i := NewCache[uint64, uint64](100_000, time.Hour), uint64(0)
	for b.Loop() {
		v, _ := c.At(i%150_000, at(time.Duration(i)))
		*v = i
		i++
	}
}

// Many keys under attack, with more values than are kept.
func BenchmarkAddHeavyKeys(b *testing.B) {
	b.ReportAllocs()
	set, i := New(Options{Span: 10 * time.Minute}), 0
	keys := make([]string, 100)
	for i := range keys {
		keys[i] = "192.0.2.1|api.example.com|" + strconv.Itoa(i)
	}
	for b.Loop() {
		h := uint64(i + 1)
		s := set.Add(keys[i%100], Event{Time: at(time.Duration(i) * time.Millisecond), Fields: [Fields]uint64{h, h, h, 7, h}, Label: "user", Client: netip.IPv6Loopback()})
		s.Distinct()
		i++
	}
}
