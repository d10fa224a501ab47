package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/storetest"
)

func events(n int) *store.Block {
	b := &store.Block{}
	for i := range n {
		b.Findings = append(b.Findings, storetest.Finding(i))
		b.AuthEvents = append(b.AuthEvents, storetest.AuthEvent(i))
		b.Occurrences = append(b.Occurrences, storetest.Occurrence(i))
		b.Heartbeats = append(b.Heartbeats, storetest.Heartbeat(i))
		b.Endpoints = append(b.Endpoints, storetest.Endpoint(i))
		b.Credentials = append(b.Credentials, storetest.Use(i))
		b.Issuers = append(b.Issuers, storetest.IssuerKey(i))
	}
	return b
}

func ask(t *testing.T, path, query string) string {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var got any
	if err := db.QueryRow(query).Scan(&got); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return fmt.Sprint(got)
}

// Rows of all tables are kept, and writing them again changes nothing; of an
// occurrence's states the latest stays.
func TestEvents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authtap.db")
	s := open(t, path)
	defer s.Close()
	later := storetest.Occurrence(3)
	later.Version, later.Count = later.Version+5, 9
	for _, b := range []*store.Block{events(100), {Rows: store.Rows{Occurrences: []detect.Occurrence{later}}}, events(100)} {
		if err := s.Write(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string]string{
		"SELECT count(*) FROM findings": "100", "SELECT count(*) FROM auth_events": "100",
		"SELECT count(*) FROM occurrences": "100", "SELECT count(*) FROM sensors": "100",
		"SELECT count(*) || ' ' || sum(good_success) FROM endpoints": "100 7436", "SELECT count(*) FROM credentials": "100",
		"SELECT count(*) FROM issuers":                                             "100",
		"SELECT max(count) FROM occurrences":                                       "9",
		"SELECT outcome || client_ip || principal FROM auth_events WHERE number=2": "failure192.0.2.1user-1",
		"SELECT counters FROM sensors LIMIT 1":                                     `{"source.packets":0,"store.lost":0}`,
	} {
		if got := ask(t, path, query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// A file of the first version is brought up to date, with what is in it.
func TestUpgrade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "authtap.db")
	first, err := schema.ReadFile("schema/0001_findings.sql")
	if err != nil {
		t.Fatal(err)
	}
	execute(t, path, string(first), fmt.Sprintf("PRAGMA application_id = %d", applicationID), "PRAGMA user_version = 1")
	for range 2 {
		s := open(t, path)
		if err := s.Write(context.Background(), events(10)); err != nil {
			t.Error(err)
		}
		if got := len(read(t, s)); got != 10 {
			t.Errorf("%d findings", got)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if steps, err := schema.ReadDir("schema"); err != nil || len(steps) != schemaVersion {
		t.Errorf("%d steps make version %d: %v", len(steps), schemaVersion, err)
	}
}
