package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// folder is one that a test writes to.
type folder struct {
	path string
	t    *testing.T
}

func (f folder) write(name, text string) string {
	f.t.Helper()
	path := filepath.Join(f.path, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		f.t.Fatal(err)
	}
	return path
}

func TestScore(t *testing.T) {
	var s, sum score
	s[requests1].found, s[requests1].of = 8, 10
	s[statuses1].found, s[statuses1].of = 5, 5
	sum.add(&s)
	sum.add(&s)
	if sum[requests1].found != 16 || sum[statuses1].of != 10 {
		t.Errorf("%+v", sum)
	}
	if s.complete() {
		t.Error("complete, and two are missing")
	}
	// No more is taken out than is missing.
	s.except([]exception{{measure: requests1, missing: 1}, {measure: statuses1, missing: 3}})
	if s[requests1].of != 9 || s[statuses1].of != 5 || s.complete() {
		t.Errorf("%+v", s)
	}
	if s.except([]exception{{measure: requests1, missing: 9}}); !s.complete() || s[requests1].of != 8 {
		t.Errorf("%+v", s)
	}
	if got, want := s.cells(), "8/8\t5/5\t-\t-\t-\t-\t-\t"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, c := range []struct {
		n, of int
		want  float64
	}{{0, 0, 1}, {0, 1, 0}, {1, 2, 0.5}} {
		if got := share(c.n, c.of); got != c.want {
			t.Errorf("%d of %d is %v", c.n, c.of, got)
		}
	}
}

func TestExceptionsHaveReasons(t *testing.T) {
	for name, list := range exceptions {
		seen := map[measure]bool{}
		for _, e := range list {
			if e.missing < 1 || e.why == "" || seen[e.measure] {
				t.Errorf("%s: %+v", name, e)
			}
			seen[e.measure] = true
		}
	}
}

func TestReadInventory(t *testing.T) {
	dir := folder{t.TempDir(), t}
	for text, want := range map[string]string{
		"path\ttags\nfiles/a/x\thttp1,gre\n":                                     "files/a/x http1 gre",
		"path\tlinktypes\ttags\nfiles/a/x\tNULL,EN10MB\ttls\nfiles/b/y\tRAW\t\n": "files/a/x tls link NULL link EN10MB; files/b/y  link RAW",
		"path\ttags\n":                    "",
		"path\tother\nfiles/a/x\thttp1\n": "",
		"path\ttags\nfiles/a/x\n":         "",
	} {
		dir.write("inventory.tsv", text)
		all, err := readInventory(dir.path)
		var got []string
		for _, l := range all {
			got = append(got, l.name+" "+strings.Join(l.tags, " "))
		}
		if strings.Join(got, "; ") != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if _, err := readInventory(filepath.Join(dir.path, "nowhere")); err == nil {
		t.Error("a folder that is not there is read")
	}
}

// Programs that find all, or crash, or find nothing.
func TestCompareAll(t *testing.T) {
	dir := folder{t.TempDir(), t}
	dir.write("inventory.tsv", "path\ttags\tlinktypes\nfiles/a/x.pcap\thttp1,gre,tls-decrypts-http\tEN10MB\nfiles/a/y.pcap\tfuzzed\tEN10MB\n")
	dir.write("files/a/x.pcap.keys", "")
	dir.write("truth/a/x.pcap.json", `{
		"http1_requests":[{"stream":1,"method":"GET","host":"H","uri":"/?q","status":null,"status_by_order":200}],
		"tls":[{"stream":1,"type":"client_hello","sni":"s","ja3":"f"}]}`)
	good := `#!/bin/sh
case "$*" in
*y.pcap) ;;
"exchanges --tls-keylog "*".keys --tls "*) echo '{"sni":"s","ja3":"f","version":null,"flags":["unpaired"]}';;
"exchanges --tls-keylog "*".keys "*) echo '{"method":"GET","host":"h","path":"/","status":200,"tls":"decrypted"}'; exit 1;;
*) exit 2;;
esac
`
	for _, c := range []struct {
		name, program string
		each          bool
		out           []string
		want          string
	}{
		{"good", good, false, []string{
			" 1/1       1/1                -         -            1/1              -        1/1      1  gre\n",
			"2  EN10MB\n", "2  all\n", "100.00 % of 1 HTTP/1 requests\n", "100.00 % of 1 decrypted messages\n",
		}, ""},
		{"crash", "#!/bin/sh\necho 'goroutine 1 [running]' >&2\nexit 1\n", false, nil, "files/a/y.pcap: exit status 1: goroutine 1"},
		{"garbage", "#!/bin/sh\necho garbage\n", false, nil, "files/a/x.pcap: not a line of JSON"},
		{"blind", "#!/bin/sh\nexit 0\n", true, []string{"- HTTP/1 requests: {false GET h /}\n", "0.00 % of 1 client hellos\n"}, "HTTP/1 requests: less than 99 % were found\nstatuses of HTTP/1: less"},
		{"missing", "", false, nil, "files/a/x.pcap: fork/exec"},
	} {
		program := filepath.Join(dir.path, c.name)
		if c.program != "" {
			dir.write(c.name, c.program)
		}
		var out strings.Builder
		err := compareAll(&out, dir.path, program, c.each)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		for _, line := range c.out {
			if !strings.Contains(out.String(), line) {
				t.Errorf("%s: without %q:\n%s", c.name, line, out.String())
			}
		}
	}
	// A capture in which tshark sees messages has a truth.
	dir.write("inventory.tsv", "path\ttags\nfiles/a/z.pcap\thttp2\n")
	dir.write("good", good)
	if err := compareAll(&strings.Builder{}, dir.path, filepath.Join(dir.path, "good"), false); err == nil || !strings.Contains(err.Error(), "z.pcap.json") {
		t.Errorf("%v", err)
	}
}
