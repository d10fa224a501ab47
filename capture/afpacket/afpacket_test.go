//go:build linux && cgo

package afpacket

import (
	"errors"
	"testing"
	"time"
	"unsafe"

	"github.com/google/gopacket"
	"github.com/google/gopacket/afpacket"
	"golang.org/x/sys/unix"
)

// What is captured is tested in package live, with both engines.

func TestNoInterface(t *testing.T) {
	_, err := Open("nonesuch0", Options{Rings: 1, SnapLen: 100, BufferBytes: 1, Poll: time.Millisecond})
	if !errors.Is(err, unix.ENODEV) {
		t.Error(err)
	}
}

// TestVLANTag: the tag is read from the kernel's header where that is found,
// and is what gopacket tells where it is not.
func TestVLANTag(t *testing.T) {
	const mac, length = 82, 60 // of an Ethernet frame in a TPACKET_V3 ring
	for _, tt := range []struct {
		name   string
		change func(*unix.Tpacket3Hdr)
		want   [4]byte
	}{
		{"from the header", func(*unix.Tpacket3Hdr) {}, [4]byte{0x88, 0xa8, 0xa0, 0x07}},
		{"another place", func(h *unix.Tpacket3Hdr) { h.Mac = 80 }, [4]byte{0x81, 0, 0, 5}},
		{"another packet", func(h *unix.Tpacket3Hdr) { h.Snaplen++ }, [4]byte{0x81, 0, 0, 5}},
		{"another length", func(h *unix.Tpacket3Hdr) { h.Len++ }, [4]byte{0x81, 0, 0, 5}},
		{"an old kernel", func(h *unix.Tpacket3Hdr) { h.Status = unix.TP_STATUS_VLAN_VALID }, [4]byte{0x81, 0, 0, 5}},
	} {
		memory := make([]uint64, 32) // aligned as a ring is
		h := (*unix.Tpacket3Hdr)(unsafe.Pointer(&memory[0]))
		h.Mac, h.Snaplen, h.Len = mac, length, length+1
		h.Status = unix.TP_STATUS_VLAN_VALID | unix.TP_STATUS_VLAN_TPID_VALID
		h.Hv1.Vlan_tpid, h.Hv1.Vlan_tci = 0x88a8, 7|5<<13
		tt.change(h)
		data := unsafe.Slice((*byte)(unsafe.Pointer(&memory[0])), 256)[mac : mac+length]
		got := vlanTag(data, &gopacket.CaptureInfo{Length: length + 1, AncillaryData: []any{afpacket.AncillaryVLAN{VLAN: 5}}})
		if got != tt.want {
			t.Errorf("%s: % x, want % x", tt.name, got, tt.want)
		}
	}
}
