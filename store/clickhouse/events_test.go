package clickhouse

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/clickhouse/clickhousetest"
	"github.com/authtap/authtap/store/storetest"
)

// events gives a block of all tables' rows from first on.
func events(first, n int) *store.Block {
	b := batch(first, n)
	for i := first; i < first+n; i++ {
		b.AuthEvents = append(b.AuthEvents, storetest.AuthEvent(i))
		b.Occurrences = append(b.Occurrences, storetest.Occurrence(i))
		b.Heartbeats = append(b.Heartbeats, storetest.Heartbeat(i))
		b.Endpoints = append(b.Endpoints, storetest.Endpoint(i))
		b.Credentials = append(b.Credentials, storetest.Use(i))
		b.Issuers = append(b.Issuers, storetest.IssuerKey(i))
	}
	return b
}

// contents are queries whose answers are to depend on nothing but the rows.
var contents = []string{
	"SELECT count(), sum(count), max(version) FROM findings_latest",
	"SELECT count(), sum(count), max(version) FROM occurrences FINAL",
	"SELECT count(), uniqExact(principal_id), countIf(outcome = 'failure') FROM auth_events FINAL",
	"SELECT count(), max(counters['source.packets']) FROM sensors FINAL",
	"SELECT hour, sensor, detector, severity, verdict, findings, events FROM findings_by_hour ORDER BY ALL",
	"SELECT day, sensor, detector, severity, verdict, findings, events FROM findings_by_day ORDER BY ALL",
	"SELECT hour, sensor, host, method, path, kind, outcome, attempts, clients, accounts FROM logins_by_hour ORDER BY ALL",
	"SELECT day, sensor, host, method, path, kind, outcome, attempts, clients, accounts FROM logins_by_day ORDER BY ALL",
	"SELECT count(), uniqExact(client_ip), uniqExact(bucket), countIf(outcome = 'failure') FROM auth_events_by_client FINAL",
	"SELECT count(), uniqExact(principal), uniqExact(bucket), countIf(outcome = 'failure') FROM auth_events_by_principal FINAL",
	"SELECT month, sensor, host, outcome, sum(finalizeAggregation(numbers)), uniqCombinedMerge(12)(clients), uniqCombinedMerge(12)(principals) FROM auth_events_by_month FINAL GROUP BY ALL ORDER BY ALL",
	"SELECT hour, sensor, outcome, sum(finalizeAggregation(numbers)), uniqCombinedMerge(12)(clients), uniqCombinedMerge(12)(principals) FROM auth_outcomes_by_hour FINAL GROUP BY ALL ORDER BY ALL",
	"SELECT * FROM attacks_by_client ORDER BY client_ip",
	"SELECT * FROM attacks_by_client_by_day ORDER BY ALL",
	"SELECT * FROM accounts_at_risk ORDER BY principal, host",
	"SELECT * FROM accounts_at_risk_by_day ORDER BY ALL",
	"SELECT * FROM endpoint_posture ORDER BY host, method, path",
	"SELECT * FROM endpoint_posture_by_day ORDER BY ALL",
	"SELECT * FROM endpoints_by_day ORDER BY ALL",
	"SELECT * FROM endpoints_latest ORDER BY host, method, path",
	"SELECT * FROM credentials_latest ORDER BY credential_id",
	"SELECT * FROM credentials_by_day ORDER BY ALL",
	"SELECT * FROM issuers_latest ORDER BY issuer, host, kid",
	"SELECT * FROM login_endpoints ORDER BY host, method, path",
	"SELECT sensor, last_seen, started, version, key FROM sensors_latest",
}

func answers(server *clickhousetest.Server) map[string][][]string {
	all := map[string][][]string{}
	for _, q := range contents {
		all[q] = server.Query(q)
	}
	return all
}

// Rows of all tables come in whole, add up in the aggregates, and writing them
// again, in blocks of whatever cut, changes nothing anywhere.
func TestEvents(t *testing.T) {
	server := clickhousetest.Start(t)
	s := connect(t, server.DSN(), Options{})
	write := func(b *store.Block) {
		t.Helper()
		if err := s.Write(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	const n = 1000
	write(events(0, n))
	once := answers(server)
	for q, want := range map[string][]string{
		contents[1]: {"1000", "3000", "1000"},
		contents[2]: {"1000", "50", "250"},
		contents[3]: {"1000", "999000"},
	} {
		if d := cmp.Diff([][]string{want}, once[q]); d != "" {
			t.Errorf("%s:\n%s", q, d)
		}
	}
	for q, want := range map[string]string{
		"SELECT sum(attempts) FROM logins_by_hour": "1000", "SELECT sum(attempts) FROM logins_by_day": "1000",
		"SELECT sum(events) FROM findings_by_hour": "3000", "SELECT sum(events) FROM findings_by_day": "3000",
		"SELECT max(accounts) FROM logins_by_day": "25",
	} {
		if got := server.Query(q)[0][0]; got != want {
			t.Errorf("%s: %s, want %s", q, got, want)
		}
	}
	for _, q := range contents[12:] {
		if len(once[q]) == 0 {
			t.Errorf("nothing: %s", q)
		}
	}
	for first := 0; first < n; first += 300 {
		write(events(first, min(300, n-first)))
	}
	if d := cmp.Diff(once, answers(server)); d != "" {
		t.Errorf("after writing again:\n%s", d)
	}
	for _, table := range server.Query("SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'") {
		server.Exec("OPTIMIZE TABLE " + table[0] + " FINAL")
	}
	if d := cmp.Diff(once, answers(server)); d != "" {
		t.Errorf("after merging:\n%s", d)
	}
	if got := server.Query("SELECT count() FROM auth_events")[0][0]; got != "1000" {
		t.Errorf("%s attempts after merging", got)
	}
	for view, lists := range map[string]string{"attacks_by_client": "detectors, hosts", "accounts_at_risk": "detectors, clients", "endpoint_posture": "weaknesses, let_in"} {
		sorted := "arraySort(" + strings.ReplaceAll(lists, ", ", "), arraySort(") + ")"
		for _, days := range []string{"", "_by_day"} {
			if got := server.Query("SELECT " + lists + " FROM " + view + days + " WHERE (" + lists + ") != (" + sorted + ") LIMIT 1"); len(got) != 0 {
				t.Errorf("%s%s: %q are not sorted", view, days, got)
			}
		}
	}
	// The identity of what was stored, and how it is written.
	want := [][]string{{"2026-01-02 03:04:05.123456 +0000 UTC", "edge", "a.pcap", "2026-01-02 03:04:05.123456 +0000 UTC", "1", "1", "host-0.example", "POST", "/login",
		"192.0.2.0", "user-0", "01000000-0000-0000-0000-000000000000", "02000000-0000-0000-0000-000000000000", "json", "unclear", "401"}}
	if d := cmp.Diff(want, server.Query("SELECT * FROM auth_events WHERE number = 1")); d != "" {
		t.Error(d)
	}
}

// Every earlier version's tables, with rows in them, are brought up to date.
func TestUpgrade(t *testing.T) {
	all, err := form{}.steps()
	if err != nil {
		t.Fatal(err)
	}
	for from := range len(all) {
		server := clickhousetest.Start(t)
		server.Exec("CREATE TABLE authtap_migrations (number UInt32, name String) ENGINE = ReplacingMergeTree ORDER BY number")
		for _, step := range all[:from] {
			for _, statement := range step.statements {
				server.Exec(statement)
			}
			server.Exec("INSERT INTO authtap_migrations (number, name) VALUES (?, ?)", step.number, step.name)
		}
		if from > 0 {
			server.Exec("INSERT INTO findings (id, version, detector, severity, confidence, verdict, first_seen, last_seen) VALUES ('old', 1, 'basic_auth', 'low', 'firm', 'observed', '2026-01-01 00:00:00', '2026-01-01 00:00:00')")
		}
		s := connect(t, server.DSN(), Options{})
		if err := s.Write(context.Background(), events(0, 10)); err != nil {
			t.Errorf("from %d: %v", from, err)
		}
		if got := len(read(t, s)); got != 10+min(from, 1) {
			t.Errorf("from %d: %d findings", from, got)
		}
		if plan, err := s.Plan(context.Background()); err != nil || len(plan) != 0 {
			t.Errorf("from %d: still to be done: %q, %v", from, plan, err)
		}
	}
}

// Every statement can be run again: two sensors may take a step at once.
func TestStepsAreIdempotent(t *testing.T) {
	server := clickhousetest.Start(t)
	s := connect(t, server.DSN(), Options{})
	if err := s.Write(context.Background(), events(0, 50)); err != nil {
		t.Fatal(err)
	}
	want := answers(server)
	all, err := form{}.steps()
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range all {
		for _, statement := range step.statements {
			server.Exec(statement)
		}
	}
	if d := cmp.Diff(want, answers(server)); d != "" {
		t.Error(d)
	}
}

// The engine of the tests is no cluster, but reads the statements for one.
func TestClusterStatements(t *testing.T) {
	server := clickhousetest.Start(t)
	s, err := New(server.DSN(), Options{Cluster: "it's a cluster", Retain: map[string]int{"findings": 90}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	plan, err := s.Plan(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var replicated, distributed int
	for _, statement := range plan {
		server.Query("EXPLAIN AST " + statement)
		text := bare(statement)
		if strings.HasPrefix(text, "INSERT") {
			continue
		}
		if !strings.Contains(text, ` ON CLUSTER 'it\'s a cluster'`) {
			t.Errorf("not on the cluster: %s", text)
		}
		if strings.Contains(text, "ENGINE = ") {
			if strings.Contains(text, "= Distributed(") {
				distributed++
			} else if replicated++; !strings.Contains(text, "ENGINE = Replicated") || strings.Contains(text, "non_replicated") {
				t.Errorf("not replicated: %s", text)
			}
		}
	}
	if distributed != 15 || replicated != distributed+1 { // and the table of migrations
		t.Errorf("%d replicated tables, %d distributed ones", replicated, distributed)
	}
}

func TestMigrateIsAskedFor(t *testing.T) {
	server := clickhousetest.Start(t)
	s, err := New(server.DSN(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 2 {
		if err := s.Write(context.Background(), events(0, 1)); err == nil || !strings.Contains(err.Error(), "authtap migrate") {
			t.Errorf("got %v", err)
		}
	}
	if got := server.Query("SELECT count() FROM system.tables WHERE database = currentDatabase()"); got[0][0] != "0" {
		t.Errorf("there are %s tables", got[0][0])
	}
	connect(t, server.DSN(), Options{}) // somebody migrates
	if err := s.Write(context.Background(), events(0, 1)); err != nil {
		t.Error(err)
	}
	other, err := New(server.DSN(), Options{Migrate: true, Cluster: "c"})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.Migrate(context.Background()); err == nil || !strings.Contains(err.Error(), "made for a single server") {
		t.Errorf("got %v", err)
	}
}

// How long rows are kept is changed where it is asked for and not so already.
func TestRetain(t *testing.T) {
	server := clickhousetest.Start(t)
	connect(t, server.DSN(), Options{})
	if _, err := New(server.DSN(), Options{Retain: map[string]int{"finding": 1}}); err == nil || !strings.Contains(err.Error(), "findings") {
		t.Errorf("got %v", err)
	}
	if _, err := New(server.DSN(), Options{Retain: map[string]int{"findings": 30_000}}); err == nil || !strings.Contains(err.Error(), "18250") {
		t.Errorf("got %v", err)
	}
	set := func(retain map[string]int, want int) {
		t.Helper()
		s := connect(t, server.DSN(), Options{Retain: retain})
		for range 2 {
			if plan, err := s.Plan(context.Background()); err != nil || len(plan) != 0 {
				t.Errorf("still to be done: %q, %v", plan, err)
			}
		}
		got := server.Query("SELECT count() FROM system.tables WHERE database = currentDatabase() AND engine_full LIKE '% TTL %'")
		if got[0][0] != fmt.Sprint(want) {
			t.Errorf("%v: %s tables have a TTL, want %d", retain, got[0][0], want)
		}
	}
	all := map[string]int{}
	for _, name := range Retained() {
		all[name] = 18_000 // the rows are of the past
	}
	set(all, 15)
	set(map[string]int{"by_hour": 0, "findings": 18_250}, 12)
	set(nil, 12)
	s := connect(t, server.DSN(), Options{})
	if err := s.Write(context.Background(), events(0, 10)); err != nil {
		t.Fatal(err)
	}
	if got := len(read(t, s)); got != 10 {
		t.Errorf("%d findings", got)
	}
}

// Each view says what it is.
func TestViewsHaveComments(t *testing.T) {
	server := clickhousetest.Start(t)
	connect(t, server.DSN(), Options{})
	rows := server.Query("SELECT name, comment FROM system.tables WHERE database = currentDatabase() AND engine = 'View' ORDER BY name")
	if len(rows) != 18 {
		t.Errorf("%d views", len(rows))
	}
	for _, r := range rows {
		if r[1] == "" {
			t.Errorf("%s has no comment", r[0])
		}
	}
}
