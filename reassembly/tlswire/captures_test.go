package tlswire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
	"github.com/authtap/authtap/reassembly"
	"github.com/authtap/authtap/reassembly/decode"
	"github.com/authtap/authtap/reassembly/exchange"
	"github.com/authtap/authtap/reassembly/http1"
	"github.com/authtap/authtap/reassembly/identify"
	"github.com/authtap/authtap/reassembly/tlswire"
)

const captures = "../../../shared/captures"

// hello is what the truth says of one.
type hello struct {
	Type    string
	Version string
	SNI     string
	ALPN    []string
	Cipher  string
	JA3     string
}

// TestCaptures compares the hellos of captures that nobody here wrote with what
// tshark sees in them.
func TestCaptures(t *testing.T) {
	files, _ := filepath.Glob(captures + "/truth/*/*.json")
	if len(files) == 0 {
		t.Skip("no captures beside the checkout")
	}
	all, met := 0, 0
	for _, file := range files {
		var truth struct{ TLS []hello }
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &truth); err != nil {
			t.Fatal(err)
		}
		if len(truth.TLS) == 0 {
			continue
		}
		name, _ := strings.CutPrefix(strings.TrimSuffix(file, ".json"), captures+"/truth/")
		got := map[string]int{}
		for _, h := range handshakes(t, filepath.Join(captures, "files", name)) {
			for _, s := range hellos(h) {
				got[s]++
			}
		}
		n := 0
		var missed []string
		for _, h := range truth.TLS {
			s := fmt.Sprintf("%+v", h)
			if got[s] > 0 {
				got[s]--
				n++
			} else {
				missed = append(missed, s)
			}
		}
		all += len(truth.TLS)
		met += n
		if n < len(truth.TLS) {
			maps.DeleteFunc(got, func(_ string, n int) bool { return n == 0 })
			t.Logf("%s: %d of %d\nmissed\n\t%s\nothers\n\t%s", name, n, len(truth.TLS),
				strings.Join(missed, "\n\t"), strings.Join(slices.Sorted(maps.Keys(got)), "\n\t"))
		}
	}
	t.Logf("%d of %d hellos", met, all)
	if met*100 < all*99 {
		t.Errorf("only %d of %d hellos are as they should be", met, all)
	}
}

func hellos(h *exchange.Handshake) (list []string) {
	version := func(v exchange.Version) string {
		s := strings.ReplaceAll(strings.ReplaceAll(v.String(), " draft ", "d"), " ", "")
		if v == exchange.SSL30 {
			return "SSLv3"
		}
		return s
	}
	if c := h.ClientHello; c.Present {
		alpn := c.ALPN
		list = append(list, fmt.Sprintf("%+v", hello{"client_hello", version(c.Legacy), c.ServerName, alpn, "", c.JA3}))
	}
	if s := h.ServerHello; s.Present {
		var alpn []string
		if s.ALPN != "" {
			alpn = []string{s.ALPN}
		}
		list = append(list, fmt.Sprintf("%+v", hello{"server_hello", version(s.Version), "", alpn, fmt.Sprintf("0x%04x", s.Suite), ""}))
	}
	if h.Retry { // a HelloRetryRequest chooses as the ServerHello does, and the client says the same twice
		list = append(list, list...)
	}
	return list
}

// The same captures, of TLS and of other things, with packets lost and bytes
// changed: nothing panics, and nothing is held at the end.
func TestCapturesDamaged(t *testing.T) {
	files, _ := filepath.Glob(captures + "/files/*/*")
	if len(files) == 0 {
		t.Skip("no captures beside the checkout")
	}
	seeds := uint64(3)
	if testing.Short() {
		seeds = 1
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Size() > 1<<20 || strings.HasSuffix(file, ".keys") || strings.HasSuffix(file, ".pem") {
			continue
		}
		for seed := range seeds {
			r := rand.New(rand.NewPCG(seed, 1))
			rebuilt(t, file, func(b []byte) bool {
				if r.IntN(20) == 0 {
					return false
				}
				for range len(b) / 100 {
					b[r.IntN(len(b))] = byte(r.Uint32())
				}
				return true
			})
		}
	}
}

// handshakes gives those of a capture.
func handshakes(t *testing.T, path string) []*exchange.Handshake { return rebuilt(t, path, nil) }

// rebuilt gives them after damage, which may change a packet, or drop it.
func rebuilt(t *testing.T, path string, damage func([]byte) bool) (list []*exchange.Handshake) {
	source, err := pcapfile.Open([]string{path}, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	shard := tlswire.NewShard(tlswire.Limits{}, func(h *exchange.Handshake) { list = append(list, h) }, nil)
	http := http1.NewShard(http1.Limits{}, func(*exchange.Exchange) {})
	table := identify.New(identify.Limits{}, http.Protocol(), shard.Protocol(), shard.Plain())
	assembler := reassembly.New(reassembly.Limits{}, table.New)
	var (
		p       capture.Packet
		segment reassembly.Segment
		decoder decode.Decoder
		at      reassembly.Origin
	)
	for {
		err := source.Next(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			continue
		}
		if damage != nil && len(p.Data) > 0 {
			p.Data = bytes.Clone(p.Data)
			if !damage(p.Data) {
				continue
			}
		}
		at.Order++
		at.Time = p.Time
		if decoder.Decode(&p, &segment) == decode.Segment {
			segment.Origin.Order = at.Order
			assembler.Segment(&segment)
		}
	}
	assembler.Shutdown(at)
	if h := shard.Stats().Held; h != 0 {
		t.Errorf("%s: %d bytes held at the end", path, h)
	}
	return list
}
