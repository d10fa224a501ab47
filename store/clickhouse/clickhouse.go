// Package clickhouse keeps what sensors tell in ClickHouse: the store of a
// fleet.
//
// Contract: Write sends a block's rows, table by table, under the block's
// token, so that a block whose outcome is not known can be written again
// without its rows coming twice; doing so is the caller's part (store.Sender).
// The tables hold versions; reading gives the highest of each finding, whether
// ClickHouse has merged the rows yet or not. Times are kept in microseconds,
// from 1900 to 2299. A Store holds a few connections and no rows. Write belongs
// to one goroutine, Findings and Stats to any.
//
// It makes its tables where it is told to, but not its database, and removes
// rows only by Options.Retain (docs/clickhouse.md).
package clickhouse

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/authtap/authtap/store"
)

// Options of Open. Zero fields take their defaults.
type Options struct {
	// Migrate makes the tables, or brings them up to date, before they are used
	// for the first time. Without it they must be there.
	Migrate bool
	// Cluster is the name of the cluster to make the tables for; empty for a
	// single server. Tables that are there are used as they are.
	Cluster string
	// Retain says for how many days rows are kept, by the names of Retained; 0
	// is for ever. What is not named is left as it is.
	Retain map[string]int
	// Timeout is how long the server may take to be reached; its answers may
	// take ten times as long, where the caller's context gives them the time.
	// Default 5 s.
	Timeout time.Duration
	// Told, when set, is told of what takes long: rows that are copied to bring
	// the tables up to date, and how far that is.
	Told func(string)
	// TLS is used with clickhouses://. Default: the system's authorities.
	TLS *tls.Config
}

// Stats counts since Open.
type Stats struct {
	// Blocks and Rows that the server has taken.
	Blocks, Rows uint64
}

// Store is a database on a server. It implements store.Store.
type Store struct {
	conn    driver.Conn
	address string // for errors: host, port and database, no password
	options Options
	// form is that of the tables, once it is known that they are as they
	// should be; nil before.
	form atomic.Pointer[form]

	blocks, rows atomic.Uint64
}

// mostDays is half a century: what ends behind 2106 is over at once for
// ClickHouse.
const mostDays = 18_250

// New makes a store of the server at clickhouse://user:password@host:port/database,
// or clickhouses:// for TLS, without reaching for it yet. Ports are by default
// 9000 and 9440, the database "default".
func New(dsn string, o Options) (*Store, error) {
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	for name, days := range o.Retain {
		if days < 0 || days > mostDays {
			return nil, fmt.Errorf("%s cannot be kept for %d days: it is between 0, for ever, and %d", name, days, mostDays)
		}
		if retained[name] == nil {
			return nil, fmt.Errorf("there are no rows %q to be kept for a time: it is one of %s", name, strings.Join(Retained(), ", "))
		}
	}
	settings, err := parseDSN(dsn, o)
	if err != nil {
		return nil, err
	}
	return newStore(settings, o)
}

func newStore(settings *driver.Options, o Options) (*Store, error) {
	conn, err := driver.Open(settings)
	if err != nil {
		return nil, err
	}
	return &Store{conn: conn, address: settings.Addr[0] + "/" + settings.Auth.Database, options: o}, nil
}

// Open is New for those who want to know at once: it reaches the server and
// sees to the tables. Its errors say what to do and do not contain the
// password.
func Open(ctx context.Context, dsn string, o Options) (*Store, error) {
	s, err := New(dsn, o)
	if err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.conn.Close())
	}
	return s, nil
}

// Prepare sees to the tables, once. It is Write's first step, for those who give
// a write less time than a migration takes.
func (s *Store) Prepare(ctx context.Context) error { return s.prepare(ctx) }

func (s *Store) prepare(ctx context.Context) error {
	if s.form.Load() != nil {
		return nil
	}
	see := s.check
	if s.options.Migrate {
		see = s.migrate
	}
	if err := see(ctx); err != nil {
		return s.explain(err)
	}
	return nil
}

func (s *Store) ready(f form) { s.form.Store(&f) }

// Address is the server's host, port and database, without user and password.
func (s *Store) Address() string { return s.address }

// CheckAddress says what is wrong with the address of a store, as far as that
// can be told without asking the server.
func CheckAddress(dsn string) error {
	_, err := parseDSN(dsn, Options{})
	return err
}

// parseDSN reads the address. Its errors do not repeat it: it may hold a
// password.
func parseDSN(dsn string, o Options) (*driver.Options, error) {
	const form = "clickhouse://user:password@host:9000/database"
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, fmt.Errorf("the address of ClickHouse is not of the form %s (signs in the password may need escaping, such as %%40 for @)", form)
	}
	settings := &driver.Options{
		Auth:        driver.Auth{Username: u.User.Username(), Database: strings.TrimPrefix(u.Path, "/")},
		Compression: &driver.Compression{Method: driver.CompressionLZ4},
		DialTimeout: o.Timeout,
		ReadTimeout: 10 * o.Timeout,
		// On a cluster, what a part of a question gives is found once and sent to
		// all shards; the default refuses such questions.
		Settings: driver.Settings{"distributed_product_mode": "global"},
		// One writer; the rest is for readers.
		MaxOpenConns: 8, MaxIdleConns: 2,
		ClientInfo: driver.ClientInfo{Products: []struct{ Name, Version string }{{Name: "authtap"}}},
	}
	settings.Auth.Password, _ = u.User.Password()
	port := u.Port()
	switch u.Scheme {
	case "clickhouse":
		if port == "" {
			port = "9000"
		}
	case "clickhouses":
		if port == "" {
			port = "9440"
		}
		if settings.TLS = o.TLS.Clone(); settings.TLS == nil {
			settings.TLS = &tls.Config{}
		}
		if settings.TLS.ServerName == "" {
			settings.TLS.ServerName = u.Hostname()
		}
	default:
		return nil, fmt.Errorf("the address of ClickHouse begins with %q, not with clickhouse:// or clickhouses://", u.Scheme+"://")
	}
	switch {
	case u.Hostname() == "":
		return nil, fmt.Errorf("the address of ClickHouse names no host: it is of the form %s", form)
	case strings.Contains(u.Host, ","):
		return nil, fmt.Errorf("the address of ClickHouse names several hosts: give that of one, which is of the form %s", form)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("the address of ClickHouse takes no parameters: it is of the form %s", form)
	case strings.Contains(settings.Auth.Database, "/"):
		return nil, fmt.Errorf("the address of ClickHouse names no database: it is of the form %s", form)
	}
	if settings.Auth.Username == "" {
		settings.Auth.Username = "default"
	}
	if settings.Auth.Database == "" {
		settings.Auth.Database = "default"
	}
	settings.Addr = []string{net.JoinHostPort(u.Hostname(), port)}
	return settings, nil
}

// Close closes the connections.
func (s *Store) Close() error { return s.conn.Close() }

// Stats may be called at any time.
func (s *Store) Stats() Stats { return Stats{Blocks: s.blocks.Load(), Rows: s.rows.Load()} }

// Write keeps the block's rows, in one batch for each table; see store.Sink.
// Where the block has no token, its batches have one of chance. On a cluster
// they stay on the shard of the server.
func (s *Store) Write(ctx context.Context, b *store.Block) error { return s.put(ctx, b, form.local) }

// spread is Write for rows that several servers of a cluster may be given: each
// row goes to the shard that it belongs to by its identity.
func (s *Store) spread(ctx context.Context, b *store.Block) error {
	return s.put(ctx, b, func(_ form, table string) string { return table })
}

func (s *Store) put(ctx context.Context, b *store.Block, into func(form, string) string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.Len() == 0 {
		return nil
	}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	token := b.Token
	if token == "" {
		token = rand.Text()
	}
	f := *s.form.Load()
	err := write(ctx, s, token, into(f, "findings"), columns, b.Findings, findingValues)
	if err == nil {
		err = write(ctx, s, token, into(f, "occurrences"), occurrenceColumns, b.Occurrences, occurrenceValues)
	}
	if err == nil {
		err = write(ctx, s, token, into(f, "auth_events"), authEventColumns, b.AuthEvents, authEventValues)
	}
	if err == nil {
		err = write(ctx, s, token, into(f, "sensors"), heartbeatColumns, b.Heartbeats, heartbeatValues)
	}
	if err == nil {
		err = write(ctx, s, token, into(f, "endpoints"), endpointColumns, b.Endpoints, endpointValues)
	}
	if err == nil {
		err = write(ctx, s, token, into(f, "credentials"), useColumns, b.Credentials, useValues)
	}
	if err == nil {
		err = write(ctx, s, token, into(f, "issuers"), issuerColumns, b.Issuers, issuerValues)
	}
	if err != nil {
		return err
	}
	s.blocks.Add(1)
	s.rows.Add(uint64(b.Len()))
	return nil
}

// write sends the rows of one table.
func write[T any](ctx context.Context, s *Store, token, table, columns string, rows []T, values func(*T) []any) error {
	if len(rows) == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	err := send(ctx, s, token, "INSERT INTO "+table+" ("+columns+")", rows, values)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("clickhouse %s: %d rows of %s not written: %w", s.address, len(rows), table, ctx.Err())
	case poisonous(err):
		return fmt.Errorf("clickhouse %s: table %s: %w: %w", s.address, table, store.ErrPoison, err)
	}
	var x *driver.Exception
	if errors.As(err, &x) && (x.Code == unknownTable || x.Code == unknownIdentifier || x.Code == noSuchColumn) {
		s.form.Store(nil) // they may be made again: look before the next time
	}
	return fmt.Errorf("%d rows of %s not written: %w", len(rows), table, s.explain(err))
}

func send[T any](ctx context.Context, s *Store, token, insert string, rows []T, values func(*T) []any) error {
	ctx = driver.Context(ctx, driver.WithSettings(driver.Settings{
		"insert_deduplication_token": token,
		// Also where the rows are known again: the server may have been killed
		// between a table and the aggregates made of it, which take the same
		// rows twice without harm.
		"deduplicate_blocks_in_dependent_materialized_views": 1,
		// The batch is the batch, whatever the server's profile says; an
		// answer means that it is kept.
		"async_insert":                  0,
		"distributed_foreground_insert": 1,
		// An archive of captures may span any number of months.
		"max_partitions_per_insert_block": 0,
	}))
	batch, err := s.conn.PrepareBatch(ctx, insert)
	if err != nil {
		return err
	}
	defer batch.Close() // after Send it does nothing
	for i := range rows {
		if err := batch.Append(values(&rows[i])...); err != nil {
			return &unfit{i, err}
		}
	}
	return batch.Send()
}

// unfit is a row that cannot be written in the columns' types.
type unfit struct {
	row int
	err error
}

func (u *unfit) Error() string { return fmt.Sprintf("row %d: %v", u.row, u.err) }
func (u *unfit) Unwrap() error { return u.err }
