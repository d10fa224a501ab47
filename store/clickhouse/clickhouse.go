// Package clickhouse keeps findings in ClickHouse: the store of a fleet.
//
// Contract: Write sends a batch under a token of its own, so that a batch whose
// answer was lost can be sent again without its rows coming twice; it gives up
// after a number of attempts. What the tables hold are versions; reading gives
// the highest of each ID, whether ClickHouse has merged the rows yet or not.
// Times are kept in microseconds, from 1900 on. A Store holds a few connections
// and no findings. Write belongs to one goroutine, Findings and Stats to any.
//
// It makes its tables, but not its database, and drops nothing: how long
// findings are kept is for the server's owner to say (docs/clickhouse.md).
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

	"github.com/authtap/authtap/detect"
)

// Options of Open. Zero fields take their defaults.
type Options struct {
	// Attempts is how often a batch is sent before Write gives up. Default 5.
	Attempts int
	// Pause is the time before the second attempt; it doubles each time.
	// Default 250 ms.
	Pause time.Duration
	// Timeout is how long the server may take to be reached; its answers may
	// take ten times as long. Default 5 s.
	Timeout time.Duration
	// TLS is used with clickhouses://. Default: the system's authorities.
	TLS *tls.Config
}

// Stats counts since Open.
type Stats struct {
	// Batches and Findings that the server has taken.
	Batches, Findings uint64
	// Retries are batches that were sent again.
	Retries uint64
}

// Store is a database on a server. It implements store.Store.
type Store struct {
	conn    driver.Conn
	address string // for errors: host, port and database, no password
	options Options

	batches, findings, retries atomic.Uint64
}

// Open reaches the server at clickhouse://user:password@host:port/database, or
// clickhouses:// for TLS, and makes the tables that are not there yet. Ports
// are by default 9000 and 9440, the database "default". Its errors say what to
// do and do not contain the password.
func Open(ctx context.Context, dsn string, o Options) (*Store, error) {
	if o.Attempts <= 0 {
		o.Attempts = 5
	}
	if o.Pause <= 0 {
		o.Pause = 250 * time.Millisecond
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	settings, err := parseDSN(dsn, o)
	if err != nil {
		return nil, err
	}
	return open(ctx, settings, o)
}

func open(ctx context.Context, settings *driver.Options, o Options) (*Store, error) {
	conn, err := driver.Open(settings)
	if err != nil {
		return nil, err
	}
	s := &Store{conn: conn, address: settings.Addr[0] + "/" + settings.Auth.Database, options: o}
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(s.explain(err), conn.Close())
	}
	return s, nil
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
func (s *Store) Stats() Stats {
	return Stats{Batches: s.batches.Load(), Findings: s.findings.Load(), Retries: s.retries.Load()}
}

// Write keeps the findings, in one batch. A batch whose outcome is unknown is
// built anew and sent under the same token, which the server knows again if it
// has taken the rows.
func (s *Store) Write(ctx context.Context, findings []detect.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	token := rand.Text()
	pause := s.options.Pause
	for attempt := 1; ; attempt++ {
		err := s.send(ctx, token, findings)
		if err == nil {
			s.batches.Add(1)
			s.findings.Add(uint64(len(findings)))
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("clickhouse %s: %d findings not written: %w", s.address, len(findings), ctx.Err())
		}
		if attempt == s.options.Attempts || !passing(err) {
			return fmt.Errorf("%d findings not written, sent %d times: %w", len(findings), attempt, s.explain(err))
		}
		s.retries.Add(1)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause *= 2
	}
}

// send sends one batch.
func (s *Store) send(ctx context.Context, token string, findings []detect.Finding) error {
	ctx = driver.Context(ctx, driver.WithSettings(driver.Settings{
		"insert_deduplication_token": token,
		// The batch is the batch, whatever the server's profile says; an
		// answer means that it is kept.
		"async_insert": 0,
		// An archive of captures may span any number of months.
		"max_partitions_per_insert_block": 0,
	}))
	batch, err := s.conn.PrepareBatch(ctx, insert)
	if err != nil {
		return err
	}
	defer batch.Close() // after Send it does nothing
	for i := range findings {
		if err := batch.Append(values(&findings[i])...); err != nil {
			return fmt.Errorf("finding %s: %w", findings[i].ID, err)
		}
	}
	return batch.Send()
}
