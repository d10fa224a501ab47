// Package sqlite keeps findings in a file of its own: the store of a sensor
// that has no other.
//
// Contract: the file has one writer at a time, which may be another process
// (writing waits for it, within a bound), and any number of readers, which see
// whole writes only. Write returns when the findings are on the disk. Rows are
// found by ID, and keep the higher version. Times are kept in microseconds. A
// Store holds a handful of connections and no findings.
//
// It does not change a database that is not authtap's, and it never removes
// findings.
package sqlite

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite" // also registers the driver
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/authtap/authtap/detect"
)

//go:embed schema.sql
var schema string

const (
	// applicationID marks a file as authtap's ("auth").
	applicationID = 0x61757468
	// schemaVersion is what schema.sql makes.
	schemaVersion = 1
	// busyTimeout is how long a write waits for another process's, in
	// milliseconds.
	busyTimeout = 5000
)

// Options of Open.
type Options struct {
	// Existing refuses to make the file: for those who only ask.
	Existing bool
}

// Store is an open file. It implements store.Store.
type Store struct {
	path string
	db   *sql.DB
}

// Open opens the file, and makes it when there is none (mode 0600: findings
// name accounts). It fails on a file that is not authtap's, or of a later
// version of it.
func Open(path string, o Options) (*Store, error) {
	if err := touch(path, o); err != nil {
		return nil, err
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	name := url.URL{Scheme: "file", Path: absolute, RawQuery: fmt.Sprintf("_pragma=busy_timeout(%d)&_txlock=immediate", busyTimeout)}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, db: db}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(s.explain(err), db.Close())
	}
	return s, nil
}

// touch sees to it that the file is there, with errors that say what is wrong
// with it; SQLite's do not.
func touch(path string, o Options) error {
	mode := os.O_RDWR | os.O_CREATE
	if o.Existing {
		mode = os.O_RDWR
	}
	f, err := os.OpenFile(path, mode, 0o600)
	if o.Existing && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s does not exist: `authtap replay` and `authtap sniff` make it: %w", path, fs.ErrNotExist)
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// prepare makes the tables in a new file, and checks those of an old one.
func (s *Store) prepare() error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	var application, version, tables int
	for pragma, to := range map[string]*int{
		"PRAGMA application_id":              &application,
		"PRAGMA user_version":                &version,
		"SELECT count(*) FROM sqlite_schema": &tables,
	} {
		if err := tx.QueryRow(pragma).Scan(to); err != nil {
			return err
		}
	}
	switch {
	case application == applicationID && version > schemaVersion:
		return fmt.Errorf("it was made by a later version of authtap (schema %d, this one knows %d)", version, schemaVersion)
	case application == applicationID:
	case tables > 0:
		return errors.New("it is the database of another program: choose another file")
	default:
		for _, statement := range []string{
			schema,
			fmt.Sprintf("PRAGMA application_id = %d", applicationID),
			fmt.Sprintf("PRAGMA user_version = %d", schemaVersion),
		} {
			if _, err := tx.Exec(statement); err != nil {
				return err
			}
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	// Only now, since the file keeps it; readers do not stop a writer then.
	_, err = s.db.Exec("PRAGMA journal_mode = WAL")
	return err
}

// explain says which file an error is of, and what to do about it.
func (s *Store) explain(err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY {
		return fmt.Errorf("%s: another process has been writing to it for %d seconds: %w", s.path, busyTimeout/1000, err)
	}
	return fmt.Errorf("%s: %w", s.path, err)
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// columns of a row, in the order of values and scan; the first is the key.
var columns = []string{
	"id", "version", "detector", "title", "severity", "confidence", "verdict", "dedupe_key",
	"first_seen", "last_seen", "count", "client_ip", "client_port", "server_ip", "server_port",
	"host", "method", "path", "status", "principal",
	"credential_kind", "credential_place", "credential_id", "credential_mask",
	"evidence", `"references"`, "community_id", "capture_file", "capture_packet", "sensor",
}

// upsert writes a row unless there is a later version of it.
var upsert = func() string {
	set := make([]string, len(columns)-1)
	for i, c := range columns[1:] {
		set[i] = c + " = excluded." + c
	}
	return "INSERT INTO findings (" + strings.Join(columns, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(columns)-1) +
		") ON CONFLICT (id) DO UPDATE SET " + strings.Join(set, ", ") + " WHERE excluded.version >= findings.version"
}()

// Write keeps the findings, all or none of them.
func (s *Store) Write(ctx context.Context, findings []detect.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	if err := s.write(ctx, findings); err != nil {
		return s.explain(err)
	}
	return nil
}

func (s *Store) write(ctx context.Context, findings []detect.Finding) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	statement, err := tx.PrepareContext(ctx, upsert)
	if err != nil {
		return err
	}
	defer statement.Close()
	for i := range findings {
		row, err := values(&findings[i])
		if err != nil {
			return err
		}
		if _, err := statement.ExecContext(ctx, row...); err != nil {
			return err
		}
	}
	return tx.Commit()
}
