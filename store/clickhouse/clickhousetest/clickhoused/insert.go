package main

import (
	"bufio"
	"fmt"
	"os"
	"regexp"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/authtap/authtap/store/clickhouse/clickhousetest/chdb"
)

// insertion matches an INSERT whose rows follow as blocks: one that ends with
// FORMAT Native or a bare VALUES. The groups are table, columns in
// parentheses, SETTINGS clause.
var insertion = regexp.MustCompile("(?is)^\\s*INSERT\\s+INTO\\s+(?:TABLE\\s+)?((?:`[^`]+`|\"[^\"]+\"|[^\\s(`\"])+)" +
	`\s*(\([^()]*\))?\s*(SETTINGS\s.+?)?\s*\b(?:FORMAT\s+Native|VALUES)\s*;?\s*$`)

// insert is an INSERT whose rows follow.
type insert struct {
	table, columns, clause string
	settings               []chdb.Setting
}

// insert announces the columns, gathers the client's rows in a file, and has
// the engine insert them all at once. A file, because the engine cuts rows off
// that stand in the text of a query.
func (s *session) insert(in insert) error {
	selected := "*"
	if in.columns != "" {
		selected = in.columns[1 : len(in.columns)-1]
	}
	columns, err := s.describe("SELECT "+selected+" FROM "+in.table, in.settings)
	if err != nil {
		return s.fail(err)
	}
	s.header(columns)
	if err := s.flush(); err != nil {
		return err
	}
	file, err := os.CreateTemp(s.incoming, "rows-*.native")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	rows, err := s.gather(file)
	if err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	if rows > 0 {
		sql := fmt.Sprintf("INSERT INTO %s %s %s FROM INFILE %s FORMAT Native", in.table, in.columns, in.clause, chdb.Literal(file.Name()))
		if _, err := s.engine.Query(s.database, in.settings, sql, ""); err != nil {
			return s.fail(err)
		}
	}
	proto.ServerCodeEndOfStream.Encode(&s.out)
	return s.flush()
}

// gather writes the client's blocks to the file and counts their rows: none
// when the client cancels.
func (s *session) gather(file *os.File) (rows int, err error) {
	w := bufio.NewWriterSize(file, frame)
	for {
		b, err := s.next()
		if err != nil {
			return 0, err
		}
		if b == nil {
			return 0, nil
		}
		if len(b.Columns) == 0 {
			return rows, w.Flush()
		}
		if b.Rows() == 0 {
			continue
		}
		rows += b.Rows()
		var buf proto.Buffer
		if err := b.Encode(&buf, 0); err != nil {
			return 0, err
		}
		if _, err := w.Write(buf.Buf); err != nil {
			return 0, err
		}
	}
}
