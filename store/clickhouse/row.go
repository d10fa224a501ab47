package clickhouse

import (
	"context"
	"fmt"
	"iter"
	"net/netip"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/store"
)

// columns of a row, in the order of values and scan.
const columns = "`id`, `version`, `detector`, `title`, `severity`, `confidence`, `verdict`, `dedupe_key`, " +
	"`first_seen`, `last_seen`, `count`, `client_ip`, `client_port`, `server_ip`, `server_port`, " +
	"`host`, `method`, `path`, `status`, `principal`, " +
	"`credential_kind`, `credential_place`, `credential_id`, `credential_mask`, " +
	"`evidence`, `references`, `community_id`, `capture_file`, `capture_packet`, `sensor`"

const (
	occurrenceColumns = "finding, minute, version, count, detector, severity, verdict, host, client_ip, sensor"
	authEventColumns  = "time, sensor, capture_file, series, number, capture_packet, host, method, path, client_ip, " +
		"principal, principal_id, credential_id, kind, outcome, status"
	heartbeatColumns = "sensor, time, started, version, key, counters"
)

// findingValues gives a finding in the order of columns.
func findingValues(f *detect.Finding) []any {
	clientIP, clientPort := address(f.Client)
	serverIP, serverPort := address(f.Server)
	var c detect.Credential
	if f.Credential != nil {
		c = *f.Credential
	}
	return []any{
		f.ID, f.Version, f.Detector, f.Title, int8(f.Severity), int8(f.Confidence), int8(f.Verdict), f.DedupeKey,
		instant(f.FirstSeen), instant(f.LastSeen), f.Count, clientIP, clientPort, serverIP, serverPort,
		f.Host, f.Method, f.Path, uint16(f.Status), f.Principal,
		c.Kind, c.Place, c.ID, c.Mask,
		&evidence{f.Evidence}, f.References, f.CommunityID, f.Capture.File, f.Capture.Packet, f.Sensor,
	}
}

func occurrenceValues(o *detect.Occurrence) []any {
	var client *netip.Addr
	if o.Client.IsValid() {
		client = &o.Client
	}
	minute := instant(o.Minute)
	if minute.Before(epoch) {
		minute = epoch
	}
	return []any{
		o.Finding, minute, o.Version, o.Count, o.Detector, int8(o.Severity), int8(o.Verdict), o.Host, client, o.Sensor,
	}
}

func authEventValues(e *detect.AuthEvent) []any {
	client := e.Client
	if !client.IsValid() {
		client = netip.IPv6Unspecified()
	}
	return []any{
		instant(e.Time), e.Sensor, e.Capture.File, instant(e.Series), e.Number, e.Capture.Packet, e.Host, e.Method, e.Path, client,
		e.Principal, uuid.UUID(e.PrincipalID), uuid.UUID(e.CredentialID), e.Kind, int8(e.Outcome), uint16(e.Status),
	}
}

func heartbeatValues(h *store.Heartbeat) []any {
	return []any{h.Sensor, instant(h.Time), instant(h.Started), h.Version, h.Key, h.Counters}
}

// first and last are the bounds of DateTime64, epoch the first of DateTime.
var (
	first = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	last  = time.Date(2299, 12, 31, 23, 59, 59, 0, time.UTC)
	epoch = time.Unix(0, 0).UTC()
)

func instant(t detect.Timestamp) time.Time {
	at := capture.Time(t).Time().Truncate(time.Microsecond)
	if at.Before(first) {
		return first
	}
	if at.After(last) {
		return last
	}
	return at
}

func address(a *detect.Address) (ip *netip.Addr, port uint16) {
	if a == nil {
		return nil, 0
	}
	return &a.IP, a.Port
}

// Findings answers a question; see store.Reader.
func (s *Store) Findings(ctx context.Context, f store.Filter) iter.Seq2[detect.Finding, error] {
	return func(yield func(detect.Finding, error) bool) {
		if err := s.prepare(ctx); err != nil {
			yield(detect.Finding{}, err)
			return
		}
		query, args := findingsQuery(f)
		rows, err := s.conn.Query(ctx, query, args...)
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

// findingsQuery asks for whole findings.
func findingsQuery(f store.Filter) (string, []any) {
	all, args := conditions(f)
	query := "SELECT " + columns + " FROM findings_latest"
	if len(all) > 0 {
		query += " WHERE " + strings.Join(all, " AND ")
	}
	query += " ORDER BY first_seen DESC, id"
	if f.Limit > 0 {
		query += " LIMIT ?"
		args = append(args, f.Limit)
	}
	return query, args
}

// timestamp gives a time that was read.
func timestamp(t time.Time) detect.Timestamp { return detect.Timestamp(capture.TimeOf(t)) }

// conditions gives a filter's conditions on findings and what stands for their
// marks.
func conditions(f store.Filter) (all []string, args []any) {
	add := func(condition string, value any) {
		all = append(all, condition)
		args = append(args, value)
	}
	// The driver writes times in whole seconds.
	if f.Since != 0 {
		add("last_seen >= fromUnixTimestamp64Micro(?)", f.Since.Time().UnixMicro())
	}
	if f.Until != 0 {
		add("last_seen < fromUnixTimestamp64Micro(?)", f.Until.Time().UnixMicro())
	}
	if f.Severity != 0 {
		add("severity >= ?", f.Severity.String())
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
		add("client_ip = toIPv6(?)", f.Client.Unmap().String())
	}
	return all, args
}

// scan reads a row in the order of columns.
func scan(rows driver.Rows) (f detect.Finding, err error) {
	var (
		severity, confidence, verdict  int8
		firstSeen, lastSeen            time.Time
		clientIP, serverIP             *netip.Addr
		clientPort, serverPort, status uint16
		c                              detect.Credential
		e                              evidence
	)
	err = rows.Scan(&f.ID, &f.Version, &f.Detector, &f.Title, &severity, &confidence, &verdict, &f.DedupeKey,
		&firstSeen, &lastSeen, &f.Count, &clientIP, &clientPort, &serverIP, &serverPort,
		&f.Host, &f.Method, &f.Path, &status, &f.Principal,
		&c.Kind, &c.Place, &c.ID, &c.Mask,
		&e, &f.References, &f.CommunityID, &f.Capture.File, &f.Capture.Packet, &f.Sensor)
	if err != nil {
		return f, err
	}
	f.Severity, f.Confidence, f.Verdict = detect.Severity(severity), detect.Confidence(confidence), detect.Verdict(verdict)
	f.FirstSeen, f.LastSeen = detect.Timestamp(capture.TimeOf(firstSeen)), detect.Timestamp(capture.TimeOf(lastSeen))
	f.Status = int(status)
	f.Evidence = e.facts
	if clientIP != nil {
		f.Client = &detect.Address{IP: clientIP.Unmap(), Port: clientPort}
	}
	if serverIP != nil {
		f.Server = &detect.Address{IP: serverIP.Unmap(), Port: serverPort}
	}
	if c != (detect.Credential{}) {
		f.Credential = &c
	}
	return f, nil
}

// evidence is a Map that keeps its order: the driver writes and reads it as a
// column.IterableOrderedMap.
type evidence struct{ facts detect.Evidence }

var _ column.IterableOrderedMap = (*evidence)(nil)

// Put takes a pair read.
func (e *evidence) Put(key, value any) {
	e.facts = append(e.facts, detect.Fact{Name: fmt.Sprint(key), Value: credential.Stored(fmt.Sprint(value))})
}

// Iterator gives the pairs to write.
func (e *evidence) Iterator() column.MapIterator { return &pairs{facts: e.facts, at: -1} }

type pairs struct {
	facts detect.Evidence
	at    int
}

func (p *pairs) Next() bool { p.at++; return p.at < len(p.facts) }
func (p *pairs) Key() any   { return p.facts[p.at].Name }
func (p *pairs) Value() any { return p.facts[p.at].Value.String() }
