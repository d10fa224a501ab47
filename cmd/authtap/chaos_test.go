package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
	"github.com/authtap/authtap/store/clickhouse/clickhousetest"
)

var (
	chaosFor  = flag.Duration("chaos", 8*time.Second, "how long TestChaos goes on")
	chaosSeed = flag.Uint64("chaos.seed", 0, "of TestChaos; 0: chosen")
)

// sums are queries over everything that is stored, whatever the rows' order
// and however far they are merged.
var sums = []string{
	"SELECT count(), uniqExact(id), groupBitXor(cityHash64(* EXCEPT (evidence), toString(evidence))) FROM findings_latest",
	"SELECT count(), sum(count), groupBitXor(cityHash64(*)) FROM occurrences FINAL",
	"SELECT count(), uniqExact(capture_file, series, number), groupBitXor(cityHash64(*)) FROM auth_events FINAL",
	"SELECT count(), groupBitXor(cityHash64(*)) FROM auth_events_by_client FINAL",
	"SELECT count(), groupBitXor(cityHash64(*)) FROM auth_events_by_principal FINAL",
	"SELECT count(), sum(finalizeAggregation(numbers)), groupBitXor(cityHash64(* EXCEPT (numbers, clients, principals))) FROM auth_events_by_month FINAL",
	"SELECT count(), sum(finalizeAggregation(numbers)), groupBitXor(cityHash64(* EXCEPT (numbers, clients, principals))) FROM auth_outcomes_by_hour FINAL",
	"SELECT count(), sum(events), groupBitXor(cityHash64(*)) FROM findings_by_hour",
	"SELECT count(), sum(events), groupBitXor(cityHash64(*)) FROM findings_by_day",
	"SELECT count(), sum(attempts), groupBitXor(cityHash64(*)) FROM logins_by_hour",
	"SELECT count(), sum(attempts), groupBitXor(cityHash64(*)) FROM logins_by_day",
	"SELECT count(), sum(success), groupBitXor(cityHash64(*)) FROM endpoints_latest",
	"SELECT count(), sum(success), groupBitXor(cityHash64(*)) FROM credentials_latest",
	"SELECT count(), groupBitXor(cityHash64(*)) FROM issuers_latest",
	"SELECT count(), sum(failure), groupBitXor(cityHash64(*)) FROM login_endpoints",
	"SELECT count(), sum(events), groupBitXor(cityHash64(*)) FROM attacks_by_client_by_day",
	"SELECT count(), sum(events), groupBitXor(cityHash64(*)) FROM accounts_at_risk_by_day",
	"SELECT count(), sum(findings), groupBitXor(cityHash64(*)) FROM endpoint_posture_by_day",
	"SELECT count(), sum(success), groupBitXor(cityHash64(*)) FROM credentials_by_day",
	"SELECT count() FROM sensors",
}

func contents(server *clickhousetest.Server) string {
	var b strings.Builder
	for _, q := range sums {
		fmt.Fprintln(&b, strings.SplitAfter(q, " FROM ")[1], server.Query(q))
	}
	return b.String()
}

// chaosCapture writes a long capture: the cases, again and again, six hours
// later each time.
func chaosCapture(t testing.TB, path string, rounds int) {
	t.Helper()
	cases, err := filepath.Glob(filepath.Join("..", "..", "testdata", "pcaps", "*", "in.pcap"))
	if err != nil || len(cases) == 0 {
		t.Fatal("there are no cases", err)
	}
	source, err := pcapfile.Open(cases, pcapfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	var packets []capture.Packet
	for {
		var p capture.Packet
		err := source.Next(&p)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.Link == capture.LinkEthernet {
			p.Data = bytes.Clone(p.Data)
			packets = append(packets, p)
		}
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := pcapfile.NewWriter(f, capture.LinkEthernet, 0)
	for round := 0; round < rounds && err == nil; round++ {
		for _, p := range packets {
			p.Time = p.Time.Add(time.Duration(round) * 6 * time.Hour)
			if err = w.Write(&p); err != nil {
				break
			}
		}
	}
	if err = errors.Join(err, w.Flush()); err != nil {
		t.Fatal(err)
	}
}

// sensor is a replay in a process of its own.
type sensor struct {
	command *exec.Cmd
	stderr  *safeBuffer
	ended   chan error
}

const chaosSpool = 4 << 20 // so that the replay has to wait for the store

var spoolMax = fmt.Sprint("--spool-max=", chaosSpool)

func startSensor(t testing.TB, dir, dsn, pcap string, flags ...string) *sensor {
	t.Helper()
	program := filepath.Join(dir, "authtap") // TestMain: by this name it is the program
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, program)
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	s := &sensor{stderr: new(safeBuffer), ended: make(chan error, 1)}
	s.command = exec.Command(program, append([]string{"replay", "--store", dsn, "--spool", filepath.Join(dir, "spool"),
		"--key-file", filepath.Join(dir, "key"), "--format", "json", pcap}, flags...)...)
	s.command.Stderr = s.stderr
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.ended <- s.command.Wait() }()
	return s
}

// memory is the process's largest, in MiB, once it has ended.
func (s *sensor) memory() int64 {
	return s.command.ProcessState.SysUsage().(*syscall.Rusage).Maxrss / 1024
}

// cpu is the process's time on the processors, once it has ended.
func (s *sensor) cpu() time.Duration {
	return s.command.ProcessState.UserTime() + s.command.ProcessState.SystemTime()
}

func (s *sensor) count(what string) (n int) {
	if m := regexp.MustCompile(`(?m)^(\d+) ` + what + `$`).FindStringSubmatch(s.stderr.String()); m != nil {
		n, _ = strconv.Atoi(m[1])
	}
	return n
}

// watch looks at the spool until ctx is done and gives its largest size.
func watch(ctx context.Context, dir string) func() int64 {
	var most int64
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			var size int64
			files, _ := filepath.Glob(filepath.Join(dir, "*", "*.spool"))
			// The latest, which grows, first: others go while this looks.
			for _, f := range slices.Backward(files) {
				if info, err := os.Stat(f); err == nil { // else it was removed
					size += info.Size()
				}
			}
			most = max(most, size)
			time.Sleep(20 * time.Millisecond)
		}
	})
	return func() int64 { group.Wait(); return most }
}

// A replay goes on at full speed while its ClickHouse is killed, restarted, cut
// off and made slow, and is killed itself and started again: the tables, those
// of aggregates included, then hold what a run leaves that nobody disturbed.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("takes its time")
	}
	seed := *chaosSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-chaos.seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	pcap := filepath.Join(dir, "long.pcap")
	chaosCapture(t, pcap, min(200, 20+int(chaosFor.Seconds())))

	calm := clickhousetest.Start(t)
	calmDir := filepath.Join(dir, "calm")
	if err := os.Mkdir(calmDir, 0o700); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	undisturbed := startSensor(t, calmDir, calm.DSN(), pcap, spoolMax)
	if err := <-undisturbed.ended; err != nil {
		t.Fatalf("%v\n%s", err, undisturbed.stderr)
	}
	rows := undisturbed.count("rows stored")
	t.Logf("undisturbed: %d rows in %v, %d MiB", rows, time.Since(begun).Round(time.Millisecond), undisturbed.memory())
	want := contents(calm)
	calm.Kill()
	if err := os.Rename(filepath.Join(calmDir, "key"), filepath.Join(dir, "key")); err != nil {
		t.Fatal(err)
	}

	server := clickhousetest.Start(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	spool := watch(ctx, filepath.Join(dir, "spool"))
	var runs, kills, cuts, slows, deaths int
	var memory int64
	end := time.Now().Add(*chaosFor)
	s := startSensor(t, dir, server.DSN(), pcap, spoolMax)
	killAt := []time.Time{time.Now().Add(*chaosFor / 3), time.Now().Add(*chaosFor * 2 / 3)}
	ended := func(err error) { // a run came to its end: it is started again
		runs++
		memory = max(memory, s.memory())
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || !strings.Contains(s.stderr.String(), "stay in the spool")) {
			t.Fatalf("%v\n%s", err, s.stderr)
		}
		if n := s.count("rows lost"); n > 0 {
			t.Errorf("%d rows were lost:\n%s", n, s.stderr)
		}
	}
	for time.Now().Before(end) || len(killAt) > 0 { // a server may take long to come back
		pause := time.Duration(random.Int64N(int64(800 * time.Millisecond)))
		switch random.IntN(6) {
		case 0:
			kills++
			server.Kill()
			time.Sleep(pause)
			server.Restart()
		case 1, 2:
			cuts++
			server.CutConnections()
		case 3:
			slows++
			server.Slow(time.Duration(random.Int64N(int64(100 * time.Millisecond))))
			time.Sleep(2 * pause)
			server.Slow(0)
		case 4: // silence, and then the connections are gone
			slows++
			server.Slow(time.Hour)
			time.Sleep(pause)
			server.CutConnections()
			server.Slow(0)
		}
		if len(killAt) > 0 && time.Now().After(killAt[0]) {
			killAt = killAt[1:]
			deaths++
			_ = s.command.Process.Kill()
			<-s.ended
			memory = max(memory, s.memory())
			s = startSensor(t, dir, server.DSN(), pcap, spoolMax)
		}
		select {
		case err := <-s.ended:
			ended(err)
			s = startSensor(t, dir, server.DSN(), pcap, spoolMax)
		case <-time.After(pause):
		}
	}
	ended(<-s.ended)
	// What a run left in the spool, the next one sends.
	begun = time.Now()
	s = startSensor(t, dir, server.DSN(), pcap, spoolMax)
	err := <-s.ended
	ended(err)
	if err != nil {
		t.Errorf("the last run: %v\n%s", err, s.stderr)
	}
	cancel()
	largest := spool()
	t.Logf("chaos for %v: server killed %d times, cut off %d, slowed down %d; sensor killed %d times, %d runs came to an end; the last took %v",
		*chaosFor, kills, cuts, slows, deaths, runs, time.Since(begun).Round(time.Millisecond))
	t.Logf("sensor's memory at most %d MiB, spool at most %d KiB of %d", memory, largest>>10, chaosSpool>>10)
	if d := cmp.Diff(want, contents(server)); d != "" {
		t.Errorf("undisturbed (-) and disturbed (+):\n%s", d)
	}
	t.Logf("the tables hold:\n%s", want)
	if largest > chaosSpool {
		t.Errorf("the spool grew to %d bytes", largest)
	}
	most := int64(256)
	if raceEnabled {
		most *= 4 // the race detector keeps several times as much beside it
	}
	if memory > most {
		t.Errorf("the sensor grew to %d MiB", memory)
	}
	if deaths != 2 {
		t.Errorf("the sensor was killed %d times", deaths)
	}
}

// BenchmarkDeadStore measures what a replay takes of the processors with a
// store that is away, beside one that is there, in turns: the medians, and
// their ratio.
func BenchmarkDeadStore(b *testing.B) {
	dir := b.TempDir()
	pcap := filepath.Join(dir, "long.pcap")
	chaosCapture(b, pcap, 60)
	server := clickhousetest.Start(b)
	var live, dead []time.Duration
	for b.Loop() {
		for _, c := range []struct {
			dsn string
			to  *[]time.Duration
		}{{server.DSN(), &live}, {"clickhouse://127.0.0.1:1/nowhere", &dead}} {
			s := startSensor(b, dir, c.dsn, pcap)
			if err := <-s.ended; err != nil && !strings.Contains(s.stderr.String(), "stay in the spool") {
				b.Fatalf("%v\n%s", err, s.stderr)
			}
			*c.to = append(*c.to, s.cpu())
		}
		if err := os.RemoveAll(filepath.Join(dir, "spool")); err != nil {
			b.Fatal(err)
		}
	}
	median := func(all []time.Duration) float64 {
		slices.Sort(all)
		return all[len(all)/2].Seconds()
	}
	b.ReportMetric(median(live), "live-cpu-s")
	b.ReportMetric(median(dead), "dead-cpu-s")
	b.ReportMetric(median(dead)/median(live), "dead/live")
}
