package main

import (
	"github.com/spf13/cobra"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/config"
)

func (p *program) replay() *cobra.Command {
	var read []string
	cmd := &cobra.Command{
		Use:   "replay [-r] FILE|DIR|-...",
		Short: "Print and store what is found in capture files",
		Long: `replay looks for attacks in capture files: pcap and pcapng, also compressed
with gzip or zstd. Several files are read as one, by the packets' times. Each
finding is printed once, in its last version. Replaying a file again changes
nothing in the store.`,
		Example: `  authtap replay api.pcap
  authtap replay --store none --fail-on high captures/
  tcpdump -w - port 8080 | authtap replay -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			args = append(read, args...)
			if err := arguments(1, -1, "a capture file")(cmd, args); err != nil {
				return err
			}
			s, err := p.settings(cmd)
			if err != nil {
				return err
			}
			source, err := p.openFiles(&s, args)
			if err != nil {
				return err
			}
			defer source.Close()
			return p.judge(cmd.Context(), s, []capture.Source{source}, nil, nil)
		},
	}
	cmd.Flags().StringArrayVarP(&read, "read", "r", nil, "a capture file, as an argument; may be repeated")
	flags(cmd, config.Stores|config.Delivery|config.Tables|config.Reading|config.Judging)
	return cmd
}
