// Package sqlite keeps what a sensor tells in a file of its own: the store of a
// sensor that has no other.
//
// Contract: the file has one writer at a time, which may be another process
// (writing waits for it, within a bound), and any number of readers, which see
// whole writes only. Write returns when the rows are on the disk. Rows are
// found by what identifies them, and keep the higher version. Times are kept in microseconds. A
// Store holds a handful of connections and no rows.
//
// It does not change a database that is not authtap's, and it never removes
// findings.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite" // also registers the driver
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/authtap/authtap/store"
)

// The steps of the schema, in the order of their versions, from 1 on.
//
//go:embed schema/*.sql
var schema embed.FS

const (
	// applicationID marks a file as authtap's ("auth").
	applicationID = 0x61757468
	// schemaVersion is what the files in schema make, each one version.
	schemaVersion = 6
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
	case application != applicationID && tables > 0:
		return errors.New("it is the database of another program: choose another file")
	}
	if err := migrate(tx, version); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	// Only now, since the file keeps it; readers do not stop a writer then.
	_, err = s.db.Exec("PRAGMA journal_mode = WAL")
	return err
}

// migrate takes the steps of the schema that come after a version.
func migrate(tx *sql.Tx, version int) error {
	steps, err := schema.ReadDir("schema") // in the order of names
	if err != nil {
		return err
	}
	for _, step := range steps[min(version, len(steps)):] {
		text, err := schema.ReadFile("schema/" + step.Name())
		if err != nil {
			return err
		}
		if _, err := tx.Exec(string(text)); err != nil {
			return fmt.Errorf("schema step %s: %w", step.Name(), err)
		}
	}
	if version == schemaVersion {
		return nil
	}
	for _, pragma := range []string{
		fmt.Sprintf("PRAGMA application_id = %d", applicationID),
		fmt.Sprintf("PRAGMA user_version = %d", schemaVersion),
	} {
		if _, err := tx.Exec(pragma); err != nil {
			return err
		}
	}
	return nil
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

// upsert writes a row unless there is a later version of it, or, where rows
// have no versions, unless it is there. keys are the columns that identify it.
func upsert(table string, columns []string, keys int, versioned bool) string {
	set := make([]string, 0, len(columns))
	for _, c := range columns[keys:] {
		set = append(set, c+" = excluded."+c)
	}
	action := "NOTHING"
	if versioned {
		action = "UPDATE SET " + strings.Join(set, ", ") + " WHERE excluded.version >= " + table + ".version"
	}
	return "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(columns)-1) +
		") ON CONFLICT (" + strings.Join(columns[:keys], ", ") + ") DO " + action
}

// Write keeps the block's rows, all or none of them. They are safe when they
// come again, and so the block's token is not needed.
func (s *Store) Write(ctx context.Context, b *store.Block) error {
	if b.Len() == 0 {
		return nil
	}
	if err := s.write(ctx, b); err != nil {
		return s.explain(err)
	}
	return nil
}

func (s *Store) write(ctx context.Context, b *store.Block) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	err = writeTo(ctx, tx, upsertFinding, b.Findings, findingValues)
	if err == nil {
		err = writeTo(ctx, tx, upsertOccurrence, b.Occurrences, occurrenceValues)
	}
	if err == nil {
		err = writeTo(ctx, tx, upsertAuthEvent, b.AuthEvents, authEventValues)
	}
	if err == nil {
		err = writeTo(ctx, tx, upsertHeartbeat, b.Heartbeats, heartbeatValues)
	}
	if err == nil {
		err = writeTo(ctx, tx, upsertEndpoint, b.Endpoints, endpointValues)
	}
	if err == nil {
		err = writeTo(ctx, tx, upsertUse, b.Credentials, useValues)
	}
	if err == nil {
		err = writeTo(ctx, tx, upsertIssuer, b.Issuers, issuerValues)
	}
	if err != nil {
		return err
	}
	return tx.Commit()
}

// writeTo writes the rows of one table.
func writeTo[T any](ctx context.Context, tx *sql.Tx, statement string, rows []T, values func(*T) ([]any, error)) error {
	if len(rows) == 0 {
		return nil
	}
	prepared, err := tx.PrepareContext(ctx, statement)
	if err != nil {
		return err
	}
	defer prepared.Close()
	for i := range rows {
		v, err := values(&rows[i])
		if err != nil {
			return err
		}
		if _, err := prepared.ExecContext(ctx, v...); err != nil {
			return err
		}
	}
	return nil
}
