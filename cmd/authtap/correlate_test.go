package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/authtap/authtap/capture"
	"github.com/authtap/authtap/capture/pcapfile"
	"github.com/authtap/authtap/reassembly/reassemblytest"
	"github.com/authtap/authtap/store/clickhouse/clickhousetest"
)

// A fleet of three, on three parts of one attack on one account. Each sees four
// guesses from four clients; no sensor says anything, all of them together do,
// once, however often they are asked.
func TestFleet(t *testing.T) {
	server := clickhousetest.Start(t)
	dir := t.TempDir()
	run := func(args ...string) (stdout, stderr string) {
		t.Helper()
		var out, told bytes.Buffer
		p := &program{stdin: strings.NewReader(""), stdout: &out, stderr: &told, environ: func(name string) (string, bool) {
			v, ok := map[string]string{"AUTHTAP_STORE": server.DSN(), "XDG_STATE_HOME": dir}[name]
			return v, ok
		}}
		if got := p.run(context.Background(), args); got != exitDone {
			t.Fatalf("%q ends with %d\n%s", args, got, &told)
		}
		return out.String(), told.String()
	}
	for sensor := range 3 {
		var d strings.Builder
		fmt.Fprintf(&d, "time +%ds\n", 20*sensor)
		for i := range 4 {
			n := 3*i + sensor
			fmt.Fprintf(&d, "conn c%d 192.0.2.%d:40000 198.51.100.%d:80\n", i, n, sensor)
			fmt.Fprintf(&d, "> POST /login HTTP/1.1\n> Host: api.test\n> Content-Type: application/json\n>\n> {\"username\":\"bob\",\"password\":\"guess%d\"}\n\n", n)
			d.WriteString("< HTTP/1.1 401 Unauthorized\n< Content-Type: application/json\n<\n< {\"error\":\"invalid credentials\"}\n\ntime +60s\n")
		}
		pcap := filepath.Join(dir, fmt.Sprintf("part%d.pcap", sensor))
		writeDialogue(t, pcap, d.String())
		printed, _ := run("replay", "--sensor", fmt.Sprint("edge", sensor+1), pcap)
		if strings.Contains(printed, "brute_force") || strings.Contains(printed, "password_spraying") || strings.Contains(printed, "credential_stuffing") {
			t.Fatalf("a sensor alone says: %s", printed)
		}
	}
	before := server.Query("SELECT count() FROM findings FINAL")[0][0]

	_, told := run("correlate", "--once")
	if !strings.Contains(told, "1 attacks that no sensor saw alone, 1 of them new") {
		t.Errorf("told: %s", told)
	}
	found, _ := run("findings", "--sensor", "fleet", "--format", "json")
	want := regexp.MustCompile(`^\{"id":"[0-9a-f]{32}","version":12,"detector":"brute_force_distributed","title":"One account's password is guessed from several clients",` +
		`"severity":"high","confidence":"firm","verdict":"rejected","dedupe_key":"api.test\|[0-9a-f]{32}","first_seen":"2026-01-02T03:04:05.\d{6}Z","last_seen":"2026-01-02T03:07:45.\d{6}Z","count":12,` +
		`"host":"api.test","method":"POST","path":"/login","status":401,"principal":"bob","evidence":\{.*"sensors":"edge1, edge2, edge3"\},.*"sensor":"fleet"\}\n$`)
	if !want.MatchString(found) {
		t.Errorf("found: %s", found)
	}
	if regexp.MustCompile(`guess[0-9]`).MatchString(found) {
		t.Error("a password is told")
	}

	// Again, and two at once.
	done := make(chan string, 2)
	for range 2 {
		go func() {
			_, told := run("correlate", "--once", "--since", "2026-01-01")
			done <- told
		}()
	}
	for range 2 {
		if told := <-done; told != "" {
			t.Errorf("again: %s", told)
		}
	}
	if again, _ := run("findings", "--sensor", "fleet", "--format", "json"); again != found {
		t.Errorf("again there is: %s", again)
	}
	server.Exec("OPTIMIZE TABLE findings FINAL")
	if after := server.Query("SELECT count() - " + before + " FROM findings")[0][0]; after != "1" {
		t.Errorf("%s rows", after)
	}

	// Sensors that cannot be compared.
	server.Exec("INSERT INTO sensors (sensor, time, started, version, key) VALUES ('edge1', now64(6), now64(6), '', 'a'), ('edge2', now64(6), now64(6), '', 'a'), ('edge3', now64(6), now64(6), '', 'b')")
	if _, told := run("correlate", "--once"); !strings.Contains(told, "different keys") || !strings.Contains(told, "edge1, edge2; edge3") {
		t.Errorf("keys: %s", told)
	}
	// One whose clock is far ahead hides nothing of that.
	server.Exec("INSERT INTO sensors (sensor, time, started, version, key) VALUES ('edge4', now64(6) + INTERVAL 3 DAY, now64(6), '', 'b')")
	if _, told := run("correlate", "--once"); !strings.Contains(told, "edge1, edge2; edge3, edge4") || !strings.Contains(told, "clocks of these sensors are ahead") || !strings.Contains(told, "late: edge4\n") {
		t.Errorf("a clock that is ahead: %s", told)
	}
	if _, told := run("status"); !strings.Contains(told, "the clock of sensor edge4 is ahead") || strings.Contains(told, "the clock of sensor edge1") {
		t.Errorf("a clock that is ahead: %s", told)
	}
}

// writeDialogue writes the capture of a dialogue.
func writeDialogue(t *testing.T, path, text string) {
	t.Helper()
	d, err := reassemblytest.Parse(filepath.Base(path), text, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := pcapfile.NewWriter(f, capture.LinkEthernet, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, packet := range d.Packets() {
		c := packet.Capture(uint64(i + 1))
		if err := w.Write(&c); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
}
