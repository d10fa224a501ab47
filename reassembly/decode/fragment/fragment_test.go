package fragment

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/authtap/authtap/capture"
)

func TestImpossible(t *testing.T) {
	ten := make([]byte, 16)
	for _, c := range []struct {
		name  string
		parts []Fragment
		want  Outcome
	}{
		{"nothing", []Fragment{{}}, Rejected},
		{"behind the longest datagram", []Fragment{{Offset: 65528, Data: ten}}, Rejected},
		{"the longest datagram", []Fragment{{Offset: 65512, Data: ten}}, Held},
		{"not a multiple of eight", []Fragment{{More: true, Data: ten[:9]}}, Rejected},
		{"behind the end", []Fragment{{Offset: 8, Data: ten[:8]}, {Offset: 16, More: true, Data: ten}}, Rejected},
		{"another end behind", []Fragment{{Offset: 8, Data: ten[:8]}, {Offset: 16, Data: ten}}, Rejected},
		{"another end before", []Fragment{{Offset: 64, Data: ten}, {Offset: 16, Data: ten}}, Rejected},
		{"an end before what is there", []Fragment{{Offset: 64, More: true, Data: ten}, {Offset: 16, Data: ten}}, Rejected},
		{"over the end", []Fragment{{Offset: 16, Data: ten}, {Offset: 8, More: true, Data: ten}}, Rejected},
		{"over the beginning", []Fragment{{More: true, Data: ten}, {Offset: 8, More: true, Data: ten}}, Rejected},
		{"longer", []Fragment{{More: true, Data: ten[:8]}, {More: true, Data: ten}}, Rejected},
		{"within", []Fragment{{More: true, Data: ten}, {Offset: 8, More: true, Data: ten[:8]}}, Rejected},
		{"the same, and the end", []Fragment{{More: true, Data: ten}, {Data: ten}}, Rejected},
		{"the same, and not the end", []Fragment{{Offset: 16, Data: ten}, {Offset: 16, More: true, Data: ten}}, Rejected},
		{"the same end", []Fragment{{Offset: 16, Data: ten}, {Offset: 16, Data: ten}}, Held},
		{"the same", []Fragment{{More: true, Data: ten}, {More: true, Data: ten}}, Held},
		{"the same, cut", []Fragment{{More: true, Data: ten}, {More: true, Data: ten[:3], Cut: 13}}, Held},
	} {
		var table Table
		var got Outcome
		for _, f := range c.parts {
			_, got = table.Add(&Key{}, f, 0)
		}
		if got != c.want {
			t.Errorf("%s: %d, want %d; %+v", c.name, got, c.want, table.Stats())
		}
		if s := table.Stats(); got == Rejected && s.Impossible+s.Overlapping != 1 {
			t.Errorf("%s: %+v", c.name, s)
		}
	}
}

// However a datagram is cut up, and in whatever order and how often its parts
// come: it comes out once for each time that all of them came, byte by byte.
// One byte that differs in a part that came before, and it does not.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 1, 400).Draw(t, "data")
		var parts []Fragment
		for at := 0; at < len(data); {
			n := 8 * rapid.IntRange(1, 10).Draw(t, "length")
			f := Fragment{Offset: at, Data: data[at:min(at+n, len(data))], More: at+n < len(data), Next: byte(99)}
			if at == 0 {
				f.Next = 6
			}
			parts = append(parts, f)
			at += n
		}
		order := rapid.Permutation(slices.Concat(parts, parts[:rapid.IntRange(0, len(parts)).Draw(t, "again")])).Draw(t, "order")
		var table Table
		whole, missing := 0, len(parts)
		seen := map[int]bool{}
		for i, f := range order {
			d, got := table.Add(&Key{ID: 7}, f, capture.Time(i))
			if !seen[f.Offset] {
				seen[f.Offset] = true
				missing--
			}
			want := Held
			if missing == 0 {
				want, missing = Whole, len(parts)
				clear(seen)
				whole++
			}
			if got != want {
				t.Fatalf("part %d: %d, want %d", i, got, want)
			}
			if got == Whole && (!bytes.Equal(d.Data, data) || d.Next != 6 || d.Cut != 0) {
				t.Fatalf("%+v, want %q", d, data)
			}
		}
		if s := table.Stats(); s.Whole != uint64(whole) || s.Fragments != uint64(len(order)) {
			t.Fatalf("%+v", s)
		}
		if len(parts) < 2 {
			return
		}
		evil := parts[0]
		evil.Data = bytes.Clone(evil.Data)
		evil.Data[rapid.IntRange(0, len(evil.Data)-1).Draw(t, "byte")] ^= 1
		table = Table{}
		for _, f := range slices.Insert(slices.Clone(parts), rapid.IntRange(1, len(parts)-1).Draw(t, "place"), evil) {
			if _, got := table.Add(&Key{}, f, 0); got == Whole {
				t.Fatal("whole in spite of an overlap")
			}
		}
	})
}

// An identification that is used again, after a part was lost.
func TestReuse(t *testing.T) {
	var table Table
	first := bytes.Repeat([]byte("a"), 8)
	other := bytes.Repeat([]byte("b"), 8)
	table.Add(&Key{}, Fragment{More: true, Data: first}, 0)
	if _, got := table.Add(&Key{}, Fragment{More: true, Data: other}, 2*again); got != Held {
		t.Fatal("another datagram was taken for an overlap")
	}
	d, got := table.Add(&Key{}, Fragment{Offset: 8, Data: other}, 2*again)
	if got != Whole || string(d.Data) != "bbbbbbbbbbbbbbbb" {
		t.Fatalf("%d, %q", got, d.Data)
	}
	if s := table.Stats(); s.Reused != 1 || s.Held != 0 {
		t.Errorf("%+v", s)
	}
}

func TestAge(t *testing.T) {
	table := New(Limits{Age: 5 * time.Second})
	eight := make([]byte, 8)
	table.Add(&Key{ID: 1}, Fragment{More: true, Data: eight}, 0)
	table.Add(&Key{ID: 2}, Fragment{More: true, Data: eight}, capture.Time(time.Second))
	if _, got := table.Add(&Key{ID: 1}, Fragment{Offset: 8, Data: eight}, capture.Time(5*time.Second)+1); got != Held {
		t.Error("a part came too late and was taken")
	}
	if _, got := table.Add(&Key{ID: 2}, Fragment{Offset: 8, Data: eight}, capture.Time(6*time.Second)); got != Whole {
		t.Error("a part came in time and was not taken")
	}
	if s := table.Stats(); s.Expired != 1 {
		t.Errorf("%+v", s)
	}
}

// FuzzTable: no panic, bounded memory, and the account is right to the byte.
func FuzzTable(f *testing.F) {
	f.Add([]byte{0, 0, 1, 8, 0, 1, 0, 8})
	f.Add([]byte{1, 0, 1, 8, 1, 0, 1, 9, 1, 2, 0, 3, 200, 0, 1, 255})
	f.Fuzz(func(t *testing.T, steps []byte) {
		const limit = 8 << 10
		table := New(Limits{Bytes: limit})
		data := bytes.Repeat([]byte("datagram"), 32)
		var now capture.Time
		for ; len(steps) >= 4; steps = steps[4:] {
			now += capture.Time(steps[0]>>2) * 1e8
			fr := Fragment{Offset: int(steps[1]) * 8, More: steps[2]&1 != 0, Data: data[:steps[3]], Cut: int(steps[2] >> 5)}
			d, got := table.Add(&Key{ID: uint32(steps[0] & 3)}, fr, now)
			if got == Whole && (len(d.Data)+d.Cut > longest || d.Cut < 0) {
				t.Fatalf("%+v", d)
			}
			held := 0
			for _, d := range table.index {
				held += datagramBytes + partBytes*cap(d.parts) + cap(d.data)
			}
			if s := table.Stats(); s.Held != held || held > limit {
				t.Fatalf("%d bytes held, %d counted", held, s.Held)
			}
		}
	})
}
