package config_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/detect"
)

var detectors = []detect.Detector{{
	Name: "brute_force",
	Options: []detect.Option{
		{Name: "threshold", Default: 10},
		{Name: "span", Default: time.Minute},
		{Name: "strict", Default: false},
		{Name: "label", Default: "x"},
		{Name: "paths", Default: []string{"/login"}},
	},
}}

func load(t *testing.T, file string, environ map[string]string, args ...string) (config.Settings, error) {
	t.Helper()
	from := config.Sources{
		Flags:     pflag.NewFlagSet("", pflag.ContinueOnError),
		Environ:   func(name string) (string, bool) { v, ok := environ[name]; return v, ok },
		Detectors: detectors,
	}
	given := config.Defaults()
	given.Flags(from.Flags, config.Stores|config.Reading|config.Judging)
	if err := from.Flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	if file != "" {
		t.Chdir(t.TempDir())
		from.File = "authtap.yaml"
		if err := os.WriteFile(from.File, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return config.Load(from)
}

func TestMistakesSayWhere(t *testing.T) {
	for _, c := range []struct {
		name, file string
		environ    map[string]string
		args       []string
		want       string
	}{
		{name: "unknown setting", file: "shards: 2\nstor: none\n", want: `authtap.yaml:2: unknown setting "stor"`},
		{name: "setting twice", file: "shards: 2\nshards: 3\n", want: `authtap.yaml:2: `},
		{name: "no YAML", file: "shards: [\n", want: `authtap.yaml:1: `},
		{name: "no mapping", file: "- shards\n", want: `authtap.yaml:1: a mapping (name: value) is expected here`},
		{name: "wrong value", file: "\nmemory: much\n", want: `authtap.yaml:2: memory: "much" is not a size`},
		{name: "mapping for a value", file: "store:\n  a:\n    b: 1\n", want: `authtap.yaml:2: a single value is expected here`},
		{name: "null", file: "store:\n", want: `authtap.yaml:1: a single value is expected here`},
		{name: "alias", file: "store: &x none\nsensor: *x\n", want: `authtap.yaml:1: a single value is expected here`},
		{name: "wrong value in a list", file: "trusted-proxy:\n  - 10.0.0.0/8\n  - 10.0.0.0/33\n", want: `trusted-proxy: "10.0.0.0/33" is not a network`},
		{name: "unknown detector", file: "detectors:\n  brute: {}\n", want: `authtap.yaml:2: there is no detector "brute"`},
		{name: "unknown option", file: "detectors:\n  brute_force:\n    treshold: 1\n", want: `authtap.yaml:3: detector brute_force has no option "treshold"`},
		{name: "option of the wrong type", file: "detectors:\n  brute_force:\n    span: 10\n", want: `authtap.yaml:3: "10" is not a duration`},
		{name: "negative option", file: "detectors:\n  brute_force:\n    threshold: -1\n", want: `authtap.yaml:3: "-1" is not a whole number`},
		{name: "truth", file: "detectors:\n  brute_force:\n    strict: yes\n", want: `authtap.yaml:3: "yes" is neither true nor false`},
		{name: "unknown limit", file: "limits:\n  bodies: 1\n", want: `authtap.yaml:2: limits: there is no limit "bodies"`},
		{name: "environment", environ: map[string]string{"AUTHTAP_FAIL_ON": "severe"}, want: `AUTHTAP_FAIL_ON: unknown severity "severe"`},
		{name: "limit of nothing", environ: map[string]string{"AUTHTAP_LIMITS": "head-bytes=0"}, want: `AUTHTAP_LIMITS: head-bytes: "0" is not a number of at least 1`},
		{name: "limit without a number", environ: map[string]string{"AUTHTAP_LIMITS": "head-bytes"}, want: `"head-bytes" is not NAME=NUMBER`},
		{name: "detector to run", args: []string{"--only", "brute"}, want: `--only: there is no detector "brute"`},
		{name: "detector not to run", args: []string{"--disable", "brute"}, want: `there is no detector "brute"`},
		{name: "too many shards", args: []string{"--shards", "1025"}, want: `--shards: 1025 is not between`},
		{name: "too little memory", args: []string{"--memory", "1MiB"}, want: `--memory: 1MiB is less than`},
		{name: "not a number", file: "rings: some\n", want: `authtap.yaml:1: rings: "some" is not a whole number`},
		{name: "neither", environ: map[string]string{"AUTHTAP_MIGRATE": "perhaps"}, want: `AUTHTAP_MIGRATE: "perhaps" is neither true nor false`},
		{name: "a number out of its range, in the file", file: "sensor: a\nrings: 65\n", want: `authtap.yaml:2: rings: 65 is not between`},
		{name: "and in the environment", environ: map[string]string{"AUTHTAP_SPOOL_MAX": "1k"}, want: `AUTHTAP_SPOOL_MAX: 1KiB is less than 1MiB`},
		{name: "two values for one", file: "store:\n  - none\n  - sqlite:x\n", want: `authtap.yaml:2: store: a single value is expected here`},
		{name: "no host", file: "store: clickhouse:///db\n", want: `authtap.yaml:1: store: the address of ClickHouse names no host`},
		{name: "parameters", args: []string{"--store", "clickhouse://u:secret@db/x?a=b"}, want: `--store: the address of ClickHouse takes no parameters`},
		{name: "no findings", args: []string{"--max-findings", "0"}, want: `--max-findings: 0 is less`},
		{name: "unknown store", args: []string{"--store", "mysql:x"}, want: `--store: there is no kind "mysql"`},
		{name: "password in a wrong place", args: []string{"--store", "user:secret@db"}, want: `--store: there is no kind "user"`},
		{name: "store without a place", args: []string{"--store", "sqlite"}, want: `--store: sqlite: names no place`},
		{name: "address without a port", file: "listen: localhost\n", want: `authtap.yaml:1: listen: "localhost" is not an address`},
		{name: "no port", environ: map[string]string{"AUTHTAP_LISTEN": "localhost:x"}, want: `"localhost:x" is not an address`},
		{name: "snap length", file: "snaplen: 10\n", want: `snaplen: 10 is not between`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := load(t, c.file, c.environ, c.args...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %s", err, c.want)
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	_, err := config.Load(config.Sources{
		Flags: pflag.NewFlagSet("", pflag.ContinueOnError), Environ: os.LookupEnv,
		File: filepath.Join(t.TempDir(), "none.yaml"),
	})
	if err == nil || !os.IsNotExist(unwrap(err)) {
		t.Error(err)
	}
}

func unwrap(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return err
}

const everything = `
# all kinds of values
memory: 300MiB
shards: 3
limits:
  body-bytes: 4KiB
  window-keys: 1000
store: "none"
spool: /spool
spool-max: 4MiB
migrate: false
cluster: main
retain:
  findings: 400
  by_day: 0
format: json
fail-on: high
max-findings: 7
key-file: /k
jwt-secrets: /s
sensor: edge 1
hide-principals: true
trusted-proxy: [10.1.2.3/8, "::1"]
disable: brute_force
interface:
  - eth0
  - eth1
snaplen: 128KiB
buffer: 1MiB
detectors:
  brute_force:
    threshold: 3
    span: 10m
    strict: true
    label: 5
    paths: [/a, /b]
`

func TestFile(t *testing.T) {
	got, err := load(t, everything, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Settings{
		Memory: 300 << 20, Shards: 3, Limits: config.Limits{"body-bytes": 4096, "window-keys": 1000},
		Store: "none", SpoolMax: 4 << 20, Retain: config.Days{"findings": 400, "by_day": 0}, Cluster: "main", Spool: "/spool", Format: config.JSON, FailOn: config.Severity(detect.High), MaxFindings: 7, LogFormat: config.LogText,
		KeyFile: "/k", JWTSecrets: "/s", Sensor: "edge 1", HidePrincipals: true,
		TrustedProxies: config.Prefixes{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		Only:           []string{}, Disable: []string{"brute_force"},
		Interfaces: []string{"eth0", "eth1"}, SnapLen: 128 << 10, Buffer: 1 << 20,
		Detectors: map[string]detect.Values{"brute_force": {
			"threshold": 3, "span": 10 * time.Minute, "strict": true, "label": "5", "paths": []string{"/a", "/b"},
		}},
	}
	if got.Only == nil {
		want.Only = nil
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestPrecedence(t *testing.T) {
	environ := map[string]string{"AUTHTAP_STORE": "sqlite:env.db", "AUTHTAP_SENSOR": "env", "AUTHTAP_TRUSTED_PROXY": "192.0.2.0/24,198.51.100.7"}
	got, err := load(t, everything, environ, "--store=sqlite:flag.db", "--disable=brute_force", "--limits", "head-bytes=9", "--limits", "body-bytes=8")
	if err != nil {
		t.Fatal(err)
	}
	if got.Store != "sqlite:flag.db" || got.Sensor != "env" || got.KeyFile != "/k" || got.SnapLen != 128<<10 {
		t.Errorf("%+v", got)
	}
	// A stronger source replaces a list, it does not add to it.
	if s := got.TrustedProxies.String(); s != "192.0.2.0/24,198.51.100.7/32" {
		t.Error(s)
	}
	if s := got.Limits.String(); s != "body-bytes=8,head-bytes=9" {
		t.Error(s)
	}
}

func TestNothingSet(t *testing.T) {
	got, err := load(t, "# nothing\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Store != "sqlite:authtap.db" || got.Memory != 0 || got.MaxFindings != 10_000 {
		t.Errorf("%+v", got)
	}
}

func TestLimits(t *testing.T) {
	s := config.Settings{Limits: config.Limits{"head-bytes": 5}}
	if n := s.Limit("head-bytes", 1<<30); n != 5 {
		t.Error(n)
	}
	small, large := s.Limit("reassembly-bytes", 100<<20), s.Limit("reassembly-bytes", 200<<20)
	if small <= 0 || large != 2*small {
		t.Errorf("shares of 100 and 200 MiB: %d, %d", small, large)
	}
	for i, k := range config.Known() {
		if s.Limit(k.Name, 64<<20) <= 0 || k.Doc == "" {
			t.Errorf("%s: no default or no doc", k.Name)
		}
		if i > 0 && config.Known()[i-1].Name >= k.Name {
			t.Errorf("%s is out of order", k.Name)
		}
	}
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"9464": "127.0.0.1:9464", ":9464": "127.0.0.1:9464", "0.0.0.0:1": "0.0.0.0:1", "[::]:1": "[::]:1", "localhost:0": "localhost:0",
	} {
		var a config.Address
		if err := a.Set(text); err != nil || a.String() != want {
			t.Errorf("%q: %v, %v", text, a, err)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]config.Size{
		"0": 0, "17": 17, "64k": 64 << 10, "64KiB": 64 << 10, "1M": 1 << 20, "3 MiB": 3 << 20, "2GB": 2e9, "1G": 1 << 30, "5B": 5,
	} {
		var s config.Size
		if err := s.Set(text); err != nil || s != want {
			t.Errorf("%q: %d, %v", text, s, err)
		}
		var back config.Size
		if err := back.Set(want.String()); err != nil || back != want {
			t.Errorf("%d is printed as %q", want, want.String())
		}
	}
	for _, text := range []string{"", "k", "-1", "1.5M", "1T", "99999999999999999999", "9999999999G"} {
		var s config.Size
		if err := s.Set(text); err == nil {
			t.Errorf("%q was taken for %d", text, s)
		}
	}
}
