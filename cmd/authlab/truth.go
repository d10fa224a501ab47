package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// leastFound is the share of each measure that must be found, over all files.
const leastFound = 0.99

// measure is one thing of the truth that is looked for.
type measure int

const (
	requests1 measure = iota
	statuses1
	requests2
	statuses2
	clientHellos
	serverHellos
	opened
	measures
)

var measureNames = [measures]string{
	requests1: "HTTP/1 requests", statuses1: "statuses", requests2: "HTTP/2 requests", statuses2: "statuses",
	clientHellos: "client hellos", serverHellos: "server hellos", opened: "decrypted",
}

// score is how much of the truth was found, by measure.
type score [measures]struct{ found, of int }

func (s *score) add(t *score) {
	for m := range s {
		s[m].found += t[m].found
		s[m].of += t[m].of
	}
}

// complete reports whether all was found.
func (s *score) complete() bool {
	for m := range s {
		if s[m].found < s[m].of {
			return false
		}
	}
	return true
}

// except takes what is known to be missing for a good reason out of the score:
// for each exception at most as many as it says.
func (s *score) except(list []exception) {
	for _, e := range list {
		s[e.measure].of -= min(e.missing, s[e.measure].of-s[e.measure].found)
	}
}

// cells gives the score as cells of a table: found of all.
func (s *score) cells() string {
	var b strings.Builder
	for m := range s {
		if s[m].of == 0 {
			b.WriteString("-\t")
		} else {
			fmt.Fprintf(&b, "%d/%d\t", s[m].found, s[m].of)
		}
	}
	return b.String()
}

func share(n, of int) float64 {
	if of == 0 {
		return 1
	}
	return float64(n) / float64(of)
}

// tally is the scores of all files.
type tally struct {
	total score
	tags  map[string]*tagged
}

// tagged is the score of the files with one tag.
type tagged struct {
	score score
	files int
}

// add counts a file.
func (t *tally) add(l *listed, s *score) {
	t.total.add(s)
	if t.tags == nil {
		t.tags = map[string]*tagged{}
	}
	for _, tag := range l.tags {
		if t.tags[tag] == nil {
			t.tags[tag] = &tagged{}
		}
		t.tags[tag].files++
		t.tags[tag].score.add(s)
	}
}

// groups are the tags of which the numbers are printed.
var groups = []struct {
	name string
	tags []string
}{
	{"tunnels", []string{
		"tunnel", "encap", "vlan", "qinq", "llc", "mpls", "pppoe", "gre", "nvgre", "erspan", "vxlan", "geneve", "ipip", "6in4",
		"teredo", "gtpu", "ah", "ipfrag", "ip6frag", "overlap-flows", "synthetic-encap",
	}},
	{"protocols", []string{
		"http1", "http2", "h2c", "h2-midstream", "grpc", "websocket", "upgrade-101", "connect", "connect-proxy", "pipelined",
		"chunked", "content-encoding", "ce-gzip", "ce-deflate", "ce-br", "100-continue", "nonstd-port",
		"tls", "SSLv3", "TLS1.0", "TLS1.1", "TLS1.2", "TLS1.3", "tls-keys", "tls-decrypts-http", "ipv6",
	}},
	{"damage", []string{
		"requests-only", "responses-only", "one-sided", "midstream", "tcp-damage", "tcp-odd", "overlap", "gap", "missing-segments",
		"snaplen-cut", "truncated-file", "malformed", "http-odd", "evasion", "http-evader", "fuzzed", "tfo", "urgent",
	}},
}

// compareAll runs program on every capture of a folder and prints what of the
// truth it finds: the files where something is missing, the numbers by tag and
// in all. It fails where too little is found, a run crashes or takes too much.
//
// Told to, it prints each thing that is missing, too.
func compareAll(w io.Writer, folder, program string, each bool) error {
	files, err := readInventory(folder)
	if err != nil {
		return err
	}
	var sum tally
	var failures []string
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	heading := strings.Join(measureNames[:], "\t") + "\t"
	fmt.Fprintf(t, "%s  files in which something is missing\n", heading)
	for i := range files {
		l := &files[i]
		s, missing, err := compareFile(folder, l, program)
		if err != nil {
			failures = append(failures, fmt.Sprintf("%s: %v", l.name, err))
			continue
		}
		raw := s
		s.except(exceptions[l.name])
		sum.add(l, &s)
		if !each {
			missing = nil
		}
		if !raw.complete() {
			fmt.Fprintf(t, "%s  %s\n", raw.cells(), l.name)
			for _, e := range exceptions[l.name] {
				fmt.Fprintf(t, "%s  (%d %s: %s)\n", strings.Repeat("\t", int(measures)), e.missing, describe(e.measure), e.why)
			}
			for _, what := range missing {
				fmt.Fprintf(t, "%s  - %s\n", strings.Repeat("\t", int(measures)), what)
			}
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := sum.print(w, heading, files); err != nil {
		return err
	}
	for m := range sum.total {
		if c := sum.total[m]; share(c.found, c.of) < leastFound {
			failures = append(failures, fmt.Sprintf("%s: less than %.0f %% were found", describe(measure(m)), 100*leastFound))
		}
	}
	if len(failures) > 0 {
		return errors.New(strings.Join(failures, "\n"))
	}
	return nil
}

// describe names a measure where no other stands beside it.
func describe(m measure) string {
	switch m {
	case statuses1:
		return "statuses of HTTP/1"
	case statuses2:
		return "statuses of HTTP/2"
	case opened:
		return "decrypted messages"
	}
	return measureNames[m]
}

// print prints the numbers by tag, and the shares in all.
func (t *tally) print(w io.Writer, heading string, files []listed) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	section := func(name string, tags []string) {
		fmt.Fprintf(table, "\n%sfiles\t  %s\n", heading, name)
		for _, tag := range tags {
			if c := t.tags[tag]; c != nil {
				fmt.Fprintf(table, "%s%d\t  %s\n", c.score.cells(), c.files, strings.TrimPrefix(tag, "link "))
			}
		}
	}
	section("link types", links(files))
	for _, g := range groups {
		section(g.name, g.tags)
	}
	fmt.Fprintf(table, "\n%s%d\t  all\n", t.total.cells(), len(files))
	if err := table.Flush(); err != nil {
		return err
	}
	for m, c := range t.total {
		if c.of > 0 {
			fmt.Fprintf(w, "%6.2f %% of %d %s\n", 100*share(c.found, c.of), c.of, describe(measure(m)))
		}
	}
	return nil
}

// links gives the tags of the link types, in the order in which they come.
func links(files []listed) (tags []string) {
	seen := map[string]bool{}
	for i := range files {
		for _, tag := range files[i].tags {
			if strings.HasPrefix(tag, "link ") && !seen[tag] {
				seen[tag] = true
				tags = append(tags, tag)
			}
		}
	}
	return tags
}

// compareFile runs program on one capture, with the keys that lie beside it.
func compareFile(folder string, l *listed, program string) (s score, missing []string, err error) {
	truth, err := readTruth(filepath.Join(folder, "truth", strings.TrimPrefix(l.name, "files/")+".json"))
	if errors.Is(err, os.ErrNotExist) && !l.has("http1") && !l.has("http2") && !l.has("tls") {
		err = nil // tshark sees none of it
	}
	if err != nil {
		return s, nil, err
	}
	args := append([]string{"exchanges"}, l.keys(folder)...)
	run, err := call(program, append(args, l.path(folder))...)
	if err != nil {
		return s, nil, err
	}
	exchanges, err := readExchanges(run.stdout)
	if err != nil {
		return s, nil, err
	}
	if run, err = call(program, append(args, "--tls", l.path(folder))...); err != nil {
		return s, nil, err
	}
	handshakes, err := readHandshakes(run.stdout)
	if err != nil {
		return s, nil, err
	}
	s, missing = compare(&truth, exchanges, handshakes)
	if l.has("tls-decrypts-http") {
		s.decrypted(&truth, exchanges)
	}
	return s, missing, nil
}
