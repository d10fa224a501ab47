package reassembly_test

import (
	"testing"

	"github.com/authtap/authtap/reassembly"
)

func TestSpares(t *testing.T) {
	var s reassembly.Spares[int]
	a, b := s.Take(), s.Take()
	if a == b {
		t.Fatal("one was given twice")
	}
	*a, *b = 1, 2
	s.Keep(a, 1)
	s.Keep(b, 1)
	if got := s.Take(); got != a || *got != 1 {
		t.Errorf("%d, not what was kept", *got)
	}
	if got := s.Take(); got == b || *got != 0 {
		t.Errorf("%d, more than the bound was kept", *got)
	}
}
