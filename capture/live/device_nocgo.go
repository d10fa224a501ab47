//go:build !cgo

package live

import "errors"

var errNoCgo = errors.New("this authtap was built without cgo and cannot capture from interfaces; " +
	"build it with CGO_ENABLED=1, a C compiler and libpcap's headers, or pipe: tcpdump -w - | authtap replay -")

func openDevices(string, *Options) ([]device, error) { return nil, errNoCgo }

// Interfaces cannot list anything without libpcap.
func Interfaces() ([]Interface, error) { return nil, errNoCgo }
