package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/store/clickhouse"
)

func (p *program) migrate() *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Make ClickHouse's tables, or bring them up to date",
		Long: `migrate makes authtap's tables and views in a ClickHouse database, or brings
those of an earlier version up to date. It can be run at any time, and again.
replay and sniff do the same at their start unless --migrate=false is given,
which is for sensors whose user may only insert.`,
		Example: `  authtap migrate --store clickhouse://admin@db:9000/authtap --retain auth_events=90,findings=400
  authtap migrate --store clickhouse://admin@db:9000/authtap --cluster main --dry-run`,
		Args: arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.settings(cmd)
			if err != nil {
				return err
			}
			if !strings.HasPrefix(s.Store, "clickhouse") {
				return usageError{errors.New("only the tables of ClickHouse are made ahead: name a server with --store"), cmd.CommandPath()}
			}
			server, err := clickhouse.New(s.Store, p.tables(&s))
			if err != nil {
				return err
			}
			defer server.Close()
			if !dry {
				return server.Migrate(cmd.Context())
			}
			plan, err := server.Plan(cmd.Context())
			for _, statement := range plan {
				if err == nil {
					_, err = fmt.Fprintf(p.stdout, "%s;\n\n", statement)
				}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "print the statements in place of running them")
	flags(cmd, config.Stores|config.Tables)
	return cmd
}
