package main

import (
	"context"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/authtap/authtap/cmd/authtap/internal/metrics"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/tlswire/secret"
	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/trigger"
)

// Every number that the statistics at the end of a run tell, metrics tell too.
func TestMetricsTellWhatTheEndTells(t *testing.T) {
	fresh := func() *statistics {
		return &statistics{
			Secrets: new(secret.Stats), Engine: &detect.Stats{Windows: map[string]window.Stats{}}, Printing: new(printingStats), Reloads: new(reloadStats),
			Batcher: new(store.BatcherStats), Spool: new(store.SpoolStats), Sender: new(store.SenderStats),
		}
	}
	// With something in each of the others, a line appears, changes, or not.
	end := func(s *statistics) string { return strings.Join(s.lines([]tap{&ring{name: "eth1"}}).lines, "\n") }
	nothing, checked, told := end(fresh()), 0, 0
	var leaves func(v reflect.Value, at string, pick func() (*statistics, reflect.Value))
	leaves = func(v reflect.Value, at string, pick func() (*statistics, reflect.Value)) {
		in := func(name string, of func(reflect.Value) reflect.Value) {
			leaves(of(v), at+"."+name, func() (*statistics, reflect.Value) { s, v := pick(); return s, of(v) })
		}
		switch v.Kind() {
		case reflect.Pointer:
			in("", reflect.Value.Elem)
		case reflect.Struct:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() || f.Anonymous {
					in(f.Name, func(v reflect.Value) reflect.Value { return v.Field(i) })
				}
			}
		case reflect.Array:
			for i := range v.Len() {
				in("", func(v reflect.Value) reflect.Value { return v.Index(i) })
			}
		case reflect.Map: // of servers (coverage), or windows: see below
		default:
			const number = 987654
			s, leaf := pick()
			if !leaf.CanSet() {
				return
			}
			if leaf.CanUint() {
				leaf.SetUint(number)
			} else if leaf.CanInt() {
				leaf.SetInt(number)
			} else {
				t.Errorf("%s is a %v", at, leaf.Type())
			}
			checked++
			if end(s) == nothing {
				return
			}
			told++
			if !slices.ContainsFunc(metrics.Of(s), func(c metrics.Count) bool { return c.Number == number }) {
				t.Errorf("the end tells %s, metrics do not", at)
			}
		}
	}
	leaves(reflect.ValueOf(fresh()), "", func() (*statistics, reflect.Value) { s := fresh(); return s, reflect.ValueOf(s) })
	// Of triggers, which are by name.
	for i := range reflect.TypeFor[trigger.Stats]().NumField() {
		var one trigger.Stats
		if f := reflect.ValueOf(&one).Elem().Field(i); f.CanUint() {
			f.SetUint(987654)
		} else {
			f.SetInt(987654)
		}
		s := &statistics{Triggers: map[string]trigger.Stats{"soc": one}}
		if !slices.ContainsFunc(metrics.Of(s), func(c metrics.Count) bool { return c.Number == 987654 && c.Label == "trigger" && c.Value == "soc" }) {
			t.Errorf("metrics do not tell %+v", one)
		}
	}
	if checked < 200 || told < 60 {
		t.Errorf("%d numbers were looked at, %d are told at the end", checked, told)
	}
}

// hose is a capture that begins again whenever it is over, until it is closed.
type hose struct {
	head, packets, rest []byte
	closed              chan struct{}
}

func newHose(t *testing.T, path string) *hose {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return &hose{head: b[:24], packets: b[24:], closed: make(chan struct{})}
}

func (h *hose) Read(b []byte) (int, error) {
	if len(h.head) > 0 {
		n := copy(b, h.head)
		h.head = h.head[n:]
		return n, nil
	}
	select {
	case <-h.closed:
		return 0, io.EOF
	case <-time.After(time.Millisecond):
	}
	if len(h.rest) == 0 {
		h.rest = h.packets
	}
	n := copy(b, h.rest)
	h.rest = h.rest[n:]
	return n, nil
}

// began waits until a program says where its metrics are.
func began(t *testing.T, stderr *safeBuffer) string {
	t.Helper()
	for range 12_000 {
		if m := regexp.MustCompile(`metrics are at (http://\S+)/metrics`).FindStringSubmatch(stderr.String()); m != nil {
			return m[1]
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("no address is told: %s", stderr.String())
	return ""
}

func fetched(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.Get(url)
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

// current fetches until the answer is of now: a busy machine may be late with
// what it is asked.
func current(t *testing.T, url string) string {
	t.Helper()
	for range 50 {
		if code, text := fetched(t, url); code == 200 && !strings.Contains(text, "\nauthtap_statistics_current 0\n") {
			return text
		}
	}
	t.Fatalf("no answer of now from %s", url)
	return ""
}

// While it reads, a run tells what it counts and that it is well, with labels
// of the program's own.
func TestListen(t *testing.T) {
	h := newHose(t, filepath.Join("..", "..", "testdata", "pcaps", "demo", "in.pcap"))
	var stderr safeBuffer
	p := &program{stdin: h, stdout: io.Discard, stderr: &stderr, environ: func(string) (string, bool) { return "", false }}
	ended := make(chan int)
	go func() {
		ended <- p.run(context.Background(), []string{"replay", "--listen", "127.0.0.1:0", "--store", "sqlite:" + filepath.Join(t.TempDir(), "a.db"), "--key-file", testKey(t), "-"})
	}()
	base := began(t, &stderr)
	if code, text := fetched(t, base+"/healthz"); code != 200 {
		t.Errorf("%d %s", code, text)
	}
	current(t, base+"/readyz")
	text := current(t, base+"/metrics")
	for _, want := range []string{
		"\nauthtap_statistics_current 1\n", "\nauthtap_source_packets_total ", "\nauthtap_engine_findings_total ", "\nauthtap_batcher_stored_total ",
		`authtap_decode_packets_total{reason="`, `authtap_engine_windows_keys{window="`, `authtap_streams_reassembly_ended_total{end="fin"}`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	labels := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^authtap_\w+\{(.*)\}`).FindAllStringSubmatch(text, -1) {
		for _, l := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(m[1], -1) {
			labels[l[1]] = true
		}
	}
	if got := slices.Sorted(maps.Keys(labels)); !slices.Equal(got, []string{"end", "goversion", "reason", "tunnel", "version", "window"}) {
		t.Errorf("labels %v", got)
	}
	for _, traffic := range []string{"shop.example", "192.0.2.66", "admin", "partner"} {
		if strings.Contains(text, traffic) {
			t.Errorf("%s is in the metrics", traffic)
		}
	}
	close(h.closed)
	if code := <-ended; code != exitDone {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
	if _, err := http.Get(base + "/healthz"); err == nil {
		t.Error("it answers after its end")
	}
}

// Who asks while nothing moves gets the last statistics, with what can be asked
// at any time.
func TestAskedWhileNothingMoves(t *testing.T) {
	a := newAsked(func(s *statistics) { s.Batcher = &store.BatcherStats{Stored: 7} })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, now := a.ask(ctx); now || s.(*statistics).Batcher.Stored != 7 || !a.wanted() {
		t.Errorf("%+v, %v", s, now)
	}
	s := new(statistics)
	s.Source.Packets = 5
	a.answer(s)
	if s, now := a.ask(ctx); now || s.(*statistics).Source.Packets != 5 {
		t.Errorf("%+v, %v", s, now)
	}
	a.answer(s)
	go func() {
		for !a.wanted() {
			time.Sleep(time.Millisecond)
		}
		a.answer(s)
	}()
	if _, now := a.ask(t.Context()); !now {
		t.Error("no answer")
	}
}
