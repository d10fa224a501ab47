package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/authtap/authtap/store/clickhouse/clickhousetest"
)

// A new user's way in the README works, line by line. What a test cannot do to
// its machine is stood in for: make and apt-get do nothing (the package has a
// test of its own), and systemctl starts what the unit does, as another user who
// has the one capability of the unit.
func TestNewUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIP: only root can capture, and become somebody else")
	}
	for _, program := range []string{"curl", "setpriv"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("SKIP: %v", err)
		}
	}
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	section := regexp.MustCompile(`(?s)\n## A sensor with ClickHouse, in ten lines\n.*?\n((?:    [^\n]*\n)+)`).FindSubmatch(readme)
	if section == nil {
		t.Fatal("the section is not there")
	}
	lines := strings.Split(strings.TrimSpace(string(section[1])), "\n")
	if len(lines) != 10 {
		t.Errorf("%d lines", len(lines))
	}

	server := clickhousetest.Start(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for at := dir; at != "/" && at != os.TempDir(); at = filepath.Dir(at) {
		os.Chmod(at, 0o755)
	}
	const nobody = 65534
	state, bin, pid := filepath.Join(dir, "state"), filepath.Join(dir, "bin"), filepath.Join(dir, "pid")
	for _, path := range []string{state, bin} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(state, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	unit, err := os.ReadFile(filepath.Join("..", "..", "deploy", "authtap.service"))
	if err != nil {
		t.Fatal(err)
	}
	start := regexp.MustCompile(`(?m)^ExecStart=/usr/bin/authtap (.*)$`).FindSubmatch(unit)
	if start == nil {
		t.Fatal("the unit starts nothing")
	}
	// The test binary is where only root may go.
	program := filepath.Join(dir, "authtap")
	if err := os.Link(self, program); err != nil {
		text, err := os.ReadFile(self)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(program, text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	os.Chmod(program, 0o755)
	// As from the package, it is there, and the sensor's user reads it.
	settings := filepath.Join(dir, "authtap.yaml")
	if err := errors.Join(os.WriteFile(settings, nil, 0o644), os.Chmod(settings, 0o644)); err != nil {
		t.Fatal(err)
	}
	// A free port, below those that the system gives to whoever asks for any.
	l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10_000+rand.IntN(20_000)))
	for err != nil {
		l, err = net.Listen("tcp", fmt.Sprint("127.0.0.1:", 10_000+rand.IntN(20_000)))
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	here := strings.NewReplacer(
		"/etc/authtap/authtap.yaml", settings, "eth1", "lo", "9464", port,
		"clickhouse://authtap:PASSWORD@db:9000/authtap", server.DSN(),
	)
	for name, text := range map[string]string{
		"make": "", "apt-get": "", "authtap": "exec " + program + ` "$@"`,
		"systemctl": `[ "$*" = "enable --now authtap" ] || exit 1
cd ` + state + `
STATE_DIRECTORY=` + state + ` setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs --inh-caps=-all,+net_raw --ambient-caps=-all,+net_raw --bounding-set=-all,+net_raw ` +
			program + " " + here.Replace(string(start[1])) + ` >` + dir + `/journal 2>&1 & echo $! >` + pid,
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { exec.Command("sh", "-c", "kill $(cat "+pid+")").Run() })

	api := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("{}")) }), ReadHeaderTimeout: time.Minute}
	l, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go api.Serve(l)
	defer api.Close()

	sh := func(script string) string {
		t.Helper()
		cmd := exec.Command("sh", "-e", "-c", script)
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+dir, "XDG_STATE_HOME=")
		out, err := cmd.CombinedOutput()
		if err != nil {
			journal, _ := os.ReadFile(filepath.Join(dir, "journal"))
			t.Fatalf("%v: %s\n%s\n%s", err, script, out, journal)
		}
		return string(out)
	}
	out := sh(here.Replace(strings.Join(lines[:9], "\n")))
	for _, want := range []string{"window-keys", "ok\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in %s", want, out)
		}
	}
	// Somebody has a token in a URL, until it is found.
	for try := 0; ; try++ {
		if answer, err := http.Get("http://" + l.Addr().String() + "/private?access_token=0123456789abcdef0123456789abcdef"); err == nil {
			answer.Body.Close()
		}
		http.DefaultClient.CloseIdleConnections()
		found := sh(here.Replace(lines[2] + "\n" + lines[9]))
		if strings.Contains(found, "credential_in_url") {
			break
		}
		if try == 100 {
			journal, _ := os.ReadFile(filepath.Join(dir, "journal"))
			t.Fatalf("nothing is found: %s\n%s", found, journal)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if out := sh(here.Replace(lines[2] + "\n" + lines[8])); !strings.Contains(out, "sensor") {
		t.Errorf("status: %s", out)
	}
}
