package main

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/cmd/authtap/internal/metrics"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/custom"
)

// wire is a tap that gives the packets of a capture, and waits, quiet, at some
// of them.
type wire struct {
	*pcapfile.Source
	given uint64
	last  capture.Time
	// at says, before a packet with this number, that it is to be waited for.
	at map[uint64]func() (ready bool)
}

func (w *wire) Name() string { return "eth1" }
func (w *wire) Stop()        {}
func (w *wire) Next(p *capture.Packet) error {
	if ready := w.at[w.given+1]; ready != nil && !ready() {
		time.Sleep(time.Millisecond)
		p.Time = w.last
		return capture.ErrQuiet
	}
	err := w.Source.Next(p)
	if err == nil {
		w.given++
		w.last = p.Time
	}
	return err
}

// On SIGHUP the configuration is read again, and is in force from the next
// packet on; an attack that was under way goes on, and no packet is lost. A file
// with a mistake changes nothing.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "authtap.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	source, err := pcapfile.Open([]string{filepath.Join("..", "..", "testdata", "pcaps", "brute_force", "in.pcap")}, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr safeBuffer
	p := &program{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, environ: func(string) (string, bool) { return "", false }}
	// hup sends the signal once, and says when something was answered to it. Only
	// an answer that never comes is waited for until the tests have no more time.
	hup := func(text, want string) func() bool {
		sent, before := false, 0
		answered := func() (n int) {
			for _, line := range strings.Split(stderr.String(), "\n") {
				if strings.Contains(line, "the configuration stays as it is: ") || strings.Contains(line, "the configuration is reloaded") {
					n++
				}
			}
			return n
		}
		return func() bool {
			if !sent {
				sent, before = true, answered()
				write(text)
				syscall.Kill(os.Getpid(), syscall.SIGHUP)
			}
			until, bound := t.Deadline()
			over := bound && time.Until(until) < 10*time.Second
			if !over && answered() == before {
				return false
			}
			if said := stderr.String(); !strings.Contains(said, want) {
				t.Errorf("SIGHUP was not answered with %q: %s", want, said)
			}
			return true
		}
	}
	w := &wire{Source: source, at: map[uint64]func() bool{
		30: hup("disable: [cleartext_credential]\nshards: x\n", "the configuration stays as it is: "+file+":2"),
		40: hup("disable: [cleartext_credential]\njwt-secrets: "+dir+"/none\n", "the configuration stays as it is: cannot read the secrets"),
		50: hup("only: [brute_force, user_agent]\n", "stays as it is: "+file+`:1: only: there is no detector "user_agent"`),
		60: hup("only: [brute_force]\nshards: 7\nsensor: other\n", "the configuration is reloaded"),
	}}
	write("disable: [brute_force]\nstore: none\nsensor: here\nshards: 2\n")
	cmd := &cobra.Command{}
	cmd.Flags().String("config", file, "")
	flags(cmd, config.Stores|config.Delivery|config.Tables|config.Reading|config.Judging|config.Live)
	again := func() (config.Settings, error) { return p.settings(cmd) }
	s, err := again()
	if err != nil {
		t.Fatal(err)
	}
	s.KeyFile = testKey(t)
	if err := p.judge(t.Context(), s, []capture.Source{w}, []tap{w}, again); err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	for err == nil {
		var p capture.Packet
		if err = source.Next(&p); err == nil {
			t.Error("a packet is left")
		}
	}
	if err != io.EOF {
		t.Error(err)
	}
	found, said := stdout.String(), stderr.String()
	if !strings.Contains(said, "only a new start changes key-file, sensor, shards, store") {
		t.Errorf("not said what needs a new start: %s", said)
	}
	for _, want := range []string{"1 reloads of the configuration\n", "3 reloads refused"} {
		if !strings.Contains(said, want) {
			t.Errorf("not said: %s in %s", want, said)
		}
	}
	if !strings.Contains(found, `"detector":"cleartext_credential"`) || !strings.Contains(found, `"sensor":"here"`) {
		t.Errorf("a mistake in the file changed something: %s", found)
	}
	if !strings.Contains(found, `"detector":"brute_force"`) {
		t.Errorf("the attack was lost: %s\n%s", found, said)
	}
}

// What rules have counted is still counted when their files are read again.
func TestRuleStatsGoOn(t *testing.T) {
	set, err := custom.Compile([]custom.Rule{{Name: custom.Text{Text: "mine"}, Title: "Mine", Doc: "Mine.", Severity: detect.Low, When: custom.Text{Text: "status == 401"}}}, custom.Options{})
	if err != nil {
		t.Fatal(err)
	}
	before := map[string]custom.Stats{"mine": {Seen: 5, Asked: 4, Matched: 3, Crossed: 2, Errors: 1, Error: "odd"}, "gone": {Seen: 9}}
	if got := ruleStats(set, before); !maps.Equal(got, map[string]custom.Stats{"mine": before["mine"]}) {
		t.Errorf("got %+v", got)
	}
}

// What may fall is no counter.
func TestLevels(t *testing.T) {
	for _, c := range metrics.Of(&statistics{Engine: new(detect.Stats)}) {
		if c.Name == "engine.window_bytes" && !c.Level {
			t.Errorf("%s is a counter", c.Name)
		}
	}
}
