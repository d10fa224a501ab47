// Package deploy holds what is packaged with authtap; its tests make the package
// and look into it.
package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// have skips, and says why, where a program cannot be had.
func have(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("SKIP: %v", err)
	}
}

func output(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return string(out)
}

// The unit keeps one capability and leaves little else: systemd's own measure is
// under 2.
func TestUnit(t *testing.T) {
	have(t, "systemd-analyze")
	text, err := os.ReadFile("authtap.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"AmbientCapabilities=CAP_NET_RAW\n", "CapabilityBoundingSet=CAP_NET_RAW\n"} {
		if !strings.Contains(string(text), "\n"+want) {
			t.Errorf("no %s", want)
		}
	}
	if n := strings.Count(string(text), "CAP_"); n != 2 {
		t.Errorf("capabilities are named %d times", n)
	}
	out := output(t, "systemd-analyze", "security", "--offline=true", "--no-pager", "authtap.service")
	m := regexp.MustCompile(`Overall exposure level for authtap.service: ([\d.]+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatal(out)
	}
	if level, err := strconv.ParseFloat(m[1], 64); err != nil || level >= 2 {
		t.Errorf("exposure level %s", m[1])
	}
}

// The package installs a program that runs, a configuration that is taken and
// only root and the service read, and its user; and goes away again.
func TestDeb(t *testing.T) {
	have(t, "dpkg-deb")
	dir := t.TempDir()
	program := filepath.Join(dir, "authtap")
	output(t, "go", "build", "-ldflags", "-s -w -X main.version=v1.2-3-gabc", "-o", program, "../cmd/authtap")
	output(t, "./deb", "v1.2-3-gabc", program, dir)
	all, err := filepath.Glob(filepath.Join(dir, "authtap_1.2+3.gabc_*.deb"))
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, packages %q", err, all)
	}
	deb := all[0]
	contents := output(t, "dpkg-deb", "--contents", deb)
	for _, want := range []string{
		`-rwxr-xr-x root/root +\d+ \S+ \S+ \./usr/bin/authtap\n`,
		`-rw-r--r-- root/root +\d+ \S+ \S+ \./usr/lib/systemd/system/authtap.service\n`,
		`-rw-r----- root/root +\d+ \S+ \S+ \./etc/authtap/authtap.yaml\n`,
		`\./usr/share/doc/authtap/copyright\n`, `\./usr/share/doc/authtap/licences/github.com/google/gopacket/LICENSE\n`, `\./usr/share/doc/authtap/README.md\n`, `\./usr/share/bash-completion/completions/authtap\n`,
	} {
		if !regexp.MustCompile(want).MatchString(contents) {
			t.Errorf("no %s in\n%s", want, contents)
		}
	}
	if m := regexp.MustCompile(`(?m)^\S+ (?:(?:\S*)/)?(?:root/[^r]|[^r]\S*/)`).FindString(contents); m != "" {
		t.Errorf("not root's: %s", m)
	}
	if got := output(t, "dpkg-deb", "--field", deb, "Package", "Version", "Depends"); got != "Package: authtap\nVersion: 1.2+3.gabc\nDepends: libc6, libpcap0.8 | libpcap0.8t64\n" {
		t.Error(got)
	}

	if os.Geteuid() != 0 {
		t.Skip("SKIP: only root can install a package, even into a folder")
	}
	root := filepath.Join(dir, "root")
	for _, sub := range []string{"etc", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "var/log"} {
		if err := os.MkdirAll(filepath.Join(root, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for file, text := range map[string]string{"var/lib/dpkg/status": "", "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n"} {
		if err := os.WriteFile(filepath.Join(root, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dpkg := func(args ...string) string {
		return output(t, "dpkg", append([]string{"--root=" + root, "--force-script-chrootless", "--force-depends", "--log=" + root + "/var/log/dpkg.log"}, args...)...)
	}
	dpkg("--install", deb)
	if got := output(t, filepath.Join(root, "usr/bin/authtap"), "version"); !strings.Contains(got, "v1.2-3-gabc") {
		t.Error(got)
	}
	config := filepath.Join(root, "etc/authtap/authtap.yaml")
	output(t, filepath.Join(root, "usr/bin/authtap"), "config", "check", "--config", config)
	passwd, _ := os.ReadFile(filepath.Join(root, "etc/passwd"))
	user := regexp.MustCompile(`(?m)^authtap:[^:]*:(\d+):(\d+):`).FindStringSubmatch(string(passwd))
	if user == nil {
		t.Fatalf("no user in %s", passwd)
	}
	if got := output(t, "stat", "-c", "%a %u %g", config); got != "640 0 "+user[2]+"\n" {
		t.Errorf("the configuration is %s", got)
	}
	// What a user writes into the configuration outlives the package, until it is
	// purged.
	if err := os.WriteFile(config, []byte("sensor: mine\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	dpkg("--install", deb)
	dpkg("--remove", "authtap")
	if text, err := os.ReadFile(config); err != nil || string(text) != "sensor: mine\n" {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(root, "usr/bin/authtap")); err == nil {
		t.Error("the program is left")
	}
	os.MkdirAll(filepath.Join(root, "var/lib/authtap"), 0o700)
	dpkg("--purge", "authtap")
	for _, gone := range []string{"etc/authtap", "var/lib/authtap", "usr/share/doc/authtap"} {
		if _, err := os.Stat(filepath.Join(root, gone)); err == nil {
			t.Errorf("%s is left", gone)
		}
	}
}
