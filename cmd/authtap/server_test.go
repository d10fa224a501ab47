package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/authtap/authtap/store/clickhouse/clickhousetest"
)

// TestServer goes a user's way with ClickHouse: tables made ahead, a sensor
// that may not make them, and questions.
func TestServer(t *testing.T) {
	server := clickhousetest.Start(t)
	dir := t.TempDir()
	run := func(want int, args ...string) (stdout, stderr string) {
		t.Helper()
		var out, told bytes.Buffer
		p := &program{stdin: strings.NewReader(""), stdout: &out, stderr: &told, environ: func(name string) (string, bool) {
			v, ok := map[string]string{"AUTHTAP_STORE": server.DSN(), "XDG_STATE_HOME": dir}[name]
			return v, ok
		}}
		if got := p.run(context.Background(), args); got != want {
			t.Fatalf("%q ends with %d, want %d\n%s", args, got, want, &told)
		}
		return out.String(), told.String()
	}
	demo := filepath.Join("..", "..", "testdata", "pcaps", "demo", "in.pcap")

	if _, told := run(exitError, "findings"); !strings.Contains(told, "authtap migrate") {
		t.Errorf("without tables: %s", told)
	}
	if _, told := run(exitError, "replay", "--migrate=false", demo); !strings.Contains(told, "run `authtap migrate`") || !strings.Contains(told, "stay in the spool") {
		t.Errorf("without tables: %s", told)
	}
	plan, _ := run(exitDone, "migrate", "--dry-run", "--retain", "auth_events=18000")
	if strings.Count(plan, "CREATE TABLE") < 8 || !strings.Contains(plan, "MODIFY TTL") {
		t.Errorf("the plan: %s", plan)
	}
	if n := server.Query("SELECT count() FROM system.tables WHERE database = currentDatabase()")[0][0]; n != "0" {
		t.Errorf("a dry run made %s tables", n)
	}
	run(exitDone, "migrate", "--retain", "auth_events=18000")
	if plan, _ := run(exitDone, "migrate", "--dry-run", "--retain", "auth_events=18000"); plan != "" {
		t.Errorf("still to be done: %s", plan)
	}
	// The rows of the run that found no tables are sent, and come once.
	_, told := run(exitDone, "replay", "--migrate=false", demo)
	if !strings.Contains(told, "rows stored") || strings.Contains(told, "in the spool") {
		t.Errorf("replay: %s", told)
	}
	printed, _ := run(exitDone, "replay", demo)
	stored, _ := run(exitDone, "findings", "--limit", "0")
	if n := strings.Count(printed, "\n"); n == 0 || n != strings.Count(stored, "\n") {
		t.Errorf("%d findings were printed, %d stored", n, strings.Count(stored, "\n"))
	}
	for query, least := range map[string]string{
		"SELECT count() FROM auth_events FINAL WHERE principal = 'bob' AND outcome = 'failure'": "40",
		"SELECT sum(attempts) FROM logins_by_hour WHERE outcome = 'failure'":                    "40",
		"SELECT count() FROM accounts_at_risk WHERE principal = 'bob'":                          "1",
		"SELECT max(findings) FROM attacks_by_client":                                           "3",
		"SELECT count() FROM endpoint_posture WHERE has(weaknesses, 'cleartext_credential')":    "2",
		"SELECT max(events) FROM findings_by_day":                                               "40",
	} {
		got := server.Query(query)[0][0]
		if len(got) < len(least) || len(got) == len(least) && got < least {
			t.Errorf("%s: %s, want at least %s", query, got, least)
		}
	}
}

// A disk that is too small for what a replay brings is one that it waits for:
// what is sent makes room. It is told once.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	disk := filepath.Join(dir, "spool")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=2m"); err != nil {
		t.Skip("mounting needs root: ", err)
	}
	defer func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	}()
	pcap := filepath.Join(dir, "long.pcap")
	chaosCapture(t, pcap, 60)
	server := clickhousetest.Start(t)
	server.Kill() // or it may be as fast as the replay
	s := startSensor(t, dir, server.DSN(), pcap, "--memory=192MiB")
	for !strings.Contains(s.stderr.String(), "no space left") {
		if len(s.ended) > 0 {
			t.Fatalf("the disk was large enough, %v:\n%s", <-s.ended, s.stderr)
		}
		time.Sleep(time.Millisecond)
	}
	server.Restart()
	if err := <-s.ended; err != nil {
		t.Fatalf("%v\n%s", err, s.stderr)
	}
	if n := strings.Count(s.stderr.String(), "no space left"); n > 3 {
		t.Errorf("told %d times", n)
	}
	if s.count("rows stored") < 10_000 || s.count("rows lost") > 0 {
		t.Errorf("%s", s.stderr)
	}
}
