package clickhouse

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/clickhouse/clickhousetest"
)

var (
	queriesSize = flag.Float64("queries", 0.0001, "the size of TestQueries: 1 is 10 million findings and 100 million login attempts, 0 takes what is there")
	queriesDays = flag.Int("queries.days", 2, "over how many days of TestQueries they are spread")
	queriesRuns = flag.Int("queries.runs", 1, "how often each of them is run: the median is told")
	queriesPID  = flag.Int("queries.pid", 0, "the process of a server on this machine: its CPU seconds are told, too")
	queriesOnly = flag.String("queries.only", "", "only those of TestQueries that have this text in their name")
	queriesDSN  = flag.String("queries.on", "", "a database for TestQueries, which is kept, and filled where it is empty")
)

// named are the questions that the commands ask, by the command.
var named = []struct {
	command string
	store.Question
}{
	{"findings", store.Question{Of: store.OfFindings, Filter: store.Filter{Limit: 100}}},
	{"findings --severity high", store.Question{Of: store.OfFindings, Filter: store.Filter{Limit: 100, Severity: detect.High}}},
	{"findings --client …", store.Question{Of: store.OfFindings, Filter: store.Filter{Limit: 100, Client: netip.MustParseAddr("178.208.94.0")}}},
	{"findings --principal …", store.Question{Of: store.OfFindings, Filter: store.Filter{Limit: 100, Principal: "user77@example.org"}}},
	{"findings --by detector", store.Question{Of: store.OfFindings, By: []string{"detector"}}},
	{"findings --by client", store.Question{Of: store.OfFindings, By: []string{"client"}, Filter: store.Filter{Limit: 100}}},
	{"findings --by principal", store.Question{Of: store.OfFindings, By: []string{"principal"}, Filter: store.Filter{Limit: 100}}},
	{"findings --by day,verdict", store.Question{Of: store.OfFindings, By: []string{"day", "verdict"}}},
	{"logins", store.Question{Of: store.OfLogins}},
	{"logins (what is learned)", store.Question{Of: store.OfLoginEndpoints}},
	{"logins --by hour,outcome", store.Question{Of: store.OfLogins, By: []string{"hour", "outcome"}}},
	{"logins --by client", store.Question{Of: store.OfLogins, By: []string{"client"}, Filter: store.Filter{Limit: 100}}},
	{"logins --by principal", store.Question{Of: store.OfLogins, By: []string{"principal"}, Filter: store.Filter{Limit: 100}}},
	{"logins --client …", store.Question{Of: store.OfLogins, Filter: store.Filter{Client: netip.MustParseAddr("178.208.94.0")}}},
	{"logins --principal …", store.Question{Of: store.OfLogins, Filter: store.Filter{Principal: "user77@example.org"}}},
	{"endpoints", store.Question{Of: store.OfEndpoints, Filter: store.Filter{Limit: 1000}}},
	{"endpoints --by host", store.Question{Of: store.OfEndpoints, By: []string{"host"}}},
	{"credentials", store.Question{Of: store.OfCredentials, Filter: store.Filter{Limit: 1000}}},
	{"credentials --principal …", store.Question{Of: store.OfCredentials, Filter: store.Filter{Principal: "user77@example.org"}}},
	{"issuers", store.Question{Of: store.OfIssuers, Filter: store.Filter{Limit: 1000}}},
}

// views are asked in SQL; {range} is the condition of the last seven days. Those
// that add up everything have none.
var views = []struct{ query, days string }{
	{"SELECT severity, count() FROM findings_latest WHERE {range} GROUP BY severity", "first_seen >= now() - INTERVAL 7 DAY"},
	{"SELECT hour, sum(findings), sum(events) FROM findings_by_hour WHERE {range} GROUP BY hour ORDER BY hour", "hour >= now() - INTERVAL 7 DAY"},
	{"SELECT day, detector, sum(findings) FROM findings_by_day WHERE {range} GROUP BY day, detector ORDER BY day", "day >= today() - 7"},
	{"SELECT hour, outcome, sum(attempts) FROM logins_by_hour WHERE {range} GROUP BY hour, outcome ORDER BY hour", "hour >= now() - INTERVAL 7 DAY"},
	{"SELECT day, host, path, outcome, attempts FROM logins_by_day WHERE {range} ORDER BY day", "day >= today() - 7"},
	{"SELECT * FROM attacks_by_client ORDER BY events DESC LIMIT 100", ""},
	{"SELECT client_ip, sum(events), sum(let_in), max(severity) FROM attacks_by_client_by_day WHERE {range} GROUP BY client_ip ORDER BY 2 DESC LIMIT 100", "day >= today() - 7"},
	{"SELECT * FROM accounts_at_risk ORDER BY events DESC LIMIT 100", ""},
	{"SELECT * FROM accounts_at_risk_by_day WHERE {range} ORDER BY day DESC, events DESC LIMIT 100", "day >= today() - 7"},
	{"SELECT * FROM endpoint_posture ORDER BY findings DESC LIMIT 100", ""},
	{"SELECT * FROM endpoint_posture_by_day WHERE {range} ORDER BY day DESC, findings DESC LIMIT 100", "day >= today() - 7"},
	{"SELECT day, sum(success) FROM endpoints_by_day WHERE {range} GROUP BY day ORDER BY day", "day >= today() - 7"},
	{"SELECT coverage, count() FROM endpoints_latest WHERE {range} GROUP BY coverage", "last_seen >= now() - INTERVAL 7 DAY"},
	{"SELECT nature, count() FROM credentials_latest GROUP BY nature", ""},
	{"SELECT day, kind, count(), sum(success) FROM credentials_by_day WHERE {range} GROUP BY day, kind ORDER BY day", "day >= today() - 7"},
	{"SELECT * FROM issuers_latest WHERE {range}", "last_seen >= now() - INTERVAL 7 DAY"},
	{"SELECT * FROM login_endpoints WHERE {range}", "last_seen >= now() - INTERVAL 7 DAY"},
	{"SELECT * FROM sensors_latest WHERE {range}", "last_seen >= now() - INTERVAL 7 DAY"},
}

// Each named query is answered, over its default range and over everything.
// With -queries 1 -queries.days 90 -v this is the benchmark of `make
// bench-queries`: it prints each one's time, the rows that the engine reads for
// it by its own estimate, and those of the answer.
func TestQueries(t *testing.T) {
	dsn := *queriesDSN
	if dsn == "" {
		dsn = clickhousetest.Start(t).DSN()
	}
	s := connect(t, dsn, Options{Timeout: 10 * time.Minute})
	if *queriesSize > 0 {
		generate(t, s, *queriesSize, *queriesDays, []string{"brute_force", "jwt_alg_none", "basic_auth", "password_spraying", "credential_stuffing", "token_guessing", "auth_missing", "cookie_attributes", "cleartext_credential", "jwt_weak_secret", "otp_guessing", "session_after_logout"})
	}
	ctx := t.Context()
	timed := func(name string, run func() (int, error), query string, args ...any) {
		if !strings.Contains(name, *queriesOnly) {
			return
		}
		var times []time.Duration
		rows, cpu := 0, cpuOf(*queriesPID)
		for range *queriesRuns {
			begun := time.Now()
			var err error
			if rows, err = run(); err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			times = append(times, time.Since(begun))
		}
		slices.Sort(times)
		cpu = (cpuOf(*queriesPID) - cpu) / float64(*queriesRuns) // an estimate may run subqueries
		var read, of uint64
		if query != "" {
			if err := s.conn.QueryRow(ctx, "SELECT sum(rows), count() FROM (EXPLAIN ESTIMATE "+query+")", args...).Scan(&read, &of); err != nil {
				t.Logf("%s: no estimate: %v", name, err)
			}
		}
		t.Logf("%8.3f s  %6.2f s of CPU  %9d rows read  %6d rows given  %s", times[len(times)/2].Seconds(), cpu, read, rows, name)
		if rows == 0 && *queriesSize >= 1 {
			t.Errorf("%s gives nothing", name)
		}
	}
	for _, q := range named {
		newest, err := s.Newest(ctx, q.Of)
		if err != nil {
			t.Fatal(err)
		}
		for _, since := range []capture.Time{newest.Add(-7 * 24 * time.Hour), 0} {
			q.Since = since
			name, query := q.command, ""
			var args []any
			if name += " "; since == 0 {
				name += "--since all"
			}
			run := func() (int, error) {
				a, err := s.Ask(ctx, q.Question)
				if err != nil {
					return 0, err
				}
				return len(a.Rows), nil
			}
			if q.Of == store.OfFindings && q.By == nil {
				query, args = findingsQuery(q.Filter)
				run = func() (n int, err error) {
					for _, err := range s.Findings(ctx, q.Filter) {
						if err != nil {
							return n, err
						}
						n++
					}
					return n, nil
				}
			} else {
				query, args = s.query(&q.Question)
			}
			timed(name, run, query, args...)
		}
	}
	timed("what every command asks first: newest, and earlier", func() (int, error) {
		for of := range sources {
			newest, err := s.Newest(ctx, of)
			if err != nil {
				return 0, err
			}
			if _, err := s.Earlier(ctx, store.Question{Of: of, Filter: store.Filter{Since: newest.Add(-7 * 24 * time.Hour)}}); err != nil {
				return 0, err
			}
		}
		return len(sources), nil
	}, "")
	timed("status", func() (int, error) {
		beats, err := s.Heartbeats(ctx)
		if err != nil {
			return 0, err
		}
		_, err = s.Inventory(ctx)
		return len(beats), err
	}, "")
	for _, v := range views {
		for _, within := range slices.Compact([]string{cmp.Or(v.days, "true"), "true"}) {
			query := strings.Replace(v.query, "{range}", within, 1)
			timed(query, func() (int, error) { return count(ctx, s, query) }, query)
		}
	}
}

// cpuOf gives the CPU seconds of a process: on a machine with other work they
// tell more than the clock does.
func cpuOf(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var user, system float64
	fmt.Sscan(fields[11], &user)
	fmt.Sscan(fields[12], &system)
	return (user + system) / 100 // USER_HZ
}

func count(ctx context.Context, s *Store, query string) (int, error) {
	a, _, err := s.answer(ctx, query)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", query, err)
	}
	return len(a.Rows), nil
}
