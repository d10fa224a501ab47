//go:build linux && cgo

package live

import (
	"fmt"
	"time"

	"github.com/authtap/authtap/capture/afpacket"
)

// openRings opens the rings of an interface.
func openRings(name string, opt *Options) (devices []device, err error) {
	if name == "any" {
		return nil, fmt.Errorf("%s: only libpcap captures from all interfaces at once", name)
	}
	rings, err := afpacket.Open(name, afpacket.Options{
		Rings: opt.Rings, BPF: opt.BPF, Promiscuous: opt.Promiscuous, SnapLen: opt.SnapLen,
		BufferBytes: opt.BufferBytes, Poll: max(opt.Poll, time.Millisecond),
	})
	if err != nil {
		return nil, explain(name, err)
	}
	for _, r := range rings {
		devices = append(devices, r)
	}
	return devices, nil
}
