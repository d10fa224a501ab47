package storetest

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/store"
)

var update = flag.Bool("storetest.update", false, "write what a store answers to storetest/answers.txt")

// Block gives rows of all tables from first on.
func Block(first, n int) *store.Block {
	b := &store.Block{}
	for i := first; i < first+n; i++ {
		b.Findings = append(b.Findings, Finding(i))
		b.AuthEvents = append(b.AuthEvents, AuthEvent(i))
		b.Occurrences = append(b.Occurrences, Occurrence(i))
		b.Heartbeats = append(b.Heartbeats, Heartbeat(i))
		b.Endpoints = append(b.Endpoints, Endpoint(i))
		b.Credentials = append(b.Credentials, Use(i))
		b.Issuers = append(b.Issuers, IssuerKey(i))
	}
	return b
}

func put(t *testing.T, s store.Store, b *store.Block) {
	t.Helper()
	if err := s.Write(context.Background(), b); err != nil {
		t.Fatal(err)
	}
}

// ask gives an answer as text: the columns' names and the rows.
func ask(t *testing.T, s store.Store, q store.Question) []string {
	t.Helper()
	a, err := s.Ask(context.Background(), q)
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	all := []string{fmt.Sprint(a.Columns)}
	for _, row := range a.Rows {
		for i, v := range row {
			switch v.(type) {
			case nil, string, int64, float64, bool, []string:
			default:
				t.Errorf("%+v: %s is a %T", q, a.Columns[i], v)
			}
		}
		all = append(all, strings.TrimSuffix(fmt.Sprintln(row...), "\n"))
	}
	return all
}

// Ask asks all questions whose answers are the same on all stores, and gives
// the answers as text.
func Ask(t *testing.T, s store.Store) string {
	t.Helper()
	var got strings.Builder
	for _, q := range answered {
		fmt.Fprintf(&got, "# %s", q.Of)
		if q.By != nil {
			fmt.Fprintf(&got, " by %s", strings.Join(q.By, ", "))
		}
		fmt.Fprintf(&got, " %+v\n%s\n\n", q.Filter, strings.Join(ask(t, s, q), "\n"))
	}
	return got.String()
}

// Questions fills an empty store and compares what Ask gives with what it is to
// be. Rows of ledgers come again, in parts and out of order.
func Questions(t *testing.T, s store.Store) {
	t.Helper()
	put(t, s, Block(0, 50))
	put(t, s, Block(30, 70))
	put(t, s, Block(0, 100))
	got := Ask(t, s)
	if d := gocmp.Diff(strings.Split(answers, "\n"), strings.Split(got, "\n")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
		if *update {
			if err := os.WriteFile("../storetest/answers.txt", []byte(got), 0o644); err != nil {
				t.Error(err)
			}
		}
	}
}

// questions are also asked in all other ways.
func questions(t *testing.T, s store.Store) {
	Questions(t, s)
	for subject := range everything {
		for _, by := range store.ShapeOf(subject).Dimensions {
			ask(t, s, store.Question{Of: subject, By: []string{by}})
		}
		if got := ask(t, s, store.Question{Of: subject, By: []string{}}); len(got) != 2 {
			t.Errorf("%s in all: %q", subject, got)
		}
		all := ask(t, s, store.Question{Of: subject})
		if got := ask(t, s, store.Question{Of: subject, Filter: store.Filter{Limit: 2}}); gocmp.Diff(all[:min(3, len(all))], got) != "" {
			t.Errorf("the first two %s: %q of %q", subject, got, all)
		}
		if got := ask(t, s, store.Question{Of: subject, Filter: store.Filter{Sensor: "nobody"}}); len(got) != 1 {
			t.Errorf("%s of nobody: %q", subject, got)
		}
	}
	for _, q := range []store.Question{
		{Of: "x"}, {Of: store.OfIssuers, By: []string{"client"}}, {Of: store.OfEndpoints, By: []string{"host", "host"}},
		{Of: store.OfEndpoints, Filter: store.Filter{Principal: "bob"}}, {Of: store.OfLogins, Filter: store.Filter{Detector: "x"}},
	} {
		if _, err := s.Ask(context.Background(), q); err == nil {
			t.Errorf("%+v has an answer", q)
		}
	}
}

var everything = map[store.Subject]bool{
	store.OfFindings: true, store.OfLogins: true, store.OfLoginEndpoints: true, store.OfEndpoints: true, store.OfCredentials: true, store.OfIssuers: true,
}

// merging writes states of one row in any order: of each number the largest
// stays, of lists all.
func merging(t *testing.T, s store.Store) {
	e := Endpoint(1)
	e.Answers = [4][3]uint64{endpoint.Good: {endpoint.Success: 5}, endpoint.None: {endpoint.Success: 1}}
	more := e
	more.Answers[endpoint.Good][endpoint.Success], more.Kinds, more.Last = 19, []string{"jwt", "session"}, e.Last+5e6
	less := e
	less.Answers[endpoint.Good][endpoint.Success], less.Kinds = 2, nil // of an earlier time
	other := more
	other.Sensor, other.Begin, other.Last = "sensor-7", e.Begin-5e9, e.Last
	u := Use(1)
	grown := u
	grown.Clients, grown.Answers[endpoint.Success], grown.Hosts = append(append(grown.Clients[:0:0], grown.Clients...), Use(2).Clients[0]), 99, []string{"b.example", "a.example"}
	for _, b := range []*store.Block{
		{Rows: store.Rows{Endpoints: []detect.Endpoint{e}, Credentials: []detect.Use{u}}},
		{Rows: store.Rows{Endpoints: []detect.Endpoint{more, less}, Credentials: []detect.Use{grown, u}}},
		{Rows: store.Rows{Endpoints: []detect.Endpoint{less, other}, Credentials: []detect.Use{u}}},
		{Rows: store.Rows{Endpoints: []detect.Endpoint{other}}},
	} {
		put(t, s, b)
	}
	got := ask(t, s, store.Question{Of: store.OfEndpoints})
	want := []string{
		"[host method path operation coverage kinds success refused unclear with_credential without_credential logins discriminates first_seen last_seen]",
		"host-1.example POST /orders/{id}/1  consistent [basic jwt session] 40 0 0 38 2 0 false " + other.Begin.String() + " " + more.Last.String(),
	}
	if d := gocmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	got = ask(t, s, store.Question{Of: store.OfCredentials})
	want = []string{
		"[kind credential mask place principal nature age clients hosts success refused unclear expires first_seen last_seen]",
		"api_key " + u.ID.String() + " eyJh…(101) header:authorization user-1 static 1 3 [a.example b.example host-1.example] 99 1 1 <nil> " + u.Begin.String() + " " + u.Last.String(),
	}
	if d := gocmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// ranges of time hide rows, and it can be known that they do.
func ranges(t *testing.T, s store.Store) {
	for subject := range everything {
		if at, err := s.Newest(context.Background(), subject); err != nil || at != 0 {
			t.Errorf("%s: the newest of nothing is of %v, %v", subject, at, err)
		}
	}
	put(t, s, Block(0, 100))
	for subject := range everything {
		newest, err := s.Newest(context.Background(), subject)
		if err != nil || newest < Start || newest > Start.Add(6*24*time.Hour) {
			t.Errorf("%s: the newest is of %v, %v", subject, newest, err)
		}
		for _, c := range []struct {
			since   capture.Time
			earlier bool
		}{{0, false}, {Start.Add(-time.Hour), false}, {newest.Add(24 * time.Hour), true}} {
			got, err := s.Earlier(context.Background(), store.Question{Of: subject, Filter: store.Filter{Since: c.since}})
			if err != nil || got != c.earlier {
				t.Errorf("%s: earlier than %v: %v, %v", subject, c.since, got, err)
			}
		}
		if got, err := s.Earlier(context.Background(), store.Question{Of: subject, Filter: store.Filter{Since: newest.Add(24 * time.Hour), Sensor: "nobody"}}); err != nil || got {
			t.Errorf("%s of nobody: %v, %v", subject, got, err)
		}
		if n := len(ask(t, s, store.Question{Of: subject, Filter: store.Filter{Since: newest.Add(24 * time.Hour)}})); n != 1 {
			t.Errorf("%s: %d rows after the newest", subject, n-1)
		}
		if n := len(ask(t, s, store.Question{Of: subject, Filter: store.Filter{Until: Start.Add(-time.Hour)}})); n != 1 {
			t.Errorf("%s: %d rows before the oldest", subject, n-1)
		}
	}
}

func sensors(t *testing.T, s store.Store) {
	put(t, s, Block(0, 20))
	other := Heartbeat(3)
	other.Sensor, other.Key = "other", "ffff"
	put(t, s, &store.Block{Rows: store.Rows{Heartbeats: []store.Heartbeat{other, Heartbeat(4)}}})
	got, err := s.Heartbeats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if d := gocmp.Diff([]store.Heartbeat{Heartbeat(19), other}, got); d != "" {
		t.Error(d)
	}
	i, err := s.Inventory(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if i.Kind == "" || i.Version == "" || i.Schema < 3 || len(i.Tables) != 7 || i.Tables[0] != (store.TableSize{Name: "auth_events", Rows: 20}) {
		t.Errorf("%+v", i)
	}
}

// reading SQL reads, and nothing else.
func reading(t *testing.T, s store.Store) {
	put(t, s, Block(0, 10))
	a, err := s.Query(context.Background(), "SELECT host AS h, count(*) AS n FROM findings GROUP BY host ORDER BY host -- a comment; DROP TABLE findings")
	if err != nil {
		t.Fatal(err)
	}
	want := &store.Answer{Columns: []string{"h", "n"}, Rows: [][]any{{"host-0.example", int64(3)}, {"host-1.example", int64(3)}, {"host-2.example", int64(2)}, {"host-3.example", int64(2)}}}
	if d := gocmp.Diff(want, a); d != "" {
		t.Error(d)
	}
	for _, q := range []string{
		"", ";", "-- nothing", "DROP TABLE findings", "DELETE FROM findings", "INSERT INTO findings SELECT * FROM findings", "UPDATE findings SET host = 'x'",
		"/* SELECT */ TRUNCATE TABLE findings", "SELECT 1; DROP TABLE findings", "CREATE TABLE x (y INT)", "ALTER TABLE findings DELETE WHERE 1", "ATTACH 'x.db' AS x",
		"PRAGMA user_version = 9", "VACUUM INTO 'x.db'", "SYSTEM SHUTDOWN", "SET readonly = 0", "SELECT 1 INTO OUTFILE 'x'", "USE system", "GRANT ALL ON *.* TO x",
	} {
		if _, err := s.Query(context.Background(), q); !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("%q: %v", q, err)
		}
	}
	if _, err := s.Query(context.Background(), "SELECT nothing FROM nowhere"); err == nil || errors.Is(err, store.ErrReadOnly) {
		t.Errorf("a mistake: %v", err)
	}
	if got := read(t, s, store.Filter{}); len(got) != 10 {
		t.Errorf("%d findings are left", len(got))
	}
}

// views and their columns; an analyst's statement is to mean the same everywhere.
var views = map[string]string{
	"findings_by_hour":         "hour sensor detector severity verdict findings events",
	"findings_by_day":          "day sensor detector severity verdict findings events",
	"logins_by_hour":           "hour sensor host method path kind outcome attempts clients accounts",
	"logins_by_day":            "day sensor host method path kind outcome attempts clients accounts",
	"attacks_by_client":        "client_ip findings detectors severity let_in events hosts principals first_seen last_seen",
	"attacks_by_client_by_day": "day client_ip findings detectors severity let_in events hosts principals first_seen last_seen",
	"accounts_at_risk":         "principal host severity strongest_verdict findings detectors clients events first_seen last_seen",
	"accounts_at_risk_by_day":  "day principal host severity strongest_verdict findings detectors clients events first_seen last_seen",
	"endpoint_posture":         "host method path weaknesses let_in severity findings last_seen",
	"endpoint_posture_by_day":  "day host method path weaknesses let_in severity findings last_seen",
	"endpoints_by_day": "day host method path operation kinds success refused unclear with_credential without_credential logins " +
		"discriminates first_seen last_seen",
	"endpoints_latest": "host method path operation kinds coverage success refused unclear with_credential without_credential logins " +
		"discriminates first_seen last_seen",
	"credentials_by_day": "day kind credential_id mask place principal principals clients hosts success refused unclear expires first_seen last_seen",
	"credentials_latest": "kind credential_id mask place principal principals nature age clients hosts success refused unclear expires first_seen last_seen",
	"issuers_latest":     "issuer host kid algorithm thumbprint key_type bits published issued accepted first_seen last_seen",
	"login_endpoints":    "host method path operation success failure pending unclear successes failures first_seen last_seen",
	"sensors_latest":     "sensor last_seen started version key counters",
}

// analyses asks the views, for what is the same in both dialects.
func analyses(t *testing.T, s store.Store) {
	put(t, s, Block(0, 60))
	put(t, s, Block(0, 100))
	query := func(q string) *store.Answer {
		a, err := s.Query(context.Background(), q)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		return a
	}
	for view, columns := range views {
		a := query("SELECT * FROM " + view)
		if got := strings.Join(a.Columns, " "); got != columns {
			t.Errorf("%s has %s, want %s", view, got, columns)
		}
		if len(a.Rows) == 0 {
			t.Errorf("%s has no rows", view)
		}
	}
	// Days add up to what is there in all.
	for _, of := range []string{
		"sum(findings), sum(let_in), sum(events), max(last_seen) FROM attacks_by_client",
		"sum(findings), sum(events), min(first_seen) FROM accounts_at_risk",
		"sum(findings), max(last_seen) FROM endpoint_posture",
		"sum(success), sum(refused), sum(unclear) FROM endpoints",
		"sum(success), sum(refused), sum(unclear), max(expires) FROM credentials",
	} {
		whole := of
		if strings.HasSuffix(whole, "endpoints") || strings.HasSuffix(whole, "credentials") {
			whole += "_latest"
		}
		if d := gocmp.Diff(query("SELECT "+whole).Rows, query("SELECT "+of+"_by_day").Rows); d != "" {
			t.Errorf("%s (-all +by day):\n%s", of, d)
		}
	}
}

// alike asks for what stores have their own ways of: the order of identifiers,
// which of several values is the last, maps, the number of different values.
func alike(t *testing.T, s store.Store) {
	var b store.Block
	for i := range byte(4) { // last used at the same time, in opposite orders by the halves of their ids
		u := Use(1)
		u.ID = credential.ID{0: i, 8: 9 - i}
		b.Credentials = append(b.Credentials, u)
	}
	o, grown := Occurrence(0), Occurrence(1) // of one finding
	grown.Finding, grown.Verdict, grown.Severity = o.Finding, detect.Accepted, detect.Critical
	b.Occurrences = append(b.Occurrences, grown, o)
	b.Findings = append(b.Findings, Finding(1))
	b.Findings[0].Evidence = detect.Evidence{{Name: "z", Value: credential.Stored("/a\nb")}, {Name: "\"ü", Value: credential.Number(7)}}
	const attempts = 3000
	for i := range attempts {
		e := AuthEvent(i)
		e.Host, e.Principal = "many.example", fmt.Sprint("user", i)
		e.PrincipalID, e.Client = credential.ID{4, byte(i), byte(i >> 8)}, netip.AddrFrom4([4]byte{198, 18, byte(i), byte(i >> 8)})
		b.AuthEvents = append(b.AuthEvents, e)
	}
	put(t, s, &b)

	for _, by := range [][]string{nil, {"day"}, {"kind", "sensor"}, {"hour"}} {
		for _, f := range []store.Filter{{}, {Since: Start.Add(-time.Hour), Until: Start.Add(time.Hour)}} {
			f.Host = "many.example"
			a, err := s.Ask(context.Background(), store.Question{Of: store.OfLogins, By: by, Filter: f})
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"attempts", "clients", "principals"} {
				if i := slices.Index(a.Columns, name); len(a.Rows) != 1 || a.Rows[0][i] != int64(attempts) {
					t.Errorf("%s by %q %+v: %v", name, by, f, a.Rows)
				}
			}
		}
	}

	var ids, first []string
	for _, c := range []struct {
		limit int
		to    *[]string
	}{{0, &ids}, {2, &first}} {
		a, err := s.Ask(context.Background(), store.Question{Of: store.OfCredentials, Filter: store.Filter{Limit: c.limit}})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range a.Rows {
			*c.to = append(*c.to, row[1].(string))
		}
	}
	if !slices.IsSorted(ids) || len(ids) != 4 || !slices.Equal(ids[:2], first) {
		t.Errorf("credentials come as %q, the first two as %q", ids, first)
	}
	for _, view := range []string{"findings_by_hour", "findings_by_day"} {
		a, err := s.Query(context.Background(), "SELECT severity, verdict, findings, events FROM "+view)
		if err != nil {
			t.Fatal(err)
		}
		if d := gocmp.Diff([][]any{{"critical", "accepted", int64(1), int64(o.Count + grown.Count)}}, a.Rows); d != "" {
			t.Errorf("%s (-want +got):\n%s", view, d)
		}
	}
	a, err := s.Query(context.Background(), "SELECT evidence FROM findings_latest")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if text, _ := a.Rows[0][0].(string); json.Unmarshal([]byte(text), &got) != nil || len(got) != 2 || got["\"ü"] != "7" {
		t.Errorf("evidence is %v", a.Rows[0][0])
	}
}

// answered are questions whose answers, of Block(0, 100), stand in answers.txt.
var answered = []store.Question{
	{Of: store.OfFindings},
	{Of: store.OfFindings, By: []string{"severity", "verdict"}, Filter: store.Filter{Severity: detect.High}},
	{Of: store.OfFindings, By: []string{"client"}, Filter: store.Filter{Limit: 4}},
	{Of: store.OfFindings, By: []string{"day", "host"}, Filter: store.Filter{Host: "host-1.example"}},
	{Of: store.OfFindings, By: []string{"principal"}, Filter: store.Filter{Since: Start.Add(time.Hour)}},
	{Of: store.OfLogins},
	{Of: store.OfLogins, By: []string{"outcome", "kind"}},
	{Of: store.OfLogins, By: []string{"hour"}, Filter: store.Filter{Since: Start.Add(10 * time.Second), Until: Start.Add(20 * time.Second)}},
	{Of: store.OfLogins, By: []string{"client"}, Filter: store.Filter{Limit: 3}},
	{Of: store.OfLogins, By: []string{"principal"}, Filter: store.Filter{Limit: 3, Host: "host-2.example"}},
	{Of: store.OfLogins, Filter: store.Filter{Principal: "user-7"}},
	{Of: store.OfLogins, Filter: store.Filter{Until: Start}},
	{Of: store.OfLoginEndpoints},
	{Of: store.OfEndpoints},
	{Of: store.OfEndpoints, Filter: store.Filter{Since: Start.Add(72 * time.Hour), Host: "host-1.example"}},
	{Of: store.OfEndpoints, By: []string{"host"}},
	{Of: store.OfEndpoints, By: []string{"day"}, Filter: store.Filter{Until: Start.Add(48 * time.Hour)}},
	{Of: store.OfCredentials},
	{Of: store.OfCredentials, By: []string{"kind"}, Filter: store.Filter{Client: netip.MustParseAddr("192.0.2.3")}},
	{Of: store.OfCredentials, Filter: store.Filter{Principal: "user-5"}},
	{Of: store.OfCredentials, By: []string{"day"}, Filter: store.Filter{Host: "host-3.example", Sensor: "sensor-1"}},
	{Of: store.OfIssuers},
	{Of: store.OfIssuers, By: []string{"issuer"}},
}

//go:embed answers.txt
var answers string
