//go:build !linux && cgo

package live

import "fmt"

func openRings(name string, _ *Options) ([]device, error) {
	return nil, fmt.Errorf("%s: the engine %s is Linux's", name, AFPacket)
}
