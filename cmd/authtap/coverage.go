package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/cmd/authtap/internal/pipeline"
	"github.com/authtap/authtap/reassembly/coverage"
)

// The blind spots are told unasked when more than this share of the bytes, or
// of the packets, was lost; then this many servers at most, those first of
// which the most is missing.
const (
	tellLost    = 0.01
	tellServers = 20
)

// lost gives the shares, 0 to 1, of the bytes that are missing in
// conversations, and of the packets that did not get here.
func lost(s *pipeline.Stats) (bytes, packets float64) {
	r := &s.Streams.Reassembly
	dropped := s.Source.KernelDropped + s.Source.InterfaceDropped
	return share(r.Gap, r.Delivered+r.Gap), share(dropped, s.Source.Packets+dropped)
}

func share(n, of uint64) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// blindSpots tells what was not seen, if that is much.
func blindSpots(w io.Writer, s *pipeline.Stats) {
	bytes, packets := lost(s)
	if bytes <= tellLost && packets <= tellLost {
		return
	}
	rows := s.Coverage.Rows()
	fmt.Fprintf(w, "%s of the bytes of conversations are missing", percent(bytes))
	if packets > 0 {
		fmt.Fprintf(w, ", %s of the packets were dropped", percent(packets))
	}
	if len(rows) == 0 {
		fmt.Fprintln(w)
		return
	}
	fmt.Fprintln(w, ". What was seen of each server:")
	coverageTable(w, rows[:min(len(rows), tellServers)], nil)
	if n := len(rows) - tellServers; n > 0 {
		fmt.Fprintf(w, "and %d more: authtap exchanges --coverage lists them\n", n)
	}
}

// printCoverage prints what was seen of each server: on a terminal as a table,
// in a pipe as lines of JSON, if nothing else is asked for.
func (p *program) printCoverage(f config.Format, s *pipeline.Stats) error {
	rows := s.Coverage.Rows()
	if f == config.JSON || f == "" && p.stdoutWidth == 0 {
		return coverageLines(p.stdout, rows)
	}
	if len(rows) == 0 {
		return nil
	}
	total := s.Coverage.Total()
	return coverageTable(p.stdout, rows, &total)
}

// coverageTable prints rows with a line of headings, and the total if there is
// one and more than one row.
func coverageTable(w io.Writer, rows []coverage.Row, total *coverage.Row) error {
	table := [][]string{{
		"SERVER", "REBUILT", "BYTES", "CONVERSATIONS", "ONE-SIDED", "OPAQUE TLS", "QUIC", "EXCHANGES", "COMPLETE", "ANSWERED",
	}}
	line := func(name string, r *coverage.Row) {
		cells := []string{name, "-"}
		if r.Bytes+r.Missing > 0 {
			cells[1] = percent(1 - r.Lost())
		}
		for _, n := range []uint64{
			r.Bytes + r.Missing, r.Conversations, r.OneSided, r.Opaque, r.QUIC, r.Exchanges, r.Complete, r.Known,
		} {
			cells = append(cells, strconv.FormatUint(n, 10))
		}
		table = append(table, cells)
	}
	for i := range rows {
		name := "others"
		if rows[i].Server.IsValid() {
			name = rows[i].Server.String()
		}
		line(name, &rows[i])
	}
	if total != nil && len(rows) > 1 {
		line("all", total)
	}
	widths := make([]int, len(table[0]))
	for _, cells := range table {
		for i, text := range cells {
			widths[i] = max(widths[i], len(text))
		}
	}
	var all strings.Builder
	for _, cells := range table {
		fmt.Fprintf(&all, "%-*s", widths[0], cells[0])
		for i, text := range cells[1:] {
			fmt.Fprintf(&all, "  %*s", widths[i+1], text)
		}
		all.WriteByte('\n')
	}
	_, err := io.WriteString(w, all.String())
	return err
}

// percent rounds towards the middle: 100 % is all, and 0 % nothing.
func percent(share float64) string {
	text := strconv.FormatFloat(100*share, 'f', 1, 64)
	switch {
	case text == "100.0" && share < 1:
		text = "99.9"
	case text == "0.0" && share > 0:
		text = "0.1"
	}
	return text + " %"
}

// coverageLines prints rows as lines of JSON. The server is null in the one of
// those beyond, rebuilt where nothing was sent.
func coverageLines(w io.Writer, rows []coverage.Row) error {
	type end struct {
		IP   string `json:"ip"`
		Port uint16 `json:"port"`
	}
	out := json.NewEncoder(w)
	for i := range rows {
		r := &rows[i]
		line := struct {
			Server        *end     `json:"server"`
			Rebuilt       *float64 `json:"rebuilt"`
			Bytes         uint64   `json:"bytes"`
			Missing       uint64   `json:"missing_bytes"`
			Conversations uint64   `json:"conversations"`
			OneSided      uint64   `json:"one_sided"`
			Opaque        uint64   `json:"opaque_tls"`
			QUIC          uint64   `json:"quic_packets"`
			Exchanges     uint64   `json:"exchanges"`
			Complete      uint64   `json:"complete"`
			Known         uint64   `json:"answered"`
		}{
			Bytes: r.Bytes, Missing: r.Missing, Conversations: r.Conversations, OneSided: r.OneSided, Opaque: r.Opaque,
			QUIC: r.QUIC, Exchanges: r.Exchanges, Complete: r.Complete, Known: r.Known,
		}
		if r.Server.IsValid() {
			line.Server = &end{r.Server.Addr().String(), r.Server.Port()}
		}
		if r.Bytes+r.Missing > 0 {
			rebuilt := 1 - r.Lost()
			line.Rebuilt = &rebuilt
		}
		if err := out.Encode(line); err != nil {
			return err
		}
	}
	return nil
}
