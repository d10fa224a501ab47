package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/authtap/authtap/cmd/authtap/internal/config"
)

func (p *program) configure() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Look at the configuration",
		Args:  noCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var live bool
	check := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and print the limits",
		Args:  arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.settings(cmd)
			if err != nil {
				return err
			}
			for _, variable := range os.Environ() {
				if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AUTHTAP_") && !isSetting(cmd, name) {
					p.warn("%s in the environment is no setting", name)
				}
			}
			t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
			memory := budget(&s, live)
			fmt.Fprintf(t, "memory\t%v\tbudget that the limits are shares of\n", memory)
			fmt.Fprintf(t, "shards\t%d\tgoroutines that reassemble and parse\n", shards(&s, live))
			fmt.Fprintf(t, "max-findings\t%d\tfindings held at a time\n", s.MaxFindings)
			for _, k := range config.Known() {
				fmt.Fprintf(t, "%s\t%d\t%s\n", k.Name, s.Limit(k.Name, memory), k.Doc)
			}
			declared, err := documents(s.OpenAPI)
			if err != nil {
				return err
			}
			for _, d := range declared {
				fmt.Fprintf(t, "described\t%s\n", config.DescribeOperation(d))
			}
			for i := range s.Pins {
				fmt.Fprintf(t, "endpoint\t%s\n", config.DescribePin(&s.Pins[i]))
			}
			for i := range s.Triggers {
				fmt.Fprintf(t, "trigger\t%s\n", config.DescribeTrigger(&s.Triggers[i]))
			}
			if err := t.Flush(); err != nil {
				return err
			}
			return describeRules(p.stdout, &s)
		},
	}
	check.Flags().BoolVar(&live, "live", false, "as for live capture")
	flags(check, config.Stores|config.Delivery|config.Tables|config.Reading|config.Judging|config.Live)
	cmd.AddCommand(check, &cobra.Command{
		Use:   "example",
		Short: "Print a configuration file with every setting",
		Args:  arguments(0, 0, ""),
		RunE:  func(*cobra.Command, []string) error { return config.Example(p.stdout) },
	})
	return cmd
}

// isSetting reports whether a variable of the environment has a flag's name.
func isSetting(cmd *cobra.Command, variable string) bool {
	name := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(variable, "AUTHTAP_"), "_", "-"))
	return cmd.Flag(name) != nil
}
