package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/detect/rules"
)

// The example has every setting and limit, and is a file that is taken, by
// itself and with every setting in it in force, which is the default wherever
// there is one. The file that is packaged is the example.
func TestExample(t *testing.T) {
	var b bytes.Buffer
	if err := config.Example(&b); err != nil {
		t.Fatal(err)
	}
	packaged := filepath.Join("..", "..", "..", "..", "deploy", "authtap.yaml")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(packaged, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(packaged); err != nil || !bytes.Equal(text, b.Bytes()) {
		t.Errorf("deploy/authtap.yaml is not what authtap config example prints (UPDATE=1 go test -run Example writes it): %v", err)
	}
	file := filepath.Join(t.TempDir(), "authtap.yaml")
	in := func(text string) config.Settings {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := config.Load(config.Sources{
			Flags: pflag.NewFlagSet("", pflag.ContinueOnError), Environ: func(string) (string, bool) { return "", false },
			File: file, Detectors: rules.All(),
		})
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		return s
	}
	in(b.String())
	all := regexp.MustCompile(`(?m)^#(\w|  )`).ReplaceAllString(b.String(), "$1")
	// The one and decap-only exclude each other, and the other is to be there.
	s := in(strings.NewReplacer("\nno-decap: false", "", "\nrules: [/etc/authtap/rules.yaml]", "").Replace(all))
	given := regexp.MustCompile(`(?m)^([\w-]+):`).FindAllStringSubmatch(all, -1)
	seen := map[string]int{}
	for _, g := range given {
		seen[g[1]]++
	}
	everything, inForce := pflag.NewFlagSet("", pflag.ContinueOnError), pflag.NewFlagSet("", pflag.ContinueOnError)
	defaults := config.Defaults()
	defaults.Flags(everything, ^config.Group(0))
	s.Flags(inForce, ^config.Group(0))
	everything.VisitAll(func(f *pflag.Flag) {
		if seen[f.Name] != 1 {
			t.Errorf("%s is there %d times", f.Name, seen[f.Name])
		}
		is := inForce.Lookup(f.Name).Value.String()
		if was := f.Value.String(); was != "" && was != "[]" && is != was {
			t.Errorf("%s is %s, and by default %s", f.Name, is, was)
		} else if (is == "" || is == "[]") && f.Name != "rules" {
			t.Errorf("%s has no example", f.Name)
		}
	})
	for _, k := range config.Known() {
		if s.Limits[k.Name] == 0 {
			t.Errorf("the limit %s is missing", k.Name)
		}
	}
	for _, section := range []string{"detectors", "suppress", "endpoints", "triggers"} {
		if seen[section] != 1 {
			t.Errorf("%s is there %d times", section, seen[section])
		}
	}
}
