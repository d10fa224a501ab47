package pcapfile_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
)

const tlsKeys = 0x544c534b

func (f *build) secrets(kind, length uint32, lines string) *build {
	return f.block(10, func(b *build) { b.u32(kind, length).raw([]byte(lines)...) })
}

// events gives the packets and the key log lines of a file in order.
func events(t *testing.T, file []byte) (all []string, damage int) {
	t.Helper()
	s, err := pcapfile.Open([]string{"-"}, pcapfile.Options{
		Stdin:   bytes.NewReader(file),
		TLSKeys: func(b []byte) { all = append(all, "keys "+string(b)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for {
		var p capture.Packet
		switch err := s.Next(&p); err {
		case nil:
			all = append(all, string(p.Data))
		case io.EOF:
			return all, damage
		default:
			damage++
		}
	}
}

func TestKeyLogs(t *testing.T) {
	for _, order := range []func() *build{little, big} {
		start := func() *build { return order().section().iface(1, 0) }
		for _, c := range []struct {
			name   string
			file   []byte
			want   []string
			damage int
		}{
			{"none", start().enhanced(0, 1, "a").b, []string{"a"}, 0},
			{"before, between and behind packets",
				start().secrets(tlsKeys, 3, "k1\n").enhanced(0, 1, "a").secrets(tlsKeys, 2, "k2").enhanced(0, 2, "b").secrets(tlsKeys, 2, "k3").b,
				[]string{"keys k1\n", "a", "keys k2", "b", "keys k3"}, 0},
			{"of something else", start().secrets(0x57474b4c, 2, "wg").enhanced(0, 1, "a").b, []string{"a"}, 0},
			{"empty", start().secrets(tlsKeys, 0, "").enhanced(0, 1, "a").b, []string{"a"}, 0},
			{"with options behind", start().secrets(tlsKeys, 2, "k1\x00\x00\x00\x01\x00\x00").enhanced(0, 1, "a").b, []string{"keys k1", "a"}, 0},
			{"longer than its block", start().secrets(tlsKeys, 5, "k1").enhanced(0, 1, "a").b, nil, 1},
			{"of 4 GiB", start().secrets(tlsKeys, 0xffffffff, "k1").enhanced(0, 1, "a").b, nil, 1},
			{"without a length", start().block(10, func(b *build) { b.u32(tlsKeys) }).enhanced(0, 1, "a").b, nil, 1},
			{"cut off", start().secrets(tlsKeys, 8, "k1\nk2\nk3").b[:60], nil, 1},
		} {
			t.Run(c.name, func(t *testing.T) {
				got, damage := events(t, c.file)
				if !slices.Equal(got, c.want) || damage != c.damage {
					t.Errorf("%q, damage %d; want %q, %d", got, damage, c.want, c.damage)
				}
			})
		}
	}
}

// A long key log comes in pieces that are cut between lines, if there are any.
func TestLongKeyLog(t *testing.T) {
	var lines strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&lines, "line %d\n", i)
	}
	one := strings.Repeat("x", 200_000)
	for _, log := range []string{lines.String(), one, one + "\n" + lines.String()} {
		got, damage := events(t, little().section().iface(1, 0).secrets(tlsKeys, uint32(len(log)), log).enhanced(0, 1, "a").b)
		var all string
		for _, g := range got[:len(got)-1] {
			piece := strings.TrimPrefix(g, "keys ")
			if log[0] == 'l' && !strings.HasSuffix(piece, "\n") || len(piece) > 64<<10 {
				t.Fatalf("a piece of %d bytes ends with %q", len(piece), piece[len(piece)-10:])
			}
			all += piece
		}
		if all != log || got[len(got)-1] != "a" || damage != 0 {
			t.Errorf("%d bytes of %d, damage %d", len(all), len(log), damage)
		}
	}
}

// Nobody need want them.
func TestKeyLogsPassedOver(t *testing.T) {
	packets, damage := read(t, little().section().iface(1, 0).secrets(tlsKeys, 2, "k1").enhanced(0, 1, "a").b)
	if len(packets) != 1 || len(damage) != 0 {
		t.Errorf("%v, %v", packets, damage)
	}
}
