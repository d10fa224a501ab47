package clickhouse

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/store"
)

// final says that rows which replace each other are in one partition, so that
// partitions need not be merged with each other for a FINAL.
const final = " SETTINGS do_not_merge_across_partitions_select_final = 1"

// seen are the columns that all ledgers have.
func seen(columns map[string]string) map[string]string {
	for _, name := range []string{"sensor", "day"} {
		columns[name] = name
	}
	return columns
}

// measures of the ledgers' rows.
func ledgerMeasures(measures map[string]string) map[string]string {
	measures["first_seen"], measures["last_seen"] = "min(begin)", "max(last_seen)"
	return measures
}

const (
	letIn  = "('accepted', 'likely_accepted')"
	nobody = "toUUID('00000000-0000-0000-0000-000000000000')"
	with   = "sum(good_success)"
	judged = "sum(good_success + none_success + bad_success)"
	logins = "sum(login_success + login_failure + login_pending + login_unclear)"
	// age of a credential in seconds.
	age = "dateDiff('second', min(begin), max(last_seen))"
)

// sorted is by severity, the highest first, and by text, in which addresses are
// as in other stores.
var sorted = map[string]string{
	"severity": "toInt8(g_severity) DESC", "verdict": "toString(g_verdict)", "outcome": "toString(g_outcome)",
	"client": "replaceOne(toString(g_client), '::ffff:', '') NULLS FIRST",
}

// sources by subject. Clients and accounts are counted to about 2 % where there
// are many, for exact sets of all clients of millions of accounts are most of the
// time and the memory that a question takes.
var sources = map[store.Subject]store.Source{
	store.OfFindings: {
		From: "findings FINAL", Behind: final, Sort: sorted,
		Many: map[string]string{"client": "ifNull(%s, toIPv6('::'))", "principal": "%s", "credential": "%s"},
		Columns: map[string]string{
			"detector": "detector", "severity": "severity", "verdict": "verdict", "host": "host", "method": "method", "path": "path", "client": "client_ip",
			"principal": "principal", "credential": "credential_id", "sensor": "sensor", "day": "toDate(last_seen)", "hour": "toStartOfHour(last_seen)",
		},
		Measures: map[string]string{
			"findings": "count()", "events": "sum(count)", "highest": "max(severity)", "let_in": "countIf(verdict IN " + letIn + ")",
			"clients": "uniqCombinedIf(12)(assumeNotNull(client_ip), client_ip IS NOT NULL)", "principals": "uniqCombinedIf(12)(principal, principal != '')",
			"first_seen": "min(first_seen)", "last_seen": "max(last_seen)",
		},
	},
	store.OfLogins: {
		From: "auth_events FINAL", Behind: final, Sort: sorted, Many: map[string]string{"client": "%s", "principal": "%s"},
		Columns: map[string]string{
			"host": "host", "method": "method", "path": "path", "kind": "kind", "outcome": "outcome", "client": "client_ip",
			"principal": "principal", "sensor": "sensor", "day": "toDate(time)", "hour": "toStartOfHour(time)",
		},
		Measures: map[string]string{
			"attempts": "count()", "success": "countIf(outcome = 'success')", "failure": "countIf(outcome = 'failure')",
			"pending": "countIf(outcome = 'pending')", "unclear": "countIf(outcome = 'unclear')",
			"clients": "uniqCombined(12)(client_ip)", "principals": "uniqCombinedIf(12)(principal_id, principal_id != " + nobody + ")",
			"first_seen": "min(time)", "last_seen": "max(time)",
		},
	},
	store.OfLoginEndpoints: {
		From: "endpoints FINAL", Behind: final, Where: "login_success + login_failure + login_pending + login_unclear > 0",
		Columns:  seen(map[string]string{"host": "host", "method": "method", "path": "path", "operation": "operation"}),
		Measures: map[string]string{"successes": "arraySort(groupUniqArrayArray(successes))", "failures": "arraySort(groupUniqArrayArray(failures))"},
	},
	store.OfEndpoints: {
		From: "endpoints FINAL", Behind: final,
		Columns: seen(map[string]string{"host": "host", "method": "method", "path": "path", "operation": "operation"}),
		Measures: ledgerMeasures(map[string]string{
			"endpoints": "uniqExact(host, method, path, operation)",
			"coverage": "multiIf(" + logins + " > 0, 'login', " + judged + " = 0, 'unknown', 20 * " + with + " >= 19 * " + judged + ", 'consistent', " +
				with + " > 0, 'partial', 'missing')",
			"kinds":           "arraySort(groupUniqArrayArray(kinds))",
			"success":         "sum(good_success + maybe_success + bad_success + none_success)",
			"refused":         "sum(good_refused + maybe_refused + bad_refused + none_refused)",
			"unclear":         "sum(good_unclear + maybe_unclear + bad_unclear + none_unclear)",
			"with_credential": with, "without_credential": "sum(none_success + bad_success)", "logins": logins, "discriminates": "max(discriminates)",
		}),
	},
	store.OfCredentials: {
		From: "credentials FINAL", Behind: final, Many: map[string]string{"credential": "%s", "principal": "%s"},
		Columns: seen(map[string]string{"kind": "kind", "credential": "credential_id", "principal": "principal", "place": "place"}),
		Measures: ledgerMeasures(map[string]string{
			"credentials": "uniqExact(kind, credential_id)", "mask": "max(mask)", "place": "max(place)", "principal": "max(principal)",
			"nature": "multiIf(max(issued) = 1 OR max(expires) > toDateTime64(0, 6, 'UTC'), 'rotating', " +
				"any(kind) IN ('basic', 'digest', 'ntlm', 'api_key', 'signature', 'client_secret') OR " + age + " >= 2592000, 'static', 'unknown')",
			"age": age, "clients": "uniqExactArray(clients)", "hosts": "arraySort(groupUniqArrayArray(hosts))",
			"success": "sum(success)", "refused": "sum(refused)", "unclear": "sum(unclear)",
			"expires": "nullIf(max(expires), toDateTime64(0, 6, 'UTC'))",
		}),
	},
	store.OfIssuers: {
		From: "issuers FINAL", Behind: final,
		Columns: seen(map[string]string{
			"issuer": "issuer", "host": "host", "kid": "kid", "algorithm": "algorithm", "thumbprint": "thumbprint", "key_type": "key_type",
		}),
		Measures: ledgerMeasures(map[string]string{
			"keys": "uniqExact(issuer, host, kid, algorithm, thumbprint)", "key_type": "max(key_type)", "bits": "max(bits)",
			"published": "max(published)", "issued": "max(issued)", "accepted": "max(accepted)",
		}),
	},
}

// spanned is where login attempts are counted by hour or day. A number of a
// series is in one row of it only, once ClickHouse has merged the rows.
func spanned(span string) store.Source {
	source := sources[store.OfLogins]
	source.From = "auth_events_by_" + span + " FINAL"
	source.Columns = map[string]string{
		"host": "host", "method": "method", "path": "path", "kind": "kind", "outcome": "outcome", "sensor": "sensor", span: span,
	}
	const n = "finalizeAggregation(numbers)"
	source.Measures = map[string]string{
		"attempts": "sum(" + n + ")", "success": "sumIf(" + n + ", outcome = 'success')", "failure": "sumIf(" + n + ", outcome = 'failure')",
		"pending": "sumIf(" + n + ", outcome = 'pending')", "unclear": "sumIf(" + n + ", outcome = 'unclear')",
		"clients": "uniqCombinedMerge(12)(clients)", "principals": "uniqCombinedMerge(12)(principals)",
		"first_seen": "min(first_seen)", "last_seen": "max(last_seen)",
	}
	return source
}

// source chooses what a question is answered from, and by which column the range
// of time is.
func (s *Store) source(q *store.Question) (source store.Source, span string) {
	if q.Of != store.OfLogins || q.Client.IsValid() || q.Principal != "" {
		return sources[q.Of], ""
	}
	span = "hour"
	if q.Since == 0 && q.Until == 0 && !slices.Contains(q.By, "hour") {
		span = "day"
	}
	source = spanned(span)
	if span == "hour" {
		source.Columns["day"] = "toDate(hour)"
	}
	for _, by := range q.By {
		if source.Columns[by] == "" {
			return sources[q.Of], ""
		}
	}
	return source, span
}

// moment writes a time in SQL: the driver writes them in whole seconds.
func moment(t capture.Time) string {
	return fmt.Sprintf("fromUnixTimestamp64Micro(%d, 'UTC')", t.Time().UnixMicro())
}

// query gives a question in SQL.
func (s *Store) query(q *store.Question) (string, []any) {
	source, span := s.source(q)
	var all []string
	var args []any
	f := q.Filter
	switch {
	case q.Of == store.OfFindings:
		all, args = conditions(f)
		return source.Query(q, all, args)
	case span != "":
		f.Hours()
		if f.Since != 0 {
			all = append(all, "hour >= toDateTime("+moment(f.Since)+")")
		}
		if f.Until != 0 {
			all = append(all, "hour < toDateTime("+moment(f.Until)+")")
		}
	case q.Of == store.OfLogins:
		f.Hours()
		if f.Since != 0 {
			all = append(all, "time >= "+moment(f.Since))
		}
		if f.Until != 0 {
			all = append(all, "time < "+moment(f.Until))
		}
	default:
		if f.Since != 0 {
			all = append(all, "day >= toDate("+moment(f.Since)+")", "last_seen >= "+moment(f.Since))
		}
		if f.Until != 0 {
			all = append(all, "day <= toDate("+moment(f.Until)+")", "begin < "+moment(f.Until))
		}
	}
	add := func(condition string, value any) { all, args = append(all, condition), append(args, value) }
	lists := q.Of == store.OfCredentials
	if f.Host != "" && lists {
		add("has(hosts, ?)", f.Host)
	} else if f.Host != "" {
		add("host = ?", f.Host)
	}
	if f.Client.IsValid() && lists {
		add("has(clients, toIPv6(?))", f.Client.Unmap().String())
	} else if f.Client.IsValid() {
		add("client_ip = toIPv6(?)", f.Client.Unmap().String())
	}
	if f.Principal != "" {
		add("principal = ?", f.Principal)
	}
	if f.Sensor != "" {
		add("sensor = ?", f.Sensor)
	}
	return source.Query(q, all, args)
}

// Ask answers a question; see store.Reader.
func (s *Store) Ask(ctx context.Context, q store.Question) (*store.Answer, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	text, args := s.query(&q)
	a, columns, err := s.answer(ctx, text, args...)
	if err != nil {
		return nil, s.explain(err)
	}
	a.Name(columns)
	for i, name := range a.Columns {
		if name == "credential" { // as findings have it
			for _, row := range a.Rows {
				if id, err := uuid.Parse(fmt.Sprint(row[i])); err == nil {
					row[i] = hex.EncodeToString(id[:])
				}
			}
		}
	}
	return a, nil
}

// answer runs a query.
func (s *Store) answer(ctx context.Context, query string, args ...any) (*store.Answer, []string, error) {
	rows, err := s.conn.Query(ctx, query, args...)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	types := rows.ColumnTypes()
	a := &store.Answer{}
	for rows.Next() {
		row := make([]any, len(types))
		for i, t := range types {
			row[i] = reflect.New(t.ScanType()).Interface()
		}
		if err := rows.Scan(row...); err != nil {
			return nil, nil, err
		}
		for i, t := range types {
			row[i] = value(reflect.ValueOf(row[i]).Elem(), t.DatabaseTypeName())
		}
		a.Rows = append(a.Rows, row)
	}
	return a, rows.Columns(), rows.Err()
}

// value gives a value of the driver's in the types of an Answer's.
func value(v reflect.Value, kind string) any {
	switch x := v.Interface().(type) {
	case time.Time:
		if strings.HasPrefix(strings.TrimPrefix(kind, "Nullable("), "Date") && !strings.Contains(kind, "DateTime") {
			return x.Format(time.DateOnly)
		}
		return x.UTC().Format(capture.Layout)
	case uuid.UUID:
		return x.String()
	case net.IP:
		if a, ok := netip.AddrFromSlice(x); ok {
			return a.Unmap().String()
		}
		return nil
	case netip.Addr:
		return x.Unmap().String()
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return value(v.Elem(), kind)
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return v.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if n := v.Uint(); n < 1<<63 {
			return int64(n)
		}
	case reflect.Float32, reflect.Float64:
		return v.Float()
	case reflect.Slice:
		list := []string{}
		for i := range v.Len() {
			list = append(list, fmt.Sprint(value(v.Index(i), "")))
		}
		return list
	}
	return fmt.Sprint(v.Interface())
}

// Newest gives a time near that of the newest row; see store.Reader. It is that
// of a column which ClickHouse knows the bounds of without reading.
func (s *Store) Newest(ctx context.Context, subject store.Subject) (capture.Time, error) {
	if err := s.prepare(ctx); err != nil {
		return 0, err
	}
	query := map[store.Subject]string{
		store.OfFindings: "SELECT count() > 0, max(first_seen) FROM findings",
		store.OfLogins:   "SELECT count() > 0, max(time) FROM auth_events",
	}[subject]
	if query == "" {
		table, _, _ := strings.Cut(sources[subject].From, " ")
		query = "SELECT count() > 0, toDateTime64(max(day) + 1, 6, 'UTC') FROM " + table
	}
	var some uint8
	var at time.Time
	if err := s.conn.QueryRow(ctx, query).Scan(&some, &at); err != nil {
		return 0, s.explain(err)
	}
	if some == 0 {
		return 0, nil
	}
	return capture.TimeOf(at), nil
}

// Earlier reports whether a question's range hides rows; see store.Reader.
func (s *Store) Earlier(ctx context.Context, q store.Question) (bool, error) {
	if q.Since == 0 {
		return false, nil
	}
	q.Filter.Until, q.Filter.Since, q.Limit = q.Since, 0, 0
	if q.Of == store.OfLogins { // cut to hours, so that the rest is not asked for
		q.Filter.Until -= capture.Time(time.Hour) - 1
	}
	q.By = []string{}
	text, args := s.query(&q)
	// One will do, merged or not.
	from := strings.Index(text, " FROM ")
	text = strings.NewReplacer(" FINAL", "", final, "").Replace("SELECT 1" + text[from:])
	if q.Of != store.OfFindings && q.Of != store.OfLogins {
		text = strings.Replace(text, "begin < ", "last_seen < ", 1)
	}
	if i := strings.Index(text, " ORDER BY "); i >= 0 {
		text = text[:i]
	}
	a, _, err := s.answer(ctx, text+" LIMIT 1", args...)
	if err != nil {
		return false, s.explain(err)
	}
	return len(a.Rows) > 0, nil
}

// Heartbeats gives the last one of each sensor; see store.Reader.
func (s *Store) Heartbeats(ctx context.Context) (all []store.Heartbeat, err error) {
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	// Each sensor's last time first, so that counters are read of few rows only.
	rows, err := s.conn.Query(ctx, "SELECT sensor, time, started, version, key, counters FROM sensors "+
		"WHERE (sensor, time) IN (SELECT sensor, max(time) FROM sensors GROUP BY sensor) ORDER BY sensor LIMIT 1 BY sensor")
	if err != nil {
		return nil, s.explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var h store.Heartbeat
		var at, started time.Time
		if err := rows.Scan(&h.Sensor, &at, &started, &h.Version, &h.Key, &h.Counters); err != nil {
			return nil, s.explain(err)
		}
		h.Time, h.Started = timestamp(at), timestamp(started)
		all = append(all, h)
	}
	if err := rows.Err(); err != nil {
		return nil, s.explain(err)
	}
	return all, nil
}

// Inventory counts rows; see store.Reader.
func (s *Store) Inventory(ctx context.Context) (*store.Inventory, error) {
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	m, err := s.made(ctx)
	if err != nil {
		return nil, s.explain(err)
	}
	i := &store.Inventory{Kind: "clickhouse", Schema: int(m.number)}
	if err := s.conn.QueryRow(ctx, "SELECT version()").Scan(&i.Version); err != nil {
		return nil, s.explain(err)
	}
	for _, table := range []string{"auth_events", "credentials", "endpoints", "findings", "issuers", "occurrences", "sensors"} {
		var n uint64
		if err := s.conn.QueryRow(ctx, "SELECT count() FROM "+table).Scan(&n); err != nil {
			return nil, s.explain(err)
		}
		i.Tables = append(i.Tables, store.TableSize{Name: table, Rows: int64(n)})
	}
	return i, nil
}

// Query runs a statement that only reads; see store.Reader. The server's own
// readonly forbids writing, changing settings and table functions that reach
// beyond it; what it lets pass, such as INTO OUTFILE, is refused before.
func (s *Store) Query(ctx context.Context, statement string) (*store.Answer, error) {
	if err := store.CheckReads(statement, "SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS"); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	return s.read(ctx, statement)
}

func (s *Store) read(ctx context.Context, statement string) (*store.Answer, error) {
	ctx = driver.Context(ctx, driver.WithSettings(driver.Settings{"readonly": 1}))
	a, columns, err := s.answer(ctx, statement)
	if err != nil {
		return nil, fmt.Errorf("clickhouse %s: %w", s.address, err)
	}
	a.Columns = columns
	return a, nil
}
