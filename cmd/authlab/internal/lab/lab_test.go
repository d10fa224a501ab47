//go:debug cryptocustomrand=1
package lab

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"

	"github.com/authtap/authtap/reassembly/reassemblytest"
)

// echo answers with what it was sent.
func echo(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	w.Header()["Date"] = nil
	w.Header().Set("X-From", r.RemoteAddr)
	if r.URL.Path == "/last" && r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
	w.Write(b)
}

// talk is a few exchanges with a server of each kind.
func talk(t *testing.T, seed uint64) ([]reassemblytest.Packet, []byte) {
	t.Helper()
	n := New(seed)
	for kind, at := range map[Kind]string{Plain: "198.51.100.1:80", TLS: "198.51.100.1:443", HTTP2: "198.51.100.2:443", H2C: "198.51.100.2:80"} {
		n.Serve(at, kind, http.HandlerFunc(echo))
	}
	for _, at := range []string{"198.51.100.1:80", "198.51.100.1:443", "198.51.100.2:443", "198.51.100.2:80"} {
		c := n.Client("203.0.113.5", at)
		c.Header.Set("X-One", "1")
		c.Header.Set("X-Two", "2")
		for _, path := range []string{"/a", "/b", "/last", "/c"} {
			body := strings.Repeat("x", 3000)
			r, err := http.NewRequest("POST", "http://shop.example"+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			a, err := c.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if string(a.Body) != body || !strings.HasPrefix(a.Header.Get("X-From"), "203.0.113.5:") {
				t.Errorf("%s %s: got %d bytes, %v", at, path, len(a.Body), a.Header)
			}
			n.Pass(time.Second)
		}
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	return n.Packets(), n.Keys()
}

// The same conversation gives the same bytes.
func TestRepeatable(t *testing.T) {
	packets, keys := talk(t, 1)
	if len(packets) < 100 || !bytes.Contains(keys, []byte("CLIENT_TRAFFIC_SECRET_0")) {
		t.Fatalf("%d packets, keys %q", len(packets), keys)
	}
	for range 5 {
		again, more := talk(t, 1)
		if diff := cmp.Diff(bytesOf(packets), bytesOf(again)); diff != "" || !bytes.Equal(keys, more) {
			t.Fatalf("another capture the second time\n%.2000s", diff)
		}
	}
	if other, _ := talk(t, 2); cmp.Equal(bytesOf(packets), bytesOf(other)) {
		t.Error("the seed changes nothing")
	}
}

func bytesOf(packets []reassemblytest.Packet) (all []string) {
	for _, p := range packets {
		all = append(all, p.Time.Time().String()+string(p.Data))
	}
	return all
}

// A client uses the connection it has, however early its second request comes.
func TestOneConnection(t *testing.T) {
	for range 1500 {
		n := New(1)
		n.Serve("198.51.100.2:80", H2C, http.HandlerFunc(echo))
		c := n.Client("203.0.113.5", "198.51.100.2:80")
		for range 2 {
			r, err := http.NewRequest("GET", "http://shop.example/", nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Do(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := n.Close(); err != nil || n.wires != 1 {
			t.Fatalf("%d connections, %v", n.wires, err)
		}
	}
}

// Mistakes of whoever writes a scenario are told.
func TestMistakes(t *testing.T) {
	n := New(1)
	r, err := http.NewRequest("GET", "http://shop.example/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Client("203.0.113.5", "198.51.100.1:80").Do(r); err == nil || !strings.Contains(err.Error(), "no server at 198.51.100.1:80") {
		t.Error(err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	var b bytes.Buffer
	if err := http2.NewFramer(&b, nil).WriteGoAway(1, http2.ErrCodeNo, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := new(frameSorter).order(nil, b.Bytes()); err == nil || !strings.Contains(err.Error(), "GOAWAY") {
		t.Error(err)
	}
}

// Things that happen together begin one behind the other.
func TestTogether(t *testing.T) {
	n := New(1)
	start := n.Now()
	var began []time.Duration
	wait := func(d time.Duration) func() {
		return func() {
			began = append(began, n.Now().Sub(start))
			n.Pass(d)
		}
	}
	n.Together(time.Second, wait(time.Minute), wait(time.Second))
	if diff := cmp.Diff([]time.Duration{0, time.Second}, began); diff != "" || n.Now().Sub(start) != time.Minute {
		t.Error(diff, n.Now().Sub(start))
	}
}
