package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/authtap/authtap/cmd/authtap/internal/config"
)

func (p *program) sql() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sql STATEMENT",
		Short: "Ask the store in SQL, reading only",
		Long: `sql runs one statement in the dialect of the store, SQLite or ClickHouse, and
prints its rows; - takes it from standard input. It only reads: whatever writes,
changes settings or reaches for files and other servers is refused. Tables and
views are told of in docs/clickhouse.md; those of SQLite have the same names.`,
		Example: `  authtap sql "SELECT detector, count(*) AS n FROM findings GROUP BY detector ORDER BY n DESC"
  authtap sql --format csv - < report.sql`,
		Args: arguments(1, 1, "a statement"),
		RunE: func(cmd *cobra.Command, args []string) error {
			statement := args[0]
			if statement == "-" {
				text, err := io.ReadAll(io.LimitReader(p.stdin, 1<<20))
				if err != nil {
					return err
				}
				statement = string(text)
			}
			reader, s, err := p.asked(cmd)
			if err != nil {
				return err
			}
			defer reader.Close()
			a, err := reader.Query(cmd.Context(), strings.TrimRight(strings.TrimSpace(statement), "; \t\r\n"))
			if err != nil {
				return err
			}
			return p.printAnswer(s.Format, a)
		},
	}
	flags(cmd, config.Stores)
	return cmd
}
