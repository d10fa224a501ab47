package clickhouse

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strconv"
	"strings"

	driver "github.com/ClickHouse/clickhouse-go/v2"
)

// The schema's steps, in the order of their numbers. A step's statements can
// be run again, since two sensors may take it at the same time, and are
// separated by a semicolon at the end of a line.
//
//go:embed schema/*.sql
var schema embed.FS

const migrations = `CREATE TABLE IF NOT EXISTS authtap_migrations (number UInt32, name String)
	ENGINE = ReplacingMergeTree ORDER BY number`

// step is one file of the schema.
type step struct {
	number     uint32
	name       string
	statements []string
}

// steps reads the schema's files, which are named NUMBER_NAME.sql.
func steps() ([]step, error) {
	files, err := schema.ReadDir("schema") // in the order of names
	if err != nil {
		return nil, err
	}
	var all []step
	for _, f := range files {
		digits, name, _ := strings.Cut(strings.TrimSuffix(f.Name(), ".sql"), "_")
		number, err := strconv.ParseUint(digits, 10, 32)
		if err != nil {
			return nil, err
		}
		text, err := schema.ReadFile("schema/" + f.Name())
		if err != nil {
			return nil, err
		}
		s := step{number: uint32(number), name: name}
		for _, statement := range strings.Split(string(text), ";\n") {
			if statement = strings.TrimSpace(statement); statement != "" {
				s.statements = append(s.statements, statement)
			}
		}
		all = append(all, s)
	}
	return all, nil
}

// migrate takes the steps that the database has not taken. Where there are
// none, it only reads, which a user without further rights may.
func (s *Store) migrate(ctx context.Context) error {
	all, err := steps()
	if err != nil {
		return err
	}
	latest := all[len(all)-1].number
	var taken uint32
	err = s.conn.QueryRow(ctx, "SELECT max(number) FROM authtap_migrations").Scan(&taken)
	var x *driver.Exception
	if errors.As(err, &x) && x.Code == unknownTable {
		err = s.conn.Exec(ctx, migrations)
	}
	if err != nil {
		return err
	}
	if taken > latest {
		return fmt.Errorf("the tables were made by a later version of authtap (schema %d, this one knows %d)", taken, latest)
	}
	for _, step := range all {
		if step.number <= taken {
			continue
		}
		for _, statement := range step.statements {
			if err := s.conn.Exec(ctx, statement); err != nil {
				return fmt.Errorf("schema step %d, %s: %w", step.number, step.name, err)
			}
		}
		if err := s.conn.Exec(ctx, "INSERT INTO authtap_migrations (number, name) VALUES (?, ?)", step.number, step.name); err != nil {
			return fmt.Errorf("schema step %d, %s: %w", step.number, step.name, err)
		}
	}
	return nil
}
