package clickhouse

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/authtap/authtap/detect"
	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/clickhouse/clickhousetest"
	"github.com/authtap/authtap/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ store.Store = (*Store)(nil)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		s, err := Open(context.Background(), clickhousetest.Start(t).DSN(), Options{Migrate: true})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// connect opens a store that the test closes.
func connect(t testing.TB, dsn string, o Options) *Store {
	t.Helper()
	o.Migrate = true
	s, err := Open(context.Background(), dsn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// batch gives a block of the findings from first on.
func batch(first, n int) *store.Block {
	b := &store.Block{}
	for i := range n {
		b.Findings = append(b.Findings, storetest.Finding(first+i))
	}
	return b
}

// insist writes a block until it is taken, as a store.Sender does, and gives
// the number of attempts.
func insist(t testing.TB, s *Store, b *store.Block) int {
	t.Helper()
	b.Token = rand.Text()
	for n := 1; ; n++ {
		err := s.Write(context.Background(), b)
		if err == nil {
			return n
		}
		if n == 10 {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, s *Store) map[string]detect.Finding {
	t.Helper()
	all := make(map[string]detect.Finding)
	for f, err := range s.Findings(context.Background(), store.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		all[f.ID] = f
	}
	return all
}

func TestAddresses(t *testing.T) {
	for dsn, want := range map[string]string{ // the address, or what the error says
		"clickhouse://host":                        "default:@host:9000/default",
		"clickhouse://host/":                       "default:@host:9000/default",
		"clickhouses://host/db":                    "default:@host:9440/db tls host",
		"clickhouse://u:p%40%2F@[2001:db8::1]:1/d": "u:p@/@[2001:db8::1]:1/d",
		"clickhouse://u:secret%zz@host":            "is not of the form clickhouse://user:password@host:9000/database",
		"clickhouse://u:sec ret@host\x7f":          "is not of the form",
		"clickhouse://u:secret@host:port/db":       "is not of the form",
		"http://u:secret@host:8123":                `begins with "http://"`,
		"host:9000":                                "clickhouse://",
		"clickhouse://":                            "names no host",
		"clickhouse://:9000/db":                    "names no host",
		"clickhouse://u:secret@a:9000,b:9000/db":   "names several hosts",
		"clickhouse://u:secret@host/db?debug=true": "takes no parameters",
		"clickhouse://u:secret@host/a/b":           "names no database",
	} {
		got, err := parseDSN(dsn, Options{})
		if err != nil {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q: got %v, want %q", dsn, err, want)
			}
			if strings.Contains(err.Error(), "sec") {
				t.Errorf("%q: the error repeats the password: %v", dsn, err)
			}
			continue
		}
		text := fmt.Sprintf("%s:%s@%s/%s", got.Auth.Username, got.Auth.Password, got.Addr[0], got.Auth.Database)
		if got.TLS != nil {
			text += " tls " + got.TLS.ServerName
		}
		if text != want {
			t.Errorf("%q: got %s, want %s", dsn, text, want)
		}
	}
}

// Errors of opening name the server, tell what to do, and keep the password.
func TestOpenRefuses(t *testing.T) {
	server := clickhousetest.Start(t)
	change := func(f func(u *url.URL)) string {
		u, err := url.Parse(server.DSN())
		if err != nil {
			t.Fatal(err)
		}
		f(u)
		return u.String()
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	http, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer http.Close()
	go func() {
		for {
			c, err := http.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.0 400 Bad Request\r\n\r\nPort 9000 is for clickhouse-client program\r\n")
			c.Close()
		}
	}()
	connect(t, server.DSN(), Options{})
	server.Exec("INSERT INTO authtap_migrations (number, name) VALUES (99, 'future')")
	// Only who never answers is waited for: how fast the others are, the machine says.
	const silence = 200 * time.Millisecond
	for name, c := range map[string]struct {
		dsn, want string
		timeout   time.Duration
	}{
		"nobody listens":          {"clickhouse://u:secret@127.0.0.1:1/db", "check that ClickHouse runs there", 0},
		"nobody answers":          {"clickhouse://u:secret@" + silent.Addr().String() + "/db", "check that ClickHouse runs there", silence},
		"another protocol":        {"clickhouse://u:secret@" + http.Addr().String() + "/db", "takes the native protocol", 0},
		"wrong password":          {change(func(u *url.URL) { u.User = url.UserPassword("default", "secret") }), "check user and password", 0},
		"no such database":        {change(func(u *url.URL) { u.Path = "/nowhere" }), "CREATE DATABASE", 0},
		"later version":           {server.DSN(), "later version of authtap", 0},
		"TLS to a server without": {change(func(u *url.URL) { u.Scheme = "clickhouses" }), "check that ClickHouse runs there", silence},
	} {
		s, err := Open(context.Background(), c.dsn, Options{Timeout: c.timeout})
		if err == nil {
			s.Close()
			t.Errorf("%s: opened", name)
			continue
		}
		u, _ := url.Parse(c.dsn)
		if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), u.Host) {
			t.Errorf("%s: got %q, want %q and the host", name, err, c.want)
		}
		if password, _ := u.User.Password(); strings.Contains(err.Error(), password) {
			t.Errorf("%s: the error has the password: %v", name, err)
		}
	}
}

// Opening again takes no step twice, and two sensors may open at the same time.
func TestMigrate(t *testing.T) {
	server := clickhousetest.Start(t)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			s, err := Open(context.Background(), server.DSN(), Options{Migrate: true})
			if err != nil {
				t.Error(err)
				return
			}
			s.Close()
		})
	}
	group.Wait()
	all, err := form{}.steps()
	if err != nil {
		t.Fatal(err)
	}
	var want [][]string
	for i, s := range all {
		if s.number != uint32(i+1) || s.name == "" || len(s.statements) == 0 {
			t.Errorf("step %d is %+v", i+1, s)
		}
		want = append(want, []string{fmt.Sprint(s.number), s.name})
	}
	if got := server.Query("SELECT number, name FROM authtap_migrations FINAL WHERE number > 0 ORDER BY number"); !cmp.Equal(got, want) {
		t.Errorf("steps taken: %v, want %v", got, want)
	}
}

// The constants are the server's.
func TestErrorCodes(t *testing.T) {
	server := clickhousetest.Start(t)
	for code, want := range map[int]string{
		unknownIdentifier: "UNKNOWN_IDENTIFIER", unknownTable: "UNKNOWN_TABLE", unknownDatabase: "UNKNOWN_DATABASE",
		timeoutExceeded: "TIMEOUT_EXCEEDED", readonly: "READONLY", tooManySimultaneousQueries: "TOO_MANY_SIMULTANEOUS_QUERIES",
		socketTimeout: "SOCKET_TIMEOUT", networkError: "NETWORK_ERROR", queryRuns: "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING", aborted: "ABORTED", memoryLimitExceeded: "MEMORY_LIMIT_EXCEEDED",
		tableIsReadOnly: "TABLE_IS_READ_ONLY", tooManyParts: "TOO_MANY_PARTS", tooFewLiveReplicas: "TOO_FEW_LIVE_REPLICAS",
		unknownStatusOfInsert: "UNKNOWN_STATUS_OF_INSERT", queryWasCanceled: "QUERY_WAS_CANCELLED", accessDenied: "ACCESS_DENIED",
		noSuchColumn: "NO_SUCH_COLUMN_IN_TABLE", typeMismatch: "TYPE_MISMATCH", argumentOutOfBound: "ARGUMENT_OUT_OF_BOUND",
		cannotConvertType: "CANNOT_CONVERT_TYPE", incorrectData: "INCORRECT_DATA", tooLargeArraySize: "TOO_LARGE_ARRAY_SIZE",
		tooLargeStringSize: "TOO_LARGE_STRING_SIZE", cannotInsertNull: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
		throwIf: "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", violatedConstraint: "VIOLATED_CONSTRAINT",
		authenticationFailed: "AUTHENTICATION_FAILED", keeperException: "KEEPER_EXCEPTION",
	} {
		if got := server.Query(fmt.Sprintf("SELECT errorCodeToName(%d)", code)); got[0][0] != want {
			t.Errorf("%d is %s, want %s", code, got[0][0], want)
		}
	}
}

// Enums of the table have the numbers and names of the program.
func TestEnums(t *testing.T) {
	server := clickhousetest.Start(t)
	connect(t, server.DSN(), Options{})
	names := func(last int, name func(int) string) string {
		var all []string
		for i := 1; i <= last; i++ {
			all = append(all, fmt.Sprintf("'%s' = %d", name(i), i))
		}
		return "Enum8(" + strings.Join(all, ", ") + ")"
	}
	got := server.Query("SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = 'findings' AND type LIKE 'Enum%' ORDER BY name")
	want := [][]string{
		{"confidence", names(int(detect.Tentative), func(i int) string { return detect.Confidence(i).String() })},
		{"severity", names(int(detect.Critical), func(i int) string { return detect.Severity(i).String() })},
		{"verdict", names(int(detect.Observed), func(i int) string { return detect.Verdict(i).String() })},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// An archive may hold packets of any time.
func TestManyMonths(t *testing.T) {
	server := clickhousetest.Start(t)
	s := connect(t, server.DSN(), Options{})
	all := batch(0, 300)
	for i := range all.Findings {
		at := time.Date(1890, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(i, i%12, 0)
		all.Findings[i].FirstSeen = detect.Timestamp(at.UnixNano())
		all.Findings[i].LastSeen = all.Findings[i].FirstSeen
	}
	if err := s.Write(context.Background(), all); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s); len(got) != 300 {
		t.Errorf("%d findings, want 300", len(got))
	}
	if got := server.Query("SELECT toString(min(first_seen)) FROM findings")[0][0]; got != "1900-01-01 00:00:00.000000" {
		t.Errorf("the first is at %s, want the first time that the type has", got)
	}
}

// lossy is a connection whose answers get lost once it is armed.
type lossy struct {
	net.Conn
	armed func() bool // asked at each read; true loses the answer and ends the connection
}

func (c *lossy) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.armed() {
		c.Close()
		return 0, errors.New("the answer got lost")
	}
	return n, err
}

// A batch whose answer is lost is sent again, and its rows do not come twice.
func TestLostAnswer(t *testing.T) {
	server := clickhousetest.Start(t)
	var lose func() bool
	o := Options{Migrate: true, Timeout: 5 * time.Second}
	settings, err := parseDSN(server.DSN(), o)
	if err != nil {
		t.Fatal(err)
	}
	settings.DialContext = func(ctx context.Context, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		return &lossy{c, func() bool { return lose != nil && lose() }}, err
	}
	s, err := newStore(settings, o)
	if err == nil {
		err = s.prepare(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows := func() string { return server.Query("SELECT count() FROM findings")[0][0] }
	losses := 0
	lose = func() bool {
		if losses == 2 || rows() == "0" {
			return false // the answer is that to the INSERT's head
		}
		losses++
		return true
	}
	// Not one of the rows is another's version, so that no merge can hide a
	// row that came twice.
	attempts := insist(t, s, batch(0, 100))
	lose = nil
	if losses != 2 || attempts != 3 {
		t.Errorf("%d answers were lost in %d attempts, want 2 in 3", losses, attempts)
	}
	if got := rows(); got != "100" {
		t.Errorf("%s rows, want 100", got)
	}
	if got, want := s.Stats(), (Stats{Blocks: 1, Rows: 100}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	// Another batch has a token of its own, whatever its rows.
	if err := s.Write(context.Background(), batch(0, 100)); err != nil {
		t.Fatal(err)
	}
	if got := rows(); got != "200" {
		t.Errorf("%s rows after another batch, want 200", got)
	}
}

// Connections that were cut between batches are opened again.
func TestCutConnections(t *testing.T) {
	server := clickhousetest.Start(t)
	s := connect(t, server.DSN(), Options{})
	for i := range 5 {
		insist(t, s, batch(i*10, 10))
		server.CutConnections()
	}
	if got := read(t, s); len(got) != 50 {
		t.Errorf("%d findings, want 50", len(got))
	}
}

// Errors say whether it is the rows that are not taken.
func TestPoison(t *testing.T) {
	server := clickhousetest.Start(t)
	s := connect(t, server.DSN(), Options{})
	server.Exec("ALTER TABLE findings ADD CONSTRAINT test CHECK host != 'host-1.example'")
	b := batch(0, 4)
	err := s.Write(context.Background(), b)
	if !errors.Is(err, store.ErrPoison) || !strings.Contains(err.Error(), "findings") || !strings.Contains(err.Error(), "violated") {
		t.Errorf("got %v", err)
	}
	server.Exec("ALTER TABLE findings DROP CONSTRAINT test")
	insist(t, s, b)
	server.Exec("ALTER TABLE findings DROP COLUMN title")
	if err = s.Write(context.Background(), batch(0, 1)); err == nil || errors.Is(err, store.ErrPoison) || !strings.Contains(err.Error(), "not as authtap made them") {
		t.Errorf("got %v", err)
	}
	if got, want := s.Stats(), (Stats{Blocks: 1, Rows: 4}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// kill -9 while batches are written: the error says which server it was and
// what to do; afterwards every finding is there whole or not at all, and every
// one that was acknowledged is there.
func TestKilledWhileWriting(t *testing.T) {
	server := clickhousetest.Start(t)
	const size = 1000
	type end struct {
		batches int // acknowledged before the error
		err     error
	}
	acknowledged := 0 // batches of all rounds; the next round goes on from there
	for round := range 8 {
		s := connect(t, server.DSN(), Options{})
		started, ended := make(chan struct{}), make(chan end, 1)
		go func() {
			for n := 0; ; n++ {
				if n == 1 {
					close(started)
				}
				if err := s.Write(context.Background(), batch((acknowledged+n)*size, size)); err != nil {
					ended <- end{n, err}
					return
				}
			}
		}()
		select {
		case <-started:
		case e := <-ended:
			t.Fatalf("writing failed before the server was killed: %v", e.err)
		}
		time.Sleep(time.Duration(round) * 15 * time.Millisecond) // meets the server in different states
		server.Kill()
		e := <-ended
		for _, want := range []string{"1000 rows of findings not written", s.address, "check that ClickHouse runs there"} {
			if !strings.Contains(e.err.Error(), want) {
				t.Errorf("the error has no %q: %v", want, e.err)
			}
		}
		server.Restart()
		got := read(t, connect(t, server.DSN(), Options{}))
		acknowledged += e.batches
		known := 0
		for i := range (acknowledged + 1) * size { // and those of the batch that failed
			want := storetest.Finding(i)
			f, ok := got[want.ID]
			if !ok {
				if i < acknowledged*size {
					t.Fatalf("round %d: finding %d was acknowledged and is absent", round, i)
				}
				continue
			}
			known++
			if d := cmp.Diff(line(t, want), line(t, f)); d != "" {
				t.Fatalf("round %d: a torn row (+):\n%s", round, d)
			}
		}
		if known != len(got) {
			t.Errorf("round %d: %d findings are none that were written", round, len(got)-known)
		}
		t.Logf("round %d: %d batches acknowledged, %d findings kept", round, e.batches, len(got))
	}
	if acknowledged == 0 {
		t.Error("no batch was acknowledged")
	}
}

func line(t *testing.T, f detect.Finding) string {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TLS ends at a terminator in front of the server.
func TestTLS(t *testing.T) {
	server := clickhousetest.Start(t)
	plain, err := url.Parse(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	certificate, roots := certify(t)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	defer group.Wait()
	defer listener.Close()
	group.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer client.Close()
				upstream, err := net.Dial("tcp", plain.Host)
				if err != nil {
					return
				}
				defer upstream.Close()
				group.Go(func() { _, _ = io.Copy(upstream, client); upstream.Close() })
				_, _ = io.Copy(client, upstream)
			})
		}
	})
	secure := *plain
	secure.Scheme, secure.Host = "clickhouses", listener.Addr().String()
	if _, err := Open(context.Background(), secure.String(), Options{}); err == nil || !strings.Contains(err.Error(), "signed its certificate") {
		t.Errorf("with an unknown authority: %v", err)
	}
	s, err := Open(context.Background(), secure.String(), Options{Migrate: true, TLS: &tls.Config{RootCAs: roots}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Write(context.Background(), batch(0, 10)); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s); len(got) != 10 {
		t.Errorf("%d findings, want 10", len(got))
	}
}

// certify makes a certificate for the loopback address.
func certify(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

func TestPoisonous(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{&driver.Exception{Code: tooManyParts}, false},
		{&driver.Exception{Code: unknownTable}, false},
		{&driver.Exception{Code: 0}, false},
		{fmt.Errorf("send: %w", &driver.Exception{Code: violatedConstraint}), true},
		{io.EOF, false},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, false},
		{&unfit{3, errors.New("dateTime overflow")}, true},
		{&unfit{3, io.EOF}, false},
		{&unfit{3, &net.OpError{Op: "write", Err: errors.New("broken pipe")}}, false},
		{&unfit{3, driver.ErrBatchInvalid}, false},
	} {
		if got := poisonous(c.err); got != c.want {
			t.Errorf("%v: got %v, want %v", c.err, got, c.want)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	s := connect(b, clickhousetest.Start(b).DSN(), Options{})
	all := &store.Block{Rows: store.Rows{Findings: make([]detect.Finding, 1000)}}
	b.ReportAllocs()
	var n int
	for b.Loop() {
		for i := range all.Findings {
			all.Findings[i] = storetest.Finding(n)
			n++
		}
		if err := s.Write(context.Background(), all); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "findings/s")
}
