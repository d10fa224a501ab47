package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/store"
)

// day and hour cut a time.
func day(column string) string  { return "substr(" + column + ", 1, 10)" }
func hour(column string) string { return "substr(" + column + ", 1, 13) || ':00:00.000000Z'" }

const (
	letIn  = "('accepted', 'likely_accepted')"
	with   = "sum(good_success)"
	judged = "sum(good_success + none_success + bad_success)"
	logins = "sum(login_success + login_failure + login_pending + login_unclear)"
	age    = "unixepoch(max(last_seen)) - unixepoch(min(begin))" // of a credential in seconds
)

// rank gives a number that grows with severity.
func rank(column string) string {
	return "CASE " + column + " WHEN 'critical' THEN 5 WHEN 'high' THEN 4 WHEN 'medium' THEN 3 WHEN 'low' THEN 2 ELSE 1 END"
}

// all gives the arrays of a group's rows: see elements.
func all(column string) string { return "json_group_array(DISTINCT " + column + ")" }

func ledgerMeasures(measures map[string]string) map[string]string {
	measures["first_seen"], measures["last_seen"] = "min(begin)", "max(last_seen)"
	return measures
}

// sources by subject.
var sources = map[store.Subject]store.Source{
	store.OfFindings: {
		From: "findings", Sort: map[string]string{"severity": rank("g_severity") + " DESC"},
		Columns: map[string]string{
			"detector": "detector", "severity": "severity", "verdict": "verdict", "host": "host", "method": "method", "path": "path", "client": "client_ip",
			"principal": "principal", "credential": "credential_id", "sensor": "sensor", "day": day("last_seen"), "hour": hour("last_seen"),
		},
		Measures: map[string]string{
			"findings": "count(*)", "events": "sum(count)", "let_in": "count(*) FILTER (WHERE verdict IN " + letIn + ")",
			"highest": "CASE max(" + rank("severity") + ") WHEN 5 THEN 'critical' WHEN 4 THEN 'high' WHEN 3 THEN 'medium' WHEN 2 THEN 'low' ELSE 'info' END",
			"clients": "count(DISTINCT client_ip)", "principals": "count(DISTINCT nullif(principal, ''))",
			"first_seen": "min(first_seen)", "last_seen": "max(last_seen)",
		},
	},
	store.OfLogins: {
		From: "auth_events",
		Columns: map[string]string{
			"host": "host", "method": "method", "path": "path", "kind": "kind", "outcome": "outcome", "client": "client_ip",
			"principal": "principal", "sensor": "sensor", "day": day("time"), "hour": hour("time"),
		},
		Measures: map[string]string{
			"attempts": "count(*)", "success": "count(*) FILTER (WHERE outcome = 'success')", "failure": "count(*) FILTER (WHERE outcome = 'failure')",
			"pending": "count(*) FILTER (WHERE outcome = 'pending')", "unclear": "count(*) FILTER (WHERE outcome = 'unclear')",
			"clients": "count(DISTINCT client_ip)", "principals": "count(DISTINCT nullif(principal_id, ''))",
			"first_seen": "min(time)", "last_seen": "max(time)",
		},
	},
	store.OfLoginEndpoints: {
		From: "endpoints", Where: "login_success + login_failure + login_pending + login_unclear > 0",
		Columns: map[string]string{
			"host": "host", "method": "method", "path": "path", "operation": "operation", "sensor": "sensor", "day": day("begin"),
		},
		Measures: map[string]string{"successes": all("successes"), "failures": all("failures")},
	},
	store.OfEndpoints: {
		From: "endpoints",
		Columns: map[string]string{
			"host": "host", "method": "method", "path": "path", "operation": "operation", "sensor": "sensor", "day": day("begin"),
		},
		Measures: ledgerMeasures(map[string]string{
			"endpoints": "count(DISTINCT json_array(host, method, path, operation))",
			"coverage": "CASE WHEN " + logins + " > 0 THEN 'login' WHEN " + judged + " = 0 THEN 'unknown' WHEN 20 * " + with + " >= 19 * " + judged + " THEN 'consistent' WHEN " +
				with + " > 0 THEN 'partial' ELSE 'missing' END",
			"kinds":           all("kinds"),
			"success":         "sum(good_success + maybe_success + bad_success + none_success)",
			"refused":         "sum(good_refused + maybe_refused + bad_refused + none_refused)",
			"unclear":         "sum(good_unclear + maybe_unclear + bad_unclear + none_unclear)",
			"with_credential": with, "without_credential": "sum(none_success + bad_success)", "logins": logins, "discriminates": "max(discriminates)",
		}),
	},
	store.OfCredentials: {
		From: "credentials",
		Columns: map[string]string{
			"kind": "kind", "credential": "credential_id", "principal": "principal", "place": "place", "sensor": "sensor", "day": day("begin"),
		},
		Measures: ledgerMeasures(map[string]string{
			"credentials": "count(DISTINCT json_array(kind, credential_id))", "mask": "max(mask)", "place": "max(place)", "principal": "max(principal)",
			"nature": "CASE WHEN max(issued) = 1 OR max(expires) > '' THEN 'rotating' WHEN " +
				"max(kind) IN ('basic', 'digest', 'ntlm', 'api_key', 'signature', 'client_secret') OR " + age + " >= 2592000 THEN 'static' ELSE 'unknown' END",
			"age": age, "clients": all("clients"), "hosts": all("hosts"),
			"success": "sum(success)", "refused": "sum(refused)", "unclear": "sum(unclear)", "expires": "nullif(max(expires), '')",
		}),
	},
	store.OfIssuers: {
		From: "issuers",
		Columns: map[string]string{
			"issuer": "issuer", "host": "host", "kid": "kid", "algorithm": "algorithm", "thumbprint": "thumbprint", "key_type": "key_type",
			"sensor": "sensor", "day": day("begin"),
		},
		Measures: ledgerMeasures(map[string]string{
			"keys": "count(DISTINCT json_array(issuer, host, kid, algorithm, thumbprint))", "key_type": "max(key_type)", "bits": "max(bits)",
			"published": "max(published)", "issued": "max(issued)", "accepted": "max(accepted)",
		}),
	},
}

// lists are columns made by all; of counted ones the number of elements is the
// answer.
var (
	lists   = []string{"kinds", "hosts", "successes", "failures"}
	counted = map[store.Subject]string{store.OfCredentials: "clients"}
)

// elements gives what is in any of the arrays of an array.
func elements(text string) []string {
	var arrays, all []string
	_ = json.Unmarshal([]byte(text), &arrays) // SQLite made them
	for _, a := range arrays {
		var some []string
		_ = json.Unmarshal([]byte(a), &some)
		all = append(all, some...)
	}
	slices.Sort(all)
	return append([]string{}, slices.Compact(all)...)
}

// query gives a question in SQL.
func query(q *store.Question) (string, []any) {
	source := sources[q.Of]
	f := q.Filter
	if q.Of == store.OfFindings {
		all, args := conditions(f)
		return source.Query(q, all, args)
	}
	var all []string
	var args []any
	add := func(condition string, value any) { all, args = append(all, condition), append(args, value) }
	first, last := "begin", "last_seen"
	if q.Of == store.OfLogins {
		f.Hours()
		first, last = "time", "time"
	}
	if f.Since != 0 {
		add(last+" >= ?", f.Since.String())
	}
	if f.Until != 0 {
		add(first+" < ?", f.Until.String())
	}
	within := func(column, value string) { add("EXISTS (SELECT 1 FROM json_each("+column+") WHERE value = ?)", value) }
	if q.Of == store.OfCredentials {
		if f.Host != "" {
			within("hosts", f.Host)
		}
		if f.Client.IsValid() {
			within("clients", f.Client.Unmap().String())
		}
	} else {
		if f.Host != "" {
			add("host = ?", f.Host)
		}
		if f.Client.IsValid() {
			add("client_ip = ?", f.Client.Unmap().String())
		}
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
	text, args := query(&q)
	a, columns, err := answer(ctx, s.db, text, args...)
	if err != nil {
		return nil, s.explain(err)
	}
	a.Name(columns)
	for i, name := range a.Columns {
		for _, row := range a.Rows {
			switch {
			case slices.Contains(lists, name):
				row[i] = elements(row[i].(string))
			case counted[q.Of] == name:
				row[i] = int64(len(elements(row[i].(string))))
			}
		}
	}
	return a, nil
}

// answer runs a query.
func answer(ctx context.Context, db interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, query string, args ...any) (*store.Answer, []string, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, nil, err
	}
	a := &store.Answer{}
	for rows.Next() {
		row, to := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			to[i] = &row[i]
		}
		if err := rows.Scan(to...); err != nil {
			return nil, nil, err
		}
		for i := range row {
			switch x := row[i].(type) {
			case []byte:
				row[i] = string(x)
			case time.Time:
				row[i] = x.UTC().Format(capture.Layout)
			}
		}
		a.Rows = append(a.Rows, row)
	}
	return a, columns, rows.Err()
}

// Newest gives a time near that of the newest row; see store.Reader.
func (s *Store) Newest(ctx context.Context, subject store.Subject) (capture.Time, error) {
	column := map[store.Subject]string{store.OfFindings: "first_seen", store.OfLogins: "time"}[subject]
	ledger := column == ""
	if ledger {
		column = "begin"
	}
	var text sql.NullString
	if err := s.db.QueryRowContext(ctx, "SELECT max("+column+") FROM "+sources[subject].From).Scan(&text); err != nil || !text.Valid {
		return 0, s.explained(err)
	}
	var at detect.Timestamp
	if err := parseTime(text.String, &at); err != nil {
		return 0, s.explain(err)
	}
	if ledger { // which are asked for by days
		const day = detect.Timestamp(24 * time.Hour)
		at += day - ((at%day)+day)%day
	}
	return capture.Time(at), nil
}

func (s *Store) explained(err error) error {
	if err == nil {
		return nil
	}
	return s.explain(err)
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
	text, args := query(&q)
	text = "SELECT 1" + text[strings.Index(text, " FROM "):]
	if q.Of != store.OfFindings && q.Of != store.OfLogins {
		text = strings.Replace(text, "begin < ?", "last_seen < ?", 1)
	}
	if i := strings.Index(text, " ORDER BY "); i >= 0 {
		text = text[:i]
	}
	var one int
	err := s.db.QueryRowContext(ctx, text+" LIMIT 1", args...).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, s.explained(err)
}

// Heartbeats gives the last one of each sensor; see store.Reader.
func (s *Store) Heartbeats(ctx context.Context) (all []store.Heartbeat, err error) {
	rows, err := s.db.QueryContext(ctx, "SELECT sensor, max(time), started, version, key, counters FROM sensors GROUP BY sensor ORDER BY sensor")
	if err != nil {
		return nil, s.explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var h store.Heartbeat
		var at, started, counters string
		if err := rows.Scan(&h.Sensor, &at, &started, &h.Version, &h.Key, &counters); err != nil {
			return nil, s.explain(err)
		}
		if err := errors.Join(parseTime(at, &h.Time), parseTime(started, &h.Started), json.Unmarshal([]byte(counters), &h.Counters)); err != nil {
			return nil, s.explain(err)
		}
		all = append(all, h)
	}
	return all, s.explained(rows.Err())
}

// Inventory counts rows; see store.Reader.
func (s *Store) Inventory(ctx context.Context) (*store.Inventory, error) {
	i := &store.Inventory{Kind: "sqlite", Schema: schemaVersion}
	if err := s.db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&i.Version); err != nil {
		return nil, s.explain(err)
	}
	for _, table := range []string{"auth_events", "credentials", "endpoints", "findings", "issuers", "occurrences", "sensors"} {
		size := store.TableSize{Name: table}
		if err := s.db.QueryRowContext(ctx, "SELECT count(*) FROM "+table).Scan(&size.Rows); err != nil {
			return nil, s.explain(err)
		}
		i.Tables = append(i.Tables, size)
	}
	return i, nil
}

// Query runs a statement that only reads; see store.Reader. It has a connection
// of its own, which opened the file for reading and takes no other file: neither
// ATTACH nor VACUUM INTO.
func (s *Store) Query(ctx context.Context, statement string) (*store.Answer, error) {
	if err := store.CheckReads(statement, "SELECT", "WITH", "VALUES", "EXPLAIN"); err != nil {
		return nil, err
	}
	return s.read(ctx, statement)
}

func (s *Store) read(ctx context.Context, statement string) (*store.Answer, error) {
	absolute, err := filepath.Abs(s.path)
	if err != nil {
		return nil, err
	}
	name := url.URL{Scheme: "file", Path: absolute, RawQuery: fmt.Sprintf("mode=ro&_pragma=busy_timeout(%d)&_pragma=query_only(1)", busyTimeout)}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, s.explain(err)
	}
	defer conn.Close()
	if _, err := sqlite.Limit(conn, sqlite3.SQLITE_LIMIT_ATTACHED, 0); err != nil {
		return nil, s.explain(err)
	}
	a, columns, err := answer(ctx, conn, statement)
	if err != nil {
		return nil, s.explain(err)
	}
	a.Columns = columns
	return a, nil
}
