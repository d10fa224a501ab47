// Package clickhousetest gives tests a real ClickHouse: the engine itself,
// which is to be had as a library, behind a small server that speaks the
// native protocol (see clickhoused), as a process of its own over a folder of
// its own. A test can kill it, start it again, and cut its connections.
//
// The engine is loaded with npm into a cache folder at first use (see
// chdb.Fetch); where that fails, tests that need it are skipped with the
// reason, or fail when CI=true is in the environment. With
// AUTHTAP_TEST_CLICKHOUSE=clickhouse://user:password@host:9000/ in the
// environment, the same tests run against that server, each in a database of
// its own; tests that kill the server are skipped then.
//
// Contract: a Server belongs to the test that started it and ends with it; its
// methods fail that test when they cannot do what they should, and are called
// from the test's goroutine.
package clickhousetest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/ClickHouse/clickhouse-go/v2" // the driver of Query

	"github.com/authtap/authtap/store/clickhouse/clickhousetest/chdb"
)

// ServerVariable names the environment variable with the DSN of a server to
// use in place of the engine.
const ServerVariable = "AUTHTAP_TEST_CLICKHOUSE"

// startTimeout bounds how long the engine may take to open its folder: half a
// second on a quiet machine.
const startTimeout = 5 * time.Minute

// Server is a running ClickHouse with an empty database.
type Server struct {
	// Dir is the server's folder; "" for a server of AUTHTAP_TEST_CLICKHOUSE.
	Dir string

	t        testing.TB
	base     url.URL // the server's own address
	database string
	proxy    *proxy   // nil where there is TLS, which it would break
	process  *process // nil when the server is not ours
	library  string
	program  string
}

// Start gives the test a server.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t}
	if dsn := os.Getenv(ServerVariable); dsn != "" {
		s.useExisting(dsn)
	} else {
		s.startOwn()
	}
	name := "authtap_test_" + token()
	s.Exec("CREATE DATABASE " + name + " ENGINE = Atomic")
	s.database = name
	if s.process == nil {
		t.Cleanup(func() { s.Exec("DROP DATABASE " + name) })
	}
	if s.base.Scheme != "clickhouses" {
		var err error
		if s.proxy, err = newProxy(s.base.Host); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.proxy.close)
	}
	return s
}

// token gives a name that no other test has.
func token() string {
	b := make([]byte, 6)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func (s *Server) useExisting(dsn string) {
	s.t.Helper()
	u, err := url.Parse(dsn)
	if err != nil || u.Host == "" {
		s.t.Fatalf("%s is not of the form clickhouse://user:password@host:9000/", ServerVariable)
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), map[string]string{"clickhouse": "9000", "clickhouses": "9440"}[u.Scheme])
	}
	s.base, s.database = *u, strings.Trim(u.Path, "/")
}

func (s *Server) startOwn() {
	s.t.Helper()
	var err error
	if s.library, err = library(); err != nil {
		if os.Getenv("CI") == "true" {
			s.t.Fatalf("no ClickHouse to test with: %v", err)
		}
		s.t.Skipf("no ClickHouse to test with: %v", err)
	}
	if s.program, err = program(); err != nil {
		s.t.Fatal(err)
	}
	s.Dir = s.t.TempDir()
	s.base = url.URL{Scheme: "clickhouse", User: url.UserPassword("default", token())}
	s.launch()
	s.t.Cleanup(func() { s.process.kill(s.t) })
}

// library fetches the engine once a test binary.
var library = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	return chdb.Fetch(ctx, nil)
})

// program builds clickhoused once a test binary, into the cache, where the go
// command finds it up to date the next time. It is built without cgo and the
// race detector, whatever the tests are built with.
var program = sync.OnceValues(func() (string, error) {
	const path = "github.com/authtap/authtap/store/clickhouse/clickhousetest/clickhoused"
	module, err := exec.Command("go", "list", "-f", "{{.Dir}}", path).Output()
	if err != nil {
		return "", fmt.Errorf("looking for %s: %w", path, err)
	}
	cache, err := chdb.Cache()
	if err != nil {
		return "", err
	}
	// A file for each checkout, so that two do not build in turns.
	sum := sha256.Sum256(module)
	file := filepath.Join(cache, "clickhoused-"+hex.EncodeToString(sum[:6]))
	unlock, err := chdb.Lock(cache, filepath.Base(file))
	if err != nil {
		return "", err
	}
	defer unlock()
	build := exec.Command("go", "build", "-race=false", "-cover=false", "-o", file, path)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", path, err, out)
	}
	return file, nil
})

// process is a running clickhoused.
type process struct {
	command *exec.Cmd
	stdin   io.Closer // its end ends the process, should this one die
	stderr  *bytes.Buffer
	killed  bool
}

// launch starts the program over the folder and waits until it serves.
func (s *Server) launch() {
	s.t.Helper()
	password, _ := s.base.User.Password()
	p := &process{
		command: exec.Command(s.program, "-library", s.library, "-path", s.Dir, "-password", password),
		stderr:  new(bytes.Buffer),
	}
	p.command.Stderr = p.stderr
	stdin, err := p.command.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		s.t.Fatal(err)
	}
	p.stdin, s.process = stdin, p
	late := time.AfterFunc(startTimeout, func() { _ = p.command.Process.Kill() })
	address, err := bufio.NewReader(stdout).ReadString('\n')
	late.Stop()
	if err != nil {
		p.kill(s.t)
		s.t.Fatalf("clickhoused does not start: %v\n%s", err, p.stderr)
	}
	s.base.Host = strings.TrimSpace(address)
}

// kill ends the process the hard way, which the engine survives.
func (p *process) kill(t testing.TB) {
	if p.killed {
		return
	}
	p.killed = true
	_ = p.command.Process.Kill() // or it is gone already
	_ = p.command.Wait()         // says that it was killed
	_ = p.stdin.Close()
	if t.Failed() && p.stderr.Len() > 0 {
		t.Logf("clickhoused said:\n%s", p.stderr)
	}
}

// DSN gives the address of the test's database. It stays the same over
// Restart.
func (s *Server) DSN() string {
	u := s.base
	u.Path = "/" + s.database
	if s.proxy != nil {
		u.Host = s.proxy.address
	}
	return u.String()
}

// Kill sends the server SIGKILL and waits until it is gone. Until Restart,
// connections to it are refused.
func (s *Server) Kill() {
	s.t.Helper()
	if s.process == nil {
		s.t.Skip("the server of " + ServerVariable + " is not ours to kill")
	}
	s.process.kill(s.t)
	s.proxy.close()
}

// Restart starts the server again over the same folder, after killing it when
// it runs.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	s.launch()
	if err := s.proxy.open(s.base.Host); err != nil {
		s.t.Fatal(err)
	}
}

// CutConnections resets all connections to the server, as a firewall would
// that lost its state; new ones are accepted. It gives their number.
func (s *Server) CutConnections() int {
	s.t.Helper()
	if s.proxy == nil {
		s.t.Skip("connections with TLS are not cut")
	}
	return s.proxy.cut()
}

// Slow holds back each piece of what goes through connections, either way, for
// so long: minutes are a network that has gone silent. Zero ends it.
func (s *Server) Slow(held time.Duration) {
	s.t.Helper()
	if s.proxy == nil {
		s.t.Skip("connections with TLS are not held back")
	}
	s.proxy.delay.Store(int64(held))
}

// open gives a database handle that does not go through the proxy, so that the
// test's own questions are not cut.
func (s *Server) open() *sql.DB {
	s.t.Helper()
	u := s.base
	u.Path = "/" + s.database
	if u.Scheme == "clickhouses" { // the driver has a parameter for it
		u.Scheme = "clickhouse"
		q := u.Query()
		q.Set("secure", "true")
		u.RawQuery = q.Encode()
	}
	db, err := sql.Open("clickhouse", u.String())
	if err != nil {
		s.t.Fatal(err)
	}
	return db
}

// Exec runs a statement that gives no rows.
func (s *Server) Exec(statement string, args ...any) {
	s.t.Helper()
	db := s.open()
	defer db.Close()
	if _, err := db.Exec(statement, args...); err != nil {
		s.t.Fatalf("%s: %v", statement, err)
	}
}

// Query gives the rows of a query, each value as fmt prints it, NULL as "NULL".
func (s *Server) Query(query string, args ...any) [][]string {
	s.t.Helper()
	db := s.open()
	defer db.Close()
	rows, err := db.Query(query, args...)
	if err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	var all [][]string
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			s.t.Fatalf("%s: %v", query, err)
		}
		texts := make([]string, len(values))
		for i, v := range values {
			texts[i] = text(*v.(*any))
		}
		all = append(all, texts)
	}
	if err := rows.Err(); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return all
}

func text(v any) string {
	r := reflect.ValueOf(v)
	for r.Kind() == reflect.Pointer && !r.IsNil() {
		r = r.Elem()
	}
	if !r.IsValid() || r.Kind() == reflect.Pointer {
		return "NULL"
	}
	return fmt.Sprint(r.Interface())
}
