package pcapfile_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
)

// corpus is the folder of captures beside the checkout, from which nothing is
// needed but which is read where it is there.
const corpus = "../../../shared/captures"

// TestCorpus compares what is read of captures that others made with what
// tshark counts in them, and with what pcapgo reads as far as it gets.
func TestCorpus(t *testing.T) {
	f, err := os.Open(filepath.Join(corpus, "inventory.tsv"))
	if err != nil {
		t.Skipf("the captures are not beside the checkout: %v", err)
	}
	defer f.Close()
	table := csv.NewReader(f)
	table.Comma, table.LazyQuotes, table.FieldsPerRecord = '\t', true, -1
	rows, err := table.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	whole := 0
	for _, row := range rows[1:] {
		name, tags := row[column["path"]], row[column["tags"]]
		t.Run(strings.TrimPrefix(name, "files/"), func(t *testing.T) {
			want, err := strconv.Atoi(row[column["packets"]])
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(corpus, name)
			s, err := pcapfile.Open([]string{path}, pcapfile.Options{})
			if err != nil {
				t.Fatal(err)
			}
			packets, damage := drain(t, s)
			if len(packets) != want {
				t.Errorf("%d packets, tshark counts %d (%v)", len(packets), want, damage)
			}
			if cut := strings.Contains(tags, "truncated-file"); cut != (len(damage) == 1) {
				t.Errorf("damage %v, truncated: %v", damage, cut)
			}
			if compare(t, path, packets) {
				whole++
			}
		})
	}
	if whole < len(rows)*9/10 {
		t.Errorf("pcapgo read only %d of %d files to the end: the comparison says little", whole, len(rows)-1)
	}
}

// compare says whether pcapgo read all packets.
func compare(t *testing.T, path string, packets []got) bool {
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var in io.Reader = bytes.NewReader(file)
	if bytes.HasPrefix(file, []byte{0x1f, 0x8b}) {
		if in, err = gzip.NewReader(in); err != nil {
			t.Fatal(err)
		}
	}
	b := bufio.NewReader(in)
	var r gopacket.PacketDataSource
	var linkOf func(gopacket.CaptureInfo) layers.LinkType
	if magic, _ := b.Peek(4); string(magic) == "\n\r\r\n" {
		ng, err := pcapgo.NewNgReader(b, pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			return false
		}
		linkOf = func(ci gopacket.CaptureInfo) layers.LinkType { return ci.AncillaryData[0].(layers.LinkType) }
		r = ng
	} else {
		pcap, err := pcapgo.NewReader(b)
		if err != nil {
			return false
		}
		pcap.SetSnaplen(capture.MaxPacket)
		linkOf = func(gopacket.CaptureInfo) layers.LinkType { return pcap.LinkType() }
		r = pcap
	}
	n := 0
	for ; ; n++ {
		data, ci, err := r.ReadPacketData()
		if err != nil {
			break
		}
		if n == len(packets) {
			t.Errorf("pcapgo reads more than %d packets", n)
			break
		}
		p := packets[n]
		// pcapgo keeps eight bits of a link type, gives a simple packet no time,
		// and counts the nanoseconds of more than four seconds modulo 2^32: damaged
		// files, but also a real one, have them where microseconds should be.
		if string(data) != p.Data || ci.Length != p.Length || linkOf(ci) != layers.LinkType(p.Link) ||
			!ci.Timestamp.IsZero() && (p.Time-capture.TimeOf(ci.Timestamp))%(1<<32) != 0 {
			t.Errorf("packet %d: %d bytes of %d at %v, link type %v; pcapgo has %d of %d at %v, %v",
				n+1, len(p.Data), p.Length, p.Time, p.Link, len(data), ci.Length, ci.Timestamp, linkOf(ci))
		}
	}
	return n == len(packets)
}

// TestCorpusAtOnce merges all of them.
func TestCorpusAtOnce(t *testing.T) {
	if _, err := os.Stat(corpus); err != nil {
		t.Skipf("the captures are not beside the checkout: %v", err)
	}
	s, err := pcapfile.Open([]string{corpus}, pcapfile.Options{OpenFiles: 8})
	if err != nil {
		t.Fatal(err)
	}
	perInput := make([][]got, len(s.Inputs()))
	packets, _ := drain(t, s)
	for _, p := range packets {
		perInput[p.Input] = append(perInput[p.Input], p)
	}
	for i, name := range s.Inputs() {
		one, err := pcapfile.Open([]string{name}, pcapfile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		alone, _ := drain(t, one)
		if len(alone) != len(perInput[i]) {
			t.Errorf("%s: %d packets, alone %d", name, len(perInput[i]), len(alone))
			continue
		}
		for n, p := range alone {
			if p.Input = i; p != perInput[i][n] {
				t.Errorf("%s: packet %d differs from the one read alone", name, n+1)
				break
			}
		}
	}
	if st := s.Stats(); st.BytesRead != st.BytesExpected {
		t.Errorf("%d of %d bytes read", st.BytesRead, st.BytesExpected)
	}
}
