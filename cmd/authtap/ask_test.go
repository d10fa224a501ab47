package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/sqlite"
	"github.com/authtap/authtap/store/storetest"
)

// shown is an output that is read while it is written.
type shown struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *shown) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *shown) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func asking(t *testing.T) (*program, *sqlite.Store, *shown, *shown) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "authtap.db")
	file, err := sqlite.Open(path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	out, errs := &shown{}, &shown{}
	return &program{stdin: strings.NewReader(""), stdout: out, stderr: errs, environ: func(name string) (string, bool) {
		if name == "AUTHTAP_STORE" {
			return "sqlite:" + path, true
		}
		return "", false
	}}, file, out, errs
}

func put(t *testing.T, s store.Sink, b *store.Block) {
	t.Helper()
	if err := s.Write(context.Background(), b); err != nil {
		t.Fatal(err)
	}
}

// A question without a range is about the days before the newest, and says
// whether there is more.
func TestDefaultRange(t *testing.T) {
	p, file, out, errs := asking(t)
	put(t, file, storetest.Block(0, 5))
	run := func(lines int, told bool, args ...string) {
		t.Helper()
		out.b.Reset()
		errs.b.Reset()
		if code := p.run(context.Background(), args); code != exitDone {
			t.Errorf("%q: exit %d, %s", args, code, errs)
		}
		if n := strings.Count(out.String(), "\n"); n != lines || (strings.Contains(errs.String(), "--since all") != told) {
			t.Errorf("%q gives %d lines, want %d; said %q", args, n, lines, errs)
		}
	}
	run(5, false, "findings") // long ago, and the newest all the same
	month := detect.Timestamp(30 * 24 * time.Hour)
	late := storetest.Finding(100)
	late.FirstSeen, late.LastSeen = late.FirstSeen+month, late.LastSeen+month
	e := storetest.Endpoint(5)
	e.Begin, e.Last = e.Begin+month, e.Last+month
	l := storetest.AuthEvent(200)
	l.Time += month
	put(t, file, &store.Block{Rows: store.Rows{Findings: []detect.Finding{late}, Endpoints: []detect.Endpoint{e}, AuthEvents: []detect.AuthEvent{l}}})
	run(1, true, "findings")
	run(6, false, "findings", "--since", "all")
	run(5, false, "findings", "--until", "2026-01-20")
	run(0, true, "findings", "--since", "2026-03-01")
	run(0, false, "findings", "--since", "2026-03-01", "--sensor", "nobody")
	run(0, false, "findings", "--sensor", "nobody")
	run(1, true, "findings", "--by", "detector")
	run(1, true, "endpoints")
	run(6, false, "endpoints", "--since", "all")
	run(1, true, "logins")
	run(4, false, "logins", "--since", "all")
	run(5, false, "credentials")
}

func TestFollow(t *testing.T) {
	p, file, out, errs := asking(t)
	put(t, file, storetest.Block(0, 3))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan int)
	go func() { done <- p.run(ctx, []string{"findings", "--follow", "--limit", "2"}) }()
	want := func(lines ...string) {
		t.Helper()
		for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
			got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if len(got) == len(lines) {
				for i := range lines {
					if !strings.Contains(got[i], lines[i]) {
						t.Fatalf("line %d is %s, want %s in it", i, got[i], lines[i])
					}
				}
				return
			}
			if time.Now().After(deadline) || len(got) > len(lines) {
				t.Fatalf("%d lines, want %d: %s %s", len(got), len(lines), out, errs)
			}
		}
	}
	first, second := storetest.Finding(1).ID, storetest.Finding(2).ID
	want(first, second)
	again := storetest.Finding(1)
	again.Version += 5
	again.LastSeen = detect.Timestamp(capture.Time(again.LastSeen).Add(time.Hour))
	put(t, file, store.Of(again, storetest.Finding(9)))
	want(first, second, storetest.Finding(9).ID, first)
	cancel()
	if code := <-done; code != exitDone {
		t.Errorf("exit %d: %s", code, errs)
	}
}

func TestStatusTellsWhatIsWrong(t *testing.T) {
	p, file, out, errs := asking(t)
	now := detect.Timestamp(capture.TimeOf(time.Now()))
	put(t, file, &store.Block{Rows: store.Rows{Heartbeats: []store.Heartbeat{
		{Sensor: "well", Time: now, Started: now, Version: "v1", Key: "k1", Counters: map[string]uint64{"source.packets": 7, "spool.waiting": 3, "batcher.waiting": 1}},
		{Sensor: "silent", Time: now - detect.Timestamp(time.Hour), Started: now, Version: "v1", Key: "k1"},
		{Sensor: "losing", Time: now, Started: now, Version: "v1", Key: "k2", Counters: map[string]uint64{"batcher.lost": 2, "spool.dropped": 3, "spool.quarantined": 4}},
	}}})
	if code := p.run(context.Background(), []string{"status", "--format", "csv"}); code != exitDone {
		t.Fatalf("exit %d: %s", code, errs)
	}
	if !strings.Contains(out.String(), ",v1,k1,7,0,0,0,0,4,0,0,0,0\n") {
		t.Error(out)
	}
	for _, want := range []string{"sensor silent has been silent for 1h0m", "sensor losing has lost 5 rows", "4 rows of sensor losing", "2 different keys"} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("%q is not said: %s", want, errs)
		}
	}
	if strings.Count(errs.String(), "\n") != 4 {
		t.Error(errs)
	}
}
