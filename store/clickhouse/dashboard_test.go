package clickhouse

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/authtap/authtap/store/clickhouse/clickhousetest"
	"github.com/authtap/authtap/store/storetest"
)

// asGrafana puts into a query what Grafana's ClickHouse data source does: its
// macros, and the values of the dashboard's variables.
func asGrafana(sql string, from, to time.Time, variables map[string][]string) string {
	const interval = 60
	seconds := func(t time.Time) string { return fmt.Sprintf("toDateTime(%d)", t.Unix()) }
	sql = regexp.MustCompile(`\$__timeFilter\(([\w.]+)\)`).ReplaceAllString(sql, fmt.Sprintf("$1 >= %s AND $1 <= %s", seconds(from), seconds(to)))
	sql = regexp.MustCompile(`\$__timeInterval\(([\w.]+)\)`).ReplaceAllString(sql, fmt.Sprintf("toStartOfInterval(toDateTime($1), INTERVAL %d second)", interval))
	sql = strings.ReplaceAll(sql, "$__interval_s", strconv.Itoa(interval))
	for name, values := range variables {
		var quoted []string
		for _, v := range values {
			quoted = append(quoted, "'"+strings.ReplaceAll(v, "'", "''")+"'")
		}
		sql = strings.ReplaceAll(sql, "${"+name+":sqlstring}", strings.Join(quoted, ","))
	}
	return sql
}

// Each query of the dashboard runs, and shows something where there is
// something to show; what comes of time series is what Grafana needs for them.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("../../deploy/grafana/authtap.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title, Type string
			Targets     []struct {
				RawSQL    string `json:"rawSql"`
				QueryType string
				Format    int
			}
		}
		Templating struct {
			List []struct{ Name, Type, Query string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	server := clickhousetest.Start(t)
	s := connect(t, server.DSN(), Options{})
	if err := s.Write(t.Context(), events(0, 200)); err != nil {
		t.Fatal(err)
	}
	from, to := storetest.Start.Time().Add(-time.Hour), storetest.Start.Time().Add(30*24*time.Hour)
	variables := map[string][]string{"sensor": {"it's none"}, "severity": {"critical", "high", "medium", "low", "info"}}
	for _, v := range dashboard.Templating.List {
		if v.Type == "query" {
			for _, row := range server.Query(v.Query) {
				variables[v.Name] = append(variables[v.Name], row[0])
			}
		}
	}
	if len(variables["sensor"]) != 4 {
		t.Errorf("sensors %q", variables["sensor"])
	}
	queries := 0
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			queries++
			sql := asGrafana(target.RawSQL, from, to, variables)
			if strings.Contains(sql, "$") {
				t.Errorf("%s: not all is put in: %s", p.Title, sql)
			}
			rows := server.Query(sql)
			switch {
			case len(rows) == 0 && p.Title != "Dropped by the kernel":
				t.Errorf("%s shows nothing: %s", p.Title, sql)
			case p.Type == "stat" && (len(rows) != 1 || rows[0][0] == "0" && p.Title != "Silent sensors"):
				t.Errorf("%s shows %q", p.Title, rows)
			}
			columns := server.Query("DESCRIBE (" + sql + ")")
			series := p.Type == "timeseries"
			if series != (target.Format == 0) || series != (target.QueryType == "timeseries") {
				t.Errorf("%s: a %s of format %d, %s", p.Title, p.Type, target.Format, target.QueryType)
			}
			if series && (columns[0][0] != "time" || !strings.HasPrefix(columns[0][1], "DateTime") || len(columns) != 3) {
				t.Errorf("%s is no time series: %q", p.Title, columns)
			}
			// No sensor, no rows: each query minds the variable.
			none := map[string][]string{"sensor": {"it's none"}, "severity": variables["severity"]}
			rows = server.Query(asGrafana(target.RawSQL, from, to, none))
			if p.Type == "stat" && rows[0][0] != "0" || p.Type != "stat" && len(rows) > 0 {
				t.Errorf("%s does not mind the sensor: %q", p.Title, rows)
			}
		}
	}
	if queries != 15 {
		t.Errorf("%d queries were found, want 15", queries)
	}
}
