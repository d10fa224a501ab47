package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/detect/rules"
)

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "authtap",
		Short: "Watch an API's traffic for attacks on its authentication",
		Long: `authtap watches a copy of an API's traffic, from capture files or from an
interface, and says who attacks the API's authentication, whether it worked,
and where the API's own authentication is weak. It never sends a packet.`,
		Args:          noCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if x, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
			err = fmt.Errorf("--%s: %w", x.GetFlag().Name, config.InWords(x.Unwrap()))
		}
		return usageError{err, cmd.CommandPath()}
	})
	root.PersistentFlags().String("config", "", "YAML file of settings; a setting has the name of its flag")
	root.AddCommand(
		p.replay(), p.sniff(), p.exchanges(), p.findings(), p.endpoints(), p.credentials(), p.logins(), p.issuers(), p.status(), p.sql(),
		p.migrate(), p.detectors(), p.explain(), p.rules(), p.correlate(), p.configure(), p.version(),
	)
	return root
}

// noCommand checks the arguments of a command that only has others: one that is
// there is none of them.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("there is no command %q", args[0])
	cmd.SuggestionsMinimumDistance = 2
	if s := cmd.SuggestionsFor(args[0]); len(s) > 0 {
		err = fmt.Errorf("%w; is it %s?", err, strings.Join(s, " or "))
	}
	return usageError{err, cmd.CommandPath()}
}

// flags adds settings to a command.
func flags(cmd *cobra.Command, g config.Group) {
	s := config.Defaults()
	s.Flags(cmd.Flags(), g)
}

// settings gives those in force for a command.
func (p *program) settings(cmd *cobra.Command) (config.Settings, error) {
	file, _ := cmd.Flags().GetString("config")
	if file == "" {
		file, _ = p.environ("AUTHTAP_CONFIG")
	}
	s, err := config.Load(config.Sources{Flags: cmd.Flags(), Environ: p.environ, File: file, Detectors: rules.All()})
	if err != nil {
		return s, usageError{err, cmd.CommandPath()}
	}
	p.known.Do(func() { p.logFormat = s.LogFormat }) // a reload does not change it
	return s, nil
}

// arguments checks how many arguments a command has.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usageError{fmt.Errorf("%s is missing", what), cmd.CommandPath()}
		case most >= 0 && len(args) > most:
			return usageError{fmt.Errorf("unexpected argument %q", args[most]), cmd.CommandPath()}
		}
		return nil
	}
}
