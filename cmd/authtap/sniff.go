package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/live"
	"github.com/authtap/authtap/capture/pcapfile"
	"github.com/authtap/authtap/cmd/authtap/internal/config"
)

func (p *program) sniff() *cobra.Command {
	var (
		list, unpromiscuous bool
		most                uint64
		write, filterFile   string
	)
	cmd := &cobra.Command{
		Use:   "sniff -i INTERFACE... [FILTER]",
		Short: "Watch network interfaces",
		Long: `sniff looks for attacks in what network interfaces see, such as the mirror port
of a switch. It needs CAP_NET_RAW:

  sudo setcap cap_net_raw=ep $(command -v authtap)

FILTER is an expression as for tcpdump; it does not see into tunnels, which
--inner-filter does. Each version of a finding is printed as it comes. SIGINT
ends, SIGUSR1 prints statistics, SIGHUP reloads the configuration file: detectors
and their options, rules, suppressions, endpoints, triggers, and how exchanges are
judged. What is captured and where it goes (learned, listen, key-file and sensor,
too) needs a new start, and is told.`,
		Example: `  authtap sniff -i eth1 tcp port 8080
  authtap sniff -i eth1 --inner-filter 'net 10.0.0.0/8 and not port 22' udp port 4789
  authtap sniff -i eth1 -i eth2 --store clickhouse://authtap@db:9000/authtap`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if list {
				return p.listInterfaces()
			}
			s, err := p.settings(cmd)
			if err != nil {
				return err
			}
			filter := strings.Join(args, " ")
			switch {
			case len(s.Interfaces) == 0:
				return usageError{errors.New("no interface is given: -i INTERFACE, and -D lists them"), cmd.CommandPath()}
			case s.Format == config.SARIF:
				return usageError{errors.New("--format sarif is one log of all findings, which a live run never has: store them, and print them with authtap findings"), cmd.CommandPath()}
			case s.Format == config.CSV:
				return usageError{errors.New("--format csv is of what a store is asked for: store the findings, and print them with authtap findings"), cmd.CommandPath()}
			case filterFile != "" && filter != "":
				return usageError{errors.New("a filter is given twice, as -F FILE and as arguments"), cmd.CommandPath()}
			case write == "-":
				return usageError{errors.New("-w: standard output is for findings; name a file"), cmd.CommandPath()}
			case filterFile != "":
				b, err := os.ReadFile(filterFile)
				if err != nil {
					return fmt.Errorf("cannot read the filter: %w", err)
				}
				filter = string(b)
			case filter == "":
				filter = s.Filter
			}
			c := copied{most: most, path: write, snap: int(s.SnapLen)}
			opt := live.Options{
				Interfaces: s.Interfaces, BPF: filter, Promiscuous: !unpromiscuous,
				SnapLen: int(s.SnapLen), BufferBytes: int(s.Buffer), Rings: rings(&s),
			}
			if write != "" || most > 0 {
				opt.Rings = 1 // packets are counted and written one after the other
			}
			if write != "" {
				// Packets hold credentials.
				if c.file, err = os.OpenFile(write, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
					return err
				}
			}
			taps, err := p.tap(s.Engine, opt)
			if err != nil {
				return err
			}
			var sources []capture.Source
			for i, tap := range taps {
				defer tap.Close()
				if write != "" || most > 0 {
					taps[i] = &copying{tap, &c}
				}
				sources = append(sources, taps[i])
			}
			if s.User != "" {
				if err := become(s.User); err != nil {
					return err
				}
			}
			err = p.judge(cmd.Context(), s, sources, taps, func() (config.Settings, error) { return p.settings(cmd) })
			return errors.Join(err, c.close())
		},
	}
	fs := cmd.Flags()
	fs.BoolVarP(&list, "list-interfaces", "D", false, "list the interfaces, and end")
	fs.Uint64VarP(&most, "count", "c", 0, "end after so many packets")
	fs.StringVarP(&write, "write", "w", "", "also write the packets to a file")
	fs.StringVarP(&filterFile, "filter-file", "F", "", "read the filter from a file")
	fs.BoolVarP(&unpromiscuous, "no-promiscuous-mode", "p", false, "do not ask for packets of others")
	flags(cmd, config.Stores|config.Delivery|config.Tables|config.Reading|config.Judging|config.Live)
	return cmd
}

// rings gives the number of rings of an interface: as many as there are shards,
// so that reading takes no more goroutines than what comes behind it.
func rings(s *config.Settings) int {
	if s.Rings > 0 {
		return s.Rings
	}
	return min(shards(s, true), 64)
}

// tap begins to capture. Without an engine named, it is AF_PACKET where that can
// be opened.
func (p *program) tap(engine config.Engine, opt live.Options) (taps []tap, err error) {
	opt.Engine = live.Engine(cmp.Or(engine, config.Engine(live.AFPacket)))
	sources, err := live.Open(opt)
	if why := err; err != nil && engine == "" {
		opt.Engine = live.Libpcap
		if sources, err = live.Open(opt); err == nil {
			p.warn("capturing with libpcap: %v", why)
		}
	}
	for _, s := range sources {
		taps = append(taps, s)
	}
	return taps, err
}

// listInterfaces prints what can be captured from.
func (p *program) listInterfaces() error {
	all, err := live.Interfaces()
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, i := range all {
		var what []string
		if i.Up {
			what = append(what, "up")
		}
		if i.Loopback {
			what = append(what, "loopback")
		}
		for _, a := range i.Addresses {
			what = append(what, a.String())
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", i.Name, strings.Join(what, " "), i.Description)
	}
	return t.Flush()
}

// copied ends sources after a number of packets, over all of them, and writes
// the packets to a file on the way.
type copied struct {
	mu         sync.Mutex
	most, read uint64 // most 0: no end
	path       string
	snap       int
	file       *os.File         // nil: none
	writer     *pcapfile.Writer // from the first packet on, which brings the link type
	err        error
}

// copying is one of the sources.
type copying struct {
	tap
	to *copied
}

// Next implements capture.Source.
func (s *copying) Next(p *capture.Packet) error {
	if s.to.over() {
		return io.EOF
	}
	if err := s.tap.Next(p); err != nil {
		return err
	}
	return s.to.take(p)
}

// over says whether the sources have ended.
func (c *copied) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil || c.most > 0 && c.read == c.most
}

// take takes a packet, or says io.EOF where it came too late.
func (c *copied) take(p *capture.Packet) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil || c.most > 0 && c.read == c.most {
		return io.EOF
	}
	c.read++
	if c.file == nil {
		return nil
	}
	if c.writer == nil {
		c.writer, c.err = pcapfile.NewWriter(c.file, p.Link, c.snap)
	}
	if c.err == nil {
		c.err = c.writer.Write(p)
	}
	if c.err != nil {
		c.err = fmt.Errorf("cannot write packets to %s: %w", c.path, c.err)
		return io.EOF
	}
	return nil
}

// close ends the file, and gives the error that ended the sources early.
func (c *copied) close() error {
	if c.err != nil || c.file == nil {
		return c.err
	}
	var err error
	if c.writer == nil {
		c.writer, err = pcapfile.NewWriter(c.file, capture.LinkEthernet, c.snap)
	}
	if err == nil {
		err = errors.Join(c.writer.Flush(), c.file.Close())
	}
	if err != nil {
		return fmt.Errorf("cannot write packets to %s: %w", c.path, err)
	}
	return nil
}
