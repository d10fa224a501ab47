package clickhouse

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
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

// early says that conditions on what a table is ordered by, which is the same in
// rows that replace each other, are looked at before these are put together.
const early = final + ", optimize_move_to_prewhere_if_final = 1"

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
	// UUIDs go by their second half.
	"credential": "toString(g_credential)",
}

// sources by subject. Clients and accounts are counted to about 2 % where there
// are many (see few), for exact sets of all clients of millions of accounts are
// most of the time and the memory that a question takes.
var sources = map[store.Subject]store.Source{
	store.OfFindings: {
		From: "findings FINAL", Loose: "findings", Behind: final, Sort: sorted,
		Many: map[string]string{"client": "ifNull(client_ip, toIPv6('::'))", "principal": "principal", "credential": "credential_id"},
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
	store.OfLogins: { // or what spanned gives
		From: "auth_events_by_client FINAL", Loose: "auth_events_by_client", Bucket: "bucket", Behind: early, Sort: sorted,
		Many: map[string]string{"client": "client_ip", "principal": "principal"},
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
		From: "credentials FINAL", Loose: "credentials", Behind: final, Sort: sorted, Many: map[string]string{"credential": "credential_id", "principal": "principal"},
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

// piece is a range of time that is in one table; 0 is open.
type piece struct {
	span     string
	from, to capture.Time
}

// begin gives when the month or day began that a time is in, next the first that
// begins at the time or after it.
func begin(span string, t capture.Time) capture.Time {
	at := t.Time()
	if span == "month" {
		return capture.TimeOf(time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC))
	}
	return capture.TimeOf(time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC))
}

func next(span string, t capture.Time) capture.Time {
	at := begin(span, t)
	switch {
	case at == t:
		return t
	case span == "month":
		return capture.TimeOf(at.Time().AddDate(0, 1, 0))
	}
	return at.Add(24 * time.Hour)
}

// pieces cuts a range into those of the longest spans that are whole in it, and
// what is left at its ends into shorter ones; of the last span it is whole.
func pieces(spans []string, since, until capture.Time) []piece {
	if len(spans) == 1 {
		return []piece{{spans[0], since, until}}
	}
	p := piece{span: spans[0]}
	if since != 0 {
		p.from = next(p.span, since)
	}
	if until != 0 {
		p.to = begin(p.span, until)
	}
	if since != 0 && until != 0 && p.from >= p.to {
		return pieces(spans[1:], since, until)
	}
	all := []piece{p}
	if since < p.from {
		all = append(all, pieces(spans[1:], since, p.from)...)
	}
	if p.to < until {
		all = append(all, pieces(spans[1:], p.to, until)...)
	}
	return all
}

// spanned is where login attempts are counted by month, day and hour. A number
// of a series is in one row of each table only, once ClickHouse has merged the
// rows.
func spanned(q *store.Question) store.Source {
	source := sources[store.OfLogins]
	source.Many, source.Loose, source.Bucket = nil, "", ""
	columns, tables, spans := []string{"host", "method", "path", "kind", "outcome", "sensor"}, "auth_events_by_", []string{"month", "day", "hour"}
	switch {
	case slices.Contains(q.By, "hour"):
		spans = spans[2:]
		if short := []string{"outcome", "sensor"}; q.Host == "" && !slices.ContainsFunc(q.By, func(by string) bool {
			return slices.Contains(columns, by) && !slices.Contains(short, by)
		}) {
			columns, tables = short, "auth_outcomes_by_"
		}
	case slices.Contains(q.By, "day"):
		spans = spans[1:]
	}
	var from []string
	for _, p := range pieces(spans, q.Since, q.Until) {
		list := slices.Clone(columns)
		if p.span == "hour" {
			list = append(list, "hour", "toDate(hour) AS day")
		} else {
			list = append(list, "toDateTime("+p.span+", 'UTC') AS hour", p.span+" AS day")
		}
		list = append(list, "finalizeAggregation(numbers) AS attempts", "clients", "principals", "first_seen", "last_seen")
		text := "SELECT " + strings.Join(list, ", ") + " FROM " + tables + p.span + " FINAL"
		in, as := " WHERE ", map[string]string{"hour": "toDateTime"}
		if p.from != 0 {
			text += in + p.span + " >= " + cmp.Or(as[p.span], "toDate") + "(" + moment(p.from) + ")"
			in = " AND "
		}
		if p.to != 0 {
			text += in + p.span + " < " + cmp.Or(as[p.span], "toDate") + "(" + moment(p.to) + ")"
		}
		from = append(from, text)
	}
	source.From = "(" + strings.Join(from, " UNION ALL ") + ")"
	source.Columns = map[string]string{"day": "day", "hour": "hour"}
	for _, c := range columns {
		source.Columns[c] = c
	}
	source.Measures = map[string]string{
		"attempts": "sum(attempts)", "success": "sumIf(attempts, outcome = 'success')", "failure": "sumIf(attempts, outcome = 'failure')",
		"pending": "sumIf(attempts, outcome = 'pending')", "unclear": "sumIf(attempts, outcome = 'unclear')",
		"clients": "uniqCombinedMerge(12)(clients)", "principals": "uniqCombinedMerge(12)(principals)",
		"first_seen": "min(first_seen)", "last_seen": "max(last_seen)",
	}
	return source
}

// moment writes a time in SQL: the driver writes them in whole seconds.
func moment(t capture.Time) string {
	return fmt.Sprintf("fromUnixTimestamp64Micro(%d, 'UTC')", t.Time().UnixMicro())
}

// source chooses what a question is answered from, and gives its conditions and
// what stands for their marks.
func (s *Store) source(q *store.Question) (source store.Source, all []string, args []any) {
	add := func(condition string, values ...any) { all, args = append(all, condition), append(args, values...) }
	f := q.Filter
	source = sources[q.Of]
	named := false // whether it is about accounts
	switch q.Of {
	case store.OfFindings:
		all, args = conditions(f)
		return source, all, args
	case store.OfLogins:
		f.Hours()
		named = f.Principal != "" || slices.Contains(q.By, "principal")
		if !named && !f.Client.IsValid() && !slices.Contains(q.By, "client") {
			source = spanned(&store.Question{By: q.By, Filter: f})
			break
		}
		if named {
			source.From, source.Loose = "auth_events_by_principal FINAL", "auth_events_by_principal"
		}
		if f.Since != 0 {
			add("toMonday(time) >= toMonday(" + moment(f.Since) + ")")
			add("time >= " + moment(f.Since))
		}
		if f.Until != 0 {
			add("toMonday(time) <= toMonday(" + moment(f.Until) + ")")
			add("time < " + moment(f.Until))
		}
	default:
		if f.Since != 0 {
			add("day >= toDate(" + moment(f.Since) + ")")
			add("last_seen >= " + moment(f.Since))
		}
		if f.Until != 0 {
			add("day <= toDate(" + moment(f.Until) + ")")
			add("begin < " + moment(f.Until))
		}
	}
	lists := q.Of == store.OfCredentials
	if f.Host != "" && lists {
		add("has(hosts, ?)", f.Host)
	} else if f.Host != "" {
		add("host = ?", f.Host)
	}
	if client := f.Client.Unmap().String(); f.Client.IsValid() && lists {
		add("has(clients, toIPv6(?))", client)
	} else if f.Client.IsValid() {
		if !named {
			add("bucket = cityHash64(toIPv6(?)) % 65536", client)
		}
		add("client_ip = toIPv6(?)", client)
	}
	if f.Principal != "" {
		if q.Of == store.OfLogins {
			add("bucket = cityHash64(?) % 65536", f.Principal)
		}
		add("principal = ?", f.Principal)
	}
	if f.Sensor != "" {
		add("sensor = ?", f.Sensor)
	}
	return source, all, args
}

// fewRows is up to how many rows clients and accounts are counted exactly.
const fewRows = 100_000

// few gives the source, as source does, of a question about so few rows that
// clients and accounts can be counted exactly; none where there are more.
func (s *Store) few(ctx context.Context, q *store.Question) (source store.Source, all []string, args []any, err error) {
	source, all, args = s.source(q)
	switch {
	case q.Of == store.OfFindings, strings.HasPrefix(source.From, "auth_events_by_client "), strings.HasPrefix(source.From, "auth_events_by_principal "):
	case q.Of == store.OfLogins: // of single attempts, not of what they were added up to
		f := q.Filter
		f.Hours()
		source = sources[store.OfLogins]
		source.From, source.Loose, source.Bucket, source.Many = "auth_events FINAL", "auth_events", "", nil
		if f.Since != 0 {
			all = append(all, "time >= "+moment(f.Since))
		}
		if f.Until != 0 {
			all = append(all, "time < "+moment(f.Until))
		}
	default:
		return store.Source{}, nil, nil, nil
	}
	where := ""
	if len(all) > 0 {
		where = " WHERE " + strings.Join(all, " AND ")
	}
	a, _, err := s.answer(ctx, fmt.Sprintf("SELECT count() <= %d FROM (SELECT 1 FROM %s%s LIMIT %d)", fewRows, source.Loose, where, fewRows+1), args...)
	if err != nil || a.Rows[0][0] != int64(1) {
		return store.Source{}, nil, nil, err
	}
	source.Measures = maps.Clone(source.Measures)
	exact := strings.NewReplacer("uniqCombinedIf(12)", "uniqExactIf", "uniqCombined(12)", "uniqExact")
	for name, text := range source.Measures {
		source.Measures[name] = exact.Replace(text)
	}
	return source, all, args, nil
}

// query gives a question in SQL.
func (s *Store) query(q *store.Question) (string, []any) {
	source, conditions, args := s.source(q)
	return source.Query(q, conditions, args)
}

// Ask answers a question; see store.Reader.
func (s *Store) Ask(ctx context.Context, q store.Question) (*store.Answer, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	source, conditions, args := s.source(&q)
	var a *store.Answer
	var columns []string
	if few, where, values, err := s.few(ctx, &q); err != nil {
		return nil, s.explain(err)
	} else if few.From != "" {
		source, conditions, args = few, where, values
	}
	var err error
	text, all, likely := source.Likely(&q, conditions, args)
	if likely {
		if a, columns, err = s.answer(ctx, text, all...); err != nil {
			return nil, s.explain(err)
		}
		if likely = a.Sure(q.Limit); likely {
			columns = columns[1:]
		}
	}
	if !likely {
		text, args = source.Query(&q, conditions, args)
		if a, columns, err = s.answer(ctx, text, args...); err != nil {
			return nil, s.explain(err)
		}
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
	case reflect.Map: // as text, as SQLite has it
		if text, err := json.Marshal(v.Interface()); err == nil {
			return string(text)
		}
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
	text = strings.NewReplacer(" FINAL", "", early, "", final, "").Replace("SELECT 1" + text[from:])
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
