package clickhouse

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/clickhouse/clickhousetest"
	"github.com/authtap/authtap/store/storetest"
)

// What a first look at the statement would let through is refused by ClickHouse.
func TestReadingCannotWrite(t *testing.T) {
	server := clickhousetest.Start(t)
	s := connect(t, server.DSN(), Options{})
	if err := s.Write(t.Context(), events(0, 5)); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	for _, q := range []string{
		"INSERT INTO findings (id) SELECT 'x'", "DROP TABLE findings", "TRUNCATE TABLE findings", "CREATE TABLE x (y Int8) ENGINE = Memory", "CREATE TEMPORARY TABLE x (y Int8)",
		"ALTER TABLE findings DELETE WHERE 1", "SYSTEM DROP MARK CACHE", "SELECT 1 SETTINGS readonly = 0",
		"SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'x String')", "SELECT * FROM file('/etc/passwd', 'LineAsString', 'x String')",
		"SELECT * FROM remote('127.0.0.1:1', system.one)", "SELECT * FROM s3('http://127.0.0.1:1/x', 'CSV', 'x String')", "SELECT * FROM executable('id', 'TSV', 'x String')",
	} {
		if a, err := s.read(t.Context(), q); err == nil {
			t.Errorf("%s: %v", q, a)
		}
	}
	if _, err := s.Query(t.Context(), "SELECT 1 INTO OUTFILE '"+out+"'"); err == nil {
		t.Error("INTO OUTFILE is run")
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a file was written")
	}
	if got := server.Query("SELECT count() FROM findings"); got[0][0] != "5" {
		t.Errorf("%s findings are left", got[0][0])
	}
	if a, err := s.Query(t.Context(), "SHOW TABLES"); err != nil || len(a.Rows) < 20 {
		t.Errorf("%v, %v", a, err)
	}
	if a, err := s.Query(t.Context(), "WITH toIPv6('192.0.2.1') AS a SELECT a, toDate('2026-01-02'), CAST(NULL AS Nullable(Int8)), [1, 2], 1.5, generateUUIDv4() != toUUID('00000000-0000-0000-0000-000000000000'), map('a', 1)"); err != nil {
		t.Errorf("%v, %v", a, err)
	} else if r := a.Rows[0]; r[0] != "192.0.2.1" || r[1] != "2026-01-02" || r[2] != nil || r[4] != 1.5 || r[5] != int64(1) {
		t.Errorf("%v", r)
	}
	// Nothing of it stays with the server's session.
	if err := s.Write(t.Context(), events(5, 5)); err != nil {
		t.Error(err)
	}
}

// Each hour of a range is in one of its pieces, and no other is.
func TestPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const hour = capture.Time(3600e9)
		some := rapid.Custom(func(t *rapid.T) capture.Time {
			if rapid.IntRange(0, 3).Draw(t, "open") == 0 {
				return 0
			}
			return capture.Time(rapid.IntRange(20*365*24, 20*365*24+3000).Draw(t, "hour")) * hour
		})
		since, until := some.Draw(t, "since"), some.Draw(t, "until")
		all := pieces([]string{"month", "day", "hour"}, since, until)
		for at := (20*365*24 - 1000) * hour; at < (20*365*24+4000)*hour; at += hour {
			in := 0
			for _, p := range all {
				span := at
				if p.span != "hour" {
					span = begin(p.span, at)
				}
				if (p.from == 0 || span >= p.from) && (p.to == 0 || span < p.to) {
					in++
				}
			}
			want := 0
			if (since == 0 || at >= since) && (until == 0 || at < until) {
				want = 1
			}
			if in != want {
				t.Fatalf("%v to %v: %v is in %d pieces: %v", since, until, at, in, all)
			}
		}
	})
}

// What is likely to be the answer is known to be it or not, and the answer is
// the same then.
func TestLikely(t *testing.T) {
	server := clickhousetest.Start(t)
	s := connect(t, server.DSN(), Options{})
	server.Exec("SYSTEM STOP MERGES auth_events_by_client")
	server.Exec("SYSTEM STOP MERGES auth_events_by_principal")
	var b store.Block
	for client := range 30 {
		for range 60 - client {
			e := storetest.AuthEvent(len(b.AuthEvents))
			e.Client, e.Principal = netip.AddrFrom4([4]byte{198, 51, 100, byte(client)}), fmt.Sprint("account ", client)
			b.AuthEvents = append(b.AuthEvents, e)
		}
	}
	for _, round := range []struct {
		limit int
		sure  bool
	}{
		{2, true},  // of eight that were looked at the last has 53
		{8, true},  // there are no more than were looked at
		{2, false}, // every row is there more than once
	} {
		if err := s.Write(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		for _, by := range []string{"client", "principal"} {
			q := store.Question{Of: store.OfLogins, By: []string{by}, Filter: store.Filter{Limit: round.limit}}
			source, conditions, args := s.source(&q)
			text, args, ok := source.Likely(&q, conditions, args)
			if !ok {
				t.Fatal("nothing is likely")
			}
			a, _, err := s.answer(t.Context(), text, args...)
			if err != nil {
				t.Fatal(err)
			}
			if sure := a.Sure(q.Limit); sure != round.sure {
				t.Errorf("the first %d by %s: %v", round.limit, by, sure)
			}
			a, err = s.Ask(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for i, row := range a.Rows {
				if row[1] != int64(60-i) {
					t.Errorf("the first %d by %s: %v", round.limit, by, a.Rows)
				}
			}
			if len(a.Rows) != round.limit {
				t.Errorf("%d rows of %d", len(a.Rows), round.limit)
			}
		}
	}
}
