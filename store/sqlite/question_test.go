package sqlite

import (
	"os"
	"path/filepath"
	"testing"
)

// What a first look at the statement would let through is refused by SQLite.
func TestReadingCannotWrite(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	path := filepath.Join(dir, "authtap.db")
	s := open(t, path)
	defer s.Close()
	if err := s.Write(t.Context(), events(5)); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		"DELETE FROM findings", "DROP TABLE findings", "CREATE TABLE x (y)", "UPDATE findings SET host = 'x'", "WITH a AS (SELECT 1) DELETE FROM findings",
		"ATTACH 'other.db' AS other", "VACUUM INTO 'copy.db'", "VACUUM", "PRAGMA user_version = 99", "PRAGMA application_id = 1",
		"PRAGMA query_only = 0; DELETE FROM findings", "SELECT load_extension('x')", "SELECT 1; DELETE FROM findings", "PRAGMA query_only = 0; ATTACH 'other.db' AS other",
		"SELECT writefile('x', 'y')",
	} {
		if a, err := s.read(t.Context(), q); err == nil {
			t.Errorf("%s: %v", q, a)
		}
	}
	if _, err := s.read(t.Context(), "PRAGMA journal_mode = DELETE"); err == nil { // gives the mode that stays
		if got := ask(t, path, "PRAGMA journal_mode"); got != "wal" {
			t.Errorf("the journal's mode is %s", got)
		}
	}
	if got := ask(t, path, "SELECT count(*) FROM findings WHERE host != 'x'"); got != "5" {
		t.Errorf("%s findings are left", got)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) > 3 { // the database, its log and its index
		t.Errorf("%v, %v", files, err)
	}
	if a, err := s.Query(t.Context(), "SELECT name FROM pragma_table_info('findings') LIMIT 1"); err != nil || len(a.Rows) != 1 {
		t.Errorf("%v, %v", a, err)
	}
}

// Views add up what the command of the same matter does.
func TestViews(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authtap.db")
	s := open(t, path)
	defer s.Close()
	if err := s.Write(t.Context(), events(100)); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"SELECT count(*) FROM findings_latest": "100", "SELECT sum(events) FROM findings_by_hour": "300", "SELECT sum(events) FROM findings_by_day": "300",
		"SELECT sum(attempts) FROM logins_by_hour": "100", "SELECT sum(attempts) || max(accounts) FROM logins_by_day": "10025",
		"SELECT sum(let_in) > 0 FROM attacks_by_client": "1", "SELECT count(*) > 0 FROM accounts_at_risk": "1", "SELECT count(*) > 0 FROM endpoint_posture": "1",
		"SELECT sum(success) FROM endpoints_by_day": "15475", "SELECT sum(success) FROM endpoints_latest": "15475",
		"SELECT group_concat(coverage) FROM (SELECT coverage FROM endpoints_latest GROUP BY 1 ORDER BY 1)":   "consistent,login,missing,partial,unknown",
		"SELECT kinds FROM endpoints_latest WHERE path = '/orders/{id}/1'":                                   `["basic","session"]`,
		"SELECT nature || age || ' ' || clients || hosts FROM credentials_latest WHERE principal = 'user-5'": `static288035 7["host-1.example"]`,
		"SELECT count(*) FROM issuers_latest":                                                                "6", "SELECT successes || failures FROM login_endpoints": `["200 with a token"]["401","429"]`,
		"SELECT counters FROM sensors_latest": `{"source.packets":99000,"store.lost":0}`,
	} {
		if got := ask(t, path, query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}
