package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/output"
)

// silentAfter is when a sensor that gives no sign of life is told of.
const silentAfter = 3 * heartbeatEvery

// health are counters that say how a sensor fares, by the names that heartbeats
// give them; several are added up.
var health = []struct {
	name     string
	counters []string
}{
	{"packets", []string{"source.packets"}},
	{"dropped", []string{"source.kernel_dropped", "source.interface_dropped"}},
	{"exchanges", []string{"engine.exchanges"}},
	{"logins", []string{"engine.logins"}},
	{"findings", []string{"engine.findings"}},
	{"waiting", []string{"batcher.waiting", "spool.waiting"}},
	{"lost", []string{"batcher.lost", "spool.dropped"}},
	{"quarantined", []string{"spool.quarantined"}},
	{"failures", []string{"batcher.failures", "sender.failures"}},
	{"spool_bytes", []string{"spool.bytes"}},
}

func (p *program) status() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say how the sensors and the store are",
		Long: `status prints the last heartbeat of each live sensor, a minute old at most where
all is well, with what it has counted since it was started: packets and those
dropped, exchanges, logins, findings, and rows that wait, are lost, or are not
taken by the store. It warns of sensors that fell silent, that lose rows, or that
have another key than the rest, and tells what the store has. All counters are in
the table sensors.`,
		Args: arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			reader, s, err := p.asked(cmd)
			if err != nil {
				return err
			}
			defer reader.Close()
			beats, err := reader.Heartbeats(cmd.Context())
			if err != nil {
				return err
			}
			has, err := reader.Inventory(cmd.Context())
			if err != nil {
				return err
			}
			now := time.Now()
			sensors := sensorTable(beats, now)
			if s.Format == config.JSON || s.Format == "" && p.stdoutWidth == 0 {
				err = p.statusJSON(has, beats, now)
			} else if s.Format == config.CSV {
				err = output.AnswerCSV(p.stdout, sensors)
			} else {
				err = p.statusTable(has, sensors)
			}
			p.concerns(beats, now)
			return err
		},
	}
	flags(cmd, config.Stores)
	return cmd
}

func since(now time.Time, t detect.Timestamp) time.Duration {
	return max(now.Sub(capture.Time(t).Time()), 0)
}

func sensorTable(beats []store.Heartbeat, now time.Time) *store.Answer {
	a := &store.Answer{Columns: []string{"sensor", "last_seen", "age", "started", "version", "key"}}
	for _, h := range health {
		a.Columns = append(a.Columns, h.name)
	}
	for _, b := range beats {
		row := []any{b.Sensor, b.Time.String(), int64(since(now, b.Time) / time.Second), b.Started.String(), b.Version, b.Key[:min(len(b.Key), 8)]}
		for _, h := range health {
			row = append(row, int64(counted(&b, h.counters)))
		}
		a.Rows = append(a.Rows, row)
	}
	return a
}

func counted(b *store.Heartbeat, counters []string) (n uint64) {
	for _, c := range counters {
		n += b.Counters[c]
	}
	return n
}

func (p *program) statusTable(has *store.Inventory, sensors *store.Answer) error {
	if _, err := fmt.Fprintf(p.stdout, "%s %s, schema %d\n\n", has.Kind, has.Version, has.Schema); err != nil {
		return err
	}
	tables := &store.Answer{Columns: []string{"table", "rows"}}
	for _, t := range has.Tables {
		tables.Rows = append(tables.Rows, []any{t.Name, t.Rows})
	}
	if err := output.AnswerTable(p.stdout, tables, p.stdoutWidth); err != nil {
		return err
	}
	if len(sensors.Rows) == 0 {
		_, err := fmt.Fprintln(p.stdout, "\nno live sensor has given a sign of life")
		return err
	}
	fmt.Fprintln(p.stdout)
	return output.AnswerTable(p.stdout, sensors, p.stdoutWidth)
}

func (p *program) statusJSON(has *store.Inventory, beats []store.Heartbeat, now time.Time) error {
	type sensor struct {
		Sensor   string            `json:"sensor"`
		LastSeen detect.Timestamp  `json:"last_seen"`
		Age      int64             `json:"age"` // seconds
		Started  detect.Timestamp  `json:"started"`
		Version  string            `json:"version"`
		Key      string            `json:"key"`
		Counters map[string]uint64 `json:"counters"`
	}
	status := struct {
		Store   string           `json:"store"`
		Version string           `json:"version"`
		Schema  int              `json:"schema"`
		Rows    map[string]int64 `json:"rows"`
		Sensors []sensor         `json:"sensors"`
	}{has.Kind, has.Version, has.Schema, map[string]int64{}, []sensor{}}
	for _, t := range has.Tables {
		status.Rows[t.Name] = t.Rows
	}
	for _, b := range beats {
		status.Sensors = append(status.Sensors, sensor{b.Sensor, b.Time, int64(since(now, b.Time) / time.Second), b.Started, b.Version, b.Key, b.Counters})
	}
	text, err := json.Marshal(status)
	if err == nil {
		_, err = fmt.Fprintf(p.stdout, "%s\n", text)
	}
	return err
}

// concerns warns of what somebody should look at.
func (p *program) concerns(beats []store.Heartbeat, now time.Time) {
	keys := map[string]string{} // a sensor that has it
	for _, b := range beats {
		name := output.Escape(b.Sensor)
		if age := since(now, b.Time); age > silentAfter {
			p.warn("sensor %s has been silent for %s", name, output.Age(age))
		}
		if n := counted(&b, []string{"batcher.lost", "spool.dropped"}); n > 0 {
			p.warn("sensor %s has lost %d rows since it was started", name, n)
		}
		if n := b.Counters["spool.quarantined"]; n > 0 {
			p.warn("the store does not take %d rows of sensor %s: they are in its spool's quarantine", n, name)
		}
		keys[b.Key] = name
	}
	if len(keys) > 1 {
		p.warn("the sensors have %d different keys: the same credential has another id at each; give all of them the same --key-file", len(keys))
	}
}
