package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestScored(t *testing.T) {
	for tags, want := range map[string]bool{
		"http1":               true,
		"http1,vlan,encap":    true,
		"http1,encap":         false,
		"http1,vlan,gre":      false,
		"http1,ipfrag":        false,
		"tls,http2":           false,
		"http1,lt-NULL,qinq":  true,
		"http1,6in4,ipv6":     false,
		"tls-decrypts-http":   false,
		"http1,vlan,mpls,foo": false,
	} {
		if got := scored(strings.Split(tags, ",")); got != want {
			t.Errorf("%s: %v", tags, got)
		}
	}
}

func TestCompare(t *testing.T) {
	get := func(path string, status int) answered { return answered{request{"GET", "h", path}, status} }
	truth := []answered{get("/a", 200), get("/a", 200), get("/b", 404), get("/c", 0)}
	got := compare(truth, []answered{get("/a", 200), get("/a", 0), get("/a", 200), get("/b", 200), get("/d", 200)})
	if want := (score{requests: 3, wantRequests: 4, statuses: 2, wantStatuses: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if share(0, 0) != 0 {
		t.Error("nothing to find counts as found")
	}
}

func TestPathOf(t *testing.T) {
	for _, c := range [][3]string{
		{"GET", "/a?b", "/a"}, {"GET", "http://h/a?b", "/a"}, {"GET", "http://h", "/"}, {"GET", "http://h?x=/y", "/"},
		{"CONNECT", "h:443", "h:443"}, {"OPTIONS", "*", "*"}, {"GET", "/r?u=http://x/", "/r"}, {"GET", "/p/http://x/", "/p/http://x/"},
	} {
		if got := pathOf(c[0], c[1]); got != c[2] {
			t.Errorf("%s %s: %s, want %s", c[0], c[1], got, c[2])
		}
	}
}

// A program that finds all, or crashes, or finds nothing.
func TestCompareAll(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("inventory.tsv", "path\ttags\nfiles/a/x.pcap\thttp1\nfiles/a/y.pcap\ttls\n")
	write("truth/a/x.pcap.json", `{"http1_requests":[{"method":"GET","host":"H","uri":"/?q","status":null,"status_by_order":200}]}`)
	write("good", "#!/bin/sh\necho '{\"method\":\"GET\",\"host\":\"h\",\"path\":\"/\",\"status\":200}'\nexit 1\n")
	write("crash", "#!/bin/sh\necho 'goroutine 1 [running]' >&2\nexit 1\n")
	write("blind", "#!/bin/sh\nexit 0\n")
	for name, want := range map[string]string{
		"good":  "",
		"crash": "files/a/y.pcap: exit status 1: goroutine 1",
		"blind": "less than 99 % were found",
	} {
		var out strings.Builder
		err := compareAll(&out, dir, filepath.Join(dir, name))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q\n%s", name, err, want, out.String())
		}
	}
}

func TestWriteCapture(t *testing.T) {
	dir := t.TempDir()
	script, out := filepath.Join(dir, "dialogue.txt"), filepath.Join(dir, "in.pcap")
	if err := os.WriteFile(script, []byte("conn a 10.0.0.9:1000 10.0.0.2:80\n>> \"x\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeCapture(script, out); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(out); err != nil || info.Size() < 24+4*(16+54) {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.WriteFile(script, []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeCapture(script, out); err == nil {
		t.Error("nonsense became a capture")
	}
}
