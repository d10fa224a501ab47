package trigger

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/authtap/authtap/detect"
)

// server answers as told, and keeps what it is asked.
type server struct {
	*httptest.Server
	mu      sync.Mutex
	answers []func(http.ResponseWriter)
	asked   []*http.Request
	bodies  []string
}

func newServer(t *testing.T, answers ...func(http.ResponseWriter)) *server {
	s := &server{answers: answers}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		n := len(s.asked)
		s.asked, s.bodies = append(s.asked, r), append(s.bodies, string(b))
		s.mu.Unlock()
		if n < len(s.answers) {
			s.answers[n](w)
		}
	}))
	t.Cleanup(func() { s.Close(); http.DefaultTransport.(*http.Transport).CloseIdleConnections() })
	return s
}

func status(code int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.WriteHeader(code) }
}

func hook(t *testing.T, w Webhook) (*webhook, *int) {
	t.Helper()
	retries := 0
	h, err := newWebhook(w, "soc", "1.2.3", func() { retries++ })
	if err != nil {
		t.Fatal(err)
	}
	h.firstPause = time.Millisecond
	return h, &retries
}

// A finding comes as JSON, signed, and again under the same name until the
// server takes it.
func TestWebhook(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newServer(t, status(500), func(w http.ResponseWriter) { w.Header().Set("Retry-After", "0"); w.WriteHeader(429) }, status(204))
	h, retries := hook(t, Webhook{URL: s.URL + "/hook?token=verysecret", SecretFile: secret})
	f := attack(1)
	if err := h.do(t.Context(), &f); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if len(s.asked) != 3 || *retries != 2 {
		t.Fatalf("%d requests, %d retries", len(s.asked), *retries)
	}
	want, _ := json.Marshal(f)
	for i, r := range s.asked {
		stamp, sum, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authtap-Signature"), "t="), ",v1=")
		mac := hmac.New(sha256.New, []byte("0123456789abcdef"))
		fmt.Fprintf(mac, "%s.%s", stamp, s.bodies[i])
		seconds, err := strconv.ParseInt(stamp, 10, 64)
		if sum != hex.EncodeToString(mac.Sum(nil)) || err != nil || time.Since(time.Unix(seconds, 0)) > time.Minute {
			t.Errorf("signature %q", r.Header.Get("Authtap-Signature"))
		}
		if r.Method != "POST" || s.bodies[i] != string(want) || r.Header.Get("Content-Type") != "application/json" ||
			r.Header.Get("User-Agent") != "authtap/1.2.3" || r.Header.Get("Authtap-Delivery") != fmt.Sprintf("%s-%d-soc", f.ID, f.Version) {
			t.Errorf("%v %s", r.Header, s.bodies[i])
		}
	}
}

// What cannot succeed is not tried again, and the URL is in no error.
func TestWebhookFails(t *testing.T) {
	elsewhere := newServer(t)
	for _, c := range []struct {
		name    string
		answers []func(http.ResponseWriter)
		asked   int
		want    string
	}{
		{"refused", []func(http.ResponseWriter){status(403)}, 1, "the server answers 403"},
		{"redirected", []func(http.ResponseWriter){func(w http.ResponseWriter) { w.Header().Set("Location", elsewhere.URL); w.WriteHeader(307) }}, 1, "the server answers 307"},
		{"down", []func(http.ResponseWriter){status(503), status(502), status(500)}, 3, "after 3 attempts: the server answers 500"},
		{"hangs up", slices.Repeat([]func(http.ResponseWriter){func(http.ResponseWriter) { panic(http.ErrAbortHandler) }}, 3), 3, "after 3 attempts: EOF"},
	} {
		s := newServer(t, c.answers...)
		h, _ := hook(t, Webhook{URL: s.URL + "/hook?token=verysecret", Attempts: 3})
		f := attack(1)
		err := h.do(t.Context(), &f)
		s.Close()
		if err == nil || err.Error() != c.want || len(s.asked) != c.asked {
			t.Errorf("%s: %v, asked %d times", c.name, err, len(s.asked))
		}
		if s.asked[0].Header.Get("Authtap-Signature") != "" {
			t.Error("signed without a secret")
		}
	}
	if len(elsewhere.asked) > 0 {
		t.Error("a redirect was followed")
	}
	f := attack(1)
	// A server that says nothing: how far an attempt comes is chance.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	h, _ := hook(t, Webhook{URL: "http://" + silent.Addr().String() + "/verysecret", Attempts: 3, Timeout: 50 * time.Millisecond})
	if err := h.do(t.Context(), &f); err == nil || err.Error() != "after 3 attempts: context deadline exceeded" {
		t.Errorf("silent: %v", err)
	}
	h, _ = hook(t, Webhook{URL: "http://127.0.0.1:1/verysecret", Attempts: 1})
	if err := h.do(t.Context(), &f); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.do(ctx, &f); err == nil {
		t.Error("no error after the end")
	}
}

// A program gets the finding on standard input, and nothing of it elsewhere.
func TestExec(t *testing.T) {
	dir := t.TempDir()
	p, err := newProgram(Exec{Command: []string{"sh", "-c", `cat > "$1/in"; env > "$1/env"; echo "$#" > "$1/args"; pwd > "$1/pwd"`, "x", dir}})
	if err != nil {
		t.Fatal(err)
	}
	f := attack(1)
	f.Host = "$(touch " + dir + "/owned);`id`"
	if err := p.do(t.Context(), &f); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	want, _ := json.Marshal(f)
	if read("in") != string(want)+"\n" || read("args") != "1\n" || read("pwd") != "/\n" || strings.Contains(read("env"), "203.0.113.1") {
		t.Errorf("%s %s %s", read("in"), read("args"), read("env"))
	}
	if _, err := os.Stat(filepath.Join(dir, "owned")); err == nil {
		t.Error("the finding was run")
	}
}

func TestExecFails(t *testing.T) {
	f := attack(1)
	for _, c := range []struct {
		command []string
		timeout time.Duration
		want    string
	}{
		{[]string{"sh", "-c", `printf 'bad\033[2J' >&2; exit 3`}, time.Hour, `sh: exit status 3: "bad\x1b[2J"`},
		{[]string{"sh", "-c", `head -c 100000 /dev/zero | tr '\0' x >&2; exit 1`}, time.Hour, "sh: exit status 1: \"" + strings.Repeat("x", 256) + "\""},
		{[]string{"false"}, time.Hour, "false: exit status 1"},
		{[]string{"sh", "-c", "sleep 3600 & sleep 3600"}, 200 * time.Millisecond, "sh did not end within 200ms"},
	} {
		p, err := newProgram(Exec{Command: c.command, Timeout: c.timeout})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.do(t.Context(), &f); err == nil || err.Error() != c.want {
			t.Errorf("%q: %v", c.command, err)
		}
	}
	// It is run in another folder, so that its name is made whole before.
	t.Chdir(t.TempDir())
	if err := os.WriteFile("here", []byte("#!/bin/sh\npwd >&2; exit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if p, err := newProgram(Exec{Command: []string{"./here"}}); err != nil {
		t.Error(err)
	} else if err := p.do(t.Context(), &f); err == nil || err.Error() != `./here: exit status 1: "/\n"` {
		t.Errorf("a program of this folder: %v", err)
	}
	// A program that does not read is no failure of its own.
	p, err := newProgram(Exec{Command: []string{"true"}})
	if err != nil {
		t.Fatal(err)
	}
	f.Title = strings.Repeat("x", 1<<20)
	if err := p.do(t.Context(), &f); err != nil {
		t.Error(err)
	}
}

func blockAll(t *testing.T, l *blockList, clients ...string) {
	t.Helper()
	for _, c := range clients {
		f := attack(1)
		f.Client = &detect.Address{IP: netip.MustParseAddr(c)}
		f.Server = &detect.Address{IP: netip.MustParseAddr("198.51.100.1")}
		if err := l.do(t.Context(), &f); err != nil && err != errSpared {
			t.Errorf("%s: %v", c, err)
		}
	}
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(b))
}

// nftAccepts has nft check a file, where nft can be had: it needs a network
// namespace of its own, or root.
func nftAccepts(t *testing.T, path string) {
	t.Helper()
	nft, err := exec.LookPath("nft")
	if err != nil {
		t.Logf("SKIP: the file is not checked by nft: %v", err)
		return
	}
	out, err := exec.Command("unshare", "--user", "--map-root-user", "--net", nft, "-c", "-f", path).CombinedOutput()
	if err != nil && (strings.Contains(string(out), "Operation not permitted") || strings.Contains(string(out), "unshare")) {
		t.Logf("SKIP: the file is not checked by nft: %s", out)
		return
	}
	if err != nil {
		t.Errorf("nft: %v: %s", err, out)
	}
}

// What stays for ever is a timeout that nft reads.
func TestBlockListForEver(t *testing.T) {
	dir := t.TempDir()
	b := Block{File: filepath.Join(dir, "list"), NFTables: filepath.Join(dir, "list.nft"), For: 100 * 365 * 24 * time.Hour}
	l, err := newBlockList(b, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.begin(); err != nil {
		t.Fatal(err)
	}
	blockAll(t, l, "203.0.113.9")
	if text, _ := os.ReadFile(b.NFTables); !strings.Contains(string(text), "{ 203.0.113.9 timeout 36500d0s }") {
		t.Errorf("%s", text)
	}
	nftAccepts(t, b.NFTables)
}

func TestBlockList(t *testing.T) {
	dir := t.TempDir()
	b := Block{File: filepath.Join(dir, "list"), NFTables: filepath.Join(dir, "list.nft"), Most: 4, Allow: []netip.Prefix{netip.MustParsePrefix("203.0.113.128/25")}}
	blockedNow := 0
	start := func(b Block) *blockList {
		l, err := newBlockList(b, func(n int) { blockedNow = n })
		if err != nil {
			t.Fatal(err)
		}
		if err := l.begin(); err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := start(b)
	if got := lines(t, b.File); len(got) != 0 {
		t.Errorf("it begins with %q", got)
	}
	nftAccepts(t, b.NFTables)
	blockAll(t, l,
		"203.0.113.9", "2001:db8::9", "::ffff:203.0.113.10", "203.0.113.9",
		"203.0.113.200",                                    // allowed
		"198.51.100.1",                                     // the server
		"10.1.2.3", "192.168.0.1", "fd00::1", "100.64.0.1", // private
		"127.0.0.1", "::1", "169.254.1.1", "fe80::1%eth0", // not hosts of the network
		"224.0.0.1", "ff02::1", "0.0.0.0", "255.255.255.255", // nor these
	)
	if got, want := lines(t, b.File), []string{"203.0.113.9", "203.0.113.10", "2001:db8::9"}; !slices.Equal(got, want) || blockedNow != 3 {
		t.Errorf("%q, want %q", got, want)
	}
	text, _ := os.ReadFile(b.NFTables)
	for _, want := range []string{"add element inet authtap blocked4 { 203.0.113.9 timeout 3600s }", "add element inet authtap blocked6 { 2001:db8::9 timeout 3600s }"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	nftAccepts(t, b.NFTables)
	several := attack(1)
	several.Client = nil
	if err := l.do(t.Context(), &several); err != errSpared {
		t.Error(err)
	}
	// Full is full.
	blockAll(t, l, "203.0.113.11")
	f := attack(12)
	if err := l.do(t.Context(), &f); err == nil || !strings.Contains(err.Error(), "there are 4 addresses") {
		t.Error(err)
	}
	// After a restart it is as it was, but for who may not be blocked now.
	b.Allow = append(b.Allow, netip.MustParsePrefix("203.0.113.10/32"))
	start(b)
	if got, want := lines(t, b.File), []string{"203.0.113.9", "203.0.113.11", "2001:db8::9"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left over: %q", left)
	}
	// Private addresses are blocked when that is wanted, what is no host never.
	private := b
	private.File, private.NFTables, private.Private = filepath.Join(dir, "private"), "", true
	blockAll(t, start(private), "10.1.2.3", "127.0.0.1", "fe80::1")
	if got := lines(t, private.File); !slices.Equal(got, []string{"10.1.2.3"}) {
		t.Errorf("%q", got)
	}
	// What cannot be read or written is told.
	if err := os.WriteFile(b.File+".json", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := newBlockList(b, func(int) {}); err != nil || l.begin() == nil {
		t.Error("a damaged list is taken")
	}
	b.File = filepath.Join(dir, "none", "list")
	if l, err := newBlockList(b, func(int) {}); err != nil || l.begin() == nil {
		t.Error("a folder that is not there is taken")
	}
}

// Addresses come off the list when their time is over, whether there are
// findings or not.
func TestBlockExpires(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := &Block{File: filepath.Join(dir, "list"), For: 10 * time.Minute}
		tr := started(t, Options{}, Rule{Name: "r", Per: PerClient, Block: b})
		write(t, tr, attack(1))
		time.Sleep(5 * time.Minute)
		write(t, tr, attack(2))
		synctest.Wait()
		if got := lines(t, b.File); len(got) != 2 {
			t.Errorf("%q", got)
		}
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		if got := lines(t, b.File); !slices.Equal(got, []string{"203.0.113.2"}) || tr.Stats()["r"].Blocked != 1 {
			t.Errorf("%q", got)
		}
		// News keep an address on the list.
		write(t, tr, attack(2))
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		if got := lines(t, b.File); len(got) != 1 {
			t.Errorf("%q", got)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := lines(t, b.File); len(got) != 0 {
			t.Errorf("%q", got)
		}
		if err := tr.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
