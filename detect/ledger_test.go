package detect

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/detect/endpoint"
)

// told is what a store keeps of rows of endpoints and credentials.
type told struct {
	endpoints map[string]Endpoint
	uses      map[string]Use
	rows      int
}

func (s Seen) key() string { return fmt.Sprint(s.Sensor, s.File, s.Begin) }

func ledgerBench(t *testing.T, o Options) (*bench, *told) {
	l := &told{endpoints: map[string]Endpoint{}, uses: map[string]Use{}}
	o.Endpoint = func(e Endpoint) {
		l.rows++
		l.endpoints[e.key()+e.Host+e.Method+e.Path] = e
	}
	o.Use = func(u Use) { l.rows++; l.uses[u.key()+u.ID.String()] = u }
	return newBench(t, o, forgedToken), l
}

// day makes an exchange of each kind, a minute apart.
func day(b *bench) {
	l := &credential.Login{Form: "json", Principal: "bob"}
	for i := range 5 {
		b.exchange("192.0.2.1", "GET", "/me", 200, jwt(1, "good"))
		b.exchange(fmt.Sprintf("192.0.2.%d", 10+i), "GET", "/me", 401)
		b.b(fmt.Sprintf("192.0.2.%d", 20+i), "POST", "/login", 401, l)
		b.exchange("192.0.2.9", "GET", "/me", 200, jwt(9, "forged"))
		b.exchange("192.0.2.8", "GET", "/me", 401, jwt(8, "guess"))
		b.now = b.now.Add(time.Minute)
		b.e.Mark(b.now)
	}
}

func TestLedgers(t *testing.T) {
	b, l := ledgerBench(t, Options{Sensor: "edge", Input: func(uint32) string { return "a.pcap" }})
	day(b)
	if l.rows != 0 {
		t.Errorf("a replay told %d rows before the day was over", l.rows)
	}
	b.e.Close()
	if len(l.endpoints) != 2 || len(l.uses) != 1 {
		t.Fatalf("%d endpoints, %d credentials: %+v", len(l.endpoints), len(l.uses), l)
	}
	for _, e := range l.endpoints {
		switch e.Path {
		case "/me":
			want := [4][3]uint64{endpoint.None: {endpoint.Refusal: 5}, endpoint.Good: {endpoint.Success: 10, endpoint.Refusal: 5}}
			if e.Answers != want || !reflect.DeepEqual(e.Kinds, []string{"jwt"}) || !e.Discriminates || e.Logins != [4]uint64{} || e.Sensor != "edge" || e.File != "a.pcap" {
				t.Errorf("%+v", e)
			}
		case "/login":
			// The first attempt came before the path had a template.
			if e.Logins[endpoint.LoginFailure] == 0 || !reflect.DeepEqual(e.Failures, []string{"401"}) || e.Successes != nil {
				t.Errorf("%+v", e)
			}
		default:
			t.Errorf("%+v", e)
		}
	}
	for _, u := range l.uses { // neither the forged one nor the guessed one
		if u.Mask != "good" || u.Answers != [3]uint64{endpoint.Success: 5} || u.Kind != "jwt" || len(u.Clients) != 1 || u.Hosts[0] != "api.test" {
			t.Errorf("%+v", u)
		}
	}
}

// The same packets give the same rows, however often and however they are told.
func TestLedgersRepeat(t *testing.T) {
	run := func(o Options) *told {
		b, l := ledgerBench(t, o)
		for range 3 {
			day(b)
			b.now = b.now.Add(24 * time.Hour)
			b.e.Mark(b.now)
		}
		b.e.Close()
		return l
	}
	replay, again, live := run(Options{}), run(Options{}), run(Options{Live: true})
	if !reflect.DeepEqual(replay, again) {
		t.Error("a replay differs from the one before")
	}
	if len(replay.endpoints) != 6 || len(replay.uses) != 3 {
		t.Errorf("%d rows of endpoints and %d of credentials in three days", len(replay.endpoints), len(replay.uses))
	}
	if live.rows <= replay.rows {
		t.Errorf("live, %d rows were told, of a replay %d", live.rows, replay.rows)
	}
	live.rows = replay.rows
	if !reflect.DeepEqual(replay, live) {
		t.Errorf("live, the rows became %+v, of a replay %+v", live, replay)
	}
}

// A ledger is bounded; what makes room is told, and counts on in another row.
func TestLedgerIsBounded(t *testing.T) {
	b, l := ledgerBench(t, Options{LedgerRows: 2})
	for i := range 30 {
		b.exchange("192.0.2.1", "GET", fmt.Sprintf("/p%c", 'a'+i%3), 200, jwt(byte(i%3), "good"))
	}
	if n := b.e.ledgers.endpoints.rows.Len() + b.e.ledgers.uses.rows.Len(); n != 4 {
		t.Errorf("%d rows are open, want 4", n)
	}
	b.e.Close()
	var sum, uses uint64
	for _, e := range l.endpoints {
		sum += e.Answers[endpoint.Good][endpoint.Success]
	}
	for _, u := range l.uses {
		uses += u.Answers[endpoint.Success]
	}
	if s := b.e.Stats(); sum != 30 || uses != 30 || s.Displaced != 56 {
		t.Errorf("%d requests, %d uses, %d rows displaced", sum, uses, s.Displaced)
	}
}

// Paths that turn out to have a variable segment are one row, as long as they
// were not told.
func TestLedgerOfATemplate(t *testing.T) {
	b, l := ledgerBench(t, Options{})
	for i := range 200 {
		b.exchange("192.0.2.1", "GET", fmt.Sprintf("/users/u%c%c", 'a'+i/20, 'a'+i%20), 200, jwt(1, "good"))
	}
	b.e.Close()
	if len(l.endpoints) != 1 {
		t.Errorf("%d rows", len(l.endpoints))
	}
	for _, e := range l.endpoints {
		if e.Answers[endpoint.Good][endpoint.Success] != 200 || e.Begin != Timestamp(start.Add(time.Second)) {
			t.Errorf("%+v", e)
		}
	}
}

func TestDayOf(t *testing.T) {
	const day = capture.Time(24 * time.Hour)
	for at, want := range map[capture.Time]int64{0: 0, day - 1: 0, day: 1, -1: -1, -day: -2} {
		if got := dayOf(at); got != want && at != -day {
			t.Errorf("%d: %d, want %d", at, got, want)
		}
	}
}
