package clickhouse

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/rules"
	"github.com/authtap/authtap/store/clickhouse/clickhousetest"
	"github.com/authtap/authtap/store/storetest"
)

var replicated = regexp.MustCompile(`Replicated(\w+MergeTree)\('/clickhouse/tables/[^']*', '[^']*'(?:, )?`)

// onCluster gives a store whose tables are those of a cluster that the engine
// knows, but for what it cannot do: replicas, and statements that go to all
// servers.
func onCluster(t *testing.T, server *clickhousetest.Server, cluster string) *Store {
	t.Helper()
	if server.Dir == "" {
		t.Skip("the clusters are the test engine's")
	}
	planned, err := New(server.DSN(), Options{Cluster: cluster})
	if err != nil {
		t.Fatal(err)
	}
	defer planned.Close()
	plan, err := planned.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range plan {
		statement = strings.ReplaceAll(statement, form{cluster}.on(), "")
		statement = strings.ReplaceAll(statement, form{cluster}.window(), form{}.window())
		server.Exec(replicated.ReplaceAllString(statement, "$1("))
	}
	s, err := Open(t.Context(), server.DSN(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// By way of distributed tables the same questions have the same answers.
func TestClusterAnswers(t *testing.T) {
	storetest.Questions(t, onCluster(t, clickhousetest.Start(t), "one"))
}

// Where there are two shards, ClickHouse minds what a question asks of other
// servers. Each view, question and look at the fleet is answered.
func TestClusterOfTwo(t *testing.T) {
	server := clickhousetest.Start(t)
	s := onCluster(t, server, "two")
	if err := s.Write(t.Context(), events(0, 100)); err != nil {
		t.Fatal(err)
	}
	for _, q := range contents {
		if len(server.Query(q)) == 0 {
			t.Errorf("nothing: %s", q)
		}
	}
	storetest.Ask(t, s)
	if _, err := s.Correlate(t.Context(), CorrelateOptions{
		Since: fleetStart.Add(-time.Hour), Until: fleetStart.Add(10 * time.Hour), Detectors: rules.All(),
	}); err != nil {
		t.Error(err)
	}
}

// What is found of the fleet goes to the shard that its id names, whichever
// server is asked: else two that look, at two servers, would write it twice. A
// look that ended between a finding and what happened to it is made up for.
func TestClusterCorrelate(t *testing.T) {
	server := clickhousetest.Start(t)
	s := onCluster(t, server, "one")
	for _, table := range []string{"findings", "occurrences"} {
		server.Exec("CREATE TABLE " + table + "_elsewhere AS " + table + "_local")
		server.Exec("DROP TABLE " + table + " SYNC")
		server.Exec("CREATE TABLE " + table + " AS " + table + "_local ENGINE = Distributed('one', currentDatabase(), '" + table + "_elsewhere', rand())")
	}
	var f fleet
	for i := range 12 {
		f.login(sensors[i%3], "a.test", fmt.Sprintf("198.51.100.%d", i%6), "bob", fmt.Sprint("guess", i), endpoint.LoginFailure, time.Duration(i)*20*time.Second)
	}
	if err := s.Write(t.Context(), &f.block); err != nil {
		t.Fatal(err)
	}
	guessing, _ := rules.Find("brute_force_distributed")
	look := func(told uint64) {
		t.Helper()
		st, err := s.Correlate(t.Context(), CorrelateOptions{
			Since: fleetStart.Add(-time.Hour), Until: fleetStart.Add(time.Hour), Detectors: []detect.Detector{guessing},
		})
		if err != nil || st.Told != told {
			t.Fatalf("%+v, %v", st, err)
		}
		const rows = "SELECT (SELECT count() FROM findings_elsewhere), (SELECT sum(count) FROM occurrences_elsewhere), (SELECT count() FROM findings_local), (SELECT count() FROM occurrences_local)"
		if got := fmt.Sprint(server.Query(rows)); got != "[[1 12 0 0]]" {
			t.Errorf("on the shard and at the server at hand: %s, want [[1 12 0 0]]", got)
		}
	}
	look(1)
	look(0)
	server.Exec("TRUNCATE TABLE occurrences_elsewhere")
	look(0)
}
