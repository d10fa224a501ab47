package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // to look into the store

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/cmd/authtap/internal/pipeline"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/window"
	"github.com/authtap/authtap/reassembly/decode"
)

// A heartbeat has every counter by its name, and a fingerprint of the key that
// is the same for the same key and tells nothing of it.
func TestHeartbeat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authtap.db")
	p := &program{stderr: new(bytes.Buffer), environ: func(string) (string, bool) { return "", false }}
	s := config.Defaults()
	s.Store = "sqlite:" + path
	d, err := p.deliver(context.Background(), &s, true)
	if err != nil {
		t.Fatal(err)
	}
	var read pipeline.Stats
	read.Source, read.Backward = capture.Stats{Packets: 5, KernelDropped: 2}, 3
	read.Decode.Packets[decode.Segment] = 4
	read.Streams.Reassembly.Gap = 7
	judged := detect.Stats{Findings: 6, Open: 1, Windows: map[string]window.Stats{"failures": {}}}
	for sensor, key := range map[string]credential.Key{"a": {1}, "b": {1}, "c": {2}} {
		p.pulse(detect.Options{Sensor: sensor, Key: key}, d)(&statistics{Stats: read, Engine: &judged})
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT key, counters, started <= time FROM sensors ORDER BY sensor")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var keys []string
	for rows.Next() {
		var key, text string
		var ordered bool
		if err := rows.Scan(&key, &text, &ordered); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
		var got map[string]uint64
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]uint64{
			"source.packets": 5, "source.kernel_dropped": 2, "backward": 3, "streams.reassembly.gap": 7,
			"decode.packets." + strings.ReplaceAll(decode.Segment.String(), " ", "_"): 4, "engine.findings": 6, "engine.open": 1,
		} {
			if got[name] != want {
				t.Errorf("%s is %d, want %d: %v", name, got[name], want, got)
			}
		}
		if !ordered {
			t.Error("started after it beat")
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if len(keys) != 3 || keys[0] != keys[1] || keys[0] == keys[2] || len(keys[0]) != 32 {
		t.Errorf("fingerprints %q", keys)
	}
}
