package clickhouse

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/authtap/authtap/store/clickhouse/clickhousetest"
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
