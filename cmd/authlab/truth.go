package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
)

// What must hold: the share of request lines and of statuses that are found,
// over all files that are scored, and the memory for any file.
const (
	leastFound = 0.99
	mostMemory = 300e6
)

// unscored are the tags of captures whose HTTP is not yet to be found:
// tunnels, fragments and TLS. VLAN tags are no reason.
var unscored = []string{
	"tunnel", "mpls", "pppoe", "gre", "erspan", "vxlan", "geneve", "gtpu", "ipip", "6in4", "teredo",
	"ipfrag", "tls-decrypts-http",
}

// scored reports whether a file's exchanges are compared.
func scored(tags []string) bool {
	has := func(tag string) bool { return slices.Contains(tags, tag) }
	if !has("http1") || slices.ContainsFunc(unscored, has) {
		return false
	}
	return !has("encap") || has("vlan") || has("qinq")
}

// compareAll runs program on every capture of the folder's inventory and
// prints a table. It fails where too little is found, a run crashes or takes
// too much memory.
func compareAll(w io.Writer, folder, program string) error {
	f, err := os.Open(filepath.Join(folder, "inventory.tsv"))
	if err != nil {
		return fmt.Errorf("no captures to compare with: %w", err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = '\t', true, -1
	rows, err := r.ReadAll()
	if err != nil {
		return err
	}
	path, tags := slices.Index(rows[0], "path"), slices.Index(rows[0], "tags")
	if path < 0 || tags < 0 {
		return errors.New("the inventory has no columns path and tags")
	}

	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "requests\tof\tstatuses\tof\tMB\t  file")
	var total score
	var failures []string
	for _, row := range rows[1:] {
		name := row[path]
		run, err := exchangesOf(program, filepath.Join(folder, name))
		if err != nil {
			failures = append(failures, fmt.Sprintf("%s: %v", name, err))
			continue
		}
		if run.memory > mostMemory {
			failures = append(failures, fmt.Sprintf("%s: %d MB of memory", name, run.memory/1e6))
		}
		s, note := score{}, ""
		switch why := exceptions[name]; {
		case !scored(strings.Split(row[tags], ",")):
			continue
		case why != "":
			note = " not scored: " + why
			fallthrough
		default:
			truth, err := readTruth(filepath.Join(folder, "truth", strings.TrimPrefix(name, "files/")+".json"))
			if err != nil {
				failures = append(failures, fmt.Sprintf("%s: %v", name, err))
				continue
			}
			s = compare(truth, run.exchanges)
			if why == "" {
				total.add(s)
			}
		}
		fmt.Fprintf(t, "%d\t%d\t%d\t%d\t%d\t  %s%s\n", s.requests, s.wantRequests, s.statuses, s.wantStatuses, run.memory/1e6, name, note)
	}
	fmt.Fprintf(t, "%d\t%d\t%d\t%d\t\t  all that are scored\n", total.requests, total.wantRequests, total.statuses, total.wantStatuses)
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "%.2f %% of the request lines, %.2f %% of the statuses, %d files run\n",
		100*share(total.requests, total.wantRequests), 100*share(total.statuses, total.wantStatuses), len(rows)-1)
	if share(total.requests, total.wantRequests) < leastFound || share(total.statuses, total.wantStatuses) < leastFound {
		failures = append(failures, fmt.Sprintf("less than %.0f %% were found", 100*leastFound))
	}
	if len(failures) > 0 {
		return errors.New(strings.Join(failures, "\n"))
	}
	return nil
}

func share(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// request is what a request line and its host come to.
type request struct{ method, host, path string }

// answered is a request with the status of its response.
type answered struct {
	request
	status int
}

// score is how much of the truth was found.
type score struct{ requests, wantRequests, statuses, wantStatuses int }

func (s *score) add(t score) {
	s.requests += t.requests
	s.wantRequests += t.wantRequests
	s.statuses += t.statuses
	s.wantStatuses += t.wantStatuses
}

// compare counts the truth's requests, and the statuses of those that have
// one, that are among the exchanges; each exchange counts once.
func compare(truth, exchanges []answered) (s score) {
	lines, statuses := map[request]int{}, map[answered]int{}
	for _, x := range exchanges {
		lines[x.request]++
		statuses[x]++
	}
	for _, x := range truth {
		s.wantRequests++
		if lines[x.request] > 0 {
			lines[x.request]--
			s.requests++
		}
		if x.status == 0 {
			continue
		}
		s.wantStatuses++
		if statuses[x] > 0 {
			statuses[x]--
			s.statuses++
		}
	}
	return s
}

// readTruth reads what tshark saw.
func readTruth(path string) ([]answered, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var truth struct {
		Requests []struct {
			Method, Host, URI string
			Status            *int
			ByOrder           *int `json:"status_by_order"`
		} `json:"http1_requests"`
	}
	if err := json.Unmarshal(b, &truth); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var all []answered
	for _, r := range truth.Requests {
		a := answered{request: request{r.Method, strings.ToLower(r.Host), pathOf(r.Method, r.URI)}}
		if r.Status != nil {
			a.status = *r.Status
		} else if r.ByOrder != nil {
			a.status = *r.ByOrder
		}
		all = append(all, a)
	}
	return all, nil
}

// pathOf cuts a target to its path, as authtap prints it.
func pathOf(method, uri string) string {
	if _, rest, ok := strings.Cut(uri, "://"); ok && method != "CONNECT" && !strings.HasPrefix(uri, "/") {
		if i := strings.IndexAny(rest, "/?"); i < 0 {
			uri = "/"
		} else if uri = rest[i:]; uri[0] == '?' {
			uri = "/" + uri
		}
	}
	uri, _, _ = strings.Cut(uri, "?")
	return uri
}

// run is what came of running authtap on a file.
type run struct {
	exchanges []answered
	memory    int64 // bytes, at most
}

// exchangesOf runs `program exchanges file`. A damaged file (exit code 1) is no
// failure, as long as the program says so itself.
func exchangesOf(program, file string) (run, error) {
	var r run
	var errout bytes.Buffer
	cmd := exec.Command(program, "exchanges", file)
	cmd.Stderr = &errout
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1 || bytes.Contains(errout.Bytes(), []byte("goroutine "))) {
		return r, fmt.Errorf("%w: %.500s", err, errout.Bytes())
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		r.memory = usage.Maxrss << 10 // Linux gives KiB
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var x struct {
			Method, Host, Path string
			Status             int
		}
		if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
			return r, fmt.Errorf("not a line of JSON: %w", err)
		}
		r.exchanges = append(r.exchanges, answered{request{x.Method, x.Host, x.Path}, x.Status})
	}
	return r, lines.Err()
}
