package clickhouse

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
	"github.com/authtap/authtap/detect/rules"
	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/clickhouse/clickhousetest"
)

// fleet collects login attempts of several sensors.
type fleet struct {
	block  store.Block
	number map[string]uint64
}

var fleetStart = capture.TimeOf(time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC))

func id(s string) (out credential.ID) {
	copy(out[:], s+"................")
	return out
}

// login adds an attempt, so long after the start.
func (f *fleet) login(sensor, host, client, user, password string, o endpoint.LoginOutcome, after time.Duration) {
	if f.number == nil {
		f.number = map[string]uint64{}
	}
	f.number[sensor]++
	at := detect.Timestamp(fleetStart.Add(after))
	f.block.AuthEvents = append(f.block.AuthEvents, detect.AuthEvent{
		Time: at, Series: detect.Timestamp(fleetStart), Number: f.number[sensor], Sensor: sensor, Host: host, Method: "POST", Path: "/login",
		Client: netip.MustParseAddr(client), Principal: user, PrincipalID: id(user), CredentialID: id(password), Kind: "json", Outcome: o, Status: 401,
		Capture: detect.Capture{File: "eth0", Packet: f.number[sensor]},
	})
}

func correlate(t *testing.T, s *Store, until time.Duration) CorrelateStats {
	t.Helper()
	st, err := s.Correlate(context.Background(), CorrelateOptions{
		Since: fleetStart.Add(-time.Hour), Until: fleetStart.Add(until), Detectors: rules.All(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// fleetFindings gives the findings as text.
func fleetFindings(t *testing.T, s *Store) (list []string) {
	t.Helper()
	for f, err := range s.Findings(context.Background(), store.Filter{Sensor: Fleet}) {
		if err != nil {
			t.Fatal(err)
		}
		client := "several"
		if f.Client != nil {
			client = f.Client.IP.String()
		}
		line := fmt.Sprintf("%s %v %v %s count=%d version=%d client=%s principal=%s first=%v last=%v", f.Detector, f.Severity, f.Verdict, f.DedupeKey,
			f.Count, f.Version, client, f.Principal, capture.Time(f.FirstSeen).Sub(fleetStart), capture.Time(f.LastSeen).Sub(fleetStart))
		for _, e := range f.Evidence {
			line += fmt.Sprintf(" %s=%s", e.Name, strings.ReplaceAll(e.Value.String(), ", ", ","))
		}
		list = append(list, line)
	}
	slices.Sort(list)
	return list
}

var sensors = []string{"edge1", "edge2", "edge3"}

func TestCorrelate(t *testing.T) {
	server := clickhousetest.Start(t)
	s := connect(t, server.DSN(), Options{Migrate: true})
	const fail, ok = endpoint.LoginFailure, endpoint.LoginSuccess
	var f fleet
	// One account from many clients, four attempts on each sensor, and a hit.
	for i := range 12 {
		f.login(sensors[i%3], "a.test", fmt.Sprintf("198.51.100.%d", i%6), "bob", fmt.Sprint("guess", i), fail, time.Duration(i)*20*time.Second)
	}
	f.login("edge2", "a.test", "198.51.100.3", "bob", "hunter2", ok, 250*time.Second)
	// One client guesses at one account, over all sensors.
	for i := range 33 {
		f.login(sensors[i%3], "b.test", "192.0.2.7", "carol", fmt.Sprint("pass", i), fail, time.Hour+time.Duration(i)*5*time.Second)
	}
	// One password on twelve accounts.
	for i := range 12 {
		f.login(sensors[i%3], "c.test", "192.0.2.8", fmt.Sprint("user", i), "Summer2026", fail, 2*time.Hour+time.Duration(i)*30*time.Second)
	}
	// A list of stolen accounts.
	for i := range 18 {
		f.login(sensors[i%3], "d.test", "192.0.2.9", fmt.Sprint("mail", i), fmt.Sprint("leak", i), fail, 3*time.Hour+time.Duration(i)*10*time.Second)
	}
	// The same from twenty clients, and from a hundred.
	for i := range 60 {
		f.login(sensors[i%3], "e.test", fmt.Sprintf("203.0.113.%d", i%20), fmt.Sprint("mail", i), fmt.Sprint("leak", i), fail, 4*time.Hour+time.Duration(i)*5*time.Second)
	}
	// And with logins at the first try that may be a hit: by the client that tries
	// the list, by one that was never seen before; not by one that was.
	f.login("edge1", "t.test", "198.51.100.77", "erin", "hers", ok, 0)
	for i := range 60 {
		at := 4*time.Hour + time.Duration(i)*5*time.Second
		f.login(sensors[i%3], "r.test", "192.0.2.10", fmt.Sprint("mail", i), fmt.Sprint("leak", i), []endpoint.LoginOutcome{fail, ok}[i/59], at)
		f.login(sensors[i%3], "s.test", fmt.Sprintf("203.0.113.%d", i%20), fmt.Sprint("mail", i), fmt.Sprint("leak", i), fail, at)
		f.login(sensors[i%3], "t.test", fmt.Sprintf("203.0.113.%d", i%20), fmt.Sprint("mail", i), fmt.Sprint("leak", i), fail, at)
	}
	f.login("edge1", "s.test", "198.51.100.77", "erin", "hers", ok, 4*time.Hour+time.Minute)
	f.login("edge1", "t.test", "198.51.100.77", "erin", "hers", ok, 4*time.Hour+time.Minute)
	// One account from two places, turn by turn.
	for i := range 4 {
		f.login(sensors[i%2], "f.test", []string{"192.0.2.7", "203.0.113.9"}[i%2], "dora", "hers", ok, 5*time.Hour+time.Duration(i)*time.Minute)
	}

	// A password an hour for each of thirty accounts, from addresses of which none
	// comes again, seen by one sensor; somebody has the third. And others, each
	// with mistakes of his own.
	for i := range 120 {
		o := fail
		if i == 75 {
			o = ok
		}
		f.login("edge1", "q.test", fmt.Sprintf("203.0.113.%d", i), fmt.Sprint("user", i%30), fmt.Sprint("season", i/30), o, 3*time.Hour+time.Duration(i)*2*time.Minute)
		f.login("edge1", "q.test", fmt.Sprintf("198.51.100.%d", i), fmt.Sprint("person", i), fmt.Sprint("own", i), []endpoint.LoginOutcome{ok, fail}[i%2], 3*time.Hour+time.Duration(i)*2*time.Minute)
	}

	// What is none of it: below the thresholds, too slow, one sensor alone, one
	// wrong password, an office that comes to work, the same traffic at two
	// sensors, a phone that changes its network, a broken release, forgetful people
	// behind one address.
	for i := range 9 {
		f.login(sensors[i%3], "g.test", fmt.Sprintf("198.51.100.%d", i), "bob", fmt.Sprint("guess", i), fail, time.Duration(i)*20*time.Second)
		f.login(sensors[i%3], "h.test", fmt.Sprintf("198.51.100.%d", i), "bob", fmt.Sprint("guess", i), fail, time.Duration(i)*90*time.Second)
	}
	for i := range 20 {
		f.login("edge1", "i.test", fmt.Sprintf("198.51.100.%d", i), "bob", fmt.Sprint("guess", i), fail, time.Duration(i)*20*time.Second)
		f.login(sensors[i%3], "j.test", fmt.Sprintf("198.51.100.%d", i), "service", "old", fail, time.Duration(i)*20*time.Second)
		f.login(sensors[i%3], "k.test", "198.51.100.1", fmt.Sprint("user", i), fmt.Sprint("own", i), []endpoint.LoginOutcome{ok, ok, fail}[i%3], time.Duration(i)*20*time.Second)
	}
	for i := range 6 {
		for n, sensor := range sensors[:2] {
			f.login(sensor, "l.test", fmt.Sprintf("198.51.100.%d", i), "bob", fmt.Sprint("guess", i), fail, time.Duration(i)*20*time.Second+time.Duration(n)*time.Millisecond)
		}
	}
	f.login("edge1", "m.test", "192.0.2.7", "dora", "hers", ok, time.Hour)
	f.login("edge2", "m.test", "203.0.113.9", "dora", "hers", ok, time.Hour+time.Minute)
	for i := range 90 {
		f.login(sensors[i%3], "n.test", fmt.Sprintf("203.0.113.%d", i), fmt.Sprint("user", i), fmt.Sprint("own", i), fail, time.Duration(i)*4*time.Second)
	}
	for i := range 60 {
		user := fmt.Sprint("user", i)
		if i%3 == 0 { // four times wrong
			for n := range 4 {
				f.login(sensors[n%3], "o.test", "198.51.100.1", user, fmt.Sprint("typo", i, n), fail, time.Duration(4*i+n)*time.Second)
			}
		}
		f.login(sensors[i%3], "o.test", "198.51.100.1", user, fmt.Sprint("own", i), ok, time.Duration(4*i+4)*time.Second)
	}
	for i := range 120 { // a house's first password, and many others' mistakes
		f.login(sensors[i%3], "u.test", fmt.Sprintf("198.51.100.%d", i), fmt.Sprint("user", i), []string{"first", fmt.Sprint("own", i), fmt.Sprint("own", i)}[i%3], fail, 2*time.Hour+time.Duration(i)*3*time.Minute)
	}
	for i := range 100 { // the day after their passwords were changed
		user, at := fmt.Sprint("user", i), time.Duration(3*i)*time.Second
		for n := range 3 + i%6 {
			f.login(sensors[n%3], "p.test", "198.51.100.1", user, fmt.Sprint("old", i, n/2), fail, at)
			at += 9 * time.Second
		}
		f.login(sensors[i%3], "p.test", "198.51.100.1", user, fmt.Sprint("new", i), ok, at)
	}
	if err := s.Write(context.Background(), &f.block); err != nil {
		t.Fatal(err)
	}

	// Two at once, and again: it comes to the same.
	errs := make(chan error, 2)
	for range 2 {
		go func() { errs <- correlateOnce(s, 10*time.Hour) }()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"brute_force high rejected 192.0.2.7|b.test count=33 version=33 client=192.0.2.7 principal=carol first=1h0m0s last=1h2m40s failures=33 accounts=1 passwords=33 names=carol clients=1 addresses=192.0.2.7 sensors=edge1,edge2,edge3",
		"brute_force_distributed high accepted a.test|626f622e2e2e2e2e2e2e2e2e2e2e2e2e count=13 version=13 client=several principal=bob first=0s last=4m10s failures=12 accounts=1 passwords=12 names=bob succeeded=bob clients=6 addresses=198.51.100.0,198.51.100.1,198.51.100.2,198.51.100.3,198.51.100.4,198.51.100.5 sensors=edge1,edge2,edge3",
		"credential_shared medium observed f.test|686572732e2e2e2e2e2e2e2e2e2e2e2e count=2 version=2 client=several principal=dora first=5h0m0s last=5h3m0s names=dora clients=2 addresses=192.0.2.7,203.0.113.9 sensors=edge1,edge2",
		"credential_stuffing high rejected 192.0.2.9|d.test count=18 version=18 client=192.0.2.9 principal= first=3h0m0s last=3h2m50s failures=18 accounts=18 passwords=18 names=mail0,mail1,mail10,mail11,mail12,mail13,mail14,mail15 clients=1 addresses=192.0.2.9 sensors=edge1,edge2,edge3",
		"credential_stuffing high rejected e.test|distributed count=60 version=60 client=several principal= first=4h0m0s last=4h4m55s failures=60 accounts=60 passwords=60 names=mail0,mail1,mail10,mail11,mail12,mail13,mail14,mail15 clients=20 addresses=203.0.113.0,203.0.113.1,203.0.113.10,203.0.113.11,203.0.113.12,203.0.113.13,203.0.113.14,203.0.113.15 sensors=edge1,edge2,edge3",
		"credential_stuffing high rejected t.test|distributed count=60 version=60 client=several principal= first=4h0m0s last=4h4m55s failures=60 accounts=60 passwords=60 names=mail0,mail1,mail10,mail11,mail12,mail13,mail14,mail15 clients=20 addresses=203.0.113.0,203.0.113.1,203.0.113.10,203.0.113.11,203.0.113.12,203.0.113.13,203.0.113.14,203.0.113.15 sensors=edge1,edge2,edge3",
		"credential_stuffing high unknown 192.0.2.10|r.test count=59 version=60 client=192.0.2.10 principal= first=4h0m0s last=4h4m50s failures=59 accounts=59 passwords=59 names=mail0,mail1,mail10,mail11,mail12,mail13,mail14,mail15 clients=1 addresses=192.0.2.10 sensors=edge1,edge2,edge3",
		"credential_stuffing high unknown s.test|distributed count=60 version=61 client=several principal= first=4h0m0s last=4h4m55s failures=60 accounts=60 passwords=60 names=mail0,mail1,mail10,mail11,mail12,mail13,mail14,mail15 clients=20 addresses=203.0.113.0,203.0.113.1,203.0.113.10,203.0.113.11,203.0.113.12,203.0.113.13,203.0.113.14,203.0.113.15 sensors=edge1,edge2,edge3",
		"password_spraying high rejected 192.0.2.8|c.test count=12 version=12 client=192.0.2.8 principal= first=2h0m0s last=2h5m30s failures=12 accounts=12 passwords=1 names=user0,user1,user10,user11,user2,user3,user4,user5 clients=1 addresses=192.0.2.8 sensors=edge1,edge2,edge3",
		"password_spraying high unknown q.test|distributed count=119 version=120 client=several principal= first=3h0m0s last=6h58m0s failures=119 accounts=30 passwords=4 names=user0,user1,user10,user11,user12,user13,user14,user15 clients=30 addresses=203.0.113.0,203.0.113.1,203.0.113.10,203.0.113.100,203.0.113.101,203.0.113.102,203.0.113.103,203.0.113.104 sensors=edge1",
	}
	if d := cmp.Diff(want, fleetFindings(t, s)); d != "" {
		t.Fatal(d)
	}
	// What happened by the minute adds up to the findings' counts.
	const minutes = "SELECT id, any(f.count), sum(o.count), uniqExact(o.minute), min(o.minute) = toStartOfMinute(min(first_seen)), max(o.minute) = toStartOfMinute(max(last_seen)) " +
		"FROM findings_latest AS f LEFT JOIN (SELECT * FROM occurrences FINAL) AS o ON o.finding = f.id GROUP BY id ORDER BY id"
	happened := server.Query(minutes)
	for _, row := range happened {
		if row[1] != row[2] || row[4] != "1" && row[1] != "2" || row[5] != "1" { // of credential_shared, first is before the first turn
			t.Errorf("of a finding's events, by the minute: %q", row)
		}
	}
	if len(happened) != 10 || !slices.ContainsFunc(happened, func(row []string) bool { return row[1] == "13" && row[3] == "5" }) {
		t.Errorf("by the minute: %q", happened)
	}
	rows := server.Query("SELECT (SELECT count() FROM findings), (SELECT count() FROM occurrences)")
	if st := correlate(t, s, 10*time.Hour); st.Found != 10 || st.Told != 0 {
		t.Errorf("again: %+v", st)
	}
	if again := server.Query("SELECT (SELECT count() FROM findings), (SELECT count() FROM occurrences)"); !cmp.Equal(rows, again) {
		t.Errorf("again there are %v rows, not %v", again, rows)
	}

	// What grows keeps its id; what comes within a day belongs to it.
	ids := server.Query("SELECT id FROM findings_latest ORDER BY id")
	f = fleet{number: f.number}
	for i := range 12 {
		f.login(sensors[i%3], "a.test", fmt.Sprintf("198.51.100.%d", i%6), "bob", fmt.Sprint("more", i), fail, 6*time.Hour+time.Duration(i)*20*time.Second)
	}
	if err := s.Write(context.Background(), &f.block); err != nil {
		t.Fatal(err)
	}
	if st := correlate(t, s, 10*time.Hour); st.Told != 1 {
		t.Errorf("grown: %+v", st)
	}
	want[1] = strings.NewReplacer("count=13 version=13", "count=25 version=25", "last=4m10s failures=12 accounts=1 passwords=12", "last=6h3m40s failures=24 accounts=1 passwords=24").Replace(want[1])
	if d := cmp.Diff(want, fleetFindings(t, s)); d != "" {
		t.Error(d)
	}
	// A login at the first try whose row came late is news, though no event.
	f = fleet{number: f.number}
	f.login("edge2", "d.test", "192.0.2.9", "mail18", "leak18", ok, 3*time.Hour+time.Minute)
	if err := s.Write(context.Background(), &f.block); err != nil {
		t.Fatal(err)
	}
	if st := correlate(t, s, 10*time.Hour); st.Told != 1 {
		t.Errorf("a late hit: %+v", st)
	}
	if got := server.Query("SELECT verdict, count FROM findings_latest WHERE host = 'd.test'"); len(got) != 1 || got[0][0] != "unknown" || got[0][1] != "18" {
		t.Errorf("with a late hit: %q", got)
	}
	if again := server.Query("SELECT id FROM findings_latest ORDER BY id"); !cmp.Equal(ids, again) {
		t.Errorf("ids %v, were %v", again, ids)
	}
	if got := server.Query("SELECT sum(events) FROM findings_by_hour WHERE sensor = 'fleet' AND detector = 'brute_force_distributed'")[0][0]; got != "25" {
		t.Errorf("%s events by the hour, want 25", got)
	}
}

func correlateOnce(s *Store, until time.Duration) error {
	_, err := s.Correlate(context.Background(), CorrelateOptions{
		Since: fleetStart.Add(-time.Hour), Until: fleetStart.Add(until), Detectors: rules.All(),
	})
	return err
}

// What a sensor has said is not said twice, what is suppressed not at all, and
// options say what an attack is.
func TestCorrelateIsQuiet(t *testing.T) {
	server := clickhousetest.Start(t)
	s := connect(t, server.DSN(), Options{Migrate: true})
	var f fleet
	for i := range 12 {
		f.login(sensors[i%3], "a.test", fmt.Sprintf("198.51.100.%d", i%6), "bob", fmt.Sprint("guess", i), endpoint.LoginFailure, time.Duration(i)*20*time.Second)
	}
	if err := s.Write(context.Background(), &f.block); err != nil {
		t.Fatal(err)
	}
	o := CorrelateOptions{Since: fleetStart.Add(-time.Hour), Until: fleetStart.Add(time.Hour)}
	guessing, _ := rules.Find("brute_force_distributed")
	o.Detectors = []detect.Detector{guessing}
	run := func(name string, change func(*CorrelateOptions), want CorrelateStats) {
		t.Helper()
		o := o
		change(&o)
		if st, err := s.Correlate(context.Background(), o); err != nil || st != want {
			t.Errorf("%s: %+v, %v, want %+v", name, st, err, want)
		}
	}
	run("off", func(o *CorrelateOptions) { o.Detectors = nil }, CorrelateStats{})
	run("options", func(o *CorrelateOptions) {
		o.Settings = map[string]detect.Values{"brute_force_distributed": {"failures": 13}}
	}, CorrelateStats{})
	run("ignored", func(o *CorrelateOptions) {
		o.Settings = map[string]detect.Values{"brute_force_distributed": {"ignore_clients": []string{"198.51.100.0/24", "2001:db8::1"}}}
	}, CorrelateStats{})
	run("suppressed", func(o *CorrelateOptions) {
		o.Suppressions = []detect.Suppression{{Place: detect.Place{Host: "a.test"}}}
	}, CorrelateStats{Found: 1, Suppressed: 1})
	run("too early", func(o *CorrelateOptions) { o.Until = fleetStart.Add(2 * time.Minute) }, CorrelateStats{})
	run("too late", func(o *CorrelateOptions) {
		o.Since, o.Until = fleetStart.Add(48*time.Hour), fleetStart.Add(50*time.Hour)
	}, CorrelateStats{})

	said := detect.Finding{
		ID: "1", Version: 1, Detector: "brute_force_distributed", Title: "x", Severity: detect.High, Confidence: detect.Firm, Verdict: detect.Rejected,
		DedupeKey: detect.Key("a.test", id("bob").String()), FirstSeen: detect.Timestamp(fleetStart), LastSeen: detect.Timestamp(fleetStart.Add(time.Minute)),
		Count: 10, Host: "a.test", Sensor: "edge1",
	}
	if err := s.Write(context.Background(), store.Of(said)); err != nil {
		t.Fatal(err)
	}
	run("said", func(*CorrelateOptions) {}, CorrelateStats{Found: 1, Known: 1})
	if list := fleetFindings(t, s); len(list) != 0 {
		t.Errorf("%q", list)
	}
}
