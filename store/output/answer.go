package output

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/store"
)

// AnswerTable prints an answer as a table with a line of headings; nothing when
// it has no rows. Times are given to the second, an age in days or hours. Width
// is that of the terminal in characters, 0 cuts nothing.
func AnswerTable(w io.Writer, a *store.Answer, width int) error {
	if len(a.Rows) == 0 {
		return nil
	}
	rows := [][]string{nil}
	widths, least := make([]int, len(a.Columns)), make([]int, len(a.Columns))
	right := make([]bool, len(a.Columns))
	for i, name := range a.Columns {
		rows[0] = append(rows[0], strings.ToUpper(strings.ReplaceAll(Escape(name), "_", " ")))
		right[i] = name != "age"
	}
	for _, row := range a.Rows {
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = cell(a.Columns[i], v)
			switch v.(type) {
			case int64, float64, nil:
			default:
				right[i], least[i] = false, 12
			}
		}
		rows = append(rows, cells)
	}
	for _, cells := range rows {
		for i, text := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	fit(widths, least, width)
	var all strings.Builder
	for _, cells := range rows {
		var line strings.Builder
		for i, text := range cells {
			if i > 0 {
				line.WriteString("  ")
			}
			text = cut(text, widths[i])
			padding := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
			if right[i] {
				line.WriteString(padding + text)
			} else {
				line.WriteString(text + padding)
			}
		}
		all.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, all.String())
	return err
}

// cell gives a value as a person reads it.
func cell(column string, v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		if t, err := time.Parse(capture.Layout, x); err == nil {
			return t.Format(time.DateTime)
		}
		return Escape(x)
	case []string:
		return Escape(strings.Join(x, ", "))
	case bool:
		if x {
			return "yes"
		}
		return "no"
	case int64:
		if column == "age" {
			return Age(time.Duration(x) * time.Second)
		}
	}
	return fmt.Sprint(v)
}

// Age gives a duration in its largest unit and the one below: "12d3h".
func Age(d time.Duration) string {
	d = d.Truncate(time.Second)
	switch day := 24 * time.Hour; {
	case d >= day:
		return strings.TrimSuffix(fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour), "0h")
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return d.String()
}

// AnswerJSON prints an answer as lines of JSON, an object a row with the columns
// in their order.
func AnswerJSON(w io.Writer, a *store.Answer) error {
	var all bytes.Buffer
	encoder := json.NewEncoder(&all)
	encoder.SetEscapeHTML(false)
	value := func(v any) error {
		err := encoder.Encode(v)
		all.Truncate(all.Len() - 1) // the line end
		return err
	}
	for _, row := range a.Rows {
		for i, v := range row {
			all.WriteByte("{,"[min(i, 1)])
			if err := value(a.Columns[i]); err != nil {
				return err
			}
			all.WriteByte(':')
			if err := value(v); err != nil {
				return err
			}
		}
		all.WriteString("}\n")
	}
	_, err := w.Write(harmless(all.Bytes()))
	return err
}

// AnswerCSV prints an answer as comma-separated values (RFC 4180) with a line of
// names. Elements of lists are separated by a semicolon. What a spreadsheet
// would take for a formula has an apostrophe before it.
func AnswerCSV(w io.Writer, a *store.Answer) error {
	out := csv.NewWriter(w)
	if err := out.Write(a.Columns); err != nil {
		return err
	}
	cells := make([]string, len(a.Columns))
	for _, row := range a.Rows {
		for i, v := range row {
			switch x := v.(type) {
			case nil:
				cells[i] = ""
			case string:
				cells[i] = inert(Escape(x))
			case []string:
				cells[i] = inert(Escape(strings.Join(x, "; ")))
			case float64:
				cells[i] = strconv.FormatFloat(x, 'g', -1, 64)
			default:
				cells[i] = fmt.Sprint(v)
			}
		}
		if err := out.Write(cells); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func inert(s string) string {
	if s != "" && strings.IndexByte("=+-@", s[0]) >= 0 {
		return "'" + s
	}
	return s
}

// Flat gives findings as a table, with the columns that they have in the stores.
func Flat(findings []detect.Finding) *store.Answer {
	a := &store.Answer{Columns: []string{
		"id", "version", "detector", "title", "severity", "confidence", "verdict", "dedupe_key", "first_seen", "last_seen", "count",
		"client_ip", "client_port", "server_ip", "server_port", "host", "method", "path", "status", "principal",
		"credential_kind", "credential_place", "credential_id", "credential_mask", "evidence", "references", "community_id", "capture_file", "capture_packet", "sensor",
	}}
	address := func(p *detect.Address) (any, any) {
		if p == nil {
			return nil, nil
		}
		return p.IP.String(), int64(p.Port)
	}
	for i := range findings {
		f := &findings[i]
		clientIP, clientPort := address(f.Client)
		serverIP, serverPort := address(f.Server)
		var c detect.Credential
		if f.Credential != nil {
			c = *f.Credential
		}
		var facts []string
		for _, e := range f.Evidence {
			facts = append(facts, e.Name+": "+e.Value.String())
		}
		a.Rows = append(a.Rows, []any{
			f.ID, int64(f.Version), f.Detector, f.Title, f.Severity.String(), f.Confidence.String(), f.Verdict.String(), f.DedupeKey,
			f.FirstSeen.String(), f.LastSeen.String(), int64(f.Count), clientIP, clientPort, serverIP, serverPort,
			f.Host, f.Method, f.Path, int64(f.Status), f.Principal, c.Kind, c.Place, c.ID, c.Mask, facts, f.References,
			f.CommunityID, f.Capture.File, int64(f.Capture.Packet), f.Sensor,
		})
	}
	return a
}
