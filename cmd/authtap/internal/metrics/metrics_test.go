package metrics

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

type below struct {
	Packets [2]uint64
	Odd     uint32
	hidden  uint64
}

type all struct {
	below
	HTTPHeads uint64
	Held      int
	Negative  int64
	Below     below
	Batcher   *struct{ Waiting, Lost uint64 }
	Absent    *below
	Windows   map[string]struct{ Late uint64 }
	ByServer  map[[4]byte]uint64
}

func sample() *all {
	s := &all{HTTPHeads: 1, Held: 2, Negative: -1, Below: below{Packets: [2]uint64{3, 4}, Odd: 5, hidden: 99}}
	s.Batcher = &struct{ Waiting, Lost uint64 }{6, 7}
	s.Windows = map[string]struct{ Late uint64 }{"b": {8}, "a \xff": {9}}
	s.ByServer = map[[4]byte]uint64{{1, 2, 3, 4}: 10}
	return s
}

func TestCounts(t *testing.T) {
	var got []string
	for _, c := range Of(sample()) {
		if c.Number > 0 {
			kind := ""
			if c.Level {
				kind = " level"
			}
			got = append(got, c.Path()+"="+string(rune('0'+c.Number))+kind)
		}
	}
	want := []string{
		"httpheads=1", "held=2 level", "below.packets.0=3", "below.packets.1=4", "below.odd=5",
		"batcher.waiting=6 level", "batcher.lost=7", "windows.a \ufffd.late=9", "windows.b.late=8",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	if Of(nil) != nil || Of((*all)(nil)) != nil {
		t.Error("nothing has counts")
	}
}

func ask(t *testing.T, s *Server, path string) (int, string) {
	t.Helper()
	r, err := http.Get("http://" + s.Addr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func TestServer(t *testing.T) {
	var ready error
	now := true
	s, err := Listen("127.0.0.1:0", Options{
		Version:    "1.2.3",
		Statistics: func(context.Context) (any, bool) { return sample(), now },
		Ready:      func() error { return ready },
	})
	if err != nil {
		t.Fatal(err)
	}
	code, text := ask(t, s, "/metrics")
	for _, want := range []string{
		`authtap_httpheads_total 1`, `authtap_held 2`, `authtap_negative 0`, `authtap_below_packets_total{index="1"} 4`,
		`authtap_batcher_waiting 6`, `authtap_batcher_lost_total 7`, `authtap_windows_late_total{window="b"} 8`,
		`authtap_statistics_current 1`, `version="1.2.3"`, "go_goroutines", "process_cpu_seconds_total",
	} {
		if code != 200 || !strings.Contains(text, want) {
			t.Errorf("%d, no %s in\n%s", code, want, text)
		}
	}
	if strings.Contains(text, "99") && strings.Contains(text, "hidden") || strings.Contains(text, "by_server") {
		t.Error(text)
	}
	for _, c := range []struct {
		path  string
		ready error
		now   bool
		code  int
		text  string
	}{
		{"/healthz", nil, true, 200, "ok"},
		{"/healthz", errors.New("no"), false, 200, "ok"},
		{"/readyz", nil, true, 200, "ok"},
		{"/readyz", errors.New("ending"), true, 503, "ending"},
		{"/readyz", nil, false, 503, "not being processed"},
		{"/metrics", nil, false, 200, "authtap_statistics_current 0"},
		{"/", nil, true, 404, ""},
	} {
		ready, now = c.ready, c.now
		if code, text := ask(t, s, c.path); code != c.code || !strings.Contains(text, c.text) {
			t.Errorf("%+v: %d %s", c, code, text)
		}
	}
	if r, err := http.Post("http://"+s.Addr().String()+"/metrics", "text/plain", nil); err != nil || r.StatusCode != http.StatusMethodNotAllowed {
		t.Error(r, err)
	}
	if _, err := Listen(s.Addr().String(), Options{}); err == nil {
		t.Error("two servers at one address")
	}
	s.Close()
	if _, err := http.Get("http://" + s.Addr().String() + "/healthz"); err == nil {
		t.Error("it answers after its end")
	}
}
