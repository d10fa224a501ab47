package main

import (
	"bufio"
	"context"

	"github.com/spf13/cobra"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/cmd/authtap/internal/pipeline"
	"github.com/authtap/authtap/detect/credential"
	"github.com/authtap/authtap/reassembly/exchange"
)

func (p *program) exchanges() *cobra.Command {
	var covered, handshakes bool
	cmd := &cobra.Command{
		Use:   "exchanges FILE|DIR|-...",
		Short: "Print the HTTP exchanges of capture files",
		Long: `exchanges rebuilds the HTTP exchanges of capture files and prints a line of
JSON for each, in the order in which they end. Values of credentials in the
path and query are replaced by their masks. tunnel tells what the conversation
came in, the outermost first, such as "gre/erspan"; it is null where there is none.

With --tls it prints the TLS handshakes instead, a line of JSON for each, in
the order in which they end: version, cipher suite and certificate that the
server chose, what the client asked for (sni, alpn_offered), fingerprints of
both (ja3, ja4, ja3s), whether the handshake came to its end (established) and
the last alert in it. The certificate is null where the session was resumed, and
in TLS 1.3, where it is encrypted.

With --coverage it prints what was seen of each server instead: the share of
the bytes that was rebuilt of what was sent, conversations, of which one side
is missing in some and some are TLS that was not decrypted, packets of QUIC
(HTTP/3, which is not read), and exchanges: how many are complete, and how many
have an answer, so that their outcome can be known.`,
		Example: `  authtap exchanges api.pcap
  authtap exchanges --tls api.pcap | jq 'select(.established and .version < "TLS 1.2")'
  authtap exchanges --coverage --format table captures/`,
		Args: arguments(1, -1, "a capture file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := p.settings(cmd)
			if err != nil {
				return err
			}
			source, err := p.openFiles(&s, args)
			if err != nil {
				return err
			}
			defer source.Close()
			switch {
			case covered:
				return p.printSeen(cmd.Context(), s, source)
			case handshakes:
				return p.printHandshakes(cmd.Context(), s, source)
			}
			return p.printExchanges(cmd.Context(), s, source)
		},
	}
	flags(cmd, config.Reading|config.Printing)
	cmd.Flags().BoolVar(&covered, "coverage", false, "print what was seen of each server, and what was not")
	cmd.Flags().BoolVar(&handshakes, "tls", false, "print the TLS handshakes")
	cmd.MarkFlagsMutuallyExclusive("coverage", "tls")
	cmd.Flags().Lookup("format").Usage = "how --coverage is printed: table, json (JSON lines); by default a table on a terminal and JSON lines in a pipe"
	return cmd
}

// printSeen prints what was seen of each server.
func (p *program) printSeen(ctx context.Context, s config.Settings, source capture.Source) error {
	return runPipeline(ctx, p, task{
		settings: s, sources: []capture.Source{source},
		coverage: func(stats *pipeline.Stats) error { return p.printCoverage(s.Format, stats) },
	}, pipeline.Options[struct{}]{
		NewInspect: func() pipeline.Inspect[struct{}] { return pipeline.Inspect[struct{}]{} },
		Take:       func(struct{}) {},
		Mark:       func(pipeline.Mark) error { return nil },
	})
}

// printExchanges prints a line for each exchange of a source.
func (p *program) printExchanges(ctx context.Context, s config.Settings, source capture.Source) error {
	var line lines
	var buffer []byte
	var names inputNames
	out := bufio.NewWriterSize(p.stdout, 64<<10)
	return runPipeline(ctx, p, task{settings: s, sources: []capture.Source{source}}, pipeline.Options[rebuilt]{
		NewInspect: func() pipeline.Inspect[rebuilt] {
			return pipeline.Inspect[rebuilt]{
				Exchange: newMasker().rebuilt,
				Done:     func(r rebuilt) *exchange.Exchange { return r.x },
			}
		},
		Take: func(r rebuilt) {
			buffer = line.append(buffer[:0], r.x, r.path, r.query, names.of(source, int(r.x.Origin.Input)))
			out.Write(buffer) // the error stays with out until Mark
		},
		Mark: func(m pipeline.Mark) error {
			if m.Last {
				return out.Flush()
			}
			_, err := out.Write(nil)
			return err
		},
	})
}

// rebuilt is an exchange with what is printed of its target.
type rebuilt struct {
	x           *exchange.Exchange
	path, query string
}

// masker hides credentials in targets. Each shard has one.
type masker struct {
	finder *credential.Finder
	probe  exchange.Exchange
}

func newMasker() *masker {
	return &masker{finder: credential.NewFinder(credential.Options{CacheEntries: 64, CacheBytes: 64 << 10})}
}

// rebuilt shows the finder the target alone, also where the head is damaged:
// better to hide too much than too little.
func (m *masker) rebuilt(x *exchange.Exchange) rebuilt {
	r := rebuilt{x: x}
	r.path, r.query = x.PathQuery()
	m.probe.Request = exchange.Message{Present: true, Method: x.Request.Method, Target: x.Request.Target}
	found := m.finder.Find(&m.probe)
	r.query = credential.MaskText(&found, r.query)
	for i := range found.Request {
		if part := found.Request[i].Place.Part; part == credential.InPath || part == credential.InUserinfo {
			r.path = credential.MaskText(&found, r.path)
			break
		}
	}
	return r
}

// inputNames remembers the names of a source's inputs.
type inputNames []string

func (n *inputNames) of(source capture.Source, i int) string {
	if i >= len(*n) {
		*n = source.Inputs()
	}
	return (*n)[i]
}
