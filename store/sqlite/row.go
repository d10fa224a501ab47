package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"net/netip"
	"strings"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/store"
)

// columns of a finding, in the order of findingValues and scan; the first is
// the key.
var columns = []string{
	"id", "version", "detector", "title", "severity", "confidence", "verdict", "dedupe_key",
	"first_seen", "last_seen", "count", "client_ip", "client_port", "server_ip", "server_port",
	"host", "method", "path", "status", "principal",
	"credential_kind", "credential_place", "credential_id", "credential_mask",
	"evidence", `"references"`, "community_id", "capture_file", "capture_packet", "sensor",
}

var (
	upsertFinding    = upsert("findings", columns, 1, true)
	upsertOccurrence = upsert("occurrences", []string{"finding", "minute", "version", "count", "detector", "severity", "verdict", "host", "client_ip", "sensor"}, 2, true)
	upsertAuthEvent  = upsert("auth_events", []string{
		"sensor", "capture_file", "series", "number", "time", "capture_packet", "host", "method", "path", "client_ip",
		"principal", "principal_id", "credential_id", "kind", "outcome", "status",
	}, 4, false)
	upsertHeartbeat = upsert("sensors", []string{"sensor", "time", "started", "version", "key", "counters"}, 2, false)
)

// findingValues gives a finding in the order of columns.
func findingValues(f *detect.Finding) ([]any, error) {
	evidence, err := json.Marshal(f.Evidence)
	if err != nil {
		return nil, err
	}
	references, err := json.Marshal(f.References)
	if err != nil {
		return nil, err
	}
	clientIP, clientPort := address(f.Client)
	serverIP, serverPort := address(f.Server)
	var c detect.Credential
	if f.Credential != nil {
		c = *f.Credential
	}
	return []any{
		f.ID, int64(f.Version), f.Detector, f.Title, f.Severity.String(), f.Confidence.String(), f.Verdict.String(), f.DedupeKey,
		capture.Time(f.FirstSeen).String(), capture.Time(f.LastSeen).String(), int64(f.Count),
		clientIP, clientPort, serverIP, serverPort,
		f.Host, f.Method, f.Path, f.Status, f.Principal,
		c.Kind, c.Place, c.ID, c.Mask,
		string(evidence), string(references), f.CommunityID, f.Capture.File, int64(f.Capture.Packet), f.Sensor,
	}, nil
}

func occurrenceValues(o *detect.Occurrence) ([]any, error) {
	return []any{
		o.Finding, o.Minute.String(), int64(o.Version), int64(o.Count), o.Detector, o.Severity.String(), o.Verdict.String(),
		o.Host, ip(o.Client), o.Sensor,
	}, nil
}

func authEventValues(e *detect.AuthEvent) ([]any, error) {
	return []any{
		e.Sensor, e.Capture.File, e.Series.String(), int64(e.Number), e.Time.String(), int64(e.Capture.Packet),
		e.Host, e.Method, e.Path, ip(e.Client), e.Principal, id(e.PrincipalID), id(e.CredentialID),
		e.Kind, e.Outcome.String(), e.Status,
	}, nil
}

func heartbeatValues(h *store.Heartbeat) ([]any, error) {
	counters, err := json.Marshal(h.Counters)
	return []any{h.Sensor, h.Time.String(), h.Started.String(), h.Version, h.Key, string(counters)}, err
}

func ip(a netip.Addr) sql.NullString {
	if !a.IsValid() {
		return sql.NullString{}
	}
	return sql.NullString{String: a.Unmap().String(), Valid: true}
}

func id(x credential.ID) string {
	if x.IsZero() {
		return ""
	}
	return x.String()
}

func address(a *detect.Address) (ip sql.NullString, port uint16) {
	if a == nil {
		return sql.NullString{}, 0
	}
	return sql.NullString{String: a.IP.Unmap().String(), Valid: true}, a.Port
}

// Findings answers a question; see store.Reader.
func (s *Store) Findings(ctx context.Context, f store.Filter) iter.Seq2[detect.Finding, error] {
	return func(yield func(detect.Finding, error) bool) {
		all, args := conditions(f)
		query := "SELECT " + strings.Join(columns, ", ") + " FROM findings"
		if len(all) > 0 {
			query += " WHERE " + strings.Join(all, " AND ")
		}
		query += " ORDER BY first_seen DESC, id"
		if f.Limit > 0 {
			query += " LIMIT ?"
			args = append(args, f.Limit)
		}
		rows, err := s.db.QueryContext(ctx, query, args...)
		if err != nil {
			yield(detect.Finding{}, s.explain(err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			finding, err := scan(rows)
			if err != nil {
				yield(detect.Finding{}, s.explain(err))
				return
			}
			if !yield(finding, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(detect.Finding{}, s.explain(err))
		}
	}
}

// conditions gives a filter's conditions on findings and what stands for their
// marks.
func conditions(f store.Filter) (all []string, args []any) {
	add := func(condition string, values ...any) {
		all = append(all, condition)
		args = append(args, values...)
	}
	if f.Since != 0 {
		add("last_seen >= ?", f.Since.String())
	}
	if f.Until != 0 {
		add("last_seen < ?", f.Until.String())
	}
	if f.Severity != 0 {
		var marks []string
		var names []any
		for s := f.Severity; s <= detect.Critical; s++ {
			marks, names = append(marks, "?"), append(names, s.String())
		}
		add("severity IN ("+strings.Join(marks, ", ")+")", names...)
	}
	if f.Verdict != 0 {
		add("verdict = ?", f.Verdict.String())
	}
	for _, c := range []struct{ column, value string }{
		{"detector", f.Detector}, {"host", f.Host}, {"principal", f.Principal}, {"sensor", f.Sensor},
	} {
		if c.value != "" {
			add(c.column+" = ?", c.value)
		}
	}
	if f.Client.IsValid() {
		add("client_ip = ?", f.Client.Unmap().String())
	}
	return all, args
}

// scan reads a row in the order of columns.
func scan(rows *sql.Rows) (f detect.Finding, err error) {
	var (
		severity, confidence, verdict, firstSeen, lastSeen, evidence, references string
		clientIP, serverIP                                                       sql.NullString
		clientPort, serverPort                                                   uint16
		c                                                                        detect.Credential
	)
	err = rows.Scan(&f.ID, &f.Version, &f.Detector, &f.Title, &severity, &confidence, &verdict, &f.DedupeKey,
		&firstSeen, &lastSeen, &f.Count, &clientIP, &clientPort, &serverIP, &serverPort,
		&f.Host, &f.Method, &f.Path, &f.Status, &f.Principal,
		&c.Kind, &c.Place, &c.ID, &c.Mask,
		&evidence, &references, &f.CommunityID, &f.Capture.File, &f.Capture.Packet, &f.Sensor)
	if err != nil {
		return f, err
	}
	if c != (detect.Credential{}) {
		f.Credential = &c
	}
	for _, err := range []error{
		parse(severity, detect.Critical, &f.Severity),
		parse(confidence, detect.Tentative, &f.Confidence),
		parse(verdict, detect.Observed, &f.Verdict),
		parseTime(firstSeen, &f.FirstSeen),
		parseTime(lastSeen, &f.LastSeen),
		parseAddress(clientIP, clientPort, &f.Client),
		parseAddress(serverIP, serverPort, &f.Server),
		parseEvidence(evidence, &f.Evidence),
		json.Unmarshal([]byte(references), &f.References),
	} {
		if err != nil {
			return f, fmt.Errorf("finding %s: %w", f.ID, err)
		}
	}
	return f, nil
}

// parse reads the name of a value, which is between 1 and the last one.
func parse[T interface {
	~uint8
	String() string
}](name string, last T, to *T) error {
	for v := T(1); v <= last; v++ {
		if v.String() == name {
			*to = v
			return nil
		}
	}
	return fmt.Errorf("unknown value %q", name)
}

func parseTime(text string, to *detect.Timestamp) error {
	t, err := time.Parse(capture.Layout, text)
	*to = detect.Timestamp(capture.TimeOf(t))
	return err
}

func parseAddress(text sql.NullString, port uint16, to **detect.Address) error {
	if !text.Valid {
		return nil
	}
	ip, err := netip.ParseAddr(text.String)
	*to = &detect.Address{IP: ip, Port: port}
	return err
}

// parseEvidence reads a JSON object of strings in its order.
func parseEvidence(text string, to *detect.Evidence) error {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("evidence is no object: %v", err)
	}
	*to = detect.Evidence{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value string
		if err := d.Decode(&value); err != nil {
			return err
		}
		*to = append(*to, detect.Fact{Name: name.(string), Value: credential.Stored(value)})
	}
	_, err := d.Token()
	return err
}
