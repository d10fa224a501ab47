package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// command gives the program as a process of its own.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0] = "authtap" // by which TestMain knows what to run
	return cmd
}

// Root that becomes somebody else has no rights left in any thread, goes on
// capturing, and what it makes is that user's.
func TestUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIP: only root can become somebody else")
	}
	dir := t.TempDir()
	for at := dir; at != "/" && at != os.TempDir(); at = filepath.Dir(at) {
		os.Chmod(at, 0o755)
	}
	own := filepath.Join(dir, "own")
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	if err := os.Chown(own, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	cmd := command(t, "sniff", "-i", "lo", "--user", "nobody", "--store", "sqlite:"+filepath.Join(own, "a.db"), "--key-file", filepath.Join(own, "key"), "--listen", "127.0.0.1:0", "udp port 9")
	var stderr safeBuffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	base := began(t, &stderr)
	threads, err := filepath.Glob("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/task/*/status")
	if err != nil || len(threads) == 0 {
		t.Fatalf("%v, %d threads", err, len(threads))
	}
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		for line := range bytes.Lines(text) {
			name, value, _ := strings.Cut(strings.TrimSpace(string(line)), ":")
			f := strings.Fields(value)
			switch name {
			case "CapEff", "CapPrm", "CapAmb", "CapInh":
				if strings.Trim(f[0], "0") != "" {
					t.Errorf("%s: %s %s", path, name, f[0])
				}
			case "Uid", "Gid":
				for _, id := range f {
					if id != "65534" {
						t.Errorf("%s: %s %v", path, name, f)
						break
					}
				}
			case "Groups":
				if len(f) != 1 || f[0] != "65534" {
					t.Errorf("%s: groups %v", path, f)
				}
			}
		}
	}
	conn, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 12_000 {
		conn.Write([]byte("x"))
		_, text := fetched(t, base+"/metrics")
		if !strings.Contains(text, "\nauthtap_source_packets_total 0\n") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	cmd.Process.Signal(syscall.SIGINT)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, stderr.String())
	}
	if strings.Contains(stderr.String(), "\n0 packets read") {
		t.Error(stderr.String())
	}
	for _, name := range []string{"a.db", "key"} {
		info, err := os.Stat(filepath.Join(own, name))
		if err != nil {
			t.Error(err)
		} else if s := info.Sys().(*syscall.Stat_t); s.Uid != nobody || info.Mode().Perm() != 0o600 {
			t.Errorf("%s is of user %d, mode %v", name, s.Uid, info.Mode())
		}
	}
	for name, want := range map[string]string{"nonesuch": "unknown user nonesuch", "root": "root keeps all rights"} {
		out, err := command(t, "sniff", "-i", "lo", "--user", name, "--store", "none").CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%v: %s", err, out)
		}
	}
}
