package clickhousetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect opens the driver's native interface on the test's database.
func connect(t *testing.T, s *Server, change func(*clickhouse.Options)) driver.Conn {
	t.Helper()
	options, err := clickhouse.ParseDSN(s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(options)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

const typesTable = `CREATE TABLE types (
	u8 UInt8, u16 UInt16, u32 UInt32, u64 UInt64, i8 Int8, i16 Int16, i32 Int32, i64 Int64,
	f64 Float64, b Bool, s String, fs FixedString(4),
	lc LowCardinality(String), lcn LowCardinality(Nullable(String)),
	ts DateTime64(6, 'UTC'), tsn Nullable(DateTime64(6, 'UTC')), day Date,
	ip IPv6, ip4 IPv4, id UUID,
	sev Enum8('info' = 1, 'high' = 4),
	tags Array(LowCardinality(String)), nested Array(Array(UInt16)),
	m Map(LowCardinality(String), String), ml Map(String, Array(UInt32)),
	n Nullable(UInt16), tup Tuple(String, UInt8)
) ENGINE = MergeTree ORDER BY u8`

// typesRows holds, for each column of typesTable, ordinary and extreme values.
func typesRows() [][]any {
	text, number := "x", uint16(65535)
	when := time.Date(2026, 1, 2, 3, 4, 5, 123456000, time.UTC)
	return [][]any{
		{uint8(0), uint16(0), uint32(0), uint64(0), int8(math.MinInt8), int16(math.MinInt16), int32(math.MinInt32), int64(math.MinInt64),
			math.Inf(-1), false, "", "abcd",
			"", (*string)(nil),
			when, (*time.Time)(nil), when.Truncate(24 * time.Hour),
			net.ParseIP("2001:db8::1"), net.ParseIP("192.0.2.1").To4(), uuid.Nil,
			"info",
			[]string{}, [][]uint16{},
			map[string]string{}, map[string][]uint32{},
			(*uint16)(nil), []any{"", uint8(0)}},
		{uint8(255), uint16(65535), uint32(math.MaxUint32), uint64(math.MaxUint64), int8(math.MaxInt8), int16(math.MaxInt16), int32(math.MaxInt32), int64(math.MaxInt64),
			0.1, true, "it's \\ \x00 \xff ünïcode", "\x00\x00\x00\xff",
			"jwt", &text,
			when.Add(time.Microsecond), &when, when.Truncate(24 * time.Hour),
			net.ParseIP("::ffff:192.0.2.1"), net.ParseIP("255.255.255.255").To4(), uuid.MustParse("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"),
			"high",
			[]string{"a", "b", "a"}, [][]uint16{{1, 2}, {}, {3}},
			map[string]string{"k": "v", "": "empty"}, map[string][]uint32{"one": {1}, "none": {}},
			&number, []any{"t", uint8(7)}},
	}
}

// plain takes the pointers off, that differ in identity only.
func plain(values []any) []string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = text(v)
	}
	return texts
}

// Every type that a schema of ours may have comes back as it went in, with and
// without compression.
func TestTypesNative(t *testing.T) {
	s := Start(t)
	for name, method := range map[string]clickhouse.CompressionMethod{
		"none": clickhouse.CompressionNone, "lz4": clickhouse.CompressionLZ4, "zstd": clickhouse.CompressionZSTD,
	} {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			conn := connect(t, s, func(o *clickhouse.Options) {
				o.Compression = &clickhouse.Compression{Method: method}
			})
			s.Exec("DROP TABLE IF EXISTS types")
			if err := conn.Exec(ctx, typesTable); err != nil {
				t.Fatal(err)
			}
			batch, err := conn.PrepareBatch(ctx, "INSERT INTO types")
			if err != nil {
				t.Fatal(err)
			}
			want := typesRows()
			for _, row := range want {
				if err := batch.Append(row...); err != nil {
					t.Fatal(err)
				}
			}
			if err := batch.Send(); err != nil {
				t.Fatal(err)
			}
			rows, err := conn.Query(ctx, "SELECT * FROM types ORDER BY u8")
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			var got [][]string
			for rows.Next() {
				into := make([]any, len(want[0]))
				for i, c := range rows.ColumnTypes() {
					into[i] = reflect.New(c.ScanType()).Interface()
				}
				if err := rows.Scan(into...); err != nil {
					t.Fatal(err)
				}
				got = append(got, plain(into))
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
			var expected [][]string
			for _, row := range want {
				expected = append(expected, plain(row))
			}
			if d := cmp.Diff(expected, got); d != "" {
				t.Errorf("rows read (+) differ from those written (-):\n%s", d)
			}
		})
	}
}

func TestTypesDatabaseSQL(t *testing.T) {
	s := Start(t)
	db, err := sql.Open("clickhouse", s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(typesTable); err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	statement, err := tx.Prepare("INSERT INTO types")
	if err != nil {
		t.Fatal(err)
	}
	var want [][]string
	for _, row := range typesRows() {
		if _, err := statement.Exec(row...); err != nil {
			t.Fatal(err)
		}
		want = append(want, plain(row))
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	got := s.Query("SELECT * FROM types ORDER BY u8")
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rows read (+) differ from those written (-):\n%s", d)
	}
	if got := s.Query("SELECT u8 FROM types WHERE s = ? AND ip = toIPv6(?)", typesRows()[1][10], "192.0.2.1"); len(got) != 1 {
		t.Errorf("asked with parameters: %v", got)
	}
}

// A result of many blocks, and rows that are longer than a frame of
// compressed data.
func TestLargeResults(t *testing.T) {
	s := Start(t)
	conn := connect(t, s, nil)
	ctx := context.Background()
	var n, sum uint64
	rows, err := conn.Query(ctx, "SELECT number, repeat('x', 100) FROM numbers(200000)")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var v uint64
		var x string
		if err := rows.Scan(&v, &x); err != nil {
			t.Fatal(err)
		}
		n++
		sum += v
	}
	if n != 200000 || sum != n*(n-1)/2 {
		t.Errorf("%d rows with the sum %d", n, sum)
	}
	var long string
	if err := conn.QueryRow(ctx, "SELECT repeat(repeat('y', 5000), 1000)").Scan(&long); err != nil || len(long) != 5000000 {
		t.Errorf("%d bytes, %v", len(long), err)
	}
}

func TestExceptions(t *testing.T) {
	s := Start(t)
	s.Exec("CREATE TABLE t (a UInt8, b LowCardinality(String)) ENGINE = MergeTree ORDER BY a")
	ctx := context.Background()
	conn := connect(t, s, func(o *clickhouse.Options) { o.MaxOpenConns = 1 })
	one := func(query string) func() error {
		return func() error { return conn.Exec(ctx, query) }
	}
	for _, c := range []struct {
		name string
		do   func() error
		code int32
		text string
	}{
		{"syntax", one("SELEKT 1 FROM"), 62, "Syntax error"},
		{"unknown table", one("SELECT * FROM nowhere"), 60, "nowhere"},
		{"unknown column", one("SELECT nothing FROM t"), 47, "nothing"},
		{"division while running", one("SELECT intDiv(1, a) FROM (SELECT 0::UInt8 AS a)"), 153, "Division by zero"},
		{"insert into unknown table", func() error {
			_, err := conn.PrepareBatch(ctx, "INSERT INTO nowhere (a)")
			return err
		}, 60, "nowhere"},
		{"insert into unknown column", func() error {
			_, err := conn.PrepareBatch(ctx, "INSERT INTO t (a, z)")
			return err
		}, 47, "z"},
		{"unknown setting", func() error {
			return conn.Exec(clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"no_such_setting": 1})), "SELECT 1")
		}, 115, "no_such_setting"},
		{"wrong password", func() error {
			return connect(t, s, func(o *clickhouse.Options) { o.Auth.Password += "x" }).Ping(ctx)
		}, 516, "Authentication failed"},
		{"unknown database", func() error {
			return connect(t, s, func(o *clickhouse.Options) { o.Auth.Database = "nowhere" }).Ping(ctx)
		}, 81, "nowhere"},
	} {
		err := c.do()
		var x *clickhouse.Exception
		if !errors.As(err, &x) {
			t.Errorf("%s: got %v, want an exception", c.name, err)
			continue
		}
		if x.Code != c.code || !strings.Contains(x.Message, c.text) {
			t.Errorf("%s: got code %d, %q; want code %d with %q", c.name, x.Code, x.Message, c.code, c.text)
		}
	}
	// The connection outlives them.
	if err := conn.Ping(ctx); err != nil {
		t.Error(err)
	}
}

func TestStatementsWithoutRows(t *testing.T) {
	s := Start(t)
	ctx := context.Background()
	conn := connect(t, s, nil)
	if err := conn.Exec(ctx, "CREATE TABLE t (a UInt8, b LowCardinality(String) DEFAULT 'x', m Map(LowCardinality(String), String)) ENGINE = MergeTree ORDER BY a"); err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(ctx, "SELECT a, b, m FROM t -- nothing there")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if rows.Next() {
		t.Error("a row of an empty table")
	}
	if got, want := rows.Columns(), []string{"a", "b", "m"}; !cmp.Equal(got, want) {
		t.Errorf("columns %v, want %v", got, want)
	}
	if err := conn.Exec(ctx, "INSERT INTO t (a) VALUES (1), (2)"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Exec(ctx, "INSERT INTO t (a) SELECT number + 3 FROM numbers(2)"); err != nil {
		t.Fatal(err)
	}
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO t (a)")
	if err != nil {
		t.Fatal(err)
	}
	if err := batch.Send(); err != nil { // without rows
		t.Fatal(err)
	}
	if got, want := s.Query("SELECT a, b FROM t ORDER BY a"), [][]string{{"1", "x"}, {"2", "x"}, {"3", "x"}, {"4", "x"}}; !cmp.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// insert sends one batch of numbers from first on with a deduplication token.
func insert(conn driver.Conn, token string, first, n uint64) error {
	ctx := clickhouse.Context(context.Background(), clickhouse.WithSettings(clickhouse.Settings{"insert_deduplication_token": token}))
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO numbered (n)")
	if err != nil {
		return err
	}
	for i := range n {
		if err := batch.Append(first + i); err != nil {
			return err
		}
	}
	return batch.Send()
}

const numbered = "CREATE TABLE numbered (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 100"

func count(s *Server) string { return s.Query("SELECT count() FROM numbered")[0][0] }

// Settings reach the engine, and only their own query.
func TestDeduplicationToken(t *testing.T) {
	s := Start(t)
	s.Exec(numbered)
	conn := connect(t, s, nil)
	for i, c := range []struct{ token, want string }{
		{"a", "10"}, {"a", "10"}, {"b", "20"}, {"a", "20"}, {"c", "30"},
	} {
		if err := insert(conn, c.token, 0, 10); err != nil {
			t.Fatal(err)
		}
		if got := count(s); got != c.want {
			t.Errorf("after batch %d, with token %s, there are %s rows, want %s", i, c.token, got, c.want)
		}
	}
	ctx := clickhouse.Context(context.Background(), clickhouse.WithSettings(clickhouse.Settings{"max_threads": 7}))
	var threads string
	if err := conn.QueryRow(ctx, "SELECT toString(getSetting('max_threads'))").Scan(&threads); err != nil || threads != "7" {
		t.Errorf("max_threads is %q, %v", threads, err)
	}
	if got := s.Query("SELECT toString(getSetting('max_threads'))")[0][0]; got == "7" {
		t.Error("a setting of one query holds for another")
	}
}

func TestKillAndRestart(t *testing.T) {
	s := Start(t)
	s.Exec(numbered)
	conn := connect(t, s, nil)
	if err := insert(conn, "a", 0, 50000); err != nil {
		t.Fatal(err)
	}
	dsn := s.DSN()
	s.Kill()
	if err := insert(conn, "b", 0, 10); err == nil {
		t.Error("a dead server takes rows")
	}
	if c, err := net.Dial("tcp", strings.Split(strings.Split(dsn, "@")[1], "/")[0]); err == nil {
		c.Close()
		t.Error("a dead server takes connections")
	}
	s.Restart()
	if s.DSN() != dsn {
		t.Errorf("the address changed from %s to %s", dsn, s.DSN())
	}
	if got := count(s); got != "50000" {
		t.Errorf("%s rows after the restart, want 50000", got)
	}
	// The window of tokens was kept too.
	if err := insert(conn, "a", 0, 50000); err != nil {
		t.Fatal(err)
	}
	if got := count(s); got != "50000" {
		t.Errorf("%s rows after sending the same token again, want 50000", got)
	}
}

// Rows of an INSERT that the client did not finish are not inserted.
func TestCutInsert(t *testing.T) {
	s := Start(t)
	s.Exec(numbered)
	ctx := context.Background()
	conn := connect(t, s, nil)
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO numbered (n)")
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(1000) {
		if err := batch.Append(i); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Flush(); err != nil { // the rows are on their way
		t.Fatal(err)
	}
	if n := s.CutConnections(); n != 1 {
		t.Errorf("%d connections cut, want 1", n)
	}
	if err := batch.Send(); err == nil {
		t.Error("a batch was sent over a connection that was cut")
	}
	if got := count(s); got != "0" {
		t.Errorf("%s rows of an unfinished INSERT", got)
	}
	if err := insert(conn, "a", 0, 10); err != nil {
		t.Errorf("after the cut: %v", err)
	}
	if got := count(s); got != "10" {
		t.Errorf("%s rows, want 10", got)
	}
	if n := s.CutConnections(); n != 1 {
		t.Errorf("%d connections cut, want 1", n)
	}
}

func TestConnectionsAtTheSameTime(t *testing.T) {
	s := Start(t)
	s.Exec(numbered)
	conn := connect(t, s, func(o *clickhouse.Options) { o.MaxOpenConns = 8 })
	errs := make(chan error)
	for i := range 8 {
		go func() { errs <- insert(conn, fmt.Sprint(i), uint64(i)*1000, 1000) }()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := s.Query("SELECT count(), uniqExact(n) FROM numbered"); !cmp.Equal(got, [][]string{{"8000", "8000"}}) {
		t.Errorf("got %v", got)
	}
}

// What is no client of the protocol is turned away, and hurts nobody.
func TestNotTheProtocol(t *testing.T) {
	s := Start(t)
	for _, bytes := range []string{"GET / HTTP/1.1\r\n\r\n", "\x00", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", ""} {
		c, err := net.Dial("tcp", s.base.Host)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, bytes); err != nil {
			t.Fatal(err)
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Error(err)
		}
		c.Close()
	}
	if got := s.Query("SELECT 1"); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}

// What goes through slow connections comes late, but whole; and silence ends
// with the connection.
func TestSlow(t *testing.T) {
	s := Start(t)
	s.Exec(numbered)
	conn := connect(t, s, nil)
	s.Slow(50 * time.Millisecond)
	begun := time.Now()
	if err := insert(conn, "a", 0, 10); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took < 100*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	s.Slow(time.Hour)
	failed, before := make(chan error), s.proxy.held.Load()
	go func() { failed <- insert(conn, "b", 10, 10) }()
	for s.proxy.held.Load() == before {
		time.Sleep(time.Millisecond)
	}
	select {
	case err := <-failed:
		t.Fatalf("an answer out of silence: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	s.CutConnections()
	if err := <-failed; err == nil {
		t.Error("inserted over a connection that was cut")
	}
	s.Slow(0)
	if err := insert(conn, "b", 10, 10); err != nil {
		t.Error(err)
	}
	if got := count(s); got != "20" {
		t.Errorf("%s rows, want 20", got)
	}
}
