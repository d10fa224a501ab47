//go:build !cgo

package live

import "testing"

func TestWithoutCgo(t *testing.T) {
	const want = "this authtap was built without cgo and cannot capture from interfaces; " +
		"build it with CGO_ENABLED=1, a C compiler and libpcap's headers, or pipe: tcpdump -w - | authtap replay -"
	if _, err := Open(Options{Interfaces: []string{"lo"}}); err == nil || err.Error() != want {
		t.Errorf("Open: %v, want %s", err, want)
	}
	if _, err := Interfaces(); err == nil || err.Error() != want {
		t.Errorf("Interfaces: %v, want %s", err, want)
	}
}
