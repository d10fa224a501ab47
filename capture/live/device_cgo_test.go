//go:build cgo

package live

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/gopacket/pcap"

	"github.com/authtap/authtap/capture"
)

func TestUnknownEngine(t *testing.T) {
	_, err := Open(Options{Interfaces: []string{"lo"}, Engine: "dpdk"})
	if want := `there is no engine "dpdk": it is afpacket or libpcap`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestLinkType: types that authtap does not decode are refused, also those
// whose number ends in the eight bits of one that it does.
func TestLinkType(t *testing.T) {
	for _, tt := range []struct {
		inFile uint32
		want   capture.LinkType
		err    string
	}{
		{189, 0, "authtap does not decode its packets, which are of link type USB_LINUX"},
		{105, capture.LinkWLAN, ""},
		{257, 0, "authtap does not decode its packets, which are of link type PROFIBUS_DL"},
		{256, 0, "authtap does not decode its packets, which are of link type BLUETOOTH_LE_LL_WITH_PHDR"},
		{1, capture.LinkEthernet, ""},
		{0, capture.LinkNull, ""},
		{101, capture.LinkRaw, ""},
		{113, capture.LinkSLL, ""},
		{228, capture.LinkIPv4, ""},
	} {
		var file bytes.Buffer
		binary.Write(&file, binary.LittleEndian, []uint32{0xa1b2c3d4, 4<<16 | 2, 0, 0, 65535, tt.inFile})
		path := filepath.Join(t.TempDir(), "a.pcap")
		if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		handle, err := pcap.OpenOffline(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := linkType(handle)
		handle.Close()
		if got != tt.want || tt.err == "" != (err == nil) || err != nil && err.Error() != tt.err {
			t.Errorf("%d: %v, %v; want %v, %s", tt.inFile, got, err, tt.want, tt.err)
		}
	}
}
