package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/cmd/authtap/internal/metrics"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/rules"
	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/trigger"
)

// The example of docs/operations.md is one that loads, and the metrics that it
// names are there.
func TestOperationsDoc(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	example, _, _ := strings.Cut(rest, "```")
	file := filepath.Join(t.TempDir(), "authtap.yaml")
	if err := os.WriteFile(file, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := config.Load(config.Sources{
		Flags: pflag.NewFlagSet("", pflag.ContinueOnError), Environ: func(string) (string, bool) { return "", false }, File: file, Detectors: rules.All(),
	})
	if err != nil || len(s.Triggers) != 3 {
		t.Errorf("%d triggers, %v", len(s.Triggers), err)
	}

	there := map[string]bool{"authtap_statistics_current": true}
	for _, n := range metrics.Of(&statistics{
		Engine: new(detect.Stats), Batcher: new(store.BatcherStats), Spool: new(store.SpoolStats), Sender: new(store.SenderStats),
		Reloads: new(reloadStats), Triggers: map[string]trigger.Stats{"x": {}},
	}) {
		name := "authtap_" + strings.ReplaceAll(n.Name, ".", "_")
		if !n.Level {
			name += "_total"
		}
		there[name] = true
	}
	names := regexp.MustCompile("`(authtap_[a-z_]+)`").FindAllStringSubmatch(string(text), -1)
	if len(names) < 10 {
		t.Errorf("%d metrics are named", len(names))
	}
	for _, m := range names {
		if !there[m[1]] {
			t.Errorf("there is no metric %s", m[1])
		}
	}
}
