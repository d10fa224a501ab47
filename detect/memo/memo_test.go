package memo_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/authtap/authtap/detect/memo"
)

// What is known is of these bytes, whatever came in between.
func TestTable(t *testing.T) {
	m := memo.New[int]()
	for round := range 3 {
		known := 0
		for i := range 10_000 {
			made, was := m.Of(memo.SumOf(fmt.Appendf(nil, "body %d", i)))
			if was {
				known++
				if *made != i+1 {
					t.Fatalf("body %d is taken for %d", i, *made-1)
				}
			} else if *made != 0 {
				t.Fatalf("something is known of body %d, which is new", i)
			}
			*made = i + 1
		}
		if (round == 0) != (known == 0) {
			t.Errorf("round %d: %d known", round, known)
		}
	}
	for range 2 {
		if made, known := m.Of(memo.SumOf(nil)); known || *made != 0 {
			t.Error("something is known of nothing")
		}
	}
}

func BenchmarkOf(b *testing.B) {
	m := memo.New[int]()
	body := bytes.Repeat([]byte("a body of an answer "), 60)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		m.Of(memo.SumOf(body))
	}
}
