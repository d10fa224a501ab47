package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
the table sensors.

Of this machine it says what lies in the spool (--spool): rows that the store does
not have yet, and since when. For that the store need not be there.`,
		Args: arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.asking(cmd)
			if err != nil {
				return err
			}
			// What the store does not answer does not hide what is here.
			has, beats, failed := condition(cmd.Context(), s.Store)
			spools, now := p.spools(s.Spool), time.Now()
			if s.Format == config.JSON || s.Format == "" && p.stdoutWidth == 0 {
				err = p.statusJSON(has, beats, spools, now)
			} else if s.Format == config.CSV {
				if failed == nil {
					err = output.AnswerCSV(p.stdout, sensorTable(beats, now))
				}
			} else {
				err = p.statusTable(has, sensorTable(beats, now), spools)
			}
			p.concerns(beats, now)
			p.leftBehind(spools)
			return errors.Join(err, failed)
		},
	}
	flags(cmd, config.Stores|config.Waiting)
	return cmd
}

// condition asks the store how it and its sensors are.
func condition(ctx context.Context, name string) (*store.Inventory, []store.Heartbeat, error) {
	reader, err := openReader(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	defer reader.Close()
	beats, err := reader.Heartbeats(ctx)
	if err != nil {
		return nil, nil, err
	}
	has, err := reader.Inventory(ctx)
	return has, beats, err
}

// servicePlace is where the service of the Debian package keeps its spool: who
// asks has another place for his own.
const servicePlace = "/var/lib/authtap/spool"

// spools looks into the spools of this machine, one for each database.
func (p *program) spools(named string) (all []store.SpoolState) {
	places := []string{named}
	if named == "" {
		places = []string{p.stateFile("spool"), servicePlace}
	}
	for i, place := range places {
		if place == "" || i > 0 && place == places[0] {
			continue
		}
		folders, err := os.ReadDir(place)
		for _, f := range folders {
			if !f.IsDir() {
				continue
			}
			st, failed := store.ReadSpool(filepath.Join(place, f.Name()))
			if err = errors.Join(err, failed); failed == nil {
				all = append(all, st)
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			p.warn("what waits in the spool is not known: %v; ask as the user whom it belongs to", err)
		}
	}
	return all
}

func spoolTable(all []store.SpoolState) *store.Answer {
	a := &store.Answer{Columns: []string{"spool", "rows_waiting", "oldest", "segments", "bytes", "quarantined", "state"}}
	for _, st := range all {
		var oldest any
		if st.Oldest != 0 {
			oldest = st.Oldest.String()
		}
		state := "closed"
		if st.Open {
			state = "open"
		}
		a.Rows = append(a.Rows, []any{st.Dir, int64(st.Waiting), oldest, int64(st.Segments), st.Bytes, int64(st.Quarantined), state})
	}
	return a
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

func (p *program) statusTable(has *store.Inventory, sensors *store.Answer, spools []store.SpoolState) error {
	if has != nil {
		if err := p.storeTable(has, sensors); err != nil {
			return err
		}
	}
	if len(spools) == 0 {
		return nil
	}
	if has != nil {
		fmt.Fprintln(p.stdout)
	}
	return output.AnswerTable(p.stdout, spoolTable(spools), p.stdoutWidth)
}

func (p *program) storeTable(has *store.Inventory, sensors *store.Answer) error {
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

func (p *program) statusJSON(has *store.Inventory, beats []store.Heartbeat, spools []store.SpoolState, now time.Time) error {
	type sensor struct {
		Sensor   string            `json:"sensor"`
		LastSeen detect.Timestamp  `json:"last_seen"`
		Age      int64             `json:"age"` // seconds
		Started  detect.Timestamp  `json:"started"`
		Version  string            `json:"version"`
		Key      string            `json:"key"`
		Counters map[string]uint64 `json:"counters"`
	}
	type spool struct {
		Dir         string            `json:"dir"`
		Waiting     uint64            `json:"waiting"` // rows
		Oldest      *detect.Timestamp `json:"oldest"`
		Segments    int               `json:"segments"`
		Bytes       int64             `json:"bytes"`
		Quarantined uint64            `json:"quarantined"` // rows
		Open        bool              `json:"open"`        // in use, or its process was killed
	}
	var status struct { // without the store's answer, only the spools
		Store   string           `json:"store,omitempty"`
		Version string           `json:"version,omitempty"`
		Schema  int              `json:"schema,omitempty"`
		Rows    map[string]int64 `json:"rows,omitempty"`
		Sensors []sensor         `json:"sensors,omitempty"`
		Spools  []spool          `json:"spools"`
	}
	if has != nil {
		status.Store, status.Version, status.Schema, status.Rows = has.Kind, has.Version, has.Schema, map[string]int64{}
		for _, t := range has.Tables {
			status.Rows[t.Name] = t.Rows
		}
	}
	status.Spools = []spool{}
	for _, st := range spools {
		s := spool{st.Dir, st.Waiting, nil, st.Segments, st.Bytes, st.Quarantined, st.Open}
		if st.Oldest != 0 {
			s.Oldest = &st.Oldest
		}
		status.Spools = append(status.Spools, s)
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

// leftBehind warns of rows in spools that nobody sends.
func (p *program) leftBehind(spools []store.SpoolState) {
	for _, st := range spools {
		if st.Waiting > 0 && !st.Open {
			p.warn("%d rows wait in %s, and no authtap is at it: they are sent at the next start with their store", st.Waiting, st.Dir)
		}
		if st.Quarantined > 0 {
			p.warn("the store does not take %d rows in %d files quarantine-… of %s: rename them to take another try when the cause is gone (docs/clickhouse.md)", st.Quarantined, st.Aside, st.Dir)
		}
	}
}

// concerns warns of what somebody should look at.
func (p *program) concerns(beats []store.Heartbeat, now time.Time) {
	keys := map[string]string{} // a sensor that has it
	for _, b := range beats {
		name := output.Escape(b.Sensor)
		if age := since(now, b.Time); age > silentAfter {
			p.warn("sensor %s has been silent for %s", name, output.Age(age))
		}
		if isAhead(b.Time, detect.Timestamp(capture.TimeOf(now))) {
			p.warn("the clock of sensor %s is ahead of this machine's, or this one's is late: attempts at several sensors do not fall together", name)
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
